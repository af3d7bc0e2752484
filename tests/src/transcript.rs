//! Pages that can be run: Markdown with `console` blocks of commands and what they print, and lines
//! in parentheses that say what happens around them.
//!
//! ```text
//! ops$ sanaga site ls
//! no site yet
//! exit 3
//! ```

/// One step of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A line in parentheses.
    Direction(String),
    /// A command and what is to be seen.
    Command(Command),
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Whose prompt it stands at.
    pub actor: String,
    /// The words, as a shell takes them.
    pub line: String,
    /// What it prints, without what only a terminal shows.
    pub prints: Vec<String>,
    /// Whether a terminal would have asked, and got a yes.
    pub asked: bool,
    /// Its exit code.
    pub exit: i32,
}

/// Reads a page.
#[must_use]
pub fn parse(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut fence: Option<&str> = None;
    for line in page.lines() {
        if let Some(kind) = line.strip_prefix("```") {
            fence = if fence.is_some() { None } else { Some(kind) };
            continue;
        }
        match fence {
            None => steps.extend(direction(line)),
            Some("console") => console(line, &mut steps),
            Some(_) => {}
        }
    }
    steps
}

/// The first block of a kind.
#[must_use]
pub fn block(page: &str, kind: &str) -> Option<String> {
    let fence = format!("```{kind}\n");
    let (_, rest) = page.split_once(&fence)?;
    Some(rest.split_once("```")?.0.to_owned())
}

fn direction(line: &str) -> Option<Step> {
    let inner = line.strip_prefix('(')?.strip_suffix(')')?;
    Some(Step::Direction(inner.to_owned()))
}

fn console(line: &str, steps: &mut Vec<Step>) {
    if let Some((actor, words)) = line.split_once("$ ")
        && actor.chars().all(char::is_alphanumeric)
    {
        steps.push(Step::Command(Command {
            actor: actor.to_owned(),
            line: words.to_owned(),
            prints: Vec::new(),
            asked: false,
            exit: 0,
        }));
        return;
    }
    let Some(Step::Command(command)) = steps.last_mut() else {
        return;
    };
    let code = line
        .strip_prefix("exit ")
        .and_then(|code| code.parse().ok());
    if let Some(code) = code {
        command.exit = code;
    } else if line.contains("[y/N]") {
        command.asked = true;
    } else if !line.ends_with(": ************") {
        command.prints.push(line.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read() {
        let page = "words\n\n(rain)\n\n```console\nops$ go --now\nAgain: ************\nSure? [y/N] y\ngone\nexit 3\nnode$ stay\n```\n```toml\na = 1\n```\n";
        let steps = parse(page);
        let go = Command {
            actor: "ops".to_owned(),
            line: "go --now".to_owned(),
            prints: vec!["gone".to_owned()],
            asked: true,
            exit: 3,
        };
        assert_eq!(steps[0], Step::Direction("rain".to_owned()));
        assert_eq!(steps[1], Step::Command(go));
        assert!(matches!(&steps[2], Step::Command(stay) if stay.actor == "node" && stay.exit == 0));
        assert_eq!(steps.len(), 3);
        assert_eq!(block(page, "toml").unwrap(), "a = 1\n");
    }
}
