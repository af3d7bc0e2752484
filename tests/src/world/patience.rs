//! Waiting on progress. A slow machine is not a failure and a fixed time-out is a guess, so a wait
//! ends only when the thing waited for has stood still.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long something may stand still before it counts as stuck.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// What one look found.
#[derive(Debug)]
pub enum Step<T> {
    /// It has happened.
    Done(T),
    /// Not yet. The words say how far it is: as long as they change, it moves.
    Waiting(String),
}

/// Looks again and again until it is done, or until the words of [`Step::Waiting`] have not changed
/// for `patience`.
///
/// # Errors
/// When it stands still, with the last words; or the error of a look.
pub fn eventually<T>(
    what: &str,
    patience: Duration,
    mut look: impl FnMut() -> Result<Step<T>>,
) -> Result<T> {
    let mut seen = None;
    let mut moved = Instant::now();
    loop {
        match look()? {
            Step::Done(value) => return Ok(value),
            Step::Waiting(words) => {
                if seen.as_ref() != Some(&words) {
                    moved = Instant::now();
                    seen = Some(words);
                } else if moved.elapsed() > patience {
                    bail!(
                        "{what}: stands still for {} s at: {}",
                        patience.as_secs(),
                        seen.unwrap_or_default()
                    );
                }
            }
        }
        std::thread::sleep(PAUSE);
    }
}
