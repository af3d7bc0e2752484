//! Looks at this machine for [`super::checks`]. Nothing is changed, and nothing that is missing
//! stops the rest.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use super::super::Context;
use super::checks::{Findings, Key};
use crate::clock::ClockTrust;
use crate::config::Config;
use crate::control::client::{ask, out_of_place};
use crate::control::{Order, Reply, Report};
use crate::identity::{Identity, read_optional};

/// Everything that the checks want to know.
pub fn gather(context: &Context) -> Findings {
    let config = context.config(&[]).map_err(Failure::of);
    let report = report(&context.paths.socket);
    let trusted = config
        .as_ref()
        .is_ok_and(|config| config.clock == ClockTrust::Trusted);
    let clock_sure = match &report {
        Ok(report) => report.clock_sure,
        Err(_) if trusted => true,
        // Nobody runs who knows it: this machine is asked.
        Err(_) => {
            context.clock.refresh();
            context.clock.read().sure
        }
    };
    let files = context.paths.identity_files();
    Findings {
        identity: Identity::load(&files),
        clock_sure,
        wall_s: context.clock.read().wall_s,
        disk: disk(&context.paths.state, config.as_ref().ok()),
        keys: [files.node_key(), files.tls_key()].map(key).into(),
        certificate: certificate(&files.tls_certificate()),
        config: config.map(|_| ()),
        report,
    }
}

fn report(socket: &Path) -> Result<Report, Failure> {
    match ask(socket, &Order::Status)? {
        Reply::Report(report) => Ok(report),
        Reply::NotEnrolled => Err(Failure::new(code::NOT_ENROLLED)),
        Reply::Done(_) | Reply::History(_) | Reply::Verified { .. } | Reply::Refused { .. } => {
            Err(out_of_place(socket))
        }
    }
}

/// Free bytes where slots will lie; before the first start the folder above them answers.
fn disk(state: &Path, config: Option<&Config>) -> Result<(u64, u64), Failure> {
    let there = state
        .ancestors()
        .find(|folder| folder.is_dir())
        .unwrap_or(state);
    let found = rustix::fs::statvfs(there).map_err(|error| {
        Failure::new(code::DISK_FAULT)
            .arg("path", there.display())
            .arg("problem", error)
    })?;
    let min = config.map_or(0, |config| config.limits.disk_free_bytes_min);
    Ok((found.f_bavail.saturating_mul(found.f_frsize), min))
}

fn key(path: PathBuf) -> Key {
    let mode = fs::metadata(&path)
        .ok()
        .map(|found| found.permissions().mode());
    Key { path, mode }
}

/// Until when the certificate is good.
fn certificate(path: &Path) -> Result<Option<i64>, Failure> {
    let unreadable = |problem: &dyn std::fmt::Display| {
        Failure::new(code::CONFIG_UNREADABLE)
            .arg("path", path.display())
            .arg("problem", problem)
    };
    let Some(bytes) = read_optional(path)? else {
        return Ok(None);
    };
    let certificate = Certificate::from_der(&bytes).map_err(|error| unreadable(&error))?;
    let until = certificate.tbs_certificate.validity.not_after;
    let until_s = until.to_unix_duration().as_secs();
    Ok(Some(i64::try_from(until_s).unwrap_or(i64::MAX)))
}
