//! Writes a repository of ours into a folder, for other readers of TUF: `write-repository FOLDER`.
//!
//! It has every kind of key and change that we make: Ed25519 and P-256, three people, replaced keys
//! of every role, several releases in every environment. `expected.json` beside the metadata says
//! what a reader must find; `tests/python/read_repository.py` compares.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a tool of the tests, built on their code"
)]

#[path = "../tests/attacks/repository.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod repository;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use repository::{Node, Repository, name};
use sanaga_proto::ids::ReleaseName;
use serde_json::{Map, Value, json};

fn main() {
    let folder = std::env::args().nth(1).expect("write-repository FOLDER");
    let folder = Path::new(&folder);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock after 1970");
    let repository = story(i64::try_from(now.as_secs()).expect("a date"));
    std::fs::create_dir_all(folder.join("tuf")).expect("a folder");
    for (name, bytes) in &repository.served {
        std::fs::write(folder.join("tuf").join(name), bytes).expect("a file");
    }
    let expected = format!("{:#}\n", expected(&repository));
    std::fs::write(folder.join("expected.json"), expected).expect("a file");
}

/// Half a year in the life of a repository, up to now.
fn story(now_s: i64) -> Repository {
    let mut repository = Repository::new();
    repository.now_s = now_s - 180 * repository::DAY_S;
    for (environment, counter) in [("dev", 1), ("staging", 1), ("production", 1)] {
        repository.add_release(environment, "shop@1.0", counter);
        repository.write_environment(environment);
    }
    repository.write_online();
    for day in [30, 60, 90] {
        repository.pass_days(30);
        repository.publish("production", &format!("shop@1.{day}"), day);
    }
    let old_root = repository.replace_keys("root");
    for role in [
        "targets",
        "production",
        "dev",
        "snapshot",
        "timestamp",
        "director",
    ] {
        repository.replace_keys(role);
    }
    repository.write_root(&old_root);
    repository.pass_days(90);
    repository.add_release_from("production", "till@2.0-rc.1+build_7", 1, Some(5));
    repository.publish("production", "shop@2.0", 91);
    repository
}

/// What our own reader says of it.
fn expected(repository: &Repository) -> Value {
    let mut releases = Map::new();
    let mut versions = Map::new();
    let mut director = Value::Null;
    for environment in ["dev", "staging", "production"] {
        let mut node = Node::new(repository);
        node.environment = name(environment);
        let trusted = node
            .refresh(&repository.served)
            .expect("an honest repository");
        for path in repository.releases[environment].keys() {
            let mut parts = path.splitn(3, '/').skip(1);
            let release = format!(
                "{}@{}",
                parts.next().expect("app"),
                parts.next().expect("version")
            );
            let release: ReleaseName = name(&release);
            let target = trusted
                .resolve(&node.environment, &release)
                .expect("a listed release");
            let value = json!({
                "sha256": target.digest.to_string(),
                "length": target.length_bytes,
                "custom": target.custom,
            });
            releases.insert(path.clone(), value);
        }
        let found = trusted.director().expect("a director");
        let ids: Vec<_> = found.set.keys.iter().map(ToString::to_string).collect();
        director = json!({"keys": ids, "threshold": found.threshold});
        versions.insert("root".to_owned(), trusted.root().version.into());
        versions.insert("timestamp".to_owned(), trusted.timestamp().version.into());
        versions.insert("snapshot".to_owned(), trusted.snapshot().version.into());
        versions.insert("targets".to_owned(), trusted.targets().version.into());
        let role = trusted.environment().expect("a role");
        versions.insert(environment.to_owned(), role.version.into());
    }
    json!({"versions": versions, "releases": releases, "director": director})
}
