//! A controller and its nodes, as demo, proofs and end-to-end tests need them: the real binaries,
//! each node behind a link of its own.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sanaga_proto::wire::enrol::Token;
use serde_json::Value;

use crate::link::{Link, Plan};
use crate::notebook::Release;
use crate::world::{Cmd, Output, PATIENCE, Proc, Room, Step, World, eventually, free_port};

/// The passphrase of every key of a test.
const PASSPHRASE: &str = "a passphrase for tests only";

/// A controller that serves.
pub struct Controller<'w> {
    world: &'w World,
    name: String,
    home: PathBuf,
    port: u16,
    server: Option<Proc>,
    room: Option<Room>,
    environment: String,
}

/// A node that is enrolled.
pub struct Node<'w> {
    world: &'w World,
    /// Its name.
    pub name: String,
    /// Its folder.
    pub home: PathBuf,
    /// What it reaches the controller through.
    pub link: Link,
    agent: Option<Proc>,
    worker: Option<Proc>,
    starts: u32,
    room: Option<Room>,
    program: Option<PathBuf>,
}

/// How a node is set up.
#[derive(Debug, Clone)]
pub struct Seat {
    /// What its link is like.
    pub link: Plan,
    /// Its `agent.toml`.
    pub toml: String,
    /// Another agent than the one that is built for all tests.
    pub program: Option<PathBuf>,
}

impl Seat {
    /// Behind this link, with the short times of tests.
    #[must_use]
    pub fn behind(link: Plan) -> Self {
        Self {
            link,
            toml: AGENT_TOML.to_owned(),
            program: None,
        }
    }

    /// Polls so seldom that it only does when it is told to, or has something to tell.
    #[must_use]
    pub fn silent(mut self) -> Self {
        self.toml = self.toml.replace("interval_s = 5", "interval_s = 604800");
        self
    }
}

impl<'w> Controller<'w> {
    /// Founds a repository and serves it.
    ///
    /// # Errors
    /// When a command fails.
    pub fn start(world: &'w World) -> Result<Self> {
        Self::found(world, &[])
    }

    /// Founds a repository with more words to `init`, and serves it.
    ///
    /// # Errors
    /// When a command fails.
    pub fn found(world: &'w World, words: &[&str]) -> Result<Self> {
        let mut all = vec!["--person", "ada"];
        all.extend(words);
        Self::init(world, "controller", None, &all)
    }

    /// The same with nothing said of whose keys there are but these words.
    ///
    /// # Errors
    /// When a command fails.
    pub fn start_with(world: &'w World, words: &[String]) -> Result<Self> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Self::init(world, "controller", None, &words)
    }

    /// As [`Controller::start`], in a folder of that name, on a small disk of its own where one is
    /// given.
    ///
    /// # Errors
    /// When a command fails.
    pub fn start_in(world: &'w World, name: &str, room: Option<Room>) -> Result<Self> {
        Self::init(world, name, room, &["--person", "ada"])
    }

    fn init(world: &'w World, name: &str, room: Option<Room>, words: &[&str]) -> Result<Self> {
        let home = match &room {
            Some(room) => room.inside().to_owned(),
            None => world.dir(name)?,
        };
        let port = free_port()?;
        let mut controller = Self {
            world,
            name: name.to_owned(),
            home,
            port,
            server: None,
            room,
            environment: "dev".to_owned(),
        };
        world.write("passphrase", PASSPHRASE)?;
        let url = format!("https://127.0.0.1:{port}");
        controller
            .cmd()?
            .args(["init", "--name", "Demo", "--url", &url])
            .args(words)
            .ok()?;
        controller.serve()?;
        Ok(controller)
    }

    /// New nodes are of this environment from now on.
    pub fn enrol_into(&mut self, environment: &str) {
        environment.clone_into(&mut self.environment);
    }

    /// Serves, again if it was stopped.
    ///
    /// # Errors
    /// When the server does not come up.
    pub fn serve(&mut self) -> Result<()> {
        let listen = format!("127.0.0.1:{}", self.port);
        let mut server = self
            .world
            .spawn(&self.name, self.cmd()?.args(["serve", "--listen", &listen]))?;
        server.wait_for_line("Serving")?;
        self.server = Some(server);
        Ok(())
    }

    /// Stops serving; answers on their way are finished.
    ///
    /// # Errors
    /// When the server does not end.
    pub fn stop(&mut self) -> Result<()> {
        if let Some(mut server) = self.server.take() {
            server.terminate()?;
        }
        Ok(())
    }

    /// A command of the operator.
    ///
    /// # Errors
    /// When the binaries cannot be built.
    pub fn cmd(&self) -> Result<Cmd> {
        let passphrase = self.world.root().join("passphrase");
        let cmd = self
            .world
            .sanaga()?
            .env("SANAGA_HOME", &self.home)
            .env("SANAGA_PASSPHRASE_FILE", passphrase);
        Ok(match &self.room {
            Some(room) => room.enter(cmd),
            None => cmd,
        })
    }

    /// The small disk that its folder is on, if it has one.
    #[must_use]
    pub fn room(&self) -> Option<&Room> {
        self.room.as_ref()
    }

    /// The controller's folder.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> std::net::SocketAddr {
        std::net::SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Writes a release of the notebook and publishes it.
    ///
    /// # Errors
    /// When a command fails.
    pub fn publish(&self, release: &Release) -> Result<Output> {
        let project = self.world.dir("project")?;
        release.write(&project)?;
        self.publish_folder(&project)
    }

    /// Publishes the project of a folder in `dev`.
    ///
    /// # Errors
    /// When the command fails.
    pub fn publish_folder(&self, project: &Path) -> Result<Output> {
        self.cmd()?
            .arg("publish")
            .arg(project)
            .args(["--env", "dev"])
            .ok()
    }

    /// Sets a setting of an app on one node, as `name=value`.
    ///
    /// # Errors
    /// When the command fails.
    pub fn set(&self, app: &str, setting: &str, node: &str) -> Result<Output> {
        let to = format!("node={node}");
        self.cmd()?.args(["set", app, setting, "--to", &to]).ok()
    }

    /// Assigns a release.
    ///
    /// # Errors
    /// When the command fails.
    pub fn assign(&self, release: &str, to: &str) -> Result<Output> {
        self.cmd()?
            .args(["assign", release, "--to", to, "--yes"])
            .ok()
    }

    /// A token for a node.
    ///
    /// # Errors
    /// When the command fails.
    pub fn token(&self, site: &str, node: &str) -> Result<Token> {
        let made = self
            .cmd()?
            .args(["enroll", "token", "--site", site, "--node", node])
            .args(["--env", &self.environment])
            .ok()?;
        let text = made.stdout.lines().next().unwrap_or_default();
        Token::from_text(text).with_context(|| made.transcript())
    }

    /// Enrols a node that reaches this controller through a link of its own, and starts its agent.
    ///
    /// # Errors
    /// When a command fails.
    pub fn enrol(&self, site: &str, name: &str, plan: Plan) -> Result<Node<'w>> {
        self.enrol_as(site, name, Seat::behind(plan))
    }

    /// Enrols a node that is set up like that, and starts its agent.
    ///
    /// # Errors
    /// When a command fails.
    pub fn enrol_as(&self, site: &str, name: &str, seat: Seat) -> Result<Node<'w>> {
        self.enrol_in(site, name, seat, None)
    }

    /// The same, with the node's folder on a small disk of its own where one is given.
    ///
    /// # Errors
    /// When a command fails.
    pub fn enrol_in(
        &self,
        site: &str,
        name: &str,
        seat: Seat,
        room: Option<Room>,
    ) -> Result<Node<'w>> {
        let link = Link::start(self.address(), seat.link)?;
        // The node knows the controller by the near end of its link.
        let token = Token {
            url: format!("https://127.0.0.1:{}", link.port()),
            ..self.token(site, name)?
        };
        let home = match &room {
            Some(room) => room.inside().to_owned(),
            None => self.world.dir(name)?,
        };
        let mut node = Node {
            world: self.world,
            name: name.to_owned(),
            home,
            link,
            agent: None,
            worker: None,
            starts: 0,
            program: seat.program,
            room,
        };
        std::fs::write(node.folder().join("agent.toml"), seat.toml)?;
        node.cmd()?.args(["enroll", &token.to_text()]).ok()?;
        node.start()?;
        Ok(node)
    }

    /// What the controller knows of a node, as JSON.
    ///
    /// # Errors
    /// When the command fails.
    pub fn node(&self, name: &str) -> Result<Value> {
        let shown = self
            .cmd()?
            .args(["node", "show", name, "--output", "json"])
            .ok()?;
        serde_json::from_str(&shown.stdout).with_context(|| shown.transcript())
    }
}

/// In the environment that the units give: what an update took goes back to the machine.
fn as_unit(cmd: Cmd) -> Cmd {
    cmd.env("MALLOC_ARENA_MAX", "1")
        .env("MALLOC_TRIM_THRESHOLD_", "131072")
        .env("MALLOC_MMAP_THRESHOLD_", "131072")
}

/// Short times, so that a story of hours is told in minutes.
const AGENT_TOML: &str = "
[poll]
interval_s = 5
jitter_percent = 0
[fetch]
stall_s = 5
connect_s = 5
retry_min_s = 1
retry_max_s = 4
[limits]
disk_free_bytes_min = 1048576
";

impl Node<'_> {
    /// A command at the node.
    ///
    /// # Errors
    /// When the binaries cannot be built.
    pub fn cmd(&self) -> Result<Cmd> {
        let agent = match &self.program {
            Some(program) => self.world.cmd(program),
            None => self.world.agent()?,
        };
        let cmd = agent.env("SANAGA_HOME", &self.home);
        Ok(match &self.room {
            Some(room) => room.enter(cmd),
            None => cmd,
        })
    }

    /// Its folder as this process sees it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.room.as_ref().map_or(&self.home, Room::outside)
    }

    /// The small disk that its folder is on, if it has one.
    #[must_use]
    pub fn room(&self) -> Option<&Room> {
        self.room.as_ref()
    }

    /// Starts the agent.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(&mut self) -> Result<()> {
        self.starts += 1;
        let log = format!("{}-{}", self.name, self.starts);
        let mut agent = self.world.spawn(&log, self.cmd()?.arg("run"))?;
        agent.wait_for_line("agent is running")?;
        self.agent = Some(agent);
        Ok(())
    }

    /// Starts the agent's privileged side alone; its worker is another process, or nobody.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start_helper(&mut self) -> Result<()> {
        self.starts += 1;
        let log = format!("{}-{}-helper", self.name, self.starts);
        // The worker of a test is of the same user.
        let words = ["helper", "--worker-user", "root"];
        let mut helper = self.world.spawn(&log, as_unit(self.cmd()?.args(words)))?;
        helper.wait_for_line("agent is running")?;
        self.agent = Some(helper);
        Ok(())
    }

    /// Starts the side of the agent that talks to the network.
    ///
    /// # Errors
    /// When it does not find the helper.
    pub fn start_worker(&mut self) -> Result<()> {
        self.starts += 1;
        let log = format!("{}-{}-worker", self.name, self.starts);
        let mut worker = self.world.spawn(&log, as_unit(self.cmd()?.arg("worker")))?;
        worker.wait_for_line("the helper is here")?;
        self.worker = Some(worker);
        Ok(())
    }

    /// Ends the worker at once.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill_worker(&mut self) -> Result<()> {
        if let Some(mut worker) = self.worker.take() {
            worker.kill()?;
        }
        Ok(())
    }

    /// Ends the agent at once, as a power cut of its process would.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut agent) = self.agent.take() {
            agent.kill()?;
        }
        Ok(())
    }

    /// The worker's process, while one of its own runs.
    #[must_use]
    pub fn worker(&self) -> Option<&Proc> {
        self.worker.as_ref()
    }

    /// The agent's process, while it runs.
    #[must_use]
    pub fn agent(&self) -> Option<&Proc> {
        self.agent.as_ref()
    }

    /// How the node says that it is.
    ///
    /// # Errors
    /// When the command fails.
    pub fn status(&self) -> Result<Value> {
        let shown = self.cmd()?.args(["status", "--output", "json"]).ok()?;
        serde_json::from_str(&shown.stdout).with_context(|| shown.transcript())
    }

    /// How one of its apps is; null when the node does not know it.
    ///
    /// # Errors
    /// When the command fails.
    pub fn app(&self, app: &str) -> Result<Value> {
        let status = self.status()?;
        let apps = status
            .get("apps")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        Ok(apps
            .into_iter()
            .find(|found| found.get("app").is_some_and(|name| name == app))
            .unwrap_or_default())
    }

    /// Waits until an app runs a version in a phase.
    ///
    /// # Errors
    /// When it stands still on the way, or ends in another phase that does not change by itself.
    pub fn wait_for(&self, app: &str, version: &str, phase: &str) -> Result<Value> {
        eventually(
            &format!("{app} {version} {phase} on {}", self.name),
            PATIENCE * 2,
            || {
                let found = self.app(app)?;
                let text = |name: &str| {
                    found
                        .get(name)
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                        .to_owned()
                };
                if text("version") == version && text("phase") == phase {
                    return Ok(Step::Done(found));
                }
                if text("phase") == "needs_hands" {
                    bail!("{app} on {} needs hands: {found}", self.name);
                }
                let moved = (
                    found.get("fetched").cloned(),
                    found.get("soak_left_s").cloned(),
                );
                Ok(Step::Waiting(format!(
                    "{} {} {moved:?}",
                    text("version"),
                    text("phase")
                )))
            },
        )
    }

    /// The tree that `current` names.
    ///
    /// # Errors
    /// When there is none.
    pub fn current(&self, app: &str) -> Result<PathBuf> {
        let app = self.folder().join("apps").join(app);
        let link = app.join("current");
        // The link is read by hand: `canonicalize` would leave the small disk again.
        let slot = std::fs::read_link(&link).with_context(|| link.display().to_string())?;
        Ok(app.join(slot))
    }
}
