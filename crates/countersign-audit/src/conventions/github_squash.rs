//! GitHub's squash and rebase buttons, and its editor: `Title (#12)`, committed by GitHub.

use super::{Convention, Found, Says, lines::is_github};

pub const CONVENTION: Convention = Convention {
    name: "github-squash",
    proves: "that the commit was made on GitHub, for a pull request where the title ends in `(#12)`",
    does_not_prove: "who pressed the button, or that anybody approved: git cannot tell",
    find: |context| {
        let landed = &context.landed;
        if landed.is_merge() || !is_github(&landed.record.committer) {
            return Vec::new();
        }
        vec![Found::nobody(Says::Opaque, format!("{} (committer GitHub)", landed.subject))]
    },
};
