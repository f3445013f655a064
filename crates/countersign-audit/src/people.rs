//! People: who the names and addresses of a history are, each counted once.
//!
//! Two identities become one person only for a stated [`Reason`], and every joining is counted. A name alone joins
//! nobody: many people are called John Smith. Within *one* change the answer must be careful the other way round: a
//! reviewer who bears a contributor's name is not evidence of a second person, so [`People::could_be`] is wider.
//!
//! Invariants: machines and AI tools are never joined with people; what is joined does not depend on the order in which
//! identities were met, once [`People::settle`] was called.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use countersign_core::facts::git::Ident;
use unicode_normalization::UnicodeNormalization;

use super::{
    machines::{Machine, is_tool, machine},
    mailmap::Mailmap,
    text::{MAX_IDENT_CHARS, shown},
};

/// A name and address as some commit or message has it. Several may be one person: see [`People::person`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityId(u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Person,
    /// An AI tool.
    Agent,
    Machine(Machine),
}

/// Why two identities are one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    Mailmap,
    SameMail,
    /// `12345+login@users.noreply.github.com` and `login@users.noreply.github.com`, or one id under two logins.
    SameGithubAccount,
    /// The same full name before the same local part at two hosts.
    SameNameAndLocalPart,
    /// A login or name without a mail, which exactly one person has.
    OnlyOneOfThatName,
    /// The login that opened requests (`a=login`) each of which that person alone wrote.
    OwnRequests,
}

impl Reason {
    pub fn words(self) -> &'static str {
        match self {
            Self::Mailmap => "the mailmap says so",
            Self::SameMail => "the same mail",
            Self::SameGithubAccount => "the same GitHub account",
            Self::SameNameAndLocalPart => "the same full name, and the same mail up to the `@`",
            Self::OnlyOneOfThatName => "a login or name without a mail, which exactly one person has",
            Self::OwnRequests => "a login without a mail, whose requests (`a=login`) that person alone wrote",
        }
    }
}

/// How many identities were joined to another one, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Join {
    pub reason: Reason,
    pub count: u64,
}

#[derive(Debug)]
struct Identity {
    name: String,
    /// In lower case; empty where somebody is only named.
    mail: String,
    kind: Kind,
    uses: u64,
}

/// Everybody whom a history names.
#[derive(Debug, Default)]
pub struct People {
    mailmap: Mailmap,
    identities: Vec<Identity>,
    /// Union-find: the identity that this one was joined to.
    parent: Vec<u32>,
    by_text: HashMap<String, u32>,
    by_mail: HashMap<String, u32>,
    by_github: HashMap<String, u32>,
    by_name_and_local: HashMap<String, u32>,
    joins: BTreeMap<Reason, u64>,
    /// How often a login opened a request that an author alone wrote.
    requests: BTreeMap<(IdentityId, IdentityId), u64>,
    /// Those that the mailmap names as somebody's own.
    proper: BTreeSet<u32>,
    /// The name to show for each person, by root.
    display: HashMap<u32, u32>,
}

impl People {
    pub fn new(mailmap: Mailmap) -> Self {
        Self { mailmap, ..Self::default() }
    }

    /// The id of somebody with a name and a mail, either of which may be empty; without a mail, see [`People::named`].
    pub fn intern(&mut self, who: &Ident) -> IdentityId {
        if who.mail.trim().is_empty() {
            return self.named(&who.name);
        }
        let name = shown(&who.name, MAX_IDENT_CHARS);
        let mail = shown(&who.mail.to_lowercase(), MAX_IDENT_CHARS);
        self.identity(name, mail)
    }

    /// The id of somebody who is only named: `alexcrichton`, `deraadt@`, `Jane Doe`, or a bare mail.
    pub fn named(&mut self, text: &str) -> IdentityId {
        let text = shown(text.trim().trim_start_matches('@'), MAX_IDENT_CHARS);
        match text.split_once('@') {
            Some((local, host)) if host.contains('.') && !local.contains(' ') => {
                self.identity(String::new(), text.to_lowercase())
            }
            Some((local, "")) => self.identity(local.to_owned(), String::new()),
            Some(_) | None => self.identity(text, String::new()),
        }
    }

    /// The person behind an identity: one id for all identities that were joined.
    pub fn person(&self, id: IdentityId) -> IdentityId {
        IdentityId(self.root(id.0))
    }

    pub fn kind(&self, id: IdentityId) -> Kind {
        self.identity_of(id.0).map_or(Kind::Machine(Machine::Robot), |identity| identity.kind)
    }

    pub fn is_person(&self, id: IdentityId) -> bool {
        self.kind(id) == Kind::Person
    }

    /// The name as that identity has it; may be empty.
    pub fn name(&self, id: IdentityId) -> &str {
        self.identity_of(id.0).map_or("", |identity| &identity.name)
    }

    /// The mail as that identity has it, in lower case; may be empty.
    pub fn mail(&self, id: IdentityId) -> &str {
        self.identity_of(id.0).map_or("", |identity| &identity.mail)
    }

    /// What to call the person: as the mailmap does, else the name that they use most, else a mail.
    pub fn label(&self, id: IdentityId) -> &str {
        let root = self.root(id.0);
        let chosen = IdentityId(self.display.get(&root).copied().unwrap_or(root));
        match self.name(chosen) {
            "" => self.mail(chosen),
            name => name,
        }
    }

    /// Every identity in the order of first sight.
    pub fn identities(&self) -> impl Iterator<Item = IdentityId> {
        (0..self.identities.len()).filter_map(|at| u32::try_from(at).ok()).map(IdentityId)
    }

    /// How many people there are, machines and AI tools left out.
    pub fn count(&self) -> usize {
        self.identities().filter(|id| self.is_person(*id) && self.person(*id) == *id).count()
    }

    /// How many identities were joined, and why.
    pub fn joins(&self) -> Vec<Join> {
        self.joins.iter().map(|(reason, count)| Join { reason: *reason, count: *count }).collect()
    }

    /// Whether two identities of *one change* might be the same person: then one is no evidence beside the other.
    pub fn could_be(&self, a: IdentityId, b: IdentityId) -> bool {
        if self.person(a) == self.person(b) {
            return true;
        }
        let (Some(a), Some(b)) = (self.identity_of(a.0), self.identity_of(b.0)) else { return false };
        let named_alike = |x: &Identity, y: &Identity| {
            x.mail.is_empty() && spellings(&x.name).any(|name| answers(y).any(|other| same_text(name, other)))
        };
        // `ann <ann@work.example>` and `Ann Lee <ann@users.noreply.github.com>`; `a.lee@` at two hosts.
        let login_alike = |x: &Identity, y: &Identity| {
            github(&x.mail).is_some_and(|(_, login)| {
                spellings(&y.name).any(|name| same_text(login, name)) || Some(login) == y.mail.split('@').next()
            })
        };
        let telling = |local: &str| local.len() > 4 && local.contains(['.', '_', '-']) && !local.contains("reply");
        let local_alike = match (a.mail.split_once('@'), b.mail.split_once('@')) {
            (Some((x, _)), Some((y, _))) => x == y && telling(x),
            _ => false,
        };
        // A person under a tool's name is joined with nobody, and yet no second person beside themself.
        (a.mail == b.mail && !is_shared(&a.mail))
            || same_text(without_login(&a.name).0, without_login(&b.name).0)
            || named_alike(a, b)
            || named_alike(b, a)
            || login_alike(a, b)
            || login_alike(b, a)
            || local_alike
    }

    /// Remembers that a login opened a request that one person alone wrote. Whether they are one is [`People::settle`]'s to
    /// say, since people open requests with the work of others too.
    pub fn opened_request(&mut self, login: IdentityId, author: IdentityId) {
        if self.mail(login).is_empty() && !self.mail(author).is_empty() {
            let count = self.requests.entry((login, author)).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// Logins whose own requests tell whose they are: nearly all by one author, who has nearly all from this login.
    fn own_requests(&self, by_handle: &HashMap<String, Option<IdentityId>>) -> Vec<(u32, u32)> {
        let mut pairs: BTreeMap<(u32, u32), u64> = BTreeMap::new();
        let (mut of_login, mut of_author): (HashMap<u32, u64>, HashMap<u32, u64>) = Default::default();
        for ((login, author), count) in &self.requests {
            let pair = (self.root(login.0), self.root(author.0));
            for total in [
                pairs.entry(pair).or_default(),
                of_login.entry(pair.0).or_default(),
                of_author.entry(pair.1).or_default(),
            ] {
                *total = total.saturating_add(*count);
            }
        }
        let nearly_all = |count: u64, total: Option<&u64>| {
            total.is_some_and(|total| count.saturating_mul(10) >= total.saturating_mul(9))
        };
        // A login that spells somebody's name or mail is found, or left alone, by that.
        let unknown = |login: u32| {
            self.identity_of(login)
                .is_some_and(|who| who.mail.is_empty() && !by_handle.contains_key(&squashed(&who.name)))
        };
        let own = pairs.into_iter().filter(|((login, author), count)| {
            nearly_all(*count, of_login.get(login)) && nearly_all(*count, of_author.get(author)) && unknown(*login)
        });
        own.map(|(pair, _)| pair).collect()
    }

    /// Finds the person of everybody who is only named. To be called when the whole history has been met.
    pub fn settle(&mut self) {
        let by_handle = self.by_handle();
        let all: Vec<u32> = self.identities().map(|id| id.0).collect();
        for id in &all {
            let Some(identity) = self.identity_of(*id).filter(|i| i.kind == Kind::Person && i.mail.is_empty()) else {
                continue;
            };
            // Of `Ann Lee @annlee` the login is the surer.
            let (name, login) = without_login(&identity.name);
            let known = |text: &str| by_handle.get(&squashed(text)).copied().flatten();
            if let Some(person) = login.and_then(known).or_else(|| known(name)) {
                self.join(person.0, *id, Reason::OnlyOneOfThatName);
            }
        }
        for (login, author) in self.own_requests(&by_handle) {
            self.join(author, login, Reason::OwnRequests);
        }
        let mut display: HashMap<u32, u32> = HashMap::new();
        for id in &all {
            let root = self.root(*id);
            let worth = |id: u32| {
                self.identity_of(id).map(|i| {
                    (self.proper.contains(&id), !i.name.is_empty() && !i.mail.is_empty(), !i.name.is_empty(), i.uses)
                })
            };
            let best = display.entry(root).or_insert(*id);
            if worth(*id) > worth(*best) {
                *best = *id;
            }
        }
        for id in &all {
            let root = self.root(*id);
            if let Some(parent) = self.parent.get_mut(*id as usize) {
                *parent = root;
            }
        }
        self.display = display;
    }

    /// Who is meant by a login or a name, squashed as [`squashed`] does; none where it could be two.
    pub(super) fn by_handle(&self) -> HashMap<String, Option<IdentityId>> {
        let mut by_handle: HashMap<String, Option<IdentityId>> = HashMap::new();
        for id in self.identities() {
            let Some(identity) = self.identity_of(id.0).filter(|i| i.kind == Kind::Person && !i.mail.is_empty()) else {
                continue;
            };
            let root = self.person(id);
            for handle in handles(identity) {
                // Two people of one name: nobody can tell which is meant.
                by_handle
                    .entry(handle)
                    .and_modify(|found| {
                        if *found != Some(root) {
                            *found = None;
                        }
                    })
                    .or_insert(Some(root));
            }
        }
        by_handle
    }

    fn identity(&mut self, name: String, mail: String) -> IdentityId {
        let text = format!("{name}\0{mail}");
        if let Some(id) = self.by_text.get(&text).copied() {
            if let Some(identity) = self.identities.get_mut(id as usize) {
                identity.uses = identity.uses.saturating_add(1);
            }
            return IdentityId(id);
        }
        let Ok(id) = u32::try_from(self.identities.len()) else { return IdentityId(u32::MAX) };
        let kind = match machine(&name, &mail) {
            Some(machine) => Kind::Machine(machine),
            None if is_tool(&name, &mail) => Kind::Agent,
            None => Kind::Person,
        };
        self.by_text.insert(text, id);
        self.parent.push(id);
        self.identities.push(Identity { name: name.clone(), mail: mail.clone(), kind, uses: 1 });
        if let Some(proper) = self.mailmap.proper(&name, &mail) {
            let proper = self.identity(proper.name, proper.mail.to_lowercase());
            self.proper.insert(proper.0);
            self.join(proper.0, id, Reason::Mailmap);
        }
        self.join_by_keys(id, &name, &mail);
        IdentityId(id)
    }

    fn join_by_keys(&mut self, id: u32, name: &str, mail: &str) {
        if mail.is_empty() || is_shared(mail) {
            return;
        }
        if let Some(first) = first_of(&mut self.by_mail, mail.to_owned(), id) {
            self.join(first, id, Reason::SameMail);
        }
        let local = match github(mail) {
            Some((account, login)) => {
                for key in account.map(|account| format!("+{account}")).into_iter().chain([login.to_owned()]) {
                    if let Some(first) = first_of(&mut self.by_github, key, id) {
                        self.join(first, id, Reason::SameGithubAccount);
                    }
                }
                login
            }
            None => mail.split('@').next().unwrap_or_default(),
        };
        // A full name of two words or more, before a local part that is somebody's own.
        if name.split_whitespace().nth(1).is_some() && local.len() > 2 {
            let key = format!("{}\0{local}", name.to_lowercase());
            if let Some(first) = first_of(&mut self.by_name_and_local, key, id) {
                self.join(first, id, Reason::SameNameAndLocalPart);
            }
        }
    }

    fn join(&mut self, a: u32, b: u32, reason: Reason) {
        let kind = |id: u32| self.identity_of(id).map(|identity| identity.kind);
        let (a, b) = (self.root(a), self.root(b));
        if a == b || kind(a) != kind(b) {
            return;
        }
        if let Some(parent) = self.parent.get_mut(a.max(b) as usize) {
            *parent = a.min(b);
            let count = self.joins.entry(reason).or_default();
            *count = count.saturating_add(1);
        }
    }

    fn root(&self, id: u32) -> u32 {
        let mut at = id;
        while let Some(parent) = self.parent.get(at as usize).filter(|parent| **parent != at) {
            at = *parent;
        }
        at
    }

    fn identity_of(&self, id: u32) -> Option<&Identity> {
        self.identities.get(id as usize)
    }
}

fn first_of(map: &mut HashMap<String, u32>, key: String, id: u32) -> Option<u32> {
    let first = *map.entry(key).or_insert(id);
    (first != id).then_some(first)
}

/// What somebody may be called where only a login or a name is written.
fn handles(identity: &Identity) -> impl Iterator<Item = String> {
    let local = match github(&identity.mail) {
        Some((_, login)) => login,
        None => identity.mail.split('@').next().unwrap_or_default(),
    };
    let mut found = vec![squashed(local), squashed(&identity.name)];
    found.retain(|handle| !handle.is_empty());
    found.dedup();
    found.into_iter()
}

/// `Alex Crichton` and `alexcrichton` are written for one another.
pub(super) fn squashed(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}

/// `Ann Lee` and `annlee` of GitLab's `Ann Lee @annlee`.
fn without_login(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once(" @") {
        Some((name, login)) if !name.trim().is_empty() && !login.is_empty() && !login.contains(char::is_whitespace) => {
            (name.trim(), Some(login))
        }
        Some(_) | None => (name, None),
    }
}

fn spellings(name: &str) -> impl Iterator<Item = &str> {
    let (name, login) = without_login(name);
    std::iter::once(name).chain(login)
}

/// What somebody may be called within one change: wider than [`handles`], as `achow101` of `github@achow101.com`.
fn answers(identity: &Identity) -> impl Iterator<Item = &str> {
    let (local, own_host) = match (github(&identity.mail), identity.mail.split_once('@')) {
        (Some((_, login)), _) => (Some(login), None),
        (None, Some((local, host))) => (Some(local), host.split('.').next()),
        (None, None) => (None, None),
    };
    spellings(&identity.name).chain(local).chain(own_host)
}

/// Whether two names or logins are written for one another, without regard to case, blanks, accents, and what stands for a
/// blank in logins.
fn same_text(a: &str, b: &str) -> bool {
    folded(a).next().is_some() && folded(a).eq(folded(b))
}

fn folded(text: &str) -> impl Iterator<Item = char> {
    let plain = |c: char| match c {
        'ø' => 'o',
        'ł' => 'l',
        'đ' => 'd',
        'ı' => 'i',
        _ => c,
    };
    text.nfkd()
        .filter(|c| !c.is_whitespace() && !matches!(c, '-' | '_' | '.') && !('\u{300}'..='\u{36f}').contains(c))
        .flat_map(char::to_lowercase)
        .map(plain)
}

/// Account id and login of a GitHub no-reply address.
pub(super) fn github(mail: &str) -> Option<(Option<&str>, &str)> {
    let local = mail.strip_suffix("@users.noreply.github.com")?;
    Some(local.split_once('+').map_or((None, local), |(id, login)| (Some(id), login)))
}

/// Addresses that belong to nobody in particular.
pub(super) fn is_shared(mail: &str) -> bool {
    const LOCALS: &[&str] =
        &["root", "nobody", "noreply", "no-reply", "none", "unknown", "devnull", "user", "you", "git", "invalid"];
    const HOSTS: &[&str] =
        &["localhost", "localhost.localdomain", "(none)", "none", "unknown", "example.com", "example.org"];
    match mail.split_once('@') {
        Some((local, host)) => LOCALS.contains(&local) || HOSTS.contains(&host) || host.ends_with(".(none)"),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(people: &mut People, text: &str) -> IdentityId {
        match text.split_once(" <") {
            Some((name, mail)) => {
                people.intern(&Ident { name: name.to_owned(), mail: mail.trim_end_matches('>').to_owned() })
            }
            None => people.named(text),
        }
    }

    #[test]
    fn the_name_that_the_mailmap_gives_is_shown() {
        let mut people = People::new(Mailmap::parse("Ann Lee <ann@new.example> <ann@old.example>"));
        let old = who(&mut people, "annie <ann@old.example>");
        for _ in 0..9 {
            who(&mut people, "annie <ann@old.example>");
        }
        people.settle();
        assert_eq!(people.label(old), "Ann Lee");
    }

    /// Which of the identities are one person, as `a=b`.
    fn joined(mailmap: &str, all: &[&str]) -> String {
        let mut people = People::new(Mailmap::parse(mailmap));
        let ids: Vec<_> = all.iter().map(|text| who(&mut people, text)).collect();
        people.settle();
        let roots: Vec<_> = ids.iter().map(|id| people.person(*id)).collect();
        let first = |root| roots.iter().position(|r| *r == root).unwrap();
        roots.iter().map(|root| first(*root).to_string()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn one_person_is_counted_once_for_a_stated_reason() {
        assert_eq!(joined("", &["Ann <ann@x.example>", "Ann Lee <ANN@x.example>"]), "0 0");
        assert_eq!(joined("", &["John Smith <a@x.example>", "John Smith <b@y.example>"]), "0 1");
        assert_eq!(joined("", &["John Smith <john@x.example>", "John Smith <john@y.example>"]), "0 0");
        assert_eq!(
            joined(
                "",
                &[
                    "a <7+al@users.noreply.github.com>",
                    "b <al@users.noreply.github.com>",
                    "c <7+bl@users.noreply.github.com>"
                ]
            ),
            "0 0 0"
        );
        assert_eq!(joined("Ann <ann@x.example> <old@y.example>", &["A <old@y.example>", "Ann <ann@x.example>"]), "0 0");
        assert_eq!(joined("", &["root <root@localhost>", "Ann <root@localhost>"]), "0 1");
    }

    #[test]
    fn a_login_finds_its_person_if_there_is_only_one() {
        assert_eq!(joined("", &["alexcrichton", "Alex Crichton <a@x.example>"]), "0 0");
        assert_eq!(joined("", &["deraadt@", "Theo <deraadt@openbsd.example>"]), "0 0");
        assert_eq!(joined("", &["ann", "Ann A <ann@x.example>", "Ann B <ann@y.example>"]), "0 1 2");
    }

    #[test]
    fn within_one_change_a_contributors_name_is_not_a_second_person() {
        let mut people = People::default();
        let a = who(&mut people, "Ann Lee <ann@x.example>");
        let b = who(&mut people, "ann lee <1+al@users.noreply.github.com>");
        let c = who(&mut people, "ann");
        let d = who(&mut people, "Bob <bob@x.example>");
        assert_ne!(people.person(a), people.person(b));
        assert!(people.could_be(a, b) && people.could_be(c, a) && !people.could_be(a, d) && !people.could_be(c, d));
    }

    #[test]
    fn within_one_change_another_spelling_is_not_a_second_person() {
        let could_be = |a: &str, b: &str| {
            let mut people = People::default();
            let (a, b) = (who(&mut people, a), who(&mut people, b));
            assert_ne!(people.person(a), people.person(b));
            assert_eq!(people.could_be(a, b), people.could_be(b, a));
            people.could_be(a, b)
        };
        assert!(could_be("Ann  LEE <ann@y.example>", "Ann Lee <al@x.example>"));
        assert!(could_be("Jorg Muller <jm@y.example>", "J\u{f6}rg M\u{fc}ller <joerg@x.example>"));
        assert!(could_be("J\u{f8}rn \u{141}uk", "jorn luk <a@x.example>"));
        assert!(could_be("Ann Lee @annlee", "Ann Lee <al@x.example>"));
        assert!(could_be("A. Lee @ann.lee", "Ann <7+ann.lee@users.noreply.github.com>"));
        assert!(could_be("achow101", "Ava Chow <github@achow101.example>"));
        assert!(!could_be("Ann Leigh @annl", "Ann Lee <al@x.example>"));
        assert!(!could_be("\u{301} <a@y.example>", "\u{300} <b@x.example>"));
        assert_eq!(joined("", &["Ann  LEE <ann@y.example>", "Ann Lee <al@x.example>"]), "0 1");
        assert_eq!(joined("", &["J\u{f6}rg M\u{fc}ller <jm@y.example>", "Jorg Muller"]), "0 1");
        assert_eq!(joined("", &["Ann Lee <annlee@y.example>", "Ann Lee @annlee"]), "0 0");
    }

    #[test]
    fn a_login_is_whoever_wrote_its_requests_alone() {
        let taught = |requests: &[(&str, &str, usize)]| {
            let mut people = People::default();
            for (login, author, times) in requests {
                let (login, author) = (who(&mut people, login), who(&mut people, author));
                (0..*times).for_each(|_| people.opened_request(login, author));
            }
            people.settle();
            let (login, author) = (who(&mut people, "taiki-e"), who(&mut people, "Taiki Endo <te@x.example>"));
            let count = |join: Join| if join.reason == Reason::OwnRequests { join.count } else { 0 };
            (people.person(login) == people.person(author), people.joins().into_iter().map(count).sum::<u64>())
        };
        let own = ("taiki-e", "Taiki Endo <te@x.example>", 1);
        assert_eq!(taught(&[own]), (true, 1));
        // Work of two people under one login, or of one under two: nobody can tell.
        assert_eq!(taught(&[own, ("taiki-e", "Ann <ann@x.example>", 1)]), (false, 0));
        assert_eq!(taught(&[own, ("ann", "Taiki Endo <te@x.example>", 1)]), (false, 0));
        assert_eq!(
            taught(&[("taiki-e", "Taiki Endo <te@x.example>", 20), ("bob", "Taiki Endo <te@x.example>", 1)]),
            (true, 1)
        );
        // The login is somebody else's name already.
        assert!(!taught(&[own, ("x", "Other <taiki-e@x.example>", 1)]).0);
    }

    #[test]
    fn machines_and_agents_are_never_joined_with_people() {
        assert_eq!(joined("", &["Acme CI <team@acme.example>", "Ann <team@acme.example>"]), "0 1");
    }
}
