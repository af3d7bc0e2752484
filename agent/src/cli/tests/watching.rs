//! What is said of each change, and how often.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a script answers the orders of its own story"
)]

use std::time::Duration;

use super::super::watch::{Line, Watcher};
use super::*;

/// The lines of a story told in reports, one every ten seconds.
fn story(language: Language, reports: Vec<Report>) -> Vec<String> {
    let (clock, speech) = (clock(), Speech::new(language, TimeZone::UTC));
    let mut watcher = Watcher::default();
    let mut out = Vec::new();
    for report in reports {
        out.extend(watcher.lines(&report, &clock, &speech));
        clock.advance(Duration::from_secs(10));
    }
    out.into_iter().map(|line: Line| line.text).collect()
}

fn update() -> Vec<Report> {
    let mut app = shop();
    let mut all = vec![report(vec![app.clone()])];
    let mut then = |change: &dyn Fn(&mut AppReport), code: Option<u16>| {
        change(&mut app);
        let mut next = report(vec![app.clone()]);
        next.contact_code = code;
        all.push(next);
    };
    let fetched = |done| {
        move |app: &mut AppReport| {
            app.phase = "fetching".to_owned();
            app.target = Some("1.4.2".parse().unwrap());
            app.fetched = Some((done, 5_900_000));
        }
    };
    then(&fetched(1_200_000), None);
    then(&fetched(1_510_000), None);
    then(&|_| (), Some(301));
    then(&fetched(2_900_000), None);
    then(&|app| app.phase = "staged".to_owned(), None);
    then(&|app| app.phase = "activating".to_owned(), None);
    then(
        &|app| {
            app.phase = "probation".to_owned();
            app.version = app.target.take();
            app.soak_left_s = Some(60);
        },
        None,
    );
    then(&|app| app.soak_left_s = Some(50), None);
    then(&|app| app.phase = "committed".to_owned(), None);
    all
}

#[test]
fn an_update_is_told_step_by_step() {
    assert_eq!(
        story(Language::English, update()),
        [
            "09:52:20  shop  fetching   1.2 of 5.9 MB",
            "09:52:30  shop  fetching   1.5 of 5.9 MB   31 KB/s   2 min 22 s left",
            "09:52:40  link lost at 1.5 MB; kept, resumes by itself",
            "09:52:50  link back",
            "09:52:50  shop  fetching   2.9 of 5.9 MB   41 KB/s   1 min 14 s left",
            "09:53:00  shop  staged     1.4.2",
            "09:53:10  shop  activating  1.4.2",
            "09:53:20  shop  probation  1 min 0 s left, probe 1 of 1 passing",
            "09:53:40  shop  committed  shop@1.4.2 runs",
        ]
    );
    let french = story(Language::French, update());
    assert_eq!(
        french[2],
        "09:52:40  liaison perdue à 1,5 Mo ; gardés, la suite viendra toute seule"
    );
    assert_eq!(
        french[7],
        "09:53:20  shop  à l'essai  encore 1 min 0 s, sonde 1 sur 1 réussie"
    );
}

#[test]
fn nothing_new_says_nothing() {
    let same = report(vec![shop()]);
    let mut later = same.clone();
    later.contact_age_s = Some(22);
    later.apps[0].since_s = Some(70);
    assert_eq!(
        story(Language::English, vec![same, later]),
        Vec::<String>::new()
    );
}

#[test]
fn the_watch_ends_with_the_daemon() {
    let world = World::new();
    world.daemon(|_| update().into_iter().map(Reply::Report).collect());
    let ran = world.run("status --watch");
    assert_eq!(ran.exit, 1);
    assert!(ran.out.starts_with("SITE douala-akwa"), "{}", ran.out);
    assert!(
        ran.out
            .ends_with("09:52:10  shop  committed  shop@1.4.2 runs\n"),
        "{}",
        ran.out
    );
    // Off a terminal, one line of progress in ten seconds; this clock stands still.
    assert_eq!(ran.err.matches("fetching").count(), 1, "{}", ran.err);
    assert!(ran.err.contains("SNG-0114"));
    let ran = world.run("status --watch --output json");
    assert_eq!(ran.out.lines().count(), update().len());
}

#[test]
fn progress_is_shown_while_an_order_is_done() {
    let world = World::new();
    world.daemon(|order| match order {
        Order::Watch => update().into_iter().map(Reply::Report).collect(),
        _ => Vec::new(),
    });
    let ran = world.run("pull");
    // What was seen before the daemon fell silent depends on the threads; the end does not.
    assert_eq!(ran.exit, 4, "{}", ran.err);
    assert!(ran.out.is_empty());
}
