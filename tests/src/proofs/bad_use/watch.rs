//! Watching a site's app from its users' side: does it answer, all the while?

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::http;

/// The time between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// What was seen.
#[derive(Debug, Default)]
struct Seen {
    looks: AtomicU64,
    misses: Mutex<Vec<String>>,
    stop: AtomicBool,
}

/// A user who asks again and again, until this is dropped.
#[derive(Debug)]
pub struct Watch {
    seen: Arc<Seen>,
    user: Option<JoinHandle<()>>,
}

impl Watch {
    /// Begins to ask `url`.
    pub fn start(url: String) -> Self {
        let seen = Arc::new(Seen::default());
        let kept = Arc::clone(&seen);
        let begun = Instant::now();
        let user = std::thread::spawn(move || {
            while !kept.stop.load(Ordering::Relaxed) {
                let miss = match http::get(&url) {
                    Ok(answer) if answer.status == 200 => None,
                    Ok(answer) => Some(format!("status {}", answer.status)),
                    Err(error) => Some(format!("{error:#}")),
                };
                kept.looks.fetch_add(1, Ordering::Relaxed);
                if let Some(miss) = miss {
                    let at = begun.elapsed().as_secs_f64();
                    let mut misses = kept.misses.lock().unwrap_or_else(PoisonError::into_inner);
                    misses.push(format!("{at:.2} s: {miss}"));
                }
                std::thread::sleep(LOOK);
            }
        });
        Self {
            seen,
            user: Some(user),
        }
    }

    /// How often it was asked.
    pub fn looks(&self) -> u64 {
        self.seen.looks.load(Ordering::Relaxed)
    }

    /// Forgets what was missed so far: an update was meant to swap the app.
    pub fn forget(&self) {
        self.misses().clear();
    }

    /// It answered every time, at least once more than when this was called.
    ///
    /// # Errors
    /// When it did not.
    pub fn unbroken(&self) -> Result<()> {
        let until = self.looks() + 2;
        while self.looks() < until {
            std::thread::sleep(LOOK);
        }
        let misses = self.misses();
        if let (Some(first), Some(last)) = (misses.first(), misses.last()) {
            let count = misses.len();
            bail!("the site's app did not answer {count} times, from {first} to {last}");
        }
        Ok(())
    }

    fn misses(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        let misses = self.seen.misses.lock();
        misses.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.seen.stop.store(true, Ordering::Relaxed);
        if let Some(user) = self.user.take() {
            let _ended = user.join();
        }
    }
}
