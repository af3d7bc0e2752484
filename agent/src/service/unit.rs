//! Units of systemd, written by us: from a command, or from a unit that the release brings. A unit
//! of a release is read against a list of what it may say and written anew, never copied: what it
//! runs stays inside the release, as the release's user, within the node's limits. Pure.

mod read;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use super::launch::Launch;
use super::limits::Limits;
use super::spawn;

pub(super) use read::read;

/// So many starts in a row, in so many seconds, and systemd gives up: the agent counts those.
const STARTS_MAX: u32 = 5;
const STARTS_S: u32 = 600;

/// What a unit says, once it is known to be allowed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Unit {
    /// `After=` of `[Unit]`.
    pub after: Vec<String>,
    /// `Exec…=` with the words of each, the first a program inside the slot.
    pub commands: Vec<(&'static str, Vec<String>)>,
    /// `Environment=`.
    pub environment: Vec<(String, String)>,
    /// Where it runs; none is the slot.
    pub folder: Option<String>,
    /// Keys whose values were checked and are written as they are.
    pub plain: Vec<(&'static str, String)>,
    /// What it asks for.
    pub limits: Limits,
}

impl Unit {
    /// The unit of a command.
    ///
    /// # Errors
    /// Why there is none, in English words.
    pub(super) fn of_command(launch: &Launch) -> Result<Self, String> {
        let (program, arguments) = spawn::program(&launch.slot, &launch.spec.command)?;
        let mut words = vec![quoted(&program.display().to_string(), true)];
        words.extend(arguments.iter().map(|word| quoted(word, true)));
        Ok(Self {
            commands: vec![("ExecStart", words)],
            plain: vec![("Type", "exec".to_owned())],
            ..Self::default()
        })
    }

    /// The text of the unit, for one instance.
    pub(super) fn text(&self, launch: &Launch, instance: &str, restart: Duration) -> String {
        let release = format!("{}@{}", launch.app, launch.version);
        let mut out = format!(
            "# Written by sanaga-agent, which replaces it at each start.\n[Unit]\n\
             Description={release}\nStartLimitBurst={STARTS_MAX}\nStartLimitIntervalSec={STARTS_S}\n"
        );
        let mut line = |key: &str, value: &str| {
            // Writing to a String does not fail.
            let _ = writeln!(out, "{key}={value}");
        };
        for after in &self.after {
            line("After", after);
        }
        line("\n[Service]\nSyslogIdentifier", launch.app.as_str());
        let fields = format!("SANAGA_APP={} SANAGA_RELEASE={release}", launch.app);
        line("LogExtraFields", &fields);
        line("WorkingDirectory", &self.working_directory(&launch.slot));
        if let Some(user) = &launch.spec.user {
            line("User", user);
        }
        line("NoNewPrivileges", "yes");
        // What the unit says itself comes first, so that ours wins.
        for (name, value) in &self.environment {
            line("Environment", &quoted(&format!("{name}={value}"), false));
        }
        for (name, value) in spawn::environment(launch, instance) {
            let pair = format!("{}={}", name.to_string_lossy(), value.to_string_lossy());
            line("Environment", &quoted(&pair, false));
        }
        for (key, words) in &self.commands {
            line(key, &words.join(" "));
        }
        let has = |key: &str| self.plain.iter().any(|(found, _)| *found == key);
        if !has("Restart") {
            line("Restart", "on-failure");
        }
        if !has("RestartSec") {
            line("RestartSec", &format!("{}ms", restart.as_millis()));
        }
        line(
            "TimeoutStopSec",
            &launch.spec.stop_grace.as_secs().to_string(),
        );
        for (key, value) in &self.plain {
            line(key, value);
        }
        for (key, value) in self.bounds(&launch.spec.limits) {
            line(key, &value);
        }
        out
    }

    fn working_directory(&self, slot: &Path) -> String {
        let folder = self
            .folder
            .as_ref()
            .map_or_else(|| slot.to_owned(), |inside| slot.join(inside));
        folder.display().to_string().replace('%', "%%")
    }

    /// The smaller of what the unit and the launch allow.
    fn bounds(&self, allowed: &Limits) -> Vec<(&'static str, String)> {
        let least = |asked: Option<u64>, allowed: Option<u64>| match (asked, allowed) {
            (Some(asked), Some(allowed)) => Some(asked.min(allowed)),
            (asked, allowed) => asked.or(allowed),
        };
        let own = &self.limits;
        [
            (
                "MemoryMax",
                least(own.memory_bytes_max, allowed.memory_bytes_max),
                "",
            ),
            (
                "CPUQuota",
                least(own.cpu_percent_max, allowed.cpu_percent_max),
                "%",
            ),
            ("TasksMax", least(own.tasks_max, allowed.tasks_max), ""),
            ("LimitNOFILE", least(own.files_max, allowed.files_max), ""),
        ]
        .into_iter()
        .filter_map(|(key, bound, unit)| Some((key, format!("{}{unit}", bound?))))
        .collect()
    }
}

/// A word as systemd reads it back (systemd.syntax(7)); in a command, `$` stands for variables.
fn quoted(word: &str, is_command: bool) -> String {
    let mut out = String::with_capacity(word.len() + 2);
    out.push('"');
    for c in word.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '%' => out.push_str("%%"),
            '$' if is_command => out.push_str("$$"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {
                // Writing to a String does not fail.
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// systemd.unit(5): letters, digits and `:-_.\`, with `@`, at most 255 bytes.
pub(super) fn is_unit(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && !name.starts_with(['-', '.'])
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c))
}
