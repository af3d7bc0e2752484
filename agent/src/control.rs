//! What the command line and the daemon say to each other over the local socket: one JSON object on
//! a line each way; for `watch`, many. Only this machine's users with the right to the socket get here.

pub mod client;

use std::collections::BTreeMap;

use sanaga_proto::code;
use sanaga_proto::failure::{Coded, Failure};
use sanaga_proto::ids::{AppName, EnvironmentName, NodeName, SiteName, TreeRoot, Version};
use serde::{Deserialize, Serialize};

/// What the daemon is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Order {
    /// How things are: one [`Report`], or that this machine is not enrolled yet.
    Status,
    /// This machine was enrolled just now: an agent that waits for it looks at once.
    Enrolled,
    /// One [`Report`] each time that something changes, until the connection ends.
    Watch,
    /// Ask the controller now.
    Pull {
        /// Fetch what is assigned even though the data budget is spent.
        past_budget: bool,
    },
    /// Fetch and stage what is assigned, and stop there.
    Stage {
        /// The app.
        app: AppName,
    },
    /// Activate what is staged, now.
    Activate {
        /// The app.
        app: AppName,
    },
    /// Take in an offline bundle.
    Install {
        /// The file; the daemon opens it.
        path: String,
        /// A local operator vouches for expired online roles (rule 10).
        accept_expired: bool,
    },
    /// Go back to the previous release.
    Rollback {
        /// The app.
        app: AppName,
    },
    /// The events of this node, newest last.
    History {
        /// At most so many.
        most: usize,
    },
    /// Hash what is installed again.
    Verify {
        /// The app; all when left out.
        app: Option<AppName>,
        /// Stage a fresh copy of what has drifted.
        repair: bool,
    },
}

/// What the daemon answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// How things are.
    Report(Report),
    /// The agent runs and waits: this machine is not enrolled yet.
    NotEnrolled,
    /// What a roll back, an activation, a pull or an install led to.
    Done(Done),
    /// The events that were asked for.
    History(Vec<HistoryLine>),
    /// Files that are not as they were installed.
    Verified {
        /// Files looked at.
        files: u64,
        /// Bytes hashed.
        bytes: u64,
        /// What differs: app, path and how.
        drift: Vec<(AppName, String, String)>,
    },
    /// It did not work.
    Refused {
        /// The stable number.
        code: u16,
        /// The words of its message.
        args: BTreeMap<String, String>,
    },
}

/// The end of an order that changed something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The app, where it is about one.
    pub app: Option<AppName>,
    /// The version before.
    pub from: Option<Version>,
    /// The version after.
    pub to: Option<Version>,
    /// How long it took, milliseconds.
    pub took_ms: u64,
    /// Probes that pass, of how many.
    pub probes: (u64, u64),
    /// Receipts that the controller has not heard of.
    pub receipts_waiting: u64,
    /// The number of the receipt that was written for it.
    pub receipt: Option<u64>,
    /// Where the data are that the release wrote which was left; none when none were moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// What a pull or an install led to, in order of app; empty for what is about one app.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

/// What an order that is not about one app led to in one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The app.
    pub app: AppName,
    /// What ran before.
    pub from: Option<Version>,
    /// What is to run.
    pub to: Version,
    /// The word of the phase when the order was answered.
    pub phase: String,
    /// Whether it runs.
    pub activated: bool,
    /// How long it took so far, milliseconds.
    pub took_ms: u64,
    /// Probes that pass, of how many.
    pub probes: (u64, u64),
    /// Why it does not run: the failure's number and the words of its message.
    pub failure: Option<(u16, BTreeMap<String, String>)>,
}

/// How things are on this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The version of this form.
    pub schema_version: u32,
    /// The node.
    pub node: NodeName,
    /// Its site.
    pub site: SiteName,
    /// Its environment.
    pub environment: EnvironmentName,
    /// Seconds since the controller last answered; none when it never did since the agent started.
    pub contact_age_s: Option<u64>,
    /// The failure of the last contact, if it failed: its number.
    pub contact_code: Option<u16>,
    /// The time is not known for sure.
    pub clock_sure: bool,
    /// Trusted metadata has expired; what runs keeps running.
    pub stale: bool,
    /// A hold stops updates.
    pub held: bool,
    /// Receipts that the controller has not heard of.
    pub receipts_waiting: u64,
    /// The apps, in order of name.
    pub apps: Vec<AppReport>,
}

/// How one app is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppReport {
    /// The app.
    pub app: AppName,
    /// What `current` points to.
    pub version: Option<Version>,
    /// Its tree.
    pub root: Option<TreeRoot>,
    /// What `previous` points to.
    pub previous: Option<Version>,
    /// A version that failed here or was taken back, and waits for a newer assignment.
    pub set_aside: Option<Version>,
    /// What is assigned, when that is something else.
    pub target: Option<Version>,
    /// The word of the phase, as in docs/update-states.
    pub phase: String,
    /// Whether the service runs.
    pub running: bool,
    /// Seconds since the version or phase changed, where it is known.
    pub since_s: Option<u64>,
    /// Bytes of the pack on disk and in all, while it is fetched.
    pub fetched: Option<(u64, u64)>,
    /// Seconds of the soak that are left.
    pub soak_left_s: Option<u64>,
    /// Probes that pass, of how many.
    pub probes: (u64, u64),
    /// How long it did not answer in the last switch, milliseconds; none when that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outage_ms: Option<u64>,
    /// The last failure: its number and the words of its message.
    pub failure: Option<(u16, BTreeMap<String, String>)>,
    /// Where data are kept that were written with releases that were left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<String>,
}

/// One event of the node's chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryLine {
    /// Its number.
    pub number: u64,
    /// The word for what happened.
    pub kind: String,
    /// When, by this node's clock, seconds since 1970.
    pub at_s: u64,
    /// Whether that clock was sure.
    pub clock_sure: bool,
    /// The app.
    pub app: Option<AppName>,
    /// The version.
    pub version: Option<Version>,
    /// The failure's number.
    pub code: Option<u64>,
    /// How many equal events this is.
    pub count: u64,
    /// Whether the controller has it.
    pub acknowledged: bool,
    /// A few words.
    pub detail: Option<String>,
}

impl Reply {
    /// A refusal from a failure.
    #[must_use]
    pub fn refused(failure: &dyn Coded) -> Self {
        let args = failure
            .args()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        Self::Refused {
            code: failure.code().number,
            args,
        }
    }

    /// The failure of a refusal, for display on this side of the socket.
    ///
    /// # Errors
    /// The failure itself, when this is one.
    pub fn into_result(self) -> Result<Self, Failure> {
        match self {
            Self::Refused { code, args } => Err(failure_of(code, &args)),
            Self::Report(_)
            | Self::NotEnrolled
            | Self::Done(_)
            | Self::History(_)
            | Self::Verified { .. } => Ok(self),
        }
    }
}

/// A failure from its number and words.
#[must_use]
pub fn failure_of(number: u16, args: &BTreeMap<String, String>) -> Failure {
    let known = code::ALL.iter().find(|code| code.number == number);
    let failure = Failure::new(known.copied().unwrap_or(code::INTERNAL));
    args.iter()
        .fold(failure, |failure, (name, value)| failure.named(name, value))
}
