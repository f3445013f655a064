//! Azure DevOps: `Merged PR 12: Title`, with `Related work items: #34`.

use super::{Convention, Found, Says, merger};

pub const CONVENTION: Convention = Convention {
    name: "azure-devops",
    proves: "who completed the pull request, where it is a merge commit or the committer is not the author; else that there \
             is one",
    does_not_prove: "who approved: that stays with Azure DevOps, whose squash has the author as committer too",
    find: |context| {
        let landed = &context.landed;
        let number = landed.subject.strip_prefix("Merged PR ").and_then(|rest| rest.split_once(':')).map(|(n, _)| n);
        let ours = number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()));
        match (ours, landed.is_merge()) {
            (true, true) => merger::hands(context),
            (true, false) => vec![Found::nobody(Says::Opaque, landed.subject)],
            (false, _) => Vec::new(),
        }
    },
};
