//! Who wrote what the author of the commit only committed: Apache's `(Ann Lee via bob)` and `Contributed by Ann Lee.`,
//! PostgreSQL's `Author: Ann Lee <mail>`.

use countersign_core::facts::git::Ident;

use super::{Convention, Found, Line, Says, named_people};

/// Keys of whoever sent it in.
const OWN: &[&str] = &["Submitted-by", "Contributed-by", "Patch-by", "Patch by"];
const AUTHOR: &[&str] = &["Author", "Authors"];

pub const CONVENTION: Convention = Convention {
    name: "written-by",
    proves: "who wrote what somebody else committed as their own: `(Ann Lee via bob)`, `Contributed by Ann Lee.`, `Author:`; the \
             committer is then another hand",
    does_not_prove: "that the committer changed nothing",
    find: |context| {
        let landed = &context.landed;
        let mut found: Vec<Found> = Vec::new();
        let mut wrote = |people: Vec<Ident>, text: &str| {
            found.extend(people.into_iter().map(|who| Found::by(Says::Wrote, who, text)));
        };
        let texts = std::iter::once(landed.subject).chain(landed.lines.iter().filter(|l| !l.quoted).map(|l| l.text));
        for text in texts {
            let end = text.trim_end_matches(['.', ' ']);
            // `(Ann Lee via bob)`, but not `(now via the cache)`.
            if let Some((writers, by)) =
                end.strip_suffix(')').and_then(|rest| rest.rsplit_once('(')?.1.rsplit_once(" via "))
                && !by.trim().contains(' ')
            {
                wrote(named_people(writers).into_iter().filter(is_somebody).collect(), text);
            }
            if let Some((_, writers)) = end.rsplit_once("Contributed by ") {
                wrote(named_people(writers), text);
            }
        }
        let own = |line: &&Line<'_>| !line.quoted && line.is_any(OWN);
        // With a `Date:` beside it, it is the log of another commit.
        let author = |line: &&Line<'_>| !line.quoted && line.is_any(AUTHOR) && !landed.has("Date");
        for line in landed.lines.iter().filter(own) {
            wrote(named_people(line.value), line.text);
        }
        for line in landed.lines.iter().filter(author) {
            let people = named_people(line.value).into_iter();
            wrote(people.filter(is_somebody).collect(), line.text);
        }
        found
    },
};

fn is_somebody(who: &Ident) -> bool {
    !who.mail.is_empty() || is_full_name(&who.name)
}

/// `Ann Lee`, but not `nobody in particular`.
fn is_full_name(name: &str) -> bool {
    name.split_whitespace().nth(1).is_some()
        && name.split_whitespace().all(|word| word.chars().next().is_some_and(char::is_uppercase))
}
