//! Whoever made a merge commit.

use super::{Context, Convention, Found, Says};
use crate::machines::{Machine, machine};

pub const CONVENTION: Convention = Convention {
    name: "merge-commit",
    proves: "who merged: the author of the merge commit, and its committer where that is a person; a robot that merges \
             what others wrote does so under its platform's rule",
    does_not_prove: "that the merger looked at the content",
    find: |context| if context.landed.is_merge() { hands(context) } else { Vec::new() },
};

/// Whoever made the landed merge commit.
pub(super) fn hands(context: &Context<'_>) -> Vec<Found> {
    let landed = &context.landed;
    let mut found = Vec::new();
    for who in [&landed.record.author, &landed.record.committer] {
        let signal = format!("{} ({})", landed.subject, who.name);
        match machine(&who.name, &who.mail.to_lowercase()) {
            Some(Machine::Forge | Machine::Import) => {}
            Some(Machine::Lander | Machine::Robot) => found.push(Found::by(Says::Platform, who.clone(), signal)),
            None => found.push(Found::by(Says::Landed, who.clone(), signal)),
        }
    }
    found.dedup();
    found
}
