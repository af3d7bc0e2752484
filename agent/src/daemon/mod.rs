//! The daemon: gather facts, decide, store, perform, again. One task for each app, one that polls,
//! one that listens on the local socket; all on one thread, none decides anything itself. Before that,
//! it waits until this machine is enrolled.

mod beside;
mod changes;
mod data;
mod driver;
mod fetching;
mod from_disk;
mod gather;
mod hosts;
mod installing;
pub(crate) mod lives;
pub(crate) mod manager;
mod node;
mod orders;
mod outage;
mod perform;
mod poller;
mod power;
mod renewing;
mod report;
mod socket;
mod start;
mod thrift;
mod waiting;

pub use start::run;
