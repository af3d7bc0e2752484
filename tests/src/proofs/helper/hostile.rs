//! A worker that lies. It does the worker's work with the worker's own hands, so that the helper asks
//! on, and changes what it tells on the way.

use std::io::{self, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Pipe;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use sanaga_agent::config::{Config, Paths};
use sanaga_agent::worker::frame::{self, Reader};
use sanaga_agent::worker::message::{Ask, Asking, FaultMessage, Tell, Telling};
use sanaga_agent::worker::{Hands, Talk};
use sanaga_proto::failure::Coded as _;
use sanaga_proto::wire::Document as _;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::{LocalSet, spawn_local};

/// Changes an answer. It may make several of one, each sent as it is.
pub type Retell = Box<dyn FnMut(&Ask, Telling) -> Vec<Vec<u8>> + Send>;
/// Changes a record of a tree on its way: tag, content, and what is sent instead.
pub type Rewrite = Box<dyn FnMut(u8, &[u8]) -> Vec<u8> + Send>;

/// How the worker lies now.
#[derive(Default)]
pub struct Lie {
    /// What it does with answers.
    pub retell: Option<Retell>,
    /// What it does with trees.
    pub rewrite: Option<Rewrite>,
}

/// What it was asked and what it told.
#[derive(Debug, Default)]
pub struct Counts {
    /// Polls.
    pub polls: AtomicU64,
    /// Trees.
    pub trees: AtomicU64,
}

/// The lying worker, in a thread of its own.
pub struct Hostile {
    lie: Arc<Mutex<Lie>>,
    /// What it was asked.
    pub counts: Arc<Counts>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Hostile {
    /// Connects to the helper of this node, again and again.
    ///
    /// # Errors
    /// When the node's configuration does not read.
    pub fn start(home: &Path) -> Result<Self> {
        let paths = Paths::under(home);
        let config = Config::load(&paths, &std::collections::BTreeMap::new(), &[], false)?;
        let lie: Arc<Mutex<Lie>> = Arc::default();
        let counts: Arc<Counts> = Arc::default();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (shared, counted) = (Arc::clone(&lie), Arc::clone(&counts));
        let thread = std::thread::spawn(move || {
            let hands = Rc::new(Hands::new(&paths, &config));
            let work = work(paths.worker_socket, hands, shared, counted);
            LocalSet::new().block_on(&runtime, async {
                tokio::select! {
                    () = work => {}
                    _ = stopped => {}
                }
            });
            // A decoding that waits for the helper is not waited for.
            runtime.shutdown_timeout(Duration::from_secs(1));
        });
        Ok(Self {
            lie,
            counts,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// From now on it lies like this.
    pub fn lie(&self, lie: Lie) {
        *self.lie.lock().unwrap_or_else(PoisonError::into_inner) = lie;
    }

    /// Ends it.
    pub fn end(mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn work(socket: PathBuf, hands: Rc<Hands>, lie: Arc<Mutex<Lie>>, counts: Arc<Counts>) {
    loop {
        if let Ok(stream) = UnixStream::connect(&socket).await {
            let _ = converse(&stream, &hands, &lie, &counts).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn converse(
    stream: &UnixStream,
    hands: &Rc<Hands>,
    lie: &Arc<Mutex<Lie>>,
    counts: &Arc<Counts>,
) -> io::Result<()> {
    let (outgoing, mut answers) = mpsc::unbounded_channel::<Vec<u8>>();
    let reading = async {
        let mut reader = Reader::with_files();
        while let Some(bytes) = reader.next(stream).await? {
            let asking = Asking::from_bytes(&bytes).map_err(io::Error::other)?;
            let file = matches!(asking.said, Ask::Bundle(_) | Ask::Take(_) | Ask::Decode(_))
                .then(|| reader.take_file())
                .flatten();
            let (hands, lie) = (Rc::clone(hands), Arc::clone(lie));
            let (outgoing, counts) = (outgoing.clone(), Arc::clone(counts));
            spawn_local(async move {
                for bytes in answer(&hands, &lie, &counts, asking, file).await {
                    let _ = outgoing.send(bytes);
                }
            });
        }
        Ok(())
    };
    let writing = async {
        while let Some(bytes) = answers.recv().await {
            frame::send(stream, &bytes, None).await?;
        }
        Ok(())
    };
    tokio::select! {
        read = reading => read,
        written = writing => written,
    }
}

async fn answer(
    hands: &Hands,
    lie: &Arc<Mutex<Lie>>,
    counts: &Counts,
    asking: Asking,
    mut file: Option<OwnedFd>,
) -> Vec<Vec<u8>> {
    if let Ask::Poll(_) = &asking.said {
        counts.polls.fetch_add(1, Ordering::Relaxed);
    }
    if let Ask::Decode(_) = &asking.said {
        counts.trees.fetch_add(1, Ordering::Relaxed);
        file = file.and_then(|helper| relay(helper, lie).ok());
    }
    let asked = asking.said.clone();
    let said = match hands.follow(asking.said, file, &Talk::default()).await {
        Ok(told) => told,
        Err(error) => Tell::Fault(FaultMessage {
            code: u64::from(error.code().number),
            args: Vec::new(),
            wait_s: None,
            text: error.to_string(),
        }),
    };
    let telling = Telling {
        id: asking.id,
        said,
    };
    let mut lie = lie.lock().unwrap_or_else(PoisonError::into_inner);
    match &mut lie.retell {
        Some(retell) => retell(&asked, telling),
        None => vec![telling.to_bytes()],
    }
}

/// Stands between decoder and helper: records of the decoder are rewritten. Gives the decoder's end.
fn relay(helper: OwnedFd, lie: &Arc<Mutex<Lie>>) -> io::Result<OwnedFd> {
    let helper = Pipe::from(helper);
    helper.set_nonblocking(false)?;
    let (ours, decoder) = Pipe::pair()?;
    let (mut from_helper, mut to_decoder) = (helper.try_clone()?, ours.try_clone()?);
    std::thread::spawn(move || {
        let _ = io::copy(&mut from_helper, &mut to_decoder);
        let _ = to_decoder.shutdown(Shutdown::Both);
    });
    let lie = Arc::clone(lie);
    std::thread::spawn(move || {
        let _ = rewrite(ours, &helper, &lie);
        let _ = helper.shutdown(Shutdown::Both);
    });
    Ok(decoder.into())
}

fn rewrite(decoder: Pipe, mut helper: &Pipe, lie: &Arc<Mutex<Lie>>) -> io::Result<()> {
    let mut reader = BufReader::new(decoder);
    loop {
        let mut head = [0; 5];
        reader.read_exact(&mut head)?;
        let [tag, length @ ..] = head;
        let mut content = vec![0; u32::from_be_bytes(length) as usize];
        reader.read_exact(&mut content)?;
        let mut lie = lie.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = match &mut lie.rewrite {
            Some(rewrite) => rewrite(tag, &content),
            None => record(tag, &content),
        };
        drop(lie);
        helper.write_all(&sent)?;
    }
}

/// A record as it goes over the wire.
#[must_use]
pub fn record(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len() as u32;
    [&[tag], length.to_be_bytes().as_slice(), content].concat()
}

/// Sends frames as fast as the helper takes them, over new connections where it closes one. Gives how
/// many were sent.
///
/// # Errors
/// When nobody listens any more.
pub fn flood(socket: &Path, frames: impl Iterator<Item = Vec<u8>>) -> Result<u64> {
    let mut sent = 0;
    let mut pipe: Option<Pipe> = None;
    for bytes in frames {
        for _ in 0..3 {
            let open = match pipe.take() {
                Some(open) => open,
                None => Pipe::connect(socket).context("the helper does not listen any more")?,
            };
            if (&open).write_all(&bytes).is_ok() {
                pipe = Some(open);
                sent += 1;
                break;
            }
        }
    }
    Ok(sent)
}
