//! Pages as people see them, word by word, in both languages.

use std::collections::BTreeMap;

use super::super::{history, status, verify};
use super::*;
use crate::control::HistoryLine;

fn page(report: &Report, language: Language) -> Vec<String> {
    status::lines(report, &Speech::new(language, TimeZone::UTC), false)
}

fn both(report: &Report, en: &[&str], fr: &[&str]) {
    assert_eq!(page(report, Language::English), en);
    assert_eq!(page(report, Language::French), fr);
}

/// The state column of one app.
fn states(app: &AppReport) -> (String, String) {
    let of = |language| {
        let lines = page(&report(vec![app.clone()]), language);
        let line = lines.last().unwrap();
        let parts: Vec<&str> = line.split("  ").filter(|part| !part.is_empty()).collect();
        parts[2].trim().to_owned()
    };
    (of(Language::English), of(Language::French))
}

#[test]
fn a_site_without_a_network_reads_that_nothing_is_lost() {
    let mut shop = shop();
    shop.phase = "rolled_back".to_owned();
    shop.previous = Some("1.4.2".parse().unwrap());
    shop.set_aside = shop.previous.clone();
    let mut report = report(vec![shop]);
    report.contact_code = Some(301);
    report.contact_age_s = Some(125);
    both(
        &report,
        &[
            "SITE douala-akwa · NODE akwa-1 · offline for 2 min · nothing is lost",
            "APP   VERSION  STATE    SINCE     PREVIOUS",
            "shop  1.4.1    running  1 min     1.4.2 (set aside)",
        ],
        &[
            "SITE douala-akwa · NŒUD akwa-1 · hors ligne depuis 2 min · rien n'est perdu",
            "APPLI  VERSION  ÉTAT       DEPUIS    PRÉCÉDENTE",
            "shop   1.4.1    en marche  1 min     1.4.2 (écartée)",
        ],
    );
}

#[test]
fn a_node_with_nothing_to_do_says_so() {
    both(
        &report(Vec::new()),
        &[
            "SITE douala-akwa · NODE akwa-1 · controller heard 12 s ago",
            "Nothing is assigned yet.",
        ],
        &[
            "SITE douala-akwa · NŒUD akwa-1 · contrôleur entendu il y a 12 s",
            "Rien n'est encore assigné.",
        ],
    );
}

#[test]
fn the_head_says_what_stands_in_the_way() {
    let head = |change: fn(&mut Report), language| {
        let mut report = report(Vec::new());
        change(&mut report);
        page(&report, language)[0].replace("SITE douala-akwa · N", "")
    };
    let english = |change| head(change, Language::English);
    assert_eq!(
        english(|report| {
            report.held = true;
            report.stale = true;
        }),
        "ODE akwa-1 · controller heard 12 s ago · updates are on hold · signatures expired, the site keeps running"
    );
    assert_eq!(
        english(|report| report.contact_code = Some(202)),
        "ODE akwa-1 · contact failed (SNG-0202)"
    );
    let never = |report: &mut Report| {
        report.contact_age_s = None;
        report.contact_code = Some(302);
    };
    assert_eq!(
        english(never),
        "ODE akwa-1 · offline since the agent started · nothing is lost"
    );
    assert_eq!(
        head(never, Language::French),
        "ŒUD akwa-1 · hors ligne depuis le démarrage de l'agent · rien n'est perdu"
    );
    assert_eq!(
        english(|report| report.contact_age_s = None),
        "ODE akwa-1 · controller not heard yet"
    );
}

#[test]
fn every_phase_is_told_beside_what_runs() {
    let phase = |word: &str| {
        let mut app = shop();
        app.phase = word.to_owned();
        app.target = Some("1.4.2".parse().unwrap());
        app.fetched = Some((1_200_000, 5_900_000));
        app.soak_left_s = Some(60);
        states(&app)
    };
    let cases = [
        ("idle", "running", "en marche"),
        (
            "fetching",
            "running · fetching 1.4.2, 1.2 of 5.9 MB",
            "en marche · téléchargement de 1.4.2, 1,2 sur 5,9 Mo",
        ),
        ("staged", "running · 1.4.2 ready", "en marche · 1.4.2 prête"),
        ("armed", "running · 1.4.2 ready", "en marche · 1.4.2 prête"),
        (
            "snapshotting",
            "running · saving data before 1.4.2",
            "en marche · sauvegarde avant 1.4.2",
        ),
        ("activating", "switching to 1.4.2", "passage à 1.4.2"),
        (
            "probation",
            "on probation, 1 min 0 s left",
            "à l'essai, encore 1 min 0 s",
        ),
        ("committed", "running", "en marche"),
        ("rolling_back", "going back", "retour à la précédente"),
        ("rolled_back", "running", "en marche"),
        (
            "held",
            "running · 1.4.2 on hold",
            "en marche · 1.4.2 suspendue",
        ),
        ("superseded", "running", "en marche"),
        (
            "refused",
            "running · 1.4.2 refused",
            "en marche · 1.4.2 refusée",
        ),
        ("needs_hands", "needs somebody", "besoin de quelqu'un"),
    ];
    for (word, en, fr) in cases {
        assert_eq!(phase(word), (en.to_owned(), fr.to_owned()), "{word}");
    }
    let mut app = shop();
    app.running = false;
    assert_eq!(states(&app).1, "arrêtée");
    app.version = None;
    app.phase = "idle".to_owned();
    assert_eq!(states(&app).0, "not installed");
}

#[test]
fn both_older_releases_are_named() {
    let mut app = shop();
    app.previous = Some("1.4.0".parse().unwrap());
    app.set_aside = Some("1.4.2".parse().unwrap());
    let lines = page(&report(vec![app]), Language::English);
    assert!(
        lines[2].ends_with("1 min     1.4.0, 1.4.2 (set aside)"),
        "{}",
        lines[2]
    );
}

fn event(number: u64, kind: &str) -> HistoryLine {
    HistoryLine {
        number,
        kind: kind.to_owned(),
        at_s: 1_795_254_360,
        clock_sure: true,
        app: Some("shop".parse().unwrap()),
        version: Some("1.4.2".parse().unwrap()),
        code: None,
        count: 1,
        acknowledged: true,
        detail: None,
    }
}

#[test]
fn a_history_reads_from_old_to_new() {
    let mut booted = event(7, "booted");
    (booted.app, booted.version, booted.count, booted.clock_sure) = (None, None, 12, false);
    let mut back = event(9, "rolled_back");
    (back.code, back.acknowledged) = (Some(503), false);
    back.detail = Some("http: refused\u{1b}[2J".to_owned());
    let events = [booted, event(8, "activated"), back];
    let lines = |language| history::lines(&events, &Speech::new(language, TimeZone::UTC), false);
    assert_eq!(
        lines(Language::English),
        [
            "#  WHEN                EVENT        RELEASE     NOTE                        REPORTED",
            "7  2026-11-21 09:46 ?  booted ×12                                           yes",
            "8  2026-11-21 09:46    activated    shop@1.4.2                              yes",
            "9  2026-11-21 09:46    rolled back  shop@1.4.2  SNG-0503 http: refused [2J  waiting",
            "? the clock was not sure at that time",
        ]
    );
    assert!(lines(Language::French)[3].contains("  retirée  "));
    let speech = Speech::new(Language::French, TimeZone::UTC);
    assert_eq!(
        history::lines(&[], &speech, false),
        ["Il ne s'est encore rien passé."]
    );
}

#[test]
fn what_has_drifted_is_named_and_counted() {
    let drift = verify::Drift {
        app: "shop".parse().unwrap(),
        path: "bin/\nshop".to_owned(),
        how: "content".to_owned(),
    };
    let lines = |drift: Vec<verify::Drift>, repaired, language| {
        let found = verify::Found {
            files: 412,
            bytes: 18_400_000,
            repaired,
            drift,
        };
        verify::lines(&found, &Speech::new(language, TimeZone::UTC), false)
    };
    let (en, fr) = (Language::English, Language::French);
    assert_eq!(
        lines(Vec::new(), false, en),
        ["412 files, 18.4 MB: all as installed."]
    );
    assert_eq!(
        lines(vec![drift.clone()], false, en),
        [
            "APP   PATH       DIFFERENCE",
            "shop  bin/?shop  content",
            "1 of 412 files is not as installed.",
        ]
    );
    assert_eq!(
        lines(vec![drift.clone(), drift], true, fr)[3],
        "2 fichiers sur 412 n'étaient plus comme à l'installation ; une copie neuve les remplace."
    );
}

#[test]
fn a_failure_that_stands_is_told_with_what_to_do() {
    let mut app = shop();
    app.phase = "rolled_back".to_owned();
    let args = [("app", "shop"), ("probe", "http"), ("problem", "refused")];
    let args: BTreeMap<String, String> = args
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    app.failure = Some((503, args));
    let world = World::new();
    world.daemon(move |_| vec![Reply::Report(report(vec![app.clone()]))]);
    let ran = world.run("status");
    assert_eq!(
        ran.err,
        "error SNG-0503: shop is not healthy: http: refused\n  hint: the previous release is put back\n"
    );
    assert_eq!(ran.exit, 0);
}
