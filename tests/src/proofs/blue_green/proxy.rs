//! Debian's nginx and caddy, each with a configuration of its own in a temporary folder.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::http::get;
use crate::proofs::missing;
use crate::world::{PATIENCE, Proc, Step, World, eventually, free_port};

/// Which proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Nginx,
    Caddy,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
        }
    }
}

/// Has the kernel hand connections on from a listener that closes, which caddy's reload needs
/// (docs/services.md); as it was before when this is dropped.
pub struct HandsOn(Option<String>);

impl HandsOn {
    const PATH: &str = "/proc/sys/net/ipv4/tcp_migrate_req";

    pub fn begin() -> Result<Self> {
        let before = std::fs::read_to_string(Self::PATH).unwrap_or_default();
        if before.trim() == "1" {
            return Ok(Self(None));
        }
        match std::fs::write(Self::PATH, "1") {
            Ok(()) => Ok(Self(Some(before))),
            Err(error) => Err(missing(format!("{} cannot be set: {error}", Self::PATH))),
        }
    }
}

impl Drop for HandsOn {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = std::fs::write(Self::PATH, before);
        }
    }
}

/// A proxy in front of one app.
pub struct Proxy<'w> {
    world: &'w World,
    kind: Kind,
    app: String,
    /// Where it listens.
    pub port: u16,
    config: PathBuf,
    file: PathBuf,
    process: Option<Proc>,
}

impl<'w> Proxy<'w> {
    /// Writes the configuration as docs/services.md shows it.
    pub fn configure(world: &'w World, kind: Kind, app: &str) -> Result<Self> {
        let folder = world.dir(&format!("{}-proxy", kind.as_str()))?;
        let (port, admin) = (free_port()?, free_port()?);
        let file = folder.join(format!("{app}.conf"));
        let text = match kind {
            Kind::Nginx => nginx(&folder, &file, app, port),
            Kind::Caddy => caddy(&folder, &file, port, admin),
        };
        let config = folder.join("proxy.cfg");
        std::fs::write(&config, text)?;
        Ok(Self {
            world,
            kind,
            app: app.to_owned(),
            port,
            config,
            file,
            process: None,
        })
    }

    /// What the node's `agent.toml` says of it.
    pub fn agent_toml(&self) -> String {
        let (kind, file) = (self.kind.as_str(), self.file.display());
        let list = |words: &[String]| format!("{words:?}");
        let mut toml = format!("\n[upstream]\nkind = \"{kind}\"\nfile = \"{file}\"\n");
        // A string that is written does not fail.
        let _ = writeln!(
            toml,
            "check = {}",
            list(&self.words(&["-t", "-q"], "validate"))
        );
        let _ = writeln!(
            toml,
            "reload = {}",
            list(&self.words(&["-s", "reload"], "reload"))
        );
        let _ = writeln!(toml, "look = \"http://127.0.0.1:{}/health\"", self.port);
        toml
    }

    fn words(&self, nginx: &[&str], caddy: &str) -> Vec<String> {
        let config = self.config.display().to_string();
        let words = match self.kind {
            Kind::Nginx => [&["nginx", "-c", &config], nginx].concat(),
            Kind::Caddy => vec![
                "caddy",
                caddy,
                "--config",
                &config,
                "--adapter",
                "caddyfile",
            ],
        };
        words.into_iter().map(str::to_owned).collect()
    }

    /// Starts it, and waits until the app answers through it.
    pub fn start(&mut self) -> Result<()> {
        let words = match self.kind {
            Kind::Nginx => self.words(&[], ""),
            Kind::Caddy => self.words(&[], "run"),
        };
        let (program, arguments) = words.split_first().context("a program")?;
        let cmd = self.world.cmd(program).args(arguments);
        self.process = Some(self.world.spawn(self.kind.as_str(), cmd)?);
        let url = format!("http://127.0.0.1:{}/version", self.port);
        eventually("an answer through the proxy", PATIENCE, || {
            Ok(match get(&url) {
                Ok(answer) if answer.status == 200 => Step::Done(()),
                Ok(answer) => Step::Waiting(answer.status.to_string()),
                Err(_) => Step::Waiting(String::new()),
            })
        })
    }

    /// The file that the agent writes.
    pub fn upstream(&self) -> Result<String> {
        std::fs::read_to_string(&self.file).with_context(|| self.file.display().to_string())
    }

    /// Whether it names an instance.
    pub fn names_a_port(&self) -> Result<bool> {
        Ok(self.upstream()?.contains("127.0.0.1:"))
    }

    /// Such a file for another port.
    pub fn text(&self, port: u16) -> String {
        match self.kind {
            Kind::Nginx => format!("upstream {} {{ server 127.0.0.1:{port}; }}\n", self.app),
            Kind::Caddy => format!("reverse_proxy 127.0.0.1:{port}\n"),
        }
    }

    /// Writes the file by hand and reloads.
    pub fn tell(&mut self, text: &str) -> Result<()> {
        std::fs::write(&self.file, text)?;
        let words = self.words(&["-s", "reload"], "reload");
        let Some((program, arguments)) = words.split_first() else {
            bail!("no program");
        };
        self.world.cmd(program).args(arguments).ok()?;
        Ok(())
    }
}

fn nginx(folder: &Path, file: &Path, app: &str, port: u16) -> String {
    let (folder, file) = (folder.display(), file.display());
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("    {name}_temp_path {folder}/{name};\n"))
        .collect();
    format!(
        "daemon off;
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
{temporary}    include {file};
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://{app}; }}
    }}
}}
"
    )
}

fn caddy(folder: &Path, file: &Path, port: u16, admin: u16) -> String {
    let (folder, file) = (folder.display(), file.display());
    format!(
        "{{
    admin 127.0.0.1:{admin}
    auto_https off
    storage file_system {folder}/storage
}}
http://127.0.0.1:{port} {{
    import {file}
}}
"
    )
}
