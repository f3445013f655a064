//! homu and today's rust-lang/bors: `Auto merge of #12 - owner:branch, r=name`, `Rollup merge of …`.

use super::{
    Context, Convention, Found, Says,
    lines::{handle, split_reviewers},
};

pub const CONVENTION: Convention = Convention {
    name: "homu",
    proves: "who told the robot to merge (`r=name`), and whose branch it was; `r=` the owner of the branch is self-approved",
    does_not_prove: "that `name` typed it: `r=name` may be said on somebody's behalf; `r=me` names nobody",
    find: |context| {
        find(context, |subject| {
            let rest = subject.strip_prefix("Auto merge of #").or_else(|| subject.strip_prefix("Rollup merge of #"))?;
            let (_, rest) = rest.split_once(" - ")?;
            let (branch, reviewers) = rest.rsplit_once(", r=")?;
            Some((branch.split_once(':')?.0, reviewers))
        })
    },
};

/// Reads subjects of merges that say whose branch was merged and by whose word.
pub(super) fn find(context: &Context<'_>, read: fn(&str) -> Option<(&str, &str)>) -> Vec<Found> {
    let mut found = Vec::new();
    for commit in context.commits().filter(|commit| commit.is_merge()) {
        let Some((owner, reviewers)) = read(commit.subject) else { continue };
        found.extend(handle(owner).map(|who| Found::by(Says::Contributed, who, commit.subject)));
        found.extend(split_reviewers(reviewers).map(|who| Found::by(Says::Approved, who, commit.subject)));
        found.push(Found::nobody(Says::Platform, commit.subject));
    }
    found
}
