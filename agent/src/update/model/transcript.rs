//! What is decided in a story when nothing interrupts it, for tests and for docs/update-states.md.

use super::explore::QUIET_MAX;
use super::perform::steps;
use super::scenario::Scenario;
use super::world::{World, policy};
use crate::update::effect::{Effect, Occurrence};
use crate::update::machine::next;

/// What is decided in a scenario when nothing interrupts it, one line for each effect and receipt.
/// Repeated looks and waits stand once.
pub(super) fn transcript(scenario: &Scenario) -> Vec<String> {
    let policy = policy();
    let mut world = World::new(scenario);
    let mut lines: Vec<String> = Vec::new();
    let mut quiet = 0;
    while quiet <= QUIET_MAX {
        world.advance_script(scenario);
        let decision = next(&world.journal, &world.facts(scenario), &policy);
        let is_waiting = matches!(decision.effect, Effect::Wait { .. } | Effect::Probe { .. });
        let is_still = is_waiting && decision.journal == *world.journal;
        quiet = if is_still { quiet + 1 } else { 0 };
        world.quiet = quiet;
        for event in &decision.events {
            lines.push(receipt_line(event));
        }
        if decision.effect != Effect::None {
            let line = format!(
                "{}: {}",
                decision.journal.phase,
                effect_line(&decision.effect)
            );
            if !is_waiting || lines.last() != Some(&line) {
                lines.push(line);
            }
        }
        for step in steps(&world, scenario, &decision, None) {
            step.take(&mut world, scenario);
        }
    }
    lines
}

fn receipt_line(event: &Occurrence) -> String {
    let version = event
        .release
        .as_ref()
        .map(|release| release.version.to_string());
    let mut line = format!(
        "receipt {} {}",
        event.kind.as_str(),
        version.unwrap_or_default()
    );
    if let Some(code) = event.code {
        line.push_str(&format!(", SNG-{code:04}"));
    }
    if !event.detail.is_empty() {
        line.push_str(&format!(", {}", event.detail));
    }
    line
}

fn effect_line(effect: &Effect) -> String {
    match effect {
        Effect::None => "nothing".to_owned(),
        Effect::Wait { .. } => "wait".to_owned(),
        Effect::Fetch { target } => format!("fetch the pack of {}", target.release.version),
        Effect::Stage { target } => format!("stage slot {}", target.slot),
        Effect::SnapshotData { number, .. } => format!("set data aside as {number}"),
        Effect::Migrate { target } => format!("migrate the data to {}", target.release.version),
        Effect::RestoreData {
            number,
            aside: Some(aside),
        } => format!("bring data {number} back, what is there becomes {aside}"),
        Effect::RestoreData {
            number,
            aside: None,
        } => format!("bring data {number} back"),
        Effect::ExportData { base, aside } => {
            format!("export what data {aside} have that {base} have not")
        }
        Effect::PruneData { numbers } => format!("prune data {numbers:?}"),
        Effect::StopService => "stop the service".to_owned(),
        Effect::SwapCurrent { to_slot } => format!("current → slot {to_slot}"),
        Effect::RemoveCurrent => "remove current".to_owned(),
        Effect::StartService { installed } => {
            let settings = installed.release.settings.0[0];
            format!("start slot {} with settings {settings}", installed.slot)
        }
        Effect::Probe { .. } => "probe".to_owned(),
        Effect::RewritePrevious {
            to_slot: Some(slot),
        } => format!("previous → slot {slot}"),
        Effect::RewritePrevious { to_slot: None } => "remove previous".to_owned(),
        Effect::Prune { slots } => format!("prune slots {slots:?}"),
    }
}
