//! From a stopped agent to a running one: lock, enrolment, database, apps, tasks; and back.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::AppName;
use sanaga_proto::wire::receipt::EventKind;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local};

use super::driver::drive;
use super::from_disk::from_disk;
use super::lives::Life;
use super::manager;
use super::node::{App, Contact, Node};
use super::poller::poll_for_ever;
use super::socket::listen;
use super::waiting;
use crate::backup::Sets;
use crate::cli::{RunOptions, Side};
use crate::clock::{Clock, SystemClock};
use crate::config::{Log, LogFormat, LogLevel};
use crate::disk;
use crate::fetch::retry::Breaker;
use crate::helper::Helper;
use crate::identity::{Identity, IdentityFiles};
use crate::service::{Service, ServiceOptions};
use crate::slot::AppFolder;
use crate::store::shared::SharedStore;
use crate::store::state;
use crate::update::Journal;
use crate::worker::{self, Away, Hands, Worker};

/// Runs the daemon until it is told to stop. What it supervises goes on without it.
///
/// # Errors
/// [`code::LOCKED`], or a fault of the disk.
pub fn run(options: RunOptions) -> Result<(), Failure> {
    log_to_stderr(&options.config.log);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(2)
        .build()
        .map_err(|error| Failure::new(code::INTERNAL).arg("problem", error))?;
    let local = LocalSet::new();
    runtime.block_on(local.run_until(live(options)))
}

/// A life that follows many short ones begins with a pause.
async fn live(options: RunOptions) -> Result<(), Failure> {
    spawn_local(manager::heartbeat());
    let mut stop = std::pin::pin!(stopped());
    let life = Life::begin(&options.paths.run);
    if !life.pause.is_zero() {
        tracing::warn!(pause = ?life.pause, "the agent ended badly several times; it waits");
        tokio::select! {
            () = tokio::time::sleep(life.pause) => {}
            () = &mut stop => return Ok(()),
        }
    }
    let ended = if options.side == Side::Worker {
        manager::ready("the network side");
        tokio::select! {
            () = worker::serve(&options) => Ok(()),
            () = stop => Ok(()),
        }
    } else {
        serve(options, stop).await
    };
    if ended.is_ok() {
        life.end_well();
    }
    ended
}

/// The journal of the system, or a file that stderr goes to, keeps it. Always in English.
fn log_to_stderr(log: &Log) {
    let level = match log.level {
        LogLevel::Error => tracing::Level::ERROR,
        LogLevel::Warn => tracing::Level::WARN,
        LogLevel::Info => tracing::Level::INFO,
        LogLevel::Debug => tracing::Level::DEBUG,
        LogLevel::Trace => tracing::Level::TRACE,
    };
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(false)
        .with_writer(std::io::stderr);
    // A second daemon in one process, as in tests, keeps the first one's log.
    let _ = match log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

async fn serve(
    options: RunOptions,
    mut stop: Pin<&mut impl Future<Output = ()>>,
) -> Result<(), Failure> {
    let paths = &options.paths;
    for folder in [&paths.state, &paths.apps, &paths.worker, &paths.run] {
        sanaga_durable::make_dir(folder).map_err(|error| disk::durable_failure(folder, error))?;
    }
    let lock_path = paths.state.join("lock");
    let lock = sanaga_durable::Lock::try_acquire(&lock_path)
        .map_err(|error| disk::durable_failure(&lock_path, error))?;
    let _lock = lock.map_err(|_| Failure::new(code::LOCKED).arg("path", paths.state.display()))?;
    let listener = bind_to(&paths.socket)?;
    let files = paths.identity_files();
    let identity = tokio::select! {
        identity = waiting::enrolment(&files, &listener) => identity?,
        () = &mut stop => {
            let _ = std::fs::remove_file(&paths.socket);
            return Ok(());
        }
    };
    let worker = worker_of(&options, &files)?;
    let node = Rc::new(open(options.clone(), identity, files, worker)?);
    node.know_apps()?;
    let apps: Vec<Rc<App>> = node.apps.borrow().values().cloned().collect();
    node.follow_assignment(&apps)?;
    if let Err(failure) = note_boot(&node) {
        // A full disk costs the receipt of a boot, not the site its service.
        tracing::warn!(%failure, "the boot is not noted");
    }
    node.learn_outage();
    for app in apps {
        spawn_local(drive(Rc::clone(&node), app));
    }
    let poller = spawn_local(poll_for_ever(Rc::clone(&node)));
    let socket = spawn_local(listen(Rc::clone(&node), listener));
    let newcomers = spawn_local(start_newcomers(Rc::clone(&node)));
    let ticking = Rc::clone(&node);
    let ticker = spawn_local(async move {
        loop {
            let asked = Arc::clone(&ticking.clock);
            // Asking the kernel may block; the answer only decides whether the wall clock is sure.
            let _ = tokio::task::spawn_blocking(move || asked.refresh()).await;
            ticking.note_alive();
            tokio::time::sleep(std::time::Duration::from_secs(600)).await;
        }
    });
    tracing::info!(node = %node.helper.identity().node, "agent is running");
    manager::ready(&manager::status(&node));
    let status = spawn_local(manager::keep_status(Rc::clone(&node)));
    tokio::select! {
        () = stop => {}
        () = node.stop.notified() => {}
    }
    manager::stopping();
    node.note_end();
    for task in [poller, socket, newcomers, ticker, status] {
        task.abort();
    }
    let _ = std::fs::remove_file(&paths.socket);
    tracing::info!("agent stops; what it supervises goes on");
    node.broken.borrow_mut().take().map_or(Ok(()), Err)
}

/// The side that talks to the network: in this process, or one that will connect.
fn worker_of(options: &RunOptions, files: &IdentityFiles) -> Result<Worker, Failure> {
    let Side::Helper { worker_user } = &options.side else {
        let hands = Hands::new(&options.paths, &options.config);
        return Ok(Worker::Here(Rc::new(hands)));
    };
    let paths = &options.paths;
    let users = worker::owner::hand_over(files, &paths.packs, worker_user)?;
    let listener = bind_to(&paths.worker_socket)?;
    worker::owner::give_socket(&paths.worker_socket, worker_user)?;
    let away = Rc::new(Away::default());
    spawn_local(Rc::clone(&away).listen(listener, users));
    Ok(Worker::Away(away))
}

fn open(
    options: RunOptions,
    identity: Identity,
    files: IdentityFiles,
    worker: Worker,
) -> Result<Node, Failure> {
    let paths = options.paths;
    let floors = paths.state.join("floors");
    let (store, lost) = SharedStore::open(&paths.database, &floors).map_err(Failure::of)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(options.config.clock));
    let (store, now) = (Arc::new(store), clock.read());
    let helper = Helper::open(store, lost, identity, files, paths.apps.clone(), now)?;
    let breakers = breakers(&helper, now.uptime_s)?;
    Ok(Node {
        config: options.config,
        paths,
        clock,
        helper: Arc::new(helper),
        worker,
        apps: RefCell::default(),
        contact: RefCell::new(Contact::default()),
        broken: RefCell::default(),
        stop: Notify::new(),
        breakers: RefCell::new(breakers),
        supply: Cell::new(None),
        poll_now: Notify::new(),
        changed: Notify::new(),
        polls: Cell::new(0),
        polling: Cell::new(false),
        polled: Notify::new(),
    })
}

/// How hosts behaved in the former life: a thousand agents that come back together do not all call
/// a host that failed them.
fn breakers(helper: &Helper, uptime_s: u64) -> Result<BTreeMap<String, Breaker>, Failure> {
    let failed = helper.store().read(state::failed_hosts)?;
    let breakers = failed.into_iter().map(|host| {
        let breaker = Breaker {
            failures: host.failures,
            until_uptime_s: uptime_s.saturating_add(host.pause_s),
        };
        (host.url, breaker)
    });
    Ok(breakers.collect())
}

/// A socket that is left from a killed agent is ours to remove: the lock says that nobody else runs.
fn bind_to(socket: &Path) -> Result<UnixListener, Failure> {
    let _ = std::fs::remove_file(socket);
    let listener = UnixListener::bind(socket).map_err(|error| disk::failure(socket, error))?;
    let private = std::fs::Permissions::from_mode(0o660);
    std::fs::set_permissions(socket, private).map_err(|error| disk::failure(socket, error))?;
    Ok(listener)
}

impl Node {
    /// Makes the daemon know every app that the journal, the disk or the assignment names.
    ///
    /// # Errors
    /// A fault of the disk.
    pub fn know_apps(&self) -> Result<(), Failure> {
        let journals: BTreeMap<String, String> = self
            .helper
            .store()
            .read(state::journals)?
            .into_iter()
            .collect();
        let mut names: Vec<AppName> = journals
            .keys()
            .filter_map(|name| name.parse().ok())
            .collect();
        let entries = std::fs::read_dir(&self.paths.apps)
            .into_iter()
            .flatten()
            .flatten();
        names.extend(entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()));
        if let Some(assignment) = self.helper.assignment()? {
            names.extend(assignment.apps.into_iter().map(|app| app.app));
        }
        for name in names {
            if self.apps.borrow().contains_key(&name) {
                continue;
            }
            let app = self.open_app(
                name.clone(),
                journals.get(name.as_str()).map(String::as_str),
            )?;
            self.apps.borrow_mut().insert(name, Rc::new(app));
            self.changed.notify_waiters();
        }
        Ok(())
    }

    fn open_app(&self, name: AppName, journal: Option<&str>) -> Result<App, Failure> {
        let folder = AppFolder::new(&self.paths.apps, &name);
        sanaga_durable::make_dir(&folder.service())
            .map_err(|error| disk::durable_failure(&folder.service(), error))?;
        let sets = Sets::new(&self.paths.snapshots, &name);
        let journal = match journal.map(Journal::from_json) {
            Some(Ok(journal)) => journal,
            Some(Err(error)) => {
                tracing::warn!(app = %name, %error, "the journal is made anew from the disk");
                from_disk(&name, &folder, &sets)?
            }
            None => from_disk(&name, &folder, &sets)?,
        };
        let options = ServiceOptions::of(&self.config, &name);
        let service = Service::open(
            name.clone(),
            &folder.service(),
            options,
            Arc::clone(&self.clock),
        )
        .map_err(Failure::of)?;
        Ok(App {
            name,
            folder,
            journal: RefCell::new(journal),
            service,
            monitor: RefCell::default(),
            outage: Cell::default(),
            wanted: RefCell::default(),
            seals: RefCell::default(),
            order: RefCell::default(),
            last: RefCell::default(),
            pack: RefCell::default(),
            damaged_bases: RefCell::default(),
            needs_full: Cell::new(false),
            noted: Cell::new(0),
            past_budget: RefCell::default(),
            wake: Notify::new(),
            phase_since_s: Cell::new(self.clock.read().uptime_s),
            failure: RefCell::default(),
            last_receipt: Cell::new(None),
        })
    }
}

/// One receipt for each boot of the machine, not for each start of the agent.
fn note_boot(node: &Node) -> Result<(), Failure> {
    let now = node.clock.read();
    let known = node.helper.store().read(|db| state::note(db, "boot"))?;
    if known.as_deref() != Some(now.boot.as_slice()) {
        node.helper.note_event(EventKind::Booted, None, "", now)?;
        node.helper
            .store()
            .write(|db| state::set_note(db, "boot", &now.boot))?;
    }
    Ok(())
}

/// Apps that an assignment names for the first time get their task.
async fn start_newcomers(node: Rc<Node>) {
    let mut known: Vec<AppName> = node.apps.borrow().keys().cloned().collect();
    loop {
        let apps: Vec<Rc<App>> = node.apps.borrow().values().cloned().collect();
        for app in apps {
            if !known.contains(&app.name) {
                known.push(app.name.clone());
                spawn_local(drive(Rc::clone(&node), app));
            }
        }
        tokio::select! {
            () = node.changed.notified() => {}
            () = tokio::time::sleep(std::time::Duration::from_secs(1)) => {}
        }
    }
}

async fn stopped() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
