//! What of a publication loosens: lets more through, or gives somebody more of a say. Such a change takes two of the policy group,
//! one of them a senior, and waits.
//!
//! Pure, and asked by whoever folds a proposal, so that everybody who follows a log comes to the same answer. What is not shown to
//! tighten counts as loosening. Names and mails are not looked at, because they can be erased and the answer has to stay.

use std::{collections::BTreeSet, fmt};

use crate::{
    calendar::{Use, above, compare},
    catalog::{Actor, ActorKind, Catalog, Level, Tier},
    change::Found,
    evidence::Attests,
    governance::{Blobs, Governance},
    ids::{ActorId, Environment, EvidenceKind, GroupId, SystemId},
    issuer,
    rules::{Weaker, weaker},
    standard::Proposer,
    statement::Publication,
    subject::{GovernanceSubject, Subject},
};

/// One way in which it does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loosening {
    Rule(Weaker),
    /// There was none, so that nothing reached production.
    FirstRules,
    SystemGone(SystemId),
    Tier {
        system: SystemId,
        before: Tier,
        after: Tier,
    },
    /// People who own it by this.
    Owners {
        system: SystemId,
        people: BTreeSet<ActorId>,
    },
    /// Another group owns it, and rules name the one or the other.
    Owner {
        system: SystemId,
        before: GroupId,
        after: GroupId,
    },
    /// People who own it no more, where a rule stops less by that.
    OwnersGone {
        system: SystemId,
        people: BTreeSet<ActorId>,
    },
    /// People who could be on call for it by this.
    OnCall {
        system: SystemId,
        people: BTreeSet<ActorId>,
    },
    /// People who leave a group that rules look in.
    Left {
        group: GroupId,
        people: BTreeSet<ActorId>,
    },
    /// People who come into a group that rules name.
    Members {
        group: GroupId,
        people: BTreeSet<ActorId>,
    },
    /// People who come into the policy group.
    Policy(BTreeSet<ActorId>),
    Level {
        person: ActorId,
        level: Level,
    },
    /// A senior is none any more.
    SeniorGone(ActorId),
    /// A key for somebody who has a say already, or is to be a senior.
    Key(ActorId),
    /// Somebody, or something, becomes something else.
    Kind {
        actor: ActorId,
        kind: ActorKind,
    },
    /// What it had a hand in was AI-assisted by that.
    AgentGone(ActorId),
    NotProduction(Environment),
    /// It becomes production, where a rule stops less.
    Production(Environment),
    UnseenApprovals,
    /// A template of standard changes that is new, or another.
    Standard(String),
    /// A freeze that is taken away, shorter or narrower, or a window that opens for more.
    Calendar {
        name: String,
        how: &'static str,
    },
    /// An issuer whose tokens speak for more, or by other keys.
    Issuer {
        name: String,
        how: &'static str,
    },
    /// Other holidays or working hours, by which rules judge.
    WorkingHours,
    /// Evidence that is asked for, by somebody whose word did not count for it.
    Attests {
        workload: ActorId,
        kinds: BTreeSet<EvidenceKind>,
    },
    /// Changes that nobody touches live longer: for ever where it is not said how long.
    Expiry {
        after: Option<u32>,
    },
    Wait {
        before: u32,
        after: u32,
    },
}

/// What of it loosens, the worst not first: in the order of what it is about.
pub fn loosens(before: &Governance, after: &Governance) -> Vec<Loosening> {
    let mut found: Vec<Loosening> = Vec::new();
    if before.rules.digest() != after.rules.digest() || before.population() != after.population() {
        let people = (before.population(), after.population());
        found.extend(weaker(&before.rules, &after.rules, people).into_iter().map(Loosening::Rule));
    }
    if before.rules.is_empty() && !after.rules.is_empty() {
        found.push(Loosening::FirstRules);
    }
    of_systems(before, after, &mut found);
    let of_templates = proposers(before).filter_map(|proposer| match proposer {
        Proposer::Group(group) => Some(group),
        Proposer::Actor(_) => None,
    });
    let named: BTreeSet<&GroupId> = before.rules.groups().iter().chain(of_templates).collect();
    for group in named {
        let was = able(&before.catalog, before.catalog.members(group));
        let people = gained(&was, able(&after.catalog, after.catalog.members(group)));
        if !people.is_empty() {
            found.push(Loosening::Members { group: group.clone(), people });
        }
    }
    // A rule that looks who is in a group may stop less where somebody leaves it.
    for group in before.rules.looked_in().0 {
        let people = gained(&after.catalog.members(&group), before.catalog.members(&group));
        if !people.is_empty() {
            found.push(Loosening::Left { group, people });
        }
    }
    let people = gained(&before.policy_group(), after.policy_group());
    if !people.is_empty() {
        found.push(Loosening::Policy(people));
    }
    of_people(before, after, &mut found);
    of_evidence(before, after, &mut found);
    let is_new =
        |name: &&String| after.standards.get(*name).map(|s| &s.text) != before.standards.get(*name).map(|s| &s.text);
    found.extend(after.standards.keys().filter(is_new).cloned().map(Loosening::Standard));
    let calendars = compare::loosens(&before.calendars, &after.calendars, before.rules.ask_about("present"));
    found.extend(calendars.into_iter().map(|(name, how)| Loosening::Calendar { name, how }));
    let issuers = issuer::loosens(&before.issuers, &after.issuers).into_iter();
    found.extend(issuers.map(|(name, how)| Loosening::Issuer { name, how }));
    let asked = before.rules.ask_about("working_hours") && after.rules.ask_about("working_hours");
    let same_days = || before.calendars.used_for(Use::Holiday).eq(after.calendars.used_for(Use::Holiday));
    // Whose working hours hold for a system follows from the groups above its owner.
    let groups = |catalog: &Catalog, system: &SystemId| -> Option<Vec<GroupId>> {
        Some(above(&catalog.systems.get(system)?.owner, catalog).into_iter().cloned().collect())
    };
    let same_groups = |system: &SystemId| {
        let of = groups(&after.catalog, system);
        of.is_none() || of == groups(&before.catalog, system)
    };
    if asked && !(same_days() && before.catalog.systems.keys().all(same_groups)) {
        found.push(Loosening::WorkingHours);
    }
    of_settings(before, after, &mut found);
    found
}

/// Whether what is proposed loosens what is in force. `None` of what is about something else, was made on something else, does not
/// hold, or has files that are not at hand: whoever asks takes it for loosening.
pub(crate) fn loosened_by(governance: &Governance, found: &Found, blob: &Blobs<'_>) -> Option<bool> {
    let Some(Subject::Governance(subject)) = &found.subject else { return None };
    let GovernanceSubject { files, parent, semantics } = *subject;
    if parent != governance.record.in_force {
        return None;
    }
    let publication = Publication { change: None, files, parent, reason: files, semantics };
    let after = governance.publish(&publication, files, blob).ok()?;
    Some(!loosens(governance, &after).is_empty())
}

/// By other files that steer a workload the same evidence is no longer self-made where it was.
fn of_evidence(before: &Governance, after: &Governance, found: &mut Vec<Loosening>) {
    let asked = before.evidence();
    for actor in after.catalog.actors.values().filter(|actor| !actor.attests.kinds.is_empty()) {
        let old = before.catalog.actors.get(&actor.id);
        // By another key it is another's word.
        let new_key = old.is_some_and(|old| actor.keys.iter().any(|key| !old.keys.contains(key)));
        let old = old.filter(|_| !new_key).map(|old| &old.attests);
        let gains = |kind: &&EvidenceKind| {
            let same = |old: &Attests| {
                let (kinds, workflows) = (&old.kinds, &old.workflows);
                kinds.contains(*kind)
                    && *workflows == actor.attests.workflows
                    && actor.attests.only_for.is_within(&old.only_for)
            };
            asked.contains(*kind) && !old.is_some_and(same)
        };
        let kinds: BTreeSet<EvidenceKind> = actor.attests.kinds.iter().filter(gains).cloned().collect();
        if !kinds.is_empty() {
            found.push(Loosening::Attests { workload: actor.id.clone(), kinds });
        }
    }
}

fn of_systems(before: &Governance, after: &Governance, found: &mut Vec<Loosening>) {
    let (rules, people) = (&before.rules, before.population());
    let (named, counts_owners) = (rules.named_groups(), rules.looked_in().1);
    for (id, old) in &before.catalog.systems {
        let Some(new) = after.catalog.systems.get(id) else {
            found.push(Loosening::SystemGone(id.clone()));
            continue;
        };
        // What a freeze says of tiers, or a rule of the lower ones, may not hold in a higher one.
        let raised =
            || rules.eased_by_tier(old.tier, new.tier, people).is_some() || freezes_move(before, old.tier, new.tier);
        if new.tier > old.tier || new.tier < old.tier && raised() {
            found.push(Loosening::Tier { system: id.clone(), before: old.tier, after: new.tier });
        }
        if old.owner != new.owner && (named.contains(&old.owner) || named.contains(&new.owner)) {
            let (before, after) = (old.owner.clone(), new.owner.clone());
            found.push(Loosening::Owner { system: id.clone(), before, after });
        }
        let (were, are) =
            (able(&before.catalog, before.catalog.owners(id)), able(&after.catalog, after.catalog.owners(id)));
        let gone = if counts_owners { gained(&are, were.clone()) } else { BTreeSet::new() };
        if !gone.is_empty() {
            found.push(Loosening::OwnersGone { system: id.clone(), people: gone });
        }
        let people = gained(&were, are);
        if !people.is_empty() {
            found.push(Loosening::Owners { system: id.clone(), people });
        }
        // By the rotas that there were: what others bring is said of those.
        let on_call = before.calendars.ever_on_call_for(&new.owner, &after.catalog);
        let people = gained(&before.calendars.ever_on_call_for(&old.owner, &before.catalog), on_call);
        if !people.is_empty() {
            found.push(Loosening::OnCall { system: id.clone(), people });
        }
    }
}

/// Whether a calendar, or a freeze that somebody signed, is about the one tier and not about the other. There is no clock here, so
/// that also a freeze that is over counts.
fn freezes_move(governance: &Governance, before: Tier, after: Tier) -> bool {
    let calendars = governance.calendars.iter().map(|calendar| &calendar.file.scope);
    let mut scopes = calendars.chain(governance.record.freezes.values().map(|freeze| &freeze.scope));
    scopes.any(|scope| scope.tiers.contains(&before) != scope.tiers.contains(&after))
}

/// Who proposes by templates of standard changes, which have their second pair of eyes already.
fn proposers(governance: &Governance) -> impl Iterator<Item = &Proposer> {
    governance.standards.values().flat_map(|standard| &standard.proposers)
}

/// A new person who is nobody's senior and owns nothing has no more of a say than anybody has.
fn of_people(before: &Governance, after: &Governance, found: &mut Vec<Loosening>) {
    for actor in after.catalog.actors.values() {
        let Actor { id, kind, level, keys, .. } = actor;
        let old = before.catalog.actors.get(id);
        if old.is_some_and(|old| old.kind != *kind) {
            found.push(Loosening::Kind { actor: id.clone(), kind: *kind });
        }
        // Under another name it would be another: what was known of whoever held it is not known of this one.
        let unlisted = keys.iter().filter(|key| old.is_none_or(|old| !old.keys.contains(key)));
        let mut others = unlisted.filter_map(|key| before.ever_by_key(&key.fingerprint()));
        if others.any(|other| other.id != *id) {
            found.push(Loosening::Key(id.clone()));
            continue;
        }
        if *kind != ActorKind::Person {
            let new_key = old.is_some_and(|old| keys.iter().any(|key| !old.keys.contains(key)));
            if new_key && proposers(before).any(|proposer| *proposer == Proposer::Actor(id.clone())) {
                found.push(Loosening::Key(id.clone()));
            }
            continue;
        }
        if keys.is_empty() {
            continue;
        }
        let was = old.filter(|old| !old.keys.is_empty());
        if level.is_senior() && was.is_none_or(|was| was.level < *level) {
            found.push(Loosening::Level { person: id.clone(), level: *level });
            continue;
        }
        let new_key = |was: &Actor| keys.iter().any(|key| !was.keys.contains(key));
        let has_a_say = || level.is_senior() || has_a_say(before, id);
        if was.is_some_and(new_key) && has_a_say() {
            found.push(Loosening::Key(id.clone()));
        }
    }
    let agents = before.catalog.actors.values().filter(|actor| actor.kind == ActorKind::Agent);
    let gone = agents.filter(|actor| !after.catalog.actors.has_name(actor.id.as_str()));
    found.extend(gone.map(|actor| Loosening::AgentGone(actor.id.clone())));
    // Else two who are no seniors take the senior away first, and then need none.
    let is_able = |actor: &Actor| actor.level.is_senior() && actor.kind == ActorKind::Person && !actor.keys.is_empty();
    let seniors = before.catalog.actors.values().filter(|actor| is_able(actor));
    let gone = seniors.filter(|actor| !after.catalog.actors.get(&actor.id).is_some_and(is_able));
    found.extend(gone.map(|actor| Loosening::SeniorGone(actor.id.clone())));
}

/// Whether somebody owns something, is of the policy group, in a group that rules name, or proposes by a template.
fn has_a_say(governance: &Governance, person: &ActorId) -> bool {
    let catalog = &governance.catalog;
    governance.policy_group().contains(person)
        || governance.rules.groups().iter().any(|group| catalog.is_in(person, group))
        || catalog.systems.keys().any(|system| catalog.owns(person, system))
        || proposers(governance).any(|proposer| match proposer {
            Proposer::Actor(id) => id == person,
            Proposer::Group(group) => catalog.is_in(person, group),
        })
}

fn of_settings(before: &Governance, after: &Governance, found: &mut Vec<Loosening>) {
    let (old, new) = (&before.catalog.settings, &after.catalog.settings);
    found.extend(old.production.difference(&new.production).cloned().map(Loosening::NotProduction));
    let mut added = new.production.difference(&old.production).filter(|one| old.environments.contains(*one)).peekable();
    if added.peek().is_some() && before.rules.eased_in_production().is_some() {
        found.extend(added.cloned().map(Loosening::Production));
    }
    if new.unseen_approvals && !old.unseen_approvals {
        found.push(Loosening::UnseenApprovals);
    }
    let (before, after) = (old.loosening_wait_secs, new.loosening_wait_secs);
    if after < before {
        found.push(Loosening::Wait { before, after });
    }
    let days = |settings: &crate::catalog::CatalogSettings| settings.expires_after_days.unwrap_or(u32::MAX);
    if days(new) > days(old) {
        found.push(Loosening::Expiry { after: new.expires_after_days });
    }
}

/// Those of them who have a key: the others can do nothing yet.
fn able<'a>(catalog: &Catalog, people: BTreeSet<&'a ActorId>) -> BTreeSet<&'a ActorId> {
    let has_a_key = |id: &&ActorId| catalog.actors.get(id).is_some_and(|actor| !actor.keys.is_empty());
    people.into_iter().filter(has_a_key).collect()
}

fn gained(before: &BTreeSet<&ActorId>, after: BTreeSet<&ActorId>) -> BTreeSet<ActorId> {
    after.into_iter().filter(|person| !before.contains(person)).cloned().collect()
}

/// How many people are named.
const NAMED: usize = 5;

fn names(people: &BTreeSet<ActorId>) -> String {
    let named = people.iter().take(NAMED).map(ActorId::as_str).collect::<Vec<_>>().join(", ");
    match people.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// A length of time, as people say it.
pub fn span(secs: u32) -> String {
    match secs {
        secs if secs.is_multiple_of(3_600) => format!("{} h", secs / 3_600),
        secs if secs.is_multiple_of(60) => format!("{} min", secs / 60),
        secs => format!("{secs} s"),
    }
}

impl fmt::Display for Loosening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(weaker) => weaker.fmt(f),
            Self::FirstRules => f.write_str("there are rules for the first time: before, nothing reached production"),
            Self::SystemGone(system) => write!(f, "takes system {system} away"),
            Self::Tier { system, before, after } => {
                write!(f, "system {system} is of tier {}, was {}", u8::from(*after), u8::from(*before))
            }
            Self::Owners { system, people } => {
                write!(f, "lets {} answer for system {system}, as owners", names(people))
            }
            Self::Owner { system, before, after } => {
                write!(f, "system {system} goes from group {before} to {after}, and rules name one of these")
            }
            Self::OwnersGone { system, people } => {
                write!(f, "{} own system {system} no more, and a rule asks whether owners approve", names(people))
            }
            Self::OnCall { system, people } => write!(f, "lets {} be on call for system {system}", names(people)),
            Self::Left { group, people } => {
                write!(f, "takes {} out of group {group}, in which rules look", names(people))
            }
            Self::Members { group, people } => write!(f, "puts {} into group {group}, which rules name", names(people)),
            Self::Policy(people) => write!(f, "puts {} into the policy group", names(people)),
            Self::Level { person, level } => write!(f, "makes {person} a {}", level.as_str()),
            Self::SeniorGone(person) => write!(f, "takes {person} away as a senior"),
            Self::Key(person) => write!(f, "lets {person} sign with another key"),
            Self::Kind { actor, kind } => write!(f, "{actor} becomes {}", kind.with_article()),
            Self::AgentGone(actor) => write!(f, "takes agent {actor} away, by which changes are known as AI-assisted"),
            Self::Production(environment) => {
                write!(f, "environment {environment} becomes production, where a rule stops less")
            }
            Self::NotProduction(environment) => write!(f, "environment {environment} is production no more"),
            Self::UnseenApprovals => f.write_str("approvals count that were given without the content at hand"),
            Self::Standard(name) => {
                write!(f, "standard change {name} lets through what fits it, without a second person at each")
            }
            Self::Calendar { name, how } => write!(f, "calendar {name} {how}"),
            Self::Issuer { name, how } => write!(f, "issuer {name} {how}"),
            Self::WorkingHours => f.write_str("other holidays or working hours, which rules ask about"),
            Self::Attests { workload, kinds } => {
                let kinds: Vec<&str> = kinds.iter().map(EvidenceKind::as_str).collect();
                write!(f, "takes {workload}'s word for {}", kinds.join(", "))
            }
            Self::Expiry { after: Some(days) } => write!(f, "a change that nobody touches lives for {days} days"),
            Self::Expiry { after: None } => f.write_str("a change that nobody touches does not expire"),
            Self::Wait { before, after } => {
                write!(f, "what loosens waits {}, was {}", span(*after), span(*before))
            }
        }
    }
}
