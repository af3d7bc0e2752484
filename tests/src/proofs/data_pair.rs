//! Code and data as a pair: a release migrates a database, rows are written with it, and the site goes
//! back without a network. The old rows are there to the last, the later ones are kept and exported.

mod rows;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rusqlite::Connection;
use serde_json::Value;

use self::rows::Rows;
use super::{Args, Outcome, Proof};
use crate::http;
use crate::link::Plan;
use crate::notebook::{Broken, Release};
use crate::seed::Rng;
use crate::site::{Controller, Node, Seat};
use crate::world::{Step, World, eventually, free_port};

/// The proof.
pub const PROOF: Proof = Proof {
    name: "data-pair",
    shows: "code and data go back together in ≤ 60 s, row by row; later rows are kept and exported",
    run,
};

/// The most that a roll back may take, milliseconds.
const BACK_MS_MAX: u64 = 60_000;
/// The bytes of one photo.
const PHOTO_BYTES: usize = 60_000;
/// One transaction of the filler holds so many photos.
const PHOTOS_PER_COMMIT: usize = 250;
/// An update or way back of the largest database takes at most.
const LONG: Duration = Duration::from_secs(300);

fn run(args: &Args) -> Result<Outcome> {
    World::run("data", |world| {
        let bytes: u64 = if args.long { 1 << 30 } else { 64 << 20 };
        let site = Site::new(world, args)?;
        site.tell(&site.release("1.0.0", 1), "committed")?;
        site.fill(bytes, args.seed)?;
        let caught = site.plain_copy_is_caught(world)?;
        let before = site.update_while_writing()?;
        let after = site.work_on()?;
        let back = site.go_back(world, &before, &after)?;
        let held = site.fail_twice()?;
        let size = std::fs::metadata(&site.database)?.len();
        Ok(Outcome::new()
            .at_least("database", size >> 20, bytes >> 20, "MiB")
            .at_most(
                "roll back of code and data",
                back.took_ms,
                BACK_MS_MAX,
                "ms",
            )
            .all_of("rows as before", back.rows, before.rows.count())
            .all_of("exported changes", back.exported, back.written)
            .all_of("failed releases whose data came back", held, 2)
            .all_of("plain copies caught", caught, 1))
    })
}

struct Site<'w> {
    controller: Controller<'w>,
    node: Node<'w>,
    port: u16,
    database: PathBuf,
    soak_s: u32,
}

/// What was in the database before the switch.
struct Before {
    /// When nobody wrote yet.
    rows: Rows,
    /// The texts that were acknowledged after that, up to the switch.
    acknowledged: Vec<String>,
}

/// What the way back led to.
struct Back {
    took_ms: u64,
    /// Rows that are there again.
    rows: u64,
    /// Changes in the export of the table that both schemas have.
    exported: u64,
    /// Such changes that were made.
    written: u64,
}

impl<'w> Site<'w> {
    fn new(world: &'w World, args: &Args) -> Result<Self> {
        let controller = Controller::start(world)?;
        let port = free_port()?;
        let mut seat = Seat::behind(Plan::new(args.seed));
        seat.toml
            .push_str(&format!("[settings.notebook]\nport = {port}\n"));
        let node = controller.enrol_as("depot", "akwa-1", seat)?;
        let database = node.folder().join("apps/notebook/data/notebook.db");
        Ok(Self {
            controller,
            node,
            port,
            database,
            soak_s: 2,
        })
    }

    fn release(&self, version: &str, schema: u32) -> Release {
        Release::new(version).schema(schema).soak_s(self.soak_s)
    }

    /// Publishes and assigns a release, and waits for what comes of it.
    fn tell(&self, release: &Release, phase: &str) -> Result<()> {
        self.controller.publish(release)?;
        let name = release.name();
        self.controller.assign(&name, "node=akwa-1")?;
        let version = name.rsplit('@').next().unwrap_or_default();
        self.wait(&format!("{name} {phase}"), |app| {
            let (found, stands) = (text(app, "version"), text(app, "phase"));
            let aside = text(app, "set_aside");
            match phase {
                "rolled_back" => stands == phase && aside == version,
                _ => stands == phase && found == version,
            }
        })
    }

    fn wait(&self, what: &str, is_there: impl Fn(&Value) -> bool) -> Result<()> {
        eventually(what, LONG, || {
            let app = self.node.app("notebook")?;
            Ok(match is_there(&app) {
                true => Step::Done(()),
                false => Step::Waiting(app.to_string()),
            })
        })
    }

    fn send(&self, method: &str, path: &str, body: &str) -> Result<()> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let answer = http::request(method, &url, &[], body.as_bytes())?;
        ensure!(
            (200..300).contains(&answer.status),
            "{method} {path}: {} {}",
            answer.status,
            answer.text()
        );
        Ok(())
    }

    /// Fills the database beside the app, which goes on writing.
    fn fill(&self, bytes: u64, seed: u64) -> Result<()> {
        let writer = Writer::start(self.port, "while filling");
        let mut database = open(&self.database)?;
        let mut rng = Rng::stream(seed, "photos");
        let photos = usize::try_from(bytes)? / PHOTO_BYTES;
        let mut photo: Vec<u8> = (0..PHOTO_BYTES).map(|_| rng.below(256) as u8).collect();
        for first in (0..photos).step_by(PHOTOS_PER_COMMIT) {
            let part = database.transaction()?;
            for number in first..photos.min(first + PHOTOS_PER_COMMIT) {
                // Each differs from all others in a few places.
                for _ in 0..16 {
                    let at = rng.below(PHOTO_BYTES as u64) as usize;
                    if let Some(byte) = photo.get_mut(at) {
                        *byte = rng.below(256) as u8;
                    }
                }
                let values = (format!("photo {number}"), photo.as_slice());
                part.execute("INSERT INTO photo (name, bytes) VALUES (?1, ?2)", values)?;
            }
            part.commit()?;
        }
        let part = database.transaction()?;
        for number in 0..5_000 {
            let note = format!("it's note {number}\nwith \"words\"");
            part.execute("INSERT INTO note (text, version) VALUES (?1, '0')", [note])?;
        }
        part.commit()?;
        let written = writer.stop()?;
        ensure!(!written.is_empty(), "the app did not write meanwhile");
        eprintln!(
            "{photos} photos; the app wrote {} notes meanwhile",
            written.len()
        );
        Ok(())
    }

    /// A sabotage: a set that were a copy of the main file alone. The same comparison must see it.
    fn plain_copy_is_caught(&self, world: &World) -> Result<u64> {
        let open = open(&self.database)?;
        open.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        for number in 0..50 {
            self.send("POST", "/notes", &format!("in the log {number}"))?;
        }
        let copy = world.root().join("plain.db");
        std::fs::copy(&self.database, &copy)?;
        let (truth, found) = (Rows::of(&self.database)?, Rows::of(&copy)?);
        std::fs::remove_file(&copy)?;
        Ok(u64::from(truth != found))
    }

    /// Brings the release with the migration, with the app writing up to the switch. A connection that
    /// stays open keeps the last rows in the write-ahead log.
    fn update_while_writing(&self) -> Result<Before> {
        let open = open(&self.database)?;
        let rows = Rows::of(&self.database)?;
        let writer = Writer::start(self.port, "before the switch");
        self.tell(&self.release("1.1.0", 2), "committed")?;
        drop(open);
        let acknowledged = writer.stop()?;
        eprintln!(
            "{} rows, and {} more before the switch",
            rows.count(),
            acknowledged.len()
        );
        ensure!(schema(&self.database)? == 2, "it is not migrated");
        Ok(Before { rows, acknowledged })
    }

    /// Works with the new release: rows come, change and go.
    fn work_on(&self) -> Result<Rows> {
        for number in 0..30 {
            self.send("POST", "/notes", &format!("later note {number}"))?;
            self.send("POST", "/photos", &format!("later 'photo' {number}"))?;
        }
        for number in 1..=10 {
            self.send("PUT", &format!("/notes/{number}"), "changed later")?;
            self.send("PUT", &format!("/photos/{number}"), "changed later")?;
            self.send("DELETE", &format!("/notes/{}", number + 20), "")?;
            self.send("DELETE", &format!("/photos/{}", number + 20), "")?;
        }
        Rows::of(&self.database)
    }

    /// Goes back without a network, and looks at everything that is promised.
    fn go_back(&self, world: &World, before: &Before, after: &Rows) -> Result<Back> {
        self.node.link.down();
        let started = Instant::now();
        let rollback = self.node.cmd()?.args(["rollback", "notebook"]);
        let said = rollback.patience(LONG).ok()?;
        let took_ms = u64::try_from(started.elapsed().as_millis())?;
        eprintln!("{}", said.stdout.trim_end());
        self.node.link.up();
        let version = http::get(&format!("http://127.0.0.1:{}/version", self.port))?.text();
        ensure!(version.trim() == "1.0.0", "{version} answers");
        ensure!(
            schema(&self.database)? == 1,
            "the database is still migrated"
        );
        let found = Rows::of(&self.database)?;
        let rows = found.same_and_then(&before.rows, &before.acknowledged)?;

        let app = self.node.app("notebook")?;
        let kept = app.get("data").and_then(|data| data.get(0));
        let kept = kept.and_then(Value::as_str).context("nothing is kept")?;
        let kept = PathBuf::from(kept);
        ensure!(
            said.stdout.contains(&*kept.to_string_lossy()),
            "the path is not told"
        );
        let summary = std::fs::read_to_string(kept.join("export.json"))?;
        let summary: Value = serde_json::from_str(&summary)?;
        let photos = summary
            .pointer("/tables/notebook.db~1photo")
            .context("no photos")?;
        let exported = ["inserted", "updated", "deleted"].map(|name| photos.get(name).cloned());
        let exported = exported
            .into_iter()
            .flatten()
            .filter_map(|value| value.as_u64());
        self.exports_give_the_later_rows(world, &kept, after)?;
        Ok(Back {
            took_ms,
            rows,
            exported: exported.sum(),
            written: 30 + 10 + 10,
        })
    }

    /// The kept database has the later rows; the export gives them again: what both schemas have on a
    /// copy of the old database, the rest on its own.
    fn exports_give_the_later_rows(&self, world: &World, kept: &Path, after: &Rows) -> Result<()> {
        let item = std::fs::read_dir(kept)?.flatten().map(|entry| entry.path());
        let item = item.into_iter().find(|path| is_database(path));
        let item = item.context("no database is kept")?;
        ensure!(
            Rows::of(&item)? == *after,
            "the kept database is another one"
        );
        let copy = world.root().join("applied.db");
        open(&self.database)?.execute("VACUUM INTO ?1", [copy.to_string_lossy()])?;
        apply(&copy, &kept.join("notebook.db.changes.sql"))?;
        ensure!(
            Rows::of(&copy)?.photos == after.photos,
            "the changes give other photos"
        );
        std::fs::remove_file(&copy)?;
        let fresh = world.root().join("fresh.db");
        apply(&fresh, &kept.join("notebook.db.tables.sql"))?;
        ensure!(
            Rows::notes_of(&fresh)? == after.notes,
            "the tables give other notes"
        );
        Ok(())
    }

    /// A migration that fails half way, and a migrated release that fails its probe: both are taken
    /// back by the agent itself.
    fn fail_twice(&self) -> Result<u64> {
        let mut held = 0;
        for (version, how) in [("1.2.0", Broken::Migration), ("1.3.0", Broken::Health)] {
            let before = Rows::of(&self.database)?;
            self.tell(&self.release(version, 2).broken(how), "rolled_back")?;
            ensure!(
                schema(&self.database)? == 1,
                "{version} left its schema behind"
            );
            self.send("POST", "/notes", version)?;
            let now = Rows::of(&self.database)?;
            let back = now.same_and_then(&before, &[version.to_owned()])?;
            held += u64::from(back == before.count());
        }
        Ok(held)
    }
}

fn text(app: &Value, name: &str) -> String {
    let text = app.get(name).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

fn open(path: &Path) -> Result<Connection> {
    let database = Connection::open(path).with_context(|| path.display().to_string())?;
    database.busy_timeout(Duration::from_secs(30))?;
    Ok(database)
}

fn schema(path: &Path) -> Result<u32> {
    Ok(open(path)?.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

fn is_database(path: &Path) -> bool {
    let mut head = [0; 15];
    let read = std::fs::File::open(path)
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut head));
    read.is_ok() && head == *b"SQLite format 3"
}

fn apply(database: &Path, script: &Path) -> Result<()> {
    let script = std::fs::read_to_string(script).context("the export")?;
    Ok(open(database)?.execute_batch(&script)?)
}

/// A till that writes notes through the app until the app goes away or it is told to stop.
struct Writer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<String>>,
}

impl Writer {
    fn start(port: u16, what: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let url = format!("http://127.0.0.1:{port}/notes");
            let mut acknowledged = Vec::new();
            while !told.load(Ordering::Relaxed) {
                let note = format!("{what} {}", acknowledged.len());
                match http::post(&url, note.as_bytes()) {
                    Ok(answer) if answer.status == 201 => acknowledged.push(note),
                    Ok(_) | Err(_) => break,
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            acknowledged
        });
        Self { stop, thread }
    }

    /// The notes that were acknowledged, in their order.
    fn stop(self) -> Result<Vec<String>> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.join() {
            Ok(acknowledged) => Ok(acknowledged),
            Err(_) => bail!("the writer has failed"),
        }
    }
}
