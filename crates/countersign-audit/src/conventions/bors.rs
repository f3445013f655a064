//! The first bors, before homu: `auto merge of #12 : owner/repository/branch, r=name`.

use super::{Convention, homu};

pub const CONVENTION: Convention = Convention {
    name: "bors",
    proves: "who told the robot to merge (`r=name`), and whose branch it was; `r=` the owner of the branch is self-approved",
    does_not_prove: "that `name` typed it; `r=me` names nobody",
    find: |context| {
        homu::find(context, |subject| {
            let rest = subject.strip_prefix("auto merge of #").or_else(|| subject.strip_prefix("Auto merge of #"))?;
            let (_, rest) = rest.split_once(" : ")?;
            let (branch, reviewers) = rest.rsplit_once(", r=")?;
            Some((branch.split_once('/')?.0, reviewers))
        })
    },
};
