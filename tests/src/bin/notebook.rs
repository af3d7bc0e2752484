//! The small real app of the demo: a notebook for a shop's counter. It serves its assets over HTTP,
//! keeps its rows in SQLite, and has nothing to do with Sanaga except four variables of its
//! environment: `SANAGA_RELEASE` (what it serves), `SANAGA_DATA` (what it keeps), `SANAGA_PORT` (where
//! it listens, if that is set) and `SANAGA_SETTINGS` (a file of KEY=VALUE lines; `port` is the only key
//! that it reads).
//!
//! A file `broken` in the release makes it fail on purpose: with the word `exit` in it the program
//! ends at once, with `migration` its migration ends half way, with anything else `/health` answers 500.
//!
//! A file `schema` in the release says which schema its code knows: 1, or 2 in which notes have stars.
//! `notebook migrate` brings the database there. Like any careful app it runs on no other schema.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rusqlite::{Connection, OptionalExtension as _};

/// Bounds of one request, in bytes.
const HEAD_MAX: u64 = 16 * 1024;
const BODY_MAX: usize = 64 * 1024;

const PORT_DEFAULT: u16 = 8080;

/// The tables of each schema.
const NOTES: [&str; 2] = [
    "CREATE TABLE note (
         id INTEGER PRIMARY KEY, text TEXT NOT NULL, version TEXT NOT NULL
     ) STRICT",
    "CREATE TABLE note (
         id INTEGER PRIMARY KEY, text TEXT NOT NULL, version TEXT NOT NULL,
         stars INTEGER NOT NULL DEFAULT 0
     ) STRICT",
];
const PHOTOS: &str = "CREATE TABLE IF NOT EXISTS photo (
         id INTEGER PRIMARY KEY, name TEXT NOT NULL, bytes BLOB NOT NULL
     ) STRICT";

struct Notebook {
    release: PathBuf,
    schema: usize,
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
    let schema = match std::fs::read_to_string(release.join("schema")) {
        Ok(text) => text.trim().parse().context("the file `schema`")?,
        Err(_) => 1,
    };
    let notebook = Arc::new(Notebook {
        release,
        schema,
        database: data.join("notebook.db"),
    });
    if std::env::args()
        .nth(1)
        .is_some_and(|word| word == "migrate")
    {
        return notebook.migrate();
    }
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
        let found = schema_of(&database)?;
        if found == 0 {
            let notes = NOTES.get(self.schema - 1).context("an unknown schema")?;
            let notes = notes.replacen("TABLE", "TABLE IF NOT EXISTS", 1);
            database.execute_batch(&notes)?;
            database.pragma_update(None, "user_version", self.schema)?;
        } else if found != self.schema {
            bail!(
                "the database has schema {found}, and this is code for {}",
                self.schema
            );
        }
        database.execute_batch(PHOTOS)?;
        Ok(database)
    }

    /// Brings the database to this release's schema, in two steps that are committed one by one.
    fn migrate(&self) -> Result<()> {
        let database = Connection::open(&self.database)?;
        if schema_of(&database)? != 1 || self.schema != 2 {
            return Ok(());
        }
        database.execute_batch("ALTER TABLE note ADD COLUMN stars INTEGER NOT NULL DEFAULT 0")?;
        if std::fs::read_to_string(self.release.join("broken"))
            .is_ok_and(|word| word.trim() == "migration")
        {
            bail!("this migration is broken on purpose");
        }
        database.pragma_update(None, "user_version", 2)?;
        Ok(())
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
            ("POST", "/photos") => Answer::text("201 Created", self.add_photo(&body)?),
            ("PUT" | "DELETE", path) => self.change(method, path, &body)?,
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

    fn add_photo(&self, text: &str) -> Result<String> {
        let database = self.open()?;
        let values = (text.trim(), text.as_bytes());
        database.execute("INSERT INTO photo (name, bytes) VALUES (?1, ?2)", values)?;
        Ok(format!("{}\n", database.last_insert_rowid()))
    }

    /// Changes or removes `/notes/ID` or `/photos/ID`.
    fn change(&self, method: &str, path: &str, body: &str) -> Result<Answer> {
        let sql = match (method, path.trim_start_matches('/').split_once('/')) {
            ("PUT", Some(("notes", _))) => "UPDATE note SET text = ?2 WHERE id = ?1",
            ("PUT", Some(("photos", _))) => "UPDATE photo SET name = ?2 WHERE id = ?1",
            (_, Some(("notes", _))) => "DELETE FROM note WHERE id = ?1 AND ?2 IS NOT NULL",
            (_, Some(("photos", _))) => "DELETE FROM photo WHERE id = ?1 AND ?2 IS NOT NULL",
            (_, Some(_) | None) => return Ok(Answer::text("404 Not Found", "no such row\n")),
        };
        let id = path.rsplit('/').next().unwrap_or_default();
        let id: i64 = id.parse().context("the number of a row")?;
        let changed = self.open()?.execute(sql, (id, body.trim()))?;
        Ok(match changed {
            0 => Answer::text("404 Not Found", "no such row\n"),
            _ => Answer::text("200 OK", "changed\n"),
        })
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

/// The schema of a database; 0 for one that is empty, 1 for one from before schemas had numbers.
fn schema_of(database: &Connection) -> Result<usize> {
    let version: usize = database.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let sql = "SELECT 1 FROM sqlite_schema WHERE name = 'note'";
    let has_notes: Option<u32> = database.query_row(sql, [], |row| row.get(0)).optional()?;
    Ok(version.max(usize::from(has_notes.is_some())))
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
