//! The configuration as a whole, with real files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use sanaga_proto::failure::Coded as _;

use super::keys::{KEYS, find};
use super::*;

/// Loads a folder with this `agent.toml`.
fn load(text: &str) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("agent.toml"), text).unwrap();
    Config::load(&Paths::under(folder.path()), &BTreeMap::new(), &[], false)
}

fn variables(list: &[(&str, &str)]) -> BTreeMap<String, String> {
    list.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn every_default_is_valid_and_reaches_its_place() {
    let config = Config::defaults().unwrap();
    assert_eq!(config.entries().len(), KEYS.len());
    assert_eq!(config.fetch.stall, Duration::from_secs(60));
    assert_eq!(config.limits.packs_bytes_max, 4 << 30);
    assert_eq!(config.limits.allow_kinds.len(), ServiceKind::ALL.len());
    assert_eq!(config.slots.keep_previous, Duration::from_secs(86_400));
    assert_eq!(config.service.log_bytes_max, 1 << 20);
    assert_eq!(config.poll.interval_s, None);
    assert_eq!(config.language, None);
}

#[test]
fn every_key_changes_the_configuration() {
    for key in KEYS {
        let other = match key.kind {
            value::Kind::Integer { min, .. } | value::Kind::IntegerOrAuto { min, .. } => {
                // One above the least, so that no default is met by chance.
                (min + 2).to_string()
            }
            value::Kind::Bytes { .. } => "123456789".to_owned(),
            value::Kind::Flag => "true".to_owned(),
            value::Kind::Choice(words) => {
                let other = words.iter().find(|word| **word != key.default);
                (*other.unwrap()).to_owned()
            }
            value::Kind::Choices(words) => words[0].to_owned(),
            value::Kind::Users => "www-data".to_owned(),
            value::Kind::Ports => "30000-30999".to_owned(),
            value::Kind::PathOrAuto => "/etc/{app}.conf".to_owned(),
            value::Kind::CommandOrAuto => "true".to_owned(),
            value::Kind::UpsOrNone => "ups@localhost".to_owned(),
            value::Kind::UrlOrNone => "http://127.0.0.1/{app}".to_owned(),
            value::Kind::Folders => "/srv/shop".to_owned(),
        };
        let mut config = Config::defaults().unwrap();
        let before = config.clone();
        config.apply(key, &key.kind.check_text(&other).unwrap());
        assert_ne!(config, before, "{} = {other}", key.name);
    }
}

#[test]
fn the_stronger_layer_wins_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let paths = Paths::under(folder.path());
    fs::create_dir(&paths.config_folder).unwrap();
    let main = "[fetch]\nconnect_s = 11\nstall_s = 11\nretry_min_s = 11\nretry_max_s = 11\n[log]\nlevel = \"warn\"\n";
    fs::write(&paths.config, main).unwrap();
    let write = |name: &str, text: &str| fs::write(paths.config_folder.join(name), text).unwrap();
    write(
        "10.toml",
        "[fetch]\nstall_s = 22\nretry_min_s = 22\nretry_max_s = 22\n",
    );
    write(
        "20.toml",
        "# site\nfetch.retry_min_s = 33\nfetch.retry_max_s = 33\n",
    );
    write("20.toml.bak", "not read");
    let config = Config::load(
        &paths,
        &variables(&[
            ("SANAGA_FETCH_RETRY_MAX_S", "44"),
            ("SANAGA_LOG_LEVEL", "debug"),
            ("SANAGA_RELEASE", "/somewhere"),
        ]),
        &[Override {
            key: "log.level",
            flag: "--log-level".to_owned(),
            value: "trace".to_owned(),
        }],
        false,
    )
    .unwrap();
    let shown = |name: &str| {
        let entry = config.entries().iter().find(|entry| entry.key == name);
        let entry = entry.unwrap();
        let origin = entry.origin.to_string();
        let origin = origin.rsplit('/').next().unwrap().to_owned();
        format!("{} {origin}", entry.value)
    };
    assert_eq!(shown("fetch.connect_s"), "11 agent.toml:2");
    assert_eq!(shown("fetch.stall_s"), "22 10.toml:2");
    assert_eq!(shown("fetch.retry_min_s"), "33 20.toml:2");
    assert_eq!(shown("fetch.retry_max_s"), "44 SANAGA_FETCH_RETRY_MAX_S");
    assert_eq!(shown("log.level"), "\"trace\" --log-level");
    assert_eq!(shown("clock"), "\"kernel\" default");
    assert_eq!(config.log.level, LogLevel::Trace);
    assert_eq!(config.fetch.retry_max, Duration::from_secs(44));
}

#[test]
fn unknown_keys_are_refused_with_a_suggestion() {
    let cases = [
        ("\n[fetch]\nstal_s = 3\n", 3, "stal_s", "fetch", "stall_s"),
        ("clok = \"kernel\"\n", 1, "clok", "top level", "clock"),
        ("[fetsh]\nstall_s = 9\n", 1, "fetsh", "top level", "fetch"),
        (
            "[poll]\nstall_s = 9\n",
            2,
            "stall_s",
            "poll",
            "fetch.stall_s",
        ),
        ("[log]\ncolour = 1\n", 2, "colour", "log", ""),
    ];
    for (text, line, key, section, near) in cases {
        let error = load(text).unwrap_err();
        assert_eq!(error.code().number, 104, "{text}");
        let args = error.args();
        let found = ["line", "key", "section", "near"].map(|name| args[name].clone());
        assert_eq!(found, [line.to_string().as_str(), key, section, near]);
    }
}

#[test]
fn faults_name_file_line_and_key() {
    let cases = [
        ("clock = ", 103, 1),
        ("\n\nclock = \"kernel\"\nclock = \"kernel\"\n", 103, 4),
        ("[fetch]\n\nstall_s = 1\n", 105, 3),
        ("[fetch]\nstall_s = \"60\"\n", 105, 2),
        ("[fetch]\nstall_s = 99999999999999999999\n", 105, 2),
        ("fetch = 3\n", 105, 1),
        ("settings = 3\n", 105, 1),
        ("[settings]\nshop = 3\n", 105, 2),
        ("[settings.Shop]\nport = 3\n", 105, 1),
        ("[settings.shop]\nport = 1.5\n", 105, 2),
        ("[settings.shop]\n\"a b\" = 1\n", 105, 2),
        ("[limits]\nallow_kinds = [\"docker\"]\n", 105, 2),
    ];
    for (text, number, line) in cases {
        let error = load(text).unwrap_err();
        assert_eq!(error.code().number, number, "{text}: {error}");
        assert_eq!(error.args()["line"], line.to_string(), "{text}: {error}");
        assert!(error.args()["path"].ends_with("/agent.toml"));
        assert!(!error.args().contains_key("problem") || !error.args()["problem"].contains('\n'));
    }
}

#[test]
fn bad_words_outside_of_files_name_the_variable_or_flag() {
    let paths = Paths::under(Path::new("/nonexistent"));
    let bad = variables(&[("SANAGA_FETCH_STALL_S", "soon")]);
    let error = Config::load(&paths, &bad, &[], false).unwrap_err();
    assert_eq!(error.code().number, 101);
    assert!(error.args()["problem"].starts_with("SANAGA_FETCH_STALL_S: must be an integer"));
    let flag = Override {
        key: "language",
        flag: "--lang".to_owned(),
        value: "de".to_owned(),
    };
    let error = Config::load(&paths, &BTreeMap::new(), &[flag], false).unwrap_err();
    assert_eq!(
        error.args()["problem"],
        "--lang: must be one of auto, en, fr"
    );
}

#[test]
fn settings_of_apps_are_kept_with_their_types() {
    let config = load("[settings.shop]\nport = 8081\nopen = true\ntitle = \"Chez Ada\"\n").unwrap();
    let shop = &config.settings[&"shop".parse().unwrap()];
    let setting = |name: &str| shop[&name.parse().unwrap()].clone();
    assert_eq!(setting("port"), SettingValue::Integer(8081));
    assert_eq!(setting("open"), SettingValue::Flag(true));
    assert_eq!(setting("title"), SettingValue::Text("Chez Ada".to_owned()));
    let last = config.entries().last().unwrap();
    assert_eq!(last.key, "settings.shop.title");
    assert_eq!(last.value, "\"Chez Ada\"");
}

#[test]
fn a_locale_in_the_environment_is_a_language() {
    let paths = Paths::under(Path::new("/nonexistent"));
    let load = |tag| {
        let found = variables(&[("SANAGA_LANG", tag)]);
        Config::load(&paths, &found, &[], false).map(|config| config.language)
    };
    assert_eq!(load("fr_CM.UTF-8").unwrap(), Some(Language::French));
    assert_eq!(load("en").unwrap(), Some(Language::English));
    assert_eq!(load("auto").unwrap(), None);
    assert!(load("de_DE").is_err());
}

#[test]
fn the_example_sets_nothing_and_says_every_default() {
    let example = example();
    let unset = load(&example).unwrap();
    assert!(
        unset
            .entries()
            .iter()
            .all(|entry| entry.origin == Origin::Default)
    );
    let set: String = example
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(key) if !key.starts_with(' ') => format!("{key}\n"),
            Some(_) | None => format!("{line}\n"),
        })
        .collect();
    let set = load(&set).unwrap();
    assert_eq!(set.entries().len(), KEYS.len());
    for (was, is) in unset.entries().iter().zip(set.entries()) {
        assert_ne!(is.origin, Origin::Default, "{}", is.key);
        assert_eq!((&was.key, &was.value), (&is.key, &is.value));
    }
}

#[test]
fn pauses_never_shrink() {
    let config = load("[fetch]\nretry_min_s = 100\nretry_max_s = 10\n").unwrap();
    assert_eq!(config.fetch.retry_max, Duration::from_secs(100));
}

#[test]
fn as_root_the_files_must_be_roots_alone() {
    use std::os::unix::fs::{PermissionsExt as _, chown};
    for (uid, mode, expected) in [
        (0, 0o100_644, true),
        (0, 0o040_755, true),
        (0, 0o100_664, false),
        (0, 0o100_646, false),
        (0, 0o041_777, false),
        (1_000, 0o100_600, false),
    ] {
        assert_eq!(layer::is_roots_alone(uid, mode), expected, "{uid} {mode:o}");
    }
    let folder = tempfile::tempdir().unwrap();
    let paths = Paths::under(folder.path());
    let set = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let load = || Config::load(&paths, &BTreeMap::new(), &[], true);
    fs::write(&paths.config, "").unwrap();
    set(&paths.config, 0o664);
    let error = load().unwrap_err();
    assert_eq!(error.code().number, 102);
    assert!(matches!(error, ConfigError::Writable { .. }));
    set(&paths.config, 0o644);
    if !rustix::process::geteuid().is_root() {
        // Nothing here belongs to root, so that nothing is taken.
        assert!(matches!(load(), Err(ConfigError::Writable { .. })));
        return;
    }
    assert!(load().is_ok());
    chown(&paths.config, Some(1_000), None).unwrap();
    assert!(matches!(load(), Err(ConfigError::Writable { path }) if path == paths.config));
    chown(&paths.config, Some(0), None).unwrap();
    // A folder in which others can write, also that of the files beside.
    set(folder.path(), 0o777);
    assert!(matches!(load(), Err(ConfigError::Writable { path }) if path == folder.path()));
    set(folder.path(), 0o755);
    fs::create_dir(&paths.config_folder).unwrap();
    set(&paths.config_folder, 0o755);
    let beside = paths.config_folder.join("a.toml");
    fs::write(&beside, "").unwrap();
    set(&beside, 0o644);
    assert!(load().is_ok());
    set(&paths.config_folder, 0o775);
    assert!(matches!(load(), Err(ConfigError::Writable { path }) if path == paths.config_folder));
}

#[test]
fn files_that_are_too_big_or_no_text_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let paths = Paths::under(folder.path());
    for bytes in [vec![b'#'; (1 << 20) + 1], vec![0xff, 0xfe]] {
        fs::write(&paths.config, bytes).unwrap();
        let error = Config::load(&paths, &BTreeMap::new(), &[], false).unwrap_err();
        assert_eq!(error.code().number, 102);
    }
}

#[test]
fn names_of_variables_and_keys_are_unique() {
    let variables: BTreeSet<String> = KEYS.iter().map(keys::Key::variable).collect();
    assert_eq!(variables.len(), KEYS.len());
    let names: BTreeSet<&str> = KEYS.iter().map(|key| key.name).collect();
    assert_eq!(names.len(), KEYS.len());
    assert!(find("fetch.stall_s").is_some() && find("stall_s").is_none());
    for clash in ["SANAGA_HOME", "SANAGA_RELEASE", "SANAGA_APP"] {
        assert!(!variables.contains(clash));
    }
}

/// `SANAGA_WRITE_DOCS=1 cargo test -p sanaga-agent` writes the document anew.
#[test]
fn the_document_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/agent-toml.md");
    if std::env::var_os("SANAGA_WRITE_DOCS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, reference()).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == reference(),
        "docs/agent-toml.md is not what the table says; SANAGA_WRITE_DOCS=1 writes it"
    );
}
