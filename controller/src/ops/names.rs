//! Finding things by the names that people type.

use sanaga_proto::failure::nearest;

/// The item of that name, or the nearest name that there is (which may be empty).
pub(super) fn find<'a, T>(
    all: &'a [T],
    wanted: &str,
    name: impl Fn(&'a T) -> &'a str,
) -> Result<&'a T, String> {
    all.iter()
        .find(|item| name(item) == wanted)
        .ok_or_else(|| nearest(wanted, all.iter().map(name)))
}

/// A number of hexadecimal digits in groups of four, for the eyes: `9f2c 41d7`.
#[must_use]
pub(super) fn short_key(id: &sanaga_proto::ids::Digest) -> String {
    id.to_string().chars().take(8).collect()
}
