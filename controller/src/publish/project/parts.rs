//! The sections of `sanaga.toml`, one function each.

use sanaga_proto::failure::Failure;
use sanaga_proto::ids::SettingName;
use sanaga_proto::manifest::{
    DataSection, MigrateSection, Notes, Probe, ProbeKind, ServiceKind, ServiceSection, SettingSpec,
    SettingType, Source,
};
use sanaga_proto::wire::assignment::SettingValue;
use toml::de::{DeTable, DeValue};

use super::section::{At, File, Section};

/// The longest time that any key may name, seconds: one day.
const SECONDS_MAX: u64 = 86_400;
/// The longest soak, seconds: one week.
const SOAK_S_MAX: u64 = 7 * SECONDS_MAX;

/// One word out of a list.
pub(super) fn word<T: Copy>(
    file: &File<'_>,
    key: &str,
    found: &At<String>,
    all: &[T],
    as_str: fn(T) -> &'static str,
) -> Result<T, Failure> {
    all.iter()
        .copied()
        .find(|value| as_str(*value) == found.value)
        .ok_or_else(|| {
            let words: Vec<&str> = all.iter().map(|value| as_str(*value)).collect();
            let problem = format!("`{}` is not one of {}", found.value, words.join(", "));
            file.bad(found.at, key, problem)
        })
}

/// `[service]`; without it, only files are shipped.
pub(super) fn service(
    file: &File<'_>,
    table: Option<At<DeTable<'_>>>,
) -> Result<ServiceSection, Failure> {
    let mut out = ServiceSection {
        kind: ServiceKind::None,
        command: Vec::new(),
        start: Vec::new(),
        stop: Vec::new(),
        status: Vec::new(),
        units: Vec::new(),
        stop_grace_s: None,
        user: None,
    };
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
    ];
    let mut section = Section::open(file, "service", table.value, table.at, &known)?;
    let kind = section
        .text("kind")?
        .ok_or_else(|| section.missing("kind"))?;
    out.kind = word(file, "kind", &kind, ServiceKind::ALL, ServiceKind::as_str)?;
    out.command = list(
        file,
        &mut section,
        "command",
        out.kind,
        ServiceKind::Process,
    )?;
    out.start = list(file, &mut section, "start", out.kind, ServiceKind::Command)?;
    out.stop = list(file, &mut section, "stop", out.kind, ServiceKind::Command)?;
    out.status = list(file, &mut section, "status", out.kind, ServiceKind::Command)?;
    out.units = list(file, &mut section, "units", out.kind, ServiceKind::Systemd)?;
    out.stop_grace_s = section.bounded("stop_grace_s", 1, SECONDS_MAX)?;
    out.user = match section.text("user")? {
        Some(user) if user.value.is_empty() => {
            return Err(file.bad(user.at, "user", "is empty"));
        }
        user => user.map(|user| user.value),
    };
    Ok(out)
}

/// A list that one kind of service must have and the others must not.
fn list(
    file: &File<'_>,
    section: &mut Section<'_, '_>,
    key: &str,
    kind: ServiceKind,
    owner: ServiceKind,
) -> Result<Vec<String>, Failure> {
    match section.texts(key)? {
        Some(found) if kind != owner => Err(file.bad(
            found.at,
            key,
            format!("belongs to kind = \"{owner}\", and kind is \"{kind}\""),
        )),
        Some(found) if found.value.is_empty() => Err(file.bad(found.at, key, "is empty")),
        Some(found) => Ok(found.value),
        None if kind == owner => Err(section.missing(key)),
        None => Ok(Vec::new()),
    }
}

/// `[settings.NAME]`, in order of name.
pub(super) fn settings(
    file: &File<'_>,
    table: Option<At<DeTable<'_>>>,
) -> Result<Vec<SettingSpec>, Failure> {
    let mut out = Vec::new();
    for (name, value) in table.map(|table| table.value).unwrap_or_default() {
        let at = name.span().start;
        let name: SettingName = name
            .get_ref()
            .parse()
            .map_err(|bad: sanaga_proto::ids::BadId| file.bad(at, name.get_ref(), bad.rule))?;
        let DeValue::Table(table) = value.into_inner() else {
            let problem = format!("must be a table: [settings.{name}]");
            return Err(file.bad(at, name.as_str(), problem));
        };
        out.push(setting(file, name, table, at)?);
    }
    out.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(out)
}

fn setting(
    file: &File<'_>,
    name: SettingName,
    table: DeTable<'_>,
    at: usize,
) -> Result<SettingSpec, Failure> {
    let known = ["type", "default", "min", "max", "choices"];
    let mut section = Section::open(file, format!("settings.{name}"), table, at, &known)?;
    let kind = section
        .text("type")?
        .ok_or_else(|| section.missing("type"))?;
    let kind = word(file, "type", &kind, SettingType::ALL, SettingType::as_str)?;
    let default = section
        .plain("default")?
        .ok_or_else(|| section.missing("default"))?;
    let choices = section.texts("choices")?;
    if let Some(found) = choices.as_ref().filter(|_| kind != SettingType::Text) {
        return Err(file.bad(found.at, "choices", "is only for type = \"text\""));
    }
    let (min, max) = (section.integer("min")?, section.integer("max")?);
    if let Some(bound) = min.as_ref().or(max.as_ref())
        && kind == SettingType::Flag
    {
        return Err(file.bad(bound.at, "min", "is not for type = \"flag\""));
    }
    if let (Some(min), Some(max)) = (&min, &max)
        && min.value > max.value
    {
        return Err(file.bad(max.at, "max", format!("is less than min = {}", min.value)));
    }
    let spec = SettingSpec {
        name,
        kind,
        default: setting_value(file, &default)?,
        min: min.map(|min| min.value),
        max: max.map(|max| max.value),
        choices: choices.map(|list| list.value).unwrap_or_default(),
    };
    spec.check(&spec.default)
        .map_err(|problem| file.bad(default.at, "default", problem))?;
    Ok(spec)
}

fn setting_value(file: &File<'_>, found: &At<DeValue<'_>>) -> Result<SettingValue, Failure> {
    if let Some(flag) = found.value.as_bool() {
        return Ok(SettingValue::Flag(flag));
    }
    if let Some(number) = found.value.as_integer() {
        return i64::from_str_radix(number.as_str(), number.radix())
            .map(SettingValue::Integer)
            .map_err(|_| file.bad(found.at, "default", "does not fit in 64 bits"));
    }
    Ok(SettingValue::Text(
        found.value.as_str().unwrap_or_default().to_owned(),
    ))
}

/// `[[probe]]`, in the order of the file.
pub(super) fn probes(
    file: &File<'_>,
    tables: Vec<At<DeTable<'_>>>,
    settings: &[SettingSpec],
) -> Result<Vec<Probe>, Failure> {
    tables
        .into_iter()
        .map(|table| probe(file, table, settings))
        .collect()
}

fn probe(
    file: &File<'_>,
    table: At<DeTable<'_>>,
    settings: &[SettingSpec],
) -> Result<Probe, Failure> {
    let known = [
        "http",
        "tcp",
        "exec",
        "interval_s",
        "timeout_s",
        "failures_max",
        "successes_min",
        "start_period_s",
    ];
    let mut section = Section::open(file, "[probe]", table.value, table.at, &known)?;
    let one = |found: At<String>| At {
        value: vec![found.value],
        at: found.at,
    };
    let mut kinds: Vec<(ProbeKind, At<Vec<String>>)> = [
        (ProbeKind::Http, section.text("http")?.map(one)),
        (ProbeKind::Tcp, section.text("tcp")?.map(one)),
        (ProbeKind::Exec, section.texts("exec")?),
    ]
    .into_iter()
    .filter_map(|(kind, target)| Some((kind, target?)))
    .collect();
    kinds.sort_by_key(|(_, target)| target.at);
    let exactly = "a probe has exactly one of http, tcp and exec";
    if let [_, (_, second), ..] = kinds.as_slice() {
        return Err(file.bad(second.at, "probe", exactly));
    }
    let Some((kind, target)) = kinds.pop() else {
        return Err(file.bad(section.at(), "probe", exactly));
    };
    check_target(file, kind, &target, settings)?;
    Ok(Probe {
        kind,
        target: target.value,
        interval_s: section.bounded("interval_s", 1, SECONDS_MAX)?.unwrap_or(5),
        timeout_s: section.bounded("timeout_s", 1, SECONDS_MAX)?.unwrap_or(5),
        failures_max: section.bounded("failures_max", 1, 1_000)?.unwrap_or(3),
        successes_min: section.bounded("successes_min", 1, 1_000)?.unwrap_or(1),
        start_period_s: section
            .bounded("start_period_s", 0, SECONDS_MAX)?
            .unwrap_or(10),
    })
}

fn check_target(
    file: &File<'_>,
    kind: ProbeKind,
    target: &At<Vec<String>>,
    settings: &[SettingSpec],
) -> Result<(), Failure> {
    let bad = |problem: String| Err(file.bad(target.at, kind.as_str(), problem));
    let first = target.value.first().map_or("", String::as_str);
    match kind {
        // The node asks itself, and has no use for TLS on the way.
        ProbeKind::Http if !first.starts_with("http://") => {
            return bad("must begin with http://: a probe asks the node itself".to_owned());
        }
        ProbeKind::Tcp if !first.contains(':') => {
            return bad("must be written HOST:PORT".to_owned());
        }
        ProbeKind::Exec if first.is_empty() => return bad("is empty".to_owned()),
        ProbeKind::Http | ProbeKind::Tcp | ProbeKind::Exec => {}
    }
    for text in &target.value {
        for name in braced(text) {
            if !settings.iter().any(|spec| spec.name.as_str() == name) {
                return bad(format!("{{{name}}} is not a setting of this app"));
            }
        }
    }
    Ok(())
}

/// The words in braces.
fn braced(text: &str) -> impl Iterator<Item = &str> {
    text.split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

/// `[probation]`.
pub(super) fn soak_s(
    file: &File<'_>,
    table: Option<At<DeTable<'_>>>,
) -> Result<Option<u64>, Failure> {
    let Some(table) = table else { return Ok(None) };
    Section::open(file, "probation", table.value, table.at, &["soak_s"])?
        .bounded("soak_s", 1, SOAK_S_MAX)
}

/// `[data]`.
pub(super) fn data(
    file: &File<'_>,
    table: Option<At<DeTable<'_>>>,
) -> Result<Option<DataSection>, Failure> {
    let Some(table) = table else { return Ok(None) };
    let at = table.at;
    let known = ["sqlite", "folders", "schema"];
    let mut section = Section::open(file, "data", table.value, at, &known)?;
    let sqlite = section.texts("sqlite")?.map(|list| list.value);
    let folders = section.texts("folders")?.map(|list| list.value);
    let data = DataSection {
        sqlite: sqlite.unwrap_or_default(),
        folders: folders.unwrap_or_default(),
        // What `PRAGMA user_version` can hold.
        schema: section.bounded("schema", 0, 0x7fff_ffff)?,
    };
    data.check()
        .map_err(|(path, rule)| file.bad(at, "data", format!("`{path}` {rule}")))?;
    if data.paths().next().is_none() {
        return Err(file.bad(at, "data", "names neither sqlite nor folders"));
    }
    if data.schema.is_some() && data.sqlite.is_empty() {
        return Err(file.bad(at, "schema", "needs a database in sqlite that carries it"));
    }
    Ok(Some(data))
}

/// `[migrate]`; what it may change must be declared, so that it can be set aside before.
pub(super) fn migrate(
    file: &File<'_>,
    table: Option<At<DeTable<'_>>>,
    has_data: bool,
) -> Result<Option<MigrateSection>, Failure> {
    let Some(table) = table else { return Ok(None) };
    let at = table.at;
    let known = ["command", "timeout_s"];
    let mut section = Section::open(file, "migrate", table.value, at, &known)?;
    let command = section
        .texts("command")?
        .ok_or_else(|| section.missing("command"))?;
    if command.value.iter().all(String::is_empty) {
        return Err(file.bad(command.at, "command", "is empty"));
    }
    if !has_data {
        return Err(file.bad(
            at,
            "migrate",
            "needs [data]: what it changes is set aside before",
        ));
    }
    Ok(Some(MigrateSection {
        command: command.value,
        timeout_s: section.bounded("timeout_s", 1, SECONDS_MAX)?,
    }))
}

/// `[source]`.
pub(super) fn source(
    file: &File<'_>,
    table: Option<At<DeTable<'_>>>,
) -> Result<Option<Source>, Failure> {
    let Some(table) = table else { return Ok(None) };
    let known = ["repository", "revision", "committed_at", "build_url"];
    let mut section = Section::open(file, "source", table.value, table.at, &known)?;
    let committed_at_s = match section.text("committed_at")? {
        None => None,
        Some(text) => {
            let time: jiff::Timestamp = text.value.parse().map_err(|_| {
                file.bad(
                    text.at,
                    "committed_at",
                    "must be a time such as \"2026-11-21T09:40:00Z\"",
                )
            })?;
            let seconds = u64::try_from(time.as_second())
                .map_err(|_| file.bad(text.at, "committed_at", "is before 1970"))?;
            Some(seconds)
        }
    };
    Ok(Some(Source {
        repository: section.text("repository")?.map(|text| text.value),
        revision: section.text("revision")?.map(|text| text.value),
        committed_at_s,
        build_url: section.text("build_url")?.map(|text| text.value),
    }))
}

/// `[notes]`, and what the command line adds where the file says nothing.
pub(super) fn notes(
    file: &File<'_>,
    table: Option<At<DeTable<'_>>>,
    fill_en: &Option<String>,
    fill_fr: &Option<String>,
) -> Result<Option<Notes>, Failure> {
    let mut notes = Notes::default();
    if let Some(table) = table {
        let mut section = Section::open(file, "notes", table.value, table.at, &["en", "fr"])?;
        notes.en = section.text("en")?.map(|text| text.value);
        notes.fr = section.text("fr")?.map(|text| text.value);
    }
    notes.en = notes.en.or_else(|| fill_en.clone());
    notes.fr = notes.fr.or_else(|| fill_fr.clone());
    Ok((notes != Notes::default()).then_some(notes))
}
