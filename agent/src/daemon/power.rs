//! The power, looked at before an activation; and the times at which it went off, learned from boots.

use std::path::Path;

use sanaga_proto::code;
use sanaga_proto::failure::{Coded as _, Failure};

use super::node::{App, Node};
use crate::power::outages::Alive;
use crate::power::{Caution, Outages, Supply, reason_to_wait, supply};
use crate::store::state;
use crate::update::Phase;

/// The name of the note that says that the agent lives; it is taken away when the agent is ended.
const ALIVE: &str = "power/alive";
/// The name of the note of outages.
const OUTAGES: &str = "power/outages";
/// A look at the supply serves so long, seconds.
const LOOK_S: u64 = 15;
/// What an activation takes beside its soak, seconds.
const ACTIVATION_S: u64 = 600;

/// The last look at the supply.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    at_uptime_s: u64,
    supply: Option<Supply>,
}

impl Node {
    /// Whether the power lets the app be activated now. If not, that is the app's failure for as long.
    pub async fn is_power_good(&self, app: &App) -> bool {
        let reason = match app.phase() {
            Phase::Fetching | Phase::Staged | Phase::Armed => self.power_reason(app).await,
            Phase::Idle
            | Phase::Snapshotting
            | Phase::Activating
            | Phase::Probation
            | Phase::Committed
            | Phase::RollingBack
            | Phase::RolledBack
            | Phase::Held
            | Phase::Superseded
            | Phase::Refused { .. }
            | Phase::NeedsHands => None,
        };
        let is_good = reason.is_none();
        let mut failure = app.failure.borrow_mut();
        if let Some(reason) = reason.filter(|_| app.phase() == Phase::Armed) {
            if failure.as_ref().map(Failure::code) != Some(reason.code()) {
                tracing::info!(app = %app.name, %reason, "activation waits");
            }
            *failure = Some(reason.arg("app", &app.name));
        } else {
            let codes = [code::POWER_LOW, code::OUTAGE_LIKELY];
            failure.take_if(|failure| codes.contains(&failure.code()));
        }
        is_good
    }

    /// Where an activation waits for the power, that is looked at so often, seconds.
    pub fn power_pause_s(&self, app: &App) -> u64 {
        let failure = app.failure.borrow();
        let waits = failure
            .as_ref()
            .is_some_and(|failure| failure.code() == code::POWER_LOW);
        if waits { LOOK_S } else { u64::MAX }
    }

    async fn power_reason(&self, app: &App) -> Option<Failure> {
        let config = &self.config.power;
        let caution = Caution {
            charge_percent_min: config.charge_percent_min,
            outage_days_min: config.outage_days_min,
            ahead_s: self.policy(app).soak_s.saturating_add(ACTIVATION_S),
        };
        let now = self.clock.read();
        let supply = self.supply(now.uptime_s).await;
        let outages: Outages = self.power_note(OUTAGES).unwrap_or_default();
        let now_s = u64::try_from(now.wall_s).ok().filter(|_| now.sure);
        reason_to_wait(caution, supply, &outages, now_s)
    }

    async fn supply(&self, uptime_s: u64) -> Option<Supply> {
        if let Some(look) = self.supply.get()
            && uptime_s.saturating_sub(look.at_uptime_s) < LOOK_S
        {
            return look.supply;
        }
        let config = &self.config.power;
        let folder = config
            .supply
            .as_deref()
            .unwrap_or(Path::new(supply::FOLDER));
        let kernel = supply::read(folder);
        let ups = match &config.ups {
            Some(ups) => ups.read().await,
            None => None,
        };
        let supply = match (kernel, ups) {
            (Some(kernel), Some(ups)) => Some(kernel.and(ups)),
            (kernel, ups) => kernel.or(ups),
        };
        self.supply.set(Some(Look {
            at_uptime_s: uptime_s,
            supply,
        }));
        supply
    }

    /// Learns from the boot: a life of the machine that ended without the agent being ended was an
    /// outage. A power that is off costs nothing else here.
    pub fn learn_outage(&self) {
        let now = self.clock.read();
        let alive: Option<Alive> = self.power_note(ALIVE);
        if let Some(began_s) = alive.and_then(|alive| alive.outage(now.boot)) {
            let mut outages: Outages = self.power_note(OUTAGES).unwrap_or_default();
            outages.note(began_s);
            self.keep_power_note(OUTAGES, &outages);
        }
        self.note_alive();
    }

    /// Notes that the agent lives.
    pub fn note_alive(&self) {
        let now = self.clock.read();
        let at_s = u64::try_from(now.wall_s).ok().filter(|_| now.sure);
        let boot = now.boot;
        self.keep_power_note(ALIVE, &Alive { boot, at_s });
    }

    /// The agent is ended, perhaps with the machine: what follows is no outage.
    pub fn note_end(&self) {
        let boot = self.clock.read().boot;
        self.keep_power_note(ALIVE, &Alive { boot, at_s: None });
    }

    fn power_note<T: serde::de::DeserializeOwned>(&self, name: &str) -> Option<T> {
        let note = self.helper.store().read(|db| state::note(db, name));
        serde_json::from_slice(&note.ok()??).ok()
    }

    fn keep_power_note<T: serde::Serialize>(&self, name: &str, value: &T) {
        let Ok(json) = serde_json::to_vec(value) else {
            return;
        };
        let kept = self
            .helper
            .store()
            .write(|db| state::set_note(db, name, &json));
        if let Err(failure) = kept {
            tracing::warn!(%failure, "what is known of the power is not kept");
        }
    }
}
