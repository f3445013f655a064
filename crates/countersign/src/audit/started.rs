//! What a home was begun with from a history, as programs read it.

use std::{collections::BTreeMap, path::PathBuf};

use countersign_audit::{
    IdentityId,
    replay::{Assumptions, Replay},
    start::Start,
    supports,
};
use countersign_core::{
    decision::{Mode, Strength},
    ids::{ActorId, GroupId, Oid, RuleId, SystemId},
};
use serde::Serialize;

use super::report::rounded;

#[derive(Debug, Serialize)]
pub struct Started {
    pub repository: String,
    pub branch: String,
    pub tip: Oid,
    /// The first and the newest day that count.
    pub since: String,
    pub newest: String,
    /// Somebody asked for that, rather than for the last year.
    pub asked_since: bool,
    /// Landed changes that were read, and those of them that count.
    pub read: u64,
    pub landed: u64,
    pub people: People,
    /// `folders` or `codeowners`.
    pub systems_by: &'static str,
    pub systems: Vec<System>,
    pub tier_1_approvals: u32,
    pub rules: Vec<Rule>,
    pub replay: Whole,
    /// What `gate install --map` takes.
    pub map: Vec<String>,
    /// Where the repository lies, if a gate can guard it as it is.
    #[serde(skip)]
    pub bare: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
pub struct People {
    /// In the catalog.
    pub people: u64,
    pub without_keys: Vec<ActorId>,
    /// Of the history, without a part in what counts.
    pub left_out: u64,
    /// Of what counts, and more than a home is begun with.
    pub too_many: u64,
    /// Proposed for what they did: the founders are senior anyway.
    pub seniors: Vec<ActorId>,
    /// Founders whose mail the history does not have.
    pub founders_not_in_history: Vec<ActorId>,
    /// Whom git only names, without a mail.
    pub without_mail: Vec<ActorId>,
    /// Mails that several people use, or that are nobody's, and were given to none.
    pub mails_left_out: u64,
    /// Whom `CODEOWNERS` names, and who had no part in what counts or is not to be told from it.
    pub unknown_owners: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct System {
    pub system: SystemId,
    pub holds: Vec<String>,
    pub stated_owners: Vec<String>,
    pub tier: u8,
    pub landed: u64,
    pub owner: GroupId,
    pub owners: Vec<Owner>,
    pub people: u64,
    /// In the last 180 days before the newest change.
    pub people_of_late: u64,
    pub lookers: u64,
    pub approvals_supported: u32,
}

#[derive(Debug, Serialize)]
pub struct Owner {
    pub person: ActorId,
    pub wrote: u32,
    pub looked: u32,
    /// `CODEOWNERS` names them.
    pub stated: bool,
}

#[derive(Debug, Serialize)]
pub struct Rule {
    pub id: RuleId,
    pub mode: Mode,
    pub strength: Strength,
    pub stopped: u64,
    pub stopped_reverted: u64,
    pub extra_approvals_per_week: f64,
}

#[derive(Debug, Serialize)]
pub struct Whole {
    pub judged: u64,
    /// That git carries.
    pub approvals_per_week: f64,
    pub reverted: u64,
    pub weeks: f64,
}

/// What the caller knows besides the start itself.
#[derive(Debug)]
pub struct About {
    pub repository: String,
    pub branch: String,
    pub tip: Oid,
    pub since: String,
    pub newest: String,
    pub asked_since: bool,
    pub read: usize,
    pub people: usize,
    pub without_keys: Vec<ActorId>,
    pub founders_not_in_history: Vec<ActorId>,
    pub environment: String,
    pub bare: Option<PathBuf>,
}

impl Started {
    pub fn new(about: About, start: &Start, assumed: &Assumptions, replay: &Replay) -> Self {
        let ids: BTreeMap<IdentityId, &ActorId> = start.people.iter().map(|person| (person.who, &person.id)).collect();
        let members = |group: &GroupId| -> Vec<Owner> {
            let group = start.groups.iter().filter(|known| known.id == *group);
            group
                .flat_map(|group| &group.members)
                .filter_map(|part| {
                    let person = (*ids.get(&part.who)?).clone();
                    Some(Owner { person, wrote: part.wrote, looked: part.looked, stated: part.stated })
                })
                .collect()
        };
        let systems = start.systems.iter().map(|system| System {
            system: system.id.clone(),
            holds: system.holds.clone(),
            stated_owners: system.stated.clone(),
            tier: system.tier.into(),
            landed: system.landed,
            owner: system.owner.clone(),
            owners: members(&system.owner),
            people: number(system.people),
            people_of_late: number(system.there),
            lookers: number(system.lookers),
            approvals_supported: supports::approvals(system.there),
        });
        let rules = replay.rules.iter().map(|rule| Rule {
            id: rule.id.clone(),
            mode: rule.mode,
            strength: rule.strength,
            stopped: rule.stopped,
            stopped_reverted: rule.stopped_reverted,
            extra_approvals_per_week: rounded(rule.extra_approvals_per_week, 100.0),
        });
        let map = start.systems.iter().flat_map(|system| {
            system.patterns.iter().map(|pattern| format!("{pattern}={}/{}", system.id, about.environment))
        });
        Self {
            people: People {
                people: number(about.people),
                left_out: number(start.left_out),
                too_many: number(start.too_many),
                seniors: start
                    .people
                    .iter()
                    .filter(|person| person.earned_senior() && !person.reserved)
                    .map(|person| person.id.clone())
                    .collect(),
                without_mail: start.people.iter().filter(|p| p.mails.is_empty()).map(|p| p.id.clone()).collect(),
                mails_left_out: number(start.dropped_mails),
                unknown_owners: start.unknown_owners.iter().cloned().collect(),
                without_keys: about.without_keys,
                founders_not_in_history: about.founders_not_in_history,
            },
            read: number(about.read),
            landed: number(start.window.changes),
            systems_by: start.by.as_str(),
            systems: systems.collect(),
            tier_1_approvals: start.numbers.tier_1_approvals,
            rules: rules.collect(),
            replay: Whole {
                judged: replay.all.judged,
                approvals_per_week: rounded(start.numbers.looks as f64 / assumed.weeks, 100.0),
                reverted: replay.all.reverted,
                weeks: rounded(assumed.weeks, 10.0),
            },
            map: map.collect(),
            bare: about.bare,
            repository: about.repository,
            branch: about.branch,
            tip: about.tip,
            since: about.since,
            newest: about.newest,
            asked_since: about.asked_since,
        }
    }
}

fn number(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}
