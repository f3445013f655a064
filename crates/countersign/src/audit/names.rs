//! What people are called in a report: as they are, or by stable pseudonyms.

use std::collections::{BTreeSet, HashMap};

use countersign_core::{
    audit::{IdentityId, People, shown},
    ids::Oid,
};
use countersign_ledger::Digest;

/// Digits of a pseudonym: two of a million people share one in a thousand histories.
const DIGITS: usize = 10;
const MAX_NAME_CHARS: usize = 80;

#[derive(Debug)]
pub struct Names<'a> {
    people: &'a People,
    style: Style,
}

#[derive(Debug)]
enum Style {
    /// By person.
    Pseudonyms(HashMap<IdentityId, String>),
    /// Names that several people have.
    Plain(BTreeSet<String>),
}

impl<'a> Names<'a> {
    pub fn plain(people: &'a People) -> Self {
        let (mut met, mut shared) = (BTreeSet::new(), BTreeSet::new());
        for id in people.identities().filter(|id| people.person(*id) == *id) {
            if !met.insert(people.label(id)) {
                shared.insert(people.label(id).to_owned());
            }
        }
        Self { people, style: Style::Plain(shared) }
    }

    /// A pseudonym is the same in every report about a history, however much of it was read, as it comes from the
    /// history's first commit and the person's alphabetically first identity.
    pub fn pseudonyms(people: &'a People, root: &Oid) -> Self {
        let mut first: HashMap<IdentityId, (bool, &str, &str)> = HashMap::new();
        for id in people.identities().filter(|id| people.is_person(*id)) {
            let (name, mail) = (people.name(id), people.mail(id));
            // Who has a mail is known by it; logins are only names for it.
            let key = (mail.is_empty(), mail, name);
            first.entry(people.person(id)).and_modify(|least| *least = key.min(*least)).or_insert(key);
        }
        let name = |(_, mail, name): (bool, &str, &str)| {
            let digest = Digest::of(format!("countersign audit\0{root}\0{mail}\0{name}"));
            format!("P{}", digest.hex().chars().take(DIGITS).collect::<String>())
        };
        Self { people, style: Style::Pseudonyms(first.into_iter().map(|(id, key)| (id, name(key))).collect()) }
    }

    pub fn are_pseudonyms(&self) -> bool {
        matches!(self.style, Style::Pseudonyms(_))
    }

    pub fn of(&self, id: IdentityId) -> String {
        let person = self.people.person(id);
        let label = self.people.label(person);
        match &self.style {
            // Machines and AI tools are not in the table: they are nobody whose name has to be kept.
            Style::Pseudonyms(names) => names.get(&person).cloned().unwrap_or_else(|| shown(label, MAX_NAME_CHARS)),
            Style::Plain(shared) if shared.contains(label) && !self.people.mail(person).is_empty() => {
                shown(&format!("{label} <{}>", self.people.mail(person)), MAX_NAME_CHARS)
            }
            Style::Plain(_) => shown(label, MAX_NAME_CHARS),
        }
    }
}
