//! The body of a poll's answer: `mask ‖ frame`. The frame is zstd (RFC 8878) in its magicless form,
//! without content size and checksum, and with documents that the agent holds as its prefix: what is
//! in them already costs next to nothing. Both sides of the format are here, so that they cannot
//! drift apart.
//!
//! Bit `i` of `mask` (u64, big-endian; bit 0 is the least significant) says that the `i`-th held
//! document of the request belongs to the prefix; the prefix is those documents in that order.

use std::io::Read;

use zstd::stream::read::Decoder;
use zstd::zstd_safe::{self, CCtx, CParameter, DParameter, FrameFormat};

use super::document::{Document, WireError};
use super::poll::Answer;
use crate::limits;

/// Held documents that can belong to the prefix: the first ones of the request.
pub const PREFIX_DOCUMENTS_MAX: usize = 64;
/// All documents of the prefix together, bytes.
pub const PREFIX_BYTES_MAX: usize = 8 << 20;
/// The level for answers of the usual size.
const LEVEL: i32 = 19;
/// The level for big ones, which many nodes ask for at the same time.
const LEVEL_BIG: i32 = 9;
/// What is big, answer and prefix together, bytes.
const BIG_BYTES: usize = 1 << 20;
const MASK_BYTES: usize = 8;
const WHAT: &str = "answer";

/// Encodes an answer. `held` is, for each held document of the request in order, its bytes if they
/// are known and are to be part of the prefix. What does not fit into the bounds is left out.
///
/// # Errors
/// [`WireError::TooBig`] for an answer over its limit, [`WireError::Malformed`] if zstd fails.
pub fn encode(answer: &Answer, held: &[Option<&[u8]>]) -> Result<Vec<u8>, WireError> {
    let plain = answer.to_bytes();
    if plain.len() as u64 > Answer::BYTES_MAX {
        return Err(WireError::TooBig {
            what: WHAT,
            limit: Answer::BYTES_MAX,
        });
    }
    let (mut mask, mut prefix) = (0u64, Vec::new());
    for (place, document) in held.iter().take(PREFIX_DOCUMENTS_MAX).enumerate() {
        if let Some(bytes) = document
            && prefix.len() + bytes.len() <= PREFIX_BYTES_MAX
        {
            mask |= 1 << place;
            prefix.extend_from_slice(bytes);
        }
    }
    let mut body = mask.to_be_bytes().to_vec();
    body.extend(compress(&plain, &prefix)?);
    Ok(body)
}

/// Decodes an answer. `held` is the held documents of the request, in order.
///
/// # Errors
/// [`WireError`] for anything that is not the whole encoding of one answer within its limit, or that
/// needs a document that is not held.
pub fn decode(body: &[u8], held: &[&[u8]]) -> Result<Answer, WireError> {
    if body.len() as u64 > Answer::BYTES_MAX {
        return Err(WireError::TooBig {
            what: WHAT,
            limit: Answer::BYTES_MAX,
        });
    }
    let (mask, frame) = body
        .split_first_chunk::<MASK_BYTES>()
        .ok_or_else(|| WireError::malformed(WHAT, "is cut short"))?;
    let prefix = prefix(u64::from_be_bytes(*mask), held)?;
    Answer::from_bytes(&decompress(frame, &prefix)?)
}

fn prefix(mask: u64, held: &[&[u8]]) -> Result<Vec<u8>, WireError> {
    let mut prefix = Vec::new();
    for place in (0..PREFIX_DOCUMENTS_MAX).filter(|place| mask >> place & 1 == 1) {
        let document = held
            .get(place)
            .ok_or_else(|| WireError::malformed(WHAT, "its prefix names what is not held"))?;
        prefix.extend_from_slice(document);
        if prefix.len() > PREFIX_BYTES_MAX {
            return Err(WireError::malformed(WHAT, "its prefix is too long"));
        }
    }
    Ok(prefix)
}

fn compress(plain: &[u8], prefix: &[u8]) -> Result<Vec<u8>, WireError> {
    let bytes = plain.len() + prefix.len();
    let level = if bytes > BIG_BYTES { LEVEL_BIG } else { LEVEL };
    // The window must reach back to the start of the prefix.
    let window = bytes.next_power_of_two().ilog2();
    let mut encoder = CCtx::create();
    for parameter in [
        CParameter::CompressionLevel(level),
        CParameter::WindowLog(window.clamp(10, limits::WINDOW_LOG_MAX)),
        CParameter::Format(FrameFormat::Magicless),
        CParameter::ContentSizeFlag(false),
        CParameter::ChecksumFlag(false),
    ] {
        encoder.set_parameter(parameter).map_err(zstd_error)?;
    }
    encoder.ref_prefix(prefix).map_err(zstd_error)?;
    let mut out = Vec::with_capacity(zstd_safe::compress_bound(plain.len()));
    encoder.compress2(&mut out, plain).map_err(zstd_error)?;
    Ok(out)
}

fn decompress(frame: &[u8], prefix: &[u8]) -> Result<Vec<u8>, WireError> {
    let io = |error: std::io::Error| WireError::malformed(WHAT, error.to_string());
    let mut decoder = Decoder::with_ref_prefix(frame, prefix)
        .map_err(io)?
        .single_frame();
    for parameter in [
        DParameter::Format(FrameFormat::Magicless),
        DParameter::WindowLogMax(limits::WINDOW_LOG_MAX),
    ] {
        decoder.set_parameter(parameter).map_err(io)?;
    }
    let mut plain = Vec::new();
    let mut bounded = (&mut decoder).take(Answer::BYTES_MAX + 1);
    bounded.read_to_end(&mut plain).map_err(io)?;
    if plain.len() as u64 > Answer::BYTES_MAX {
        return Err(WireError::TooBig {
            what: WHAT,
            limit: Answer::BYTES_MAX,
        });
    }
    if !decoder.finish().is_empty() {
        return Err(WireError::malformed(WHAT, "bytes after its end"));
    }
    Ok(plain)
}

fn zstd_error(code: zstd_safe::ErrorCode) -> WireError {
    WireError::malformed(WHAT, zstd_safe::get_error_name(code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::document::Bytes;

    fn answer(text: &str) -> Answer {
        Answer {
            documents: vec![("timestamp".to_owned(), Bytes(text.as_bytes().to_vec()))],
            absent: vec!["root/2".to_owned()],
            acknowledged: None,
            packs: vec![],
        }
    }

    /// Text that does not compress by itself.
    fn noise(seed: u64, bytes: usize) -> String {
        let mut state = seed;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            char::from(b'!' + u8::try_from(state >> 33 & 63).unwrap_or_default())
        };
        (0..bytes).map(|_| next()).collect()
    }

    #[test]
    fn what_is_held_costs_next_to_nothing() {
        let (old, other) = (noise(1, 2_000), noise(2, 500));
        let new = format!("{}!{}", &old[..900], &old[900..]);
        let there = answer(&new);
        let alone = encode(&there, &[]).unwrap();
        let with = encode(
            &there,
            &[Some(other.as_bytes()), None, Some(old.as_bytes())],
        )
        .unwrap();
        assert!(
            alone.len() > 1_500 && with.len() < 80,
            "{} {}",
            alone.len(),
            with.len()
        );
        let held: [&[u8]; 3] = [other.as_bytes(), b"unknown to the server", old.as_bytes()];
        assert_eq!(decode(&with, &held), Ok(there.clone()));
        assert_eq!(decode(&alone, &[]), Ok(there));
        assert!(decode(&with, &held[..2]).is_err());
    }

    #[test]
    fn a_prefix_of_megabytes_is_reached() {
        let old = noise(3, 3 << 20);
        let there = answer(&old[..70_000]);
        let body = encode(&there, &[Some(old.as_bytes())]).unwrap();
        assert!(body.len() < 200, "{}", body.len());
        assert_eq!(decode(&body, &[old.as_bytes()]), Ok(there));
    }

    #[test]
    fn cut_changed_and_swollen_bodies_are_refused() {
        let there = answer(&noise(4, 300));
        let body = encode(&there, &[]).unwrap();
        for cut in 0..body.len() {
            assert!(decode(&body[..cut], &[]).is_err(), "{cut}");
        }
        assert!(decode(&[body.as_slice(), &[0]].concat(), &[]).is_err());
        let bomb = compress(&vec![0; 20_000_000], &[]).unwrap();
        assert!(bomb.len() < 3_000);
        let bomb = [[0; MASK_BYTES].as_slice(), &bomb].concat();
        assert!(matches!(decode(&bomb, &[]), Err(WireError::TooBig { .. })));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = decode(&bytes, &[b"held"]);
        }
    }
}
