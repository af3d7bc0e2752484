//! `docs/first-hour.md`, run line by line against the real programs.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};

use super::{Args, Outcome, Proof};
use crate::link::{Cuts, Link, Plan};
use crate::notebook::Release;
use crate::transcript::{self, Command, Step};
use crate::world::{
    Cmd, Mask, PATIENCE, Proc, Step as Wait, World, binaries, eventually, free_port, workspace_root,
};

/// The proof.
pub const PROOF: Proof = Proof {
    name: "first-hour",
    shows: "every command of docs/first-hour.md prints what the page says",
    run,
};

/// What the page calls the controller.
const PUBLIC: &str = "deploy.pharmaplus.cm:8443";
/// The token of the page.
const TOKEN: &str = "sanaga1:h8Xk…Qw";
/// Short times in the place of what a real site has.
const AGENT_TOML: &str = "[poll]\ninterval_s = 5\njitter_percent = 0\n[probation]\nsoak_s = 12\n\
    [fetch]\nstall_s = 5\nretry_min_s = 1\nretry_max_s = 2\n\
    [limits]\ndisk_free_bytes_min = 1048576\n";

fn run(args: &Args) -> Result<Outcome> {
    let path = workspace_root().join("docs/first-hour.md");
    let page = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    World::run("hour", |world| {
        let mut hour = Hour::new(world, &page, args.seed)?;
        let (mut commands, mut as_printed) = (0, 0);
        for step in transcript::parse(&page) {
            match step {
                Step::Direction(what) => hour.direct(&what)?,
                Step::Command(command) => {
                    commands += 1;
                    as_printed += u64::from(hour.command(&command)?);
                }
            }
        }
        ensure!(differences_show(), "a changed page is not noticed");
        Ok(Outcome::new()
            .at_least("commands of the page", commands, 15, "")
            .all_of("printed as the page says", as_printed, commands))
    })
}

/// The control: what differs in one word is different, what differs in a size is not.
fn differences_show() -> bool {
    let mask = Mask::new();
    let same = |left: &str, right: &str| seen(&mask, left) == seen(&mask, right);
    same("shop  2.4 MB", "shop 2.5 MB") && !same("shop 1.4.1 in dev", "shop 1.4.1 in staging")
}

/// The two machines of the page.
struct Hour<'w> {
    world: &'w World,
    link: Link,
    /// Where the controller really listens; nodes know it by the link.
    listen: String,
    node: String,
    token: Option<String>,
    background: Vec<Proc>,
}

impl<'w> Hour<'w> {
    fn new(world: &'w World, page: &str, seed: u64) -> Result<Self> {
        let port = free_port()?;
        let link = Link::start(([127, 0, 0, 1], port).into(), Plan::new(seed))?;
        world.write("passphrase", "a passphrase for tests only")?;
        let app_port = free_port()?;
        for node in ["akwa-1", "akwa-2"] {
            let settings = format!("{AGENT_TOML}[settings.shop]\nport = {app_port}\n");
            world.write(&format!("{node}/agent.toml"), settings)?;
        }
        let toml = transcript::block(page, "toml").context("the page has no project file")?;
        world.write("shop/sanaga.toml", toml)?;
        let hour = Self {
            world,
            link,
            listen: format!("127.0.0.1:{port}"),
            node: "akwa-1".to_owned(),
            token: None,
            background: Vec::new(),
        };
        hour.build("1.4.1")?;
        Ok(hour)
    }

    /// What the developers do: the notebook under another name.
    fn build(&self, version: &str) -> Result<()> {
        let built = self.world.dir(&format!("built-{version}"))?;
        Release::new(version).app("shop").write(&built)?;
        let script = format!(
            "rm -rf shop/dist && cp -a {}/dist shop/dist && mv shop/dist/bin/notebook shop/dist/bin/shop",
            built.display()
        );
        self.world
            .cmd("sh")
            .args(["-c", &script])
            .cwd(self.world.root())
            .ok()?;
        Ok(())
    }

    fn direct(&mut self, what: &str) -> Result<()> {
        eprintln!("({what})");
        match what {
            "the link is slow, and is lost for a while" => {
                self.link.set_rate(1_500_000);
                self.link.set_cuts(Cuts::Gap(900_000..=1_100_000));
            }
            "version 1.4.2 is built into shop/dist" => {
                self.link.set_cuts(Cuts::Never);
                self.link.set_rate_unlimited();
                self.build("1.4.2")?;
            }
            "the link is cut" => self.cut_off()?,
            "the link is back" => self.link.up(),
            "another machine" => "akwa-2".clone_into(&mut self.node),
            "a key of shop/sanaga.toml is misspelt" => {
                let path = self.world.root().join("shop/sanaga.toml");
                let toml = std::fs::read_to_string(&path)?;
                std::fs::write(&path, toml.replace("\ncommand", "\ncomand"))?;
            }
            other => bail!("nobody knows what to do when {other}"),
        }
        Ok(())
    }

    /// Takes the link away, and waits until the node has noticed.
    fn cut_off(&self) -> Result<()> {
        self.link.down();
        eventually("the node notices", PATIENCE, || {
            let asked = self
                .world
                .agent()?
                .env("SANAGA_HOME", self.world.root().join(&self.node))
                .args(["status", "--output", "json"])
                .ok()?;
            let status: serde_json::Value = serde_json::from_str(&asked.stdout)?;
            let code = status.get("contact_code").and_then(|code| code.as_u64());
            Ok(match code {
                Some(_) => Wait::Done(()),
                None => Wait::Waiting(String::new()),
            })
        })
    }

    /// Runs a command and tells whether it printed and ended as the page says.
    fn command(&mut self, command: &Command) -> Result<bool> {
        eprintln!("{}$ {}", command.actor, command.line);
        let shell = self.shell(command)?;
        let (printed, exit) = match command.line.strip_suffix('&') {
            Some(_) => (self.start(command, shell)?, 0),
            None => {
                let output = shell.run()?;
                (output.stdout.clone(), output.code().unwrap_or(-1))
            }
        };
        if let Some(token) = printed.lines().find(|line| line.starts_with("sanaga1:")) {
            self.token = Some(token.to_owned());
        }
        let mask = Mask::new().text(self.near(), PUBLIC);
        let watch = command.line.ends_with("--watch");
        let expected = lines(&mask, &command.prints.join("\n"), watch);
        let found = lines(&mask, &printed, watch);
        if expected == found && exit == command.exit {
            return Ok(true);
        }
        eprintln!("  the page says, exit {}:", command.exit);
        expected.iter().for_each(|line| eprintln!("    {line}"));
        eprintln!("  printed, exit {exit}:");
        printed.lines().for_each(|line| eprintln!("    {line}"));
        Ok(false)
    }

    fn near(&self) -> String {
        format!("127.0.0.1:{}", self.link.port())
    }

    /// The command as a person would type it, on the machine of its actor.
    fn shell(&self, command: &Command) -> Result<Cmd> {
        let mut line = command.line.trim_end_matches('&').trim().to_owned();
        line = line.replace("sudo ", "").replace(PUBLIC, &self.near());
        if line.contains(TOKEN) {
            let token = self.token.as_ref().context("no token was printed")?;
            line = line.replace(TOKEN, token);
        }
        if command.asked {
            line.push_str(" --yes");
        }
        let programs: PathBuf = binaries()?
            .sanaga()?
            .parent()
            .context("no folder of programs")?
            .into();
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", programs.display());
        let home = match command.actor.as_str() {
            "ops" => self
                .world
                .root()
                .join("home/.local/state/sanaga/controller"),
            _ => self.world.root().join(&self.node),
        };
        Ok(self
            .world
            .cmd("sh")
            .args(["-c", &format!("exec 2>&1; {line}")])
            .cwd(self.world.root())
            .env("PATH", path)
            .env("USER", "ada")
            .env("SANAGA_HOME", home)
            .env("SANAGA_LISTEN", &self.listen)
            .env(
                "SANAGA_PASSPHRASE_FILE",
                self.world.root().join("passphrase"),
            ))
    }

    /// Starts what goes on in the background, and waits for the lines of the page.
    fn start(&mut self, command: &Command, shell: Cmd) -> Result<String> {
        let name = format!("{}-{}", command.actor, self.background.len());
        let mut process = self.world.spawn(&name, shell)?;
        let mut printed = String::new();
        for line in &command.prints {
            let first = line.split_whitespace().next().unwrap_or_default();
            printed.push_str(process.wait_for_line(first)?.trim_end());
            printed.push('\n');
        }
        self.background.push(process);
        Ok(printed)
    }
}

/// The lines of a text as they are compared.
fn lines(mask: &Mask, text: &str, watch: bool) -> Vec<String> {
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| seen(mask, line))
        .filter(|line| !line.is_empty())
        .collect();
    if watch {
        // How often a transfer is looked at depends on the machine; what happened does not.
        lines = lines.iter().map(|line| event(line)).collect();
        lines.dedup();
    } else {
        // Elsewhere such a line is shown only while something lasts.
        lines.retain(|line| !line.starts_with("TIME "));
    }
    lines
}

fn seen(mask: &Mask, line: &str) -> String {
    let masked = mask.apply(line);
    masked.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Of `TIME fetching SIZE of SIZE …` only what happened; other lines whole.
fn event(line: &str) -> String {
    let mut words = line.split(' ');
    match (words.next(), words.next()) {
        (Some("TIME"), Some(word @ ("fetching" | "probation"))) => format!("TIME {word}"),
        _ => line.to_owned(),
    }
}
