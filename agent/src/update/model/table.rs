//! The table of states in docs/update-states.md, made from what the machine was seen to decide.

use super::{Report, enumerate, transcript};
use crate::update::phase::Phase;

/// Stories that the document tells, as they go when nothing interrupts them.
const STORIES: [&str; 10] = [
    "update",
    "settings change",
    "a release that fails its probe",
    "the operator goes back",
    "a newer assignment while staged",
    "blue-green: update",
    "blue-green: a release that fails its probe",
    "update with a migration",
    "a migration that fails half way",
    "the operator goes back from migrated data",
];

/// The table, in Markdown: what every story saw, with cuts and kills nested two deep.
#[must_use]
pub fn table() -> String {
    let report = enumerate(2, None, 1);
    let mut out = String::from(
        "| phase | what is so | what may be done | what follows | receipts |\n|---|---|---|---|---|\n",
    );
    for phase in Phase::ALL {
        out.push_str(&row(phase, &report));
    }
    out
}

/// The stories, in Markdown: every effect and receipt in its order.
#[must_use]
pub fn stories() -> String {
    let story = |name: &str| format!("**{name}**\n```\n{}\n```\n", transcript(name).join("\n"));
    STORIES.map(story).join("\n")
}

fn row(phase: Phase, report: &Report) -> String {
    let seen = report.seen.get(&phase).cloned().unwrap_or_default();
    let effects = seen.effects.iter().map(|effect| format!("{effect:?}"));
    let next = seen.next.iter().map(|phase| phase.to_string());
    let events = seen.events.iter().map(ToString::to_string);
    format!(
        "| `{phase}` | {} | {} | {} | {} |\n",
        meaning(phase),
        words(effects),
        words(next),
        words(events),
    )
}

fn words(words: impl Iterator<Item = String>) -> String {
    let words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
    if words.is_empty() {
        return "–".to_owned();
    }
    words.join(" ")
}

const fn meaning(phase: Phase) -> &'static str {
    match phase {
        Phase::Idle => "nothing was asked for yet, or what was asked for runs",
        Phase::Fetching => "the pack is on its way to the disk, then to a slot",
        Phase::Staged => "the slot is whole, verified and synced",
        Phase::Armed => "only a window, a pause or room keeps it from being activated",
        Phase::Snapshotting => "the service is stopped and its data are set aside",
        Phase::Activating => {
            "the old service stops, the migration runs, `current` is replaced, the new one starts"
        }
        Phase::Probation => "the new release runs and has to stay healthy through its soak",
        Phase::Committed => "it stayed healthy; the release before is `previous`",
        Phase::RollingBack => "the release before is on its way back, with its data",
        Phase::RolledBack => "the release before runs; the other one is quarantined",
        Phase::Held => "a hold froze an update that had not begun to activate",
        Phase::Superseded => "a newer assignment took the target's place",
        Phase::Refused { .. } => "the target cannot be installed here, and is quarantined",
        Phase::NeedsHands => "the way back did not work; whatever can run is kept running",
    }
}
