//! Project files as people write them, right and wrong.

use super::*;
use sanaga_proto::failure::Coded as _;
use sanaga_proto::manifest::{ProbeKind, ServiceKind, SettingType, Strategy};
use sanaga_proto::text::{Catalog, Language};
use sanaga_proto::wire::assignment::SettingValue;

/// The file of docs/first-hour.md, line for line.
const SHOP: &str = r#"# shop/sanaga.toml
app = "shop"
version = "1.4.1"
tree = "dist"
risk = "low"
[service]
kind = "process"
# the program of the release
command = ["bin/shop"]
[settings.port]
type = "integer"
default = 8080
min = 1024
max = 65535
[[probe]]
http = "http://127.0.0.1:{port}/health"
failures_max = 3
start_period_s = 10
[probation]
soak_s = 60
"#;

fn parse(text: &str) -> Result<Project, Failure> {
    Project::parse(Path::new("shop/sanaga.toml"), text, Fill::default())
}

/// What the operator reads when `text` is published.
fn complaint(text: &str) -> String {
    let failure = parse(text).unwrap_err();
    assert_eq!(failure.code().exit as u8, 2, "{failure}");
    Catalog::new(Language::English, &[]).failure(&failure)
}

#[test]
fn the_file_of_the_first_hour_is_read() {
    let project = parse(SHOP).unwrap();
    assert_eq!(project.tree, Path::new("shop/dist"));
    let root = sanaga_proto::ids::Digest::of(b"tree");
    let manifest = project.manifest(Tree {
        root,
        unpacked_bytes: 18,
        entries: 2,
    });
    assert_eq!(manifest.release().to_string(), "shop@1.4.1");
    assert_eq!(
        (manifest.root, manifest.unpacked_bytes, manifest.entries),
        (root, 18, 2)
    );
    assert_eq!(manifest.risk, Risk::Low);
    assert_eq!(manifest.service.kind, ServiceKind::Process);
    assert_eq!(manifest.service.command, ["bin/shop"]);
    assert_eq!(manifest.soak_s, Some(60));
    let [port] = manifest.settings.as_slice() else {
        panic!("one setting")
    };
    assert_eq!(
        (port.kind, &port.default),
        (SettingType::Integer, &SettingValue::Integer(8080))
    );
    assert_eq!((port.min, port.max), (Some(1024), Some(65535)));
    let [probe] = manifest.probes.as_slice() else {
        panic!("one probe")
    };
    assert_eq!(probe.kind, ProbeKind::Http);
    assert_eq!(
        (probe.interval_s, probe.timeout_s, probe.successes_min),
        (5, 5, 1)
    );
    assert_eq!((probe.failures_max, probe.start_period_s), (3, 10));
}

#[test]
fn an_unknown_key_is_refused_with_line_and_suggestion() {
    assert_eq!(
        complaint(&SHOP.replace("command", "comand")),
        "error SNG-0104: shop/sanaga.toml line 9: unknown key `comand` in [service]\n  \
         hint: did you mean `command`?"
    );
    assert_eq!(
        complaint(&SHOP.replace("tree =", "treee =")),
        "error SNG-0104: shop/sanaga.toml line 4: unknown key `treee`\n  hint: did you mean `tree`?"
    );
    assert!(
        complaint(&SHOP.replace("[probation]", "[weather]"))
            .contains("line 19: unknown key `weather`")
    );
    assert!(
        complaint(&SHOP.replace("default = ", "defalt = "))
            .contains("line 12: unknown key `defalt` in [settings.port]")
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn wrong_values_are_refused_with_their_line() {
    for (from, to, line, says) in [
        (
            "\"low\"",
            "\"lw\"",
            5,
            "`risk`: `lw` is not one of low, medium, high, critical",
        ),
        (
            "default = 8080",
            "default = 80",
            12,
            "`default`: 80 is not in 1024..65535",
        ),
        (
            "default = 8080",
            "default = \"x\"",
            12,
            "`default`: must be of type integer",
        ),
        (
            "max = 65535",
            "max = 1",
            14,
            "`max`: is less than min = 1024",
        ),
        (
            "soak_s = 60",
            "soak_s = 0",
            20,
            "`soak_s`: 0 is not in 1..604800",
        ),
        (
            "failures_max = 3",
            "failures_max = \"3\"",
            17,
            "must be a whole number, and is of type string",
        ),
        ("{port}", "{prt}", 16, "{prt} is not a setting of this app"),
        (
            "\"dist\"",
            "\".\"",
            4,
            "must be a folder inside the project",
        ),
        (
            "\"dist\"",
            "\"dist/../..\"",
            4,
            "leaves the project's folder",
        ),
        ("\"dist\"", "\"/etc\"", 4, "must be relative"),
        ("app = \"shop\"", "app = \"Shop\"", 2, "must be lower case"),
        (
            "\"process\"",
            "\"none\"",
            9,
            "belongs to kind = \"process\" or \"systemd\"",
        ),
        ("[\"bin/shop\"]", "[]", 9, "`command`: is empty"),
        (
            "http = ",
            "tcp = \"a:1\"\nhttp = ",
            17,
            "exactly one of http, tcp and exec",
        ),
        ("[[probe]]", "[probe]", 15, "must be written [[probe]]"),
    ] {
        let said = complaint(&SHOP.replace(from, to));
        assert!(
            said.contains(&format!("shop/sanaga.toml line {line}: ")),
            "{to}: {said}"
        );
        assert!(said.contains(says), "{to}: {said}");
    }
}

#[test]
fn syntax_and_missing_keys_are_named() {
    assert!(
        complaint(&SHOP.replace("risk = \"low\"", "risk = low"))
            .starts_with("error SNG-0103: shop/sanaga.toml line 5: ")
    );
    assert!(
        complaint(&SHOP.replace("tree = \"dist\"\n", ""))
            .starts_with("error SNG-0106: shop/sanaga.toml: `tree` is missing")
    );
    assert!(
        complaint(&SHOP.replace("command = [\"bin/shop\"]\n", ""))
            .starts_with("error SNG-0106: shop/sanaga.toml: `service.command` is missing")
    );
    assert!(complaint(&SHOP.replace("version = \"1.4.1\"\n", "")).contains("`version` is missing"));
}

#[test]
fn the_command_line_only_fills_what_the_file_leaves_out() {
    let fill = Fill {
        app: Some("other".parse().unwrap()),
        version: Some("9".parse().unwrap()),
        notes_en: Some("quicker".to_owned()),
        notes_fr: None,
    };
    let text = SHOP.replace("version = \"1.4.1\"\n", "");
    let project = Project::parse(Path::new("sanaga.toml"), &text, fill).unwrap();
    assert_eq!(
        (project.app.as_str(), project.version.as_str()),
        ("shop", "9")
    );
    assert_eq!(project.notes.unwrap().en.as_deref(), Some("quicker"));
    assert_eq!(project.tree, Path::new("dist"));
}

#[test]
fn only_files_need_no_service() {
    let project = parse("app = \"menu\"\nversion = \"1\"\ntree = \"files/menu\"\n[source]\ncommitted_at = \"2026-11-21T09:40:00Z\"\n").unwrap();
    assert_eq!(project.service.kind, ServiceKind::None);
    assert_eq!(project.source.unwrap().committed_at_s, Some(1_795_254_000));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[a-z\\[\\]=\"0-9.{}\n ]{0,200}") {
        let _ = parse(&text);
    }
}

/// A service whose next release starts beside it.
const BESIDE: &str = r#"app = "shop"
version = "1.4.1"
tree = "dist"
[service]
kind = "systemd"
command = ["bin/shop"]
strategy = "blue-green"
ports = [8081, 8082]
drain_s = 3
[limits]
memory_bytes_max = 268435456
files_max = 512
[[probe]]
http = "http://127.0.0.1:{port}/health"
"#;

#[test]
fn a_service_may_run_beside_the_one_before() {
    let project = parse(BESIDE).unwrap();
    let service = &project.service;
    assert_eq!(service.strategy(), Strategy::BlueGreen);
    assert_eq!(
        (service.ports.as_slice(), service.drain_s),
        (&[8_081, 8_082][..], Some(3))
    );
    let limits = project.limits.unwrap();
    assert_eq!(limits.memory_bytes_max, Some(268_435_456));
    assert_eq!((limits.files_max, limits.tasks_max), (Some(512), None));
    let units = BESIDE.replace("command = [\"bin/shop\"]", "units = [\"shop.service\"]");
    assert_eq!(parse(&units).unwrap().service.units, ["shop.service"]);
    assert_eq!(parse(SHOP).unwrap().service.strategy(), Strategy::Restart);
    for (from, to, line, words) in [
        ("8082]", "8081]", 8, "two different ports"),
        ("8082]", "80]", 8, "two different ports"),
        (", 8082]", "]", 8, "two different ports"),
        ("8082]", "\"8082\"]", 8, "a list of whole numbers"),
        (
            "\"blue-green\"",
            "\"green\"",
            7,
            "is not one of restart, blue-green",
        ),
        ("\"blue-green\"", "\"restart\"", 8, "belong to strategy"),
        (
            "drain_s",
            "units = [\"a\"]\ndrain_s",
            4,
            "either units or a command",
        ),
        ("files_max = 512", "files_max = 1", 12, "1 is not in 16.."),
        (
            "[limits]",
            "[settings.port]\ntype = \"integer\"\ndefault = 1\n[limits]",
            10,
            "is given by the node",
        ),
    ] {
        let said = complaint(&BESIDE.replace(from, to));
        let place = format!("shop/sanaga.toml:{line}: ");
        assert!(said.contains(words), "{to}: {said}");
        assert!(
            said.contains(&place) || said.contains(&format!("line {line}")),
            "{to}: {said}"
        );
    }
}

#[test]
fn data_and_their_migration_are_read() {
    let text = format!(
        "{SHOP}[data]\nsqlite = [\"shop.db\", \"/srv/shop/x.db\"]\nfolders = [\"uploads\"]\nschema = 3\n\
         [migrate]\ncommand = [\"bin/migrate\", \"--all\"]\n"
    );
    let project = parse(&text).unwrap();
    let data = project.data.as_ref().unwrap();
    assert_eq!(data.sqlite, ["shop.db", "/srv/shop/x.db"]);
    assert_eq!((data.folders.len(), data.schema), (1, Some(3)));
    let migrate = project.migrate.as_ref().unwrap();
    assert_eq!(migrate.command, ["bin/migrate", "--all"]);
    assert_eq!((migrate.timeout_s, migrate.limit_s()), (None, 600));
}

#[test]
fn data_that_cannot_be_set_aside_are_refused() {
    let wrong = [
        ("[data]\nsqlite = [\"../shop.db\"]\n", "`.` or `..`"),
        (
            "[data]\nsqlite = [\"a\"]\nfolders = [\"a\"]\n",
            "lies in another path",
        ),
        (
            "[data]\nsqlite = [\"a/b\"]\nfolders = [\"a\"]\n",
            "lies in another path",
        ),
        ("[data]\nschema = 1\n", "names neither"),
        (
            "[data]\nfolders = [\"a\"]\nschema = 1\n",
            "needs a database",
        ),
        ("[data]\nsqlit = [\"a\"]\n", "`sqlite`"),
        ("[migrate]\ncommand = [\"bin/migrate\"]\n", "needs [data]"),
        (
            "[data]\nsqlite = [\"a\"]\n[migrate]\ntimeout_s = 5\n",
            "`migrate.command`",
        ),
    ];
    for (section, words) in wrong {
        let said = complaint(&format!("{SHOP}{section}"));
        assert!(said.contains(words), "{said}");
    }
}
