//! GitLab: `See merge request group/project!12`.

use super::{Convention, Found, Line, Says, lines::review_page, merger};

pub const CONVENTION: Convention = Convention {
    name: "gitlab-merge",
    proves: "who merged, where it is a merge commit; else that there is a merge request",
    does_not_prove: "who approved: unless the project's template writes `Approved-by`, that stays with GitLab",
    find: |context| {
        let landed = &context.landed;
        match landed.is_merge() && landed.lines.iter().any(is_page) {
            true => merger::hands(context),
            false => review_page(context, is_page).map(|page| Found::nobody(Says::Opaque, page)).into_iter().collect(),
        }
    },
};

/// `See merge request group/project!12`, and `Part-of: <URL>` as GNOME's and freedesktop's robots write it.
fn is_page(line: &Line<'_>) -> bool {
    let rest = line.text.strip_prefix("See merge request ").or_else(|| line.text.strip_prefix("Part-of: "));
    rest.is_some_and(|rest| rest.contains('!') || rest.contains("/merge_requests/"))
}
