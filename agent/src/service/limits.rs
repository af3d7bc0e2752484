//! What a service may use: what its manifest asks for, within what the node allows. Pure.

use sanaga_proto::manifest::LimitSection;
use serde::{Deserialize, Serialize};

use crate::config;

/// The bounds of one service; none is no bound of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Limits {
    /// Memory, bytes.
    pub memory_bytes_max: Option<u64>,
    /// Processor time, percent of one processor.
    pub cpu_percent_max: Option<u64>,
    /// Processes and threads.
    pub tasks_max: Option<u64>,
    /// Open files of one process.
    pub files_max: Option<u64>,
}

impl Limits {
    /// The smaller of both, one by one. The node's 0 is no limit.
    #[must_use]
    pub fn within(asked: LimitSection, allowed: &config::Limits) -> Self {
        let least = |asked: Option<u64>, allowed: u64| match (asked, allowed) {
            (asked, 0) => asked,
            (Some(asked), allowed) => Some(asked.min(allowed)),
            (None, allowed) => Some(allowed),
        };
        Self {
            memory_bytes_max: least(asked.memory_bytes_max, allowed.memory_bytes_max),
            cpu_percent_max: least(asked.cpu_percent_max, allowed.cpu_percent_max),
            tasks_max: least(asked.tasks_max, allowed.tasks_max),
            files_max: least(asked.files_max, allowed.files_max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_bound_holds_and_zero_is_none() {
        let asked = LimitSection {
            memory_bytes_max: Some(200),
            cpu_percent_max: Some(50),
            tasks_max: None,
            files_max: None,
        };
        let allowed = config::Limits {
            memory_bytes_max: 100,
            cpu_percent_max: 100,
            tasks_max: 7,
            files_max: 0,
            ..config::Limits::default()
        };
        let found = Limits::within(asked, &allowed);
        let wanted = Limits {
            memory_bytes_max: Some(100),
            cpu_percent_max: Some(50),
            tasks_max: Some(7),
            files_max: None,
        };
        assert_eq!(found, wanted);
    }
}
