//! GitHub's merge button with a merge commit: `Merge pull request #12 from owner/branch`.

use super::{Convention, merger};

pub const CONVENTION: Convention = Convention {
    name: "github-merge",
    proves: "who pressed the button: the author of the merge commit (the committer is GitHub)",
    does_not_prove: "that the pull request was approved: approvals stay with GitHub",
    find: |context| {
        let is = context.landed.is_merge() && context.landed.subject.starts_with("Merge pull request #");
        if is { merger::hands(context) } else { Vec::new() }
    },
};
