//! The sections of `sanaga.toml`, one function each.

use sanaga_proto::failure::Failure;
use sanaga_proto::ids::SettingName;
use sanaga_proto::manifest::{
    DataSection, MigrateSection, Notes, Probe, ProbeKind, ServiceSection, SettingSpec, SettingType,
    Source, Strategy,
};
use sanaga_proto::wire::assignment::SettingValue;
use toml::de::{DeTable, DeValue};

use super::section::{At, File, Section};

/// The longest time that any key may name, seconds: one day.
pub(super) const SECONDS_MAX: u64 = 86_400;
/// The longest soak, seconds: one week.
const SOAK_S_MAX: u64 = 7 * SECONDS_MAX;
/// In the probes of a `blue-green` service, the port of the instance that is looked at.
const PORT: &str = "port";

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

/// `[settings.NAME]`, in order of name.
pub(super) fn settings(
    file: &File<'_>,
    table: Option<At<DeTable<'_>>>,
    service: &ServiceSection,
) -> Result<Vec<SettingSpec>, Failure> {
    let mut out = Vec::new();
    for (name, value) in table.map(|table| table.value).unwrap_or_default() {
        let at = name.span().start;
        let name: SettingName = name
            .get_ref()
            .parse()
            .map_err(|bad: sanaga_proto::ids::BadId| file.bad(at, name.get_ref(), bad.rule))?;
        if name.as_str() == PORT && service.strategy() == Strategy::BlueGreen {
            let problem = "is given by the node to each instance of a blue-green service";
            return Err(file.bad(at, PORT, problem));
        }
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
    service: &ServiceSection,
) -> Result<Vec<Probe>, Failure> {
    let mut names: Vec<&str> = settings.iter().map(|spec| spec.name.as_str()).collect();
    if service.strategy() == Strategy::BlueGreen {
        names.push(PORT);
    }
    tables
        .into_iter()
        .map(|table| probe(file, table, &names))
        .collect()
}

fn probe(file: &File<'_>, table: At<DeTable<'_>>, names: &[&str]) -> Result<Probe, Failure> {
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
    check_target(file, kind, &target, names)?;
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
    names: &[&str],
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
            if !names.contains(&name) {
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
