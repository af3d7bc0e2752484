//! What the world does to the machine: stories with an end that every cut must still lead to.

use sanaga_proto::code::{self, Code};
use sanaga_proto::ids::Digest;

use super::disk::CodeId;
use crate::update::effect::EffectKind;
use crate::update::facts::Order;
use crate::update::journal::{Installed, Release, SlotNumber};
use crate::update::phase::Phase;

/// A release of a story: its code, its settings, and the assignment that asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Tag {
    pub code: CodeId,
    pub settings: u8,
    pub generation: u64,
}

impl Tag {
    pub(super) fn release(self) -> Release {
        #[expect(clippy::expect_used, reason = "a number is a version")]
        let version = format!("1.0.{}", self.code).parse().expect("a version");
        Release {
            version,
            root: Digest([self.code; 32]),
            manifest: Digest([self.code | 0x80; 32]),
            counter: u64::from(self.code),
            generation: self.generation,
            settings: Digest([self.settings; 32]),
        }
    }
}

/// When something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum When {
    /// At once.
    Now,
    /// When this phase is in the journal.
    Phase(Phase),
    /// When nothing has moved for so many waits.
    Quiet(u8),
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Then {
    /// An assignment comes.
    Want(Tag),
    /// A hold comes or goes.
    Hold(bool),
    /// Somebody orders something.
    Order(Order),
    /// Every probe passes from now on.
    Heal,
}

/// A step that works a few times and then fails a few times.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failing {
    pub effect: EffectKind,
    pub skip: u8,
    pub times: u8,
    pub code: Code,
    /// Whether the change to the disk is seen all the same (only its sync failed).
    pub is_seen: bool,
}

/// What the app of a story keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeping {
    /// Nothing that is declared.
    Nothing,
    /// Data of one form.
    Data,
    /// Data of which each code has its own form, so that each brings a migration.
    Migrating,
    /// The same, and the migration brings the machine down.
    Poison,
}

/// A story.
#[derive(Debug, Clone)]
pub(super) struct Scenario {
    pub name: String,
    /// Files of each tree.
    pub files: u8,
    /// Slots on the disk that nothing names.
    pub unnamed: Vec<(SlotNumber, CodeId)>,
    pub installed: Option<(Tag, SlotNumber)>,
    pub previous: Option<(Tag, SlotNumber)>,
    pub script: Vec<(When, Then)>,
    /// Code and settings whose probes fail.
    pub bad: Vec<(CodeId, u8)>,
    /// Code whose pack does not decode.
    pub undecodable: Option<CodeId>,
    /// Code whose start brings the machine down, and how often.
    pub poison: Vec<(CodeId, u8)>,
    pub failing: Option<Failing>,
    /// Whether the releases run beside each other (`blue-green`).
    pub is_beside: bool,
    pub data: Keeping,
    /// The code and settings that are installed at the end, and the last phase.
    pub end: Option<(CodeId, u8)>,
    pub end_phase: Phase,
    /// Whether something is wrong with a release; otherwise none may be blamed, whatever is cut.
    pub is_blame_due: bool,
}

/// How often a start brings the machine down that always does.
pub(super) const ALWAYS: u8 = u8::MAX;

const fn tag(code: CodeId, settings: u8, generation: u64) -> Tag {
    Tag {
        code,
        settings,
        generation,
    }
}

const OLDER: Tag = tag(1, 1, 1);
const OLD: Tag = tag(2, 1, 2);
const NEW: Tag = tag(3, 1, 3);
const NEWER: Tag = tag(4, 1, 4);

/// Every story.
pub(super) fn all() -> Vec<Scenario> {
    let mut all = updates();
    all.extend(ways_back());
    all.extend(hopeless());
    all.extend(interruptions());
    all.extend(passing_faults());
    all.extend(lasting_faults());
    all.extend(beside());
    all.extend(data());
    all
}

fn update(name: &str) -> Scenario {
    Scenario {
        name: name.to_owned(),
        files: 2,
        unnamed: vec![(1, 9)],
        installed: Some((OLD, 3)),
        previous: Some((OLDER, 2)),
        script: vec![(When::Now, Then::Want(NEW))],
        bad: Vec::new(),
        undecodable: None,
        poison: Vec::new(),
        failing: None,
        is_beside: false,
        data: Keeping::Nothing,
        end: Some((NEW.code, NEW.settings)),
        end_phase: Phase::Committed,
        is_blame_due: false,
    }
}

fn fresh(name: &str) -> Scenario {
    Scenario {
        unnamed: Vec::new(),
        installed: None,
        previous: None,
        ..update(name)
    }
}

fn updates() -> Vec<Scenario> {
    let mut back_again = update("the previous release is assigned again");
    back_again.script = vec![(When::Now, Then::Want(tag(OLDER.code, 1, 3)))];
    back_again.end = Some((OLDER.code, 1));
    let mut settings = update("settings change");
    settings.script = vec![(When::Now, Then::Want(tag(OLD.code, 2, 3)))];
    settings.end = Some((OLD.code, 2));
    vec![
        fresh("first installation"),
        Scenario {
            files: 7,
            ..fresh("first installation of a wide tree")
        },
        update("update"),
        back_again,
        settings,
    ]
}

fn ways_back() -> Vec<Scenario> {
    let back = |name: &str| Scenario {
        end: Some((OLD.code, 1)),
        end_phase: Phase::RolledBack,
        is_blame_due: true,
        ..update(name)
    };
    let mut settings = back("settings that fail their probe");
    settings.script = vec![(When::Now, Then::Want(tag(OLD.code, 2, 3)))];
    settings.bad = vec![(OLD.code, 2)];
    let mut first = fresh("a first installation that fails its probe");
    first.bad = vec![(NEW.code, 1)];
    first.is_blame_due = true;
    (first.end, first.end_phase) = (None, Phase::RolledBack);
    let mut ordered = back("the operator goes back");
    ordered.script = vec![
        (When::Now, Then::Want(OLD)),
        (When::Quiet(1), Then::Order(Order::Rollback)),
    ];
    ordered.end = Some((OLDER.code, 1));
    let mut in_probation = back("the operator goes back in probation");
    in_probation
        .script
        .push((When::Phase(Phase::Probation), Then::Order(Order::Rollback)));
    let order = Then::Order(Order::Rollback);
    let mut after_commit = back("the operator goes back after a commit");
    after_commit
        .script
        .push((When::Phase(Phase::Committed), order));
    let mut while_fetching = back("the operator goes back while fetching");
    while_fetching
        .script
        .push((When::Phase(Phase::Fetching), order));
    (while_fetching.end, while_fetching.end_phase) = (Some((NEW.code, 1)), Phase::Committed);
    let mut again = back("a newer assignment after a failure");
    again.bad = vec![(NEW.code, 1)];
    let newer = (When::Phase(Phase::RolledBack), Then::Want(NEWER));
    again.script.push(newer);
    (again.end, again.end_phase) = (Some((NEWER.code, 1)), Phase::Committed);
    let mut looping = back("two releases that bring the machine down");
    looping.poison = vec![(NEW.code, ALWAYS), (OLD.code, 7)];
    vec![
        Scenario {
            bad: vec![(NEW.code, 1)],
            ..back("a release that fails its probe")
        },
        Scenario {
            poison: vec![(NEW.code, ALWAYS)],
            ..back("a release that brings the machine down")
        },
        looping,
        settings,
        first,
        ordered,
        in_probation,
        again,
        after_commit,
        while_fetching,
    ]
}

/// The way back does not work either, and what may follow.
fn hopeless() -> Vec<Scenario> {
    let hopeless = Scenario {
        bad: vec![(NEW.code, 1), (OLD.code, 1)],
        end: Some((OLD.code, 1)),
        end_phase: Phase::NeedsHands,
        is_blame_due: true,
        ..update("neither the new nor the old release answers")
    };
    let then = |name: &str, then, end, end_phase| {
        let mut story = hopeless.clone();
        story.name = name.to_owned();
        story.script.push((When::Phase(Phase::NeedsHands), then));
        (story.end, story.end_phase) = (Some((end, 1)), end_phase);
        story
    };
    let rolled_back = Phase::RolledBack;
    let order = Then::Order(Order::Rollback);
    vec![
        hopeless.clone(),
        then(
            "the old release answers again, late",
            Then::Heal,
            OLD.code,
            rolled_back,
        ),
        then(
            "the operator goes back further",
            order,
            OLDER.code,
            rolled_back,
        ),
        then(
            "a newer assignment helps",
            Then::Want(NEWER),
            NEWER.code,
            Phase::Committed,
        ),
    ]
}

/// Apps that keep something.
fn data() -> Vec<Scenario> {
    let keeping = |data, story: Scenario| Scenario { data, ..story };
    let migrating = |name: &str| keeping(Keeping::Migrating, update(name));
    let back = |name: &str| Scenario {
        end: Some((OLD.code, 1)),
        end_phase: Phase::RolledBack,
        is_blame_due: true,
        ..migrating(name)
    };
    let order = Then::Order(Order::Rollback);
    let mut failing = back("a migrated release that fails its probe");
    failing.bad = vec![(NEW.code, 1)];
    let mut after_commit = back("the operator goes back from migrated data");
    after_commit
        .script
        .push((When::Phase(Phase::Committed), order));
    let mut there_again = back("the operator goes back from migrated data, and back again");
    there_again.script = after_commit.script.clone();
    there_again
        .script
        .push((When::Phase(Phase::RolledBack), order));
    (there_again.end, there_again.end_phase) = (Some((NEW.code, 1)), Phase::Idle);
    let mut broken = Scenario {
        failing: fails("", EffectKind::Migrate, ALWAYS, code::MIGRATION_FAILED).failing,
        ..back("a migration that fails half way")
    };
    if let Some(failing) = broken.failing.as_mut() {
        failing.is_seen = true;
    }
    let mut held = migrating("a hold while snapshotting");
    held.script.extend([
        (When::Phase(Phase::Snapshotting), Then::Hold(true)),
        (When::Quiet(2), Then::Hold(false)),
    ]);
    let mut first = keeping(
        Keeping::Migrating,
        fresh("a first installation with data that fails its probe"),
    );
    first.bad = vec![(NEW.code, 1)];
    first.is_blame_due = true;
    (first.end, first.end_phase) = (None, Phase::RolledBack);
    let full = fails("", EffectKind::SnapshotData, 2, code::DISK_FULL).failing;
    let slow = fails("", EffectKind::RestoreData, 2, code::DISK_FULL).failing;
    let slow = Scenario {
        failing: slow,
        bad: failing.bad.clone(),
        ..back("a full disk while data come back")
    };
    vec![
        keeping(Keeping::Data, update("update of an app with data")),
        migrating("update with a migration"),
        keeping(
            Keeping::Poison,
            back("a migration that brings the machine down"),
        ),
        Scenario {
            failing: full,
            ..migrating("a full disk while data are set aside")
        },
        failing,
        after_commit,
        there_again,
        broken,
        held,
        first,
        slow,
    ]
}

fn interruptions() -> Vec<Scenario> {
    let mut all = Vec::new();
    for phase in [
        Phase::Fetching,
        Phase::Staged,
        Phase::Armed,
        Phase::Activating,
        Phase::Probation,
    ] {
        let mut newer = update(&format!("a newer assignment while {phase}"));
        newer.script.push((When::Phase(phase), Then::Want(NEWER)));
        newer.end = Some((NEWER.code, 1));
        all.push(newer);
        let mut held = update(&format!("a hold while {phase}"));
        held.script.push((When::Phase(phase), Then::Hold(true)));
        held.script.push((When::Quiet(2), Then::Hold(false)));
        all.push(held);
    }
    let mut newer_held = update("a newer assignment while held");
    newer_held.script.extend([
        (When::Phase(Phase::Staged), Then::Hold(true)),
        (When::Phase(Phase::Held), Then::Want(NEWER)),
        (When::Quiet(2), Then::Hold(false)),
    ]);
    newer_held.end = Some((NEWER.code, 1));
    all.push(newer_held);
    let mut withdrawn = update("an assignment is withdrawn while staged");
    withdrawn
        .script
        .push((When::Phase(Phase::Staged), Then::Want(tag(OLD.code, 1, 4))));
    (withdrawn.end, withdrawn.end_phase) = (Some((OLD.code, 1)), Phase::Idle);
    all.push(withdrawn);
    all
}

fn fails(name: &str, effect: EffectKind, times: u8, code: Code) -> Scenario {
    Scenario {
        failing: Some(Failing {
            effect,
            skip: 0,
            times,
            code,
            is_seen: false,
        }),
        ..update(name)
    }
}

/// Faults that pass, after which the update goes on.
fn passing_faults() -> Vec<Scenario> {
    let mut half_swap = fails(
        "a swap whose sync fails",
        EffectKind::SwapCurrent,
        1,
        code::DISK_FAULT,
    );
    if let Some(failing) = half_swap.failing.as_mut() {
        failing.is_seen = true;
    }
    let passing = [
        ("offline for a while", EffectKind::Fetch, code::OFFLINE),
        (
            "a full disk while staging",
            EffectKind::Stage,
            code::DISK_FULL,
        ),
        (
            "a full disk at the swap",
            EffectKind::SwapCurrent,
            code::DISK_FULL,
        ),
        (
            "a full disk at `previous`",
            EffectKind::RewritePrevious,
            code::DISK_FULL,
        ),
        (
            "a stop that fails twice",
            EffectKind::StopService,
            code::STOP_FAILED,
        ),
        ("a removal that fails", EffectKind::Prune, code::DISK_FAULT),
    ];
    let passing = passing
        .into_iter()
        .map(|(name, effect, code)| fails(name, effect, 2, code));
    // A start that fails counts like one that was cut, and five are the most.
    let start = fails(
        "a start that fails once",
        EffectKind::StartService,
        1,
        code::START_FAILED,
    );
    passing.chain([half_swap, start]).collect()
}

/// Faults of a release, and faults that last longer than patience.
fn lasting_faults() -> Vec<Scenario> {
    let bad_pack = Scenario {
        undecodable: Some(NEW.code),
        is_blame_due: true,
        ..update("a pack that does not decode")
    };
    let refused = Phase::Refused {
        code: code::BAD_PACK.number,
    };
    let mut refused_then_newer = bad_pack.clone();
    refused_then_newer.name = "a newer assignment after a refusal".to_owned();
    let newer = (When::Phase(refused), Then::Want(NEWER));
    refused_then_newer.script.push(newer);
    refused_then_newer.end = Some((NEWER.code, 1));
    let bad_pack = Scenario {
        end: Some((OLD.code, 1)),
        end_phase: refused,
        ..bad_pack
    };
    let way_back_fails = |name: &str, times| {
        let mut way_back = fails(name, EffectKind::SwapCurrent, times, code::DISK_FULL);
        if let Some(failing) = way_back.failing.as_mut() {
            // The first replacement is that of the update; those after it are on the way back.
            failing.skip = 1;
        }
        way_back.bad = vec![(NEW.code, 1)];
        way_back.is_blame_due = true;
        (way_back.end, way_back.end_phase) = (Some((OLD.code, 1)), Phase::RolledBack);
        way_back
    };
    vec![
        bad_pack,
        refused_then_newer,
        way_back_fails("a full disk on the way back", 2),
        way_back_fails("a disk that is full for long on the way back", 5),
    ]
}

/// Releases that run beside each other. No story may leave the site without an answer.
fn beside() -> Vec<Scenario> {
    let beside = |mut story: Scenario, name: &str| {
        story.name = format!("blue-green: {name}");
        story.is_beside = true;
        story
    };
    let back = |name: &str| Scenario {
        end: Some((OLD.code, 1)),
        end_phase: Phase::RolledBack,
        is_blame_due: true,
        ..beside(update(""), name)
    };
    let mut settings = beside(update(""), "settings change");
    settings.script = vec![(When::Now, Then::Want(tag(OLD.code, 2, 3)))];
    settings.end = Some((OLD.code, 2));
    let mut ordered = back("the operator goes back after a commit");
    let order = Then::Order(Order::Rollback);
    ordered.script.push((When::Phase(Phase::Committed), order));
    let mut in_probation = back("the operator goes back in probation");
    in_probation
        .script
        .push((When::Phase(Phase::Probation), order));
    let mut first = beside(fresh(""), "a first installation that fails its probe");
    first.bad = vec![(NEW.code, 1)];
    first.is_blame_due = true;
    (first.end, first.end_phase) = (None, Phase::RolledBack);
    let start = |name: &str| {
        let story = fails("", EffectKind::StartService, 1, code::PROXY_FAILED);
        beside(story, name)
    };
    vec![
        beside(fresh(""), "first installation"),
        first,
        beside(update(""), "update"),
        settings,
        Scenario {
            bad: vec![(NEW.code, 1)],
            ..back("a release that fails its probe")
        },
        ordered,
        in_probation,
        start("a proxy that does not switch at once"),
    ]
}

/// A release in its slot.
pub(super) fn installed(at: Option<(Tag, SlotNumber)>) -> Option<Installed> {
    at.map(|(tag, slot)| Installed {
        release: tag.release(),
        slot,
    })
}
