//! A disk that forgets: what was synced lasts; of what was not, any part survives a cut.

use std::collections::BTreeMap;

use crate::update::journal::{DataNumber, SlotNumber};

/// Which code a tree holds; stands for its tree root and its manifest.
pub(super) type CodeId = u8;

/// What an app keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Rows {
    /// The code whose form they have; 0 before anything was written.
    pub form: CodeId,
    /// Half way into that form.
    pub is_half: bool,
    /// The last write to them.
    pub write: u8,
}

/// The tree of one slot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Tree {
    /// What it holds, or was to hold.
    pub code: CodeId,
    /// How many files it is to have.
    pub files: u8,
    /// Files whose content is there, one bit each.
    pub content: u32,
    /// Files whose name is there, one bit each.
    pub names: u32,
    /// Whether its sidecar is there.
    pub sidecar: bool,
    /// Whether it is named as a slot (else it is an unfinished folder).
    pub placed: bool,
}

impl Tree {
    pub(super) fn unfinished(code: CodeId, files: u8) -> Self {
        Self {
            code,
            files,
            content: 0,
            names: 0,
            sidecar: false,
            placed: false,
        }
    }

    pub(super) fn whole(code: CodeId, files: u8) -> Self {
        Self {
            content: all(files),
            names: all(files),
            sidecar: true,
            placed: true,
            ..Self::unfinished(code, files)
        }
    }

    /// Whether every byte is there.
    pub(super) fn is_whole(&self) -> bool {
        let all = all(self.files);
        self.placed && self.sidecar && self.content == all && self.names == all
    }
}

fn all(files: u8) -> u32 {
    (1 << files) - 1
}

/// What is on a disk.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Disk {
    /// The pack's code and how many of its frames are here.
    pub pack: Option<(CodeId, u8)>,
    /// Slots and unfinished folders.
    pub trees: BTreeMap<SlotNumber, Tree>,
    /// What `current` names.
    pub current: Option<SlotNumber>,
    /// What `previous` names.
    pub previous: Option<SlotNumber>,
    /// What the app keeps.
    pub rows: Rows,
    /// What was set aside.
    pub sets: BTreeMap<DataNumber, Rows>,
}

impl Disk {
    pub(super) fn is_whole(&self, slot: SlotNumber) -> bool {
        self.trees.get(&slot).is_some_and(Tree::is_whole)
    }

    fn apply(&mut self, change: &Change) {
        let tree = |disk: &mut Self, slot: SlotNumber, with: &dyn Fn(&mut Tree)| {
            if let Some(tree) = disk.trees.get_mut(&slot) {
                with(tree);
            }
        };
        match *change {
            Change::Pack { code, frames } => self.pack = Some((code, frames)),
            Change::Begin { slot, code, files } => {
                self.trees.insert(slot, Tree::unfinished(code, files));
            }
            Change::Content { slot, file } => tree(self, slot, &|tree| tree.content |= 1 << file),
            Change::Name { slot, file } => tree(self, slot, &|tree| tree.names |= 1 << file),
            Change::Sidecar { slot } => tree(self, slot, &|tree| tree.sidecar = true),
            Change::Place { slot } => tree(self, slot, &|tree| tree.placed = true),
            Change::Remove { slot } => tree(self, slot, &|tree| {
                tree.placed = false;
                tree.sidecar = false;
            }),
            Change::Current { to } => self.current = to,
            Change::Previous { to } => self.previous = to,
            Change::Rows(rows) => self.rows = rows,
            Change::Set { number, of } => {
                self.sets.insert(number, of);
            }
            Change::MoveAside { number } => {
                self.sets.insert(number, std::mem::take(&mut self.rows));
            }
            Change::Unset { number } => {
                self.sets.remove(&number);
            }
        }
    }
}

/// One effect on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Change {
    /// So many frames of a pack are written.
    Pack { code: CodeId, frames: u8 },
    /// An unfinished folder is made (its loss is the loss of all that is in it).
    Begin {
        slot: SlotNumber,
        code: CodeId,
        files: u8,
    },
    /// A file's content is written.
    Content { slot: SlotNumber, file: u8 },
    /// A file is named in its folder.
    Name { slot: SlotNumber, file: u8 },
    /// The sidecar is named; its content was synced before.
    Sidecar { slot: SlotNumber },
    /// The folder is renamed into place.
    Place { slot: SlotNumber },
    /// A slot is renamed aside and its sidecar removed.
    Remove { slot: SlotNumber },
    /// `current` is replaced or removed.
    Current { to: Option<SlotNumber> },
    /// `previous` is replaced or removed.
    Previous { to: Option<SlotNumber> },
    /// What the app keeps is changed or replaced.
    Rows(Rows),
    /// A copy of it is put in place as a set.
    Set { number: DataNumber, of: Rows },
    /// It is moved away and becomes a set.
    MoveAside { number: DataNumber },
    /// A set is removed.
    Unset { number: DataNumber },
}

impl Change {
    /// The slot that it is about, other than by a link.
    const fn slot(&self) -> Option<SlotNumber> {
        match *self {
            Self::Begin { slot, .. }
            | Self::Content { slot, .. }
            | Self::Name { slot, .. }
            | Self::Sidecar { slot }
            | Self::Place { slot }
            | Self::Remove { slot } => Some(slot),
            Self::Pack { .. }
            | Self::Current { .. }
            | Self::Previous { .. }
            | Self::Rows(_)
            | Self::Set { .. }
            | Self::MoveAside { .. }
            | Self::Unset { .. } => None,
        }
    }
}

/// What a sync makes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Sync {
    /// The pack's content.
    Pack,
    /// One file's content.
    File { slot: SlotNumber, file: u8 },
    /// The names in a slot's folder.
    Tree { slot: SlotNumber },
    /// The names of slots and sidecars.
    Slots,
    /// The links `current` and `previous`.
    App,
    /// What the app keeps.
    Rows,
    /// The sets.
    Sets,
}

impl Sync {
    fn covers(self, change: &Change) -> bool {
        match (self, *change) {
            (Self::Pack, Change::Pack { .. })
            | (
                Self::Slots,
                Change::Sidecar { .. } | Change::Place { .. } | Change::Remove { .. },
            )
            | (Self::App, Change::Current { .. } | Change::Previous { .. })
            | (Self::Rows, Change::Rows(_))
            | (Self::Sets, Change::Set { .. } | Change::MoveAside { .. } | Change::Unset { .. }) => {
                true
            }
            (
                Self::File { slot, file },
                Change::Content {
                    slot: in_slot,
                    file: of_file,
                },
            ) => slot == in_slot && file == of_file,
            (Self::Tree { slot }, Change::Name { slot: in_slot, .. }) => slot == in_slot,
            (
                Self::Pack
                | Self::File { .. }
                | Self::Tree { .. }
                | Self::Slots
                | Self::App
                | Self::Rows
                | Self::Sets,
                Change::Pack { .. }
                | Change::Begin { .. }
                | Change::Content { .. }
                | Change::Name { .. }
                | Change::Sidecar { .. }
                | Change::Place { .. }
                | Change::Remove { .. }
                | Change::Current { .. }
                | Change::Previous { .. }
                | Change::Rows(_)
                | Change::Set { .. }
                | Change::MoveAside { .. }
                | Change::Unset { .. },
            ) => false,
        }
    }
}

/// The disk with its cache: what lasts, and what would be lost.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Cached {
    lasting: Disk,
    unsynced: Vec<Change>,
    seen: Disk,
}

impl Cached {
    pub(super) fn new(disk: Disk) -> Self {
        Self {
            lasting: disk.clone(),
            unsynced: Vec::new(),
            seen: disk,
        }
    }

    /// The disk as every program sees it.
    pub(super) fn seen(&self) -> &Disk {
        &self.seen
    }

    pub(super) fn unsynced(&self) -> usize {
        self.unsynced.len()
    }

    pub(super) fn change(&mut self, change: Change) {
        self.seen.apply(&change);
        if let Change::Begin { slot, .. } = change {
            // A new folder; what was written in an older one of the same number is gone with it.
            self.lasting.apply(&change);
            self.unsynced.retain(|old| old.slot() != Some(slot));
        } else {
            self.unsynced.push(change);
        }
    }

    pub(super) fn sync(&mut self, sync: Sync) {
        let (synced, unsynced) = self
            .unsynced
            .drain(..)
            .partition(|change| sync.covers(change));
        self.unsynced = unsynced;
        let synced: Vec<Change> = synced;
        for change in &synced {
            self.lasting.apply(change);
        }
    }

    /// What a cut leaves when just the changes of `survivors` (one bit each, in order) survive.
    /// Unfinished folders are swept when the machine comes up.
    pub(super) fn cut(&self, survivors: u64) -> Disk {
        let mut disk = self.lasting.clone();
        for (at, change) in self.unsynced.iter().enumerate() {
            if survivors >> at & 1 == 1 {
                disk.apply(change);
            }
        }
        disk.trees.retain(|_, tree| tree.placed);
        disk
    }
}
