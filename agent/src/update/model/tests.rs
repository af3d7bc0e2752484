//! The enumeration itself, the sabotages that it must find, and the document that is made from it.

use super::*;

#[test]
fn every_cut_leads_to_the_end_of_its_story() {
    // `prove machine-states` goes one deeper.
    let report = enumerate(2, None, 7);
    let violations = report.violations.join("\n\n");
    assert!(report.violations.is_empty(), "{violations}");
    let phases: BTreeSet<&str> = Phase::ALL.iter().map(|phase| phase.as_str()).collect();
    assert_eq!(report.phases, phases);
    assert!(report.cuts > 10_000 && report.sampled > 0, "{report:?}");
}

#[test]
fn each_sabotage_is_found_by_its_harm() {
    let harms = [
        (Sabotage::NoSlotSync, "which is not whole"),
        (Sabotage::NoFolderSync, "which is not whole"),
        (
            Sabotage::NoIntent,
            "StartService was begun 6 times, more than 5",
        ),
        (Sabotage::EarlyPrune, "is in use and was removed"),
        (
            Sabotage::LateCount,
            "StartService was begun 6 times, more than 5",
        ),
        (Sabotage::StopFirst, "nothing answers while"),
        (Sabotage::SwitchBlind, "that is not healthy"),
        (Sabotage::NoDataSync, "starts on rows"),
    ];
    assert_eq!(harms.map(|(sabotage, _)| sabotage), Sabotage::ALL);
    for (sabotage, harm) in harms {
        let found = enumerate(1, Some(sabotage), 7).violations;
        let is_found = found.iter().any(|violation| violation.contains(harm));
        assert!(is_found, "{}: {}", sabotage.as_str(), found.join("\n"));
    }
}

#[test]
fn the_document_is_made_from_the_machine() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/update-states.md");
    let text = std::fs::read_to_string(path).unwrap();
    let made = replace(&replace(&text, "table", &table()), "stories", &stories());
    if std::env::var_os("SANAGA_BLESS").is_some() {
        std::fs::write(path, made).unwrap();
        return;
    }
    assert!(
        made == text,
        "docs/update-states.md is not what the machine does; SANAGA_BLESS=1 writes it anew"
    );
}

/// The text with what stands between the marks of `name` replaced.
fn replace(text: &str, name: &str, made: &str) -> String {
    let (begin, end) = (
        format!("<!-- {name} -->\n"),
        format!("<!-- end of {name} -->"),
    );
    let (before, rest) = text.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    format!("{before}{begin}{made}{end}{after}")
}
