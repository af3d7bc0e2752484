//! A node behind a UPS, which the dummy driver of Network UPS Tools plays.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use sanaga_tests::link::Plan;
use sanaga_tests::notebook::Release;
use sanaga_tests::site::{Controller, Node, Seat};
use sanaga_tests::world::{PATIENCE, Proc, Step, World, eventually, free_port};
use serde_json::Value;

/// `SNG-0516`, the battery is too empty.
const POWER_LOW: u64 = 516;

/// `upsd` with one UPS, `till`.
struct Nut {
    folder: PathBuf,
    port: u16,
    _programs: [Proc; 2],
}

impl Nut {
    fn start(world: &World) -> Result<Self> {
        let folder = world.dir("nut")?;
        let port = free_port()?;
        let state = world.dir("nut/state")?;
        let write = |name: &str, text: &str| fs::write(folder.join(name), text);
        write(
            "ups.conf",
            "[till]\n  driver = dummy-ups\n  port = till.dev\n",
        )?;
        let listen = format!("LISTEN 127.0.0.1 {port}\nSTATEPATH {}\n", state.display());
        write("upsd.conf", &listen)?;
        write("upsd.users", "")?;
        say(&folder, "OL", 100)?;
        let program = |name: &str, words: &[&str]| {
            let cmd = world
                .cmd(Path::new("/lib/nut").join(name))
                .args(words)
                .env("NUT_CONFPATH", &folder)
                .env("NUT_STATEPATH", &state)
                .env("NUT_ALTPIDPATH", &state);
            world.spawn(name, cmd)
        };
        let driver = program("dummy-ups", &["-a", "till", "-F", "-u", "root"])?;
        let socket = state.join("dummy-ups-till");
        eventually("the driver", PATIENCE, || {
            Ok(if socket.exists() {
                Step::Done(())
            } else {
                Step::Waiting(String::new())
            })
        })?;
        let server = program("upsd", &["-F", "-u", "root"])?;
        Ok(Self {
            folder,
            port,
            _programs: [driver, server],
        })
    }
}

/// What the UPS says from now on; its driver reads the file again when it changed.
fn say(folder: &Path, status: &str, charge: u8) -> Result<()> {
    let text = format!("ups.status: {status}\nbattery.charge: {charge}\n");
    fs::write(folder.join("till.dev"), text).context("till.dev")
}

/// Waits until the update stands still for want of power.
fn waits(node: &Node<'_>, running: &str) -> Result<()> {
    eventually("the update waits", PATIENCE, || {
        let app = node.app("notebook")?;
        let text = |name: &str| app.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("version") != running {
            bail!("{} runs", text("version"));
        }
        let code = app.pointer("/failure/0").and_then(Value::as_u64);
        if text("phase") == "armed" && code == Some(POWER_LOW) {
            return Ok(Step::Done(()));
        }
        Ok(Step::Waiting(format!("{} {code:?}", text("phase"))))
    })
}

/// On a battery at 20 % nothing is activated, but by an operator's word; when the power is back it goes
/// on by itself.
pub fn an_update_waits_for_a_charged_battery() -> Result<()> {
    World::run("power", |world| {
        let nut = Nut::start(world)?;
        let controller = Controller::start(world)?;
        let mut seat = Seat::behind(Plan::new(3));
        let (port, none) = (free_port()?, world.dir("no-supply")?);
        seat.toml.push_str(&format!(
            "[settings.notebook]\nport = {port}\n[power]\nups = \"till@localhost:{}\"\nsupply = \"{}\"\n",
            nut.port,
            none.display()
        ));
        let node = controller.enrol_as("akwa", "akwa-1", seat)?;
        let next = |version: &str| -> Result<()> {
            controller.publish(&Release::new(version).soak_s(1))?;
            controller.assign(&format!("notebook@{version}"), "node=akwa-1")?;
            Ok(())
        };
        next("1.0.0")?;
        node.wait_for("notebook", "1.0.0", "committed")?;

        say(&nut.folder, "OB DISCHRG", 20)?;
        std::thread::sleep(std::time::Duration::from_secs(16));
        next("1.1.0")?;
        waits(&node, "1.0.0")?;
        let said = node.cmd()?.args(["status", "--lang", "fr"]).ok()?;
        ensure!(
            said.stderr.contains("sur batterie"),
            "{}",
            said.transcript()
        );
        node.cmd()?.args(["activate", "notebook"]).ok()?;
        node.wait_for("notebook", "1.1.0", "committed")?;

        next("1.2.0")?;
        waits(&node, "1.1.0")?;
        say(&nut.folder, "OL CHRG", 21)?;
        node.wait_for("notebook", "1.2.0", "committed")?;
        Ok(())
    })
}
