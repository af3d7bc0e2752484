//! The body of an answer to a poll: `mask ‖ zstd(answer)`. Metadata says almost the same each time,
//! so the documents that the agent holds go before it as raw content (RFC 8878 §5, a dictionary of
//! content only). Bit `i` of the mask (u64, big-endian, lowest bit first) says that the document
//! `held[i]` of the poll is part of that prefix; the parts stand in the order of the poll.

use std::io::{Read as _, Write as _};

use zstd::stream::read::Decoder;
use zstd::stream::write::Encoder;
use zstd::zstd_safe::{CParameter, DParameter};

use super::document::{Document, WireError};
use super::poll::Answer;
use crate::limits::POLL_BYTES_MAX;

/// The mask, bytes.
const MASK_BYTES: usize = 8;
/// The documents of a prefix together, bytes; more are left out.
const PREFIX_BYTES_MAX: usize = 4 << 20;
/// Strong, since bytes cost more here than the server's time.
const LEVEL: i32 = 19;
/// Enough to reach back over the whole prefix and the answer, log2 of bytes.
const WINDOW_LOG: u32 = 25;

/// Encodes an answer. `held` are the documents of the poll in its order, where this side has them.
///
/// # Errors
/// [`WireError::Malformed`] when zstd fails.
pub fn encode(answer: &Answer, held: &[Option<&[u8]>]) -> Result<Vec<u8>, WireError> {
    let mut mask = 0u64;
    let mut prefix = Vec::new();
    for (place, document) in held.iter().enumerate().take(64) {
        if let Some(bytes) = document
            && prefix.len() + bytes.len() <= PREFIX_BYTES_MAX
        {
            mask |= 1 << place;
            prefix.extend_from_slice(bytes);
        }
    }
    let mut out = mask.to_be_bytes().to_vec();
    compress(&answer.to_bytes(), &prefix, &mut out)
        .map_err(|error| WireError::malformed("answer", error.to_string()))?;
    Ok(out)
}

/// Decodes an answer. `held` are the documents that the poll named, in its order.
///
/// # Errors
/// [`WireError`] for a body that does not read, or that is bigger than its limit when unpacked.
pub fn decode(body: &[u8], held: &[&[u8]]) -> Result<Answer, WireError> {
    let (mask, packed) = body
        .split_first_chunk::<MASK_BYTES>()
        .ok_or_else(|| WireError::malformed("answer", "is cut short"))?;
    let mask = u64::from_be_bytes(*mask);
    let mut prefix = Vec::new();
    for (place, bytes) in held.iter().enumerate().take(64) {
        if mask & (1 << place) != 0 && prefix.len() + bytes.len() <= PREFIX_BYTES_MAX {
            prefix.extend_from_slice(bytes);
        }
    }
    let mut out = Vec::new();
    decompress(packed, &prefix, &mut out)
        .map_err(|error| WireError::malformed("answer", error.to_string()))?;
    if out.len() as u64 > POLL_BYTES_MAX {
        return Err(WireError::TooBig {
            what: "answer",
            limit: POLL_BYTES_MAX,
        });
    }
    Answer::from_bytes(&out)
}

fn compress(bytes: &[u8], prefix: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
    let mut encoder = Encoder::with_ref_prefix(out, LEVEL, prefix)?;
    encoder.set_parameter(CParameter::WindowLog(
        WINDOW_LOG.min(window_log(prefix.len() + bytes.len())),
    ))?;
    encoder.include_checksum(false)?;
    encoder.set_pledged_src_size(Some(bytes.len() as u64))?;
    encoder.write_all(bytes)?;
    encoder.finish()?;
    Ok(())
}

fn decompress(packed: &[u8], prefix: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
    let mut decoder = Decoder::with_ref_prefix(packed, prefix)?;
    decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
    decoder.take(POLL_BYTES_MAX + 1).read_to_end(out)?;
    Ok(())
}

/// The smallest window that reaches over so many bytes; zstd knows none below 10.
fn window_log(bytes: usize) -> u32 {
    bytes.max(1 << 10).next_power_of_two().trailing_zeros()
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

    #[test]
    fn what_is_held_costs_almost_nothing() {
        let text: String = (0..500)
            .map(|number: u32| number.wrapping_mul(2_654_435_761).to_string())
            .collect();
        let held = [b"something else".as_slice(), text.as_bytes()];
        let sent = answer(&text.replace("1", "2"));
        let alone = encode(&sent, &[None, None]).unwrap();
        let with = encode(&answer(&text), &[None, Some(held[1])]).unwrap();
        assert!(with.len() < 80, "{} of {}", with.len(), alone.len());
        assert_eq!(decode(&with, &held), Ok(answer(&text)));
        assert_eq!(decode(&alone, &held), Ok(sent));
        assert!(decode(&with, &[held[0], b"not what the other side has"]).is_err());
    }

    #[test]
    fn a_bomb_is_refused_at_its_limit() {
        let mut bomb = 0u64.to_be_bytes().to_vec();
        compress(&vec![0; POLL_BYTES_MAX as usize + 5], &[], &mut bomb).unwrap();
        assert!(bomb.len() < 10_000);
        assert!(matches!(decode(&bomb, &[]), Err(WireError::TooBig { .. })));
        assert!(decode(&[1, 2, 3], &[]).is_err());
    }
}
