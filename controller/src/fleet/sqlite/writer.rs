//! The one thread that writes. Writes that arrive while it is busy share the next transaction, and
//! so one sync of the disk (group commit); each has its own savepoint, so that one that fails takes
//! no other with it.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::open::Fault;
use crate::fleet::error::StoreError;

/// Writes that wait for the thread; a caller beyond that waits for its turn.
const QUEUE_MAX: usize = 256;
/// Writes that share one transaction.
const GROUP_MAX: usize = 64;

/// One write. `run` works inside a savepoint; `end` tells the caller what became of it.
trait Job: Send {
    /// Does it; false takes back what it did.
    fn run(&mut self, db: &Connection) -> bool;
    /// Ends it, with the fault of the shared transaction if that failed.
    fn end(self: Box<Self>, failed: Option<StoreError>);
}

struct Work<T, F> {
    path: PathBuf,
    operation: &'static str,
    work: Option<F>,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Job for Work<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, Fault> + Send,
{
    fn run(&mut self, db: &Connection) -> bool {
        let Some(work) = self.work.take() else {
            return false;
        };
        let result = work(db).map_err(|fault| fault.told(&self.path, self.operation));
        let kept = result.is_ok();
        self.result = Some(result);
        kept
    }

    fn end(self: Box<Self>, failed: Option<StoreError>) {
        let result = match (self.result, failed) {
            (Some(Err(own)), _) => Err(own),
            (_, Some(failed)) => Err(failed),
            (Some(result), None) => result,
            (None, None) => Err(gone(self.operation)),
        };
        // Nobody waits any more: the write stands all the same.
        let _ = self.reply.send(result);
    }
}

/// Hands writes to the thread.
pub(super) struct Writer {
    jobs: Option<mpsc::SyncSender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
    path: PathBuf,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(db: Connection, path: &Path) -> Result<Self, StoreError> {
        let (jobs, queue) = mpsc::sync_channel(QUEUE_MAX);
        let own = path.to_owned();
        let thread = std::thread::Builder::new()
            .name("sanaga-writer".to_owned())
            .spawn(move || serve(db, &own, &queue))
            .map_err(|error| StoreError::Failed {
                operation: "start the writer",
                cause: Box::new(error),
            })?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
            path: path.to_owned(),
        })
    }

    /// Runs one write; it is durable when this returns without an error.
    pub(super) async fn run<T, F>(&self, operation: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.clone().ok_or_else(|| gone(operation))?;
        let job: Box<dyn Job> = Box::new(Work {
            path: self.path.clone(),
            operation,
            work: Some(work),
            result: None,
            reply,
        });
        if let Err(back) = jobs.try_send(job) {
            match back {
                mpsc::TrySendError::Disconnected(_) => return Err(gone(operation)),
                mpsc::TrySendError::Full(job) => {
                    tokio::task::spawn_blocking(move || jobs.send(job))
                        .await
                        .map_err(|_| gone(operation))?
                        .map_err(|_| gone(operation))?;
                }
            }
        }
        answer.await.map_err(|_| gone(operation))?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Without a sender the thread ends what waits and closes the database.
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn gone(operation: &'static str) -> StoreError {
    StoreError::Failed {
        operation,
        cause: "the writer has ended".into(),
    }
}

fn serve(mut db: Connection, path: &Path, queue: &mpsc::Receiver<Box<dyn Job>>) {
    while let Ok(first) = queue.recv() {
        let mut group = vec![first];
        while group.len() < GROUP_MAX {
            match queue.try_recv() {
                Ok(job) => group.push(job),
                Err(mpsc::TryRecvError::Empty | mpsc::TryRecvError::Disconnected) => break,
            }
        }
        let done = transact(&mut db, &mut group);
        for job in group {
            // The cause has no copy, so each waiting caller gets it in its own words.
            let failed = done.as_ref().err().map(|error| retell(error, path));
            job.end(failed);
        }
    }
}

fn transact(db: &mut Connection, group: &mut [Box<dyn Job>]) -> Result<(), rusqlite::Error> {
    let mut change = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for job in group {
        let mut point = change.savepoint()?;
        if job.run(&point) {
            point.commit()?;
        } else {
            point.rollback()?;
        }
    }
    change.commit()
}

fn retell(error: &rusqlite::Error, path: &Path) -> StoreError {
    let rusqlite::Error::SqliteFailure(code, text) = error else {
        return StoreError::Failed {
            operation: "commit",
            cause: error.to_string().into(),
        };
    };
    let copy = rusqlite::Error::SqliteFailure(*code, text.clone());
    Fault::Sql(copy).told(path, "commit")
}
