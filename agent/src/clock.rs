//! The only reader of time in the agent. Everything else gets a [`Reading`] as an argument, so that
//! a wrong clock is a test case and not an accident.
//!
//! Three clocks are read: the wall clock (which may say anything), the monotonic clock that counts
//! through sleep, and the boot id that says which boot the monotonic clock belongs to.

mod kernel;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

pub use kernel::{AskKernel, KernelSync};

/// Where the kernel says which boot this is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// So long an answer of the kernel about its synchronisation is believed, seconds.
const SYNC_VALID_S: u64 = 900;
/// The wall clock moved by so much against the monotonic one: somebody has set it, seconds.
const STEP_S: i64 = 2;

/// Whether the wall clock may be believed (`clock` in `agent.toml`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClockTrust {
    /// Only while the kernel reports that it is synchronised.
    #[default]
    Kernel,
    /// Always: the operator answers for it.
    Trusted,
}

/// What all clocks said at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The wall clock, seconds since 1970; may be wrong by decades and may be negative.
    pub wall_s: i64,
    /// Whether the wall clock may be believed. An unsure one serves display and alarms only.
    pub sure: bool,
    /// Seconds since boot, sleep included (`CLOCK_BOOTTIME`).
    pub uptime_s: u64,
    /// Which boot; all zero if the kernel does not say.
    pub boot: [u8; 16],
}

/// A source of time. The daemon has [`SystemClock`], tests have [`ManualClock`].
pub trait Clock: Send + Sync {
    /// All clocks at once.
    fn read(&self) -> Reading;
    /// Time since boot, sleep included, at full resolution.
    fn uptime(&self) -> Duration;
    /// Asks the kernel again whether the wall clock is synchronised. It may block for some seconds:
    /// call it off the event loop, before an attempt and every ten minutes.
    fn refresh(&self) {}
}

/// A kernel's answer, and when it was given.
#[derive(Debug, Clone, Copy)]
struct Answer {
    synchronised: bool,
    at_s: u64,
    /// Wall minus monotonic at that time, seconds.
    offset_s: i64,
}

/// The clocks of this machine.
pub struct SystemClock {
    trust: ClockTrust,
    kernel: Box<dyn KernelSync>,
    boot: [u8; 16],
    answer: Mutex<Option<Answer>>,
}

impl SystemClock {
    /// The clocks of this machine; unsure until the first [`Clock::refresh`] unless trusted.
    #[must_use]
    pub fn new(trust: ClockTrust) -> Self {
        Self::with_kernel(trust, Box::new(AskKernel::default()))
    }

    /// The same, with somebody else to ask about synchronisation.
    #[must_use]
    pub fn with_kernel(trust: ClockTrust, kernel: Box<dyn KernelSync>) -> Self {
        let boot = std::fs::read_to_string(BOOT_ID)
            .ok()
            .and_then(|text| parse_boot_id(&text))
            .unwrap_or_default();
        Self {
            trust,
            kernel,
            boot,
            answer: Mutex::new(None),
        }
    }

    fn sure(&self, wall_s: i64, uptime_s: u64) -> bool {
        match self.trust {
            ClockTrust::Trusted => true,
            ClockTrust::Kernel => {
                let answer = *self.answer.lock().unwrap_or_else(PoisonError::into_inner);
                answer.is_some_and(|answer| still_holds(&answer, wall_s, uptime_s))
            }
        }
    }
}

impl Clock for SystemClock {
    fn read(&self) -> Reading {
        let wall_s = clock_gettime(ClockId::Realtime).tv_sec;
        let uptime_s = self.uptime().as_secs();
        Reading {
            wall_s,
            sure: self.sure(wall_s, uptime_s),
            uptime_s,
            boot: self.boot,
        }
    }

    fn uptime(&self) -> Duration {
        let now = clock_gettime(ClockId::Boottime);
        Duration::new(
            u64::try_from(now.tv_sec).unwrap_or(0),
            u32::try_from(now.tv_nsec).unwrap_or(0),
        )
    }

    fn refresh(&self) {
        if self.trust == ClockTrust::Trusted {
            return;
        }
        let synchronised = self.kernel.synchronised();
        // Read after the answer: a clock that is set in between counts as set afterwards.
        let wall_s = clock_gettime(ClockId::Realtime).tv_sec;
        let at_s = self.uptime().as_secs();
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(Answer {
            synchronised,
            at_s,
            offset_s: offset_s(wall_s, at_s),
        });
    }
}

/// An answer holds for a while, and only if nobody has set the clock since.
fn still_holds(answer: &Answer, wall_s: i64, uptime_s: u64) -> bool {
    answer.synchronised
        && uptime_s.saturating_sub(answer.at_s) <= SYNC_VALID_S
        && offset_s(wall_s, uptime_s)
            .saturating_sub(answer.offset_s)
            .saturating_abs()
            <= STEP_S
}

fn offset_s(wall_s: i64, uptime_s: u64) -> i64 {
    wall_s.saturating_sub(i64::try_from(uptime_s).unwrap_or(i64::MAX))
}

/// The 16 bytes of a boot id in the kernel's form, `ebd8984a-b768-40c8-97e1-2f9245dbce5f`.
#[must_use]
pub fn parse_boot_id(text: &str) -> Option<[u8; 16]> {
    let hex: String = text.trim().chars().filter(|c| *c != '-').collect();
    if hex.len() != 32 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    Some(u128::from_str_radix(&hex, 16).ok()?.to_be_bytes())
}

/// A clock that stands where it was set; clones share it.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<(Reading, Duration)>>);

impl ManualClock {
    /// A clock that reads so until it is moved.
    #[must_use]
    pub fn new(reading: Reading) -> Self {
        let uptime = Duration::from_secs(reading.uptime_s);
        Self(Arc::new(Mutex::new((reading, uptime))))
    }

    /// Lets time pass on both clocks.
    pub fn advance(&self, by: Duration) {
        self.change(|reading, uptime| {
            *uptime += by;
            reading.uptime_s = uptime.as_secs();
            let passed_s = i64::try_from(by.as_secs()).unwrap_or(i64::MAX);
            reading.wall_s = reading.wall_s.saturating_add(passed_s);
        });
    }

    /// Sets the wall clock, right or wrong.
    pub fn set_wall(&self, wall_s: i64, sure: bool) {
        self.change(|reading, _| {
            reading.wall_s = wall_s;
            reading.sure = sure;
        });
    }

    /// Starts another boot.
    pub fn reboot(&self, boot: [u8; 16]) {
        self.change(|reading, uptime| {
            *uptime = Duration::ZERO;
            reading.uptime_s = 0;
            reading.boot = boot;
        });
    }

    fn change(&self, how: impl FnOnce(&mut Reading, &mut Duration)) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (reading, uptime) = &mut *inner;
        how(reading, uptime);
    }
}

impl Clock for ManualClock {
    fn read(&self) -> Reading {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn uptime(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Says(bool);
    impl KernelSync for Says {
        fn synchronised(&self) -> bool {
            self.0
        }
    }

    #[test]
    fn is_sure_only_when_told_so() {
        let silent = SystemClock::with_kernel(ClockTrust::Kernel, Box::new(Says(true)));
        assert!(!silent.read().sure, "nobody was asked yet");
        silent.refresh();
        assert!(silent.read().sure);
        let adrift = SystemClock::with_kernel(ClockTrust::Kernel, Box::new(Says(false)));
        adrift.refresh();
        assert!(!adrift.read().sure);
        let trusted = SystemClock::with_kernel(ClockTrust::Trusted, Box::new(Says(false)));
        assert!(trusted.read().sure);
    }

    #[test]
    fn an_answer_ends_with_time_or_when_the_clock_is_set() {
        let answer = Answer {
            synchronised: true,
            at_s: 100,
            offset_s: 1_000_000,
        };
        assert!(still_holds(&answer, 1_000_100, 100));
        assert!(still_holds(&answer, 1_000_501, 500), "slewed by a second");
        assert!(!still_holds(&answer, 1_002_000, 100 + SYNC_VALID_S + 1));
        assert!(!still_holds(&answer, 900_500, 500), "set back");
        assert!(!still_holds(&answer, i64::MIN, u64::MAX));
    }

    #[test]
    fn the_machine_has_a_boot_and_counts_on() {
        let clock = SystemClock::new(ClockTrust::Kernel);
        let first = clock.read();
        assert_ne!(first.boot, [0; 16]);
        assert!(first.wall_s > 1_600_000_000 && first.uptime_s > 0);
        assert!(clock.uptime() >= Duration::from_secs(first.uptime_s));
    }

    #[test]
    fn reads_boot_ids() {
        let id = parse_boot_id("ebd8984a-b768-40c8-97e1-2f9245dbce5f\n").unwrap();
        assert_eq!(id[..2], [0xeb, 0xd8]);
        for bad in ["", "ebd8984a", "gbd8984a-b768-40c8-97e1-2f9245dbce5f", "+1"] {
            assert_eq!(parse_boot_id(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_manual_clock_moves_as_told() {
        let clock = ManualClock::new(Reading {
            wall_s: 10,
            sure: true,
            uptime_s: 5,
            boot: [1; 16],
        });
        let other = clock.clone();
        other.advance(Duration::from_secs(7));
        assert_eq!((clock.read().wall_s, clock.read().uptime_s), (17, 12));
        other.set_wall(-5, false);
        other.reboot([2; 16]);
        let now = clock.read();
        assert_eq!((now.wall_s, now.sure, now.uptime_s), (-5, false, 0));
    }
}
