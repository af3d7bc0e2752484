//! The small real app of the demo: a notebook for a shop's counter. It serves its assets over HTTP,
//! keeps its rows in SQLite, and has nothing to do with Sanaga except four variables of its
//! environment: `SANAGA_RELEASE` (what it serves), `SANAGA_DATA` (what it keeps), `SANAGA_PORT` (where
//! it listens, if that is set) and `SANAGA_SETTINGS` (a file of KEY=VALUE lines; `port` is the only key
//! that it reads).
//!
//! A file `broken` in the release makes it fail on purpose: with the word `exit` in it the program
//! ends at once, with anything else `/health` answers 500.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rusqlite::Connection;

/// Bounds of one request, in bytes.
const HEAD_MAX: u64 = 16 * 1024;
const BODY_MAX: usize = 64 * 1024;

const PORT_DEFAULT: u16 = 8080;

struct Notebook {
    release: PathBuf,
    database: PathBuf,
}

struct Answer {
    status: &'static str,
    kind: &'static str,
    body: Vec<u8>,
}

impl Answer {
    fn text(status: &'static str, body: impl Into<String>) -> Self {
        Self {
            status,
            kind: "text/plain; charset=utf-8",
            body: body.into().into_bytes(),
        }
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("notebook: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let release = folder("SANAGA_RELEASE")?;
    let data = folder("SANAGA_DATA")?;
    if std::fs::read_to_string(release.join("broken")).is_ok_and(|word| word.trim() == "exit") {
        bail!("this release is broken on purpose");
    }
    std::fs::create_dir_all(&data).with_context(|| data.display().to_string())?;
    let notebook = Arc::new(Notebook {
        release,
        database: data.join("notebook.db"),
    });
    notebook.open()?;
    let port = port()?;
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| format!("port {port}"))?;
    println!(
        "notebook {} on http://127.0.0.1:{port}",
        notebook.version()?
    );
    for stream in listener.incoming() {
        let notebook = Arc::clone(&notebook);
        std::thread::spawn(move || {
            if let Err(error) = stream
                .context("accept")
                .and_then(|stream| notebook.serve(&stream))
            {
                eprintln!("notebook: {error:#}");
            }
        });
    }
    Ok(())
}

fn folder(name: &str) -> Result<PathBuf> {
    std::env::var_os(name)
        .map(PathBuf::from)
        .with_context(|| format!("{name} is not set"))
}

fn port() -> Result<u16> {
    if let Ok(port) = std::env::var("SANAGA_PORT") {
        return port.parse().with_context(|| format!("port `{port}`"));
    }
    let Some(path) = std::env::var_os("SANAGA_SETTINGS") else {
        return Ok(PORT_DEFAULT);
    };
    let path = Path::new(&path);
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    text.lines()
        .filter_map(|line| line.split_once('='))
        .find(|(key, _)| key.trim().eq_ignore_ascii_case("port"))
        .map_or(Ok(PORT_DEFAULT), |(_, value)| {
            let value = value.trim().trim_matches('"');
            value.parse().with_context(|| format!("port `{value}`"))
        })
}

impl Notebook {
    fn open(&self) -> Result<Connection> {
        let database = Connection::open(&self.database)
            .with_context(|| self.database.display().to_string())?;
        database.busy_timeout(Duration::from_secs(5))?;
        database.pragma_update(None, "journal_mode", "WAL")?;
        database.pragma_update(None, "synchronous", "FULL")?;
        database.execute_batch(
            "CREATE TABLE IF NOT EXISTS note (
                 id INTEGER PRIMARY KEY,
                 text TEXT NOT NULL,
                 version TEXT NOT NULL
             ) STRICT",
        )?;
        Ok(database)
    }

    fn version(&self) -> Result<String> {
        let path = self.release.join("VERSION");
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Ok(text.trim().to_owned())
    }

    fn serve(&self, stream: &TcpStream) -> Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.set_write_timeout(Some(Duration::from_secs(10)))?;
        let Some((method, path, body)) = read_request(stream)? else {
            return Ok(());
        };
        let answer = self.answer(&method, &path, body).unwrap_or_else(|error| {
            Answer::text("500 Internal Server Error", format!("{error:#}\n"))
        });
        let head = format!(
            "HTTP/1.1 {}\r\ncontent-type: {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            answer.status,
            answer.kind,
            answer.body.len()
        );
        let mut stream = stream;
        stream.write_all(head.as_bytes())?;
        stream.write_all(&answer.body)?;
        Ok(())
    }

    fn answer(&self, method: &str, path: &str, body: String) -> Result<Answer> {
        let path = path.split('?').next().unwrap_or_default();
        Ok(match (method, path) {
            ("GET", "/health") => self.health()?,
            ("GET", "/version") => Answer::text("200 OK", format!("{}\n", self.version()?)),
            ("GET", "/notes") => Answer::text("200 OK", self.notes()?),
            ("POST", "/notes") => Answer::text("201 Created", self.add(&body)?),
            ("GET", "/") => self.asset("index.html")?,
            ("GET", other) => self.asset(other.trim_start_matches('/'))?,
            _ => Answer::text("405 Method Not Allowed", "GET, or POST /notes\n"),
        })
    }

    fn health(&self) -> Result<Answer> {
        if self.release.join("broken").exists() {
            return Ok(Answer::text(
                "500 Internal Server Error",
                "broken on purpose\n",
            ));
        }
        let rows: i64 = self
            .open()?
            .query_row("SELECT count(*) FROM note", [], |row| row.get(0))?;
        Ok(Answer::text(
            "200 OK",
            format!("ok {} {rows} notes\n", self.version()?),
        ))
    }

    /// One line per note: number, the version that wrote it, its text.
    fn notes(&self) -> Result<String> {
        let database = self.open()?;
        let mut statement = database.prepare("SELECT id, version, text FROM note ORDER BY id")?;
        let mut rows = statement.query([])?;
        let mut lines = String::new();
        while let Some(row) = rows.next()? {
            let (id, version, text): (i64, String, String) =
                (row.get(0)?, row.get(1)?, row.get(2)?);
            lines.push_str(&format!(
                "{id}\t{version}\t{}\n",
                text.replace(['\n', '\t'], " ")
            ));
        }
        Ok(lines)
    }

    fn add(&self, text: &str) -> Result<String> {
        let database = self.open()?;
        database.execute(
            "INSERT INTO note (text, version) VALUES (?1, ?2)",
            (text.trim(), self.version()?),
        )?;
        Ok(format!("{}\n", database.last_insert_rowid()))
    }

    fn asset(&self, name: &str) -> Result<Answer> {
        let name = Path::new(name.strip_prefix("assets/").unwrap_or(name));
        let plain = name
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        let path = self.release.join("assets").join(name);
        if !plain || !path.is_file() {
            return Ok(Answer::text("404 Not Found", "no such page\n"));
        }
        let kind = match name.extension().and_then(|extension| extension.to_str()) {
            Some("html") => "text/html; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("png") => "image/png",
            _ => "application/octet-stream",
        };
        Ok(Answer {
            status: "200 OK",
            kind,
            body: std::fs::read(path)?,
        })
    }
}

/// Method, path and body; `None` if the client said nothing at all (a TCP probe).
fn read_request(stream: &TcpStream) -> Result<Option<(String, String, String)>> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    let mut first = String::new();
    if reader.by_ref().take(HEAD_MAX).read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let mut left = HEAD_MAX;
    loop {
        let mut line = String::new();
        let read = reader.by_ref().take(left).read_line(&mut line)?;
        left = left.saturating_sub(read as u64);
        if read == 0 {
            bail!("a head that does not end");
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse::<usize>().context("content-length")?;
        }
    }
    if length > BODY_MAX {
        bail!("a body of {length} bytes");
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8(body).context("a body that is not UTF-8")?;
    let mut words = first.split_whitespace().map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        bail!("request line `{}`", first.trim_end());
    };
    Ok(Some((method, path, body)))
}
