//! Joining a controller, and what is said before that.

use std::sync::atomic::{AtomicU32, Ordering};

use sanaga_proto::code;
use sanaga_proto::failure::Failure;

use super::verbs::answering;
use super::*;

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
        "Inscrit     akwa-1, site douala-akwa, environnement dev   (6,1 ko)",
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
fn an_agent_that_waits_is_told_and_awaited() {
    let world = World::new();
    let asked = AtomicU32::new(0);
    world.daemon(
        move |order| match (order, asked.fetch_add(1, Ordering::Relaxed)) {
            (Order::Enrolled, 0..3) => vec![Reply::NotEnrolled],
            (Order::Enrolled, _) => vec![Reply::Report(report(Vec::new()))],
            (other, _) => panic!("{other:?} was not expected"),
        },
    );
    let ran = world.run("enroll sanaga1:h8Xk");
    assert_eq!((ran.exit, ran.err), (0, String::new()));
    assert!(
        ran.out
            .ends_with("\nAgent is running. Nothing is assigned yet.\n"),
        "{}",
        ran.out
    );
}

#[test]
fn an_agent_that_is_broken_does_not_make_the_enrolment_one() {
    let world = World::new();
    let broken = Failure::new(code::DISK_FAULT).arg("path", "/x");
    answering(&world, Reply::refused(&broken));
    let ran = world.run("enroll sanaga1:h8Xk");
    assert_eq!(
        (ran.exit, ran.err.as_str()),
        (0, "Next: sanaga-agent run\n")
    );
}

#[test]
fn before_enrolment_status_says_so_and_what_to_do() {
    let world = World::new();
    let refusal = Reply::refused(&Failure::new(code::NOT_ENROLLED));
    world.daemon(move |order| {
        let asks = *order == Order::Status;
        vec![if asks {
            Reply::NotEnrolled
        } else {
            refusal.clone()
        }]
    });
    let ran = world.run("status");
    assert_eq!(
        (ran.exit, ran.out.as_str(), ran.err.as_str()),
        (
            0,
            "Not enrolled yet: the agent runs and waits for a token from the operator.\n",
            "Next: sanaga-agent enroll TOKEN\n"
        )
    );
    let ran = world.run("status --lang fr");
    assert_eq!(
        (ran.out.as_str(), ran.err.as_str()),
        (
            "Pas encore inscrite : l'agent tourne et attend un jeton de l'opérateur.\n",
            "Ensuite : sanaga-agent enroll JETON\n"
        )
    );
    let ran = world.run("status --output jsonl --lang fr");
    assert_eq!(ran.out, "{\"enrolled\":false,\"schema_version\":1}\n");
    for line in [
        "pull",
        "status --watch",
        "rollback shop",
        "history",
        "verify",
    ] {
        let ran = world.run(line);
        let err = "error SNG-0223: this machine is not enrolled\n  hint: ask the operator for a token, then: sanaga-agent enroll TOKEN\n";
        assert_eq!((ran.exit, ran.err.as_str()), (2, err), "{line}");
    }
    let ran = world.run("doctor");
    assert!(
        ran.out.contains("SNG-0223") && !ran.out.contains("SNG-0114"),
        "{}",
        ran.out
    );
}
