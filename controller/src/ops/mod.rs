//! Everything that an operator can do: one async function per operation, with the types of its
//! request and answer. The command line calls them in its own process or through the server's
//! socket; the same functions run in both.
//!
//! An operation checks rights, decides, and commits one batch with the audit notes that explain it.
//! No private key of a person is ever seen here.

mod assign;
mod authority;
mod bundle;
mod context;
mod doctor;
mod hold;
mod init;
mod names;
mod node;
mod online;
mod orders;
mod patch;
mod publish;
mod rehearsal;
mod release;
mod role;
mod role_file;
mod rotation;
mod selector;
mod setting;
mod sign;
mod token;
mod wire;

use serde::Serialize;
use serde::de::DeserializeOwned;

use sanaga_proto::code;
use sanaga_proto::failure::{Failure, nearest};

pub use assign::{Assign, Assigned, Line};
pub use authority::Signed;
pub use bundle::{BundleFiles, BundleList};
pub use context::{Actor, Context, Right};
pub use doctor::{Doctor, Finding, Findings};
pub use hold::{HoldGiven, SetHold};
pub use init::{Draft, Founded, Founding, found};
pub use node::{
    AppView, Contact, Evidence, NodeList, NodeQuery, NodeShow, NodeView, ReceiptView, RevokeNode,
    SiteList, SiteView, Sites,
};
pub use online::{Renewed, renew_online};
pub use patch::{BaseView, MakePatch, PatchBases, PatchMade, pack_into};
pub use publish::{Bases, CheckRelease, Checked, PackUpload, Promote, StageRelease, Staged};
pub use rehearsal::Rehearsal;
pub use release::{PlanLine, PlanRelease, Plans, ReleaseList, ReleaseView, Releases, ShowRelease};
pub use role::{KeyView, RenewRole, RoleChange, RoleView, Roles, RotateKey, SetRole, Waits};
pub use rotation::RotateOnline;
pub use selector::Selector;
pub use setting::{SetSetting, SettingDone};
pub use sign::{Pending, PendingList, PendingView, PlacedRelease, SignDone, SignRole};
pub use token::{MakeToken, TokenMade};
pub use wire::{FailureBody, from_body, to_body};

/// One thing that an operator can do.
pub trait Operation: Serialize + DeserializeOwned + Send + 'static {
    /// Its name in paths and in the audit log.
    const NAME: &'static str;
    /// What the actor must be allowed to do.
    const RIGHT: Right;
    /// Whether it decides from what it then changes, so that two of them must not run at once.
    const TURN: bool;
    /// What comes back.
    type Answer: Serialize + DeserializeOwned + Send;

    /// Does it.
    fn run(
        self,
        context: &Context,
        actor: &Actor,
    ) -> impl Future<Output = Result<Self::Answer, Failure>> + Send;
}

/// Does one operation, after its right has been checked.
///
/// # Errors
/// `NOT_ALLOWED` for the wrong actor, else whatever the operation says.
pub async fn perform<O: Operation>(
    context: &Context,
    actor: &Actor,
    operation: O,
) -> Result<O::Answer, Failure> {
    actor.require(O::RIGHT, O::NAME)?;
    let _turn = match O::TURN {
        true => Some(context.turn().await),
        false => None,
    };
    operation.run(context, actor).await
}

macro_rules! operations {
    (@alone) => { true };
    (@beside) => { false };
    ($($name:literal $right:ident $turn:ident $request:ty => $answer:ty, $function:path;)*) => {
        $(impl Operation for $request {
            const NAME: &'static str = $name;
            const RIGHT: Right = Right::$right;
            const TURN: bool = operations!(@$turn);
            type Answer = $answer;

            async fn run(self, context: &Context, actor: &Actor) -> Result<$answer, Failure> {
                $function(context, actor, self).await
            }
        })*

        /// Does the operation `name` with a JSON request, and gives the JSON answer. What the ops
        /// socket serves.
        ///
        /// # Errors
        /// `BAD_REQUEST` for an unknown name or a body that does not fit, else as [`perform`].
        pub async fn dispatch(
            context: &Context,
            actor: &Actor,
            name: &str,
            body: &[u8],
        ) -> Result<Vec<u8>, Failure> {
            match name {
                $($name => {
                    let operation: $request = wire::request(name, body)?;
                    wire::answer(&perform(context, actor, operation).await?)
                })*
                _ => Err(Failure::new(code::BAD_REQUEST).arg(
                    "problem",
                    format!(
                        "no operation `{name}`; the nearest is `{}`",
                        nearest(name, [$($name),*])
                    ),
                )),
            }
        }
    };
}

operations! {
    "roles" Read beside Roles => RoleView, role::roles;
    "role-set" Administer alone SetRole => RoleChange, role::set_role;
    "role-renew" Administer alone RenewRole => RoleChange, role::renew;
    "key-rotate" Administer alone RotateKey => RoleChange, role::rotate_key;
    "key-rotate-online" Administer alone RotateOnline => RoleChange, rotation::rotate_online;
    "pending" Read beside Pending => PendingList, sign::pending;
    "sign" Publish alone SignRole => SignDone, sign::sign;
    "release-check" Read beside CheckRelease => Checked, publish::check;
    "release-stage" Publish alone StageRelease => Staged, publish::stage;
    "release-promote" Publish alone Promote => Staged, publish::promote;
    "release-list" Read beside Releases => ReleaseList, release::list;
    "release-show" Read beside ShowRelease => ReleaseView, release::show;
    "release-plan" Read beside PlanRelease => Plans, release::plan;
    "patch-bases" Read beside PatchBases => Bases, patch::bases;
    "patch-make" Publish beside MakePatch => PatchMade, patch::make;
    "assign" Operate alone Assign => Assigned, assign::assign;
    "setting" Operate alone SetSetting => SettingDone, setting::set;
    "hold" Operate alone SetHold => HoldGiven, hold::set;
    "site-list" Read beside Sites => SiteList, node::sites;
    "node-list" Read beside NodeQuery => NodeList, node::list;
    "node-show" Read beside NodeShow => NodeView, node::show;
    "node-revoke" Administer alone RevokeNode => NodeView, node::revoke;
    "token" Operate alone MakeToken => TokenMade, token::make;
    "bundle-files" Read beside BundleFiles => BundleList, bundle::files;
    "doctor" Read beside Doctor => Findings, doctor::look;
}

#[cfg(test)]
mod tests;
