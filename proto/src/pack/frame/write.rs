//! The encode side: turns a finished pack into its served form.

use std::io::{self, Read, Seek, SeekFrom, Write};

use sha2::{Digest as _, Sha256};

use super::Layout;
use crate::ids::{Digest, FrameRoot};
use crate::limits::{FRAME_BYTES, FRAMES_PER_PAGE};

/// A pack in its served form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framed {
    /// What authenticates it.
    pub root: FrameRoot,
    /// The pack without head and pages, bytes: what an offer states.
    pub pack_bytes: u64,
    /// The served file, bytes.
    pub served_bytes: u64,
}

/// Writes the served form of `pack`, which is read twice from its start: once to hash, once to copy.
/// Holds 32 bytes for each 64 KiB of pack.
///
/// # Errors
/// Those of the reader and the writer; a pack longer than any may be.
pub fn frame(mut pack: impl Read + Seek, mut out: impl Write) -> io::Result<Framed> {
    pack.rewind()?;
    let mut buffer = vec![0; FRAME_BYTES as usize];
    let mut frames = Vec::new();
    let mut pack_bytes = 0;
    loop {
        let frame = fill(&mut pack, &mut buffer)?;
        if frame.is_empty() {
            break;
        }
        pack_bytes += frame.len() as u64;
        Layout::new(pack_bytes).map_err(io::Error::other)?;
        frames.push(Digest::of(frame));
    }
    let layout = Layout::new(pack_bytes).map_err(io::Error::other)?;
    pack.seek(SeekFrom::Start(0))?;
    let root = if layout.is_bare() {
        io::copy(&mut pack, &mut out)?;
        frames.first().copied().unwrap_or_else(|| Digest::of(&[]))
    } else {
        write_groups(&mut pack, &mut out, layout, &frames)?
    };
    Ok(Framed {
        root,
        pack_bytes,
        served_bytes: layout.served_bytes(),
    })
}

fn write_groups(
    pack: &mut impl Read,
    out: &mut impl Write,
    layout: Layout,
    frames: &[Digest],
) -> io::Result<FrameRoot> {
    let pages: Vec<Vec<u8>> = frames
        .chunks(FRAMES_PER_PAGE as usize)
        .map(|page| page.iter().flat_map(|hash| hash.0).collect())
        .collect();
    let mut head = layout.pack_bytes().to_be_bytes().to_vec();
    pages
        .iter()
        .for_each(|page| head.extend(Sha256::digest(page)));
    out.write_all(&head)?;
    for page in pages {
        out.write_all(&page)?;
        io::copy(&mut pack.by_ref().take(FRAMES_PER_PAGE * FRAME_BYTES), out)?;
    }
    Ok(Digest::of(&head))
}

/// Reads until the buffer is full or the reader ends.
fn fill<'a>(reader: &mut impl Read, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        match reader.read(room) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(buffer.get(..filled).unwrap_or_default())
}
