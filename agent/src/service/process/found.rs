//! What is found again after the agent, or the machine, was started anew.

use super::super::Ending;
use super::super::procfs::{Mark, ProcessId, find};
use super::super::record::Record;
use super::{Phase, State};

/// The state that a record tells of, compared with what is really there.
pub(super) fn found_again(mut record: Record, boot: &[u8; 16]) -> State {
    let same_boot = record.is_of(boot);
    let seen = record.process.filter(|id| same_boot && id.is_alive());
    let phase = match seen.or_else(|| leader_of(&record.instance)) {
        Some(id) => Phase::Up(id),
        None if same_boot && record.process.is_some() && record.wanted => {
            record.crashes = record.crashes.saturating_add(1);
            Phase::Down(Ending::Unseen)
        }
        // Another boot, or killed before it was started: it has not crashed, it was never there.
        None => Phase::Idle,
    };
    State {
        record: Some(record),
        phase,
        in_row: 0,
    }
}

/// The process that was started under a name: the oldest that leads a group.
fn leader_of(name: &str) -> Option<ProcessId> {
    find(&Mark::Instance { name, group: None })
        .into_iter()
        .find(|stat| stat.group == stat.id.pid)
        .map(|stat| stat.id)
}
