//! What a unit of a release may say, and how it is written anew.

use std::path::PathBuf;

use sanaga_proto::ids::Digest;
use sanaga_proto::manifest::ServiceKind;

use super::super::launch::ServiceSpec;
use super::*;

fn launch(command: &[&str]) -> Launch {
    Launch {
        app: "shop".parse().unwrap(),
        version: "1.4.2".parse().unwrap(),
        spec: ServiceSpec {
            kind: ServiceKind::Systemd,
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            start: Vec::new(),
            stop: Vec::new(),
            status: Vec::new(),
            units: Vec::new(),
            stop_grace: Duration::from_secs(7),
            user: Some("shop".to_owned()),
            beside: None,
            limits: Limits {
                memory_bytes_max: Some(1 << 28),
                tasks_max: Some(64),
                ..Limits::default()
            },
        },
        slot: PathBuf::from("/apps/shop/slots/0004-aa"),
        settings: PathBuf::from("/apps/shop/settings/x.env"),
        settings_digest: Digest::of(b""),
        data: PathBuf::from("/apps/shop/data"),
        port: Some(8081),
    }
}

fn lines<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    text.lines()
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        .collect()
}

#[test]
fn a_command_becomes_a_unit() {
    let launch = launch(&["bin/shop", "--title", "50 % \"off\" $HOME", "a\\b"]);
    let unit = Unit::of_command(&launch).unwrap();
    let text = unit.text(&launch, "id", Duration::from_secs(1));
    assert_eq!(
        lines(&text, "ExecStart"),
        [r#""/apps/shop/slots/0004-aa/bin/shop" "--title" "50 %% \"off\" $$HOME" "a\\b""#]
    );
    for line in [
        "Description=shop@1.4.2",
        "SyslogIdentifier=shop",
        "LogExtraFields=SANAGA_APP=shop SANAGA_RELEASE=shop@1.4.2",
        "WorkingDirectory=/apps/shop/slots/0004-aa",
        "User=shop",
        "Environment=\"SANAGA_RELEASE=/apps/shop/slots/0004-aa\"",
        "Environment=\"SANAGA_PORT=8081\"",
        "Environment=\"SANAGA_SETTINGS=/apps/shop/settings/x.env\"",
        "Environment=\"SANAGA_INSTANCE=id\"",
        "Restart=on-failure",
        "RestartSec=1000ms",
        "TimeoutStopSec=7",
        "MemoryMax=268435456",
        "TasksMax=64",
        "StartLimitBurst=5",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(lines(&text, "CPUQuota").is_empty(), "nobody bounds it");
}

const GOOD: &str = r#"
[Unit]
Description=The shop
After=network.target
[Service]
Type=notify
User=shop
WorkingDirectory=share
Environment=MODE=till "TITLE=The shop"
ExecStartPre=-bin/prepare
ExecStart=bin/shop --port ${SANAGA_PORT} 'two words'
Restart=always
RestartSec=5s
MemoryMax=1G
TasksMax=16
PrivateTmp=yes
[Install]
WantedBy=multi-user.target
"#;

#[test]
fn a_unit_of_a_release_is_written_anew() {
    let launch = launch(&[]);
    let unit = read(GOOD, Some("shop")).unwrap().in_slot(&launch.slot);
    let text = unit.text(&launch, "id", Duration::from_secs(1));
    assert_eq!(
        lines(&text, "ExecStart"),
        [r#""/apps/shop/slots/0004-aa/bin/shop" "--port" "${SANAGA_PORT}" "two words""#]
    );
    assert_eq!(
        lines(&text, "ExecStartPre"),
        [r#"-"/apps/shop/slots/0004-aa/bin/prepare""#]
    );
    let folder = "/apps/shop/slots/0004-aa/share";
    assert_eq!(lines(&text, "WorkingDirectory"), [folder]);
    assert_eq!(lines(&text, "MemoryMax"), ["268435456"], "the node's bound");
    assert_eq!(lines(&text, "TasksMax"), ["16"], "the unit's own");
    assert_eq!(lines(&text, "Restart"), ["always"]);
    assert_eq!(lines(&text, "RestartSec"), ["5"]);
    assert_eq!(lines(&text, "After"), ["network.target"]);
    assert!(text.contains("Environment=\"TITLE=The shop\"\n"));
    assert!(!text.contains("WantedBy"), "the agent starts it");
}

#[test]
fn what_reaches_beyond_the_release_is_refused() {
    for bad in [
        "ExecStart=/bin/sh -c evil",
        "ExecStart=../../bin/sh",
        "ExecStart=+bin/shop",
        "ExecStart=!bin/shop",
        "ExecStart=!!bin/shop",
        "ExecStart=-+bin/shop",
        "ExecStart=@bin/shop shop",
        "ExecStart=:bin/shop",
        "ExecStart=$SHELL",
        "ExecStart=bin/%i",
        "ExecStart=bin/shop ; /bin/sh",
        "ExecStart=bin/shop \\",
        "ExecStart=",
        "User=root",
        "User=other",
        "Group=root",
        "WorkingDirectory=/",
        "WorkingDirectory=-/root",
        "RootDirectory=/",
        "EnvironmentFile=/etc/shadow",
        "Environment=LD_PRELOAD=/tmp/x.so",
        "Environment=SANAGA_RELEASE=/",
        "PermissionsStartOnly=yes",
        "AmbientCapabilities=CAP_SYS_ADMIN",
        "NoNewPrivileges=no",
        "PrivateTmp=no",
        "MemoryMax=infinity",
        "TimeoutStartSec=infinity",
        "Delegate=yes",
        "Slice=system.slice",
        "OOMScoreAdjust=-1000",
        "StandardOutput=file:/etc/passwd",
        "[Socket]",
        "[Unit]\nRequires=ssh.service",
        "[Unit]\nConflicts=ssh.service",
        "[Unit]\nOnFailure=evil.service",
        "nonsense",
    ] {
        let text = format!("[Service]\nExecStart=bin/shop\n{bad}\n");
        let found = read(&text, Some("shop"));
        assert!(
            found.as_ref().is_err_and(|why| why.starts_with("line ")),
            "{bad}: {found:?}"
        );
    }
    assert!(
        read("[Service]\nType=simple\n", None).is_err(),
        "nothing to run"
    );
    assert!(read("ExecStart=bin/shop\n", None).is_err(), "no section");
    let long = "#".repeat(70_000);
    assert!(read(&long, None).is_err());
}

proptest::proptest! {
    /// Nothing that a release writes ends the line that it stands in.
    #[test]
    fn a_word_stays_in_its_line(word in "\\PC*|[\\x00-\\x1f\"%$ ]*") {
        let text = quoted(&word, true);
        proptest::prop_assert!(!text.contains('\n'));
        let inner = &text[1..text.len() - 1];
        let mut escaped = false;
        for c in inner.chars() {
            proptest::prop_assert!(c != '"' || escaped, "{}", text);
            escaped = c == '\\' && !escaped;
        }
        proptest::prop_assert!(!escaped);
    }

    /// Whatever the text, reading it ends, and what is taken stays inside the slot.
    #[test]
    fn any_text_is_read_or_refused(lines in proptest::collection::vec("(ExecStart|Environment|User|MemoryMax)=[-+!@/.a-z$%\"' ;=]{0,20}", 0..6)) {
        let text = format!("[Service]\nExecStart=bin/shop\n{}", lines.join("\n"));
        if let Ok(unit) = read(&text, None) {
            for (_, words) in &unit.commands {
                let program = words[0].trim_start_matches('-');
                proptest::prop_assert!(!program.starts_with('/') && !program.contains(".."));
            }
        }
    }
}
