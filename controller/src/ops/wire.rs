//! The JSON of requests, answers and failures, as the ops socket carries them. Always English.

use std::collections::BTreeMap;

use sanaga_proto::code;
use sanaga_proto::failure::{Coded as _, Failure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A failure on the socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureBody {
    /// The number of its code.
    pub code: u16,
    /// The words of its message.
    pub args: BTreeMap<String, String>,
}

/// A failure as it travels.
#[must_use]
pub fn to_body(failure: &Failure) -> FailureBody {
    FailureBody {
        code: failure.code().number,
        args: failure
            .args()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    }
}

/// A failure that has travelled.
#[must_use]
pub fn from_body(body: &FailureBody) -> Failure {
    let known = code::ALL.iter().find(|code| code.number == body.code);
    let failure = match known {
        Some(code) => Failure::new(*code),
        None => Failure::new(code::INTERNAL)
            .arg("problem", format!("the server says SNG-{:04}", body.code)),
    };
    body.args
        .iter()
        .fold(failure, |failure, (name, value)| failure.named(name, value))
}

pub(super) fn request<T: DeserializeOwned>(name: &str, body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body)
        .map_err(|error| Failure::new(code::BAD_REQUEST).arg("problem", format!("{name}: {error}")))
}

pub(super) fn answer<T: Serialize>(answer: &T) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(answer)
        .map_err(|error| Failure::new(code::INTERNAL).arg("problem", format!("answer: {error}")))
}

/// Bytes as base 64 in JSON.
pub(super) mod base64_bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(bytes: &[u8], out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD.decode(text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_survive_the_socket() {
        let failure = Failure::new(code::NO_SUCH_SITE)
            .arg("site", "duala")
            .arg("near", "douala");
        let json = serde_json::to_vec(&to_body(&failure)).unwrap();
        let back = from_body(&serde_json::from_slice(&json).unwrap());
        assert_eq!(back.code(), failure.code());
        assert_eq!(back.args(), failure.args());
        let odd = FailureBody {
            code: 9_999,
            args: BTreeMap::new(),
        };
        assert_eq!(from_body(&odd).code(), code::INTERNAL);
    }
}
