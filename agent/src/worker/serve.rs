//! The worker as a process of its own: it connects to the helper, does what it is asked, and begins
//! again when the helper is restarted. It holds no key but that of its TLS certificate.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use sanaga_proto::wire::Document as _;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::frame::{self, Reader};
use super::hands::Hands;
use super::message::{Ask, Asking, Number, Tell, Telling};
use super::{Talk, fault};
use crate::cli::RunOptions;

/// Between two tries to reach the helper.
const PAUSE: Duration = Duration::from_secs(1);
/// A transfer is shown this often.
const SHOW: Duration = Duration::from_secs(1);
/// Answers on their way to the helper.
const OUTGOING: usize = 64;

/// Does what helpers ask, for ever: it can be broken off at any point.
pub async fn serve(options: &RunOptions) {
    let hands = Rc::new(Hands::new(&options.paths, &options.config));
    loop {
        match UnixStream::connect(&options.paths.worker_socket).await {
            Ok(stream) => {
                tracing::info!("the helper is here");
                if let Err(error) = converse(&hands, &stream).await {
                    tracing::warn!(%error, "the helper is lost");
                }
            }
            Err(error) => tracing::debug!(%error, "no helper"),
        }
        sleep(PAUSE).await;
    }
}

/// One connection. When it ends, what was under way ends with it; what was written stays.
async fn converse(hands: &Rc<Hands>, stream: &UnixStream) -> io::Result<()> {
    let (outgoing, mut answers) = mpsc::channel::<Vec<u8>>(OUTGOING);
    let mut tasks = JoinSet::new();
    let talks: Rc<RefCell<BTreeMap<u64, Talk>>> = Rc::default();
    let reading = async {
        let mut reader = Reader::with_files();
        while let Some(bytes) = reader.next(stream).await? {
            let asking = Asking::from_bytes(&bytes)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            if let Ask::Stop(Number { number }) = asking.said {
                if let Some(talk) = talks.borrow().get(&number) {
                    talk.stop.notify_one();
                }
                continue;
            }
            let file = carries_file(&asking.said).then(|| reader.take_file());
            let work = Work {
                hands: Rc::clone(hands),
                talks: Rc::clone(&talks),
                outgoing: outgoing.clone(),
            };
            tasks.spawn_local(work.follow(asking, file.flatten()));
            while tasks.try_join_next().is_some() {}
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

fn carries_file(ask: &Ask) -> bool {
    match ask {
        Ask::Bundle(_) | Ask::Take(_) | Ask::Decode(_) => true,
        Ask::Poll(_)
        | Ask::Open(_)
        | Ask::Fetch(_)
        | Ask::Stop(_)
        | Ask::Put(_)
        | Ask::Sizes(_)
        | Ask::KeepOnly(_)
        | Ask::Request(_)
        | Ask::Renew(_)
        | Ask::Validity(_) => false,
    }
}

/// One ask under way.
struct Work {
    hands: Rc<Hands>,
    talks: Rc<RefCell<BTreeMap<u64, Talk>>>,
    outgoing: mpsc::Sender<Vec<u8>>,
}

impl Work {
    async fn follow(self, asking: Asking, file: Option<OwnedFd>) {
        let (id, talk) = (asking.id, Talk::default());
        self.talks.borrow_mut().insert(id, talk.clone());
        let following = self.hands.follow(asking.said, file, &talk);
        tokio::pin!(following);
        let told = loop {
            tokio::select! {
                told = &mut following => break told,
                () = sleep(SHOW) => {}
            }
            let number = talk.progress.get();
            if number > 0 {
                self.say(id, Tell::Progress(Number { number })).await;
            }
        };
        self.talks.borrow_mut().remove(&id);
        let said =
            told.unwrap_or_else(|error| Tell::Fault(fault::to_message(&error, error.wait_s())));
        self.say(id, said).await;
    }

    async fn say(&self, id: u64, said: Tell) {
        // A helper that left hears nothing; the connection's end is seen by its reader.
        let _ = self.outgoing.send(Telling { id, said }.to_bytes()).await;
    }
}
