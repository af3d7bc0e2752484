//! Reads a unit that a release brings, against the list of what it may say. Whatever is not on the
//! list is refused by name: nothing is dropped in silence.

use std::path::{Component, Path};

use super::{Unit, is_unit, quoted};

/// A unit is far smaller, bytes.
const BYTES_MAX: usize = 64 << 10;
/// Commands. Those that would run with more rights are refused with their prefix.
const COMMANDS: [&str; 6] = [
    "ExecStart",
    "ExecStartPre",
    "ExecStartPost",
    "ExecReload",
    "ExecStop",
    "ExecStopPost",
];
/// Keys of one word out of a list.
const WORDS: [(&str, &[&str]); 5] = [
    ("Type", &["simple", "exec", "notify", "forking", "oneshot"]),
    ("Restart", &["no", "on-failure", "on-abnormal", "always"]),
    ("KillMode", &["control-group", "mixed"]),
    ("KillSignal", &["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP"]),
    ("ProtectSystem", &["yes", "true", "full", "strict"]),
];
/// Keys that only take rights away, when they say yes.
const FLAGS: [&str; 10] = [
    "PrivateTmp",
    "PrivateDevices",
    "ProtectHome",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "ProtectControlGroups",
    "RestrictRealtime",
    "RestrictSUIDSGID",
    "LockPersonality",
    "RemainAfterExit",
];
/// Keys of seconds, and the most that they may say.
const SECONDS: [(&str, u64); 3] = [
    ("RestartSec", 3_600),
    ("TimeoutStartSec", 3_600),
    ("WatchdogSec", 3_600),
];

/// Reads the text of a unit whose release runs as this user.
///
/// # Errors
/// What it may not say, in English words, with the line.
pub(in super::super) fn read(text: &str, user: Option<&str>) -> Result<Unit, String> {
    if text.len() > BYTES_MAX {
        return Err(format!("it is bigger than {BYTES_MAX} bytes"));
    }
    let mut unit = Unit::default();
    let mut section = String::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let at = |problem: String| format!("line {number}: {problem}");
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            if !["Unit", "Service", "Install"].contains(&name) {
                return Err(at(format!("[{name}] is not allowed")));
            }
            name.clone_into(&mut section);
            continue;
        }
        if line.contains('\\') {
            return Err(at("a backslash is not understood here".to_owned()));
        }
        let Some((key, value)) = line.split_once('=') else {
            return Err(at("neither a section nor KEY=VALUE".to_owned()));
        };
        let (key, value) = (key.trim(), value.trim());
        match section.as_str() {
            "Unit" => of_unit(&mut unit, key, value),
            "Service" => of_service(&mut unit, key, value, user),
            // The agent starts it, at boot as well.
            "Install" => Ok(()),
            _ => Err("before the first section".to_owned()),
        }
        .map_err(at)?;
    }
    if !unit.commands.iter().any(|(key, _)| *key == "ExecStart") {
        return Err("it has no ExecStart".to_owned());
    }
    Ok(unit)
}

fn of_unit(unit: &mut Unit, key: &str, value: &str) -> Result<(), String> {
    match key {
        // Ours say which release it is.
        "Description" | "Documentation" => Ok(()),
        "After" => {
            for name in value.split_ascii_whitespace() {
                if !is_unit(name) {
                    return Err(format!("`{name}` is not the name of a unit"));
                }
                unit.after.push(name.to_owned());
            }
            Ok(())
        }
        _ => Err(format!("{key} is not allowed")),
    }
}

fn of_service(unit: &mut Unit, key: &str, value: &str, user: Option<&str>) -> Result<(), String> {
    if let Some(command) = COMMANDS.iter().find(|known| **known == key) {
        unit.commands.push((command, command_line(value)?));
        return Ok(());
    }
    if let Some((known, words)) = WORDS.iter().find(|(known, _)| *known == key) {
        if !words.contains(&value) {
            return Err(format!("{key} must be one of {}", words.join(", ")));
        }
        unit.plain.push((known, value.to_owned()));
        return Ok(());
    }
    if let Some(known) = FLAGS.iter().find(|known| **known == key) {
        if !["yes", "true", "1"].contains(&value) {
            return Err(format!("{key} may only be yes"));
        }
        unit.plain.push((known, "yes".to_owned()));
        return Ok(());
    }
    if let Some((known, most)) = SECONDS.iter().find(|(known, _)| *known == key) {
        let seconds = number(value.strip_suffix('s').unwrap_or(value), key)?;
        if seconds > *most {
            return Err(format!("{key} is more than {most} s"));
        }
        unit.plain.push((known, seconds.to_string()));
        return Ok(());
    }
    match key {
        "User" if Some(value) == user => Ok(()),
        "User" => Err(format!(
            "User={value} is not the user of the manifest's [service]"
        )),
        "WorkingDirectory" => {
            unit.folder = Some(inside(value)?);
            Ok(())
        }
        "Environment" => environment(unit, value),
        // Always so.
        "NoNewPrivileges" if value == "yes" || value == "true" => Ok(()),
        "MemoryMax" => {
            unit.limits.memory_bytes_max = Some(bytes(value, key)?);
            Ok(())
        }
        "CPUQuota" => {
            let percent = value.strip_suffix('%').unwrap_or_default();
            unit.limits.cpu_percent_max = Some(number(percent, key)?);
            Ok(())
        }
        "TasksMax" => {
            unit.limits.tasks_max = Some(number(value, key)?);
            Ok(())
        }
        "LimitNOFILE" => {
            unit.limits.files_max = Some(number(value, key)?);
            Ok(())
        }
        _ => Err(format!("{key} is not allowed")),
    }
}

/// Program and arguments, as they will be written. Variables may stand in arguments.
fn command_line(value: &str) -> Result<Vec<String>, String> {
    let (prefix, rest) = match value.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", value),
    };
    if rest.starts_with(['+', '!', '@', ':', '|', '-']) {
        return Err(format!(
            "`{rest}`: a prefix that gives rights is not allowed"
        ));
    }
    let words = words(rest)?;
    let Some((program, arguments)) = words.split_first() else {
        return Err("a command without a program".to_owned());
    };
    if program.contains('$') {
        return Err("the program may not be a variable".to_owned());
    }
    let mut out = vec![format!("{prefix}{}", inside(program)?)];
    out.extend(arguments.iter().cloned());
    Ok(out)
}

/// Words separated by spaces; quotes hold spaces together.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut out = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ' | '\t') => out.extend(word.take()),
            (None, ';') => return Err("several commands in one line".to_owned()),
            (_, '%') => return Err("a `%` is not understood here".to_owned()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err("a quote that does not end".to_owned());
    }
    out.extend(word);
    Ok(out)
}

fn environment(unit: &mut Unit, value: &str) -> Result<(), String> {
    for pair in words(value)? {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(format!("`{pair}` is not NAME=VALUE"));
        };
        let is_name =
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name || name.starts_with("SANAGA_") || name.starts_with("LD_") {
            return Err(format!("the variable `{name}` is not allowed"));
        }
        unit.environment.push((name.to_owned(), value.to_owned()));
    }
    Ok(())
}

/// A path inside the release.
fn inside(path: &str) -> Result<String, String> {
    let stays = Path::new(path)
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if path.is_empty() || path.starts_with('-') || !stays || path.contains(['%', '"', '$']) {
        return Err(format!("`{path}` is not inside the release"));
    }
    Ok(path.to_owned())
}

fn number(text: &str, key: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("{key} must be a whole number with its unit"))
}

/// systemd.resource-control(5): K, M, G and T are powers of 1,024.
fn bytes(text: &str, key: &str) -> Result<u64, String> {
    let units = [
        ("K", 1 << 10),
        ("M", 1 << 20),
        ("G", 1 << 30),
        ("T", 1_u64 << 40),
    ];
    let found = units
        .iter()
        .find_map(|(unit, size)| Some((text.strip_suffix(unit)?, *size)));
    let (digits, size) = found.unwrap_or((text, 1));
    let count = number(digits, key)?;
    count
        .checked_mul(size)
        .ok_or_else(|| format!("{key} is too big"))
}

impl Unit {
    /// The same with programs and arguments as systemd reads them, in this slot.
    pub(in super::super) fn in_slot(mut self, slot: &Path) -> Self {
        for (_, words) in &mut self.commands {
            let all = std::mem::take(words);
            *words = (0..)
                .zip(all)
                .map(|(index, word)| match (index, word.strip_prefix('-')) {
                    (0, Some(program)) => format!("-{}", in_quotes(slot, program)),
                    (0, None) => in_quotes(slot, &word),
                    // Variables stay: `$` is no text here.
                    (_, _) => quoted(&word, false),
                })
                .collect();
        }
        self
    }
}

fn in_quotes(slot: &Path, program: &str) -> String {
    quoted(&slot.join(program).display().to_string(), true)
}
