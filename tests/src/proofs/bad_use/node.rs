//! What can go wrong at the site.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use rusqlite::Connection;
use sanaga_proto::code;
use sanaga_proto::ids::Digest;
use sanaga_proto::wire::enrol::Token;

use super::stage::{Case, Stage};
use crate::notebook::Release;
use crate::world::Cmd;

/// The cases, in order.
pub const CASES: &[Case] = &[
    Case {
        name: "two agents on one folder",
        run: two_agents,
    },
    Case {
        name: "an agent that is not enrolled, and no agent at all",
        run: nobody_there,
    },
    Case {
        name: "a file stands where the agent's folder must be",
        run: no_folder,
    },
    Case {
        name: "an unknown key in agent.toml and in agent.d",
        run: unknown_key,
    },
    Case {
        name: "an agent.toml that is not TOML, and a value out of bounds",
        run: bad_config,
    },
    Case {
        name: "a token that is not one",
        run: garbage_token,
    },
    Case {
        name: "a token that was used",
        run: used_token,
    },
    Case {
        name: "a token that is too old",
        run: expired_token,
    },
    Case {
        name: "a token of another controller, and one that nobody gave out",
        run: wrong_controller,
    },
    Case {
        name: "a node that is enrolled already",
        run: enrolled_already,
    },
    Case {
        name: "a controller that cannot be reached",
        run: unreachable_controller,
    },
    Case {
        name: "a bundle that is cut short, changed, or no bundle",
        run: broken_bundle,
    },
    Case {
        name: "a bundle of another repository",
        run: foreign_bundle,
    },
    Case {
        name: "an app that there is not, and nothing to go back to",
        run: unknown_app,
    },
    Case {
        name: "a command that there is not",
        run: unknown_command,
    },
];

/// A command at a machine that is no node.
fn stray(stage: &Stage<'_>, folder: &Path) -> Result<Cmd> {
    Ok(stage.world.agent()?.env("SANAGA_HOME", folder))
}

/// An empty folder for such a machine.
fn fresh(stage: &Stage<'_>, name: &str) -> Result<PathBuf> {
    let folder = stage.world.root().join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    stage.world.dir(name)
}

fn two_agents(stage: &Stage<'_>) -> Result<()> {
    stage.refused(code::LOCKED, &["akwa-1"], || {
        Ok(stage.node.cmd()?.arg("run"))
    })
}

fn nobody_there(stage: &Stage<'_>) -> Result<()> {
    let folder = fresh(stage, "stray")?;
    // An agent that is not enrolled waits for it, and does nothing else.
    let mut waiting = stage
        .world
        .spawn("stray", stray(stage, &folder)?.arg("run"))?;
    waiting.wait_for_line("not enrolled")?;
    for line in ["pull", "rollback notebook"] {
        let result = stage.refused(code::NOT_ENROLLED, &["enroll"], || {
            Ok(stray(stage, &folder)?.line(line))
        });
        result.with_context(|| line.to_owned())?;
    }
    waiting.terminate()?;
    for line in ["pull", "rollback notebook", "status"] {
        let result = stage.refused(code::DAEMON_ABSENT, &["sanaga-agent run"], || {
            Ok(stray(stage, &folder)?.line(line))
        });
        result.with_context(|| line.to_owned())?;
    }
    Ok(())
}

fn no_folder(stage: &Stage<'_>) -> Result<()> {
    let file = stage.world.write("another-file", "not a folder")?;
    let inside = file.join("agent");
    let token = stage.controller.token("douala-akwa", "stray-0")?.to_text();
    for args in [["enroll", &token], ["run", "--log-level=info"]] {
        stage.refused(code::CONFIG_UNREADABLE, &["another-file"], || {
            Ok(stray(stage, &inside)?.args(args))
        })?;
    }
    ensure!(std::fs::read_to_string(&file)? == "not a folder");
    Ok(())
}

fn unknown_key(stage: &Stage<'_>) -> Result<()> {
    let folder = fresh(stage, "stray")?;
    std::fs::write(folder.join("agent.toml"), "[poll]\nintervall_s = 60\n")?;
    let words = [
        "agent.toml line 2",
        "`intervall_s` in [poll]",
        "`interval_s`",
    ];
    for line in ["config check", "run"] {
        stage.refused(code::UNKNOWN_KEY, &words, || {
            Ok(stray(stage, &folder)?.line(line))
        })?;
    }
    // At the site, while its agent runs: what is refused does no harm to what is in force.
    let part = stage.node.folder().join("agent.d");
    std::fs::create_dir_all(&part)?;
    std::fs::write(
        part.join("10-site.toml"),
        "\n[limit]\ndisk_free_bytes_min = 1\n",
    )?;
    let words = ["10-site.toml line 2", "`limit`", "`limits`"];
    let refused = stage.refused(code::UNKNOWN_KEY, &words, || {
        Ok(stage.node.cmd()?.line("config check"))
    });
    std::fs::remove_dir_all(&part)?;
    refused?;
    stage.node.cmd()?.line("config check").ok().map(drop)
}

fn bad_config(stage: &Stage<'_>) -> Result<()> {
    let folder = fresh(stage, "stray")?;
    let file = folder.join("agent.toml");
    std::fs::write(&file, "[poll\n")?;
    stage.refused(code::CONFIG_SYNTAX, &["agent.toml line 1"], || {
        Ok(stray(stage, &folder)?.line("config check"))
    })?;
    std::fs::write(&file, "\n[poll]\ninterval_s = 1\n")?;
    stage.refused(code::BAD_VALUE, &["line 3", "5"], || {
        Ok(stray(stage, &folder)?.line("config check"))
    })
}

fn garbage_token(stage: &Stage<'_>) -> Result<()> {
    let folder = fresh(stage, "stray")?;
    let whole = stage.controller.token("douala-akwa", "stray-1")?.to_text();
    let short = whole.get(..whole.len() - 3).context("a short token")?;
    for token in ["sanaga1:not-a-token", "garbage", short] {
        stage.refused(code::TOKEN_MALFORMED, &["sanaga1:"], || {
            Ok(stray(stage, &folder)?.args(["enroll", token]))
        })?;
    }
    Ok(())
}

fn used_token(stage: &Stage<'_>) -> Result<()> {
    let token = stage.controller.token("garoua", "spare-1")?.to_text();
    let first = fresh(stage, "spare-1")?;
    stray(stage, &first)?.args(["enroll", &token]).ok()?;
    let folder = fresh(stage, "stray")?;
    let words = ["spare-1", "sanaga enroll token --site garoua --node NAME"];
    stage.refused(code::TOKEN_USED, &words, || {
        Ok(stray(stage, &folder)?.args(["enroll", &token]))
    })
}

fn expired_token(stage: &Stage<'_>) -> Result<()> {
    let token = stage.controller.token("garoua", "spare-2")?;
    // A token is good for an hour at least; the proof does not wait, it moves the end.
    let store = Connection::open(stage.controller.home().join("controller.db"))?;
    store.busy_timeout(std::time::Duration::from_secs(5))?;
    let moved = store.execute(
        "UPDATE token SET expires_at_s = 1000 WHERE secret_hash = ?1",
        [Digest::of(&token.secret).0.as_slice()],
    )?;
    ensure!(moved == 1, "no such token in the store");
    drop(store);
    let folder = fresh(stage, "stray")?;
    stage.refused(
        code::TOKEN_EXPIRED,
        &["1970", "sanaga enroll token"],
        || Ok(stray(stage, &folder)?.args(["enroll", &token.to_text()])),
    )
}

fn wrong_controller(stage: &Stage<'_>) -> Result<()> {
    let folder = fresh(stage, "stray")?;
    let token = stage.controller.token("garoua", "spare-3")?;
    let other = Digest::of(b"another");
    let wrong_ca = Token {
        ca_key: other,
        ..token.clone()
    };
    stage.refused(code::TOKEN_MISMATCH, &["do not go on"], || {
        Ok(stray(stage, &folder)?.args(["enroll", &wrong_ca.to_text()]))
    })?;
    let wrong_secret = Token {
        secret: [7; 16],
        ..token.clone()
    };
    stage.refused(code::TOKEN_UNKNOWN, &["sanaga enroll token"], || {
        Ok(stray(stage, &folder)?.args(["enroll", &wrong_secret.to_text()]))
    })?;
    ensure!(
        !folder.join("ca.crt").exists(),
        "something of the other controller was kept"
    );
    // None of it used the token up.
    stray(stage, &folder)?
        .args(["enroll", &token.to_text()])
        .ok()
        .map(drop)
}

fn enrolled_already(stage: &Stage<'_>) -> Result<()> {
    let token = stage.controller.token("garoua", "spare-4")?.to_text();
    stage.refused(code::ALREADY_ENROLLED, &["akwa-1"], || {
        Ok(stage.node.cmd()?.args(["enroll", &token]))
    })
}

fn unreachable_controller(stage: &Stage<'_>) -> Result<()> {
    let folder = fresh(stage, "stray")?;
    let token = Token {
        url: format!("https://127.0.0.1:{}", crate::world::free_port()?),
        ..stage.controller.token("garoua", "spare-5")?
    };
    stage.refused(code::OFFLINE, &["127.0.0.1"], || {
        Ok(stray(stage, &folder)?.args(["enroll", &token.to_text()]))
    })
}

fn broken_bundle(stage: &Stage<'_>) -> Result<()> {
    let whole = stage.world.root().join("bundle.sanaga");
    let export = stage.controller.cmd()?;
    let export = export.line("bundle export notebook@1.0.0 --for akwa-1 --to");
    export.arg(&whole).ok()?;
    let bytes = std::fs::read(&whole)?;
    for cut in [10, bytes.len() / 2, bytes.len() - 1] {
        let part = bytes.get(..cut).context("a shorter bundle")?;
        let path = stage.world.write("cut.sanaga", part)?;
        let result = stage.refused(code::TRUNCATED, &["cut.sanaga"], || {
            Ok(stage.node.cmd()?.args(["install", "--from"]).arg(&path))
        });
        result.with_context(|| format!("{cut} of {} bytes", bytes.len()))?;
    }
    let path = stage.world.write("photo.sanaga", vec![0xd8; 4096])?;
    stage.refused(code::BAD_METADATA, &["Sanaga bundle"], || {
        Ok(stage.node.cmd()?.args(["install", "--from"]).arg(&path))
    })?;
    let path = stage.world.root().join("no-stick/bundle.sanaga");
    stage.refused(code::CONFIG_UNREADABLE, &["no-stick"], || {
        Ok(stage.node.cmd()?.args(["install", "--from"]).arg(&path))
    })
}

fn foreign_bundle(stage: &Stage<'_>) -> Result<()> {
    let other = stage.world.dir("other")?;
    let passphrase = stage.world.root().join("passphrase");
    let cmd = || -> Result<Cmd> {
        let cmd = stage.world.sanaga()?.env("SANAGA_HOME", &other);
        Ok(cmd.env("SANAGA_PASSPHRASE_FILE", &passphrase))
    };
    let folder = stage.world.dir("bad-project")?;
    Release::new("1.5.0").write(&folder)?;
    cmd()?.arg("publish").arg(&folder).ok()?;
    let path = stage.world.root().join("foreign.sanaga");
    cmd()?
        .line("bundle export notebook@1.5.0 --to")
        .arg(&path)
        .ok()?;
    stage.refused(code::NOT_FOR_US, &["ask the operator"], || {
        Ok(stage.node.cmd()?.args(["install", "--from"]).arg(&path))
    })
}

fn unknown_app(stage: &Stage<'_>) -> Result<()> {
    for verb in ["rollback", "stage", "activate", "verify"] {
        let result = stage.refused(code::NO_SUCH_APP, &["did you mean `notebook`?"], || {
            Ok(stage.node.cmd()?.args([verb, "notebok"]))
        });
        result.with_context(|| verb.to_owned())?;
    }
    stage.refused(code::NO_PREVIOUS, &["notebook"], || {
        Ok(stage.node.cmd()?.line("rollback notebook"))
    })
}

fn unknown_command(stage: &Stage<'_>) -> Result<()> {
    for line in ["statsu", "rollback", "install --form x"] {
        let result = stage.refused(code::BAD_USAGE, &["--help"], || {
            Ok(stage.node.cmd()?.line(line))
        });
        result.with_context(|| line.to_owned())?;
    }
    Ok(())
}
