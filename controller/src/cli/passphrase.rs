//! Passphrases: from a file or a descriptor for automation, else asked for on the terminal.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;
use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use zeroize::Zeroizing;

use super::ui::Ui;
use crate::keys::file::PASSPHRASE_CHARS_MIN;

/// The longest, bytes; more is a wrong file.
const BYTES_MAX: u64 = 4_096;

/// Where passphrases come from.
#[derive(Debug, Clone, Args, Default)]
pub struct PassphraseArgs {
    /// Read the passphrase from the first line of this file
    #[arg(long, value_name = "FILE", env = "SANAGA_PASSPHRASE_FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Read the passphrase from the first line of this open descriptor
    #[arg(long, value_name = "N", conflicts_with = "passphrase_file")]
    pub passphrase_fd: Option<u32>,
}

/// A passphrase; wiped when it is dropped.
pub type Passphrase = Zeroizing<String>;

impl PassphraseArgs {
    /// The passphrase of a key that exists. `name` is whose.
    ///
    /// # Errors
    /// `CONFIG_UNREADABLE` for the file, `NEEDS_TERMINAL` when nobody can answer.
    pub fn existing(&self, ui: &Ui, name: &str) -> Result<Passphrase, Failure> {
        match self.given()? {
            Some(given) => Ok(given),
            None => ask(&ui.say("passphrase-for", &[("name", name)])),
        }
    }

    /// The passphrase of a key that is made now, asked for twice.
    ///
    /// # Errors
    /// `PASSPHRASE_SHORT`, `BAD_REQUEST` when the two differ, and as [`PassphraseArgs::existing`].
    pub fn new_key(&self, ui: &Ui, prompt: &str) -> Result<Passphrase, Failure> {
        let (first, again) = match self.given()? {
            Some(given) => (given.clone(), given),
            None => {
                let first = ask(prompt)?;
                check_length(&first)?;
                (first, ask(&ui.say("passphrase-again", &[]))?)
            }
        };
        check_length(&first)?;
        if first != again {
            let problem = ui.say("passphrase-differs", &[]);
            return Err(Failure::new(code::BAD_REQUEST).arg("problem", problem));
        }
        Ok(first)
    }

    fn given(&self) -> Result<Option<Passphrase>, Failure> {
        match (&self.passphrase_file, self.passphrase_fd) {
            (Some(path), _) => read_first_line(path).map(Some),
            (None, Some(descriptor)) => {
                read_first_line(Path::new(&format!("/dev/fd/{descriptor}"))).map(Some)
            }
            (None, None) => Ok(None),
        }
    }
}

fn check_length(passphrase: &str) -> Result<(), Failure> {
    if passphrase.chars().count() < PASSPHRASE_CHARS_MIN {
        return Err(Failure::new(code::PASSPHRASE_SHORT).arg("length_min", PASSPHRASE_CHARS_MIN));
    }
    Ok(())
}

fn read_first_line(path: &Path) -> Result<Passphrase, Failure> {
    let mut text = Zeroizing::new(String::new());
    File::open(path)
        .and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text))
        .map_err(|error| {
            Failure::new(code::CONFIG_UNREADABLE)
                .arg("path", path.display())
                .arg("problem", error)
        })?;
    Ok(Zeroizing::new(
        text.lines().next().unwrap_or_default().to_owned(),
    ))
}

fn ask(prompt: &str) -> Result<Passphrase, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::new(code::NEEDS_TERMINAL).arg("flag", "--passphrase-file FILE"));
    }
    rpassword::prompt_password(format!("{prompt}: "))
        .map(Zeroizing::new)
        .map_err(|error| {
            Failure::new(code::NEEDS_TERMINAL)
                .arg("flag", "--passphrase-file FILE")
                .because(error)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::ui::{Color, Output};
    use sanaga_proto::failure::Coded as _;

    #[test]
    fn files_give_their_first_line_and_short_ones_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passphrase");
        let ui = Ui::new(Some("en"), Output::Table, Color::Never);
        let args = PassphraseArgs {
            passphrase_file: Some(path.clone()),
            passphrase_fd: None,
        };
        std::fs::write(&path, "correct horse battery\nsecond line\n").unwrap();
        assert_eq!(
            args.new_key(&ui, "x").unwrap().as_str(),
            "correct horse battery"
        );
        std::fs::write(&path, "elevenchars\n").unwrap();
        assert_eq!(
            args.new_key(&ui, "x").unwrap_err().code(),
            code::PASSPHRASE_SHORT
        );
        assert_eq!(args.existing(&ui, "ada").unwrap().as_str(), "elevenchars");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(
            args.existing(&ui, "ada").unwrap_err().code(),
            code::CONFIG_UNREADABLE
        );
    }
}
