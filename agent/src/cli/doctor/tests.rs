//! What is found, and what is said to do about it.

use jiff::tz::TimeZone;
use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::text::Language;

use super::super::speech::Speech;
use super::checks::{Findings, Key, State, judge};
use super::lines;
use crate::control::{AppReport, Report};
use crate::identity::Identity;

fn report() -> Report {
    let shop = AppReport {
        app: "shop".parse().unwrap(),
        version: Some("1.4.1".parse().unwrap()),
        root: None,
        previous: None,
        set_aside: None,
        target: None,
        phase: "committed".to_owned(),
        running: true,
        since_s: None,
        fetched: None,
        soak_left_s: None,
        probes: (1, 1),
        outage_ms: None,
        failure: None,
        data: Vec::new(),
    };
    Report {
        schema_version: 1,
        node: "akwa-1".parse().unwrap(),
        site: "douala-akwa".parse().unwrap(),
        environment: "dev".parse().unwrap(),
        contact_age_s: Some(12),
        contact_code: None,
        clock_sure: true,
        stale: false,
        held: false,
        receipts_waiting: 0,
        apps: vec![shop],
    }
}

fn findings() -> Findings {
    let identity = Identity {
        version: 1,
        url: "https://x".to_owned(),
        repository: "0".repeat(64).parse().unwrap(),
        node: "akwa-1".parse().unwrap(),
        site: "douala-akwa".parse().unwrap(),
        environment: "dev".parse().unwrap(),
    };
    Findings {
        config: Ok(()),
        identity: Ok(Some(identity)),
        report: Ok(report()),
        clock_sure: true,
        wall_s: 1_795_254_730,
        disk: Ok((4_000_000_000, 268_000_000)),
        keys: vec![Key {
            path: "/k/node.key".into(),
            mode: Some(0o100_600),
        }],
        certificate: Ok(Some(1_795_254_730 + 60 * 86_400)),
    }
}

/// What goes wrong, the check that finds it, and how its advice begins.
type Case<T> = (fn(&mut T), &'static str, &'static str);

fn page(findings: &Findings, language: Language) -> Vec<String> {
    lines(
        &judge(findings),
        &Speech::new(language, TimeZone::UTC),
        false,
    )
}

/// The checks that are not good, as `subject state`, and the advice of the first.
fn found(change: impl Fn(&mut Findings)) -> (Vec<String>, String) {
    let mut findings = findings();
    change(&mut findings);
    let checks = judge(&findings);
    let bad = checks.iter().filter(|check| check.state != State::Good);
    let words = bad.map(|check| format!("{} {}", check.subject, check.state.as_str()));
    let lines = page(&findings, Language::English);
    let advice = lines.iter().find_map(|line| line.strip_prefix("  hint: "));
    (words.collect(), advice.unwrap_or_default().to_owned())
}

fn changed(change: impl Fn(&mut Report)) -> (Vec<String>, String) {
    found(|findings| {
        let mut report = report();
        change(&mut report);
        findings.report = Ok(report);
    })
}

#[test]
fn a_healthy_node_reads_line_by_line() {
    assert_eq!(
        page(&findings(), Language::English),
        [
            "CHECK          STATE  FINDING",
            "configuration  ok     every file and variable can be read",
            "enrolment      ok     akwa-1, site douala-akwa, environment dev",
            "agent          ok     running",
            "clock          ok     synchronised: 2026-11-21 09:52",
            "disk           ok     4.0 GB free",
            "keys           ok     readable by their owner only",
            "certificate    ok     good for 60 d",
            "contact        ok     the controller answered 12 s ago",
            "signatures     ok     valid",
            "hold           ok     none",
            "app            ok     shop 1.4.1 runs",
        ]
    );
    let french = page(&findings(), Language::French);
    assert_eq!(french[5], "disque         bon   4,0 Go libres");
    assert_eq!(french[7], "certificat     bon   bon encore 60 j");
}

#[test]
fn each_fault_of_the_machine_is_found_alone_and_says_what_to_do() {
    let cases: [Case<Findings>; 6] = [
        (
            |f| f.clock_sure = false,
            "clock notice",
            "it is used for display only",
        ),
        (|f| f.disk = Ok((1_000, 2_000)), "disk problem", "make room"),
        (
            |f| f.keys[0].mode = Some(0o100_640),
            "keys problem",
            "chmod 600 /k/node.key",
        ),
        (
            |f| f.keys[0].mode = None,
            "keys problem",
            "this machine must be enrolled again",
        ),
        (
            |f| f.certificate = Ok(Some(0)),
            "certificate notice",
            "nothing to do",
        ),
        (
            |f| f.certificate = Ok(None),
            "certificate problem",
            "call the operator",
        ),
    ];
    for (change, word, start) in cases {
        let (words, advice) = found(change);
        assert_eq!(words, [word]);
        assert!(advice.starts_with(start), "{word}: {advice}");
    }
}

#[test]
fn each_fault_that_the_daemon_reports_is_found_alone() {
    let cases: [Case<Report>; 9] = [
        (
            |r| r.stale = true,
            "metadata problem",
            "tell the operator to sign again",
        ),
        (|r| r.held = true, "hold notice", "nothing to do here"),
        (
            |r| r.contact_code = Some(301),
            "contact notice",
            "nothing to do",
        ),
        (
            |r| r.contact_code = Some(221),
            "contact problem",
            "tell the operator this number",
        ),
        (
            |r| r.contact_age_s = Some(90_000),
            "contact problem",
            "check the modem",
        ),
        (
            |r| r.contact_age_s = None,
            "contact notice",
            "wait a minute",
        ),
        (
            |r| r.apps[0].running = false,
            "app problem",
            "call the operator; to go back",
        ),
        (
            |r| r.apps[0].set_aside = "1.4.2".parse().ok(),
            "app notice",
            "nothing to do: it waits",
        ),
        (
            |r| r.apps[0].phase = "needs_hands".to_owned(),
            "app problem",
            "call the operator; what runs",
        ),
    ];
    for (change, word, start) in cases {
        let (words, advice) = changed(change);
        assert_eq!(words, [word]);
        assert!(advice.starts_with(start), "{word}: {advice}");
    }
}

#[test]
fn a_failure_is_told_with_its_code() {
    let (words, advice) = changed(|report| {
        let args =
            [("release", "shop@1.4.2")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        report.apps[0].failure = Some((507, args.into()));
        report.apps[0].phase = "refused".to_owned();
    });
    assert_eq!(words, ["app problem"]);
    assert_eq!(advice, "assign a newer release");
    let (words, advice) = found(|findings| {
        findings.report = Err(Failure::new(code::DAEMON_ABSENT).arg("path", "/run/x"));
        findings.identity = Ok(None);
    });
    assert_eq!(words, ["enrolment problem", "agent problem"]);
    assert!(
        advice.starts_with("ask the operator for a token"),
        "{advice}"
    );
    // A daemon that waits to be enrolled runs.
    let (words, _) = found(|findings| findings.report = Err(Failure::new(code::NOT_ENROLLED)));
    assert_eq!(words, Vec::<String>::new());
}
