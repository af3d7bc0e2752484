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

/// A stand-in for `systemctl` that knows the units of the folder beside it, keeps their states as
/// files, prints as the real one does, and writes down what it was asked.
const SYSTEMCTL: &str = r#"
cd "$(dirname "$0")" || exit 9
echo "$*" >> asked
verb=$1; shift; [ "$1" = -- ] && shift
for unit; do case $verb in
  start) grep -q bad "systemd/$unit" && { echo "Job for $unit failed." >&2; exit 1; }
    [ -f "systemd/$unit" ] || { echo "Unit $unit not found." >&2; exit 5; }
    echo active > "units/$unit";;
  stop) rm -f "units/$unit";;
  is-active) cat "units/$unit" 2>/dev/null || { echo inactive; code=3; };;
esac; done; exit ${code:-0}
"#;

/// A site of which systemd is said to run the machine.
fn systemd_site() -> Site {
    let site = Site::new();
    fs::create_dir(site.path("units")).unwrap();
    let script = format!("#!/bin/sh{SYSTEMCTL}");
    // Written by another process: a file that this one has open cannot be run by its children.
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
    site
}

fn units(site: &Site) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(&site.options.systemd_folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_command_runs_as_a_unit() {
    let site = systemd_site();
    let service = site.open();
    let mut launch = site.launch("exit 0");
    launch.spec.kind = ServiceKind::Systemd;
    let error = service.start(&launch).await.unwrap_err();
    assert!(
        problem(&error).contains("systemd does not run this machine"),
        "{error}"
    );
    fs::create_dir(&site.options.systemd_folder).unwrap();
    service.start(&launch).await.unwrap();
    assert_eq!(service.status().await, running(&launch));
    let names = units(&site);
    let [name] = names.as_slice() else {
        panic!("{names:?}")
    };
    assert!(name.starts_with("sanaga-shop-") && name.ends_with(".service"));
    let text = read(&site.options.systemd_folder.join(name));
    let slot = launch.slot.display();
    assert!(
        text.contains(&format!("WorkingDirectory={slot}\n")),
        "{text}"
    );
    drop(service);
    let service = site.open();
    assert_eq!(service.status().await, running(&launch), "found again");
    let state = site.path("units").join(name);
    for (word, wanted) in [("activating", true), ("auto-restart", false)] {
        fs::write(&state, format!("{word}\n")).unwrap();
        let is_rising = service.status().await == ServiceStatus::Starting;
        assert_eq!(is_rising, wanted, "{word}");
    }
    fs::write(&state, "failed\n").unwrap();
    assert!(matches!(
        service.status().await,
        ServiceStatus::Crashed { .. }
    ));
    service.start(&launch).await.unwrap();
    assert_eq!(service.status().await, running(&launch));
    assert_eq!(units(&site).len(), 1, "the failed one is gone");
    service.stop().await.unwrap();
    assert!(units(&site).is_empty());
    assert_eq!(service.status().await, ServiceStatus::Absent);
    let asked = read(&site.path("asked"));
    let verbs: Vec<&str> = asked
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    for verb in &verbs {
        let known = [
            "daemon-reload",
            "start",
            "stop",
            "is-active",
            "reset-failed",
        ];
        assert!(known.contains(verb), "{verb}");
    }
    assert_eq!(verbs.last(), Some(&"daemon-reload"));
}

#[tokio::test]
async fn units_of_a_release_are_read_checked_and_written() {
    let site = systemd_site();
    fs::create_dir(&site.options.systemd_folder).unwrap();
    let service = site.open();
    let mut launch = site.launch("");
    launch.spec.kind = ServiceKind::Systemd;
    launch.spec.command = Vec::new();
    launch.spec.units = vec!["shop.service".to_owned(), "units/till.service".to_owned()];
    fs::create_dir(launch.slot.join("units")).unwrap();
    let unit = "[Service]\nExecStart=bin/shop\n";
    fs::write(launch.slot.join("shop.service"), unit).unwrap();
    fs::write(launch.slot.join("units/till.service"), unit).unwrap();
    service.start(&launch).await.unwrap();
    assert_eq!(service.status().await, running(&launch));
    let names = units(&site);
    assert_eq!(names.len(), 2);
    assert!(names[0].ends_with("-shop.service") && names[1].ends_with("-till.service"));
    fs::write(site.path("units").join(&names[1]), "activating\n").unwrap();
    assert_eq!(service.status().await, ServiceStatus::Starting);
    fs::remove_file(site.path("units").join(&names[1])).unwrap();
    assert_eq!(service.status().await, ServiceStatus::Absent);
    service.stop().await.unwrap();
    assert!(units(&site).is_empty());
    let evil = "[Service]\nExecStart=/bin/sh\n";
    fs::write(launch.slot.join("shop.service"), evil).unwrap();
    let error = service.start(&launch).await.unwrap_err();
    let wanted = "shop.service: line 2: `/bin/sh` is not inside the release";
    assert_eq!(problem(&error), wanted);
    for bad in ["--now", "../x.service", "/etc/x.service", "shop.socket", ""] {
        launch.spec.units = vec![bad.to_owned()];
        let error = service.start(&launch).await.unwrap_err();
        let why = problem(&error);
        assert!(why.contains("is not"), "{bad}: {why}");
    }
    assert!(units(&site).is_empty());
}

#[tokio::test]
async fn open_files_are_bounded_for_every_process() {
    let site = Site::new();
    let service = site.open();
    // The bound is set just after the start.
    let mut launch = site.launch("sleep 0.2; ulimit -n > $SANAGA_DATA/files; sleep 600");
    launch.spec.limits.files_max = Some(77);
    service.start(&launch).await.unwrap();
    let found = site.path("data/files");
    until("the bound", async || read(&found).trim() == "77").await;
    service.stop().await.unwrap();
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
