//! Stop orders: the highest number of a scope counts. What runs goes on running.

use sanaga_proto::failure::Failure;
use sanaga_proto::ids::NodeName;
use sanaga_proto::wire::envelope::seal;
use sanaga_proto::wire::hold::Hold;
use serde::{Deserialize, Serialize};

use super::context::{Actor, Context};
use crate::fleet::{Change, Note, StoredHold};

/// Stops updates, or lets them go on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SetHold {
    /// The node; none for all.
    pub node: Option<NodeName>,
    /// True to stop, false to go on.
    pub on: bool,
}

/// A hold that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldGiven {
    /// The node; none for all.
    pub node: Option<NodeName>,
    /// Whether it stops.
    pub on: bool,
    /// Its number.
    pub number: u64,
    /// False when it was so already, and nothing was signed.
    pub changed: bool,
}

pub(super) async fn set(
    context: &Context,
    actor: &Actor,
    request: SetHold,
) -> Result<HoldGiven, Failure> {
    let node = match &request.node {
        Some(name) => Some(context.node(name).await?),
        None => None,
    };
    let node_key = node.as_ref().map(|node| node.key);
    let holds = context.store.holds().await.map_err(Failure::of)?;
    let former = holds.iter().find(|hold| hold.node_key() == node_key);
    let was_on = former.is_some_and(|hold| hold.document.on);
    let mut given = HoldGiven {
        node: request.node,
        on: request.on,
        number: former.map_or(0, |hold| hold.document.number),
        changed: was_on != request.on,
    };
    if !given.changed {
        return Ok(given);
    }
    given.number += 1;
    let document = Hold {
        repository: context.repository_id().await?,
        node_key,
        number: given.number,
        on: given.on,
    };
    let signed = seal(&document, context.director().await?.as_ref()).map_err(Failure::of)?;
    let scope = given.node.as_ref().map_or("all", NodeName::as_str);
    let note = Note::new(if given.on { "hold" } else { "unhold" }, scope)
        .after(format!("number {}", given.number));
    let batch = context.batch(actor, note).with(Change::SetHold(StoredHold {
        document,
        signed,
        at_s: context.now_s(),
        actor: actor.to_string(),
    }));
    context.commit(batch).await?;
    Ok(given)
}
