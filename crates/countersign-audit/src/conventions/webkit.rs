//! WebKit: `Reviewed by Jane Doe.` as a sentence, `Unreviewed`, `Rubber-stamped by`.

use super::{Convention, Found, Says, named_people};

const STARTS: &[&str] = &["Reviewed by ", "Rubber-stamped by ", "Rubber stamped by "];

pub const CONVENTION: Convention = Convention {
    name: "reviewed-by-sentence",
    proves: "who reviewed; `Unreviewed` says that nobody did",
    does_not_prove: "that the sentence was filled in by the tool rather than by hand",
    find: |context| {
        let mut found = Vec::new();
        for line in context.lines().filter(|line| !line.text.starts_with('>') && line.key.is_empty()) {
            if line.text.starts_with("Unreviewed, ")
                || line.text == "Unreviewed."
                || line.text.starts_with("Unreviewed build fix")
            {
                found.push(Found::nobody(Says::NobodyApproved, line.text));
            }
            // A sentence of its own, at the end of the line.
            let after = |start: &&str| {
                let at = line.text.rfind(*start)?;
                let before = line.text.get(..at)?.trim_end();
                let alone = before.is_empty() || before.ends_with(['.', ';']);
                alone.then(|| line.text.get(at.checked_add(start.len())?..)).flatten()
            };
            // Without the full stop it takes `@bob and @cy` to be sure that it names people.
            let logins = |rest: &str| rest.split([' ', ',']).all(|w| w.is_empty() || w == "and" || w.starts_with('@'));
            let names = STARTS
                .iter()
                .find_map(after)
                .and_then(|rest| rest.strip_suffix('.').or_else(|| logins(rest).then_some(rest)));
            let people = names.map(named_people).unwrap_or_default();
            found.extend(people.into_iter().map(|who| Found::by(Says::Approved, who, line.text)));
        }
        found
    },
};
