//! Reviews within one merge: who wrote one of its commits can be the second person of another.

use std::collections::BTreeSet;

use countersign_core::facts::message::Message;

use super::{
    CommitRecord, LandedChange,
    conventions::{self, Context, Says},
    judge::{contributors, gather},
    people::{IdentityId, People},
};

/// Most commits of one merge that are looked at one by one.
const MAX_PARTS: usize = 1_000;

/// One commit that a merge brought, with what is written in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    contributors: Box<[IdentityId]>,
    approved: Box<[IdentityId]>,
}

/// The commits that a merge brought, if each names somebody who approved it; merges among them have no content.
pub(super) fn parts(change: &LandedChange, messages: &[Message], people: &mut People) -> Box<[Part]> {
    let brought = || change.brought.iter().zip(messages.iter().skip(1)).filter(|(record, _)| record.parents.len() < 2);
    if change.commit.parents.len() < 2 || !(2..=MAX_PARTS).contains(&brought().count()) {
        return Box::default();
    }
    let mut parts = Vec::new();
    for (record, message) in brought() {
        match part(change, record, message, people) {
            Some(part) => parts.push(part),
            None => return Box::default(),
        }
    }
    parts.into_boxed_slice()
}

fn part(change: &LandedChange, record: &CommitRecord, message: &Message, people: &mut People) -> Option<Part> {
    let alone = LandedChange {
        commit: record.clone(),
        brought: Vec::new(),
        paths: Vec::new(),
        notes: change.notes.iter().filter(|note| note.on == record.id).cloned().collect(),
    };
    let messages = std::slice::from_ref(message);
    let mut made = contributors(&alone, messages, people);
    let mut context = Context::new(&alone, messages, None)?;
    conventions::quotes::leave_out(&mut context);
    let evidence = gather(&context, people, &mut made);
    let approved: Box<[_]> =
        evidence.iter().filter(|item| item.says == Says::Approved).filter_map(|item| item.who).collect();
    (!approved.is_empty()).then(|| Part { contributors: made.into_iter().collect(), approved })
}

/// Whoever looked at a commit that they had no hand in, each once, if every one of them has somebody.
pub(super) fn reviewers(parts: &[Part], people: &People) -> Option<BTreeSet<IdentityId>> {
    let mut all = BTreeSet::new();
    for Part { contributors, approved } in parts {
        let made = |who: IdentityId| contributors.iter().any(|other| people.could_be(who, *other));
        let second = approved.iter().filter(|who| people.is_person(**who) && !made(**who));
        let mut seconds = second.map(|who| people.person(*who)).peekable();
        seconds.peek()?;
        all.extend(seconds);
    }
    (!all.is_empty()).then_some(all)
}
