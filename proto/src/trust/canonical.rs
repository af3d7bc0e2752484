//! Canonical JSON, which TUF signatures cover, and the one form of dates in it.

use jiff::Timestamp;
use serde_json::Value;

use super::error::TrustError;

/// The bytes that a signature covers: securesystemslib's canonical JSON (sorted keys, no white
/// space, integers only, raw UTF-8 in strings).
///
/// # Errors
/// [`TrustError::BadMetadata`] if a number is not an integer.
pub fn to_canonical(value: &Value) -> Result<Vec<u8>, TrustError> {
    sigstore_tuf::canonical_json::to_canonical_bytes(value).map_err(|error| {
        TrustError::BadMetadata {
            what: "JSON".to_owned(),
            problem: error.to_string(),
        }
    })
}

/// `2026-11-21T08:00:00Z` from seconds since 1970. Dates outside jiff's years become the nearest.
#[must_use]
pub fn to_rfc3339(seconds: i64) -> String {
    let last = if seconds < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    Timestamp::from_second(seconds).unwrap_or(last).to_string()
}

/// Seconds since 1970 from `2026-11-21T08:00:00Z`; fractions are cut off.
///
/// # Errors
/// [`TrustError::BadMetadata`] if it is not a date.
pub fn from_rfc3339(what: &str, text: &str) -> Result<i64, TrustError> {
    text.parse::<Timestamp>()
        .map(Timestamp::as_second)
        .map_err(|error| TrustError::BadMetadata {
            what: what.to_owned(),
            problem: error.to_string(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bytes_are_those_of_securesystemslib() {
        let value = json!({"b": [1, -2, true, null], "a": "x\n\"\\é"});
        let expected = "{\"a\":\"x\n\\\"\\\\é\",\"b\":[1,-2,true,null]}";
        assert_eq!(to_canonical(&value).unwrap(), expected.as_bytes());
        assert!(to_canonical(&json!(1.5)).is_err());
    }

    #[test]
    fn dates_go_there_and_back() {
        assert_eq!(to_rfc3339(1_795_248_000), "2026-11-21T08:00:00Z");
        assert_eq!(
            from_rfc3339("x", "2026-11-21T08:00:00Z").unwrap(),
            1_795_248_000
        );
        assert_eq!(from_rfc3339("x", "1970-01-01T00:00:00Z").unwrap(), 0);
        assert!(from_rfc3339("x", "tomorrow").is_err());
        assert_eq!(to_rfc3339(i64::MAX), Timestamp::MAX.to_string());
    }
}
