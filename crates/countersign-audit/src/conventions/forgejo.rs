//! Gitea and Forgejo (Codeberg): `Merge pull request 'Title' (#12) from ann/branch into main`, and in a squash
//! `Reviewed-on: https://forge.example/owner/repository/pulls/12` with `Reviewed-by`, which is a trailer.

use super::{Convention, Found, Line, Says, lines::review_page, merger};

pub const CONVENTION: Convention = Convention {
    name: "forgejo",
    proves: "who merged, where it is a merge commit; `Reviewed-by` lines, which are trailers, name who approved; else that \
             there is a pull request",
    does_not_prove: "that nobody else approved: the lines are cut where the message is edited",
    find: |context| {
        let landed = &context.landed;
        let merged = landed.is_merge()
            && (landed.subject.starts_with("Merge pull request '") || landed.lines.iter().any(is_request));
        match merged {
            true => merger::hands(context),
            false => {
                review_page(context, is_request).map(|page| Found::nobody(Says::Opaque, page)).into_iter().collect()
            }
        }
    },
};

/// `Reviewed-on: …/pulls/12`; Gerrit's end in `/c/project/+/12` or `/12`.
pub(super) fn is_request(line: &Line<'_>) -> bool {
    line.is("Reviewed-on")
        && line
            .value
            .rsplit_once("/pulls/")
            .is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}
