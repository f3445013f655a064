//! The people that a home can begin with: whoever wrote or looked at a change in the window, once each, under names and
//! mails that a catalog takes.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::{
    catalog::{Level, without_account_id},
    governance::SERVER,
    ids::{ActorId, entity_name},
};

use super::Parts;
use crate::{
    judge::Audited,
    people::{IdentityId, People, github, is_shared},
    summary::month_of,
};

/// Senior is proposed for whoever looked at so many changes of others in the window, …
pub const SENIOR_LOOKED: u32 = 12;
/// … by so many different people, …
pub const SENIOR_FOR: usize = 3;
/// … in so many different months.
pub const SENIOR_MONTHS: usize = 3;
/// Most people that are proposed, those who did most: a catalog takes fifty thousand entities, and nobody checks as many.
pub const MAX_PEOPLE: usize = 20_000;
/// The longest mail that a catalog takes (RFC 5321).
const MAX_MAIL_BYTES: usize = 254;
/// Leaves room in an id for what tells two people of one name apart.
const MAX_NAME_CHARS: usize = 48;
/// What stands before the `@` of many people.
const NOT_A_NAME: &[&str] = &[
    "admin", "contact", "dev", "devs", "email", "git", "github", "hello", "hi", "info", "mail", "me", "ops", "post",
    "sre", "support", "team", "work",
];

/// Somebody who will be in the home whatever the history says: a founder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserved {
    pub id: ActorId,
    pub mails: Vec<String>,
}

/// A person of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartingPerson {
    pub who: IdentityId,
    pub id: ActorId,
    /// Fit to be shown; may be empty.
    pub name: String,
    /// In lower case, that which they used most first. Empty where git only names them.
    pub mails: Vec<String>,
    /// Changes that they had a hand in.
    pub wrote: u32,
    /// Changes of others that they looked at, as far as git says.
    pub looked: u32,
    /// How many different people they looked after, and in how many months.
    pub looked_for: usize,
    pub months: usize,
    /// One of the people whom the home has anyway.
    pub reserved: bool,
}

impl StartingPerson {
    /// Whether what git says of them is enough to propose them as senior.
    pub fn earned_senior(&self) -> bool {
        self.looked >= SENIOR_LOOKED && self.looked_for >= SENIOR_FOR && self.months >= SENIOR_MONTHS
    }

    pub fn level(&self) -> Level {
        if self.earned_senior() { Level::Senior } else { Level::Standard }
    }
}

#[derive(Debug, Default)]
struct Did {
    wrote: u32,
    looked: u32,
    looked_for: BTreeSet<IdentityId>,
    months: BTreeSet<(i32, u8)>,
}

/// What people did in the window.
#[derive(Debug, Default)]
pub(super) struct Tally {
    did: BTreeMap<IdentityId, Did>,
    /// How often each identity wrote, and when last.
    used: BTreeMap<IdentityId, (u32, i64)>,
}

pub(super) struct Found {
    pub people: Vec<StartingPerson>,
    pub left_out: usize,
    pub too_many: usize,
    pub dropped_mails: usize,
}

fn one_more(count: &mut u32) {
    *count = count.saturating_add(1);
}

impl Tally {
    pub fn add(&mut self, change: &Audited, parts: &Parts, people: &People) {
        for who in &parts.wrote {
            one_more(&mut self.did.entry(*who).or_default().wrote);
        }
        for who in &parts.looked {
            let did = self.did.entry(*who).or_default();
            one_more(&mut did.looked);
            did.looked_for.extend(&parts.wrote);
            did.months.insert(month_of(change.landed_at));
        }
        for who in change.contributors.iter().filter(|who| people.is_person(**who)) {
            let (times, last) = self.used.entry(*who).or_default();
            one_more(times);
            *last = change.landed_at.max(*last);
        }
    }

    pub fn close(mut self, people: &People, reserved: &[Reserved]) -> Found {
        let taken = reserved_by(people, reserved);
        // Two of the history's people who write from a founder's mail are that founder.
        for (who, reserved) in &taken {
            if let Some(first) = taken.iter().find(|(_, other)| *other == reserved).map(|(first, _)| *first)
                && first != *who
                && let Some(did) = self.did.remove(who)
            {
                self.did.entry(first).or_default().take(did);
            }
        }
        let mut mails = self.mails(people, &taken);
        let dropped_mails = mails.dropped;
        let too_many = self.keep_busiest(&taken);
        let mut found: Vec<StartingPerson> = Vec::new();
        let mut open: Vec<(StartingPerson, Vec<String>)> = Vec::new();
        let mut ids: BTreeSet<String> = reserved.iter().map(|reserved| reserved.id.as_str().to_owned()).collect();
        ids.insert(SERVER.to_owned());
        for (who, did) in self.did {
            // Whom git only names as a co-author is nobody that anything could be held against.
            if did.looked == 0
                && !taken.contains_key(&who)
                && people.mail(who).is_empty()
                && !mails.of.contains_key(&who)
            {
                continue;
            }
            let own = mails.of.remove(&who).unwrap_or_default();
            let founder = taken.get(&who).and_then(|at| reserved.get(*at));
            let candidates = candidates(&own, people.label(who));
            let Some(id) = founder.map(|founder| founder.id.clone()).or_else(|| "unnamed".parse().ok()) else {
                continue;
            };
            let person = StartingPerson {
                who,
                id,
                name: people.label(who).to_owned(),
                mails: own,
                wrote: did.wrote,
                looked: did.looked,
                looked_for: did.looked_for.len(),
                months: did.months.len(),
                reserved: founder.is_some(),
            };
            match founder {
                Some(_) => found.push(person),
                None => open.push((person, candidates)),
            }
        }
        // By their mails and not by what they did, so that another year of history changes few ids.
        open.sort_by_cached_key(|(person, _)| (person.mails.iter().min().cloned(), person.name.clone(), person.who));
        for (mut person, candidates) in open {
            if let Some(id) = free(&candidates, &mut ids) {
                person.id = id;
                found.push(person);
            }
        }
        found.sort_by(|a, b| a.id.cmp(&b.id));
        let left_out = people.count().saturating_sub(found.len()).saturating_sub(too_many);
        Found { people: found, left_out, too_many, dropped_mails }
    }

    /// Forgets those who did least, where there are too many. Returns how many.
    fn keep_busiest(&mut self, taken: &BTreeMap<IdentityId, usize>) -> usize {
        let too_many = self.did.len().saturating_sub(MAX_PEOPLE);
        if too_many > 0 {
            let mut all: Vec<(u32, IdentityId)> =
                self.did.iter().map(|(who, did)| (did.wrote.saturating_add(did.looked), *who)).collect();
            all.sort_by_key(|(parts, who)| (taken.contains_key(who), *parts, *who));
            for (_, who) in all.into_iter().take(too_many) {
                self.did.remove(&who);
            }
        }
        too_many
    }

    /// The mails of everybody who did something. One of several people, or of nobody in particular, is given to none.
    fn mails(&self, people: &People, taken: &BTreeMap<IdentityId, usize>) -> Mails {
        let first_of = |root: IdentityId| match taken.get(&root) {
            Some(at) => taken.iter().find(|(_, other)| *other == at).map_or(root, |(first, _)| *first),
            None => root,
        };
        let mut of: BTreeMap<IdentityId, BTreeMap<String, (u32, i64)>> = BTreeMap::new();
        let mut holders: BTreeMap<String, BTreeSet<IdentityId>> = BTreeMap::new();
        for id in people.identities().filter(|id| people.is_person(*id) && !people.mail(*id).is_empty()) {
            let root = first_of(people.person(id));
            let mail = people.mail(id).to_owned();
            holders.entry(without_account_id(&mail).unwrap_or_else(|| mail.clone())).or_default().insert(root);
            if self.did.contains_key(&root) {
                let (uses, last) = of.entry(root).or_default().entry(mail).or_default();
                let (more, at) = self.used.get(&id).copied().unwrap_or_default();
                *uses = uses.saturating_add(more);
                *last = at.max(*last);
            }
        }
        let mut mails = Mails::default();
        for (who, own) in of {
            let before = own.len();
            let only = |mail: &String| {
                let key = without_account_id(mail).unwrap_or_else(|| mail.clone());
                holders.get(&key).is_some_and(|holders| holders.len() == 1)
            };
            let mut own: Vec<(String, (u32, i64))> =
                own.into_iter().filter(|(mail, _)| is_mail(mail) && !is_shared(mail) && only(mail)).collect();
            mails.dropped = mails.dropped.saturating_add(before.saturating_sub(own.len()));
            own.sort_by(|(a, a_uses), (b, b_uses)| b_uses.cmp(a_uses).then_with(|| a.cmp(b)));
            mails.of.insert(who, own.into_iter().map(|(mail, _)| mail).collect());
        }
        mails
    }
}

#[derive(Debug, Default)]
struct Mails {
    of: BTreeMap<IdentityId, Vec<String>>,
    dropped: usize,
}

impl Did {
    fn take(&mut self, other: Self) {
        self.wrote = self.wrote.saturating_add(other.wrote);
        self.looked = self.looked.saturating_add(other.looked);
        self.looked_for.extend(other.looked_for);
        self.months.extend(other.months);
    }
}

/// Which of the history's people are reserved: who has one of their mails.
fn reserved_by(people: &People, reserved: &[Reserved]) -> BTreeMap<IdentityId, usize> {
    let plain = |mail: &str| without_account_id(mail).unwrap_or_else(|| mail.to_owned());
    let mut by_mail: BTreeMap<String, usize> = BTreeMap::new();
    for (at, reserved) in reserved.iter().enumerate() {
        for mail in &reserved.mails {
            by_mail.entry(plain(&mail.to_lowercase())).or_insert(at);
        }
    }
    let mut taken = BTreeMap::new();
    for id in people.identities().filter(|id| people.is_person(*id)) {
        if let Some(at) = by_mail.get(&plain(people.mail(id))) {
            taken.entry(people.person(id)).or_insert(*at);
        }
    }
    taken
}

/// Whether a catalog would take it, and it came through whole.
fn is_mail(mail: &str) -> bool {
    let parts = mail.split_once('@');
    parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        && mail.len() <= MAX_MAIL_BYTES
        && !mail.contains(|c: char| {
            c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ',' | '"' | '\u{fffd}' | '…')
        })
}

/// What somebody could be called: their login, what stands before the `@`, their name; then those with what tells them
/// from others of that name.
fn candidates(mails: &[String], name: &str) -> Vec<String> {
    let short = |text: &str| entity_name(&text.chars().take(MAX_NAME_CHARS).collect::<String>());
    let mut plain = Vec::new();
    let mut qualified = Vec::new();
    plain.extend(mails.iter().filter_map(|mail| github(mail)).filter_map(|(_, login)| short(login)).take(1));
    for mail in mails.iter().filter(|mail| github(mail).is_none()) {
        let local = mail.split('@').next().unwrap_or_default();
        if local.chars().count() > 1 && !NOT_A_NAME.contains(&local) {
            plain.extend(short(local.split('+').next().unwrap_or(local)));
        }
        qualified.extend(short(mail));
    }
    plain.truncate(1);
    plain.extend(short(name));
    plain.extend(qualified);
    plain
}

fn free(candidates: &[String], ids: &mut BTreeSet<String>) -> Option<ActorId> {
    let numbered = |base: &str| -> Option<String> {
        (2_u32..).map(|number| format!("{base}-{number}")).find(|id| !ids.contains(id))
    };
    let id = candidates.iter().find(|id| !ids.contains(*id)).cloned();
    let id = id.or_else(|| numbered(candidates.first().map_or("person", String::as_str)))?;
    let parsed = id.parse().ok()?;
    ids.insert(id);
    Some(parsed)
}
