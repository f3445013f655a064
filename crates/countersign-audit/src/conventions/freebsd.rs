//! FreeBSD and Apache: `Reviewed by:`, `Approved by: name (mentor)`, `Submitted by:`.

use super::{Convention, Found, Says, named_people, trailer};

pub const CONVENTION: Convention = Convention {
    name: "reviewed-by-field",
    proves: "who reviewed or approved, by login or name: `Reviewed by: a, b`, `Approved by: re (gjb)`; `Submitted by:` names \
             the author of what somebody else commits",
    does_not_prove: "that it was the committed version; roles (`re`, `portmgr`, `blanket`, `implicit`) are nobody",
    find: |context| {
        let mut found = Vec::new();
        for line in context.lines().filter(|line| !line.quoted && line.key.contains(' ') && line.key != "Reviewed By") {
            if line.is_any(&["Reviewed by", "Accepted by", "Acked by"]) {
                trailer::approvals(line, &mut found);
            } else if line.is("Approved by") {
                found.extend(approvers(line.value).into_iter().map(|who| Found::by(Says::Approved, who, line.text)));
            } else if line.is_any(&["Submitted by", "Authored by"]) {
                let who = named_people(line.value).into_iter();
                found.extend(who.map(|who| Found::by(Says::Wrote, who, line.text)));
            }
        }
        found
    },
};

/// In `re (gjb)` the person stands in the brackets, in `gjb (mentor)` before them.
fn approvers(value: &str) -> Vec<countersign_core::facts::git::Ident> {
    const ROLES: &[&str] = &[
        "re",
        "portmgr",
        "secteam",
        "so",
        "core",
        "doceng",
        "ports-secteam",
        "security-officer",
        "vendor",
        "maintainer",
        "mentor",
        "mentors",
    ];
    let is_role = |name: &str| ROLES.contains(&name.to_lowercase().as_str());
    let mut found = Vec::new();
    for part in value.split(',') {
        match part.split_once('(') {
            Some((role, inner)) if is_role(role.trim()) => found.extend(named_people(inner.trim_end_matches(')'))),
            Some((name, _)) => found.extend(named_people(name)),
            None => found.extend(named_people(part)),
        }
    }
    found.retain(|who| {
        !is_role(&who.name) && who.name.to_lowercase() != "blanket" && who.name.to_lowercase() != "implicit"
    });
    found
}
