//! What only those who are named can do: say that they answer for what a machine proposed, lift their rejection.

use std::collections::BTreeMap;

use super::{Obligation, Scene, words::how_to_disclose};
use crate::ids::{ActorId, ChangeId};

impl Scene<'_> {
    pub(super) fn sponsor(&self, sponsor: &ActorId) -> Obligation {
        Obligation {
            missing: format!("{sponsor}'s own word that they answer for what a machine proposed"),
            who: vec![sponsor.clone()],
            more: 0,
            notes: BTreeMap::new(),
            or: Vec::new(),
            how: how_to_disclose(&self.snapshot.change),
        }
    }

    /// A rejection stands over later revisions, and holds the same content elsewhere: talking to who rejected is the way. It
    /// is lifted where it was said, and set aside where it holds.
    pub(super) fn lift(&self, person: &ActorId, said_in: &ChangeId, same: bool) -> Obligation {
        let change = &self.snapshot.change;
        let (what, there) = match (said_in == change, same) {
            (true, _) => ("this change".to_owned(), change.as_str()),
            (false, true) => (format!("the same content in change {}", said_in.short()), said_in.short()),
            (false, false) => (format!("change {}, and this brings all of that", said_in.short()), said_in.short()),
        };
        Obligation {
            missing: format!("{person} rejected {what}"),
            who: vec![person.clone()],
            more: 0,
            notes: BTreeMap::new(),
            or: Vec::new(),
            how: format!(
                "{person} lifts it (countersign reject {there} --lift); or, a day later, two others, one a senior, set it aside: countersign reject {change} --set-aside {person} --why …"
            ),
        }
    }

    pub(super) fn lift_elsewhere(&self, person: &ActorId) -> Vec<Obligation> {
        let said_in = self.held_in.iter().filter(|((by, _), _)| *by == person);
        let list: Vec<Obligation> = said_in.map(|((_, change), same)| self.lift(person, change, *same)).collect();
        // A decision of old names people alone.
        match list.is_empty() {
            true => vec![Obligation {
                missing: format!("{person} rejected the same content in another change"),
                who: vec![person.clone()],
                more: 0,
                notes: BTreeMap::new(),
                or: Vec::new(),
                how: format!("{person} lifts it where they said it: countersign list --person {person}"),
            }],
            false => list,
        }
    }
}
