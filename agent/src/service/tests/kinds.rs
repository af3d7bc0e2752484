//! The kinds `command`, `systemd` and `none`.

use super::*;

/// A daemon that is started, found and stopped by commands.
fn command(site: &Site) -> Launch {
    let mut launch = site.launch("");
    launch.spec.kind = ServiceKind::Command;
    launch.spec.command = Vec::new();
    launch.spec.start = shell("sleep 600 & echo $! > $SANAGA_DATA/pid; echo started");
    launch.spec.stop = shell("kill $(cat $SANAGA_DATA/pid)");
    launch.spec.status = shell("kill -0 $(cat $SANAGA_DATA/pid) || exit 4");
    launch
}

fn problem(error: &ServiceError) -> String {
    use sanaga_proto::failure::Coded as _;
    error.args().get("problem").cloned().unwrap_or_default()
}

#[tokio::test]
async fn commands_start_look_and_stop() {
    let site = Site::new();
    let service = site.open();
    let launch = command(&site);
    service.start(&launch).await.unwrap();
    assert_eq!(service.status().await, running(&launch));
    assert!(read(service.log_path()).contains("started"));
    service.start(&launch).await.unwrap();
    assert_eq!(site.count(), 1, "starting twice is starting once");
    drop(service);
    let service = site.open();
    assert_eq!(service.status().await, running(&launch));
    let pid = read(&site.path("data/pid")).trim().parse().unwrap();
    signal(pid, Signal::KILL);
    until("the status command's word", async || {
        service.status().await == ServiceStatus::Exited { code: 4 }
    })
    .await;
    service.start(&launch).await.unwrap();
    assert_eq!(service.status().await, running(&launch));
    service.stop().await.unwrap();
    assert_eq!(
        (service.status().await, site.count()),
        (ServiceStatus::Absent, 0)
    );
}

#[tokio::test]
async fn what_a_stop_command_leaves_is_ended() {
    let site = Site::new();
    let service = site.open();
    let mut launch = command(&site);
    launch.spec.status = Vec::new();
    for stop in [Vec::new(), shell("true")] {
        launch.spec.stop = stop;
        service.start(&launch).await.unwrap();
        site.settles_at(1).await;
        service.stop().await.unwrap();
        site.settles_at(0).await;
    }
}

#[tokio::test]
async fn commands_that_fail_or_never_end_are_faults() {
    let site = Site::new();
    let mut options = site.options.clone();
    options.start_timeout = Duration::from_millis(300);
    let clock = Arc::new(SystemClock::new(ClockTrust::Kernel));
    let service = Service::open(app(), &site.path("state"), options, clock).unwrap();
    let mut launch = command(&site);
    launch.spec.start = shell("echo no >&2; exit 7");
    let error = service.start(&launch).await.unwrap_err();
    assert!(problem(&error).contains("code 7"), "{error}");
    assert!(read(service.log_path()).contains("no"));
    launch.spec.start = shell("sleep 600 & sleep 601");
    let error = service.start(&launch).await.unwrap_err();
    assert!(problem(&error).contains("no end after 0.3 s"), "{error}");
    until("the group is ended, too", async || site.count() == 0).await;
    // Stopping what does not run is no failure when the status command says so.
    launch.spec.start = shell("true");
    launch.spec.stop = shell("exit 1");
    launch.spec.status = shell("exit 0");
    service.start(&launch).await.unwrap();
    let error = service.stop().await.unwrap_err();
    assert!(problem(&error).contains("code 1"), "{error}");
    fs::write(site.path("data/pid"), "").unwrap();
}

/// A stand-in for `systemctl` that keeps units as files; `is-active` prints as the real one does.
const SYSTEMCTL: &str = r#"
cd "$(dirname "$0")/units" || exit 9
verb=$1; shift; [ "$1" = -- ] && shift
for unit; do case $verb in
  start) [ "$unit" = bad.service ] && { echo "Unit bad.service not found." >&2; exit 5; }
    echo active > "$unit";;
  stop) rm -f "$unit";;
  is-active) cat "$unit" 2>/dev/null || { echo inactive; code=3; };;
esac; done; exit ${code:-0}
"#;

#[tokio::test]
async fn units_are_started_by_systemctl() {
    let site = Site::new();
    fs::create_dir(site.path("units")).unwrap();
    let script = format!("#!/bin/sh{SYSTEMCTL}");
    let written = std::process::Command::new("/bin/sh")
        .args([
            "-c",
            "printf '%s' \"$1\" > systemctl && chmod 755 systemctl",
            "sh",
            &script,
        ])
        .current_dir(site.path("."))
        .status();
    assert!(written.unwrap().success());
    let service = site.open();
    let mut launch = site.launch("");
    launch.spec.kind = ServiceKind::Systemd;
    launch.spec.units = vec!["shop.service".to_owned(), "till@1.service".to_owned()];
    let error = service.start(&launch).await.unwrap_err();
    assert!(
        problem(&error).contains("systemd does not run this machine"),
        "{error}"
    );
    fs::create_dir(&site.options.systemd_folder).unwrap();
    service.start(&launch).await.unwrap();
    assert_eq!(service.status().await, running(&launch));
    let unit = site.path("units/till@1.service");
    fs::write(&unit, "activating\n").unwrap();
    assert_eq!(service.status().await, ServiceStatus::Starting);
    fs::write(&unit, "failed\n").unwrap();
    assert!(matches!(
        service.status().await,
        ServiceStatus::Crashed { .. }
    ));
    fs::remove_file(&unit).unwrap();
    assert_eq!(service.status().await, ServiceStatus::Absent);
    service.start(&launch).await.unwrap();
    assert_eq!(service.status().await, running(&launch));
    service.stop().await.unwrap();
    assert!(!unit.exists());
    launch.spec.units = vec!["bad.service".to_owned()];
    let error = service.start(&launch).await.unwrap_err();
    assert_eq!(problem(&error), "Unit bad.service not found.");
    for bad in ["--now", "a b.service", "../x.service", ""] {
        launch.spec.units = vec![bad.to_owned()];
        let error = service.start(&launch).await.unwrap_err();
        assert!(
            problem(&error).contains("is not the name of a unit"),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn files_only_run_by_being_there() {
    let site = Site::new();
    let service = site.open();
    let mut launch = site.launch("");
    launch.spec.kind = ServiceKind::None;
    service.start(&launch).await.unwrap();
    assert_eq!(service.status().await, running(&launch));
    drop(service);
    let service = site.open();
    assert_eq!(service.status().await, running(&launch));
    service.stop().await.unwrap();
    assert_eq!(service.status().await, ServiceStatus::Absent);
}
