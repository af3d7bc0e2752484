//! The kind `process` when the agent dies: what runs is found again, and there is never a second.

use super::super::procfs::{ProcessId, stat};
use super::super::record::Record;
use super::*;

#[tokio::test]
async fn a_killed_agent_finds_its_process_again() {
    let site = Site::new();
    let launch = site.launch("exec sleep 600");
    let service = site.open();
    service.start(&launch).await.unwrap();
    let pid = pid_of(&service).await;
    drop(service);
    let service = site.open();
    assert_eq!(pid_of(&service).await, pid);
    service.start(&launch).await.unwrap();
    assert_eq!(pid_of(&service).await, pid);
    site.settles_at(1).await;
    signal(pid, Signal::TERM);
    until("supervision", async || crashes_of(&service).await == 1).await;
    until("a new process", async || site.count() == 1).await;
    service.stop().await.unwrap();
    site.settles_at(0).await;
}

#[tokio::test]
async fn killed_before_the_process_was_noted_there_is_still_one() {
    let site = Site::new();
    let launch = site.launch("sleep 600 & exec sleep 601");
    let service = site.open();
    service.start(&launch).await.unwrap();
    until("both", async || site.count() == 2).await;
    let pid = pid_of(&service).await;
    drop(service);
    let path = site.path("state/service.json");
    let mut record = Record::load(&path).unwrap().unwrap();
    record.process = None;
    record.save(&path).unwrap();
    let service = site.open();
    assert_eq!(pid_of(&service).await, pid, "known by its name");
    service.start(&launch).await.unwrap();
    assert_eq!(pid_of(&service).await, pid);
    site.settles_at(2).await;
}

#[tokio::test]
async fn killed_before_anything_was_started_nothing_is_claimed() {
    let site = Site::new();
    let launch = site.launch("exec sleep 600");
    let record = Record::intent(
        launch.clone(),
        &SystemClock::new(ClockTrust::Kernel).read().boot,
    );
    record
        .unwrap()
        .save(&site.path("state/service.json"))
        .unwrap();
    let service = site.open();
    assert_eq!(service.status().await, ServiceStatus::Absent);
    service.start(&launch).await.unwrap();
    site.settles_at(1).await;
}

#[tokio::test]
async fn with_a_lost_or_torn_record_there_is_still_one() {
    let site = Site::new();
    let launch = site.launch("exec sleep 600");
    for damage in [&b""[..], b"{\"version\":1,", b"\xff"] {
        let service = site.open();
        service.start(&launch).await.unwrap();
        let pid = pid_of(&service).await;
        drop(service);
        fs::write(site.path("state/service.json"), damage).unwrap();
        let service = site.open();
        assert_eq!(service.status().await, ServiceStatus::Absent);
        service.start(&launch).await.unwrap();
        assert_ne!(pid_of(&service).await, pid);
        site.settles_at(1).await;
    }
}

#[tokio::test]
async fn a_number_that_somebody_else_has_now_is_not_ours() {
    let site = Site::new();
    let mut stranger = std::process::Command::new("sleep")
        .arg("600")
        .spawn()
        .unwrap();
    let id = stat(i32::try_from(stranger.id()).unwrap()).unwrap().id;
    let boot = SystemClock::new(ClockTrust::Kernel).read().boot;
    let mut record = Record::intent(site.launch("exec sleep 600"), &boot).unwrap();
    let path = site.path("state/service.json");
    let reused = ProcessId {
        start_ticks: id.start_ticks - 1,
        ..id
    };
    record.process = Some(reused);
    record.save(&path).unwrap();
    let service = site.open();
    let unseen = ServiceStatus::Crashed {
        times: 1,
        last: Ending::Unseen,
    };
    assert_eq!(service.status().await, unseen);
    service.stop().await.unwrap();
    // The same number and start time, but of another boot.
    record.process = Some(id);
    record.boot = "00000000000000000000000000000001".to_owned();
    record.save(&path).unwrap();
    let service = site.open();
    assert_eq!(service.status().await, ServiceStatus::Absent);
    service.stop().await.unwrap();
    assert_eq!(stranger.try_wait().unwrap(), None, "left alone");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test]
async fn a_stop_that_was_cut_short_is_not_a_crash_and_can_be_repeated() {
    let site = Site::new();
    let service = site.open();
    service.start(&site.launch("exec sleep 600")).await.unwrap();
    let pid = pid_of(&service).await;
    service.lanes[0].process.intend_stop().unwrap();
    drop(service);
    let service = site.open();
    assert_eq!(service.wanted(), None);
    assert_eq!(pid_of(&service).await, pid);
    assert!(!service.lanes[0].process.is_supervised());
    signal(pid, Signal::KILL);
    until("gone", async || site.count() == 0).await;
    assert_eq!(service.status().await, ServiceStatus::Absent);
    service.stop().await.unwrap();
    assert!(!site.path("state/service.json").exists());
}
