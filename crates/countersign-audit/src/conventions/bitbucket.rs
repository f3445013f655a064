//! Bitbucket: `Merged in branch (pull request #12)`, with `Approved-by: Name <mail>` lines.

use super::{Convention, Found, Says, merger};

pub const CONVENTION: Convention = Convention {
    name: "bitbucket-merge",
    proves: "who merged; `Approved-by` lines, which are trailers, name who approved",
    does_not_prove: "that nobody else approved: the lines are cut where the message is edited",
    find: |context| {
        let landed = &context.landed;
        let ours = landed.subject.starts_with("Merged in ") && landed.subject.contains("(pull request #")
            || landed.subject.starts_with("Pull request #");
        match (ours, landed.is_merge()) {
            (true, true) => merger::hands(context),
            (true, false) => vec![Found::nobody(Says::Opaque, landed.subject)],
            (false, _) => Vec::new(),
        }
    },
};
