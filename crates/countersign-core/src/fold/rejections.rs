//! What a rejection is of: every revision over which it stood.

use std::collections::BTreeSet;

use countersign_ledger::{Digest, Time};

use crate::{
    change::{Admitted, Change, Revision},
    facts::GitFacts,
    ids::{ActorId, ChangeId, Target},
    pieces::Pieces,
    refusal::Refusal,
    state::{State, TargetRejection},
    statement::{NewRevision, Rejection},
};

/// Whoever rejects need not know of the newest revision.
pub(super) fn of(change: &Change, said: &Rejection, by: (&ActorId, Time)) -> Result<Vec<TargetRejection>, Refusal> {
    let of = change.rejected_by_it(&said.revision);
    let one = |revision: &Revision| {
        let places = Pieces::places(&revision.subject, revision.paths.as_deref());
        rejected(&change.id, by, revision.subject.content()?, (&revision.pieces, &places))
    };
    of.map(one).collect()
}

fn rejected(
    change: &ChangeId,
    (by, at): (&ActorId, Time),
    content: Digest,
    (pieces, places): (&Pieces, &Pieces),
) -> Result<TargetRejection, Refusal> {
    Ok(TargetRejection {
        by: by.clone(),
        change: change.clone(),
        content,
        pieces: pieces.remembered(),
        places: places.remembered(),
        at,
        aside: Vec::new(),
    })
}

impl State {
    /// A revision over which rejections stand: they are of it, too, and stay so when the change is withdrawn.
    pub(super) fn reject_anew(&mut self, said: &NewRevision, admitted: &Admitted<'_>) -> Result<(), Refusal> {
        let (Some(change), Some(subject)) = (self.change(&said.change)?, &admitted.found.subject) else {
            return Ok(());
        };
        let facts = admitted.found.facts.as_ref();
        let paths = facts.and_then(GitFacts::ruled_paths);
        let (content, pieces) = (subject.content()?, Pieces::of(subject, facts));
        let places = Pieces::places(subject, paths.as_deref());
        let stand = change.rejections.iter().filter(|rejection| !rejection.lifted);
        let again = stand.map(|stands| rejected(&said.change, (&stands.by, stands.at), content, (&pieces, &places)));
        let again: Vec<TargetRejection> = again.collect::<Result<_, _>>()?;
        for target in &said.targets {
            let rejections = &mut self.target_mut(target).rejections;
            for rejection in &again {
                let known = |known: &&TargetRejection| {
                    known.by == rejection.by && known.change == rejection.change && known.content == rejection.content
                };
                if !rejections.iter().any(|other| known(&other)) {
                    rejections.push(rejection.clone());
                }
            }
        }
        Ok(())
    }

    /// What landed by another change does not come again: the rest of what was rejected would complete it.
    pub(super) fn complete(&mut self, change: &Change, revision: &Revision, on: &BTreeSet<Target>) {
        for target in on {
            for rejection in &mut self.target_mut(target).rejections {
                if rejection.change != change.id && !rejection.pieces.are_among(&revision.pieces) {
                    rejection.pieces.landed(&revision.pieces);
                }
            }
        }
    }
}
