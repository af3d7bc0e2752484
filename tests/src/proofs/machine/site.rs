//! What operators and the people of a site do on the machine: publish, assign, look, write notes.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::machine::Machine;
use crate::notebook::Release;
use crate::world::{PATIENCE, Step, eventually};

/// The app.
pub const APP: &str = "notebook";
/// Short times, so that a story of hours is told in minutes. They are set in the installed file, which
/// from then on has local changes.
const CHANGES: [(&str, &str); 7] = [
    ("interval_s", "5"),
    ("jitter_percent", "0"),
    ("stall_s", "5"),
    ("connect_s", "5"),
    ("retry_min_s", "1"),
    ("retry_max_s", "4"),
    ("restart_max_s", "2"),
];
const PASSPHRASE: &str = "a passphrase for tests only\n";

/// Founds a repository, serves it, and enrols the machine.
pub fn begin(machine: &Machine<'_>) -> Result<()> {
    let idle = machine.ok("sanaga-agent status")?;
    idle.says("Not enrolled yet")?;
    let units = machine.sh("systemctl is-active sanaga.service sanaga-agent.service")?;
    let units = units.run()?;
    ensure!(
        units.stdout == "inactive\nactive\n",
        "{}",
        units.transcript()
    );
    machine.ok("systemctl is-enabled sanaga.service sanaga-agent.service")?;
    for (key, value) in CHANGES {
        machine.ok(&format!(
            "sed -i 's/^#{key} = .*/{key} = {value}/' /etc/sanaga/agent.toml && grep -q '^{key} = {value}$' /etc/sanaga/agent.toml"
        ))?;
    }
    machine.ok("sanaga-agent config check && systemctl restart 'sanaga-agent*.service'")?;
    std::fs::write(machine.path("/root/passphrase"), PASSPHRASE)?;
    operator(
        machine,
        "init --name Machine --url https://127.0.0.1:8443 --person ada",
    )?;
    machine.ok("systemctl start sanaga.service && systemctl is-active sanaga.service")?;
    let token = operator(
        machine,
        "enroll token --site depot --node small-1 --env dev",
    )?;
    let token = token.lines().next().context("a token")?;
    machine.ok(&format!("sanaga-agent enroll {token}"))?;
    // Who operates asks without root, and others do not get to ask.
    machine.ok("useradd --groups sanaga-operators ada && useradd eve")?;
    machine.ok("setpriv --reuid=ada --regid=ada --init-groups sanaga-agent status")?;
    let refused =
        machine.sh("setpriv --reuid=eve --regid=eve --init-groups sanaga-agent status")?;
    ensure!(
        refused.run()?.code() != Some(0),
        "everybody may ask the agent"
    );
    Ok(())
}

/// A command of the operator; gives its stdout.
pub fn operator(machine: &Machine<'_>, words: &str) -> Result<String> {
    let script = format!("SANAGA_PASSPHRASE_FILE=/root/passphrase sanaga {words}");
    Ok(machine.ok(&script)?.stdout)
}

/// Publishes a release and assigns it to the machine, which is told to ask at once.
pub fn release(machine: &Machine<'_>, release: &Release) -> Result<()> {
    release.write(&machine.path("/root/project"))?;
    operator(machine, "publish /root/project --env dev")?;
    operator(
        machine,
        &format!("assign {} --to node=small-1 --yes", release.name()),
    )?;
    machine.ok("sanaga-agent pull </dev/null >/dev/null 2>&1 &")?;
    Ok(())
}

/// How the app is, as `status` says it; null while the agent is down.
pub fn app(machine: &Machine<'_>) -> Result<Value> {
    let shown = machine.sh("sanaga-agent status --output json")?.run()?;
    let status: Value = serde_json::from_str(&shown.stdout).unwrap_or_default();
    let apps = status.get("apps").and_then(Value::as_array);
    let found = apps.and_then(|apps| {
        apps.iter()
            .find(|app| app.get("app").is_some_and(|name| name == APP))
    });
    Ok(found.cloned().unwrap_or_default())
}

/// A word of what [`app`] gives.
pub fn word<'a>(app: &'a Value, name: &str) -> &'a str {
    app.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Waits until the app runs a version in a phase, however often the agent goes away meanwhile.
pub fn wait_for(machine: &Machine<'_>, version: &str, phase: &str) -> Result<()> {
    eventually(&format!("{version} {phase}"), PATIENCE * 2, || {
        let found = app(machine)?;
        if word(&found, "version") == version && word(&found, "phase") == phase {
            return Ok(Step::Done(()));
        }
        if word(&found, "phase") == "needs_hands" {
            bail!("it needs hands: {found}");
        }
        Ok(Step::Waiting(format!(
            "{} {} {:?}",
            word(&found, "version"),
            word(&found, "phase"),
            found.get("soak_left_s")
        )))
    })
    .with_context(|| machine.journal("sanaga*"))
}

/// Asks the app over HTTP from inside the machine; none while it does not answer.
pub fn ask(machine: &Machine<'_>, request: &str) -> Result<Option<String>> {
    let script = format!(
        "timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080 && printf \"{request}\" >&3 && cat <&3' 2>/dev/null"
    );
    let answer = machine.sh(&script)?.run()?.stdout;
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        return Ok(None);
    };
    Ok(head
        .starts_with("HTTP/1.1 20")
        .then(|| body.trim().to_owned()))
}

/// The version that answers.
pub fn version(machine: &Machine<'_>) -> Result<Option<String>> {
    ask(machine, "GET /version HTTP/1.1\\r\\n\\r\\n")
}

/// Waits until this version answers.
pub fn answers(machine: &Machine<'_>, wanted: &str) -> Result<()> {
    eventually(&format!("{wanted} answers"), PATIENCE, || {
        Ok(match version(machine)? {
            Some(found) if found == wanted => Step::Done(()),
            found => Step::Waiting(found.unwrap_or_default()),
        })
    })
    .with_context(|| machine.journal("sanaga*"))
}

/// Writes a note, as the people of the site do.
pub fn note(machine: &Machine<'_>, number: u64) -> Result<()> {
    let text = format!("note {number}");
    let length = text.len();
    let request = format!("POST /notes HTTP/1.1\\r\\nContent-Length: {length}\\r\\n\\r\\n{text}");
    let written = ask(machine, &request)?.with_context(|| format!("{text} was not taken"))?;
    ensure!(written == number.to_string(), "{text} is number {written}");
    Ok(())
}

/// So many notes are there.
pub fn notes(machine: &Machine<'_>) -> Result<u64> {
    let notes = ask(machine, "GET /notes HTTP/1.1\\r\\n\\r\\n")?.context("no notes")?;
    Ok(notes.lines().count() as u64)
}

/// The process of the app, by its number in the machine.
pub fn process(machine: &Machine<'_>) -> Result<Option<u32>> {
    let script = "for p in /proc/[0-9]*; do case $(readlink $p/exe) in */bin/notebook) echo ${p#/proc/};; esac; done";
    let found = machine.sh(script)?.run()?;
    Ok(found.stdout.lines().next().and_then(|pid| pid.parse().ok()))
}

/// Events of the node's history that are one of these kinds.
pub fn events(machine: &Machine<'_>, kinds: &[&str]) -> Result<u64> {
    let shown = machine.ok("sanaga-agent history --most 65535 --output json")?;
    let history: Value = serde_json::from_str(&shown.stdout)?;
    let events = history.get("events").and_then(Value::as_array);
    let events = events.with_context(|| shown.transcript())?;
    let is_one = |event: &&Value| kinds.contains(&word(event, "kind"));
    let counts = events
        .iter()
        .filter(is_one)
        .filter_map(|event| event.get("count").and_then(Value::as_u64));
    Ok(counts.sum())
}
