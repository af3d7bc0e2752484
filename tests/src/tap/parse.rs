//! Where requests begin and end in a stream of bytes that comes in any pieces. Only sizes are kept;
//! what is not understood is still counted.

use std::collections::VecDeque;

use crate::http::{Framing, HEAD_MAX, Head};

/// What a parser saw.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A head of so many bytes ended. The parser waits for [`Http1::body`].
    Head {
        start: String,
        headers: Vec<(String, String)>,
        bytes: u64,
    },
    /// Bytes of the body.
    Body(u64),
}

/// One direction of an HTTP/1.1 connection.
#[derive(Debug)]
pub(super) enum Http1 {
    Head(Vec<u8>),
    Length(u64),
    ChunkLine(Vec<u8>),
    ChunkData(u64),
    Trailer(Vec<u8>),
    UntilClose,
}

impl Http1 {
    pub(super) fn new() -> Self {
        Self::Head(Vec::new())
    }

    /// What follows the head that was just seen.
    pub(super) fn body(&mut self, framing: Framing) {
        *self = match framing {
            Framing::Empty | Framing::Length(0) => Self::new(),
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::ChunkLine(Vec::new()),
            Framing::UntilClose => Self::UntilClose,
        };
    }

    /// Takes some bytes off the front; at least one, if there is one.
    pub(super) fn next(&mut self, bytes: &mut VecDeque<u8>) -> Option<Event> {
        match self {
            Self::Head(head) => {
                while let Some(byte) = bytes.pop_front() {
                    head.push(byte);
                    if head.ends_with(b"\r\n\r\n") {
                        return Some(self.end_of_head());
                    }
                    if head.len() > HEAD_MAX {
                        *self = Self::UntilClose;
                        return Some(Event::Body(HEAD_MAX as u64));
                    }
                }
                None
            }
            Self::Length(left) => {
                let taken = take(bytes, left);
                if *left == 0 {
                    *self = Self::new();
                }
                (taken > 0).then_some(Event::Body(taken))
            }
            Self::ChunkData(left) => {
                let taken = take(bytes, left);
                if *left == 0 {
                    *self = Self::ChunkLine(Vec::new());
                }
                (taken > 0).then_some(Event::Body(taken))
            }
            Self::ChunkLine(line) | Self::Trailer(line) => {
                let byte = bytes.pop_front()?;
                line.push(byte);
                self.end_of_line();
                Some(Event::Body(1))
            }
            Self::UntilClose => {
                let taken = bytes.len() as u64;
                bytes.clear();
                (taken > 0).then_some(Event::Body(taken))
            }
        }
    }

    fn end_of_head(&mut self) -> Event {
        let Self::Head(bytes) = std::mem::replace(self, Self::UntilClose) else {
            return Event::Body(0);
        };
        let length = bytes.len() as u64;
        match Head::parse(&bytes) {
            Ok(head) => Event::Head {
                start: head.start,
                headers: head.headers,
                bytes: length,
            },
            Err(_) => Event::Body(length),
        }
    }

    fn end_of_line(&mut self) {
        match self {
            Self::ChunkLine(line) if line.ends_with(b"\r\n") => {
                let text = String::from_utf8_lossy(line);
                let digits = text.trim().split(';').next().unwrap_or_default();
                *self = match u64::from_str_radix(digits, 16) {
                    Ok(0) => Self::Trailer(Vec::new()),
                    // The data and the end of its line.
                    Ok(length) => Self::ChunkData(length.saturating_add(2)),
                    Err(_) => Self::UntilClose,
                };
            }
            Self::Trailer(line) if line == b"\r\n" || line.ends_with(b"\r\n\r\n") => {
                *self = Self::new()
            }
            Self::Head(_)
            | Self::Length(_)
            | Self::ChunkLine(_)
            | Self::ChunkData(_)
            | Self::Trailer(_)
            | Self::UntilClose => {}
        }
    }
}

fn take(bytes: &mut VecDeque<u8>, left: &mut u64) -> u64 {
    let taken = (bytes.len() as u64).min(*left);
    bytes.drain(..usize::try_from(taken).unwrap_or(bytes.len()));
    *left -= taken;
    taken
}

/// A frame of HTTP/2 (RFC 9113 §4.1), or a part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// 0 is DATA, 1 HEADERS, 9 CONTINUATION.
    pub kind: u8,
    /// 0 is the connection itself.
    pub stream: u32,
    /// The nine bytes of its head, if they end here.
    pub head: u64,
    /// Bytes of its payload.
    pub payload: u64,
}

/// One direction of an HTTP/2 connection.
#[derive(Debug)]
pub(super) struct Http2 {
    /// Bytes of the client's preface that are still to come.
    preface: u64,
    head: Vec<u8>,
    /// The frame that is open, and how much of it is to come.
    open: Option<(Frame, u64)>,
}

impl Http2 {
    /// The client's direction begins with 24 bytes of preface (RFC 9113 §3.4).
    pub(super) fn new(is_client: bool) -> Self {
        Self {
            preface: if is_client { 24 } else { 0 },
            head: Vec::new(),
            open: None,
        }
    }

    pub(super) fn next(&mut self, bytes: &mut VecDeque<u8>) -> Option<Frame> {
        if self.preface > 0 {
            let taken = take(bytes, &mut self.preface);
            let preface = Frame {
                kind: u8::MAX,
                stream: 0,
                head: 0,
                payload: taken,
            };
            return (taken > 0).then_some(preface);
        }
        if let Some((frame, left)) = &mut self.open {
            let payload = take(bytes, left);
            let part = Frame { payload, ..*frame };
            if *left == 0 {
                self.open = None;
            }
            return (payload > 0).then_some(part);
        }
        while self.head.len() < 9 {
            self.head.push(bytes.pop_front()?);
        }
        let frame = self.frame();
        self.head.clear();
        frame
    }

    fn frame(&mut self) -> Option<Frame> {
        let [l0, l1, l2, kind, _flags, s0, s1, s2, s3] = *self.head.first_chunk::<9>()?;
        let length = u32::from_be_bytes([0, l0, l1, l2]);
        let frame = Frame {
            kind,
            stream: u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff,
            head: 0,
            payload: 0,
        };
        if length > 0 {
            self.open = Some((frame, u64::from(length)));
        }
        Some(Frame { head: 9, ..frame })
    }
}
