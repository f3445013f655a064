//! Trailers that git itself parses.

use countersign_core::facts::git::Ident;

use super::{Context, Convention, Found, Line, Says, named_people, says_nobody};

/// `Signed-off-by` certifies where the code comes from, and `Tested-by` that it ran: neither says that somebody read it.
pub(super) const KEYS: &[&str] = &[
    "Reviewed-by",
    "Acked-by",
    "Approved-by",
    "Ack-by",
    "Code-Reviewed-by",
    "Reviewed-and-tested-by",
    "Tested-and-reviewed-by",
    "Reviewed-and-acked-by",
    "Acked-and-reviewed-by",
    "Acked-and-tested-by",
    "Tested-and-acked-by",
    "Reviewer",
    "Reviewers",
    "Reviewed-and-approved-by",
    "Code-review-by",
    "Peer-reviewed-by",
    "Rubber-stamped-by",
    "LGTM-by",
    "Looks-good-to-me-by",
    "Looks-fine-to-me-by",
];
const LANDERS: &[&str] = &["Merged-by", "Committed-by", "Landed-by"];
/// Where Phabricator or a tool like it wrote the message, `Reviewers:` lists whom it asked.
const ONLY_ASKED: &[&str] =
    &["Differential Revision", "Test Plan", "Task ID", "Blame Rev", "CC", "Subscribers", "Reviewed By", "Pull Request"];

pub const CONVENTION: Convention = Convention {
    name: "trailer",
    proves: "somebody is named as reviewer or approver: `Reviewed-by`, `Acked-by`, `Approved-by`, `Reviewers: a, b`; \
             `Merged-by` names who landed it",
    does_not_prove: "that the person wrote the line, or saw the final content: a cherry-pick keeps those of the original; \
                     `Signed-off-by` and `Tested-by` are no review",
    find: |context| find(context, |line| line.in_trailers),
};

pub(super) fn find(context: &Context<'_>, wanted: fn(&Line<'_>) -> bool) -> Vec<Found> {
    let mut found = Vec::new();
    for commit in context.commits() {
        for line in commit.lines.iter().filter(|line| !line.key.is_empty() && !line.quoted && wanted(line)) {
            if line.is_any(KEYS) {
                let asked = line.is_any(&["Reviewer", "Reviewers"]) && ONLY_ASKED.iter().any(|key| commit.has(key));
                if !asked {
                    approvals(line, &mut found);
                }
            } else if line.is_any(LANDERS) {
                let who = named_people(line.value).into_iter();
                found.extend(who.map(|who| Found::by(Says::Landed, who, line.text)));
            }
        }
    }
    found
}

/// The people of a line as approvals; `Reviewed-by: none` is none.
pub(super) fn approvals(line: &Line<'_>, found: &mut Vec<Found>) {
    if says_nobody(line.value) {
        found.push(Found::nobody(Says::NobodyApproved, line.text));
    }
    let people = named_people(line.value).into_iter().filter(|who| !is_placeholder(who));
    found.extend(people.map(|who| Found::by(Says::Approved, who, line.text)));
}

/// What a template has where a name and a mail are to be filled in: `<name>`, `Your Name <you@example.com>`.
fn is_placeholder(who: &Ident) -> bool {
    const NAMES: &[&str] = &["name", "your name", "full name", "reviewer", "reviewer name", "real name", "insert name"];
    const MAILS: &[&str] = &["name", "email", "mail", "reviewer", "you", "your email", "your name", "name@example.com"];
    let (name, mail) = (who.name.to_lowercase(), who.mail.to_lowercase());
    NAMES.contains(&name.as_str())
        || MAILS.contains(&mail.as_str())
        || mail.starts_with("you@")
        || mail.starts_with("your@")
        || mail.starts_with("your.")
        || mail.starts_with("reviewer@example.")
}
