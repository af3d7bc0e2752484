//! The agent: pulls releases over bad links, stages them, swaps them in, watches them, and takes
//! them back without a network.

pub mod backup;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod daemon;
pub mod disk;
pub mod enrol;
pub mod fetch;
pub mod health;
pub mod helper;
pub mod identity;
pub mod power;
pub mod service;
pub mod slot;
pub mod store;
pub mod update;
pub mod worker;

/// The date of these sources, seconds since 1970.
const WRITTEN_S: i64 = 1_795_219_200;

/// When this program was built, seconds since 1970: `SOURCE_DATE_EPOCH` of the build
/// (<https://reproducible-builds.org/specs/source-date-epoch/>), so that the same sources make the same
/// program; without it, or with an earlier one, the date of the sources. It is not earlier than that
/// where the program runs, and a node's knowledge of the time begins there.
pub const BUILD_S: i64 = match option_env!("SOURCE_DATE_EPOCH") {
    Some(text) => match i64::from_str_radix(text, 10) {
        Ok(seconds) if seconds > WRITTEN_S => seconds,
        Ok(_) | Err(_) => WRITTEN_S,
    },
    None => WRITTEN_S,
};
