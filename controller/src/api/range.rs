//! The Range header (RFC 9110 §14). One range is honoured; several, or one that does not read, are
//! answered with the whole file, as the RFC allows.

use std::ops::Range;

/// What is to be sent of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// These bytes.
    Some(Range<u64>),
    /// Nothing: the range begins behind the end.
    Unsatisfiable,
}

/// Reads a Range header for a file of `length` bytes.
pub(super) fn part(header: Option<&str>, length: u64) -> Part {
    let Some((first, last)) = header.and_then(parse) else {
        return Part::Whole;
    };
    match (first, last) {
        (Some(first), Some(last)) if last < first => Part::Whole,
        (Some(first), _) if first >= length => Part::Unsatisfiable,
        (Some(first), last) => {
            let end = last.map_or(length, |last| last.saturating_add(1).min(length));
            Part::Some(first..end)
        }
        // The last so many bytes.
        (None, Some(0)) => Part::Unsatisfiable,
        (None, Some(_)) if length == 0 => Part::Unsatisfiable,
        (None, Some(suffix)) => Part::Some(length.saturating_sub(suffix)..length),
        (None, None) => Part::Whole,
    }
}

fn parse(header: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (unit, set) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    Some((number(first)?, number(last)?))
}

/// Digits only, or nothing at all; a number beyond u64 is as good as the greatest.
fn number(text: &str) -> Option<Option<u64>> {
    if text.is_empty() {
        return Some(None);
    }
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| Some(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_as_the_rfc_has_them() {
        let of = |header| part(Some(header), 100);
        assert_eq!(part(None, 100), Part::Whole);
        assert_eq!(of("bytes=0-"), Part::Some(0..100));
        assert_eq!(of("bytes=99-"), Part::Some(99..100));
        assert_eq!(of("Bytes=10-19"), Part::Some(10..20));
        assert_eq!(of("bytes=10-1000"), Part::Some(10..100));
        assert_eq!(of("bytes=-5"), Part::Some(95..100));
        assert_eq!(of("bytes=-500"), Part::Some(0..100));
        assert_eq!(of("bytes=0-99999999999999999999"), Part::Some(0..100));
        for behind in [
            "bytes=100-",
            "bytes=100-200",
            "bytes=-0",
            "bytes=99999999999999999999-",
        ] {
            assert_eq!(of(behind), Part::Unsatisfiable, "{behind}");
        }
        for odd in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-4",
            "bytes=1-2,5-6",
            "rows=1-2",
            "bytes=a-b",
            "bytes=+1-2",
        ] {
            assert_eq!(of(odd), Part::Whole, "{odd}");
        }
        assert_eq!(part(Some("bytes=0-"), 0), Part::Unsatisfiable);
        assert_eq!(part(Some("bytes=-1"), 0), Part::Unsatisfiable);
    }

    proptest::proptest! {
        #[test]
        fn a_part_is_inside_the_file(header in ".{0,40}", first: u64, last: u64, length in 0u64..1_000) {
            for header in [header, format!("bytes={first}-{last}"), format!("bytes={}-", first % 1_200)] {
                if let Part::Some(range) = part(Some(&header), length) {
                    proptest::prop_assert!(range.start < range.end && range.end <= length);
                }
            }
        }
    }
}
