//! What an update may do by itself, and its bounds. All times in seconds with power.

/// How far an update goes without an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// It only shows what is assigned.
    Notice,
    /// It fetches.
    Fetch,
    /// It fetches and stages.
    Stage,
    /// It does all.
    Activate,
}

/// The bounds of the machine, from agent.toml, the assignment and the target's manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How far an update goes by itself.
    pub reach: Reach,
    /// The target must stay healthy so long, seconds.
    pub soak_s: u64,
    /// Between two looks at the verdict, seconds. Twice this is the most that one look adds to the
    /// soak, so that time in which nobody looked does not count.
    pub probe_interval_s: u64,
    /// A target that is started so often without ending its soak is taken back.
    pub starts_max: u32,
    /// After so many starts of the release before, somebody must come.
    pub starts_back_max: u32,
    /// Failures in a row of one step before the target is refused or taken back.
    pub failures_max: u32,
    /// Slots that are neither running nor `previous` are kept so long after a commit, seconds, unless
    /// their room is needed.
    pub keep_s: u64,
    /// Nothing is staged or activated when less room than this would be left, bytes.
    pub reserve_bytes: u64,
    /// The first pause after a failure, seconds; each further one doubles it.
    pub retry_first_s: u64,
    /// The longest pause of a step, seconds.
    pub retry_max_s: u64,
    /// The longest pause between restarts of the installed service, seconds.
    pub restart_max_s: u64,
    /// The longest wait of an app at rest, seconds.
    pub idle_s: u64,
}

impl Policy {
    /// The policy of production: a soak of 15 minutes.
    #[must_use]
    pub const fn production() -> Self {
        Self {
            reach: Reach::Activate,
            soak_s: 900,
            probe_interval_s: 10,
            starts_max: 5,
            starts_back_max: 5,
            failures_max: 3,
            keep_s: 24 * 3_600,
            reserve_bytes: 16 << 20,
            retry_first_s: 10,
            retry_max_s: 3_600,
            restart_max_s: 60,
            idle_s: 60,
        }
    }

    /// The policy of the environment `dev`: a soak of one minute.
    #[must_use]
    pub const fn dev() -> Self {
        Self {
            soak_s: 60,
            ..Self::production()
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::production()
    }
}
