//! `pages DIR`: writes the manual pages and completions of both programs for the packages:
//! `DIR/PROGRAM/man/*.1` and `DIR/PROGRAM/completions/{bash,zsh,fish}`, and the agent's configuration
//! file with every key commented out, `DIR/sanaga-agent/agent.toml`. They come from the same tables
//! as the programs' own help, and no program carries them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap_complete::Shell;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: pages DIR");
        return ExitCode::from(2);
    };
    let programs = [
        sanaga_agent::cli::command(),
        sanaga_controller::cli::command(),
    ];
    let written = programs
        .into_iter()
        .map(without_help)
        .try_for_each(|program| write(program, &folder))
        .and_then(|()| {
            let path = folder.join("sanaga-agent/agent.toml");
            std::fs::write(&path, sanaga_agent::config::example())
                .with_context(|| path.display().to_string())
        });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pages: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A page about `help help` helps nobody.
fn without_help(command: clap::Command) -> clap::Command {
    command
        .disable_help_subcommand(true)
        .mut_subcommands(without_help)
}

fn write(mut program: clap::Command, folder: &Path) -> Result<()> {
    let name = program.get_name().to_owned();
    let folder = folder.join(&name);
    let completions = folder.join("completions");
    std::fs::create_dir_all(&completions).with_context(|| completions.display().to_string())?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut program, &name, &mut text);
        let path = completions.join(shell.to_string());
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    let pages = folder.join("man");
    std::fs::create_dir_all(&pages).with_context(|| pages.display().to_string())?;
    clap_mangen::generate_to(program, &pages).with_context(|| pages.display().to_string())
}
