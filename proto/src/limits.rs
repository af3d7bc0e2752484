//! Bounds for everything that is parsed from outside. A reader checks the bound before it parses.

/// `root.json`, bytes.
pub const ROOT_BYTES_MAX: u64 = 512_000;
/// `timestamp.json`, bytes.
pub const TIMESTAMP_BYTES_MAX: u64 = 16_384;
/// `snapshot.json`, bytes.
pub const SNAPSHOT_BYTES_MAX: u64 = 2_000_000;
/// `targets.json` and every delegated role, bytes.
pub const TARGETS_BYTES_MAX: u64 = 5_000_000;
/// Root versions that one refresh may walk.
pub const ROOT_STEPS_MAX: u64 = 1_024;
/// A release manifest, bytes.
pub const MANIFEST_BYTES_MAX: u64 = 256_000;
/// An assignment, bytes.
pub const ASSIGNMENT_BYTES_MAX: u64 = 256_000;
/// An offer, bytes.
pub const OFFER_BYTES_MAX: u64 = 4_096;
/// A hold, bytes.
pub const HOLD_BYTES_MAX: u64 = 200;
/// The body of a poll, either way, unpacked, bytes.
pub const POLL_BYTES_MAX: u64 = 16_000_000;
/// Numbers, texts, lists and maps in one document: a delivery of 4,096 receipts has a quarter of them.
pub const DOCUMENT_VALUES_MAX: usize = 500_000;
/// A pack that may travel inside a poll's answer, bytes.
pub const INLINE_PACK_BYTES_MAX: u64 = 16_384;
/// Entries of one tree.
pub const ENTRIES_MAX: u64 = 200_000;
/// All paths of one tree together, bytes.
pub const PATHS_BYTES_MAX: u64 = 32 << 20;
/// One path, bytes.
pub const PATH_BYTES_MAX: usize = 1_024;
/// Components of one path.
pub const PATH_DEPTH_MAX: usize = 32;
/// All files of one tree together, bytes.
pub const UNPACKED_BYTES_MAX: u64 = 64 << 30;
/// One pack, bytes.
pub const PACK_BYTES_MAX: u64 = 16 << 30;
/// New data in one segment, bytes.
pub const SEGMENT_BYTES_MAX: u64 = 8 << 20;
/// Old data that one zstd segment may refer to, bytes.
pub const PREFIX_BYTES_MAX: u64 = 16 << 20;
/// The list part of a pack (entry list, sources, old files, order), bytes.
pub const LIST_BYTES_MAX: u64 = 32 << 20;
/// Segments of one pack.
pub const SEGMENTS_MAX: u64 = 65_536;
/// Ranges of old data that one segment may name.
pub const PREFIX_RANGES_MAX: u64 = 64;
/// The window of a decoder, log2 of bytes.
pub const WINDOW_LOG_MAX: u32 = 25;
/// A frame of a pack, bytes.
pub const FRAME_BYTES: u64 = 65_536;
/// Frame hashes in one page.
pub const FRAMES_PER_PAGE: u64 = 2_048;
/// Apps on one node.
pub const APPS_MAX: usize = 64;
/// Receipts in one delivery.
pub const RECEIPTS_PER_DELIVERY_MAX: usize = 4_096;
