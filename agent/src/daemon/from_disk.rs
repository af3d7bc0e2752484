//! The journal of an app whose own was lost, made from the links and slots on the disk.

use std::collections::BTreeMap;

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::AppName;

use crate::backup::Sets;
use crate::slot::{self, AppFolder};
use crate::update::{DataNumber, Installed, Journal, Kept, Phase, Quarantined, Seal};

/// What the links name was installed. A newer release that is `previous` was taken back. When `current`
/// names a slot that says nothing of itself, somebody must come, and nothing is tidied away meanwhile.
///
/// # Errors
/// A fault of the disk.
pub fn from_disk(name: &AppName, folder: &AppFolder, sets: &Sets) -> Result<Journal, Failure> {
    let observed = slot::observe(folder, &BTreeMap::new()).map_err(Failure::of)?;
    let installed =
        |slot: Option<u32>| match slot.and_then(|slot| Some((slot, observed.slots.get(&slot)?))) {
            Some((slot, Seal::Sealed(release))) => Some(Installed {
                release: release.clone(),
                slot,
            }),
            Some((_, Seal::Damaged(_) | Seal::Unsealed)) | None => None,
        };
    let (current, previous) = (installed(observed.current), installed(observed.previous));
    let mut journal = Journal::adopted(name.clone(), current, previous);
    if observed.current.is_some() && journal.installed.is_none() {
        journal.phase = Phase::NeedsHands;
        journal.blocked = Some(code::DRIFT.number);
    }
    if let (Some(current), Some(previous)) = (&journal.installed, &journal.previous)
        && previous.release.counter > current.release.counter
    {
        journal.quarantine.push(Quarantined {
            root: previous.release.root,
            settings: previous.release.settings,
            generation: previous.release.generation,
            code: code::ROLLED_BACK.number,
        });
    }
    journal.data = kept(sets, journal.previous.as_ref(), journal.installed.as_ref());
    Ok(journal)
}

/// The sets on the disk: the newest that was put aside between the two releases, whichever way, goes with
/// the previous one; all others may hold what somebody misses, and are kept.
fn kept(sets: &Sets, previous: Option<&Installed>, installed: Option<&Installed>) -> Kept {
    let all = sets.list();
    let slots = [previous, installed].map(|known| known.map(|known| known.slot));
    let leads_back = |number: &DataNumber| {
        let about = sets.read(*number).map(|set| set.about);
        about.is_ok_and(|about| [about.from, about.to].map(|at| at.map(|(_, slot)| slot)) == slots)
    };
    let newest = all.iter().rev().copied().find(leads_back);
    Kept {
        last: all.last().copied().unwrap_or_default(),
        previous: newest.filter(|_| previous.is_some()),
        aside: all.into_iter().filter(|set| Some(*set) != newest).collect(),
        ..Kept::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slot::{Sidecar, Staging};
    use crate::update::{Release, SlotNumber};
    use sanaga_proto::ids::Digest;
    use sanaga_proto::tree::{Entry, HashedTree, Kind, TreeList};

    /// A slot with one empty file of this name.
    fn stage(app: &AppFolder, slot: SlotNumber, file: &str) -> Release {
        let kind = Kind::File {
            mode: 0o644,
            size: 0,
        };
        let path = file.to_owned();
        let list = TreeList::new(vec![Entry { path, kind }]).unwrap();
        let tree = HashedTree::new(list.clone(), vec![Digest::of(b"")]).unwrap();
        let release = Release {
            version: slot.to_string().parse().unwrap(),
            root: tree.root(),
            manifest: Digest::of(b"manifest"),
            counter: u64::from(slot),
            generation: u64::from(slot),
            settings: Digest::of(b""),
        };
        let mut staging = Staging::begin(app, slot, &release.root, list, 0).unwrap();
        staging.begin_file(0).unwrap();
        staging.end_file().unwrap();
        let sidecar = |tree| Sidecar {
            release: release.clone(),
            manifest: b"manifest".to_vec(),
            tree,
            documents: vec![],
            floors: None,
        };
        staging.finish(sidecar).unwrap();
        release
    }

    fn place() -> (tempfile::TempDir, AppFolder, AppName, Sets) {
        let home = tempfile::tempdir().unwrap();
        let name: AppName = "shop".parse().unwrap();
        let app = AppFolder::new(home.path(), &name);
        let sets = Sets::new(&home.path().join("snapshots"), &name);
        (home, app, name, sets)
    }

    #[test]
    fn what_was_taken_back_stays_set_aside() {
        let (_home, app, name, sets) = place();
        let (one, two) = (stage(&app, 1, "one"), stage(&app, 2, "two"));
        app.swap_current(2).unwrap();
        app.rewrite_previous(Some(1)).unwrap();
        let journal = from_disk(&name, &app, &sets).unwrap();
        assert_eq!(
            journal.installed.as_ref().map(|found| &found.release),
            Some(&two)
        );
        assert!(journal.quarantine.is_empty());
        app.swap_current(1).unwrap();
        app.rewrite_previous(Some(2)).unwrap();
        let journal = from_disk(&name, &app, &sets).unwrap();
        assert_eq!(
            journal.installed.as_ref().map(|found| &found.release),
            Some(&one)
        );
        assert!(journal.quarantined(&two).is_some());
        assert!(journal.quarantined(&one).is_none());
    }

    #[test]
    fn what_runs_and_says_nothing_of_itself_needs_somebody() {
        let (_home, app, name, sets) = place();
        stage(&app, 1, "one");
        app.swap_current(1).unwrap();
        let slot = app.find_slot(1).unwrap();
        let sidecar = slot.with_extension("release");
        let mut bytes = std::fs::read(&sidecar).unwrap();
        bytes.push(0);
        std::fs::write(&sidecar, bytes).unwrap();
        let journal = from_disk(&name, &app, &sets).unwrap();
        assert_eq!(journal.phase, Phase::NeedsHands);
        assert_eq!(journal.blocked, Some(code::DRIFT.number));
        // An app that was never installed needs nobody.
        let (_home, app, name, sets) = place();
        assert_eq!(from_disk(&name, &app, &sets).unwrap().phase, Phase::Idle);
    }

    #[test]
    fn what_was_put_aside_is_found_again() {
        let (home, app, name, sets) = place();
        let (one, two) = (stage(&app, 1, "one"), stage(&app, 2, "two"));
        app.swap_current(2).unwrap();
        app.rewrite_previous(Some(1)).unwrap();
        let section = sanaga_proto::manifest::DataSection {
            sqlite: vec!["shop.db".to_owned()],
            ..Default::default()
        };
        let items = crate::backup::items(&[&section], home.path(), &Default::default()).unwrap();
        let about = |from: (&Release, u32), to: (&Release, u32)| crate::backup::About {
            app: name.clone(),
            from: Some((from.0.version.clone(), from.1)),
            to: Some((to.0.version.clone(), to.1)),
        };
        let (back, forth) = (about((&one, 1), (&two, 2)), about((&two, 2), (&one, 1)));
        for (number, about) in [(1, &back), (3, &back), (4, &forth)] {
            sets.take(number, about.clone(), &items, 0).unwrap();
        }
        let journal = from_disk(&name, &app, &sets).unwrap();
        assert_eq!(journal.data.previous, Some(3));
        assert_eq!((journal.data.aside, journal.data.last), (vec![1, 4], 4));
    }
}
