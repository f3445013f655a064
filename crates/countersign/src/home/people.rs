//! The people that a new home begins with, and the catalog that is written for them where there is none yet.

use std::{collections::BTreeMap, fmt::Write as _};

use countersign_audit::start::EVERYONE;
use countersign_core::{
    catalog::{Catalog, CatalogSettings, Level, robots, without_account_id},
    ids::{ActorId, entity_name},
};
use countersign_ledger::{
    PublicKey,
    sshsig::{AllowedSigner, AllowedSignersError, parse_allowed_signers},
};

use super::quoted;

/// The group of a catalog that is written that has the founders and owns the example. Where there is one founder everybody is in
/// it, because nobody of a group above owns anything.
const OWNERS: &str = "owners";

/// The namespace that a key has to be good for.
const NAMESPACE: &str = countersign_ledger::dsse::NAMESPACE;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub id: ActorId,
    pub display_name: Option<String>,
    pub mails: Vec<String>,
    pub keys: Vec<PublicKey>,
    pub founder: bool,
    pub level: Level,
}

impl Person {
    pub(super) fn add_mail(&mut self, mail: &str) {
        let mail = mail.to_lowercase();
        if !self.mails.contains(&mail) {
            self.mails.push(mail);
        }
    }

    fn add_key(&mut self, key: &PublicKey) {
        if !self.keys.contains(key) {
            self.keys.push(key.clone());
        }
    }

    fn has_mail(&self, mail: &str) -> bool {
        // As the catalog reads it: GitHub's no-reply address is the same with and without the account's id.
        let plain = |mail: &str| without_account_id(mail).unwrap_or_else(|| mail.to_owned());
        let mail = plain(&mail.to_lowercase());
        self.mails.iter().any(|known| plain(&known.to_lowercase()) == mail)
    }
}

/// What somebody looks like who is no person.
pub fn is_no_person(person: &Person) -> Option<&'static str> {
    robots::no_person(person.id.as_str(), person.display_name.as_deref(), &person.mails)
}

/// A name as an id: lower case, with `-` for what an id cannot have.
pub fn id_from(name: &str) -> Option<ActorId> {
    entity_name(name)?.parse().ok()
}

/// Adds the people of an `allowed_signers` file. Returns what was left out, and why, one line each.
pub fn import(people: &mut Vec<Person>, text: &str) -> Result<Vec<String>, AllowedSignersError> {
    let mut left_out = Vec::new();
    for signer in parse_allowed_signers(text)? {
        if let Some(why) = signer.key.unfit() {
            let who = signer.principals.join(",");
            left_out.push(format!("line {}, {who}: it is {why}: it can never sign here", signer.line));
            continue;
        }
        if let Some(why) = unusable(&signer) {
            left_out.push(format!("{}: {why}", signer.principals.join(",")));
            continue;
        }
        let known = people.iter().position(|person| {
            person.keys.contains(&signer.key) || signer.principals.iter().any(|mail| person.has_mail(mail))
        });
        let at = match known {
            Some(at) => at,
            None => {
                let Some(id) = signer.principals.iter().find_map(|principal| free_id(people, principal)) else {
                    left_out.push(format!("{}: no name can be made of it", signer.principals.join(",")));
                    continue;
                };
                people.push(Person {
                    id,
                    display_name: None,
                    mails: Vec::new(),
                    keys: Vec::new(),
                    founder: false,
                    level: Level::Standard,
                });
                people.len() - 1
            }
        };
        if let Some(person) = people.get_mut(at) {
            person.add_key(&signer.key);
            for mail in signer.principals.iter().filter(|principal| principal.contains('@')) {
                person.add_mail(mail);
            }
        }
    }
    Ok(left_out)
}

/// Why a line of `allowed_signers` does not become a person's key: what it says could not be kept.
fn unusable(signer: &AllowedSigner) -> Option<String> {
    let names_many = |principal: &String| principal.contains(['*', '?']) || principal.starts_with('!');
    let is_ours = |namespaces: &Vec<String>| namespaces.iter().any(|name| name == NAMESPACE || name == "*");
    if signer.cert_authority {
        Some("a certificate authority is not a person's key".to_owned())
    } else if signer.principals.iter().any(names_many) {
        Some("a pattern names nobody in particular".to_owned())
    } else if !signer.namespaces.as_ref().is_none_or(is_ours) {
        Some(format!("its namespaces do not include `{NAMESPACE}`"))
    } else if signer.valid_after.is_some() || signer.valid_before.is_some() {
        Some("a key here is good until it is revoked, and this one is for a time".to_owned())
    } else {
        None
    }
}

/// `ada` for `ada@example.com`, or `ada-example.com` where another is called `ada`.
fn free_id(people: &[Person], principal: &str) -> Option<ActorId> {
    let local = principal.split('@').next().unwrap_or(principal);
    let candidates = [id_from(local), id_from(principal)];
    candidates.into_iter().flatten().find(|id| people.iter().all(|person| person.id != *id))
}

/// A catalog to begin with: everybody, and one example system.
pub fn starting_catalog(people: &[Person], settings: &CatalogSettings) -> BTreeMap<String, String> {
    let mut org = format!(
        "# People and groups, as Backstage entities. An edit counts once two people have signed it: countersign amend.\n\
         # Levels are standard, senior, principal and director; a key belongs to one person.\n\
         apiVersion: backstage.io/v1alpha1\n\
         kind: Group\n\
         metadata:\n  name: {EVERYONE}\n\
         spec:\n  type: organization\n  children: []\n\
         ---\n\
         apiVersion: backstage.io/v1alpha1\n\
         kind: Group\n\
         metadata:\n  name: {OWNERS}\n\
         spec:\n  type: team\n  parent: {EVERYONE}\n  children: []\n"
    );
    let founders = people.iter().filter(|person| person.founder).count();
    for person in people {
        let group = if person.founder || founders < 2 { OWNERS } else { EVERYONE };
        org.push_str("---\n");
        org.push_str(&user(person, Some(group), settings));
    }
    let systems = format!(
        "# What runs in production. The tier says how much a failure matters: 1 is highest, 4 lowest.\n\
         # A system without a tier is tier 1.\n\
         apiVersion: backstage.io/v1alpha1\n\
         kind: System\n\
         metadata:\n  name: example\n  annotations:\n    {}: \"2\"\n\
         spec:\n  owner: {OWNERS}\n",
        quoted(&settings.tier_annotation)
    );
    BTreeMap::from([("org.yaml".to_owned(), org), ("systems.yaml".to_owned(), systems)])
}

/// The people that a catalog does not have yet, as a file to be added to it.
pub fn further_users(people: &[&Person], settings: &CatalogSettings) -> String {
    let users: Vec<String> = people.iter().map(|person| user(person, None, settings)).collect();
    format!("# People that `countersign init` added to the catalog.\n{}", users.join("---\n"))
}

/// What a catalog that is there already lacks of a person: nothing, if they are not in it at all.
pub fn missing_keys<'a>(catalog: &Catalog, person: &'a Person) -> Option<(ActorId, Vec<&'a PublicKey>)> {
    let actor = catalog
        .actors
        .get(&person.id)
        .filter(|_| person.founder)
        .or_else(|| person.mails.iter().find_map(|mail| catalog.person_by_mail(mail)))?;
    Some((actor.id.clone(), person.keys.iter().filter(|key| !actor.keys.contains(key)).collect()))
}

pub(super) fn user(person: &Person, group: Option<&str>, settings: &CatalogSettings) -> String {
    let mut text = format!(
        "apiVersion: backstage.io/v1alpha1\nkind: User\nmetadata:\n  name: {}\n  annotations:\n",
        quoted(person.id.as_str()),
    );
    // A robot, or an account that several people share, approves nothing: it has no level. Who founds a log is a person.
    let looks_like_none = is_no_person(person).is_some();
    if looks_like_none {
        let what = if person.founder { "person" } else { "workload" };
        let _ = writeln!(text, "    {}: {what}", quoted(&settings.actor_annotation));
    }
    if person.founder || !looks_like_none {
        let _ = writeln!(text, "    {}: {}", quoted(&settings.level_annotation), person.level.as_str());
    }
    // Writing to a String cannot fail.
    if !person.keys.is_empty() {
        let _ = writeln!(text, "    {}: |", quoted(&settings.keys_annotation));
    }
    for key in &person.keys {
        let _ = writeln!(text, "      {key}");
    }
    let mut mails = person.mails.iter();
    let first = mails.next();
    let further: Vec<&str> = mails.map(String::as_str).collect();
    if !further.is_empty() {
        let _ = writeln!(text, "    {}: {}", quoted(&settings.mails_annotation), quoted(&further.join(" ")));
    }
    text.push_str("spec:\n");
    if first.is_some() || person.display_name.is_some() {
        text.push_str("  profile:\n");
    }
    if let Some(name) = &person.display_name {
        let _ = writeln!(text, "    displayName: {}", quoted(name));
    }
    if let Some(mail) = first {
        let _ = writeln!(text, "    email: {}", quoted(mail));
    }
    let _ = writeln!(text, "  memberOf: [{}]", group.unwrap_or_default());
    text
}
