//! The hosts that the worker talks to, kept between two talks: an open connection and a TLS session
//! are bytes that need not be paid again. Also how each host behaved.

use std::time::Duration;

use sanaga_proto::failure::Coded as _;

use super::node::Node;
use crate::fetch::client::{Host, Patience};
use crate::fetch::retry::{RetryPolicy, pause};
use crate::fetch::{FetchError, tls};
use crate::identity::{Credentials, IdentityFiles};
use crate::store::state;

/// Hosts that are kept at once; an assignment names a few.
const HOSTS_MAX: usize = 16;

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

    /// A host by its URL, with our credentials where TLS is spoken.
    ///
    /// # Errors
    /// [`FetchError::Tls`] when a certificate or key does not load.
    pub fn host(&self, url: &str) -> Result<Host, FetchError> {
        let encrypted = url.starts_with("https://");
        if encrypted {
            self.tls_time.learn(self.known_s());
        }
        if let Some(host) = self.hosts.borrow().get(url) {
            return Ok(host.clone());
        }
        let config = if encrypted { Some(self.tls()?) } else { None };
        let host = Host::new(url, config, self.patience())?;
        let mut hosts = self.hosts.borrow_mut();
        if hosts.len() >= HOSTS_MAX {
            hosts.clear();
        }
        hosts.insert(url.to_owned(), host.clone());
        Ok(host)
    }

    /// How patient connections are.
    pub fn patience(&self) -> Patience {
        Patience {
            connect_s: self.config.fetch.connect.as_secs(),
            stall_s: self.config.fetch.stall.as_secs(),
        }
    }

    /// Our side of TLS. There is one for all hosts and for as long as the certificate lasts: the
    /// sessions that are taken up again belong to it.
    fn tls(&self) -> Result<rustls::ClientConfig, FetchError> {
        if let Some(config) = self.tls.borrow().as_ref() {
            return Ok(config.clone());
        }
        let folder = self.paths.pinned_root.parent().unwrap_or(&self.paths.state);
        let credentials =
            Credentials::load(&IdentityFiles::new(folder)).map_err(FetchError::Own)?;
        let config = tls::pinned(
            &credentials,
            self.tls_time.clone(),
            self.config.fetch.post_quantum,
        )?;
        *self.tls.borrow_mut() = Some(config.clone());
        Ok(config)
    }

    /// After a renewal nothing of the former certificate is used any more.
    pub fn forget_tls(&self) {
        self.tls.borrow_mut().take();
        self.hosts.borrow_mut().clear();
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
        // A connection that waits for the next request may be as dead as the one that failed.
        self.hosts.borrow_mut().remove(url);
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
