//! What can go wrong at the operator's desk.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use sanaga_proto::code::{self, Code};

use super::stage::{Case, Stage};
use crate::notebook::Release;
use crate::world::Cmd;

/// The cases, in order.
pub const CASES: &[Case] = &[
    Case {
        name: "the controller's port is taken",
        run: port_taken,
    },
    Case {
        name: "a file stands where the controller's folder must be",
        run: no_folder,
    },
    Case {
        name: "a folder that holds no controller",
        run: no_controller,
    },
    Case {
        name: "a second founding of the same folder",
        run: founded_twice,
    },
    Case {
        name: "two `serve` on one folder",
        run: two_servers,
    },
    Case {
        name: "an unknown key in sanaga.toml",
        run: unknown_key,
    },
    Case {
        name: "a sanaga.toml that is not TOML, and one without a needed key",
        run: bad_project,
    },
    Case {
        name: "a probe that asks for TLS",
        run: probe_over_tls,
    },
    Case {
        name: "a wrong passphrase",
        run: wrong_passphrase,
    },
    Case {
        name: "a short passphrase",
        run: short_passphrase,
    },
    Case {
        name: "a damaged key file",
        run: damaged_key,
    },
    Case {
        name: "names that nobody has, nearly right",
        run: unknown_names,
    },
    Case {
        name: "the version of a release again, with other content",
        run: version_taken,
    },
    Case {
        name: "a question without a terminal",
        run: no_terminal,
    },
    Case {
        name: "a command that there is not",
        run: unknown_command,
    },
    Case {
        name: "a bundle into a folder that there is not",
        run: bundle_to_nowhere,
    },
];

/// The project folder, with a release and this line of its sanaga.toml changed.
fn project(stage: &Stage<'_>, version: &str, from: &str, to: &str) -> Result<PathBuf> {
    let folder = stage.world.dir("bad-project")?;
    Release::new(version).write(&folder)?;
    let path = folder.join("sanaga.toml");
    let text = std::fs::read_to_string(&path)?;
    anyhow::ensure!(text.contains(from), "no `{from}` in\n{text}");
    std::fs::write(&path, text.replacen(from, to, 1))?;
    Ok(folder)
}

fn publish(stage: &Stage<'_>, folder: &std::path::Path) -> Result<Cmd> {
    let cmd = stage.controller.cmd()?.arg("publish").arg(folder);
    Ok(cmd.args(["--env", "dev"]))
}

fn port_taken(stage: &Stage<'_>) -> Result<()> {
    let other = stage.world.dir("other")?;
    let passphrase = stage.world.root().join("passphrase");
    let cmd = || -> Result<Cmd> {
        let cmd = stage.world.sanaga()?.env("SANAGA_HOME", &other);
        Ok(cmd.env("SANAGA_PASSPHRASE_FILE", &passphrase))
    };
    cmd()?
        .line("init --person ada --url https://127.0.0.1:1")
        .ok()?;
    let address = stage.controller.address().to_string();
    stage.refused(code::PORT_TAKEN, &[&address, "--listen"], || {
        Ok(cmd()?.args(["serve", "--listen", &address]))
    })
}

fn no_folder(stage: &Stage<'_>) -> Result<()> {
    let file = stage.world.write("a-file", "not a folder")?;
    let inside = file.join("controller");
    let passphrase = stage.world.root().join("passphrase");
    stage.refused(code::NOT_WRITABLE, &["a-file"], || {
        let cmd = stage.world.sanaga()?.env("SANAGA_HOME", &inside);
        let cmd = cmd.env("SANAGA_PASSPHRASE_FILE", &passphrase);
        Ok(cmd.line("init --person ada --url https://127.0.0.1:1"))
    })?;
    anyhow::ensure!(std::fs::read_to_string(&file)? == "not a folder");
    Ok(())
}

fn no_controller(stage: &Stage<'_>) -> Result<()> {
    let nowhere = stage.world.root().join("nowhere");
    for verb in ["serve", "node ls", "doctor"] {
        stage.refused(code::NOT_INITIALISED, &["nowhere", "sanaga init"], || {
            Ok(stage
                .world
                .sanaga()?
                .env("SANAGA_HOME", &nowhere)
                .line(verb))
        })?;
    }
    anyhow::ensure!(!nowhere.exists(), "the folder was made");
    Ok(())
}

fn founded_twice(stage: &Stage<'_>) -> Result<()> {
    // While it serves, the folder is in use; once it stopped, it is founded already.
    stage.refused(code::LOCKED, &["controller"], || {
        Ok(stage.controller.cmd()?.line("init --person eve"))
    })?;
    let other = stage.world.dir("other")?;
    let passphrase = stage.world.root().join("passphrase");
    stage.refused(code::ALREADY_INITIALISED, &["other", "--home"], || {
        let cmd = stage.world.sanaga()?.env("SANAGA_HOME", &other);
        let cmd = cmd.env("SANAGA_PASSPHRASE_FILE", &passphrase);
        Ok(cmd.line("init --person eve"))
    })?;
    anyhow::ensure!(!other.join("keys/eve.age").exists(), "a key was made");
    Ok(())
}

fn two_servers(stage: &Stage<'_>) -> Result<()> {
    stage.refused(code::LOCKED, &["controller"], || {
        Ok(stage.controller.cmd()?.line("serve --listen 127.0.0.1:0"))
    })
}

fn unknown_key(stage: &Stage<'_>) -> Result<()> {
    let folder = project(stage, "1.0.1", "command =", "comand =")?;
    let words = [
        "sanaga.toml line 8",
        "`comand` in [service]",
        "did you mean `command`?",
    ];
    stage.refused(code::UNKNOWN_KEY, &words, || publish(stage, &folder))
}

fn bad_project(stage: &Stage<'_>) -> Result<()> {
    let folder = project(stage, "1.0.1", "risk = \"low\"", "risk = low")?;
    stage.refused(code::CONFIG_SYNTAX, &["line 4"], || publish(stage, &folder))?;
    let folder = project(stage, "1.0.1", "version = \"1.0.1\"\n", "")?;
    stage.refused(code::MISSING_KEY, &["`version`"], || {
        publish(stage, &folder)
    })?;
    let folder = project(stage, "1.0.1", "tree = \"dist\"", "tree = \".\"")?;
    stage.refused(code::BAD_VALUE, &["`tree`"], || publish(stage, &folder))?;
    let folder = project(stage, "1.0.1", "tree = \"dist\"", "tree = \"dits\"")?;
    stage.refused(code::BAD_TREE, &["dits"], || publish(stage, &folder))?;
    let nowhere = stage.world.root().join("no-project");
    stage.refused(code::CONFIG_UNREADABLE, &["sanaga.toml"], || {
        publish(stage, &nowhere)
    })
}

fn probe_over_tls(stage: &Stage<'_>) -> Result<()> {
    let folder = project(stage, "1.0.1", "http = \"http://", "http = \"https://")?;
    stage.refused(code::BAD_VALUE, &["`http`", "http://"], || {
        publish(stage, &folder)
    })
}

/// A command that needs a signature and no packing.
fn promote(stage: &Stage<'_>) -> Result<Cmd> {
    let cmd = stage.controller.cmd()?;
    Ok(cmd.line("promote notebook@1.0.0 --to staging"))
}

fn wrong_passphrase(stage: &Stage<'_>) -> Result<()> {
    let wrong = stage.world.write("wrong", "not the passphrase at all")?;
    stage.refused(code::WRONG_PASSPHRASE, &["ada"], || {
        Ok(promote(stage)?.env("SANAGA_PASSPHRASE_FILE", &wrong))
    })
}

fn short_passphrase(stage: &Stage<'_>) -> Result<()> {
    let short = stage.world.write("short", "too short")?;
    stage.refused(code::PASSPHRASE_SHORT, &["12"], || {
        let cmd = stage.controller.cmd()?.line("key new bea");
        Ok(cmd.env("SANAGA_PASSPHRASE_FILE", &short))
    })?;
    let file = stage.controller.home().join("keys/bea.age");
    anyhow::ensure!(!file.exists(), "a key was made");
    Ok(())
}

fn damaged_key(stage: &Stage<'_>) -> Result<()> {
    let whole = std::fs::read(stage.controller.home().join("keys/ada.age"))?;
    let half = whole.get(..60).context("the beginning of a key")?;
    let mut flipped = whole.clone();
    *flipped.last_mut().context("an empty key")? ^= 1;
    for (name, bytes) in [("cut", half), ("flipped", &flipped), ("empty", &[])] {
        let path = stage.world.write(&format!("{name}.age"), bytes)?;
        stage.refused(code::CONFIG_UNREADABLE, &[name], || {
            Ok(promote(stage)?.arg("--key").arg(&path))
        })?;
    }
    let path = stage.world.root().join("lost.age");
    stage.refused(code::NO_SUCH_KEY, &["lost"], || {
        Ok(promote(stage)?.arg("--key").arg(&path))
    })
}

/// Names that are nearly right, and the word that the hint must have.
const NEARLY: &[(Code, &str, &str)] = &[
    (
        code::NO_SUCH_SITE,
        "assign notebook@1.0.0 --to site=duala-akwa --yes",
        "`douala-akwa`",
    ),
    (
        code::NO_SUCH_NODE,
        "assign notebook@1.0.0 --to node=akwa-2 --yes",
        "`akwa-1`",
    ),
    (
        code::NO_SUCH_ENVIRONMENT,
        "assign notebook@1.0.0 --to env=deev --yes",
        "`dev`",
    ),
    (
        code::NO_SUCH_RELEASE,
        "assign notebook@1.0.1 --to node=akwa-1 --yes",
        "`notebook@1.0.0`",
    ),
    (
        code::NO_SUCH_RELEASE,
        "release show notbook@1.0.0",
        "`notebook@1.0.0`",
    ),
    (
        code::NO_SUCH_RELEASE,
        "plan notebook@1.0",
        "`notebook@1.0.0`",
    ),
    (
        code::NO_SUCH_RELEASE,
        "promote notebook@1.1.0 --to staging",
        "`notebook@1.0.0`",
    ),
    (
        code::NO_SUCH_RELEASE,
        "bundle export notebook@1.1.0 --to /dev/null",
        "`notebook@1.0.0`",
    ),
    (
        code::NO_SUCH_ENVIRONMENT,
        "promote notebook@1.0.0 --to stagging",
        "`staging`",
    ),
    (
        code::NO_SUCH_ENVIRONMENT,
        "enroll token --site s --node n --env prodution",
        "`production`",
    ),
    (code::NO_SUCH_NODE, "node show akw-1", "`akwa-1`"),
    (code::NO_SUCH_NODE, "hold akwa1", "`akwa-1`"),
    (
        code::NO_SUCH_NODE,
        "bundle export notebook@1.0.0 --to /dev/null --for akwa1",
        "`akwa-1`",
    ),
    (
        code::NO_SUCH_SITE,
        "set notebook port=8081 --to site=doula-akwa",
        "`douala-akwa`",
    ),
    (
        code::NO_SUCH_ROLE,
        "role set targts --threshold 1 --key ada",
        "`targets`",
    ),
    (code::NO_SUCH_ROLE, "sign tagets", "`targets`"),
    (
        code::NO_SUCH_KEY,
        "role set dev --threshold 1 --key adda",
        "`ada`",
    ),
    (code::NO_SUCH_KEY, "key export aad", "`ada`"),
    (
        code::BAD_SETTING,
        "set notebook prt=8081 --to node=akwa-1",
        "`port`",
    ),
    (
        code::BAD_SETTING,
        "set notebook port=80 --to node=akwa-1",
        "1024",
    ),
    (
        code::BAD_THRESHOLD,
        "role set dev --threshold 2 --key ada",
        "2",
    ),
    (code::NOTHING_PENDING, "sign targets", "pending"),
];

fn unknown_names(stage: &Stage<'_>) -> Result<()> {
    for (code, line, word) in NEARLY {
        let result = stage.refused(*code, &[word], || Ok(stage.controller.cmd()?.line(line)));
        result.with_context(|| (*line).to_owned())?;
    }
    Ok(())
}

fn version_taken(stage: &Stage<'_>) -> Result<()> {
    let folder = stage.world.dir("bad-project")?;
    Release::new("1.0.0").photo_bytes(100).write(&folder)?;
    stage.refused(code::VERSION_TAKEN, &["notebook@1.0.0", "dev"], || {
        publish(stage, &folder)
    })
}

fn no_terminal(stage: &Stage<'_>) -> Result<()> {
    stage.refused(code::NEEDS_TERMINAL, &["--yes"], || {
        let cmd = stage.controller.cmd()?;
        Ok(cmd.line("assign notebook@1.0.0 --to node=akwa-1"))
    })?;
    let folder = project(stage, "1.0.1", "risk = \"low\"", "risk = \"low\"")?;
    stage.refused(code::NEEDS_TERMINAL, &["--passphrase-file"], || {
        let cmd = stage.world.sanaga()?.arg("publish").arg(&folder);
        Ok(cmd.env("SANAGA_HOME", stage.controller.home()))
    })
}

fn unknown_command(stage: &Stage<'_>) -> Result<()> {
    for line in [
        "asign",
        "assign notebook --to node=akwa-1",
        "hold",
        "node ls --outptu json",
    ] {
        stage.refused(code::BAD_USAGE, &["--help"], || {
            Ok(stage.controller.cmd()?.line(line))
        })?;
    }
    Ok(())
}

fn bundle_to_nowhere(stage: &Stage<'_>) -> Result<()> {
    let to = stage.world.root().join("no-stick/bundle.sanaga");
    stage.refused(code::NOT_WRITABLE, &["no-stick"], || {
        let cmd = stage.controller.cmd()?;
        Ok(cmd.line("bundle export notebook@1.0.0 --to").arg(&to))
    })
}
