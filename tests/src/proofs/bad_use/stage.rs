//! Where the cases are played: a controller that serves, a site whose app runs, and what a refusal
//! must look like.

use std::cell::Cell;
use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use sanaga_proto::code::Code;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::watch::Watch;
use crate::link::Plan;
use crate::notebook::Release;
use crate::site::{Controller, Node, Seat};
use crate::tree;
use crate::world::{Cmd, PATIENCE, Room, Step, World, eventually, free_port, workspace_root};

/// One way to go wrong.
pub struct Case {
    /// What is done, in a few words.
    pub name: &'static str,
    /// Does it.
    pub run: fn(&Stage<'_>) -> Result<()>,
}

/// A controller and a site.
pub struct Stage<'w> {
    /// The world.
    pub world: &'w World,
    /// The controller, which serves.
    pub controller: Controller<'w>,
    /// The node, which runs notebook 1.0.0.
    pub node: Node<'w>,
    /// Its app's user.
    pub watch: Watch,
    /// Exit codes as documented.
    documented: BTreeMap<String, i32>,
    refusals: Cell<u64>,
}

/// The two languages: error word, hint word.
const ENGLISH: [&str; 2] = ["error", "hint"];
const FRENCH: [&str; 2] = ["erreur", "conseil"];

impl<'w> Stage<'w> {
    /// Founds a repository, enrols a node and has it run notebook 1.0.0.
    pub fn new(world: &'w World, seed: u64) -> Result<Self> {
        Self::with(world, Controller::start(world)?, seed, None)
    }

    /// The same with this controller, and the node on a small disk.
    pub fn with(
        world: &'w World,
        controller: Controller<'w>,
        seed: u64,
        room: Option<Room>,
    ) -> Result<Self> {
        let node =
            controller.enrol_in("douala-akwa", "akwa-1", Seat::behind(Plan::new(seed)), room)?;
        let port = free_port()?;
        let setting = format!("port={port}");
        let first = Release::new("1.0.0");
        controller.publish(&first)?;
        let set = ["set", "notebook", &setting, "--to", "node=akwa-1"];
        controller.cmd()?.args(set).ok()?;
        controller.assign(&first.name(), "node=akwa-1")?;
        node.wait_for("notebook", "1.0.0", "committed")?;
        eventually("the receipts of the install", PATIENCE, || {
            let waiting = node.status()?.get("receipts_waiting").cloned();
            Ok(if waiting == Some(Value::from(0)) {
                Step::Done(())
            } else {
                Step::Waiting(format!("{waiting:?}"))
            })
        })?;
        let watch = Watch::start(format!("http://127.0.0.1:{port}/version"));
        Ok(Self {
            world,
            controller,
            node,
            watch,
            documented: documented()?,
            refusals: Cell::default(),
        })
    }

    /// How many refusals were read.
    pub fn refusals(&self) -> u64 {
        self.refusals.get()
    }

    /// How often the app was asked.
    pub fn looks(&self) -> u64 {
        self.watch.looks()
    }

    /// Plays a case, after which everything must be as it was.
    pub fn untouched(&self, case: fn(&Stage<'_>) -> Result<()>) -> Result<()> {
        let before = self.state()?;
        let result = case(self);
        let after = self.state().context("afterwards")?;
        result?;
        ensure!(
            before == after,
            "something has changed:\n{before}\nis now\n{after}"
        );
        self.watch.unbroken()
    }

    /// The command must be refused with this code and these words, in both languages.
    pub fn refused(
        &self,
        code: Code,
        words: &[&str],
        make: impl Fn() -> Result<Cmd>,
    ) -> Result<()> {
        let english = self.said(code, ENGLISH, "en", make()?)?;
        for word in words {
            ensure!(
                english.iter().any(|line| line.contains(word)),
                "`{word}` is not said: {english:?}"
            );
        }
        let french = self.said(code, FRENCH, "fr", make()?)?;
        for (english, french) in english.iter().zip(&french) {
            ensure!(english != french, "not translated: {english}");
        }
        Ok(())
    }

    /// Sentence and hint of a refusal in one language.
    fn said(
        &self,
        code: Code,
        [error, hint]: [&str; 2],
        language: &str,
        cmd: Cmd,
    ) -> Result<[String; 2]> {
        let output = cmd.env("SANAGA_LANG", language).run()?;
        let exit = self.documented.get(&code.to_string());
        let exit = exit.with_context(|| format!("{code} is not in docs/errors.md"))?;
        let transcript = output.transcript();
        if output.code() != Some(*exit) {
            bail!("{code} must be exit {exit}\n{transcript}");
        }
        let mut lines = output.stderr.lines();
        let head = format!("{error} {code}: ");
        let sentence = lines.find_map(|line| line.strip_prefix(&head));
        let sentence = sentence.with_context(|| format!("no `{head}` in\n{transcript}"))?;
        let head = format!("  {hint}: ");
        let advice = lines.find_map(|line| line.strip_prefix(&head));
        let advice = advice.with_context(|| format!("no `{head}` in\n{transcript}"))?;
        ensure!(
            !sentence.trim().is_empty() && !advice.trim().is_empty(),
            "nothing is said\n{transcript}"
        );
        ensure!(
            !output.stderr.contains("panicked"),
            "it panicked\n{transcript}"
        );
        self.refusals.set(self.refusals.get() + 1);
        Ok([sentence.to_owned(), advice.to_owned()])
    }

    /// Everything that must survive bad use, as text.
    fn state(&self) -> Result<String> {
        let mut lines = Vec::new();
        for ask in ["release ls", "key ls", "pending"] {
            let shown = self.controller.cmd()?.line(ask).line("--output json");
            lines.push(shown.ok()?.stdout);
        }
        let node = self.controller.node("akwa-1")?;
        lines.push(format!(
            "generation {:?}, held {:?}",
            node.get("generation"),
            node.get("held")
        ));
        let app = self.node.app("notebook")?;
        for name in [
            "version",
            "phase",
            "previous",
            "set_aside",
            "target",
            "running",
        ] {
            lines.push(format!(
                "{name} {:?}",
                app.get(name).unwrap_or(&Value::Null)
            ));
        }
        let listing = tree::list(&self.node.current("notebook")?)?;
        let digest = Sha256::digest(format!("{listing:?}"));
        lines.push(format!("{} paths, {digest:x?}", listing.len()));
        Ok(lines.join("\n"))
    }
}

/// Code and exit code of every row of docs/errors.md.
fn documented() -> Result<BTreeMap<String, i32>> {
    let path = workspace_root().join("docs/errors.md");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let row = |line: &str| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let code = cells.next().filter(|code| code.starts_with("SNG-"))?;
        Some((code.to_owned(), cells.next()?.parse().ok()?))
    };
    let rows: BTreeMap<String, i32> = text.lines().filter_map(row).collect();
    ensure!(!rows.is_empty(), "{} has no table", path.display());
    Ok(rows)
}
