//! The hosts that the worker is sent to, and how each behaved.

use std::time::Duration;

use sanaga_proto::failure::Coded as _;

use super::node::Node;
use crate::fetch::FetchError;
use crate::fetch::retry::{RetryPolicy, pause};
use crate::store::state;
use crate::worker::Call;

impl Node {
    /// The hosts that packs come from, in order.
    pub fn content_urls(&self) -> Vec<String> {
        let assigned = self
            .helper
            .assignment()
            .ok()
            .flatten()
            .map(|assignment| assignment.content_urls);
        assigned
            .filter(|urls| !urls.is_empty())
            .unwrap_or_else(|| vec![self.helper.identity().url.clone()])
    }

    /// Where to call, with what is known of the time for a host that speaks TLS.
    pub fn call(&self, url: &str) -> Call {
        let encrypted = url.starts_with("https://");
        let known_s = if encrypted { self.known_offline_s() } else { 0 };
        Call {
            url: url.to_owned(),
            known_s,
        }
    }

    /// Counts a success of a host: what moves is never given up.
    pub fn moved(&self, url: &str) {
        self.breakers
            .borrow_mut()
            .entry(url.to_owned())
            .or_default()
            .moved();
        self.keep_breaker(url, 0, 0);
    }

    /// Counts a failure of a host, in memory and for the next life.
    pub fn failed(&self, url: &str, error: &FetchError) -> Duration {
        let fetch = &self.config.fetch;
        let policy = RetryPolicy {
            min_s: fetch.retry_min.as_secs(),
            max_s: fetch.retry_max.as_secs(),
        };
        let mut breakers = self.breakers.borrow_mut();
        let breaker = breakers.entry(url.to_owned()).or_default();
        let failures = breaker.failures.saturating_add(1);
        let wait = pause(policy, failures, chance(), error.wait_s());
        breaker.failed(wait, self.clock.read().uptime_s);
        drop(breakers);
        self.keep_breaker(url, failures, wait.as_secs());
        tracing::debug!(host = %url, code = %error.code(), wait_s = wait.as_secs(), "host failed");
        wait
    }

    fn keep_breaker(&self, url: &str, failures: u32, pause_s: u64) {
        if let Err(failure) = self
            .helper
            .store()
            .write(|db| state::set_host(db, url, failures, pause_s))
        {
            tracing::warn!(%failure, "how a host behaved is not remembered");
        }
    }
}

/// Uniform in 0..1, so that many nodes do not call at once.
pub(super) fn chance() -> f64 {
    let mut bytes = [0; 4];
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 1.0,
    }
}
