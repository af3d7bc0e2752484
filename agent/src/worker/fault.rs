//! A failure on its way from the worker to the helper. It is said to people and decides on the next
//! try; nothing is believed because of it.

use sanaga_proto::code;
use sanaga_proto::failure::{Coded, Failure};
use sanaga_proto::fields;
use sanaga_proto::wire::Document;

use super::message::FaultMessage;
use crate::fetch::FetchError;

/// The words of a fault, characters.
const TEXT_MAX: usize = 400;
/// The words of its message, at most.
const ARGS_MAX: usize = 16;

fields! {
    /// A fault that travels alone.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Alone ("fault") {
        /// It.
        3 required fault: FaultMessage,
    }
}

impl Document for Alone {
    const WHAT: &'static str = "fault";
    const TYPE: u64 = 22;
    const VERSION: u64 = 1;
    const BYTES_MAX: u64 = 64 << 10;
}

/// A failure as a message.
#[must_use]
pub fn to_message(error: &dyn Coded, wait_s: Option<u64>) -> FaultMessage {
    let args = error.args().into_iter();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(this) = cause {
        text = format!("{text}: {this}");
        cause = this.source();
    }
    FaultMessage {
        code: u64::from(error.code().number),
        args: args
            .map(|(name, value)| (name.to_owned(), shortened(&value)))
            .collect(),
        wait_s,
        text: shortened(&text),
    }
}

/// The failure that a message tells of.
#[must_use]
pub fn to_failure(message: &FaultMessage) -> Failure {
    let number = |code: &&code::Code| u64::from(code.number) == message.code;
    let code = code::ALL.iter().find(number).copied();
    let args = message.args.iter().take(ARGS_MAX);
    args.fold(
        Failure::new(code.unwrap_or(code::INTERNAL)),
        |failure, (name, value)| failure.named(name, value),
    )
}

/// The error that a message tells of.
#[must_use]
pub fn to_error(message: &FaultMessage) -> FetchError {
    FetchError::Told {
        failure: to_failure(message),
        wait_s: message.wait_s,
        text: shortened(&message.text),
    }
}

/// A failure as bytes.
#[must_use]
pub fn to_bytes(failure: &Failure) -> Vec<u8> {
    let fault = to_message(failure, None);
    Alone { fault }.to_bytes()
}

/// The failure of such bytes; what does not read is a fault of its own.
#[must_use]
pub fn from_bytes(bytes: &[u8]) -> Failure {
    match Alone::from_bytes(bytes) {
        Ok(alone) => to_failure(&alone.fault),
        Err(error) => Failure::of(error),
    }
}

fn shortened(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(TEXT_MAX)
        .collect()
}
