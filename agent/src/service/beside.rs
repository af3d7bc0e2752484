//! Two instances at once (`blue-green`): the new one starts on a port of its own while the old one
//! serves, the proxy is told of it once it is healthy, and the old one runs on for a while. Each step
//! can be repeated: what runs is found by its record, and who serves is what the proxy was told.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use tokio::time::sleep;

use super::lane::Lane;
use super::launch::Launch;
use super::{Service, ServiceError, Upstream};

/// Between two looks at an instance that is to end.
const LOOK: Duration = Duration::from_millis(50);
/// Ports of the node's range that are tried.
const TRIES: u64 = 64;

/// An instance that runs, and may be told to the proxy.
#[derive(Debug, Clone)]
pub struct Begun {
    /// What runs, with its port.
    pub launch: Launch,
    /// Nothing else serves: there is nothing to wait for.
    pub is_alone: bool,
    /// The proxy was told of it already.
    pub serves: bool,
}

impl Service {
    /// The proxy in front of the app.
    #[must_use]
    pub fn upstream(&self) -> Option<&Upstream> {
        self.upstream.as_ref()
    }

    /// Makes this launch run beside whatever serves, which is left alone. An instance of it that
    /// still runs is taken as it is.
    ///
    /// # Errors
    /// As [`Service::start`], and when no port is free.
    pub async fn begin_beside(&self, launch: &Launch) -> Result<Begun, ServiceError> {
        let _turn = self.turn.lock().await;
        let named = self.upstream.as_ref().and_then(Upstream::port);
        let serving = self.serving();
        let is_alone = match serving {
            Some(lane) => !lane.is_running().await,
            None => true,
        };
        let (here, other) = self.place_for(launch, serving);
        let at = if is_alone && named.is_some() && other.port() != named {
            // The proxy knows this port: it need not be told, nor even run yet.
            named
        } else if here.process.wanted().is_some_and(|old| old.is_same(launch)) {
            here.port()
        } else {
            None
        };
        if here
            .process
            .launch()
            .is_some_and(|old| !old.is_same(launch))
        {
            self.make_room(here).await?;
        }
        let port = match at {
            Some(port) => port,
            None => self.free_port(launch, other.port())?,
        };
        let launch = launch.at(Some(port));
        let beside = other.process.instance();
        here.run(&launch, beside.as_deref()).await?;
        Ok(Begun {
            is_alone,
            serves: named == Some(port),
            launch,
        })
    }

    /// Tells the proxy of an instance. What it was told before is restored if it does not take it.
    ///
    /// # Errors
    /// [`ServiceError::Proxy`].
    pub async fn tell_proxy(&self, begun: &Begun) -> Result<(), ServiceError> {
        let _turn = self.turn.lock().await;
        let (Some(upstream), Some(port)) = (&self.upstream, begun.launch.port) else {
            return Ok(());
        };
        if let Some(lane) = self.lane_of(&begun.launch) {
            lane.process.note_serving();
        }
        if upstream.port() == Some(port) {
            return Ok(());
        }
        let what = format!("{}@{}", begun.launch.app, begun.launch.version);
        let told = upstream.tell(port, &what, begun.is_alone).await;
        told.map_err(|problem| ServiceError::Proxy {
            app: begun.launch.app.clone(),
            problem,
        })
    }

    /// Whether it runs, with the proxy told of it or not.
    pub async fn is_up(&self, begun: &Begun) -> bool {
        match self.lane_of(&begun.launch) {
            Some(lane) => lane.is_running().await,
            None => false,
        }
    }

    /// Takes note that the other instance serves no longer, and whether it is kept for a while.
    pub async fn retire_others(&self, begun: &Begun, keep: bool) {
        let _turn = self.turn.lock().await;
        for lane in &self.lanes {
            if !is_of(lane, &begun.launch) {
                lane.process.note_retired(keep);
            }
        }
    }

    /// Ends an instance that never came to serve, and has the proxy stay with, or go back to, the
    /// other one.
    ///
    /// # Errors
    /// [`ServiceError::Stop`], [`ServiceError::Record`] or [`ServiceError::Proxy`].
    pub async fn give_up(&self, begun: &Begun) -> Result<(), ServiceError> {
        let _turn = self.turn.lock().await;
        let other = self
            .lanes
            .iter()
            .find(|lane| !is_of(lane, &begun.launch) && lane.port().is_some());
        if let (Some(upstream), Some(other)) = (&self.upstream, other)
            && upstream.port() == begun.launch.port
            && let Some(launch) = other.process.launch()
            && let Some(port) = launch.port
        {
            let what = format!("{}@{}", launch.app, launch.version);
            let told = upstream.tell(port, &what, false).await;
            let app = launch.app.clone();
            told.map_err(|problem| ServiceError::Proxy { app, problem })?;
        }
        match self.lane_of(&begun.launch) {
            Some(lane) => lane.stop().await,
            None => Ok(()),
        }
    }

    /// Ends what serves no longer and was kept long enough, and forgets what an earlier boot left.
    /// `keep` is how long an instance that served is kept.
    ///
    /// # Errors
    /// [`ServiceError::Stop`] or [`ServiceError::Record`].
    pub async fn tidy(&self, keep: Duration) -> Result<(), ServiceError> {
        let _turn = self.turn.lock().await;
        let Some(serving) = self.serving() else {
            return Ok(());
        };
        for lane in &self.lanes {
            if std::ptr::eq(lane, serving) || lane.process.launch().is_none() {
                continue;
            }
            if lane.process.is_of_another_boot() {
                lane.process.forget();
                continue;
            }
            lane.process.note_retired(true);
            if lane.is_due(keep) {
                lane.stop().await?;
            }
        }
        Ok(())
    }

    /// The instance that counts: the one that the proxy was told of, or the only one of a release
    /// that has no proxy in front of it.
    pub(super) fn serving(&self) -> Option<&Lane> {
        let named = self.upstream.as_ref().and_then(Upstream::port);
        let counts = |lane: &&Lane| {
            lane.process.launch().is_some_and(|launch| {
                launch.port.is_none() || self.upstream.is_none() || launch.port == named
            })
        };
        let mut found: Vec<&Lane> = self.lanes.iter().filter(counts).collect();
        found.sort_by_key(|lane| lane.process.retirement().is_some());
        found.first().copied()
    }

    /// The lane for a launch, and the other one: where it runs already, else where nothing serves.
    fn place_for<'a>(&'a self, launch: &Launch, serving: Option<&'a Lane>) -> (&'a Lane, &'a Lane) {
        let [first, second] = &self.lanes;
        let holds = |lane: &Lane| lane.process.wanted().is_some_and(|old| old.is_same(launch));
        let is_second = if holds(first) || holds(second) {
            !holds(first)
        } else {
            serving.is_some_and(|serving| std::ptr::eq(serving, first))
        };
        if is_second {
            (second, first)
        } else {
            (first, second)
        }
    }

    fn lane_of(&self, launch: &Launch) -> Option<&Lane> {
        self.lanes.iter().find(|lane| is_of(lane, launch))
    }

    /// Ends what still drains in a lane that is needed.
    async fn make_room(&self, lane: &Lane) -> Result<(), ServiceError> {
        if lane.process.is_of_another_boot() {
            lane.process.forget();
            return Ok(());
        }
        lane.process.note_retired(true);
        while lane.is_running().await && !lane.is_due(Duration::ZERO) {
            sleep(LOOK).await;
        }
        lane.stop().await
    }

    /// A port for an instance: one of the release's own, or a free one of the node's range. The
    /// search begins at a place that depends on the app, so that apps do not meet.
    fn free_port(&self, launch: &Launch, taken: Option<u16>) -> Result<u16, ServiceError> {
        let own = launch.spec.beside.as_ref().map(|beside| &beside.ports);
        if let Some(own) = own.filter(|own| !own.is_empty()) {
            let free = own.iter().copied().find(|port| Some(*port) != taken);
            return free.ok_or_else(|| no_port(launch));
        }
        let (low, high) = self.ports;
        let all = u64::from(high.saturating_sub(low)) + 1;
        let mut hasher = DefaultHasher::new();
        launch.app.as_str().hash(&mut hasher);
        let begin = hasher.finish() % all;
        (0..TRIES.min(all))
            .filter_map(|step| low.checked_add(u16::try_from((begin + step) % all).ok()?))
            .find(|port| {
                Some(*port) != taken && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()
            })
            .ok_or_else(|| no_port(launch))
    }
}

fn is_of(lane: &Lane, launch: &Launch) -> bool {
    lane.process.launch().as_ref() == Some(launch)
}

fn no_port(launch: &Launch) -> ServiceError {
    ServiceError::Start {
        app: launch.app.clone(),
        problem: "no port is free for it".to_owned(),
    }
}
