//! What people are called in a report: as they are, or by stable pseudonyms.

use std::collections::{BTreeSet, HashMap};

use countersign_audit::{IdentityId, People, shown};
use countersign_core::ids::Oid;
use countersign_ledger::Digest;

/// Digits of a pseudonym: two of a million people share one in a thousand histories.
const DIGITS: usize = 10;
const MAX_NAME_CHARS: usize = 80;

#[derive(Debug)]
pub struct Names<'a> {
    people: &'a People,
    /// The first commit of the history.
    root: String,
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
        Self { people, root: String::new(), style: Style::Plain(shared) }
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
        let root = root.to_string();
        let name = |(_, mail, name): (bool, &str, &str)| pseudonym(&root, &[mail, name]);
        Self {
            people,
            root: root.clone(),
            style: Style::Pseudonyms(first.into_iter().map(|(id, key)| (id, name(key))).collect()),
        }
    }

    pub fn are_pseudonyms(&self) -> bool {
        matches!(self.style, Style::Pseudonyms(_))
    }

    /// An owner of `CODEOWNERS`. A login or a mail is a person's, and gets the pseudonym of whoever is known to have it;
    /// groups (`@org/team`) and roles (`@@maintainer`) keep their names.
    pub fn of_owner(&self, owner: &str) -> String {
        let login = owner.strip_prefix('@');
        let is_group = login.is_some_and(|login| login.contains('/') || login.starts_with('@'));
        let Style::Pseudonyms(names) = &self.style else { return shown(owner, MAX_NAME_CHARS) };
        if is_group {
            return shown(owner, MAX_NAME_CHARS);
        }
        let wanted = login.unwrap_or(owner).to_lowercase();
        let has = |id: &IdentityId| {
            let mail = self.people.mail(*id).to_lowercase();
            let account = mail.strip_suffix("@users.noreply.github.com");
            let account = account.map(|account| account.rsplit_once('+').map_or(account, |(_, login)| login));
            mail == wanted || account == Some(&wanted) || self.people.name(*id).to_lowercase() == wanted
        };
        let known = self.people.identities().find(has).and_then(|id| names.get(&self.people.person(id)));
        known.cloned().unwrap_or_else(|| pseudonym(&self.root, &["owner", &wanted]))
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

fn pseudonym(root: &str, of: &[&str]) -> String {
    let digest = Digest::of(format!("countersign audit\0{root}\0{}", of.join("\0")));
    format!("P{}", digest.hex().chars().take(DIGITS).collect::<String>())
}
