//! `[service]` and `[limits]` of `sanaga.toml`: what runs, how the next release takes over, and what
//! it may use.

use sanaga_proto::failure::Failure;
use sanaga_proto::manifest::{LimitSection, ServiceKind, ServiceSection, Strategy};
use toml::de::DeTable;

use super::parts::{SECONDS_MAX, word};
use super::section::{At, File, Section};

/// The longest drain, seconds.
const DRAIN_S_MAX: u64 = 3_600;
/// Ports below need privileges.
const PORT_MIN: i64 = 1_024;
/// The greatest port.
const PORT_MAX: i64 = 65_535;
/// The instances of a `blue-green` service.
const INSTANCES: usize = 2;

/// `[service]`; without it, only files are shipped.
pub(super) fn service(
    file: &File<'_>,
    table: Option<At<DeTable<'_>>>,
) -> Result<ServiceSection, Failure> {
    let mut out = ServiceSection::of_kind(ServiceKind::None);
    let Some(table) = table else {
        return Ok(out);
    };
    let known = [
        "kind",
        "command",
        "start",
        "stop",
        "status",
        "units",
        "stop_grace_s",
        "user",
        "strategy",
        "ports",
        "drain_s",
    ];
    let mut section = Section::open(file, "service", table.value, table.at, &known)?;
    let kind = section
        .text("kind")?
        .ok_or_else(|| section.missing("kind"))?;
    out.kind = word(file, "kind", &kind, ServiceKind::ALL, ServiceKind::as_str)?;
    what_runs(file, &mut section, &mut out)?;
    out.stop_grace_s = section.bounded("stop_grace_s", 1, SECONDS_MAX)?;
    out.user = match section.text("user")? {
        Some(user) if user.value.is_empty() => {
            return Err(file.bad(user.at, "user", "is empty"));
        }
        user => user.map(|user| user.value),
    };
    take_over(file, &mut section, &mut out)?;
    Ok(out)
}

/// The programs or units of the kind.
fn what_runs(
    file: &File<'_>,
    section: &mut Section<'_, '_>,
    out: &mut ServiceSection,
) -> Result<(), Failure> {
    let kind = out.kind;
    let commands = [
        ("start", &mut out.start),
        ("stop", &mut out.stop),
        ("status", &mut out.status),
    ];
    for (key, list) in commands {
        *list = owned_list(file, section, key, kind, &[ServiceKind::Command])?.unwrap_or_default();
        if list.is_empty() && kind == ServiceKind::Command {
            return Err(section.missing(key));
        }
    }
    let runs_program = [ServiceKind::Process, ServiceKind::Systemd];
    let command = owned_list(file, section, "command", kind, &runs_program)?;
    let units = owned_list(file, section, "units", kind, &[ServiceKind::Systemd])?;
    match (kind, &command, &units) {
        (ServiceKind::Process, None, _) => return Err(section.missing("command")),
        (ServiceKind::Systemd, None, None) => return Err(section.missing("units")),
        (ServiceKind::Systemd, Some(_), Some(_)) => {
            let problem = "a service of kind \"systemd\" has either units or a command";
            return Err(file.bad(section.at(), "units", problem));
        }
        (
            ServiceKind::Process | ServiceKind::Command | ServiceKind::Systemd | ServiceKind::None,
            _,
            _,
        ) => {}
    }
    out.command = command.unwrap_or_default();
    out.units = units.unwrap_or_default();
    Ok(())
}

/// A list that belongs to some kinds of service only.
fn owned_list(
    file: &File<'_>,
    section: &mut Section<'_, '_>,
    key: &str,
    kind: ServiceKind,
    owners: &[ServiceKind],
) -> Result<Option<Vec<String>>, Failure> {
    match section.texts(key)? {
        Some(found) if !owners.contains(&kind) => {
            let owners: Vec<String> = owners.iter().map(|kind| format!("\"{kind}\"")).collect();
            let owners = owners.join(" or ");
            let problem = format!("belongs to kind = {owners}, and kind is \"{kind}\"");
            Err(file.bad(found.at, key, problem))
        }
        Some(found) if found.value.is_empty() => Err(file.bad(found.at, key, "is empty")),
        found => Ok(found.map(|found| found.value)),
    }
}

/// How the next release takes over.
fn take_over(
    file: &File<'_>,
    section: &mut Section<'_, '_>,
    out: &mut ServiceSection,
) -> Result<(), Failure> {
    let strategy = section.text("strategy")?;
    if let Some(found) = &strategy {
        let chosen = word(file, "strategy", found, Strategy::ALL, Strategy::as_str)?;
        if chosen == Strategy::BlueGreen && out.kind == ServiceKind::None {
            let problem = "needs a service that runs, and kind is \"none\"";
            return Err(file.bad(found.at, "strategy", problem));
        }
        out.strategy = Some(chosen);
    }
    let is_blue_green = out.strategy() == Strategy::BlueGreen;
    if let Some(ports) = section.integers("ports")? {
        let bad = |problem: &str| Err(file.bad(ports.at, "ports", problem));
        if !is_blue_green {
            return bad("belong to strategy = \"blue-green\"");
        }
        let in_bounds = ports
            .value
            .iter()
            .all(|port| (PORT_MIN..=PORT_MAX).contains(port));
        if !in_bounds || ports.value.len() != INSTANCES || ports.value.first() == ports.value.last()
        {
            return bad("must be two different ports in 1024..65535");
        }
        out.ports = ports.value.iter().map(|port| port.unsigned_abs()).collect();
    }
    let at = section.at();
    out.drain_s = section.bounded("drain_s", 0, DRAIN_S_MAX)?;
    if out.drain_s.is_some() && !is_blue_green {
        return Err(file.bad(at, "drain_s", "belongs to strategy = \"blue-green\""));
    }
    Ok(())
}

/// `[limits]`.
pub(super) fn limits(
    file: &File<'_>,
    table: Option<At<DeTable<'_>>>,
) -> Result<Option<LimitSection>, Failure> {
    let Some(table) = table else { return Ok(None) };
    let known = [
        "memory_bytes_max",
        "cpu_percent_max",
        "tasks_max",
        "files_max",
    ];
    let mut section = Section::open(file, "limits", table.value, table.at, &known)?;
    let limits = LimitSection {
        memory_bytes_max: section.bounded("memory_bytes_max", 1 << 20, 1 << 50)?,
        cpu_percent_max: section.bounded("cpu_percent_max", 1, 100_000)?,
        tasks_max: section.bounded("tasks_max", 1, 1 << 22)?,
        files_max: section.bounded("files_max", 16, 1 << 30)?,
    };
    Ok((limits != LimitSection::default()).then_some(limits))
}
