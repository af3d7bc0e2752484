//! Before enrolment: the agent waits, says so to whoever asks, and goes on by itself as soon as this
//! machine is enrolled. Nothing of trust is opened before that.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::sleep;

use super::manager;
use super::socket::{receive, send};
use crate::control::{Order, Reply};
use crate::identity::{Identity, IdentityFiles};

/// The files are looked at this often, for an enrolment that could not knock.
const LOOK: Duration = Duration::from_secs(3);
/// After a fault of the socket.
const FAULT_PAUSE: Duration = Duration::from_secs(1);

/// Gives the identity as soon as there is one; until then it answers on the local socket.
///
/// # Errors
/// An identity that is there and cannot be read.
pub async fn enrolment(
    files: &IdentityFiles,
    listener: &UnixListener,
) -> Result<Identity, Failure> {
    if let Some(identity) = Identity::load(files)? {
        return Ok(identity);
    }
    tracing::info!("not enrolled; waiting");
    // For the system's service manager an agent that waits is up.
    manager::ready("not enrolled; waiting for `sanaga-agent enroll TOKEN`");
    let knocked = Rc::new(Notify::new());
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let knocked = Rc::clone(&knocked);
                    spawn_local(async move {
                        if let Err(error) = answer(stream, &knocked).await {
                            tracing::debug!(%error, "a conversation broke");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "accept");
                    sleep(FAULT_PAUSE).await;
                }
            },
            () = knocked.notified() => {}
            () = sleep(LOOK) => {}
        }
        if let Some(identity) = Identity::load(files)? {
            return Ok(identity);
        }
    }
}

async fn answer(stream: UnixStream, knocked: &Notify) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let reply = match receive(read).await? {
        Ok(Order::Status) => Reply::NotEnrolled,
        Ok(Order::Enrolled) => {
            knocked.notify_one();
            Reply::NotEnrolled
        }
        Ok(
            Order::Watch
            | Order::Pull { .. }
            | Order::Stage { .. }
            | Order::Activate { .. }
            | Order::Install { .. }
            | Order::Rollback { .. }
            | Order::History { .. }
            | Order::Verify { .. },
        ) => Reply::refused(&Failure::new(code::NOT_ENROLLED)),
        Err(refusal) => Reply::refused(&refusal),
    };
    send(&mut write, &reply).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::client::ask;
    use sanaga_proto::failure::Coded as _;
    use tokio::task::{LocalSet, spawn_blocking};

    fn identity() -> Identity {
        Identity {
            version: 1,
            url: "https://deploy.pharmaplus.cm:8443".to_owned(),
            repository: "9f".repeat(32).parse().unwrap(),
            node: "akwa-1".parse().unwrap(),
            site: "douala-akwa".parse().unwrap(),
            environment: "dev".parse().unwrap(),
        }
    }

    #[test]
    fn it_says_that_it_waits_and_goes_on_at_a_knock() {
        let folder = tempfile::tempdir().unwrap();
        let files = IdentityFiles::new(folder.path(), folder.path());
        let socket = folder.path().join("agent.sock");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let asking = |order: Order| {
            let socket = socket.clone();
            spawn_blocking(move || ask(&socket, &order))
        };
        let story = async {
            let listener = UnixListener::bind(&socket).unwrap();
            let waiting = enrolment(&files, &listener);
            let operator = async {
                let status = asking(Order::Status).await.unwrap();
                assert_eq!(status.unwrap(), Reply::NotEnrolled);
                let pull = Order::Pull { past_budget: false };
                for order in [pull, Order::Watch, Order::History { most: 1 }] {
                    let refused = asking(order).await.unwrap().unwrap_err();
                    assert_eq!(refused.code(), code::NOT_ENROLLED);
                }
                identity().save(&files).unwrap();
                let started = std::time::Instant::now();
                let knock = asking(Order::Enrolled).await.unwrap();
                assert_eq!(knock.unwrap(), Reply::NotEnrolled);
                started
            };
            let (found, knocked) = tokio::join!(waiting, operator);
            assert_eq!(found.unwrap(), identity());
            assert!(knocked.elapsed() < LOOK, "it did not hear the knock");
        };
        LocalSet::new().block_on(&runtime, story);
    }

    #[test]
    fn an_enrolment_that_does_not_knock_is_seen_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let files = IdentityFiles::new(folder.path(), folder.path());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let story = async {
            let listener = UnixListener::bind(folder.path().join("agent.sock")).unwrap();
            let later = async {
                sleep(LOOK / 10).await;
                identity().save(&files).unwrap();
            };
            let (found, ()) = tokio::join!(enrolment(&files, &listener), later);
            assert_eq!(found.unwrap(), identity());
        };
        LocalSet::new().block_on(&runtime, story);
    }
}
