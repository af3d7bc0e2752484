//! The node's certificate: renewed once a third of its life has passed, and whenever the controller
//! refuses it. Nothing of trust hangs on it; without it the node only cannot poll. The worker asks for
//! its own key; what it asks for is signed here.

use sanaga_proto::code;
use sanaga_proto::failure::{Coded as _, Failure};

use super::node::Node;
use crate::fetch::FetchError;
use crate::store::state;

/// One try in so long, seconds.
const DAY_S: u64 = 86_400;
/// The name of the note that says when the last try was.
const TRIED: &str = "renewal/tried";

impl Node {
    /// Renews the certificate when its time has come; at most one try a day.
    pub async fn renew_if_due(&self) {
        let Ok(validity) = self.worker.validity().await else {
            return;
        };
        let now_s = self.known_s();
        let tried_s = self.helper.store().read(|db| state::number(db, TRIED));
        if !is_due(validity, tried_s.unwrap_or_default(), now_s) {
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
        match self.try_to_renew().await {
            Ok(()) => tracing::info!("certificate renewed"),
            Err(failure) => tracing::warn!(%failure, "certificate not renewed"),
        }
    }

    async fn try_to_renew(&self) -> Result<(), Failure> {
        let csr = self.worker.request().await.map_err(Failure::of)?;
        let body = self.helper.renewal(csr)?;
        let call = self.call(&self.helper.identity().url);
        self.worker.renew(call, body).await.map_err(Failure::of)
    }
}

/// Whether a certificate is to be renewed: a third of its life has passed, and the last try was a
/// day ago or never. A try that seems to lie more than a day ahead was noted by a clock that was wrong.
fn is_due((from_s, until_s): (u64, u64), tried_s: u64, now_s: u64) -> bool {
    let due_s = from_s.saturating_add(until_s.saturating_sub(from_s) / 3);
    let is_rested = now_s >= tried_s.saturating_add(DAY_S) || tried_s > now_s.saturating_add(DAY_S);
    now_s >= due_s && is_rested
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate of 90 days.
    const VALIDITY: (u64, u64) = (1_795_219_200, 1_795_219_200 + 90 * DAY_S);

    #[test]
    fn it_is_renewed_after_a_third_and_tried_once_a_day() {
        let (mut tried_s, mut tries) = (0, Vec::new());
        // Eight polls a day for forty days, none of which brings a new certificate.
        for poll in 0..40 * 8 {
            let now_s = VALIDITY.0 + poll * DAY_S / 8;
            if is_due(VALIDITY, tried_s, now_s) {
                tried_s = now_s;
                tries.push(poll / 8);
            }
        }
        assert_eq!(tries, (30..40).collect::<Vec<_>>());
    }

    #[test]
    fn a_try_that_a_wrong_clock_noted_does_not_stop_it() {
        let due_s = VALIDITY.0 + 40 * DAY_S;
        assert!(is_due(VALIDITY, due_s + 900 * DAY_S, due_s));
        assert!(!is_due(VALIDITY, due_s + DAY_S / 2, due_s));
    }
}
