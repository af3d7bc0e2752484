//! The local socket: orders in, replies out, one JSON object a line.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::sleep;

use super::node::Node;
use super::orders::follow;
use crate::control::{Order, Reply};

/// An order, bytes.
const ORDER_BYTES_MAX: u64 = 64 << 10;
/// A report goes to a watcher at least so often.
const WATCH_EVERY: Duration = Duration::from_secs(2);

/// Listens for as long as the daemon lives.
pub async fn listen(node: Rc<Node>, listener: UnixListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let node = Rc::clone(&node);
                tokio::task::spawn_local(async move {
                    if let Err(error) = converse(&node, stream).await {
                        tracing::debug!(%error, "a conversation broke");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accept");
                sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn converse(node: &Rc<Node>, stream: UnixStream) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let order = match receive(read).await? {
        Ok(order) => order,
        Err(refusal) => return send(&mut write, &Reply::refused(&refusal)).await,
    };
    if order == Order::Watch {
        loop {
            send(&mut write, &reply(node.report().await.map(Reply::Report))).await?;
            tokio::select! {
                () = node.changed.notified() => sleep(Duration::from_millis(50)).await,
                () = sleep(WATCH_EVERY) => {}
            }
        }
    }
    let answer = reply(follow(node, order).await);
    send(&mut write, &answer).await
}

/// The order of a conversation, or why it is none.
pub(super) async fn receive(read: OwnedReadHalf) -> io::Result<Result<Order, Failure>> {
    let mut line = String::new();
    BufReader::new(read.take(ORDER_BYTES_MAX))
        .read_line(&mut line)
        .await?;
    let order = serde_json::from_str(&line);
    Ok(order.map_err(|error| Failure::new(code::BAD_USAGE).arg("problem", error)))
}

pub(super) async fn send(write: &mut OwnedWriteHalf, reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    write.write_all(&line).await
}

fn reply(result: Result<Reply, Failure>) -> Reply {
    result.unwrap_or_else(|failure| Reply::refused(&failure))
}
