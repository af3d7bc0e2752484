//! The kind `process`: start, stop, crash, output, users.

use super::super::procfs::stat;
use super::*;

#[tokio::test]
async fn runs_in_its_slot_with_a_clean_environment() {
    let site = Site::new();
    let service = site.open();
    assert_eq!(service.status().await, ServiceStatus::Absent);
    let mut launch = site.launch("");
    launch.spec.command = vec!["/usr/bin/env".to_owned()];
    service.start(&launch).await.unwrap();
    let log = site.path("state/service.log");
    until("output", async || read(&log).contains("SANAGA_INSTANCE")).await;
    service.stop().await.unwrap();
    let text = read(&log);
    let mut names: Vec<&str> = text
        .lines()
        .map(|line| line.split_once('=').unwrap().0)
        .collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(
        names,
        [
            "HOME",
            "LANG",
            "PATH",
            "SANAGA_APP",
            "SANAGA_DATA",
            "SANAGA_INSTANCE",
            "SANAGA_RELEASE",
            "SANAGA_SETTINGS",
            "SANAGA_VERSION"
        ]
    );
    let slot = launch.slot.display();
    assert!(text.contains(&format!("SANAGA_RELEASE={slot}\n")));
    assert!(text.contains("SANAGA_VERSION=1.4.1\n"));
}

#[tokio::test]
async fn a_relative_program_is_the_slots_and_leads_a_group() {
    let site = Site::new();
    let mut launch = site.launch("");
    let script = "#!/bin/sh\\nreadlink /proc/$$/cwd /proc/$$/fd/0\\nexec sleep 600\\n";
    let write = format!("mkdir bin && printf '{script}' > bin/shop && chmod 755 bin/shop");
    // Written by another process: one of ours that forks meanwhile would keep the file busy.
    let written = std::process::Command::new("/bin/sh")
        .args(["-c", &write])
        .current_dir(&launch.slot)
        .status();
    assert!(written.unwrap().success());
    launch.spec.command = vec!["bin/shop".to_owned()];
    let service = site.open();
    service.start(&launch).await.unwrap();
    let log = site.path("state/service.log");
    let wanted = format!("{}\n/dev/null\n", launch.slot.display());
    until("output", async || read(&log) == wanted).await;
    let pid = pid_of(&service).await;
    assert_eq!(stat(pid).unwrap().group, pid);
}

#[tokio::test]
async fn starting_twice_is_starting_once() {
    let site = Site::new();
    let service = site.open();
    let launch = site.launch("exec sleep 600");
    service.start(&launch).await.unwrap();
    let pid = pid_of(&service).await;
    service.start(&launch).await.unwrap();
    assert_eq!(pid_of(&service).await, pid);
    let (one, two) = tokio::join!(service.start(&launch), service.start(&launch));
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(pid_of(&service).await, pid);
    site.settles_at(1).await;
}

#[tokio::test]
async fn another_launch_takes_the_place_of_the_first() {
    let site = Site::new();
    let service = site.open();
    let first = site.launch("exec sleep 600");
    service.start(&first).await.unwrap();
    let before = pid_of(&service).await;
    let mut settings = first.clone();
    settings.settings_digest = Digest::of(b"others");
    service.start(&settings).await.unwrap();
    let between = pid_of(&service).await;
    assert_ne!(between, before, "other settings are another launch");
    let mut second = first;
    second.slot = site.path("slots/0002-bb");
    service.start(&second).await.unwrap();
    assert_ne!(pid_of(&service).await, between);
    site.settles_at(1).await;
    let status = service.status().await;
    assert!(
        matches!(&status, ServiceStatus::Running { slot, .. } if *slot == second.slot),
        "{status:?}"
    );
}

#[tokio::test]
async fn stopping_ends_everything_that_it_has_started() {
    let site = Site::new();
    let service = site.open();
    let children = "sleep 600 & setsid sleep 600 & env -i sleep 600 & exec sleep 600";
    service.start(&site.launch(children)).await.unwrap();
    let group = pid_of(&service).await;
    until("four processes", async || {
        let name = service.lanes[0].process.instance().unwrap();
        let mark = Mark::Instance {
            name: &name,
            group: Some(group),
        };
        find(&mark).len() == 4
    })
    .await;
    let name = service.lanes[0].process.instance().unwrap();
    service.stop().await.unwrap();
    let mark = Mark::Instance {
        name: &name,
        group: Some(group),
    };
    assert!(find(&mark).is_empty());
    assert_eq!(stat(group), None, "reaped");
    assert_eq!(service.status().await, ServiceStatus::Absent);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn the_deaf_are_ended_by_force_and_the_polite_in_their_own_time() {
    let site = Site::new();
    let service = site.open();
    let mut deaf = site.launch("trap '' TERM; echo up; while :; do sleep 0.05; done");
    deaf.spec.stop_grace = Duration::from_millis(150);
    service.start(&deaf).await.unwrap();
    let log = site.path("state/service.log");
    until("up", async || read(&log).contains("up")).await;
    service.stop().await.unwrap();
    site.settles_at(0).await;
    let polite =
        "trap 'sleep 0.2; echo bye; exit 0' TERM; echo ready; while :; do sleep 0.02; done";
    service.start(&site.launch(polite)).await.unwrap();
    until("ready", async || read(&log).contains("ready")).await;
    service.stop().await.unwrap();
    assert!(read(&log).contains("bye"), "it was given its time");
}

#[tokio::test]
async fn a_crash_is_counted_and_followed_by_a_new_start() {
    let site = Site::new();
    let service = site.open();
    service.start(&site.launch("exec sleep 600")).await.unwrap();
    let pid = pid_of(&service).await;
    signal(pid, Signal::KILL);
    until("a new process", async || {
        matches!(service.status().await,
            ServiceStatus::Running { pid: Some(new), crashes: 1, .. } if new != pid)
    })
    .await;
    service.stop().await.unwrap();
    assert_eq!(service.status().await, ServiceStatus::Absent);
}

#[tokio::test]
async fn a_crash_loop_goes_on_and_leaves_no_children_behind() {
    let site = Site::new();
    let service = site.open();
    let launch = site.launch("sleep 600 & exit 3");
    service.start(&launch).await.unwrap();
    until("four crashes", async || crashes_of(&service).await >= 4).await;
    assert!(site.count() <= 2, "{} processes", site.count());
    until("the code", async || {
        matches!(
            service.status().await,
            ServiceStatus::Crashed {
                last: Ending::Code(3),
                ..
            }
        )
    })
    .await;
    service.start(&launch).await.unwrap();
    assert!(crashes_of(&service).await >= 4, "the same launch goes on");
    service.stop().await.unwrap();
    site.settles_at(0).await;
}

#[tokio::test]
async fn an_order_to_start_does_not_wait_for_the_pause() {
    let mut site = Site::new();
    site.options.restart_min = Duration::from_secs(600);
    site.options.restart_max = Duration::from_secs(600);
    let service = site.open();
    let launch = site.launch("env -i sleep 600 & exec sleep 600");
    service.start(&launch).await.unwrap();
    for crashes in 1..4 {
        let pid = pid_of(&service).await;
        signal(pid, Signal::KILL);
        until("the crash", async || crashes_of(&service).await == crashes).await;
        let status = service.status().await;
        assert!(
            matches!(status, ServiceStatus::Crashed { .. }),
            "{status:?}"
        );
        service.start(&launch).await.unwrap();
        assert_ne!(pid_of(&service).await, pid);
        assert_eq!(crashes_of(&service).await, crashes, "still counted");
        assert!(service.lanes[0].process.is_supervised());
        assert_eq!(stat(pid), None, "reaped");
    }
    service.stop().await.unwrap();
}

#[tokio::test]
async fn output_is_bounded_while_the_app_goes_on_writing() {
    let site = Site::new();
    let service = site.open();
    let chatty = "i=0; while :; do i=$((i+1)); echo line $i of a long story; sleep 0.001; done";
    service.start(&site.launch(chatty)).await.unwrap();
    let log = site.path("state/service.log");
    let older = site.path("state/service.log.1");
    until("an older file", async || {
        read(&older).contains(" of a long story\n")
    })
    .await;
    let first = read(&older);
    until("another", async || read(&older) != first).await;
    assert!(fs::metadata(&older).unwrap().len() <= 4_096);
    assert!(fs::metadata(&log).unwrap().len() < 200_000);
    assert_eq!(crashes_of(&service).await, 0);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn what_cannot_start_says_why_and_can_be_started_later() {
    use sanaga_proto::failure::Coded as _;
    let site = Site::new();
    let service = site.open();
    let mut launch = site.launch("");
    launch.spec.command = vec!["bin/absent".to_owned()];
    let error = service.start(&launch).await.unwrap_err();
    assert_eq!(error.code().number, 501);
    assert!(error.args()["problem"].contains("bin/absent"), "{error}");
    assert!(matches!(
        service.status().await,
        ServiceStatus::Crashed {
            times: 1,
            last: Ending::NotStarted(_)
        }
    ));
    launch.spec.command = shell("exec sleep 600");
    launch.spec.user = Some("no-such-user-here".to_owned());
    let error = service.start(&launch).await.unwrap_err();
    assert!(error.args()["problem"].contains("no-such-user-here"));
    launch.spec.user = None;
    service.start(&launch).await.unwrap();
    site.settles_at(1).await;
}

#[tokio::test]
async fn only_root_makes_others_run_it_and_then_with_their_groups_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let site = Site::new();
    let service = site.open();
    let mut launch = site.launch("id -u; id -G; exec sleep 600");
    launch.spec.user = Some("nobody".to_owned());
    if rustix::process::geteuid().is_root() {
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(site.folder.path(), open).unwrap();
        service.start(&launch).await.unwrap();
        let log = site.path("state/service.log");
        until("output", async || read(&log).lines().count() == 2).await;
        let nobody = user::account(Some("nobody")).unwrap().unwrap();
        let wanted = format!("{}\n{}\n", nobody.uid, nobody.gid);
        assert_eq!(read(&log), wanted);
        service.stop().await.unwrap();
        site.settles_at(0).await;
    } else {
        let error = service.start(&launch).await.unwrap_err();
        assert!(matches!(error, ServiceError::Start { .. }), "{error}");
    }
}

#[tokio::test]
async fn without_a_record_nothing_is_started_or_stopped() {
    use sanaga_proto::failure::Coded as _;
    let site = Site::new();
    let service = site.open();
    let launch = site.launch("exec sleep 600");
    let (state, away) = (site.path("state"), site.path("away"));
    // The folder is replaced by a file: nothing can be written in it, even by root.
    let swap = |from: &Path, to: &Path| {
        let moved = std::process::Command::new("mv").args([from, to]).status();
        assert!(moved.unwrap().success());
    };
    swap(&state, &away);
    fs::write(&state, "").unwrap();
    assert_eq!(service.start(&launch).await.unwrap_err().code().number, 403);
    site.settles_at(0).await;
    fs::remove_file(&state).unwrap();
    swap(&away, &state);
    service.start(&launch).await.unwrap();
    let pid = pid_of(&service).await;
    swap(&state, &away);
    fs::write(&state, "").unwrap();
    assert_eq!(service.stop().await.unwrap_err().code().number, 403);
    assert_eq!(pid_of(&service).await, pid, "still running");
    signal(pid, Signal::KILL);
    until("a new start without a disk", async || {
        crashes_of(&service).await == 1 && site.count() == 1
    })
    .await;
}
