//! The exec probe: a program of the release, in its environment and as its user, ends with 0.

use std::time::Duration;

use super::LookError;
use crate::service::Launch;
use crate::service::run::{Outcome, run_in_release};

/// Looks once; the program is ended with its group when the time is over.
pub(super) async fn look(
    launch: &Launch,
    command: &[String],
    limit: Duration,
) -> Result<(), LookError> {
    match run_in_release(launch, command, limit).await {
        Ok(Outcome { code: 0, .. }) => Ok(()),
        Ok(Outcome { code, errors, .. }) => {
            let errors = errors.lines().last().unwrap_or_default().to_owned();
            Err(LookError::Code { code, errors })
        }
        Err(error) => Err(LookError::Program(error)),
    }
}
