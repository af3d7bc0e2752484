//! The `sanaga` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(sanaga_controller::cli::run(std::env::args_os()))
}
