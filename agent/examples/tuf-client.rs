//! The client of the public TUF conformance suite
//! (<https://github.com/theupdateframework/tuf-conformance>), on top of our own store and refresh.
//!
//! ```text
//! tuf-client --metadata-dir D init ROOT
//! tuf-client --metadata-dir D --metadata-url U refresh
//! tuf-client --metadata-dir D --metadata-url U --target-base-url B --target-dir T \
//!            --target-name P [--target-name P …] download
//! ```
//! The store is in `D.db`. D holds an export of what is trusted, written after each commit: never
//! read, unversioned, byte for byte what was served. The suite fakes the system clock, so it is
//! taken as sure, as with `clock = "trusted"`.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use sanaga_agent::store::Store;
use sanaga_agent::store::trust::TrustStore;
use sanaga_proto::trust::{
    Answer, Change, Clock, Found, Moment, Policy, Refresh, Search, SearchInput, SearchStep,
    TargetFacts, Trusted, run,
};

/// A target that is asked for may have this many bytes.
const TARGET_BYTES_MAX: u64 = 64 << 20;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    match arguments.command.as_str() {
        "init" => init(&arguments),
        "refresh" => Client::new(&arguments)?.refresh().map(|_| ()),
        "download" => download(&arguments),
        other => bail!("no command `{other}`: init, refresh or download"),
    }
}

#[derive(Default)]
struct Arguments {
    options: BTreeMap<String, String>,
    target_names: Vec<String>,
    command: String,
    operand: Option<String>,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut arguments = Self::default();
        while let Some(word) = words.next() {
            if let Some(option) = word.strip_prefix("--") {
                let value = words
                    .next()
                    .with_context(|| format!("{word} needs a value"))?;
                if option == "target-name" {
                    arguments.target_names.push(value);
                } else {
                    arguments.options.insert(option.to_owned(), value);
                }
            } else if arguments.command.is_empty() {
                arguments.command = word;
            } else {
                arguments.operand = Some(word);
            }
        }
        Ok(arguments)
    }

    fn option(&self, name: &str) -> anyhow::Result<&str> {
        self.options
            .get(name)
            .map(String::as_str)
            .with_context(|| format!("--{name} is missing"))
    }
}

fn init(arguments: &Arguments) -> anyhow::Result<()> {
    let operand = arguments.operand.as_deref().context("init needs a root")?;
    let root = std::fs::read(operand).with_context(|| format!("read {operand}"))?;
    let mut kept = Kept::open(arguments)?;
    let mut trust = kept.trust();
    trust.begin(&root)?;
    kept.export()
}

/// The store, and the folder to which it is exported.
struct Kept {
    store: Store,
    copy: PathBuf,
    export: PathBuf,
}

impl Kept {
    fn open(arguments: &Arguments) -> anyhow::Result<Self> {
        let export = PathBuf::from(arguments.option("metadata-dir")?);
        let mut folder = export.clone().into_os_string();
        folder.push(".db");
        let folder = PathBuf::from(folder);
        std::fs::create_dir_all(&folder)?;
        Ok(Self {
            store: Store::open(&folder.join("agent.db"))?,
            copy: folder.join("floors"),
            export,
        })
    }

    fn trust(&mut self) -> TrustStore<'_> {
        TrustStore::new(&mut self.store, &self.copy)
    }

    fn apply(&mut self, change: &Change) -> anyhow::Result<()> {
        self.trust().apply(change)?;
        self.export()
    }

    fn export(&mut self) -> anyhow::Result<()> {
        let documents: BTreeMap<_, _> = self.trust().documents()?.into_iter().collect();
        std::fs::create_dir_all(&self.export)?;
        for entry in std::fs::read_dir(&self.export)? {
            let entry = entry?;
            if !documents.contains_key(&*entry.file_name().to_string_lossy()) {
                std::fs::remove_file(entry.path())?;
            }
        }
        for (name, bytes) in documents {
            std::fs::write(self.export.join(name), bytes)?;
        }
        Ok(())
    }
}

struct Client {
    kept: Kept,
    web: Web,
    metadata_url: String,
}

impl Client {
    fn new(arguments: &Arguments) -> anyhow::Result<Self> {
        Ok(Self {
            kept: Kept::open(arguments)?,
            web: Web::new()?,
            metadata_url: arguments.option("metadata-url")?.to_owned(),
        })
    }

    fn refresh(&mut self) -> anyhow::Result<Trusted> {
        let loaded = self.kept.trust().load([], None)?;
        for alarm in &loaded.alarms {
            eprintln!("alarm: {}: {}", alarm.what, alarm.problem);
        }
        let mut refresh = Refresh::new(loaded.stored, loaded.floors, clock()?, Policy::default())?;
        let (web, kept, base) = (&self.web, &mut self.kept, &self.metadata_url);
        let fetch = |name: &str, bytes_max| web.get(&join(base, name), bytes_max);
        let trusted = run(&mut refresh, fetch, |change| kept.apply(&change))?;
        for alarm in trusted.alarms() {
            eprintln!("alarm: {}: {}", alarm.what, alarm.problem);
        }
        Ok(trusted)
    }

    fn find(&mut self, trusted: &mut Trusted, path: &str) -> anyhow::Result<TargetFacts> {
        let mut search = Search::new(path);
        let mut input = SearchInput::Go;
        loop {
            input = match search.step(trusted, input)? {
                SearchStep::Fetch { name, bytes_max } => {
                    match self.web.get(&join(&self.metadata_url, &name), bytes_max)? {
                        Answer::Found(bytes) => SearchInput::Found(bytes),
                        Answer::Absent => SearchInput::Absent,
                    }
                }
                SearchStep::Persist(change) => {
                    self.kept.apply(&change)?;
                    SearchInput::Go
                }
                SearchStep::Done(Some(Found { facts, .. })) => return Ok(facts),
                SearchStep::Done(None) => bail!("no role lists {path}"),
            };
        }
    }
}

fn download(arguments: &Arguments) -> anyhow::Result<()> {
    let mut client = Client::new(arguments)?;
    let base = arguments.option("target-base-url")?;
    let folder = Path::new(arguments.option("target-dir")?);
    let mut trusted = client.refresh()?;
    for path in &arguments.target_names {
        let facts = client.find(&mut trusted, path)?;
        let local = folder.join(inside(path)?);
        let kept = std::fs::read(&local).is_ok_and(|bytes| facts.check(path, &bytes).is_ok());
        if kept {
            continue;
        }
        let name = facts
            .file_name(path, trusted.root().consistent)
            .context("the target has no hash")?;
        let bytes_max = facts.length_bytes.min(TARGET_BYTES_MAX);
        let Answer::Found(bytes) = client.web.get(&join(base, &name), bytes_max)? else {
            bail!("{name} is missing");
        };
        facts.check(path, &bytes)?;
        if let Some(parent) = local.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(&local, &bytes)?;
    }
    Ok(())
}

/// A target path as a relative path that stays inside its folder.
fn inside(path: &str) -> anyhow::Result<&Path> {
    let path = Path::new(path.trim_start_matches('/'));
    let normal = |part| matches!(part, Component::Normal(_));
    if path.components().all(normal) {
        Ok(path)
    } else {
        bail!("{} leaves its folder", path.display())
    }
}

fn join(base: &str, name: &str) -> String {
    format!("{}/{name}", base.trim_end_matches('/'))
}

fn clock() -> anyhow::Result<Clock> {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(Clock {
        wall_s: i64::try_from(wall.as_secs())?,
        sure: true,
        // The faked clock is not monotonic over the runs of the suite: nothing passes.
        now: Moment::default(),
    })
}

/// HTTP, one request at a time.
struct Web {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
}

impl Web {
    fn new() -> anyhow::Result<Self> {
        // An error only says that a provider is there already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(30))
            .read_timeout(Duration::from_secs(60))
            .build()?;
        Ok(Self { runtime, client })
    }

    fn get(&self, url: &str, bytes_max: u64) -> anyhow::Result<Answer> {
        self.runtime.block_on(async {
            let mut response = self.client.get(url).send().await?;
            // Only this is an explicit absence; every other status is an error.
            if response.status() == http::StatusCode::NOT_FOUND {
                return Ok(Answer::Absent);
            }
            response.error_for_status_ref()?;
            let mut bytes = Vec::new();
            while let Some(chunk) = response.chunk().await? {
                if (bytes.len() + chunk.len()) as u64 > bytes_max {
                    bail!("{url} is bigger than {bytes_max} bytes");
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(Answer::Found(bytes))
        })
    }
}
