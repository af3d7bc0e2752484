//! Every key of `agent.toml`, as documented data: name, kind, default, meaning, and where its value
//! goes. Parsing, `config show`, the environment and `docs/agent-toml.md` all read this one table.

use std::collections::BTreeSet;
use std::time::Duration;

use sanaga_proto::manifest::ServiceKind;
use sanaga_proto::text::Language;

use super::value::{Kind, Value, parse_ports};
use super::{Config, LogFormat, LogLevel, Proxy};
use crate::clock::ClockTrust;
use crate::power::nut::Ups;

/// One key.
pub struct Key {
    /// Its full name: `poll.interval_s`; the part before the dot is its section.
    pub name: &'static str,
    /// What it may hold.
    pub kind: Kind,
    /// Its default, as it would be written in the environment.
    pub default: &'static str,
    /// What it means, in one or two sentences.
    pub doc: &'static str,
    /// Puts a checked value in its place.
    pub(super) set: fn(&mut Config, &Value),
}

impl Key {
    /// The variable of the environment: `SANAGA_POLL_INTERVAL_S`.
    #[must_use]
    pub fn variable(&self) -> String {
        match self.name {
            // The variable that the controller reads, too.
            "language" => "SANAGA_LANG".to_owned(),
            name => format!("SANAGA_{}", name.replace('.', "_").to_ascii_uppercase()),
        }
    }

    /// Section and key; the section of a top-level key is empty.
    #[must_use]
    pub fn parts(&self) -> (&'static str, &'static str) {
        self.name.split_once('.').unwrap_or(("", self.name))
    }
}

const DAY_S: u64 = 86_400;
const BYTES_MAX: u64 = 1 << 50;

macro_rules! keys {
    ($($name:literal, $kind:expr, $default:literal, $set:expr, $doc:literal;)*) => {
        /// Every key; sections stand together, in the order of the documentation.
        pub static KEYS: &[Key] = &[$(Key { name: $name, kind: $kind, default: $default, doc: $doc, set: $set }),*];
    };
}

const fn seconds(min: u64, max: u64) -> Kind {
    Kind::Integer { min, max }
}

const fn bytes(min: u64) -> Kind {
    Kind::Bytes {
        min,
        max: BYTES_MAX,
    }
}

keys! {
    "clock", Kind::Choice(&["kernel", "trusted"]), "kernel",
        |c, v| c.clock = if v.text() == "trusted" { ClockTrust::Trusted } else { ClockTrust::Kernel },
        "When the wall clock is believed: while the kernel reports it synchronised, or always. An unsure clock serves display and alarms only.";
    "language", Kind::Choice(&["auto", "en", "fr"]), "auto",
        |c, v| c.language = Language::from_tag(v.text()).filter(|_| v.text() != "auto"),
        "The language of messages; `auto` follows `LC_ALL` and `LANG`. Logs and JSON are always English.";

    "poll.interval_s", Kind::IntegerOrAuto { min: 5, max: 7 * DAY_S }, "auto",
        |c, v| c.poll.interval_s = v.optional_integer(),
        "Between two polls, seconds; `auto` is what the environment asks for.";
    "poll.jitter_percent", Kind::Integer { min: 0, max: 100 }, "10",
        |c, v| c.poll.jitter_percent = v.integer(),
        "So much of the interval is added by chance, so that the sites of a fleet do not call together.";

    "fetch.connect_s", seconds(1, 600), "30",
        |c, v| c.fetch.connect = Duration::from_secs(v.integer()),
        "A connection must stand after, seconds.";
    "fetch.stall_s", seconds(5, 3_600), "60",
        |c, v| c.fetch.stall = Duration::from_secs(v.integer()),
        "A transfer that brings nothing for so long is taken up again, seconds. There is no limit in all.";
    "fetch.retry_min_s", seconds(1, 3_600), "5",
        |c, v| c.fetch.retry_min = Duration::from_secs(v.integer()),
        "The first pause after a failure, seconds; it grows, with jitter.";
    "fetch.retry_max_s", seconds(1, DAY_S), "3600",
        |c, v| c.fetch.retry_max = Duration::from_secs(v.integer()),
        "The longest pause after failures, seconds.";
    "fetch.day_bytes_max", bytes(0), "0",
        |c, v| c.fetch.day_bytes_max = v.integer(),
        "The most bytes of packs in 24 hours; 0 is no limit. What does not fit waits, kept, and `sanaga-agent pull --now` fetches it all the same.";
    "fetch.month_bytes_max", bytes(0), "0",
        |c, v| c.fetch.month_bytes_max = v.integer(),
        "The most bytes of packs in 30 days; 0 is no limit.";
    "fetch.second_bytes_max", bytes(0), "0",
        |c, v| c.fetch.second_bytes_max = v.integer(),
        "The most bytes a second, so that the site's own work keeps its link; 0 is no limit.";
    "fetch.post_quantum", Kind::Flag, "false",
        |c, v| c.fetch.post_quantum = v.flag(),
        "Post-quantum key exchange in TLS; costs 1.2 KB up and 1.1 KB down in each full handshake.";

    "limits.packs_bytes_max", bytes(1 << 20), "4 GiB",
        |c, v| c.limits.packs_bytes_max = v.integer(),
        "The most bytes of packs kept on disk, partial ones included.";
    "limits.disk_free_bytes_min", bytes(0), "256 MiB",
        |c, v| c.limits.disk_free_bytes_min = v.integer(),
        "So many bytes stay free: an update that would need them waits for room.";
    "limits.allow_kinds", Kind::Choices(&["process", "command", "systemd", "none"]), "process,command,systemd,none",
        |c, v| c.limits.allow_kinds = v.list().iter().filter_map(|word| ServiceKind::from_word(word)).collect(),
        "The kinds of service that a release may have here.";
    "limits.allow_users", Kind::Users, "",
        |c, v| c.limits.allow_users = v.list().iter().cloned().collect(),
        "The users that a release may run as, beside the one that the agent runs as.";
    "limits.data_roots", Kind::Folders, "",
        |c, v| c.limits.data_roots = v.list().iter().map(std::path::PathBuf::from).collect(),
        "The folders below which a release may declare data by an absolute path, beside its own folder.";

    "limits.memory_bytes_max", bytes(0), "0",
        |c, v| c.limits.memory_bytes_max = v.integer(),
        "The most memory that a service may ask for; a release that asks for none gets this. 0 is no limit. Holds for kind `systemd`.";
    "limits.cpu_percent_max", Kind::Integer { min: 0, max: 100_000 }, "0",
        |c, v| c.limits.cpu_percent_max = v.integer(),
        "The most processor time of a service, percent of one processor; 0 is no limit. Holds for kind `systemd`.";
    "limits.tasks_max", Kind::Integer { min: 0, max: 1 << 22 }, "0",
        |c, v| c.limits.tasks_max = v.integer(),
        "The most processes and threads of a service; 0 is no limit. Holds for kind `systemd`.";
    "limits.files_max", Kind::Integer { min: 0, max: 1 << 30 }, "0",
        |c, v| c.limits.files_max = v.integer(),
        "The most open files of each process of a service; 0 is no limit. Holds for every kind.";

    "slots.keep_previous_h", Kind::Integer { min: 0, max: 8_760 }, "24",
        |c, v| c.slots.keep_previous = Duration::from_secs(v.integer().saturating_mul(3_600)),
        "The previous release stays on disk at least so long after a commit, hours.";
    "slots.link", Kind::Flag, "false",
        |c, v| c.slots.link = v.flag(),
        "Unchanged files may be hard links between slots. It saves disk, and one damaged file damages both.";

    "probation.soak_s", Kind::IntegerOrAuto { min: 0, max: 30 * DAY_S }, "auto",
        |c, v| c.probation.soak_s = v.optional_integer(),
        "A new release must be healthy so long before it is committed, seconds; `auto` is what the release asks for, else 60 in dev and 900 elsewhere.";

    "power.charge_percent_min", Kind::Integer { min: 0, max: 100 }, "40",
        |c, v| c.power.charge_percent_min = u8::try_from(v.integer()).unwrap_or(100),
        "While the machine runs on a battery, nothing is activated below this charge, percent; 0 is no limit. `sanaga-agent activate` does it all the same.";
    "power.outage_days_min", Kind::Integer { min: 0, max: 14 }, "3",
        |c, v| c.power.outage_days_min = v.integer(),
        "Nothing is activated at a time of day at which the power went off on so many of the last 14 days; 0 is never. Learned only while the clock is sure.";
    "power.ups", Kind::UpsOrNone, "none",
        |c, v| c.power.ups = Ups::parse(v.text()),
        "A UPS that Network UPS Tools on this machine looks after, as `NAME@localhost` or `NAME@localhost:PORT`.";
    "power.supply", Kind::PathOrAuto, "auto",
        |c, v| c.power.supply = (*v != Value::Auto).then(|| v.text().into()),
        "Where batteries and mains are shown; `auto` is `/sys/class/power_supply`.";

    "service.start_timeout_s", seconds(1, 3_600), "120",
        |c, v| c.service.start_timeout = Duration::from_secs(v.integer()),
        "The start or status of a service of kind `command` or `systemd` takes at most, seconds.";
    "service.restart_min_s", seconds(1, 600), "1",
        |c, v| c.service.restart_min = Duration::from_secs(v.integer()),
        "The first pause before a crashed process is started again, seconds; it doubles, with jitter.";
    "service.restart_max_s", seconds(1, 3_600), "60",
        |c, v| c.service.restart_max = Duration::from_secs(v.integer()),
        "The longest pause before a crashed process is started again, seconds.";
    "service.log_bytes_max", bytes(16 << 10), "1 MiB",
        |c, v| c.service.log_bytes_max = v.integer(),
        "The output of each app is kept in a file of about this size and one older file.";

    "service.ports", Kind::Ports, "20000-20999",
        |c, v| c.service.ports = parse_ports(v.text()).unwrap_or(c.service.ports),
        "The ports of `blue-green` services whose release names none.";
    "service.keep_old_h", Kind::Integer { min: 0, max: 168 }, "24",
        |c, v| c.service.keep_old = Duration::from_secs(v.integer().saturating_mul(3_600)),
        "A `blue-green` instance that served runs on so long after the switch, hours, so that going back takes no start. A reboot ends it.";

    "upstream.kind", Kind::Choice(&["none", "nginx", "caddy"]), "none",
        |c, v| c.upstream.kind = match v.text() {
            "nginx" => Some(Proxy::Nginx),
            "caddy" => Some(Proxy::Caddy),
            _ => None,
        },
        "The proxy in front of `blue-green` services; without one they are refused (docs/services.md).";
    "upstream.file", Kind::PathOrAuto, "auto",
        |c, v| c.upstream.file = (*v != Value::Auto).then(|| v.text().to_owned()),
        "The file that says where the app listens; the proxy's configuration includes it. `{app}` is the app. `auto` is `/etc/nginx/sanaga/{app}.conf` or `/etc/caddy/sanaga/{app}.caddy`.";
    "upstream.check", Kind::CommandOrAuto, "auto",
        |c, v| c.upstream.check = (*v != Value::Auto).then(|| v.list().to_vec()),
        "Checks the proxy's configuration before it is reloaded; an empty list is no check. `auto` is `nginx -t -q` or `caddy validate --config /etc/caddy/Caddyfile`.";
    "upstream.reload", Kind::CommandOrAuto, "auto",
        |c, v| c.upstream.reload = (*v != Value::Auto).then(|| v.list().to_vec()),
        "Makes the proxy read its configuration anew. `auto` is `nginx -s reload` or `caddy reload --config /etc/caddy/Caddyfile`.";
    "upstream.look", Kind::UrlOrNone, "none",
        |c, v| c.upstream.look = (v.text() != "none").then(|| v.text().to_owned()),
        "A URL of the app behind the proxy. After a reload it is asked until the answer comes through the new instance; else the switch is taken back. `{app}` is the app.";

    "log.level", Kind::Choice(&["error", "warn", "info", "debug", "trace"]), "info",
        |c, v| c.log.level = match v.text() {
            "error" => LogLevel::Error,
            "warn" => LogLevel::Warn,
            "debug" => LogLevel::Debug,
            "trace" => LogLevel::Trace,
            _ => LogLevel::Info,
        },
        "How much the agent itself logs.";
    "log.format", Kind::Choice(&["text", "json"]), "text",
        |c, v| c.log.format = if v.text() == "json" { LogFormat::Json } else { LogFormat::Text },
        "The form of the agent's own log.";
}

/// The key of that full name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// Every section that has keys of the table, in order of name; `settings` is not among them.
#[must_use]
pub fn sections() -> BTreeSet<&'static str> {
    KEYS.iter()
        .map(|key| key.parts().0)
        .filter(|section| !section.is_empty())
        .collect()
}
