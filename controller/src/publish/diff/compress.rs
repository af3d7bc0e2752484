//! Encodes one segment with every codec that may pay and keeps the smallest.

use std::ops::Range;

use sanaga_proto::limits::WINDOW_LOG_MAX;
use sanaga_proto::pack::codec::{Codec, PLAIN_WINDOW_LOG_MAX, ZSTD_MAGIC};
use sanaga_proto::pack::segment::SegmentHead;
use zstd::zstd_safe::{CCtx, CParameter, compress_bound, get_error_name};

use crate::publish::PublishError;

/// The smallest window that zstd takes, log2 of bytes.
const WINDOW_LOG_MIN: u32 = 10;
/// Long-distance matching finds matches that the tables of ordinary search have forgotten; below
/// this it only costs, bytes.
const LONG_DISTANCE_BYTES_MIN: usize = 4 << 20;

/// A segment, encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Its head.
    pub head: SegmentHead,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// Encodes `data` (1 to 8 MiB). `prefix` is the old data in `ranges`, joined; both empty for none.
/// Of equal sizes the lower codec id is kept.
///
/// # Errors
/// If zstd fails.
pub fn encode(
    data: &[u8],
    ranges: &[Range<u64>],
    prefix: &[u8],
    level: i32,
) -> Result<Encoded, PublishError> {
    let mut best = candidate(Codec::Stored, data, data.to_vec());
    let plain = candidate(Codec::Zstd, data, compress(data, &[], level)?);
    if plain.bytes() < best.bytes() {
        best = plain;
    }
    if !prefix.is_empty() {
        let payload = compress(data, prefix, level)?;
        let prefixed = candidate(Codec::ZstdPrefix(ranges.to_vec()), data, payload);
        if prefixed.bytes() < best.bytes() {
            best = prefixed;
        }
    }
    Ok(best)
}

impl Encoded {
    /// What it takes in the pack, bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.head.encode().len() + self.payload.len()
    }
}

fn candidate(codec: Codec, data: &[u8], payload: Vec<u8>) -> Encoded {
    let head = SegmentHead {
        codec,
        image_bytes: data.len() as u64,
        payload_bytes: payload.len() as u64,
    };
    Encoded { head, payload }
}

/// One zstd frame that states its content size and carries neither magic number, checksum nor
/// dictionary id.
fn compress(data: &[u8], prefix: &[u8], level: i32) -> Result<Vec<u8>, PublishError> {
    let reach = data.len() + prefix.len();
    let window_log_max = match prefix.is_empty() {
        true => PLAIN_WINDOW_LOG_MAX,
        false => WINDOW_LOG_MAX,
    };
    let window_log = reach
        .next_power_of_two()
        .ilog2()
        .clamp(WINDOW_LOG_MIN, window_log_max);
    let mut context = CCtx::create();
    let parameters = [
        CParameter::CompressionLevel(level),
        CParameter::WindowLog(window_log),
        CParameter::ContentSizeFlag(true),
        CParameter::ChecksumFlag(false),
        CParameter::DictIdFlag(false),
        CParameter::EnableLongDistanceMatching(
            !prefix.is_empty() && reach >= LONG_DISTANCE_BYTES_MIN,
        ),
    ];
    let failed = |code| PublishError::Zstd {
        problem: get_error_name(code),
    };
    for parameter in parameters {
        context.set_parameter(parameter).map_err(failed)?;
    }
    if !prefix.is_empty() {
        context.ref_prefix(prefix).map_err(failed)?;
    }
    let mut out = Vec::with_capacity(compress_bound(data.len()));
    context.compress2(&mut out, data).map_err(failed)?;
    out.drain(..ZSTD_MAGIC.len().min(out.len()));
    out.shrink_to_fit();
    Ok(out)
}
