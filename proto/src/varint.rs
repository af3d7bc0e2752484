//! Unsigned LEB128 numbers and a bounded cursor: what the tree's and the pack's binary forms are
//! made of. Numbers have one form only (no padding), so that what is read can be written again.

/// Appends `value`, 7 bits a byte, least significant first; at most 10 bytes.
pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed difference as zigzag: 0, −1, 1, −2 … become 0, 1, 2, 3 …
pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Adds one byte to a number that is being read.
///
/// Returns the number when `byte` ends it, `Some(None)` while more is to come, `None` if it is
/// longer than a `u64` or padded.
pub(crate) fn step(value: &mut u64, index: u32, byte: u8) -> Option<Option<u64>> {
    let bits = u64::from(byte & 0x7f);
    if index > 9 || (index == 9 && bits > 1) || (index > 0 && byte == 0) {
        return None;
    }
    *value |= bits << (7 * index);
    Some((byte & 0x80 == 0).then_some(*value))
}

/// Reads from a slice and never past its end: every method answers `None` there.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for index in 0.. {
            if let Some(done) = step(&mut value, index, self.byte()?)? {
                return Some(done);
            }
        }
        None
    }

    pub(crate) fn signed(&mut self) -> Option<i64> {
        let zigzag = self.number()?;
        Some((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
    }

    /// A number that is at most `max`.
    pub(crate) fn at_most(&mut self, max: u64) -> Option<u64> {
        self.number().filter(|value| *value <= max)
    }

    pub(crate) fn take(&mut self, count: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(usize::try_from(count).ok()?)?;
        self.rest = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(value: u64, signed: i64) {
            let mut bytes = Vec::new();
            put(&mut bytes, value);
            put_signed(&mut bytes, signed);
            let mut cursor = Cursor::new(&bytes);
            prop_assert_eq!(cursor.number(), Some(value));
            prop_assert_eq!(cursor.signed(), Some(signed));
            prop_assert!(cursor.is_empty());
        }
    }

    #[test]
    fn padded_long_and_cut_numbers_are_refused() {
        assert_eq!(Cursor::new(&[0x80, 0x00]).number(), None);
        assert_eq!(Cursor::new(&[0x80]).number(), None);
        assert_eq!(Cursor::new(&[0xff; 11]).number(), None);
        let mut too_long = [0xff; 10];
        too_long[9] = 2;
        assert_eq!(Cursor::new(&too_long).number(), None);
        too_long[9] = 1;
        assert_eq!(Cursor::new(&too_long).number(), Some(u64::MAX));
    }
}
