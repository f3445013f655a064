//! A line that names the pull request, written by a landing tool: `PR-URL:` (Node.js), `Pull Request:` (spr), `Pull
//! Request resolved:` (ghstack), `Closes #12 from owner/branch` (Apache's merge scripts).

use super::{Convention, Found, Line, Says, lines::review_page};

pub const CONVENTION: Convention = Convention {
    name: "request-page",
    proves: "that there is a pull request, which a tool or a person landed by hand",
    does_not_prove: "who approved it, or who landed it where the committer is the author",
    find: |context| review_page(context, is_page).map(|page| Found::nobody(Says::Opaque, page)).into_iter().collect(),
};

fn is_page(line: &Line<'_>) -> bool {
    let keyed = line.is_any(&["PR-URL", "Pull Request", "Pull-Request", "Pull Request resolved", "ghstack-source-id"]);
    let link = line.value.contains("://") && line.value.contains("/pull");
    keyed && (link || line.is("ghstack-source-id")) || closes_from(line.text)
}

/// `Closes #12 from owner/branch`, also with more behind it.
fn closes_from(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("Closes #") else { return false };
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.strip_prefix(" from ").is_some_and(|branch| branch.split(' ').next().is_some_and(|name| name.contains('/')))
}
