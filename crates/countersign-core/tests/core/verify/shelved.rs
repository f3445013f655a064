//! A whole log, verified leaf by leaf with next to no change in memory: the same is said of it.

use std::{collections::BTreeMap, convert::Infallible};

use countersign_core::{
    change::Change,
    ids::ChangeId,
    verify::{ReadLeaf, Shelf, ShelfError, Whole, shelved},
};
use countersign_ledger::sshsig::KnownKeys;

use super::*;

/// A shelf for all but so many changes.
#[derive(Debug)]
struct Few(usize, BTreeMap<ChangeId, Vec<u8>>);

impl Shelf for Few {
    fn keeps(&self) -> usize {
        self.0
    }

    fn put(&mut self, change: &ChangeId, record: &[u8]) -> Result<(), ShelfError> {
        self.1.insert(change.clone(), record.to_vec());
        Ok(())
    }

    fn get(&self, change: &ChangeId) -> Result<Option<Vec<u8>>, ShelfError> {
        Ok(self.1.get(change).cloned())
    }
}

fn with_few(world: &World, evidence: &Evidence, keeps: usize) -> (Report, Few) {
    let shelf = Few(keeps, BTreeMap::new());
    let mut whole = Whole::begin(&world.trust, &evidence.checkpoint, None, world.now, shelf).unwrap();
    for ((_, bytes), stored) in evidence.leaves.iter().zip(&evidence.hashes) {
        let blob = |digest: &Digest| Ok::<_, Infallible>(evidence.blobs.get(digest).cloned());
        whole.take(&ReadLeaf::of(bytes, Some(*stored), &mut KnownKeys::default(), blob).unwrap()).unwrap();
    }
    whole.end()
}

#[test]
fn with_changes_laid_aside_the_same_is_found() {
    let world = lively();
    let evidence = world.evidence();
    let all = check(&world, &evidence);
    for keeps in 0..4 {
        let (report, shelf) = with_few(&world, &evidence, keeps);
        assert_eq!(report.steps, all.steps);
        let state = report.state.unwrap();
        assert!(state.changes().len() <= keeps && !shelf.1.is_empty());
        for change in world.state.changes() {
            let in_memory = state.changes().find(|known| known.id == change.id).cloned();
            let laid_down: Option<Change> = shelved(&shelf, &change.id).unwrap();
            assert_eq!(in_memory.or(laid_down).as_ref(), Some(change));
            // What lies on the shelf is not taken for absent.
            let found = state.change(&change.id);
            assert!(found.as_ref().is_ok_and(Option::is_some) || found.is_err_and(|e| e.code == "stream-missing"));
        }
    }
}

#[test]
fn what_an_attacker_changes_is_found_with_changes_laid_aside() {
    let world = lively();
    // Without its last leaf it is a shorter log, in which nothing is wrong.
    let last = world.leaves.len() - 1;
    for leaf in world.leaves.iter().take(last).skip(1) {
        let evidence = world.resealed(|drafts| drop(drafts.remove(leaf.index as usize)));
        let (all, (few, _)) = (check(&world, &evidence), with_few(&world, &evidence, 0));
        assert_eq!(few.steps, all.steps, "{}", leaf.index);
        assert!(!few.holds(), "{}", leaf.index);
    }
}

#[test]
fn a_shelf_that_loses_a_record_is_an_error_or_refused() {
    let world = lively();
    let evidence = world.evidence();
    #[derive(Debug)]
    struct Forgetful;
    impl Shelf for Forgetful {
        fn keeps(&self) -> usize {
            0
        }
        fn put(&mut self, _: &ChangeId, _: &[u8]) -> Result<(), ShelfError> {
            Ok(())
        }
        fn get(&self, _: &ChangeId) -> Result<Option<Vec<u8>>, ShelfError> {
            Ok(None)
        }
    }
    let mut whole = Whole::begin(&world.trust, &evidence.checkpoint, None, world.now, Forgetful).unwrap();
    for bytes in evidence.leaves.values() {
        let blob = |digest: &Digest| Ok::<_, Infallible>(evidence.blobs.get(digest).cloned());
        whole.take(&ReadLeaf::of(bytes, None, &mut KnownKeys::default(), blob).unwrap()).unwrap();
    }
    assert!(!whole.end().0.holds());
}
