//! GitLab: `See merge request group/project!12`.

use super::{Convention, Found, Says, lines::review_page, merger};

pub const CONVENTION: Convention = Convention {
    name: "gitlab-merge",
    proves: "who merged, where it is a merge commit; else that there is a merge request",
    does_not_prove: "who approved: unless the project's template writes `Approved-by`, that stays with GitLab",
    find: |context| {
        let page = |text: &str| {
            let rest = text.strip_prefix("See merge request ").or_else(|| text.strip_prefix("Part-of: "));
            rest.is_some_and(|rest| rest.contains('!') || rest.contains("/merge_requests/"))
        };
        match context.landed.is_merge() && context.landed.lines.iter().any(|line| page(line.text)) {
            true => merger::hands(context),
            false => {
                let is_page: fn(&super::Line<'_>) -> bool = |line| {
                    let rest =
                        line.text.strip_prefix("See merge request ").or_else(|| line.text.strip_prefix("Part-of: "));
                    rest.is_some_and(|rest| rest.contains('!') || rest.contains("/merge_requests/"))
                };
                review_page(context, is_page).map(|page| Found::nobody(Says::Opaque, page)).into_iter().collect()
            }
        }
    },
};
