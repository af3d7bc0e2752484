//! Texts that are written from the table of keys: the document `docs/agent-toml.md`, and the
//! `agent.toml` that packages install.

use std::fmt::Write as _;

use super::keys::KEYS;

const HEAD: &str = "\
# agent.toml

The agent needs no configuration: every key has a default. Files are read from `/etc/sanaga`
(or from the folder of `--home` or `SANAGA_HOME`): `agent.toml`, then `agent.d/*.toml` in order of
name, a later file winning. A variable of the environment wins over files, and a flag over both.
Unknown keys are refused with a suggestion. As root, the files must belong to root and be writable
by nobody else.

`sanaga-agent config show --origin` prints every value with the file and line, variable or flag
that it comes from; `sanaga-agent config check` reads everything and changes nothing.

This page is written from the table in `agent/src/config/keys.rs`, and a test compares the two.
";

const TAIL: &str = "
## [settings.APP]

Values of settings that the release of `APP` declares. They win over what the controller assigns;
type and bounds are checked against the release. A setting never names code, paths, users or probes.

```toml
[settings.shop]
port = 8081
```
";

/// The text of `docs/agent-toml.md`.
#[must_use]
pub fn reference() -> String {
    let mut out = HEAD.to_owned();
    let mut section = None;
    for key in KEYS {
        let (of, short) = key.parts();
        if section != Some(of) {
            section = Some(of);
            let title = if of.is_empty() {
                "Before the first section".to_owned()
            } else {
                format!("[{of}]")
            };
            let head = "| key | default | value | meaning | variable |\n|---|---|---|---|---|";
            // Writing to a String does not fail.
            let _ = writeln!(out, "\n## {title}\n\n{head}");
        }
        let default = key.kind.check_text(key.default);
        let default = default.map_or_else(|problem| problem, |value| value.to_string());
        let wish = key.kind.wish();
        let wish = wish.strip_prefix("must be ").unwrap_or(&wish);
        let _ = writeln!(
            out,
            "| `{short}` | `{default}` | {wish} | {} | `{}` |",
            key.doc,
            key.variable()
        );
    }
    out.push_str(TAIL);
    out
}

const EXAMPLE_HEAD: &str = "\
# The configuration of sanaga-agent. It needs none: every key below has its default.
# Unknown keys are refused. `sanaga-agent config check` reads this file and changes nothing.
# Files in agent.d/ beside this one win over it, in order of name; upgrades never touch them.
";

/// The `agent.toml` of the packages: every key with its meaning and default, none set.
#[must_use]
pub fn example() -> String {
    let mut out = EXAMPLE_HEAD.to_owned();
    let mut section = "";
    for key in KEYS {
        let (of, short) = key.parts();
        if section != of {
            section = of;
            // Writing to a String does not fail.
            let _ = writeln!(out, "\n[{of}]");
        }
        let default = key.kind.check_text(key.default);
        let default = default.map_or_else(|problem| problem, |value| value.to_string());
        let _ = writeln!(out, "\n# {}\n#{short} = {default}", key.doc);
    }
    out
}
