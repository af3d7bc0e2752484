//! The helper's end of the socket to a worker in a process of its own. It listens; whoever connects
//! must be the worker's user, and the newest connection counts. All that comes is bounded, answers an
//! ask that is open, or is ignored.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use sanaga_proto::wire::Document as _;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use super::frame::{self, Reader};
use super::message::{Ask, Asking, Number, Tell, Telling};
use super::{Talk, gone};
use crate::fetch::FetchError;
use crate::fetch::resume::Progress;

/// A worker that was just started is waited for.
const WAIT: Duration = Duration::from_secs(10);
/// After a fault of the socket.
const FAULT_PAUSE: Duration = Duration::from_secs(1);
/// Asks on their way to the worker.
const OUTGOING: usize = 16;

type Outgoing = (Vec<u8>, Option<OwnedFd>);

/// A worker in another process.
#[derive(Default)]
pub struct Away {
    next: Cell<u64>,
    link: RefCell<Option<Link>>,
    waiting: RefCell<BTreeMap<u64, Waiting>>,
    connected: Notify,
}

/// The connection that counts.
struct Link {
    number: u64,
    outgoing: mpsc::Sender<Outgoing>,
}

/// An ask that is not answered yet.
struct Waiting {
    answer: oneshot::Sender<Tell>,
    progress: Progress,
}

impl Away {
    /// Takes workers for as long as the helper lives. Only these users may be one.
    pub async fn listen(self: Rc<Self>, listener: UnixListener, users: Vec<u32>) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => match stream.peer_cred() {
                    Ok(peer) if users.contains(&peer.uid()) => self.take(stream),
                    Ok(peer) => tracing::warn!(uid = peer.uid(), "is not the worker's user"),
                    Err(error) => tracing::warn!(%error, "nobody knows who that is"),
                },
                Err(error) => {
                    tracing::warn!(%error, "accept");
                    sleep(FAULT_PAUSE).await;
                }
            }
        }
    }

    fn take(self: &Rc<Self>, stream: UnixStream) {
        let number = self.number();
        let (outgoing, asks) = mpsc::channel(OUTGOING);
        self.lose(None);
        *self.link.borrow_mut() = Some(Link { number, outgoing });
        self.connected.notify_waiters();
        tracing::info!("the worker is here");
        let away = Rc::clone(self);
        spawn_local(async move {
            let ended = tokio::select! {
                read = away.read(&stream, number) => read,
                written = write(&stream, asks) => written,
            };
            match ended {
                Ok(()) => tracing::info!("the worker left"),
                Err(error) => tracing::warn!(%error, "the worker is lost"),
            }
            away.lose(Some(number));
        });
    }

    /// Ends a connection, if it is still the one that counts; what was asked over it has no answer.
    fn lose(&self, number: Option<u64>) {
        let mut link = self.link.borrow_mut();
        let is_it = |link: &Link| number.is_none_or(|number| link.number == number);
        if link.as_ref().is_some_and(is_it) {
            link.take();
            self.waiting.borrow_mut().clear();
        }
    }

    async fn read(&self, stream: &UnixStream, number: u64) -> io::Result<()> {
        let mut reader = Reader::without_files();
        while let Some(bytes) = reader.next(stream).await? {
            let telling = Telling::from_bytes(&bytes)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            if self.is_replaced(number) {
                return Ok(());
            }
            self.told(telling);
        }
        Ok(())
    }

    fn is_replaced(&self, number: u64) -> bool {
        let link = self.link.borrow();
        link.as_ref().is_none_or(|link| link.number != number)
    }

    fn told(&self, telling: Telling) {
        let mut waiting = self.waiting.borrow_mut();
        if let Tell::Progress(bytes) = telling.said {
            if let Some(open) = waiting.get(&telling.id) {
                open.progress.set(bytes.number);
            }
        } else if let Some(open) = waiting.remove(&telling.id) {
            // Whoever asked may have gone.
            let _ = open.answer.send(telling.said);
        }
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// [`sanaga_proto::code::WORKER_GONE`] when there is no worker, or it left before it answered.
    pub async fn ask(
        &self,
        ask: Ask,
        file: Option<OwnedFd>,
        talk: &Talk,
    ) -> Result<Tell, FetchError> {
        let (id, mut answer) = self.begin(ask, file, talk.progress.clone()).await?;
        loop {
            tokio::select! {
                told = &mut answer => return told.map_err(|_| gone("it broke off")),
                () = talk.stop.notified() => {
                    let stop = Ask::Stop(Number { number: id });
                    self.send(self.number(), stop, None).await?;
                }
            }
        }
    }

    /// Asks for something whose answer tells nothing.
    ///
    /// # Errors
    /// As [`Away::ask`].
    pub async fn post(&self, ask: Ask, file: OwnedFd) -> Result<(), FetchError> {
        self.begin(ask, Some(file), Progress::default())
            .await
            .map(|_| ())
    }

    async fn begin(
        &self,
        ask: Ask,
        file: Option<OwnedFd>,
        progress: Progress,
    ) -> Result<(u64, oneshot::Receiver<Tell>), FetchError> {
        self.present().await?;
        let (answer, answered) = oneshot::channel();
        let id = self.number();
        let open = Waiting { answer, progress };
        self.waiting.borrow_mut().insert(id, open);
        self.send(id, ask, file).await?;
        Ok((id, answered))
    }

    async fn present(&self) -> Result<(), FetchError> {
        let came = async {
            loop {
                let connected = self.connected.notified();
                if self.link.borrow().is_some() {
                    return;
                }
                connected.await;
            }
        };
        timeout(WAIT, came)
            .await
            .map_err(|_| gone("it does not run"))
    }

    async fn send(&self, id: u64, said: Ask, file: Option<OwnedFd>) -> Result<(), FetchError> {
        let outgoing = self
            .link
            .borrow()
            .as_ref()
            .map(|link| link.outgoing.clone());
        let outgoing = outgoing.ok_or_else(|| gone("it left"))?;
        let bytes = Asking { id, said }.to_bytes();
        let sent = outgoing.send((bytes, file)).await;
        sent.map_err(|_| gone("it left"))
    }

    fn number(&self) -> u64 {
        self.next.set(self.next.get() + 1);
        self.next.get()
    }
}

async fn write(stream: &UnixStream, mut asks: mpsc::Receiver<Outgoing>) -> io::Result<()> {
    while let Some((bytes, file)) = asks.recv().await {
        frame::send(stream, &bytes, file.as_ref()).await?;
    }
    Ok(())
}
