//! Mozilla's subjects: `Bug 12 - Title. r=alice,bob`.

use super::{Convention, Found, Says, lines::split_reviewers};

/// How the bodies of merges by robots begin; those have conventions of their own.
const NOT_OURS: &[&str] = &["Auto merge of #", "auto merge of #", "Rollup merge of #"];

pub const CONVENTION: Convention = Convention {
    name: "r-equals",
    proves: "that the author names a reviewer in the subject (`r=alice`, `rs=` for a rubber stamp); the landing tools of \
             Mozilla rewrite it from the review",
    does_not_prove: "that it was so where the subject is written by hand; `r?` is a question and `r=me` names nobody",
    find: |context| {
        let mut found = Vec::new();
        for commit in context.commits().filter(|commit| !NOT_OURS.iter().any(|start| commit.subject.starts_with(start)))
        {
            // `Revert "Bug 12 - Title. r=alice"`: what stands in quotes is another commit's subject.
            let subject = &unquoted(commit.subject);
            let bug = subject
                .get(..4)
                .is_some_and(|start| start.eq_ignore_ascii_case("bug ") || start.eq_ignore_ascii_case("no b"));
            // Long titles of CVS's time go on in the body.
            let about_a_bug = subject.to_ascii_lowercase().contains("bug");
            let last_words = commit.lines.iter().filter(|line| about_a_bug && !line.quoted && line.key.is_empty());
            let last_words = last_words.filter_map(|line| line.text.split_whitespace().last());
            let words = subject.split_whitespace().collect::<Vec<_>>();
            let count = words.len();
            for (at, word) in
                words.into_iter().enumerate().chain(last_words.map(|word| (count.saturating_sub(1), word)))
            {
                let word = word.trim_matches(|c| matches!(c, '(' | ')' | '[' | ']' | '.' | ';'));
                let value = ["r=", "rs=", "sr="].iter().find_map(|key| word.strip_prefix(key));
                let Some(value) = value.filter(|_| bug || at.saturating_add(1) == count) else { continue };
                let names = split_reviewers(value).filter(|who| who.name.starts_with(char::is_alphabetic));
                found.extend(names.map(|who| Found::by(Says::Approved, who, commit.subject)));
            }
        }
        found
    },
};

/// A subject without what stands between its first and its last double quote.
fn unquoted(subject: &str) -> String {
    match (subject.find('"'), subject.rfind('"')) {
        (Some(first), Some(last)) if first < last => {
            let (before, after) = (subject.get(..first).unwrap_or_default(), subject.get(last..).unwrap_or_default());
            format!("{before} {}", after.trim_start_matches('"'))
        }
        (Some(first), _) => subject.get(..first).unwrap_or_default().to_owned(),
        (None, _) => subject.to_owned(),
    }
}
