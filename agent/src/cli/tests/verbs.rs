//! Every verb from the command line to the daemon and back.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a script answers the orders of its own story"
)]

use std::os::unix::fs::PermissionsExt;

use sanaga_proto::code;
use sanaga_proto::failure::Failure;

use super::*;
use crate::control::{Change, Done, HistoryLine};

fn done() -> Done {
    Done {
        app: Some("shop".parse().unwrap()),
        from: Some("1.4.2".parse().unwrap()),
        to: Some("1.4.1".parse().unwrap()),
        took_ms: 412,
        probes: (1, 1),
        receipts_waiting: 2,
        receipt: Some(9),
        data: None,
        changes: Vec::new(),
    }
}

/// How `app` comes from 1.4.1 to 1.4.2.
fn change(app: &str) -> Change {
    Change {
        app: app.parse().unwrap(),
        from: Some("1.4.1".parse().unwrap()),
        to: "1.4.2".parse().unwrap(),
        phase: "probation".to_owned(),
        activated: true,
        took_ms: 412,
        probes: (1, 1),
        failure: None,
    }
}

/// A daemon that gives this reply to everything but `watch`, which ends at once.
pub(super) fn answering(world: &World, reply: Reply) {
    world.daemon(move |order| match order {
        Order::Watch => Vec::new(),
        _ => vec![reply.clone()],
    });
}

#[test]
fn a_roll_back_reads_as_in_the_first_hour() {
    let world = World::new();
    answering(&world, Reply::Done(done()));
    let ran = world.run("rollback shop");
    let out = text(&[
        "shop 1.4.2 → 1.4.1   no network needed",
        "Activated in 0.4 s, probe passing. 1.4.2 is set aside until a newer assignment.",
        "The controller will hear of it at the next contact (receipt #9 waiting).",
    ]);
    assert_eq!((ran.exit, ran.out, ran.err), (0, out, String::new()));
    let ran = world.run_with("rollback shop", Language::French);
    let out = text(&[
        "shop 1.4.2 → 1.4.1   sans réseau",
        "Activée en 0,4 s, sonde réussie. 1.4.2 est écartée jusqu'à une assignation plus récente.",
        "Le contrôleur l'apprendra au prochain contact (reçu n° 9 en attente).",
    ]);
    assert_eq!(ran.out, out);
    let json = world.run("rollback shop --output jsonl --lang fr").out;
    assert_eq!(
        json,
        "{\"app\":\"shop\",\"from\":\"1.4.2\",\"probes\":[1,1],\"receipt\":9,\"receipts_waiting\":2,\
         \"schema_version\":1,\"to\":\"1.4.1\",\"took_ms\":412}\n"
    );
}

#[test]
fn several_probes_are_counted() {
    let world = World::new();
    let few = Done {
        probes: (2, 3),
        receipt: None,
        data: None,
        from: None,
        ..done()
    };
    answering(&world, Reply::Done(few));
    let ran = world.run("activate shop");
    assert_eq!(
        ran.out,
        "shop 1.4.1\nActivated in 0.4 s, 2 of 3 probes passing.\n"
    );
    assert_eq!(ran.err, "Next: sanaga-agent status --watch\n");
}

#[test]
fn an_unknown_app_is_told_with_the_one_that_was_meant() {
    let world = World::new();
    let unknown = Failure::new(code::NO_SUCH_APP)
        .arg("app", "shp")
        .arg("near", "");
    let refusal = Reply::refused(&unknown);
    world.daemon(move |order| match order {
        Order::Status => vec![Reply::Report(report(vec![shop()]))],
        Order::Watch => Vec::new(),
        _ => vec![refusal.clone()],
    });
    for line in ["rollback shp", "stage shp", "activate shp", "verify shp"] {
        let ran = world.run(line);
        let err = "error SNG-0506: no app `shp` on this node\n  hint: did you mean `shop`?\n";
        assert_eq!((ran.exit, ran.err.as_str()), (2, err), "{line}");
    }
    let ran = world.run("rollback Shop!");
    assert_eq!(ran.exit, 2);
    assert!(
        ran.err
            .starts_with("error SNG-0108: `Shop!` is not a valid app"),
        "{}",
        ran.err
    );
}

#[test]
fn a_daemon_that_is_not_there_is_a_failure_that_passes() {
    let world = World::new();
    let socket = world.paths().socket;
    for line in [
        "status",
        "status --watch",
        "pull",
        "rollback shop",
        "history",
        "verify",
    ] {
        let ran = world.run(line);
        let err = format!(
            "error SNG-0114: the agent is not running ({})\n  hint: start it: sanaga-agent run\n",
            socket.display()
        );
        assert_eq!(
            (ran.exit, ran.out.as_str(), ran.err),
            (4, "", err),
            "{line}"
        );
    }
}

#[test]
fn a_daemon_that_dies_in_the_middle_is_noticed() {
    let world = World::new();
    world.daemon(|_| Vec::new());
    let ran = world.run("status");
    assert_eq!(ran.exit, 4);
    assert!(ran.err.contains("SNG-0114"), "{}", ran.err);
    let ran = world.run("rollback shop");
    assert_eq!(ran.exit, 4);
    assert!(ran.err.contains("SNG-0114"), "{}", ran.err);
}

#[test]
fn status_for_programs_is_the_report() {
    let world = World::new();
    answering(&world, Reply::Report(report(vec![shop()])));
    let ran = world.run("status --output json --lang fr");
    let value: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(value["schema_version"], 1);
    assert_eq!(value["apps"][0]["phase"], "committed");
    let back: Report = serde_json::from_value(value).unwrap();
    assert_eq!(back, report(vec![shop()]));
}

#[test]
fn stage_says_what_comes_next() {
    let world = World::new();
    let staged = Done {
        from: Some("1.4.1".parse().unwrap()),
        to: Some("1.4.2".parse().unwrap()),
        ..done()
    };
    answering(&world, Reply::Done(staged));
    let ran = world.run("stage shop");
    assert_eq!(
        ran.out,
        "shop 1.4.2 is staged beside 1.4.1, which keeps running.\n"
    );
    assert_eq!(ran.err, "Next: sanaga-agent activate shop\n");
}

/// An order that is about all apps led to these changes.
fn led_to(changes: Vec<Change>) -> Reply {
    Reply::Done(Done {
        app: None,
        from: None,
        to: None,
        took_ms: 800,
        changes,
        ..done()
    })
}

#[test]
fn pull_names_what_it_led_to() {
    let world = World::new();
    answering(&world, led_to(Vec::new()));
    assert_eq!(world.run("pull").out, "The controller answered in 0.8 s.\n");
    let world = World::new();
    let fetching = Change {
        phase: "fetching".to_owned(),
        activated: false,
        ..change("shop")
    };
    let first = Change {
        from: None,
        ..fetching.clone()
    };
    answering(&world, led_to(vec![fetching, first]));
    let out = text(&[
        "The controller answered in 0.8 s.",
        "shop 1.4.1 → 1.4.2   fetching",
        "shop 1.4.2   fetching",
    ]);
    assert_eq!(world.run("pull").out, out);
}

#[test]
fn a_spent_budget_is_told_with_the_way_past_it() {
    let world = World::new();
    let spent = Failure::new(code::BUDGET_SPENT)
        .arg("limit", "20")
        .arg("window", "day")
        .arg("wait", "3 h 20 min");
    let mut waits = shop();
    waits.phase = "fetching".to_owned();
    waits.failure = match Reply::refused(&spent) {
        Reply::Refused { code, args } => Some((code, args)),
        other => panic!("{other:?}"),
    };
    world.daemon(move |order| match order {
        Order::Pull { past_budget: true } => vec![led_to(Vec::new())],
        Order::Status => vec![Reply::Report(report(vec![waits.clone()]))],
        _ => Vec::new(),
    });
    let err = text(&[
        "error SNG-0310: the data budget is spent: 20 MB in 24 hours",
        "  hint: what came is kept, and it goes on by itself in 3 h 20 min; to fetch all the same: sanaga-agent pull --now",
    ]);
    assert_eq!(world.run("status").err, err);
    let err = text(&[
        "erreur SNG-0310: le budget de données est épuisé : 20 Mo en 24 heures",
        "  conseil: ce qui est arrivé est gardé et la suite vient toute seule dans 3 h 20 min ; pour télécharger quand même : sanaga-agent pull --now",
    ]);
    assert_eq!(world.run("status --lang fr").err, err);
    let ran = world.run("pull --now");
    assert_eq!(
        (ran.exit, ran.out.as_str()),
        (0, "The controller answered in 0.8 s.\n")
    );
}

#[test]
fn install_names_each_app_and_its_versions() {
    let world = World::new();
    let mut waits = Change {
        phase: "fetching".to_owned(),
        activated: false,
        ..change("stock")
    };
    let offline = Failure::new(code::STALLED)
        .arg("host", "deploy.pharmaplus.cm")
        .arg("seconds", "60");
    waits.failure = match Reply::refused(&offline) {
        Reply::Refused { code, args } => Some((code, args)),
        other => panic!("{other:?}"),
    };
    let of_both = led_to(vec![change("shop"), waits]);
    world.daemon(move |order| match order {
        Order::Install {
            accept_expired: true,
            ..
        } => vec![led_to(Vec::new())],
        Order::Install { path, .. } if path.ends_with("both.sanaga") => vec![of_both.clone()],
        Order::Install { .. } => vec![led_to(vec![change("shop")])],
        _ => Vec::new(),
    });
    let bundle = world.folder.path().join("shop.sanaga");
    let line = format!("install --from {}", bundle.display());
    let ran = world.run(&line);
    assert_eq!(ran.exit, 2);
    assert!(ran.err.contains("SNG-0102"), "{}", ran.err);
    std::fs::write(&bundle, "bundle").unwrap();
    let ran = world.run(&line);
    let out = "shop 1.4.1 → 1.4.2   from shop.sanaga, no network needed\nActivated in 0.4 s, probe passing.\n";
    assert_eq!((ran.exit, ran.out.as_str()), (0, out));
    let json = world.run(&format!("{line} --output jsonl")).out;
    assert!(
        json.contains(r#""changes":[{"activated":true,"app":"shop","failure":null,"from":"1.4.1""#),
        "{json}"
    );
    let ran = world.run(&format!("{line} --accept-expired"));
    assert_eq!(
        ran.out,
        "shop.sanaga is verified and taken in; no network needed.\n"
    );
    assert_eq!(ran.err, "Next: sanaga-agent status --watch\n");
    let both = world.folder.path().join("both.sanaga");
    std::fs::write(&both, "bundle").unwrap();
    let ran = world.run(&format!("install --from {}", both.display()));
    let out = text(&[
        "shop 1.4.1 → 1.4.2   from both.sanaga, no network needed",
        "Activated in 0.4 s, probe passing.",
        "stock 1.4.1 → 1.4.2   fetching",
    ]);
    assert_eq!((ran.exit, ran.out), (4, out));
    assert!(ran.err.starts_with("error SNG-0302"), "{}", ran.err);
}

#[test]
fn an_old_bundle_needs_a_person_and_without_one_a_flag() {
    let world = World::new();
    let old = Failure::new(code::BUNDLE_NEEDS_CONFIRMATION)
        .arg("role", "timestamp")
        .arg("expired", "2026-10-01");
    let refusal = Reply::refused(&old);
    world.daemon(move |order| match order {
        Order::Install {
            accept_expired: true,
            ..
        } => vec![Reply::Done(done())],
        Order::Install { .. } => vec![refusal.clone()],
        _ => Vec::new(),
    });
    let bundle = world.folder.path().join("b");
    std::fs::write(&bundle, "bundle").unwrap();
    let line = format!("install --from {}", bundle.display());
    let ran = world.run_with(&line, Language::French);
    let err = text(&[
        "erreur SNG-0225: timestamp dans ce lot a expiré le 2026-10-01",
        "  conseil: si vous êtes sûr de sa provenance, ajoutez --accept-expired",
    ]);
    assert_eq!((ran.exit, ran.err), (7, err));
    assert_eq!(world.run(&format!("{line} --accept-expired")).exit, 0);
}

#[test]
fn drift_without_repair_fails_and_with_repair_does_not() {
    let world = World::new();
    answering(
        &world,
        Reply::Verified {
            files: 3,
            bytes: 2_000,
            drift: vec![(
                "shop".parse().unwrap(),
                "bin/shop".to_owned(),
                "content".to_owned(),
            )],
        },
    );
    let ran = world.run("verify");
    let err = text(&[
        "error SNG-0406: shop/bin/shop is not as it was installed",
        "  hint: repair it: sanaga-agent verify --repair",
    ]);
    assert_eq!((ran.exit, ran.err), (5, err));
    let ran = world.run("verify shop --repair");
    assert_eq!(
        (ran.exit, ran.err.as_str()),
        (0, "Next: sanaga-agent status --watch\n")
    );
    let json = world.run("verify --output json").out;
    assert!(json.contains("\"schema_version\": 1") && json.contains("\"how\": \"content\""));
}

#[test]
fn history_for_programs_is_one_object_a_line() {
    let world = World::new();
    let event = HistoryLine {
        number: 4,
        kind: "committed".to_owned(),
        at_s: 1,
        clock_sure: false,
        app: None,
        version: None,
        code: None,
        count: 1,
        acknowledged: false,
        detail: None,
    };
    answering(&world, Reply::History(vec![event.clone(), event]));
    let out = world.run("history --output jsonl").out;
    assert_eq!(out.lines().count(), 2);
    assert!(
        out.lines()
            .all(|line| line.contains("\"schema_version\":1"))
    );
    let out = world.run("history --output json").out;
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(value["events"][1]["number"], 4);
}

#[test]
fn configuration_is_shown_with_its_origin() {
    let world = World::new();
    let file = world.folder.path().join("agent.toml");
    std::fs::write(&file, "[poll]\ninterval_s = 30\n").unwrap();
    let ran = world.run("config check");
    assert_eq!(
        ran.out,
        "The configuration is good: 1 value set, the rest by default.\n"
    );
    assert_eq!(ran.err, "Next: sanaga-agent config show --origin\n");
    let out = world.run("config show --origin").out;
    let line = out
        .lines()
        .find(|line| line.starts_with("poll.interval_s"))
        .unwrap();
    assert!(line.ends_with(&format!("  {}:2", file.display())), "{line}");
    assert!(out.lines().any(|line| line.ends_with(" default")));
    assert!(!world.run("config show").out.contains("default"));
    std::fs::write(&file, "[poll]\nintervall_s = 30\n").unwrap();
    let ran = world.run_with("config check", Language::French);
    let err = text(&[
        &format!(
            "erreur SNG-0104: {} ligne 2 : clé inconnue « intervall_s » dans [poll]",
            file.display()
        ),
        "  conseil: vouliez-vous dire « interval_s » ?",
    ]);
    assert_eq!((ran.exit, ran.err), (2, err));
}

#[test]
fn run_hands_the_configuration_to_the_daemon() {
    let mut world = World::new();
    world.rooms.run = |options| {
        let wrong =
            Failure::new(code::INTERNAL).arg("problem", format!("{:?}", options.config.log));
        (options.config.log.level == crate::config::LogLevel::Debug)
            .then_some(())
            .ok_or(wrong)
    };
    assert_eq!(world.run("run --log-level debug").exit, 0);
    assert_eq!(world.run("run").exit, 1);
    assert_eq!(world.run("run --log-level loud").exit, 2);
}

#[test]
fn the_doctor_finds_a_key_that_others_can_read() {
    let world = World::new();
    let ran = world.run("doctor");
    assert_eq!(ran.exit, 1);
    assert!(
        ran.out.contains("SNG-0223") && ran.out.contains("SNG-0114"),
        "{}",
        ran.out
    );
    let files = IdentityFiles::new(world.folder.path(), &world.folder.path().join("worker"));
    enrolled().identity.save(&files).unwrap();
    answering(&world, Reply::Report(report(vec![shop()])));
    std::fs::create_dir(files.worker()).unwrap();
    for path in [files.node_key(), files.tls_key()] {
        std::fs::write(&path, "key").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    }
    let out = world.run("doctor --output json").out;
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    let checks = value["checks"].as_array().unwrap();
    let keys: Vec<_> = checks
        .iter()
        .filter(|check| check["check"] == "keys")
        .collect();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0]["state"], "problem");
    assert!(
        keys[0]["advice"]
            .as_str()
            .unwrap()
            .starts_with("chmod 600 ")
    );
}
