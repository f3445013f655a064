//! From entities as written to a catalog in which every reference resolves, no name, mail or key is there twice, and the
//! group tree has no cycle.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

use countersign_ledger::{Fingerprint, PublicKey, sshsig::parse_allowed_signers};
use globset::GlobBuilder;

use super::{
    ATTESTS_ANNOTATION, ATTESTS_FOR_ANNOTATION, Actor, ActorKind, Catalog, CatalogSettings, Group, HOSTS_ANNOTATION,
    Level, MAX_HOSTED, MAX_PATHS, PATHS_ANNOTATION, SIGNERS, SOURCE_ANNOTATION, Source, System, Tier,
    WORKFLOWS_ANNOTATION,
    hosts::Hosted,
    index::Index,
    lookup, near,
    parse::{Entity, EntityKind, Text},
    problem::{Place, Problems},
    robots,
};
use crate::{
    evidence::{Attests, Place as Named, Scope},
    glob::Globs,
    ids::{ActorId, GroupId, InvalidId, SystemId},
};

/// Longest mail address (RFC 5321).
const MAX_MAIL_BYTES: usize = 254;

pub(super) fn catalog(
    entities: Vec<Entity>,
    signers: Option<&str>,
    settings: &CatalogSettings,
    problems: &mut Problems,
) -> Catalog {
    let mut systems: BTreeMap<SystemId, Entity> = BTreeMap::new();
    let mut groups: BTreeMap<GroupId, Entity> = BTreeMap::new();
    let mut users: BTreeMap<ActorId, Entity> = BTreeMap::new();
    for entity in entities {
        match entity.kind {
            EntityKind::System => insert(&mut systems, entity, "system", problems),
            EntityKind::Group => insert(&mut groups, entity, "group", problems),
            EntityKind::User => insert(&mut users, entity, "user", problems),
        }
    }
    confusable(&systems, problems);
    let names = Names { groups: &groups, users: &users, systems: &systems };
    Catalog {
        groups: resolve_groups(&names, problems),
        actors: resolve_actors(&names, signers, settings, problems).into(),
        systems: resolve_systems(&names, settings, problems),
        settings: settings.clone(),
        index: Index::default(),
    }
}

/// What references can point to.
struct Names<'a> {
    systems: &'a BTreeMap<SystemId, Entity>,
    groups: &'a BTreeMap<GroupId, Entity>,
    users: &'a BTreeMap<ActorId, Entity>,
}

fn insert<Id>(map: &mut BTreeMap<Id, Entity>, entity: Entity, what: &str, problems: &mut Problems)
where
    Id: FromStr<Err = InvalidId> + Ord,
{
    let name = &entity.name;
    let id = match name.value.parse::<Id>() {
        Ok(id) => id,
        Err(error) => {
            let lower = name.value.to_lowercase();
            let hint = (lower != name.value && lower.parse::<Id>().is_ok()).then(|| format!("write `{lower}`"));
            problems.unread(&name.at, error.to_string(), hint);
            return;
        }
    };
    if let Some(first) = map.get(&id) {
        let hint = match entity.kind {
            EntityKind::System => Some("Components and Systems share their names here".to_owned()),
            EntityKind::Group | EntityKind::User => None,
        };
        problems.add(&name.at, format!("{what} `{}` is already at {}", name.value, first.name.at), hint);
        return;
    }
    map.insert(id, entity);
}

/// Why no system is called so.
pub(super) const RESERVED: &str =
    "`governance` is what governs: changes of rules and catalog have that name as their target";
pub(super) const RENAME: &str = "give the system another metadata.name";

/// Two systems whose names a hurried reviewer takes for one: `checkout` and `check-out`.
fn confusable(systems: &BTreeMap<SystemId, Entity>, problems: &mut Problems) {
    let mut seen: BTreeMap<String, &Entity> = BTreeMap::new();
    for (id, entity) in systems {
        if id.is_governance() {
            problems.add(&entity.name.at, RESERVED.to_owned(), Some(RENAME.to_owned()));
        }
        if let Some(first) = seen.insert(near::skeleton(id.as_str()), entity) {
            let what = format!("system `{id}` is too easily read as `{}` at {}", first.name.value, first.name.at);
            problems.add(&entity.name.at, what, Some("rename one of them".to_owned()));
        }
    }
}

/// A reference `[kind:][namespace/]name`. Backstage compares references without case.
struct Reference {
    kind: Option<String>,
    name: String,
}

fn reference(text: &Text, problems: &mut Problems) -> Option<Reference> {
    let lower = text.value.trim().to_lowercase();
    let (kind, rest) = match lower.split_once(':') {
        Some((kind, rest)) => (Some(kind.to_owned()), rest),
        None => (None, lower.as_str()),
    };
    let (namespace, name) = rest.split_once('/').unwrap_or(("default", rest));
    if namespace != "default" {
        let what = format!("`{}` refers to namespace `{namespace}`", text.value);
        problems.add(&text.at, what, Some("only the namespace `default` is supported".to_owned()));
        return None;
    }
    Some(Reference { kind, name: name.to_owned() })
}

fn find<'a, Id: FromStr + Ord>(map: &'a BTreeMap<Id, Entity>, name: &str) -> Option<&'a Id> {
    let id = name.parse::<Id>().ok()?;
    map.get_key_value(&id).map(|(id, _)| id)
}

/// The group that `text` names, if it exists.
fn group(text: &Text, role: &str, names: &Names<'_>, problems: &mut Problems) -> Option<GroupId> {
    let Reference { kind, name } = reference(text, problems)?;
    let is_user = find(names.users, &name).is_some();
    let found = find(names.groups, &name);
    match (kind.as_deref(), found) {
        (None | Some("group"), Some(group)) => return Some(group.clone()),
        (Some("user"), _) | (None, None) if is_user => {
            let hint = "a person alone would be irreplaceable; name a group that they are in".to_owned();
            problems.add(&text.at, format!("{role} `{}` is a User and must be a Group", text.value), Some(hint));
        }
        (None | Some("group" | "user"), _) => {
            let hint = near::hint(&name, names.groups.keys().map(GroupId::as_str));
            problems.absent(&text.at, format!("{role} `{}` is not in the catalog", text.value), hint);
        }
        (Some(_), _) => {
            let hint = Some(format!("write `group:{name}`"));
            problems.add(&text.at, format!("{role} `{}` must be a Group", text.value), hint);
        }
    }
    None
}

fn resolve_groups(names: &Names<'_>, problems: &mut Problems) -> BTreeMap<GroupId, Group> {
    let mut parents: BTreeMap<GroupId, (GroupId, Place)> = BTreeMap::new();
    let mut set = |child: GroupId, parent: GroupId, at: &Place, problems: &mut Problems| {
        match parents.get(&child) {
            Some((known, _)) if *known == parent => {}
            Some((known, first)) => {
                let what = format!("group `{child}` has parent `{parent}` here and `{known}` at {first}");
                problems.add(at, what, Some("a group has one parent".to_owned()));
            }
            None => {
                parents.insert(child, (parent, at.clone()));
            }
        };
    };
    for (id, entity) in names.groups {
        if let Some(text) = &entity.parent
            && let Some(parent) = group(text, "parent", names, problems)
        {
            set(id.clone(), parent, &text.at, problems);
        }
        for text in &entity.children {
            if let Some(child) = group(text, "child", names, problems) {
                set(child, id.clone(), &text.at, problems);
            }
        }
    }
    cycles(&parents, problems);
    let group = |id: &GroupId| Group { id: id.clone(), parent: parents.get(id).map(|(parent, _)| parent.clone()) };
    names.groups.keys().map(|id| (id.clone(), group(id))).collect()
}

/// Says every cycle once, from its first name.
fn cycles(parents: &BTreeMap<GroupId, (GroupId, Place)>, problems: &mut Problems) {
    let mut done: BTreeSet<&GroupId> = BTreeSet::new();
    for start in parents.keys() {
        let mut path: Vec<&GroupId> = Vec::new();
        let mut next = Some(start);
        while let Some(id) = next {
            if let Some(from) = path.iter().position(|seen| *seen == id) {
                let cycle = path.get(from..).unwrap_or_default().iter().chain([&id]);
                let cycle = cycle.map(|id| format!("`{id}`")).collect::<Vec<_>>().join(" < ");
                if let Some((_, at)) = parents.get(id) {
                    problems.add(
                        at,
                        format!("groups contain each other: {cycle}"),
                        Some("remove one `parent`".to_owned()),
                    );
                }
                break;
            }
            if done.contains(id) {
                break;
            }
            path.push(id);
            next = parents.get(id).map(|(parent, _)| parent);
        }
        done.extend(path);
    }
}

fn resolve_actors(
    names: &Names<'_>,
    signers: Option<&str>,
    settings: &CatalogSettings,
    problems: &mut Problems,
) -> BTreeMap<ActorId, Actor> {
    let mut members: BTreeMap<ActorId, BTreeSet<GroupId>> = BTreeMap::new();
    for (id, entity) in names.groups {
        for text in &entity.members {
            if let Some(member) = user(text, names, problems) {
                members.entry(member).or_default().insert(id.clone());
            }
        }
    }
    let mut holders = Holders::default();
    let mut actors = BTreeMap::new();
    for (id, entity) in names.users {
        let mut member_of = members.remove(id).unwrap_or_default();
        member_of.extend(entity.member_of.iter().filter_map(|text| group(text, "memberOf", names, problems)));
        let kind = annotation(entity, &settings.actor_annotation)
            .and_then(|text| choice(text, ActorKind::ALL, ActorKind::as_str, "actor", problems));
        let own_mails = mails(id, entity, settings, &mut holders, problems);
        // Who does not say what they are and is called like a robot is taken for one, whatever level was written there.
        let robot =
            kind.is_none() && robots::no_person(id.as_str(), entity.display_name.as_deref(), &own_mails).is_some();
        let kind = kind.unwrap_or(if robot { ActorKind::Workload } else { ActorKind::Person });
        let level = annotation(entity, &settings.level_annotation).filter(|_| !robot);
        if let (Some(level), ActorKind::Workload | ActorKind::Agent) = (level, kind) {
            let hint = Some("only a person approves".to_owned());
            problems.add(&level.at, format!("{} `{id}` has a level", kind.as_str()), hint);
        }
        let level = level.and_then(|text| choice(text, Level::ALL, Level::as_str, "level", problems));
        let actor = Actor {
            id: id.clone(),
            kind,
            display_name: entity.display_name.clone(),
            level: level.unwrap_or_default(),
            mails: own_mails,
            keys: keys(id, entity, settings, &mut holders, problems),
            member_of,
            attests: attests(entity, (id, kind), (names, settings), problems),
        };
        actors.insert(id.clone(), actor);
    }
    if let Some(signers) = signers {
        keys_beside(signers, &mut actors, &mut holders, problems);
    }
    actors
}

/// What a workload attests, and what steers it.
fn attests(
    entity: &Entity,
    (id, kind): (&ActorId, ActorKind),
    (names, settings): (&Names<'_>, &CatalogSettings),
    problems: &mut Problems,
) -> Attests {
    let mut attests = Attests::default();
    let annotations = [ATTESTS_ANNOTATION, ATTESTS_FOR_ANNOTATION, WORKFLOWS_ANNOTATION];
    let said = annotations.into_iter().find_map(|name| annotation(entity, name));
    match (kind, said) {
        (_, None) => return attests,
        (ActorKind::Person | ActorKind::Agent, Some(text)) => {
            let hint = "give what runs the tests an entity of its own, with `countersign/actor: workload`".to_owned();
            problems.add(
                &text.at,
                format!("{} `{id}` attests nothing: only a workload does", kind.as_str()),
                Some(hint),
            );
            return attests;
        }
        (ActorKind::Workload, Some(_)) => {}
    }
    if let Some(text) = annotation(entity, ATTESTS_ANNOTATION) {
        for word in text.value.split([',', ' ', '\t', '\n', '\r']).filter(|word| !word.is_empty()) {
            match word.parse() {
                Ok(kind) => drop(attests.kinds.insert(kind)),
                Err(error) => problems.add(&text.at, error.to_string(), Some("for example `tests, scan`".to_owned())),
            }
        }
    }
    if let Some(text) = annotation(entity, ATTESTS_FOR_ANNOTATION) {
        let hint = || Some("for example `checkout, search/production`: systems or targets".to_owned());
        match Scope::parse(&text.value) {
            // Left empty it would be everywhere, which is not what it seems to say.
            Ok(scope) if scope.is_everywhere() => problems.add(&text.at, "it names no target".to_owned(), hint()),
            Ok(scope) => {
                for place in scope.places() {
                    let system = place.system();
                    if !names.systems.contains_key(system) {
                        let hint = near::hint(system.as_str(), names.systems.keys().map(SystemId::as_str));
                        problems.absent(&text.at, format!("there is no system `{system}`"), hint);
                    } else if let Named::Target(target) = place
                        && let Err(unknown) = settings.knows(target)
                    {
                        problems.add(&text.at, unknown.to_string(), None);
                    }
                }
                attests.only_for = scope;
            }
            Err(error) => problems.add(&text.at, error.to_string(), hint()),
        }
    }
    if let Some(text) = annotation(entity, WORKFLOWS_ANNOTATION) {
        match Globs::parse(text.value.trim()) {
            Ok(_) => attests.workflows = Some(text.value.trim().to_owned()),
            Err(error) => problems.add(&text.at, error.to_string(), Some("for example `ci/** | Makefile`".to_owned())),
        }
    }
    attests
}

/// Keys in an `allowed_signers` file beside the entities: each is of whose mail stands before it.
fn keys_beside(text: &str, actors: &mut BTreeMap<ActorId, Actor>, holders: &mut Holders, problems: &mut Problems) {
    let signers = match parse_allowed_signers(text) {
        Ok(signers) => signers,
        Err(error) => {
            let at = Place { file: SIGNERS.to_owned(), line: u64::try_from(error.line).ok() };
            problems.add(&at, error.problem.to_string(), None);
            return;
        }
    };
    for signer in signers {
        let at = Place { file: SIGNERS.to_owned(), line: u64::try_from(signer.line).ok() };
        if let Some(why) = signer.key.unfit() {
            let hint = Some("use an ed25519, ECDSA or hardware key, or RSA of 2048 bits or more".to_owned());
            problems.add(&at, format!("it is {why}: it can never sign here"), hint);
            continue;
        }
        let mut named = signer.principals.iter().filter_map(|mail| {
            let mail = mail.to_lowercase();
            holders.mails.get(&lookup::without_account_id(&mail).unwrap_or(mail)).map(|(id, _)| id.clone())
        });
        let Some(id) = named.next() else {
            let what = format!("`{}` is nobody's mail in the catalog", signer.principals.join(","));
            problems.absent(&at, what, Some("give the User that mail, or take the line out".to_owned()));
            continue;
        };
        let fingerprint = signer.key.fingerprint();
        match holders.keys.get(&fingerprint) {
            Some((other, first)) if *other != id => {
                let what = format!("key {fingerprint} belongs to `{id}` here and to `{other}` at {first}");
                problems.add(&at, what, Some("a key belongs to one actor".to_owned()));
            }
            Some(_) => {}
            None => {
                holders.keys.insert(fingerprint, (id.clone(), at));
                if let Some(actor) = actors.get_mut(&id) {
                    actor.keys.push(signer.key);
                }
            }
        }
    }
}

/// Who holds a mail or a key already.
#[derive(Default)]
struct Holders {
    mails: BTreeMap<String, (ActorId, Place)>,
    keys: BTreeMap<Fingerprint, (ActorId, Place)>,
}

fn mails(
    id: &ActorId,
    entity: &Entity,
    settings: &CatalogSettings,
    holders: &mut Holders,
    problems: &mut Problems,
) -> BTreeSet<String> {
    let further = annotation(entity, &settings.mails_annotation);
    let mut mails = BTreeSet::new();
    for text in entity.mail.iter().chain(further) {
        let separated = text.value.split(|c: char| c.is_whitespace() || c == ',');
        for mail in separated.filter(|mail| !mail.is_empty()).map(str::to_lowercase) {
            let parts = mail.split_once('@');
            let valid = parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
                && mail.len() <= MAX_MAIL_BYTES
                && !mail.contains(['<', '>']);
            if !valid {
                problems.add(&text.at, format!("`{mail}` is no mail address"), Some("write `name@host`".to_owned()));
                continue;
            }
            // GitHub's no-reply address with and without the account's id is one address.
            let key = lookup::without_account_id(&mail).unwrap_or_else(|| mail.clone());
            match holders.mails.get(&key) {
                Some((other, first)) if other != id => {
                    let what = format!("mail `{mail}` belongs to `{id}` here and to `{other}` at {first}");
                    problems.add(&text.at, what, Some("a mail belongs to one actor".to_owned()));
                }
                Some(_) => {}
                None => {
                    holders.mails.insert(key, (id.clone(), text.at.clone()));
                }
            }
            mails.insert(mail);
        }
    }
    mails
}

fn keys(
    id: &ActorId,
    entity: &Entity,
    settings: &CatalogSettings,
    holders: &mut Holders,
    problems: &mut Problems,
) -> Vec<PublicKey> {
    let Some(text) = annotation(entity, &settings.keys_annotation) else { return Vec::new() };
    let mut keys = Vec::new();
    let lines = text.value.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    for line in lines {
        let key: PublicKey = match line.parse() {
            Ok(key) => key,
            Err(_) => {
                let start: String = line.chars().take(40).collect();
                let hint = "one OpenSSH public key a line, as in `~/.ssh/id_ed25519.pub`".to_owned();
                problems.add(&text.at, format!("`{id}`: `{start}` is no OpenSSH public key"), Some(hint));
                continue;
            }
        };
        if let Some(why) = key.unfit() {
            let start: String = line.chars().take(40).collect();
            let hint = "use an ed25519, ECDSA or hardware key, or RSA of 2048 bits or more".to_owned();
            problems.add(&text.at, format!("`{id}`: `{start}…` is {why}: it can never sign here"), Some(hint));
            continue;
        }
        let fingerprint = key.fingerprint();
        match holders.keys.get(&fingerprint) {
            Some((other, first)) if other != id => {
                let what = format!("key {fingerprint} belongs to `{id}` here and to `{other}` at {first}");
                problems.add(&text.at, what, Some("a key belongs to one actor".to_owned()));
            }
            Some(_) => {}
            None => {
                holders.keys.insert(fingerprint, (id.clone(), text.at.clone()));
                keys.push(key);
            }
        }
    }
    keys
}

fn user(text: &Text, names: &Names<'_>, problems: &mut Problems) -> Option<ActorId> {
    let Reference { kind, name } = reference(text, problems)?;
    let found = find(names.users, &name);
    let known = matches!(kind.as_deref(), None | Some("user"));
    if !known || found.is_none() {
        let hint = near::hint(&name, names.users.keys().map(ActorId::as_str));
        problems.absent(&text.at, format!("member `{}` is no User of the catalog", text.value), hint);
        return None;
    }
    found.cloned()
}

fn resolve_systems(
    names: &Names<'_>,
    settings: &CatalogSettings,
    problems: &mut Problems,
) -> BTreeMap<SystemId, System> {
    let mut systems = BTreeMap::new();
    for (id, entity) in names.systems {
        let tier = annotation(entity, &settings.tier_annotation).and_then(|text| tier(text, problems));
        let depends_on = entity.depends_on.iter().filter_map(|text| dependency(text, names, problems)).collect();
        let owner = match &entity.owner {
            Some(text) => group(text, "owner", names, problems),
            None => {
                problems.add(
                    &entity.name.at,
                    format!("system `{id}` has no `spec.owner`"),
                    Some("name a group".to_owned()),
                );
                None
            }
        };
        let Some(owner) = owner else { continue };
        let source = Source {
            location: annotation(entity, SOURCE_ANNOTATION).map(|text| text.value.clone()),
            paths: annotation(entity, PATHS_ANNOTATION).map(|text| paths(text, problems)).unwrap_or_default(),
        };
        let hosts = annotation(entity, HOSTS_ANNOTATION).map(|text| hosts(text, problems)).unwrap_or_default();
        let tier = tier.unwrap_or(Tier::HIGHEST);
        let system = System { id: id.clone(), owner, tier, depends_on, hosts, source };
        systems.insert(id.clone(), system);
    }
    systems
}

/// Globs as in a gate's map, each of which holds.
fn paths(text: &Text, problems: &mut Problems) -> Vec<String> {
    let globs = text.value.split([',', ' ', '\t', '\n', '\r']).filter(|glob| !glob.is_empty());
    let paths: Vec<String> = globs.map(str::to_owned).collect();
    if paths.len() > MAX_PATHS {
        let hint = "a folder needs one glob: `billing/**`".to_owned();
        problems.add(&text.at, format!("{} globs are more than {MAX_PATHS}", paths.len()), Some(hint));
    }
    for glob in &paths {
        if let Err(error) = GlobBuilder::new(glob).literal_separator(true).backslash_escape(true).build() {
            problems.add(&text.at, format!("`{glob}` is not a glob: {}", error.kind()), None);
        }
    }
    paths
}

/// What of Countersign runs there.
fn hosts(text: &Text, problems: &mut Problems) -> BTreeSet<Hosted> {
    let mut hosts = BTreeSet::new();
    let words = text.value.split([',', ' ', '\t', '\n', '\r']).filter(|word| !word.is_empty());
    for word in words.take(MAX_HOSTED) {
        match word.parse() {
            Ok(hosted) => {
                hosts.insert(hosted);
            }
            Err(error) => {
                let hint = "write `log` for the server of the log, `gate/NAME` for a gate".to_owned();
                problems.add(&text.at, format!("`{HOSTS_ANNOTATION}`: {error}"), Some(hint));
            }
        }
    }
    hosts
}

/// A system that another one needs. Kinds that the catalog skips are skipped here as well.
fn dependency(text: &Text, names: &Names<'_>, problems: &mut Problems) -> Option<SystemId> {
    let Reference { kind, name } = reference(text, problems)?;
    match kind.as_deref() {
        Some("resource" | "api" | "domain" | "location") => return None,
        None | Some("component" | "system") => {}
        Some(kind) => {
            let hint = "write `component:NAME`, `system:NAME` or `resource:NAME`".to_owned();
            problems.add(&text.at, format!("dependsOn `{}` is of kind `{kind}`", text.value), Some(hint));
            return None;
        }
    }
    let found = find(names.systems, &name);
    if found.is_none() {
        let hint = near::hint(&name, names.systems.keys().map(SystemId::as_str));
        problems.absent(&text.at, format!("dependsOn `{}` is not in the catalog", text.value), hint);
    }
    found.cloned()
}

fn annotation<'a>(entity: &'a Entity, name: &str) -> Option<&'a Text> {
    entity.annotations.get(name)
}

fn choice<T: Copy, const N: usize>(
    text: &Text,
    all: [T; N],
    name: fn(T) -> &'static str,
    what: &str,
    problems: &mut Problems,
) -> Option<T> {
    let wanted = text.value.trim().to_lowercase();
    let found = all.into_iter().find(|choice| name(*choice) == wanted);
    if found.is_none() {
        let names: Vec<&str> = all.into_iter().map(name).collect();
        problems.add(&text.at, format!("`{wanted}` is no {what}"), Some(format!("one of {}", names.join(", "))));
    }
    found
}

/// `1`, `tier_1`, `Tier-1`, `tier1`, `Tier 1`.
fn tier(text: &Text, problems: &mut Problems) -> Option<Tier> {
    let lower = text.value.trim().to_lowercase();
    let digits = lower.strip_prefix("tier").unwrap_or(&lower).trim_start_matches(['-', '_', ' ']);
    let tier = digits.parse::<u8>().ok().and_then(|tier| Tier::try_from(tier).ok());
    if tier.is_none() {
        let hint = "1 (highest) to 4, also as `tier_1` or `Tier-1`".to_owned();
        problems.add(&text.at, format!("`{}` is no tier", text.value.trim()), Some(hint));
    }
    tier
}
