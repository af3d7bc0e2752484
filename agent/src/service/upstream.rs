//! The proxy's view of an app: a small file that names the port of the instance that serves, which
//! the proxy's configuration includes. It is replaced by rename, and the proxy reads it anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sanaga_proto::ids::AppName;

use super::run::{Outcome, Output, Program, run};
use crate::config::{Proxy, UpstreamConfig};

/// Checking and reloading take at most.
const LIMIT: Duration = Duration::from_secs(60);
/// The file is far smaller, bytes.
const BYTES_MAX: u64 = 64 << 10;
/// Where every instance listens.
const HOST: &str = "127.0.0.1:";
/// The kernel's setting of [`migrates`].
const MIGRATES: &str = "/proc/sys/net/ipv4/tcp_migrate_req";
/// Where the proxies' programs are.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How the proxy is told of one app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    app: AppName,
    proxy: Proxy,
    file: PathBuf,
    check: Vec<String>,
    reload: Vec<String>,
    /// A URL of the app behind the proxy.
    pub look: Option<String>,
}

impl Upstream {
    /// The proxy of this app; none when the node has none.
    #[must_use]
    pub fn of(config: &UpstreamConfig, app: &AppName) -> Option<Self> {
        let proxy = config.kind?;
        let filled = |text: &str| text.replace("{app}", app.as_str());
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let (file, check, reload): (&str, Vec<String>, Vec<String>) = match proxy {
            Proxy::Nginx => (
                "/etc/nginx/sanaga/{app}.conf",
                words(&["nginx", "-t", "-q"]),
                words(&["nginx", "-s", "reload"]),
            ),
            Proxy::Caddy => (
                "/etc/caddy/sanaga/{app}.caddy",
                words(&["caddy", "validate", "--config", "/etc/caddy/Caddyfile"]),
                words(&["caddy", "reload", "--config", "/etc/caddy/Caddyfile"]),
            ),
        };
        Some(Self {
            app: app.clone(),
            proxy,
            file: PathBuf::from(filled(config.file.as_deref().unwrap_or(file))),
            check: config.check.clone().unwrap_or(check),
            reload: config.reload.clone().unwrap_or(reload),
            look: config.look.as_deref().map(filled),
        })
    }

    /// The port that the proxy was told last; none when the file is absent or not ours.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        let bytes = fs::metadata(&self.file).ok()?.len();
        if bytes > BYTES_MAX {
            return None;
        }
        port_in(&fs::read_to_string(&self.file).ok()?)
    }

    /// Tells the proxy where the app listens from now on. When the proxy does not take it, the file
    /// is as it was. With `lenient` a proxy that cannot be reloaded is no fault: it reads the file
    /// when it starts.
    ///
    /// # Errors
    /// Why not, in English words.
    pub(super) async fn tell(&self, port: u16, what: &str, lenient: bool) -> Result<(), String> {
        let before = fs::read(&self.file).ok();
        self.write(self.text(port, what).as_bytes())?;
        let mut told = self.command(&self.check).await;
        if told.is_ok() {
            if self.proxy == Proxy::Caddy && !lenient && !migrates() {
                tracing::warn!(app = %self.app, "net.ipv4.tcp_migrate_req is 0: caddy may reset connections that come while it reloads; see docs/services.md");
            }
            told = match self.command(&self.reload).await {
                Err(problem) if lenient => {
                    tracing::warn!(app = %self.app, problem, "the proxy is not reloaded; it reads the file when it starts");
                    Ok(())
                }
                reloaded => reloaded,
            };
        }
        let Err(problem) = told else { return Ok(()) };
        let restored = match &before {
            Some(bytes) => self.write(bytes),
            None => sanaga_durable::remove_file(&self.file).map_err(|error| error.to_string()),
        };
        // A proxy that took half of it takes the old one again; that it fails once more changes nothing.
        let _ = self.command(&self.reload).await;
        match restored {
            Ok(()) => Err(problem),
            Err(second) => Err(format!("{problem}; and {second}")),
        }
    }

    fn write(&self, bytes: &[u8]) -> Result<(), String> {
        let folder = self.file.parent().unwrap_or(Path::new("/"));
        sanaga_durable::make_dir(folder).map_err(|error| error.to_string())?;
        sanaga_durable::write_file(&self.file, bytes, 0o644).map_err(|error| error.to_string())
    }

    fn text(&self, port: u16, what: &str) -> String {
        let head =
            format!("# {what}. Written by sanaga-agent, which replaces it at each switch.\n");
        let app = &self.app;
        match self.proxy {
            Proxy::Nginx => format!("{head}upstream {app} {{\n    server {HOST}{port};\n}}\n"),
            Proxy::Caddy => format!("{head}reverse_proxy {HOST}{port}\n"),
        }
    }

    async fn command(&self, words: &[String]) -> Result<(), String> {
        let Some((first, arguments)) = words.split_first() else {
            return Ok(());
        };
        let program = Program {
            path: PathBuf::from(first),
            arguments,
            folder: Path::new("/"),
            environment: BTreeMap::from([
                ("PATH".into(), PATH.into()),
                ("LC_ALL".into(), "C".into()),
                ("HOME".into(), "/root".into()),
            ]),
            account: None,
            output: Output::Tail,
        };
        let said = words.join(" ");
        match run(program, LIMIT).await {
            Ok(Outcome { code: 0, .. }) => Ok(()),
            Ok(Outcome { code, errors, .. }) => {
                let last = errors.lines().last().unwrap_or_default();
                Err(format!("`{said}` ended with code {code}: {last}"))
            }
            Err(error) => Err(format!("`{said}`: {error}")),
        }
    }
}

/// Whether the kernel hands connections that wait at a listener that is closed to the next one
/// (ip-sysctl, since Linux 5.14). caddy opens a new listener at each reload and closes the old one.
fn migrates() -> bool {
    fs::read_to_string(MIGRATES).is_ok_and(|text| text.trim() == "1")
}

/// The port of the first address of ours in a line that is no comment.
fn port_in(text: &str) -> Option<u16> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .find_map(|line| {
            let (_, behind) = line.split_once(HOST)?;
            let end = behind
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(behind.len());
            behind.get(..end)?.parse().ok()
        })
}

#[cfg(test)]
mod tests;
