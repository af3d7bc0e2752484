//! Asks the kernel whether the wall clock is synchronised (adjtimex(2), `STA_UNSYNC`). There is no
//! safe binding of that call, and this package has no unsafe code: programs that every distribution
//! has make it for us. Without them the clock is unsure, which is always safe.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The bit of the kernel's clock status that says "not synchronised" (`STA_UNSYNC`, timex.h).
const STA_UNSYNC: u32 = 0x40;
/// A program may take so long; timedatectl may have to start its service first.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two looks at a running program.
const STEP: Duration = Duration::from_millis(10);
/// Every answer is far shorter, bytes.
const OUTPUT_BYTES_MAX: usize = 16_384;

/// Somebody who knows whether the kernel believes its wall clock.
pub trait KernelSync: Send + Sync {
    /// Whether it does; false if that cannot be found out. May block for some seconds.
    fn synchronised(&self) -> bool;
}

/// Asks by the programs of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct AskKernel(());

impl KernelSync for AskKernel {
    fn synchronised(&self) -> bool {
        if Path::new("/run/systemd/system").is_dir() {
            // systemd-timedated answers from adjtimex, whoever disciplines the clock.
            let args = ["show", "--property=NTPSynchronized", "--value"];
            if let Some(answer) = output_of("timedatectl", &args) {
                return answer.trim() == "yes";
            }
        }
        // Debian's program needs `--print`; busybox's prints without arguments and refuses it.
        output_of("adjtimex", &["--print"])
            .or_else(|| output_of("adjtimex", &[]))
            .is_some_and(|text| reports_synchronised(&text))
    }
}

/// Reads the line `status: N` that both programs called `adjtimex` print.
fn reports_synchronised(text: &str) -> bool {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("status:"))
        .filter_map(|rest| rest.split_whitespace().next()?.parse::<u32>().ok())
        .next()
        .is_some_and(|status| status & STA_UNSYNC == 0)
}

/// What a program prints; none if it is absent, fails, takes too long or says too much.
fn output_of(program: &str, args: &[&str]) -> Option<String> {
    let mut child = Command::new(program)
        .args(args)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut left = PATIENCE;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if !left.is_zero() => {
                std::thread::sleep(STEP);
                left = left.saturating_sub(STEP);
            }
            Ok(None) | Err(_) => {
                // It may have ended by itself just now; then there is nothing to kill.
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    };
    // The pipe holds at least 64 KiB, so a program that has ended has left all of a short answer.
    let mut text = Vec::new();
    let mut from = std::io::Read::take(child.stdout.take()?, OUTPUT_BYTES_MAX as u64);
    std::io::Read::read_to_end(&mut from, &mut text).ok()?;
    status.success().then(|| String::from_utf8(text).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_programs() {
        let busybox =
            "    mode:         0\n-o  offset:       0 us\n    status:       64 (UNSYNC)\n";
        assert!(!reports_synchronised(busybox));
        let debian = "         mode: 0\n       status: 8193\n return value = 0\n";
        assert!(reports_synchronised(debian));
        for silent in ["", "status: ", "status: yes", "return value = 0"] {
            assert!(!reports_synchronised(silent), "{silent}");
        }
    }

    #[test]
    fn waits_only_so_long_and_wants_success() {
        assert_eq!(output_of("echo", &["yes"]).as_deref(), Some("yes\n"));
        assert_eq!(output_of("false", &[]), None);
        assert_eq!(output_of("no-such-program-here", &[]), None);
        let before = std::time::Instant::now();
        assert_eq!(output_of("sleep", &["60"]), None);
        assert!(before.elapsed() < Duration::from_secs(30));
    }
}
