//! Three people, three keys, two signatures at a time: a release goes from dev to production, people
//! change, and a node follows, over the network and from a stick.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use sanaga_tests::http;
use sanaga_tests::link::Plan;
use sanaga_tests::notebook::Release;
use sanaga_tests::seed;
use sanaga_tests::site::{Controller, Node};
use sanaga_tests::world::{Cmd, Output, World, free_port};
use serde_json::Value;

/// Everybody who has a key at some time; `ci` is the build system.
const EVERYBODY: [&str; 6] = ["ada", "bea", "cyd", "ci", "dan", "eve"];

/// The whole ceremony, as an operator and two key holders would go through it.
pub fn three_people() -> Result<()> {
    World::run("ceremony", |world| {
        let desk = Desk::found(world)?;
        desk.has_the_table()?;
        let release = Release::new("1.0.0");
        desk.publish(&release)?;
        desk.by("ada", &["promote", "notebook@1.0.0", "--to", "staging"])?
            .says("Published notebook@1.0.0 in staging")?;
        let node = desk.node("akwa-1")?;
        desk.two_promote("notebook@1.0.0", ["ada", "bea"])?;
        desk.install(&node, "1.0.0")?;

        // Cyd leaves, Dan comes: two of the old three agree, and his signature counts from then on.
        desk.replace("cyd", "dan", ["ada", "bea"])?;
        desk.publish(&Release::new("1.1.0"))?;
        desk.two_promote("notebook@1.1.0", ["dan", "ada"])?;
        desk.install(&node, "1.1.0")?;

        // With the link gone, Bea leaves as well: the stick carries the whole chain of roots.
        node.link.down();
        desk.replace("bea", "eve", ["ada", "dan"])?;
        desk.publish(&Release::new("1.2.0"))?;
        desk.two_promote("notebook@1.2.0", ["eve", "dan"])?;
        desk.by_stick(&node, "1.2.0")?;
        desk.controller.cmd()?.arg("doctor").ok()?;
        Ok(())
    })
}

/// What `init` made to try out becomes the table, by what `doctor` says, until it says no more.
pub fn from_one_to_three() -> Result<()> {
    World::run("grow", |world| {
        let controller = Controller::start(world)?;
        let missing = controller.cmd()?.arg("doctor").ok()?;
        for role in ["root", "targets", "production", "dev"] {
            missing.says(&format!("roles     {role}"))?;
        }
        for name in ["bea", "cyd", "ci"] {
            controller.cmd()?.args(["key", "new", name]).ok()?;
        }
        for line in [
            "role set root --threshold 2 --key ada bea cyd",
            "role set targets --threshold 2 --key ada bea cyd",
            "role set production --threshold 2 --key ada bea cyd",
            "role set staging --threshold 1 --key ada bea cyd",
            "role set dev --threshold 1 --key ci",
        ] {
            controller.cmd()?.line(line).ok()?;
        }
        // Root is whole first, and waits for targets, which the old and the new keys sign.
        for line in ["sign root --key ada", "sign root --key bea"] {
            controller.cmd()?.line(line).ok()?;
        }
        controller
            .cmd()?
            .arg("pending")
            .ok()?
            .says("root version 2")?;
        controller.cmd()?.line("sign targets --key ada").ok()?;
        controller
            .cmd()?
            .line("sign targets --key bea")
            .ok()?
            .says("targets version 2 is signed and current")?
            .says("root version 2 is signed and current")?;
        for (role, key) in [("dev", "ci"), ("production", "ada"), ("production", "bea")] {
            let cmd = controller.cmd()?.args(["sign", role, "--key", key]);
            cmd.ok()?;
        }
        controller
            .cmd()?
            .arg("doctor")
            .ok()?
            .says("All is as it should be.")?;
        Ok(())
    })
}

/// The operator's desk. Key files lie where their people are.
struct Desk<'w> {
    world: &'w World,
    controller: Controller<'w>,
}

impl<'w> Desk<'w> {
    fn found(world: &'w World) -> Result<Self> {
        let mut args = vec!["--people".to_owned(), "3".to_owned()];
        for name in ["ada", "bea", "cyd"] {
            args.extend(["--person".to_owned(), name.to_owned()]);
        }
        for name in EVERYBODY {
            let file = world.write(
                &format!("{name}/passphrase"),
                format!("the passphrase of {name}"),
            )?;
            if ["ada", "bea", "cyd", "ci"].contains(&name) {
                let file = file.to_str().context("a path in UTF-8")?.to_owned();
                args.extend(["--passphrase-file".to_owned(), file]);
            }
        }
        let mut controller = Controller::start_with(world, &args)?;
        controller.enrol_into("production");
        let desk = Self { world, controller };
        for name in ["ada", "bea", "cyd", "ci"] {
            desk.hand_out(name)?;
        }
        Ok(desk)
    }

    /// Everybody takes their key file away; only public halves stay.
    fn hand_out(&self, name: &str) -> Result<()> {
        let from = self.controller.home().join(format!("keys/{name}.age"));
        std::fs::copy(&from, self.key(name))?;
        std::fs::remove_file(&from)?;
        Ok(())
    }

    fn key(&self, name: &str) -> PathBuf {
        self.world.root().join(name).join(format!("{name}.age"))
    }

    fn passphrase(&self, name: &str) -> PathBuf {
        self.world.root().join(name).join("passphrase")
    }

    /// A command that this person signs.
    fn signed(&self, name: &str) -> Result<Cmd> {
        let passphrase = self.passphrase(name);
        Ok(self
            .controller
            .cmd()?
            .env("SANAGA_PASSPHRASE_FILE", passphrase))
    }

    fn by(&self, name: &str, args: &[&str]) -> Result<Output> {
        let cmd = self.signed(name)?.args(args);
        cmd.arg("--key").arg(self.key(name)).ok()
    }

    /// The roles are those of the table in docs/trust.md, and the doctor misses nothing.
    fn has_the_table(&self) -> Result<()> {
        let listed = self.controller.cmd()?.line("key ls --output json").ok()?;
        let listed: Value = serde_json::from_str(&listed.stdout)?;
        let roles = listed.get("roles").and_then(Value::as_array);
        let found: Vec<(&str, u64, usize)> = roles
            .into_iter()
            .flatten()
            .filter_map(|role| {
                let keys = role.get("keys")?.as_array()?.len();
                Some((
                    role.get("role")?.as_str()?,
                    role.get("threshold")?.as_u64()?,
                    keys,
                ))
            })
            .collect();
        for wanted in [
            ("root", 2, 3),
            ("targets", 2, 3),
            ("production", 2, 3),
            ("staging", 1, 3),
            ("dev", 1, 1),
        ] {
            ensure!(found.contains(&wanted), "{wanted:?} is not in {found:?}");
        }
        let doctor = self.controller.cmd()?.arg("doctor").ok()?;
        doctor.says("All is as it should be.")?;
        Ok(())
    }

    /// The build system publishes by itself, and can sign nothing but dev.
    fn publish(&self, release: &Release) -> Result<()> {
        let project = self.world.dir("project")?;
        release.write(&project)?;
        let project = project.to_str().context("a path in UTF-8")?;
        self.by("ci", &["publish", project, "--env", "dev"])?
            .says(&format!("Published {} in dev", release.name()))?;
        let refused = self.signed("ci")?.args(["promote", &release.name()]);
        let refused = refused
            .args(["--to", "production", "--key"])
            .arg(self.key("ci"));
        refused.exits(7)?.says("SNG-0620")?;
        Ok(())
    }

    /// One signature is not enough for production; whose is missing is said; the second one is.
    fn two_promote(&self, release: &str, [first, second]: [&str; 2]) -> Result<()> {
        self.by(first, &["promote", release, "--to", "production"])?
            .says("1 of 2 signatures")?;
        let pending = self.controller.cmd()?.arg("pending").ok()?;
        pending
            .says("production")?
            .says(&format!("signed by {first}"))?;
        let still = pending.stdout.split("may still sign: ").nth(1);
        let still = still.and_then(|rest| rest.lines().next());
        let still = still.with_context(|| pending.transcript())?;
        ensure!(
            still.contains(second) && !still.contains(first),
            "{}",
            pending.transcript()
        );
        // Nothing that one person signed reaches a node.
        let early = ["assign", release, "--to", "env=production", "--yes"];
        self.controller
            .cmd()?
            .args(early)
            .exits(7)?
            .says("SNG-0623")?;
        self.by(second, &["sign", "production"])?
            .says("is signed and current")?;
        let none = self.controller.cmd()?.arg("pending").ok()?;
        none.says("Nothing waits for a signature.")?;
        Ok(())
    }

    fn node(&self, name: &str) -> Result<Node<'w>> {
        let node = self
            .controller
            .enrol("douala-akwa", name, Plan::new(seed::chosen()))?;
        let port = free_port()?;
        std::fs::write(node.home.join("port"), port.to_string())?;
        let (setting, to) = (format!("port={port}"), format!("node={name}"));
        self.controller
            .cmd()?
            .args(["set", "notebook", &setting, "--to", &to])
            .ok()?;
        Ok(node)
    }

    fn install(&self, node: &Node<'_>, version: &str) -> Result<()> {
        let release = format!("notebook@{version}");
        self.controller
            .assign(&release, &format!("node={}", node.name))?;
        node.cmd()?.arg("pull").ok()?;
        node.wait_for("notebook", version, "committed")?;
        answers(&node.home, version)
    }

    /// One person's key takes the place of another's in every role, once two of the old ones say so.
    fn replace(&self, old: &str, new: &str, signers: [&str; 2]) -> Result<()> {
        self.signed(new)?.args(["key", "new", new]).ok()?;
        self.hand_out(new)?;
        let export = self.controller.cmd()?.args(["key", "export", new]).ok()?;
        export.says(&format!("\"name\": \"{new}\""))?;
        let file = self.world.write(&format!("{new}.pub"), &export.stdout)?;
        self.controller
            .cmd()?
            .args(["key", "rotate", old, "--with"])
            .arg(&file)
            .ok()?
            .says("root version")?
            .says("targets version")?;
        for role in ["root", "targets"] {
            for signer in signers {
                self.by(signer, &["sign", role])?;
            }
        }
        let none = self.controller.cmd()?.arg("pending").ok()?;
        none.says("Nothing waits for a signature.")?;
        let refused = self.signed(old)?.line("role renew staging").ok()?;
        refused.says("staging")?;
        let refused = self.signed(old)?.args(["sign", "staging", "--key"]);
        refused.arg(self.key(old)).exits(7)?.says("SNG-0620")?;
        self.by(new, &["sign", "staging"])?
            .says("is signed and current")?;
        Ok(())
    }

    /// The same from a file, to a node that no network reaches.
    fn by_stick(&self, node: &Node<'_>, version: &str) -> Result<()> {
        let release = format!("notebook@{version}");
        self.controller
            .assign(&release, &format!("node={}", node.name))?;
        let stick = self.world.root().join("stick.sanaga");
        self.controller
            .cmd()?
            .args(["bundle", "export", &release, "--for", &node.name, "--to"])
            .arg(&stick)
            .ok()?;
        let before = node.link.counts().down.delivered;
        node.cmd()?.args(["install", "--from"]).arg(&stick).ok()?;
        node.wait_for("notebook", version, "committed")?;
        let came = node.link.counts().down.delivered - before;
        ensure!(came == 0, "{came} bytes came over a link that was down");
        answers(&node.home, version)
    }
}

fn answers(home: &Path, version: &str) -> Result<()> {
    let port = std::fs::read_to_string(home.join("port"))?;
    let answer = http::get(&format!("http://127.0.0.1:{port}/version"))?;
    ensure!(
        answer.status == 200 && answer.text().contains(version),
        "{version} does not answer: {}",
        answer.text()
    );
    Ok(())
}
