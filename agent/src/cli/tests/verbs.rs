//! Every verb from the command line to the daemon and back.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a script answers the orders of its own story"
)]

use std::os::unix::fs::PermissionsExt;

use sanaga_proto::code;
use sanaga_proto::failure::Failure;

use super::*;
use crate::control::{Done, HistoryLine};

fn done() -> Done {
    Done {
        app: Some("shop".parse().unwrap()),
        from: Some("1.4.2".parse().unwrap()),
        to: Some("1.4.1".parse().unwrap()),
        took_ms: 412,
        probes: (1, 1),
        receipts_waiting: 2,
        receipt: Some(9),
    }
}

/// A daemon that gives this reply to everything but `watch`, which ends at once.
fn answering(world: &World, reply: Reply) {
    world.daemon(move |order| match order {
        Order::Watch => Vec::new(),
        _ => vec![reply.clone()],
    });
}

#[test]
fn enrolment_reads_as_in_the_first_hour() {
    let world = World::new();
    answering(&world, Reply::Report(report(Vec::new())));
    let ran = world.run("enroll sanaga1:h8Xk");
    let out = text(&[
        "Controller  deploy.pharmaplus.cm:8443   matches the token",
        "Trust root  9f2c 41d7 … e803   matches the token",
        "Enrolled    akwa-1, site douala-akwa, environment dev   (6.1 KB)",
        "Agent is running. Nothing is assigned yet.",
    ]);
    assert_eq!((ran.exit, ran.out, ran.err), (0, out, String::new()));
    let ran = world.run("enroll sanaga1:h8Xk --lang fr");
    let out = text(&[
        "Contrôleur  deploy.pharmaplus.cm:8443   conforme au jeton",
        "Racine      9f2c 41d7 … e803   conforme au jeton",
        "Inscrit     akwa-1, site douala-akwa, environnement dev   (6,1 Ko)",
        "L'agent tourne. Rien n'est encore assigné.",
    ]);
    assert_eq!(ran.out, out);
}

#[test]
fn without_a_daemon_the_next_step_is_to_run_it() {
    let ran = World::new().run("enroll sanaga1:h8Xk");
    assert_eq!(
        (ran.exit, ran.err.as_str()),
        (0, "Next: sanaga-agent run\n")
    );
    let ran = World::new().run("enroll sanaga1:h8Xk --output jsonl");
    let repository = format!("9f2c41d7{}e803", "0".repeat(52));
    let out = format!(
        r#"{{"bytes":6148,"environment":"dev","node":"akwa-1","repository":"{repository}","schema_version":1,"site":"douala-akwa","url":"https://deploy.pharmaplus.cm:8443"}}"#
    );
    assert_eq!(ran.out, out + "\n");
}

#[test]
fn a_used_token_is_refused_with_its_code() {
    let mut world = World::new();
    world.rooms.enrol = |_, _, _| {
        Err(Failure::new(code::TOKEN_USED)
            .arg("node", "akwa-1")
            .arg("used", "2026-11-21 09:46")
            .arg("site", "douala-akwa"))
    };
    let ran = world.run("enroll sanaga1:h8Xk");
    let err = text(&[
        "error SNG-0217: this token was already used (akwa-1, 2026-11-21 09:46)",
        "  hint: ask the operator for a new one: sanaga enroll token --site douala-akwa --node NAME",
    ]);
    assert_eq!((ran.exit, ran.err), (7, err));
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
fn pull_stage_and_install_say_what_comes_next() {
    let world = World::new();
    let nothing = Done {
        app: None,
        from: None,
        to: None,
        took_ms: 800,
        ..done()
    };
    world.daemon(move |order| match order {
        Order::Pull => vec![Reply::Done(nothing.clone())],
        Order::Install {
            accept_expired: true,
            ..
        } => vec![Reply::Done(nothing.clone())],
        Order::Stage { .. } | Order::Install { .. } => vec![Reply::Done(Done {
            from: Some("1.4.1".parse().unwrap()),
            to: Some("1.4.2".parse().unwrap()),
            ..done()
        })],
        _ => Vec::new(),
    });
    let ran = world.run("pull");
    assert_eq!(ran.out, "The controller answered in 0.8 s.\n");
    let ran = world.run("stage shop");
    assert_eq!(
        ran.out,
        "shop 1.4.2 is staged beside 1.4.1, which keeps running.\n"
    );
    assert_eq!(ran.err, "Next: sanaga-agent activate shop\n");
    let bundle = world.folder.path().join("shop.sanaga");
    let line = format!("install --from {}", bundle.display());
    let ran = world.run(&line);
    assert_eq!(ran.exit, 2);
    assert!(ran.err.contains("SNG-0102"), "{}", ran.err);
    std::fs::write(&bundle, "bundle").unwrap();
    let ran = world.run(&line);
    let out = "shop 1.4.1 → 1.4.2   from shop.sanaga, no network needed\nActivated in 0.4 s, probe passing.\n";
    assert_eq!((ran.exit, ran.out.as_str()), (0, out));
    let ran = world.run(&format!("{line} --accept-expired"));
    assert_eq!(
        ran.out,
        "shop.sanaga is verified and taken in; no network needed.\n"
    );
    assert_eq!(ran.err, "Next: sanaga-agent status --watch\n");
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
        "erreur SNG-0225: timestamp dans ce paquet a expiré le 2026-10-01",
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
    let files = IdentityFiles::new(world.folder.path());
    enrolled().identity.save(&files).unwrap();
    answering(&world, Reply::Report(report(vec![shop()])));
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
