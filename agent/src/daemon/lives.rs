//! Lives of the daemon that ended soon and badly, one after the other. A service manager starts it again
//! at once, which is right after one crash and wears out the disk in a loop of them: after some in a
//! row, a life begins with a pause that grows. (systemd can do that by itself from version 254 on, which
//! Debian 12 does not have.) Without a service manager nothing is noted and nothing waits.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::{Clock as _, ClockTrust, SystemClock};
use crate::service::pause::{crashes_in_row, pause};

/// So many short lives in a row are followed by another one at once.
const FREE: u32 = 5;
/// The first pause after them; it doubles.
const PAUSE_MIN: Duration = Duration::from_secs(2);
/// The longest pause. The manager waits for 90 s.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A life that is longer was not a short one.
const LONG: Duration = Duration::from_secs(60);
/// The name of the note, in a folder that is empty after a boot.
const NOTE: &str = "lives.json";

/// The life that begins.
#[derive(Debug)]
pub struct Life {
    /// Before it does anything.
    pub pause: Duration,
    note: Option<PathBuf>,
}

/// What is known of the life before, which did not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Before {
    in_row: u32,
    began_uptime_s: u64,
}

impl Life {
    /// Notes that a life begins. The folder is the one that the service manager gives for such things,
    /// else the other one.
    pub fn begin(run: &Path) -> Self {
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return Self {
                pause: Duration::ZERO,
                note: None,
            };
        }
        let folder =
            std::env::var_os("RUNTIME_DIRECTORY").map_or_else(|| run.to_owned(), PathBuf::from);
        Self::begin_in(&folder, SystemClock::new(ClockTrust::Kernel).uptime())
    }

    fn begin_in(folder: &Path, uptime: Duration) -> Self {
        let path = folder.join(NOTE);
        let before = std::fs::read(&path).ok();
        let before = before.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let (now, pause) = next(before, uptime.as_secs());
        // A note that cannot be written is one pause less.
        if let Ok(bytes) = serde_json::to_vec(&now) {
            let _ = std::fs::write(&path, bytes);
        }
        Self {
            pause,
            note: Some(path),
        }
    }

    /// It was told to end, and does: the next one begins a new row.
    pub fn end_well(self) {
        if let Some(path) = self.note {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The note of the life that begins now, and its pause. Without chance: there is one agent on a machine.
fn next(before: Option<Before>, uptime_s: u64) -> (Before, Duration) {
    let in_row = before.map_or(0, |before| {
        let ran = Duration::from_secs(uptime_s.saturating_sub(before.began_uptime_s));
        crashes_in_row(before.in_row, ran, LONG)
    });
    let pause = match in_row.saturating_sub(FREE) {
        0 => Duration::ZERO,
        late => pause(late, PAUSE_MIN, PAUSE_MAX, 999),
    };
    let began_uptime_s = uptime_s.saturating_add(pause.as_secs());
    (
        Before {
            in_row,
            began_uptime_s,
        },
        pause,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_after_some_short_lives_and_end_with_a_long_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut uptime = Duration::from_secs(100);
        let mut pauses = Vec::new();
        for _ in 0..12 {
            let life = Life::begin_in(folder.path(), uptime);
            pauses.push(life.pause.as_secs_f64().round() as u64);
            uptime += life.pause + Duration::from_secs(3);
        }
        assert_eq!(pauses[..6], [0; 6]);
        assert_eq!(pauses[6..], [2, 4, 8, 16, 30, 30]);
        uptime += LONG + Duration::from_secs(1);
        assert!(Life::begin_in(folder.path(), uptime).pause.is_zero());
    }

    #[test]
    fn a_good_end_and_a_torn_note_begin_a_new_row() {
        let folder = tempfile::tempdir().unwrap();
        let lives = |count: u64| {
            for number in 1..count {
                Life::begin_in(folder.path(), Duration::from_secs(number));
            }
            Life::begin_in(folder.path(), Duration::from_secs(count))
        };
        let tired = lives(8);
        assert!(!tired.pause.is_zero());
        tired.end_well();
        assert!(lives(1).pause.is_zero());
        lives(8);
        std::fs::write(folder.path().join(NOTE), b"{\"in_row\":9").unwrap();
        assert!(lives(1).pause.is_zero());
    }
}
