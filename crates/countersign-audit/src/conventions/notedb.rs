//! Gerrit's NoteDb: `refs/changes/…/meta`, a commit for every event of a change.
//!
//! The reader hands over one note: the commits of the reference from the oldest on, each as a line `author NAME <mail>`,
//! an empty line and the message, with a NUL between two.
//!
//! Where a note of the reviewnotes plugin tells of the same commit, each vote is there with a name and here with an
//! account. Then the note's names stand, and this says only which of them are owner or uploader.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::facts::git::Ident;

use super::{Convention, Found, MAX_NOTE_BYTES, Says, gerrit_note, named_people};

pub const CONVENTION: Convention = Convention {
    name: "gerrit-notedb",
    proves: "every vote with its voter, the owner, whoever uploaded another patch set and the submitter: Gerrit's own \
             database. A patch set that Gerrit rebased or made at submission is nobody's work",
    does_not_prove: "names: accounts are written as `Gerrit User 1000024`, and where `gerrit-note` names the voters this \
                     only says who of them is owner or uploader; a vote counts until it is taken back, whatever the \
                     server's rules on new patch sets were",
    find: |context| {
        context
            .notes
            .iter()
            .filter(|note| note.reference.starts_with("refs/changes/") && note.reference.ends_with("/meta"))
            .flat_map(|note| {
                let body = note.body.get(..MAX_NOTE_BYTES).unwrap_or(&note.body);
                let told = read(&String::from_utf8_lossy(body));
                let names = context.notes_in(gerrit_note::REFERENCE).filter(|other| other.on == note.on);
                by_name(told, &names.flat_map(gerrit_note::read).collect::<Vec<_>>())
            })
            .collect()
    },
};

/// What accounts did, beside what a note says by name. An account is a name where both say that one submitted or gave
/// the highest vote, and nobody else did; the submitter's vote is told from the one other by the submission.
fn by_name(told: Vec<Found>, named: &[Found]) -> Vec<Found> {
    let (submitters, voters) = (whoever(named, Says::Landed), whoever(named, Says::Approved));
    if submitters.is_empty() && voters.is_empty() {
        return told;
    }
    let voted = whoever(&told, Says::Approved);
    let mut names: BTreeMap<Ident, Ident> = BTreeMap::new();
    names.extend(only_pair(&whoever(&told, Says::Landed), &submitters));
    let (mut accounts, mut people) = (voted.clone(), voters.clone());
    for (account, person) in &names {
        if accounts.contains(account) && people.contains(person) {
            accounts.remove(account);
            people.remove(person);
        }
    }
    names.extend(only_pair(&accounts, &people));
    let contributed = whoever(&told, Says::Contributed);
    let mut found: Vec<Found> = told
        .into_iter()
        .filter(|item| match item.says {
            Says::Approved => voters.is_empty(),
            Says::Landed => submitters.is_empty(),
            Says::Contributed | Says::Wrote | Says::NobodyApproved | Says::Platform | Says::Opaque => true,
        })
        .map(|item| {
            let who = item.who.map(|who| names.get(&who).cloned().unwrap_or(who));
            Found { who, ..item }
        })
        .collect();
    // Where nobody voted but those who had a hand in it, so did every voter by name, whoever is which.
    if !voted.is_empty() && voted.is_subset(&contributed) {
        found.extend(voters.into_iter().map(|who| Found::by(Says::Contributed, who, "Patch-set")));
    }
    found
}

fn whoever(found: &[Found], says: Says) -> BTreeSet<Ident> {
    found.iter().filter(|item| item.says == says).filter_map(|item| item.who.clone()).collect()
}

fn only_pair(accounts: &BTreeSet<Ident>, people: &BTreeSet<Ident>) -> Option<(Ident, Ident)> {
    let one = |all: &BTreeSet<Ident>| all.first().filter(|_| all.len() == 1).cloned();
    Some((one(accounts)?, one(people)?))
}

fn read(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    // By voter: the last vote is the one that stands.
    let mut votes: BTreeMap<(String, String), Option<String>> = BTreeMap::new();
    let rebased = rebased(text);
    for (nth, record) in text.split('\0').enumerate() {
        let mut lines = record.trim_start_matches('\n').lines();
        let author = lines.next().and_then(|line| line.strip_prefix("author ")).and_then(|who| named_people(who).pop());
        let Some(author) = author else { continue };
        let pairs: Vec<(&str, &str, &str)> =
            lines.filter_map(|line| line.split_once(": ").map(|(key, value)| (line, key, value.trim()))).collect();
        let has = |key: &str| pairs.iter().any(|(_, k, _)| *k == key);
        // The first event is the owner's; whatever names a commit uploads a patch set, also Gerrit when it submits.
        let set = pairs.iter().find(|(_, key, _)| *key == "Patch-set").map(|(_, _, value)| patch_set(value));
        let made_by_gerrit = pairs.iter().any(|(_, key, value)| *key == "Status" && *value == "merged")
            || set.is_some_and(|set| rebased.contains(set));
        if nth == 0 || (has("Commit") && !made_by_gerrit) {
            found.push(Found::by(Says::Contributed, author.clone(), "Patch-set"));
        }
        for (line, key, value) in &pairs {
            match *key {
                "Label" => vote(line, value, &author, &mut votes),
                "Status" if *value == "merged" => found.push(Found::by(Says::Landed, author.clone(), *line)),
                "Submitted-with" => {
                    let who = value.strip_prefix("OK: Code-Review: ").map(named_people).unwrap_or_default();
                    found.extend(who.into_iter().map(|who| Found::by(Says::Approved, who, *line)));
                }
                _ => {}
            }
        }
    }
    for ((name, mail), line) in votes {
        found.extend(line.map(|line| Found::by(Says::Approved, Ident { name, mail }, line)));
    }
    found
}

/// The number in `3 (DRAFT)`.
fn patch_set(value: &str) -> &str {
    value.split(' ').next().unwrap_or_default()
}

/// Patch sets of which some event says that Gerrit rebased or cherry-picked them: `Patch Set 3: Patch Set 2 was rebased`.
fn rebased(text: &str) -> BTreeSet<&str> {
    let by_gerrit = |line: &str| {
        line.ends_with("was rebased")
            || line.ends_with("was rebased.")
            || line == "Patch-set-description: Rebase"
            || line.starts_with("Change has been successfully cherry-picked as ")
            || line.starts_with("Change has been successfully rebased")
    };
    text.split('\0')
        .filter(|record| record.lines().any(by_gerrit))
        .filter_map(|record| record.lines().find_map(|line| line.strip_prefix("Patch-set: ")).map(patch_set))
        .collect()
}

/// `Code-Review=+2`, `Code-Review=+2 Gerrit User 5 <5@server>` on somebody's behalf, `-Code-Review` taken back.
fn vote(line: &str, value: &str, author: &Ident, votes: &mut BTreeMap<(String, String), Option<String>>) {
    let (label, on_behalf) = value.split_once(' ').unwrap_or((value, ""));
    let voter =
        named_people(on_behalf.trim()).pop().filter(|who| !who.mail.is_empty()).unwrap_or_else(|| author.clone());
    let vote = match label.trim_end_matches(',') {
        "Code-Review=+2" => Some(line.to_owned()),
        label if label.starts_with("Code-Review=") || label.starts_with("-Code-Review") => None,
        _ => return,
    };
    votes.insert((voter.name, voter.mail), vote);
}
