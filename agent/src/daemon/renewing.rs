//! The node's certificate: renewed once a third of its life has passed, and whenever the controller
//! refuses it. Nothing of trust hangs on it; without it the node only cannot poll.

use sanaga_proto::code;
use sanaga_proto::failure::Coded as _;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use super::node::Node;
use crate::enrol;
use crate::fetch::FetchError;
use crate::identity::{IdentityFiles, read_optional};
use crate::store::state;

/// One try in so long, seconds.
const DAY_S: u64 = 86_400;
/// The name of the note that says when the last try was.
const TRIED: &str = "renewal/tried";

impl Node {
    /// Renews the certificate when its time has come; at most one try a day.
    pub async fn renew_if_due(&self) {
        let folder = self.paths.pinned_root.parent().unwrap_or(&self.paths.state);
        let files = IdentityFiles::new(folder);
        let Ok(Some(certificate)) = read_optional(&files.tls_certificate()) else {
            return;
        };
        let now_s = self.known_s();
        let tried_s = self.helper.store().read(|db| state::number(db, TRIED));
        if !is_due(&certificate, tried_s.unwrap_or_default(), now_s) {
            return;
        }
        // Before the try, so that a link that dies in it does not make it one at every poll.
        let noted = self
            .helper
            .store()
            .write(|db| state::set_note(db, TRIED, &now_s.to_be_bytes()));
        match noted {
            Ok(()) => self.renew().await,
            Err(failure) => tracing::warn!(%failure, "certificate not renewed"),
        }
    }

    /// A certificate that has expired is renewed with the node key alone.
    pub async fn renew_if_refused(&self, error: &FetchError) {
        let mut text = error.to_string();
        let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
        while let Some(this) = cause {
            text.push_str(&this.to_string());
            cause = this.source();
        }
        if error.code() == code::NODE_REFUSED || text.contains("ertificate") {
            self.renew().await;
        }
    }

    async fn renew(&self) {
        let mut nonce = [0; 16];
        if aws_lc_rs::rand::fill(&mut nonce).is_err() {
            return;
        }
        let folder = self.paths.pinned_root.parent().unwrap_or(&self.paths.state);
        let renewed = enrol::renew(
            folder,
            self.helper.identity(),
            nonce,
            self.known_s(),
            self.patience(),
            self.config.fetch.post_quantum,
        );
        match renewed.await {
            Ok(()) => {
                self.forget_tls();
                tracing::info!("certificate renewed");
            }
            Err(failure) => tracing::warn!(%failure, "certificate not renewed"),
        }
    }
}

/// Whether a certificate (DER) is to be renewed: a third of its life has passed, and the last try was a
/// day ago or never. A try that seems to lie more than a day ahead was noted by a clock that was wrong.
fn is_due(certificate: &[u8], tried_s: u64, now_s: u64) -> bool {
    let Ok(certificate) = Certificate::from_der(certificate) else {
        return false;
    };
    let validity = certificate.tbs_certificate.validity;
    let from_s = validity.not_before.to_unix_duration().as_secs();
    let until_s = validity.not_after.to_unix_duration().as_secs();
    let due_s = from_s.saturating_add(until_s.saturating_sub(from_s) / 3);
    let is_rested = now_s >= tried_s.saturating_add(DAY_S) || tried_s > now_s.saturating_add(DAY_S);
    now_s >= due_s && is_rested
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, ManualClock, Reading};
    use std::time::Duration;

    /// 2026-11-21.
    const ISSUED_S: i64 = 1_795_219_200;

    /// A certificate of 90 days.
    fn certificate() -> Vec<u8> {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(2026, 11, 21);
        params.not_after = rcgen::date_time_ymd(2027, 2, 19);
        let made = params.self_signed(&key).unwrap();
        made.der().as_ref().to_vec()
    }

    fn clock() -> ManualClock {
        ManualClock::new(Reading {
            wall_s: ISSUED_S,
            sure: true,
            uptime_s: 0,
            boot: [1; 16],
        })
    }

    #[test]
    fn it_is_renewed_after_a_third_and_tried_once_a_day() {
        let (certificate, clock) = (certificate(), clock());
        let (mut tried_s, mut tries) = (0, Vec::new());
        // Eight polls a day for forty days, none of which brings a new certificate.
        for poll in 0..40 * 8 {
            let now_s = u64::try_from(clock.read().wall_s).unwrap();
            if is_due(&certificate, tried_s, now_s) {
                tried_s = now_s;
                tries.push(poll / 8);
            }
            clock.advance(Duration::from_secs(DAY_S / 8));
        }
        assert_eq!(tries, (30..40).collect::<Vec<_>>());
    }

    #[test]
    fn a_try_that_a_wrong_clock_noted_does_not_stop_it() {
        let certificate = certificate();
        let due_s = u64::try_from(ISSUED_S).unwrap() + 40 * DAY_S;
        assert!(is_due(&certificate, due_s + 900 * DAY_S, due_s));
        assert!(!is_due(&certificate, due_s + DAY_S / 2, due_s));
        assert!(!is_due(b"not a certificate", 0, due_s));
    }
}
