//! Decoding a pack on one side and writing its tree on the other. What crosses between them are the
//! decoder's events, and the bytes of the base that it asks for: orders to write, never a verdict.
//!
//! A record is a tag, a length of four bytes, big-endian, and so many bytes.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sanaga_proto::code;
use sanaga_proto::failure::{Coded, Failure};
use sanaga_proto::ids::TreeRoot;
use sanaga_proto::limits::LIST_BYTES_MAX;
use sanaga_proto::pack::frame::VerifiedReader;
use sanaga_proto::pack::{self, Base, DecodeError, Event, PackError, TreeSink};
use sanaga_proto::tree::TreeList;
use sanaga_proto::wire::offer::Offer;

use super::fault;
use crate::disk;

/// Content and base bytes in one record at most, bytes.
const DATA_BYTES_MAX: usize = 128 << 10;
/// The words of a fault, bytes.
const FAULT_BYTES_MAX: usize = 64 << 10;
/// The other side is given up after a silence of this length: a segment of 8 MiB takes seconds.
const SILENCE: Duration = Duration::from_secs(600);

/// Says what a record is.
mod tag {
    pub const NO_BASE: u8 = b'n';
    pub const BASE: u8 = b'b';
    pub const LIST: u8 = b'L';
    pub const REUSE: u8 = b'R';
    pub const BEGIN: u8 = b'B';
    pub const DATA: u8 = b'D';
    pub const END: u8 = b'E';
    pub const DONE: u8 = b'Z';
    pub const FAULT: u8 = b'F';
    pub const READ: u8 = b'Q';
    pub const BYTES: u8 = b'q';
    pub const UNREADABLE: u8 = b'x';
}

/// Where the events of a pack come from.
#[derive(Debug)]
pub enum Decoder {
    /// The pack is decoded in this process.
    Here {
        /// The pack file.
        pack: PathBuf,
        /// What it is.
        offer: Offer,
    },
    /// Another process decodes it.
    Away(UnixStream),
}

impl Decoder {
    /// Hands a pack's events to `sink`. Blocking.
    ///
    /// # Errors
    /// Why the pack does not decode, [`code::WORKER_GONE`], or the sink's own.
    pub fn run<S>(self, base: Option<&dyn Base>, sink: &mut S) -> Result<(), Failure>
    where
        S: TreeSink,
        S::Error: Coded + Send + Sync + 'static,
    {
        match self {
            Self::Here { pack, offer } => decode(&pack, &offer, base, sink),
            Self::Away(socket) => Receiver::open(socket)?.receive(base, sink),
        }
    }
}

fn decode<S>(
    path: &Path,
    offer: &Offer,
    base: Option<&dyn Base>,
    sink: &mut S,
) -> Result<(), Failure>
where
    S: TreeSink,
    S::Error: Coded + Send + Sync + 'static,
{
    let file = File::open(path).map_err(|error| disk::failure(path, error))?;
    let reader = BufReader::with_capacity(64 << 10, file);
    let reader = VerifiedReader::new(reader, offer.frame_root, offer.pack_bytes);
    let reader = reader.map_err(Failure::of)?;
    match pack::decode(reader, &offer.root, base, sink) {
        Ok(_) => Ok(()),
        Err(DecodeError::Pack(error)) => Err(Failure::of(error)),
        Err(DecodeError::Sink(error)) => Err(Failure::of(error)),
    }
}

/// Decodes a pack into a socket: the worker's end. Blocking.
///
/// # Errors
/// A socket that broke; what is wrong with the pack is told over the socket.
pub fn serve(socket: UnixStream, path: &Path, offer: &Offer) -> io::Result<()> {
    socket.set_read_timeout(Some(SILENCE))?;
    let pipe = Mutex::new(Pipe {
        read: BufReader::new(socket.try_clone()?),
        write: BufWriter::with_capacity(DATA_BYTES_MAX, socket),
    });
    let base = begin(&pipe, offer)?;
    let base = base.as_ref().map(|base| base as &dyn Base);
    let mut sink = Sender { pipe: &pipe };
    let ended = decode(path, offer, base, &mut sink);
    let mut pipe = pipe.lock().unwrap_or_else(PoisonError::into_inner);
    if let Err(failure) = ended {
        let mut words = fault::to_bytes(&failure);
        words.truncate(FAULT_BYTES_MAX);
        pipe.put(tag::FAULT, &[&words])?;
    }
    pipe.write.flush()
}

/// The two directions of a socket, as the worker has them.
struct Pipe {
    read: BufReader<UnixStream>,
    write: BufWriter<UnixStream>,
}

impl Pipe {
    fn put(&mut self, tag: u8, parts: &[&[u8]]) -> io::Result<()> {
        put(&mut self.write, tag, parts)
    }
}

fn put(write: &mut impl Write, tag: u8, parts: &[&[u8]]) -> io::Result<()> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let length = u32::try_from(length).map_err(|_| io::ErrorKind::InvalidInput)?;
    write.write_all(&[tag])?;
    write.write_all(&length.to_be_bytes())?;
    parts.iter().try_for_each(|part| write.write_all(part))
}

/// Tag and length of the next record.
fn head(read: &mut impl Read) -> io::Result<(u8, usize)> {
    let mut head = [0; 5];
    read.read_exact(&mut head)?;
    let [tag, length @ ..] = head;
    Ok((tag, u32::from_be_bytes(length) as usize))
}

fn content(read: &mut impl Read, length: usize, bytes_max: usize) -> io::Result<Vec<u8>> {
    if length > bytes_max {
        return Err(bad("a record that is too long"));
    }
    let mut bytes = Vec::new();
    read.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

fn bad(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

/// What the helper says first: the base's list, or that there is none.
fn begin<'a>(pipe: &'a Mutex<Pipe>, offer: &Offer) -> io::Result<Option<Remote<'a>>> {
    let mut locked = pipe.lock().unwrap_or_else(PoisonError::into_inner);
    let (tag, length) = head(&mut locked.read)?;
    let bytes = content(&mut locked.read, length, LIST_BYTES_MAX as usize)?;
    match (tag, offer.base) {
        (tag::BASE, Some(root)) => {
            let list = TreeList::decode(&bytes).map_err(|_| bad("a list that does not read"))?;
            Ok(Some(Remote { pipe, root, list }))
        }
        _ => Ok(None),
    }
}

/// The base, which only the helper can read.
struct Remote<'a> {
    pipe: &'a Mutex<Pipe>,
    root: TreeRoot,
    list: TreeList,
}

impl Base for Remote<'_> {
    fn root(&self) -> TreeRoot {
        self.root
    }

    fn list(&self) -> &TreeList {
        &self.list
    }

    fn read_at(&self, file: u32, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        let mut at = offset;
        for piece in out.chunks_mut(DATA_BYTES_MAX) {
            let length = piece.len() as u32;
            let parts = [
                &file.to_be_bytes()[..],
                &at.to_be_bytes(),
                &length.to_be_bytes(),
            ];
            pipe.put(tag::READ, &parts)?;
            pipe.write.flush()?;
            match head(&mut pipe.read)? {
                (tag::BYTES, length) if length == piece.len() => pipe.read.read_exact(piece)?,
                (_, length) => {
                    content(&mut pipe.read, length, DATA_BYTES_MAX)?;
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            at = at.saturating_add(piece.len() as u64);
        }
        Ok(())
    }
}

/// Sends events.
struct Sender<'a> {
    pipe: &'a Mutex<Pipe>,
}

/// The helper does not listen any more.
#[derive(Debug, thiserror::Error)]
#[error("the helper does not take the tree")]
struct Unheard(#[source] io::Error);

impl Coded for Unheard {
    fn code(&self) -> code::Code {
        code::INTERNAL
    }

    fn args(&self) -> sanaga_proto::failure::Args {
        sanaga_proto::failure::Args::from([("problem", self.to_string())])
    }
}

impl TreeSink for Sender<'_> {
    type Error = Unheard;

    fn event(&mut self, event: Event<'_>) -> Result<(), Unheard> {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = match event {
            Event::List(list) => pipe.put(tag::LIST, &[&list.encode()]),
            Event::Reuse { new, old } => {
                pipe.put(tag::REUSE, &[&new.to_be_bytes(), &old.to_be_bytes()])
            }
            Event::Begin { file } => pipe.put(tag::BEGIN, &[&file.to_be_bytes()]),
            Event::Data(bytes) => bytes
                .chunks(DATA_BYTES_MAX)
                .try_for_each(|piece| pipe.put(tag::DATA, &[piece])),
            Event::End { file } => pipe.put(tag::END, &[&file.to_be_bytes()]),
            Event::Done => pipe.put(tag::DONE, &[]),
        };
        sent.map_err(Unheard)
    }
}

/// The helper's end: everything that comes is bounded, and nothing of it is believed.
struct Receiver {
    read: BufReader<UnixStream>,
    write: UnixStream,
}

impl Receiver {
    fn open(socket: UnixStream) -> Result<Self, Failure> {
        let set = socket
            .set_nonblocking(false)
            .and_then(|()| socket.set_read_timeout(Some(SILENCE)))
            .and_then(|()| socket.set_write_timeout(Some(SILENCE)))
            .and_then(|()| socket.try_clone());
        Ok(Self {
            write: set.map_err(gone)?,
            read: BufReader::with_capacity(DATA_BYTES_MAX, socket),
        })
    }

    fn receive<S>(mut self, base: Option<&dyn Base>, sink: &mut S) -> Result<(), Failure>
    where
        S: TreeSink,
        S::Error: Coded + Send + Sync + 'static,
    {
        let said = match base {
            Some(base) => put(&mut self.write, tag::BASE, &[&base.list().encode()]),
            None => put(&mut self.write, tag::NO_BASE, &[]),
        };
        said.map_err(gone)?;
        loop {
            if self.one(base, sink)? {
                return Ok(());
            }
        }
    }

    /// Takes one record; whether it was the last.
    fn one<S>(&mut self, base: Option<&dyn Base>, sink: &mut S) -> Result<bool, Failure>
    where
        S: TreeSink,
        S::Error: Coded + Send + Sync + 'static,
    {
        let (tag, length) = head(&mut self.read).map_err(gone)?;
        let bytes_max = match tag {
            tag::LIST => LIST_BYTES_MAX as usize,
            tag::FAULT => FAULT_BYTES_MAX,
            _ => DATA_BYTES_MAX,
        };
        let bytes = content(&mut self.read, length, bytes_max).map_err(gone)?;
        let mut event = |event: Event<'_>| sink.event(event).map_err(Failure::of);
        match tag {
            tag::LIST => {
                let list = TreeList::decode(&bytes).map_err(PackError::from);
                event(Event::List(&list.map_err(Failure::of)?))?;
            }
            tag::REUSE => {
                let [new, old] = numbers(&bytes)?;
                event(Event::Reuse { new, old })?;
            }
            tag::BEGIN => {
                let [file] = numbers(&bytes)?;
                event(Event::Begin { file })?;
            }
            tag::DATA => event(Event::Data(&bytes))?,
            tag::END => {
                let [file] = numbers(&bytes)?;
                event(Event::End { file })?;
            }
            tag::DONE => {
                event(Event::Done)?;
                return Ok(true);
            }
            tag::FAULT => return Err(fault::from_bytes(&bytes)),
            tag::READ => self.reply(base, &bytes)?,
            _ => return Err(gone(bad("an unknown record"))),
        }
        Ok(false)
    }

    /// Bytes of the base, which the worker may know: it had them from the same controller.
    fn reply(&mut self, base: Option<&dyn Base>, asked: &[u8]) -> Result<(), Failure> {
        let [file, high, low, length] = numbers(asked)?;
        let offset = (u64::from(high) << 32) | u64::from(low);
        let mut out = vec![0; (length as usize).min(DATA_BYTES_MAX)];
        let found = base.is_some_and(|base| base.read_at(file, offset, &mut out).is_ok());
        let replied = if found {
            put(&mut self.write, tag::BYTES, &[&out])
        } else {
            put(&mut self.write, tag::UNREADABLE, &[])
        };
        replied.map_err(gone)
    }
}

/// Exactly so many numbers.
fn numbers<const N: usize>(bytes: &[u8]) -> Result<[u32; N], Failure> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    let numbers: Vec<u32> = numbers.iter().map(|n| u32::from_be_bytes(*n)).collect();
    match numbers.try_into() {
        Ok(numbers) if rest.is_empty() => Ok(numbers),
        Ok(_) | Err(_) => Err(gone(bad("a record that does not read"))),
    }
}

fn gone(error: io::Error) -> Failure {
    Failure::new(code::WORKER_GONE)
        .arg("problem", &error)
        .because(error)
}
