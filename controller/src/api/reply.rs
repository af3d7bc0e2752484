//! Answers: as few headers as will do, and refusals that say why in a way that both sides know.

use axum::body::Body;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use sanaga_proto::code;
use sanaga_proto::failure::{Coded, Failure};
use sanaga_proto::wire::Document as _;
use sanaga_proto::wire::enrol::Refusal;

use crate::fleet::StoreError;

/// When the disk is full or busy, nodes are asked to come again after so long, seconds.
const PAUSE_S: u64 = 60;

/// An answer that is to be sent.
pub(super) type Reply = Response<Body>;

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Body::empty());
    *reply.status_mut() = status;
    reply
}

/// An answer of 200 with these bytes and no header about them.
pub(super) fn bytes(bytes: Vec<u8>) -> Reply {
    Response::new(Body::from(bytes))
}

/// Adds a header; a value that no header can have is left out.
pub(super) fn with(mut reply: Reply, name: HeaderName, value: &str) -> Reply {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(name, value);
    }
    reply
}

/// A refusal: 403 and the failure as a document.
pub(super) fn refuse(failure: &dyn Coded) -> Reply {
    coded(StatusCode::FORBIDDEN, failure)
}

/// A request that does not read: 400, or 413 when it is too big.
pub(super) fn malformed(failure: &dyn Coded) -> Reply {
    if failure.code() == code::TOO_BIG {
        coded(StatusCode::PAYLOAD_TOO_LARGE, failure)
    } else {
        coded(StatusCode::BAD_REQUEST, failure)
    }
}

/// A fault on our side: 503 with a time to come again, and only the code of what it is, since the
/// rest is for the log.
pub(super) fn fault(error: &(dyn Coded + '_)) -> Reply {
    tracing::error!(%error, code = %error.code(), cause = ?error.source().map(ToString::to_string), "cannot answer");
    let told = Failure::new(code::INTERNAL).arg("problem", "see the controller's log");
    let reply = coded(StatusCode::SERVICE_UNAVAILABLE, &told);
    with(reply, header::RETRY_AFTER, &PAUSE_S.to_string())
}

/// What the store said, when it did not do what was asked.
pub(super) fn stored(error: &StoreError) -> Reply {
    fault(error)
}

fn coded(status: StatusCode, failure: &dyn Coded) -> Reply {
    let refusal = Refusal {
        code: u64::from(failure.code().number),
        args: failure
            .args()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    };
    let mut reply = bytes(refusal.to_bytes());
    *reply.status_mut() = status;
    reply
}
