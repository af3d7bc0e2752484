//! Messages on a Unix socket: four bytes of length, big-endian, then the message. The helper may send
//! an open file along; it never takes one.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use tokio::io::Interest;
use tokio::net::UnixStream;

use super::message::MESSAGE_BYTES_MAX;

/// What is read at once, bytes: no more than this is reserved for a message before it has come.
const PIECE_BYTES: usize = 64 << 10;
/// A message carries at most one file.
const FILES: usize = 1;
/// Files that came and were not asked for yet.
const FILES_WAITING_MAX: usize = 8;

/// Sends one message, and an open file along with it.
///
/// # Errors
/// A connection that broke.
pub async fn send(stream: &UnixStream, message: &[u8], file: Option<&OwnedFd>) -> io::Result<()> {
    let length = u32::try_from(message.len())
        .ok()
        .filter(|length| u64::from(*length) <= MESSAGE_BYTES_MAX)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a message that is too long"))?;
    let head = length.to_be_bytes();
    let mut left = [head.as_slice(), message].concat();
    let mut file = file.map(AsFd::as_fd);
    while !left.is_empty() {
        let sent = stream
            .async_io(Interest::WRITABLE, || send_some(stream, &left, file))
            .await?;
        file = None;
        left.drain(..sent);
    }
    Ok(())
}

fn send_some(stream: &UnixStream, bytes: &[u8], file: Option<BorrowedFd<'_>>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let files: Vec<BorrowedFd<'_>> = file.into_iter().collect();
    if !files.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(&files));
    }
    let flags = SendFlags::NOSIGNAL;
    Ok(rustix::net::sendmsg(
        stream,
        &[IoSlice::new(bytes)],
        &mut control,
        flags,
    )?)
}

/// The reading end of a connection.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: Vec<u8>,
    takes_files: bool,
    files: VecDeque<OwnedFd>,
}

impl Reader {
    /// One that takes no files: what comes along is closed by the system.
    #[must_use]
    pub fn without_files() -> Self {
        Self::default()
    }

    /// One that takes the files that come along.
    #[must_use]
    pub fn with_files() -> Self {
        Self {
            takes_files: true,
            ..Self::default()
        }
    }

    /// The file that came first and was not taken yet.
    pub fn take_file(&mut self) -> Option<OwnedFd> {
        self.files.pop_front()
    }

    /// The next message; none at the end. It can be dropped at any await: nothing is lost.
    ///
    /// # Errors
    /// A connection that broke, or a message that is too long.
    pub async fn next(&mut self, stream: &UnixStream) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(message) = self.whole()? {
                return Ok(Some(message));
            }
            let read = stream
                .async_io(Interest::READABLE, || self.receive(stream))
                .await?;
            match (read, self.buffer.is_empty()) {
                (0, true) => return Ok(None),
                (0, false) => return Err(io::ErrorKind::UnexpectedEof.into()),
                (_, _) => {}
            }
        }
    }

    fn whole(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some((head, rest)) = self.buffer.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*head);
        if u64::from(length) > MESSAGE_BYTES_MAX {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a message that is too long",
            ));
        }
        let Some(message) = rest.get(..length as usize) else {
            return Ok(None);
        };
        let message = message.to_vec();
        self.buffer.drain(..4 + message.len());
        // A long message is no reason to keep its room.
        self.buffer.shrink_to(PIECE_BYTES);
        Ok(Some(message))
    }

    fn receive(&mut self, stream: &UnixStream) -> io::Result<usize> {
        let mut piece = [0; PIECE_BYTES];
        let read = if self.takes_files {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let flags = RecvFlags::CMSG_CLOEXEC;
            let mut into = [IoSliceMut::new(&mut piece)];
            let read = rustix::net::recvmsg(stream, &mut into, &mut control, flags)?.bytes;
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(files) = message {
                    self.files.extend(files);
                }
            }
            self.files.truncate(FILES_WAITING_MAX);
            read
        } else {
            rustix::net::recv(stream, &mut piece, RecvFlags::empty())?.0
        };
        self.buffer
            .extend_from_slice(piece.get(..read).unwrap_or_default());
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read as _, Seek as _, Write as _};

    fn run(story: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(story);
    }

    #[test]
    fn messages_and_files_arrive_in_order() {
        run(async {
            let (left, right) = UnixStream::pair().unwrap();
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(b"a bundle").unwrap();
            file.rewind().unwrap();
            let long = vec![7; 300_000];
            let fd = OwnedFd::from(file);
            let sending = async {
                send(&left, b"one", None).await.unwrap();
                send(&left, b"two", Some(&fd)).await.unwrap();
                send(&left, &long, None).await.unwrap();
            };
            let receiving = async {
                let mut reader = Reader::with_files();
                assert_eq!(
                    reader.next(&right).await.unwrap().as_deref(),
                    Some(&b"one"[..])
                );
                // The file may be here already: the system hands out bytes and files together.
                assert_eq!(
                    reader.next(&right).await.unwrap().as_deref(),
                    Some(&b"two"[..])
                );
                let mut text = String::new();
                let mut file = File::from(reader.take_file().unwrap());
                file.read_to_string(&mut text).unwrap();
                assert_eq!(text, "a bundle");
                assert_eq!(reader.next(&right).await.unwrap(), Some(long.clone()));
            };
            tokio::join!(sending, receiving);
            drop(left);
            let mut reader = Reader::with_files();
            assert!(reader.next(&right).await.unwrap().is_none());
        });
    }

    #[test]
    fn the_helper_takes_no_files_and_no_endless_messages() {
        run(async {
            let (left, right) = UnixStream::pair().unwrap();
            let fd = OwnedFd::from(tempfile::tempfile().unwrap());
            send(&left, b"hello", Some(&fd)).await.unwrap();
            let mut reader = Reader::without_files();
            assert!(reader.next(&right).await.unwrap().is_some());
            assert!(reader.take_file().is_none());
            rustix::net::send(&left, &[0xff; 4], SendFlags::empty()).unwrap();
            assert!(reader.next(&right).await.is_err());
        });
    }
}
