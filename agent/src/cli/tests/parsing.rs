//! What can be typed, and what is said to the rest.

use clap::CommandFactory as _;
use sanaga_proto::failure::Coded as _;

use super::super::usage;
use super::*;

fn refused(line: &str, language: Language) -> String {
    let words = ["sanaga-agent"].into_iter().chain(line.split_whitespace());
    let error = Cli::try_parse_from(words).unwrap_err();
    let speech = Speech::new(language, TimeZone::UTC);
    let failure = usage::failure(&error, &speech);
    assert_eq!(failure.code().exit as u8, 2, "{line}");
    speech.failure(&failure).replace("\n  ", " | ")
}

#[test]
fn the_parser_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_documented_line_parses() {
    let lines = "run
        run --log-level debug --log-format json
        enroll sanaga1:h8Xk
        status
        status --watch --lang fr
        --output json status
        pull --home /tmp/x
        stage shop
        activate shop
        install --from /media/usb/shop.sanaga --accept-expired
        rollback shop
        history --most 5 --output jsonl
        verify
        verify shop --repair
        doctor --color never
        config check
        config show --origin";
    for line in lines.lines() {
        let words = ["sanaga-agent"].into_iter().chain(line.split_whitespace());
        let parsed = Cli::try_parse_from(words);
        assert!(parsed.is_ok(), "{line}: {:?}", parsed.err());
    }
}

#[test]
fn a_wrong_line_is_answered_in_both_languages() {
    let cases = [
        (
            "statu",
            "error SNG-0101: unknown command `statu`; did you mean `status`? | hint: see the command's --help",
            "erreur SNG-0101: commande inconnue « statu » ; vouliez-vous dire « status » ? | conseil: voyez --help",
        ),
        (
            "status --wach",
            "error SNG-0101: unknown argument `--wach`; did you mean `--watch`? | hint: see the command's --help",
            "erreur SNG-0101: argument inconnu « --wach » ; vouliez-vous dire « --watch » ? | conseil: voyez --help",
        ),
        (
            "rollback",
            "error SNG-0101: <APP> is missing | hint: see the command's --help",
            "erreur SNG-0101: il manque <APP> | conseil: voyez --help",
        ),
        (
            "status --lang de",
            "error SNG-0101: `de` is not a valid value for --lang <LANG> | hint: see the command's --help",
            "erreur SNG-0101: « de » n'est pas une valeur valable pour --lang <LANG> | conseil: voyez --help",
        ),
        (
            "status --output xml",
            "error SNG-0101: `xml` is not a valid value for --output <FORM> | hint: see the command's --help",
            "erreur SNG-0101: « xml » n'est pas une valeur valable pour --output <FORM> | conseil: voyez --help",
        ),
        (
            "history --most 0",
            "error SNG-0101: `0` is not a valid value for --most <N> | hint: see the command's --help",
            "erreur SNG-0101: « 0 » n'est pas une valeur valable pour --most <N> | conseil: voyez --help",
        ),
    ];
    for (line, en, fr) in cases {
        assert_eq!(refused(line, Language::English), en);
        assert_eq!(refused(line, Language::French), fr);
    }
}

#[test]
fn help_names_every_verb() {
    let help = Cli::command().render_help().to_string();
    let verbs =
        "run enroll status pull stage activate install rollback history verify doctor config";
    for verb in verbs.split(' ') {
        assert!(help.contains(&format!("\n  {verb} ")), "{verb}:\n{help}");
    }
}

/// The lines of a runbook that can be typed, with the place of the file.
fn typed(language: &str) -> Vec<(String, String)> {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/runbooks");
    let mut out = Vec::new();
    for entry in std::fs::read_dir(docs.join(language)).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let line = line.trim();
            let line = line.strip_prefix("sudo ").unwrap_or(line);
            if line.starts_with("sanaga-agent ") {
                out.push((name.clone(), line.to_owned()));
            }
        }
    }
    out.sort();
    out
}

#[test]
fn runbooks_name_commands_that_there_are_and_the_same_in_both_languages() {
    let english = typed("en");
    assert!(english.len() > 10);
    assert_eq!(english, typed("fr"));
    for (file, line) in english {
        let parsed = Cli::try_parse_from(line.split(' '));
        assert!(parsed.is_ok(), "{file}: {line}: {:?}", parsed.err());
    }
}

#[test]
fn runbooks_say_what_the_screen_says() {
    use super::super::status;
    let mut shop = shop();
    shop.version = "1.4.2".parse().ok();
    shop.previous = "1.4.1".parse().ok();
    shop.since_s = Some(3 * 3_600);
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/runbooks");
    for (folder, language) in [("en", Language::English), ("fr", Language::French)] {
        let page = std::fs::read_to_string(docs.join(folder).join("status.md")).unwrap();
        let speech = Speech::new(language, TimeZone::UTC);
        let shown = status::lines(&report(vec![shop.clone()]), &speech, false).join("\n");
        assert!(page.contains(&shown), "{folder}:\n{shown}");
        for id in [
            "state-running",
            "state-stopped",
            "state-needs-hands",
            "state-rolling-back",
            "status-stale",
        ] {
            let said = format!("`{}`", speech.say(id, &[]));
            assert!(page.contains(&said), "{folder}: {said}");
        }
    }
}
