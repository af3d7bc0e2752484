//! What the tasks of the daemon share.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{AppName, Digest, TreeRoot};
use sanaga_proto::manifest::Manifest;
use sanaga_proto::trust::{self, Floors, Moment};
use tokio::sync::{Notify, oneshot};

use super::outage::Outage;
use super::power::Look;
use crate::clock::{Clock, Reading};
use crate::config::{Config, Paths};
use crate::fetch::retry::Breaker;
use crate::health::Monitor;
use crate::helper::{Helper, Settings};
use crate::service::Service;
use crate::slot::AppFolder;
use crate::update::{Answer, Journal, Order, Outcome, Phase, Release, Seal, SlotNumber};
use crate::worker::Worker;

/// One node, as the daemon runs it.
pub struct Node {
    pub config: Config,
    pub paths: Paths,
    pub clock: Arc<dyn Clock>,
    pub helper: Arc<Helper>,
    /// The side that talks to the network.
    pub worker: Worker,
    pub apps: RefCell<BTreeMap<AppName, Rc<App>>>,
    pub contact: RefCell<Contact>,
    pub breakers: RefCell<BTreeMap<String, Breaker>>,
    /// Why the daemon cannot go on in this life.
    pub broken: RefCell<Option<Failure>>,
    /// Ends this life.
    pub stop: Notify,
    /// The last look at what feeds the machine.
    pub supply: Cell<Option<Look>>,
    /// Wakes the poller before its time.
    pub poll_now: Notify,
    /// Tells who watches that something changed.
    pub changed: Notify,
    /// Counts polls that ended, well or not.
    pub polls: Cell<u64>,
    /// A poll is under way.
    pub polling: Cell<bool>,
    pub polled: Notify,
}

/// The last word of the controller.
#[derive(Debug, Default)]
pub struct Contact {
    /// When it last answered, seconds since boot.
    pub heard_uptime_s: Option<u64>,
    /// Why the last poll failed.
    pub failure: Option<Failure>,
    /// Trusted metadata has expired, or does not move.
    pub stale: bool,
    /// Everything is to be sent again.
    pub start_over: bool,
}

/// One app, as its task runs it.
pub struct App {
    pub name: AppName,
    pub folder: AppFolder,
    pub journal: RefCell<Journal>,
    pub service: Service,
    pub monitor: RefCell<Option<Watched>>,
    pub outage: Cell<Outage>,
    pub wanted: RefCell<Option<Rc<Wanted>>>,
    pub seals: RefCell<BTreeMap<SlotNumber, Seal>>,
    pub order: RefCell<Option<(Order, oneshot::Sender<Answer>)>>,
    pub last: RefCell<Option<Outcome>>,
    /// The pack that is on its way or here, and how much of it.
    pub pack: RefCell<Option<PackState>>,
    /// A base that was found damaged is not used again.
    pub damaged_bases: RefCell<Vec<TreeRoot>>,
    pub needs_full: Cell<bool>,
    /// Bytes of the running transfer that are in the budget's ledger already.
    pub noted: Cell<u64>,
    /// The tree that an operator lets be fetched past the data budget.
    pub past_budget: RefCell<Option<TreeRoot>>,
    /// Something that a decision depends on has changed.
    pub wake: Notify,
    pub phase_since_s: Cell<u64>,
    pub failure: RefCell<Option<Failure>>,
    pub last_receipt: Cell<Option<u64>>,
}

/// What an assignment asks for, with its settings.
#[derive(Debug)]
pub struct Wanted {
    pub release: Release,
    pub manifest: Manifest,
    pub settings: Settings,
    pub download_bytes_max: Option<u64>,
}

/// How far a pack is.
#[derive(Debug, Clone)]
pub struct PackState {
    pub offer: sanaga_proto::wire::offer::Offer,
    pub received: u64,
    pub total: u64,
    pub complete: bool,
}

/// The probes that look at what runs.
pub struct Watched {
    pub slot: SlotNumber,
    pub settings: Digest,
    pub pid: Option<i32>,
    pub monitor: Rc<Monitor>,
}

impl Node {
    /// The clocks, as trust asks for them.
    #[must_use]
    pub fn trust_clock(&self) -> trust::Clock {
        let now: Reading = self.clock.read();
        let moment = Moment {
            boot: now.boot,
            uptime_s: now.uptime_s,
        };
        trust::Clock {
            wall_s: now.wall_s,
            sure: now.sure,
            now: moment,
        }
    }

    /// An app that the daemon knows.
    #[must_use]
    pub fn app(&self, name: &AppName) -> Option<Rc<App>> {
        self.apps.borrow().get(name).cloned()
    }

    /// Tells who watches.
    pub fn tell(&self) {
        self.changed.notify_waiters();
    }

    /// What this machine believes the time to be at least, for budgets and renewal.
    #[must_use]
    pub fn known_s(&self) -> u64 {
        self.at_least_s(|floors, build_s, now| floors.lower_s(build_s, now))
    }

    /// The same for TLS, from what offline roles signed alone: a timestamp of the online key that
    /// lies in the future must not make the server's certificate look expired, since the root that
    /// ends it comes over TLS.
    #[must_use]
    pub fn known_offline_s(&self) -> u64 {
        self.at_least_s(|floors, build_s, now| floors.offline_s(build_s, now))
    }

    fn at_least_s(&self, floor_s: impl Fn(&Floors, i64, &Moment) -> i64) -> u64 {
        let clock = self.trust_clock();
        let wall = if clock.sure { clock.wall_s } else { 0 };
        let floor = self
            .helper
            .load_trust()
            .map(|(_, floors, _)| floor_s(&floors, crate::BUILD_S, &clock.now));
        u64::try_from(floor.unwrap_or(crate::BUILD_S).max(wall)).unwrap_or_default()
    }
}

impl App {
    /// The phase of its journal.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.journal.borrow().phase
    }
}
