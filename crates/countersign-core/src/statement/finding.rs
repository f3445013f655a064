//! What a finding says: what was found, who has to answer it, and until when.

use std::collections::BTreeSet;

use countersign_ledger::{Digest, Fingerprint, StreamId, Time};
use serde::{Deserialize, Serialize};

use super::{Holder, Seen, gate_stream, governance_stream, person_stream, target_stream};
use crate::{
    ids::{ActorId, ChangeId, FindingId, GateId, GroupId, Oid, RuleId, Target},
    refusal::Refusal,
};

/// How many weeks are looked at for how approvals are shared, the one that has begun among them: about 90 days.
pub const APPROVING_WEEKS: i64 = 13;

/// Something that a named somebody must answer by a stated time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// Who had a hand in what it is about: they are not asked, and do not answer, however late it gets.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub apart: BTreeSet<ActorId>,
    pub due: Time,
    /// Blob: what there is to say besides, salted. It can be erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Digest>,
    pub what: Matter,
    /// Each of them is asked; one answer is enough.
    pub who: BTreeSet<ActorId>,
}

/// The answer of one of those who were asked: the finding is open no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindingAnswer {
    pub finding: FindingId,
    /// How they had the content of the change at hand that it asks them to look at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
    /// Blob: what they say to it, salted. It can be erased.
    pub text: Digest,
    /// As the finding has it: the answer stands in the same streams.
    pub what: Matter,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Matter {
    /// Somebody rolled back on one signature, and somebody else looks at it afterwards.
    AfterReview {
        by: ActorId,
        /// What took something back.
        change: ChangeId,
        /// The change whose state it brought back.
        restores: ChangeId,
        targets: BTreeSet<Target>,
    },
    /// Two people approve each other: each of them over half of what the other had a hand in.
    ApprovesEachOther { first: Side, second: Side, targets: BTreeSet<Target> },
    /// A protected branch stands where no permit put it: the gate was gone round.
    BranchMoved {
        branch: String,
        /// Where it should stand.
        from: Oid,
        gate: GateId,
        /// What that reaches.
        targets: BTreeSet<Target>,
        /// Absent where the branch is gone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Oid>,
    },
    /// Nothing was fetched any more of a calendar that is subscribed to: what was heard last holds.
    CalendarStale {
        calendar: String,
        /// When it was heard last; absent where nothing was ever fetched from its address.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        heard: Option<Time>,
    },
    /// One person gave over a third of the approvals by which something landed on a group's targets.
    CarriesAThird {
        by: ActorId,
        given: u32,
        /// Of so many.
        of: u32,
        targets: BTreeSet<Target>,
        /// Who owns them.
        unit: GroupId,
    },
    /// People opened a gate whatever the rules said, and somebody else looks at it afterwards.
    GlassBroken {
        by: BTreeSet<ActorId>,
        change: ChangeId,
        /// Payload digest of what they signed.
        glass: Digest,
        /// Whose rejections they went over, also without knowing of them.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        over: BTreeSet<ActorId>,
        targets: BTreeSet<Target>,
    },
    /// Nobody has drilled for a target for too long, where somebody had begun to.
    DrillOverdue { target: Target },
    /// The recovery quorum gave people new keys, and somebody who did not sign that looks at it afterwards.
    KeysRecovered {
        by: BTreeSet<ActorId>,
        of: BTreeSet<ActorId>,
        /// Payload digest of the recovery.
        recovery: Digest,
    },
    /// A gate landed in an outage what the log would have refused: over a stop that it could not know, or what some rules, which it
    /// knew, were not met for.
    LandedAlone {
        change: ChangeId,
        gate: GateId,
        targets: BTreeSet<Target>,
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        unmet: BTreeSet<RuleId>,
    },
    /// A gate is set up to watch on a branch what the log has it enforce.
    GateMode { branch: String, gate: GateId, targets: BTreeSet<Target> },
    /// Whoever could supply what a rule asks for is not there any more.
    NobodyCan { rule: RuleId, target: Target },
    /// A rule let more through for a while, switched off or otherwise, and changes passed that it stopped before and stops again.
    RuleSwitched {
        /// The first of them.
        changes: BTreeSet<ChangeId>,
        /// Payload digests of the publications.
        off: Digest,
        on: Digest,
        rule: RuleId,
        /// What they went to.
        target: Target,
    },
    /// Somebody took another's key away for a day, and nobody confirmed it.
    RevocationUnconfirmed {
        by: ActorId,
        key: Fingerprint,
        of: Holder,
        /// Payload digest of the revocation.
        revocation: Digest,
    },
}

/// How much of what another had a hand in somebody approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Side {
    pub approved: u32,
    pub by: ActorId,
    /// Of so many changes that the other had a hand in.
    pub of: u32,
}

impl Matter {
    /// As it is spelled in the log.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::AfterReview { .. } => "after-review",
            Self::ApprovesEachOther { .. } => "approves-each-other",
            Self::BranchMoved { .. } => "branch-moved",
            Self::CalendarStale { .. } => "calendar-stale",
            Self::CarriesAThird { .. } => "carries-a-third",
            Self::GlassBroken { .. } => "glass-broken",
            Self::DrillOverdue { .. } => "drill-overdue",
            Self::KeysRecovered { .. } => "keys-recovered",
            Self::LandedAlone { .. } => "landed-alone",
            Self::GateMode { .. } => "gate-mode",
            Self::NobodyCan { .. } => "nobody-can",
            Self::RuleSwitched { .. } => "rule-switched",
            Self::RevocationUnconfirmed { .. } => "revocation-unconfirmed",
        }
    }

    /// What makes it the same matter, whoever has to answer and whatever else is said of it: the same is found once while it is
    /// open.
    pub fn same(&self) -> Digest {
        Digest::of(match self {
            Self::AfterReview { change, .. } | Self::LandedAlone { change, .. } => {
                format!("{} {change}", self.kind())
            }
            Self::ApprovesEachOther { first, second, targets: _ } => {
                format!("{} {} {}", self.kind(), first.by, second.by)
            }
            Self::CalendarStale { calendar, heard } => {
                let heard = heard.map_or_else(|| "never".to_owned(), |heard| heard.to_string());
                format!("{} {calendar} {heard}", self.kind())
            }
            Self::CarriesAThird { by, unit, .. } => format!("{} {by} {unit}", self.kind()),
            // Each time that it is broken somebody looks.
            Self::GlassBroken { glass, .. } => format!("{} {glass}", self.kind()),
            Self::BranchMoved { branch, from, gate, targets: _, to } => {
                let to = to.as_ref().map_or("nowhere", Oid::as_str);
                format!("{} {gate} {branch} {from} {to}", self.kind())
            }
            Self::GateMode { branch, gate, targets: _ } => format!("{} {gate} {branch}", self.kind()),
            Self::DrillOverdue { target } => format!("{} {target}", self.kind()),
            Self::KeysRecovered { recovery, .. } => format!("{} {recovery}", self.kind()),
            Self::NobodyCan { rule, target } => format!("{} {rule} {target}", self.kind()),
            Self::RuleSwitched { off, on, rule, target, changes: _ } => {
                format!("{} {rule} {target} {off} {on}", self.kind())
            }
            Self::RevocationUnconfirmed { revocation, .. } => format!("{} {revocation}", self.kind()),
        })
    }

    /// What it counts towards, where so many are open at most.
    pub fn share(&self) -> Share {
        match self {
            Self::AfterReview { .. } | Self::GlassBroken { .. } | Self::KeysRecovered { .. } => Share::Always,
            Self::LandedAlone { gate, .. } => Share::Gate(gate.clone()),
            Self::ApprovesEachOther { .. }
            | Self::BranchMoved { .. }
            | Self::CalendarStale { .. }
            | Self::CarriesAThird { .. }
            | Self::DrillOverdue { .. }
            | Self::GateMode { .. }
            | Self::NobodyCan { .. }
            | Self::RuleSwitched { .. }
            | Self::RevocationUnconfirmed { .. } => Share::Common,
        }
    }

    /// Whose stream remembers that it is open.
    pub fn of(&self) -> Concerned<'_> {
        match self {
            Self::AfterReview { targets, .. }
            | Self::GlassBroken { targets, .. }
            | Self::LandedAlone { targets, .. } => Concerned::Targets(targets),
            Self::BranchMoved { gate, .. } | Self::GateMode { gate, .. } => Concerned::Gate(gate),
            Self::DrillOverdue { target } | Self::NobodyCan { target, .. } | Self::RuleSwitched { target, .. } => {
                Concerned::Target(target)
            }
            Self::ApprovesEachOther { first: Side { by, .. }, .. }
            | Self::CarriesAThird { by, .. }
            | Self::RevocationUnconfirmed { by, .. } => Concerned::Person(by),
            Self::CalendarStale { .. } => Concerned::Governance,
            Self::KeysRecovered { of, .. } => Concerned::People(of),
        }
    }

    /// The streams in which it stands besides its own: of whom and what it is about.
    pub(super) fn streams(&self) -> Result<Vec<StreamId>, Refusal> {
        Ok(match self {
            Self::AfterReview { targets, .. }
            | Self::GlassBroken { targets, .. }
            | Self::LandedAlone { targets, .. } => targets.iter().map(target_stream).collect::<Result<_, _>>()?,
            Self::BranchMoved { gate, targets, .. } | Self::GateMode { gate, targets, .. } => {
                let mut streams = vec![gate_stream(gate.as_str())?];
                for target in targets {
                    streams.push(target_stream(target)?);
                }
                streams
            }
            Self::DrillOverdue { target } | Self::NobodyCan { target, .. } | Self::RuleSwitched { target, .. } => {
                vec![target_stream(target)?]
            }
            Self::RevocationUnconfirmed { by, of, .. } => vec![person_stream(by)?, of.stream()?],
            Self::CalendarStale { .. } => vec![governance_stream()?],
            Self::KeysRecovered { of, .. } => of.iter().map(person_stream).collect::<Result<_, _>>()?,
            Self::ApprovesEachOther { .. } | Self::CarriesAThird { .. } => {
                let people = self.actors().into_iter().map(person_stream);
                people.chain(self.targets().into_iter().map(target_stream)).collect::<Result<_, _>>()?
            }
        })
    }

    /// The change that it asks somebody to look at.
    pub const fn change(&self) -> Option<&ChangeId> {
        match self {
            Self::AfterReview { change, .. } | Self::GlassBroken { change, .. } | Self::LandedAlone { change, .. } => {
                Some(change)
            }
            Self::ApprovesEachOther { .. }
            | Self::BranchMoved { .. }
            | Self::CalendarStale { .. }
            | Self::CarriesAThird { .. }
            | Self::DrillOverdue { .. }
            | Self::GateMode { .. }
            | Self::KeysRecovered { .. }
            | Self::NobodyCan { .. }
            | Self::RuleSwitched { .. }
            | Self::RevocationUnconfirmed { .. } => None,
        }
    }

    /// The targets that it is about, in whose streams it stands.
    pub fn targets(&self) -> BTreeSet<&Target> {
        match self {
            Self::AfterReview { targets, .. }
            | Self::ApprovesEachOther { targets, .. }
            | Self::GlassBroken { targets, .. }
            | Self::BranchMoved { targets, .. }
            | Self::CarriesAThird { targets, .. }
            | Self::LandedAlone { targets, .. }
            | Self::GateMode { targets, .. } => targets.iter().collect(),
            Self::DrillOverdue { target } | Self::NobodyCan { target, .. } | Self::RuleSwitched { target, .. } => {
                BTreeSet::from([target])
            }
            Self::CalendarStale { .. } | Self::KeysRecovered { .. } | Self::RevocationUnconfirmed { .. } => {
                BTreeSet::new()
            }
        }
    }

    /// Those whose own act it is: they do not answer for it themselves.
    pub fn actors(&self) -> BTreeSet<&ActorId> {
        match self {
            Self::AfterReview { by, .. } | Self::CarriesAThird { by, .. } => BTreeSet::from([by]),
            Self::ApprovesEachOther { first, second, .. } => BTreeSet::from([&first.by, &second.by]),
            Self::GlassBroken { by, .. } => by.iter().collect(),
            Self::KeysRecovered { by, of, recovery: _ } => by.union(of).collect(),
            Self::LandedAlone { .. }
            | Self::CalendarStale { .. }
            | Self::DrillOverdue { .. }
            | Self::BranchMoved { .. }
            | Self::GateMode { .. }
            | Self::NobodyCan { .. }
            | Self::RuleSwitched { .. }
            | Self::RevocationUnconfirmed { .. } => BTreeSet::new(),
        }
    }

    /// What it is about, by which findings are listed: `gate/NAME`, `target/SYSTEM/ENVIRONMENT`, `person/NAME`, `rule/ID`,
    /// `change/ID`.
    pub fn about(&self) -> Vec<String> {
        match self {
            Self::AfterReview { by, change, targets, .. } => {
                let targets = targets.iter().map(|target| format!("target/{target}"));
                [format!("change/{change}"), format!("person/{by}")].into_iter().chain(targets).collect()
            }
            Self::GlassBroken { by, change, targets, glass: _, over: _ } => {
                let targets = targets.iter().map(|target| format!("target/{target}"));
                let by = by.iter().map(|by| format!("person/{by}"));
                std::iter::once(format!("change/{change}")).chain(by).chain(targets).collect()
            }
            Self::BranchMoved { gate, targets, .. }
            | Self::LandedAlone { gate, targets, .. }
            | Self::GateMode { gate, targets, .. } => {
                let targets = targets.iter().map(|target| format!("target/{target}"));
                std::iter::once(format!("gate/{gate}")).chain(targets).collect()
            }
            Self::ApprovesEachOther { targets, .. } | Self::CarriesAThird { targets, .. } => {
                let people = self.actors().into_iter().map(|person| format!("person/{person}"));
                people.chain(targets.iter().map(|target| format!("target/{target}"))).collect()
            }
            Self::KeysRecovered { by, of, recovery: _ } => {
                by.union(of).map(|person| format!("person/{person}")).collect()
            }
            Self::CalendarStale { .. } => vec![format!("target/{}", Target::governance())],
            Self::DrillOverdue { target } => vec![format!("target/{target}")],
            Self::NobodyCan { rule, target } | Self::RuleSwitched { rule, target, .. } => {
                vec![format!("rule/{rule}"), format!("target/{target}")]
            }
            Self::RevocationUnconfirmed { by, of, .. } => vec![
                format!("person/{by}"),
                match of {
                    Holder::Person(person) => format!("person/{person}"),
                    Holder::Gate(gate) => format!("gate/{gate}"),
                },
            ],
        }
    }

    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::AfterReview { by, change, restores, targets } => {
                let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
                let (targets, restores, change) = (targets.join(", "), restores.short(), change.short());
                format!(
                    "{by} rolled {targets} back to {restores} by {change} alone, and somebody else looks at it afterwards"
                )
            }
            Self::ApprovesEachOther { first, second, targets } => format!(
                "in {APPROVING_WEEKS} weeks {} approved {} of {} changes on {} that {} had a hand in, and {} {} of {} the other way round",
                first.by,
                first.approved,
                first.of,
                joined(targets),
                second.by,
                second.by,
                second.approved,
                second.of
            ),
            Self::CalendarStale { calendar, heard: Some(heard) } => {
                format!(
                    "calendar {calendar} was fetched from its address for the last time at {heard}, and what was heard then holds"
                )
            }
            Self::CalendarStale { calendar, heard: None } => {
                format!(
                    "nothing was ever fetched for calendar {calendar} from its address, so that it takes nothing away"
                )
            }
            Self::CarriesAThird { by, given, of, targets, unit } => format!(
                "in {APPROVING_WEEKS} weeks {by} gave {given} of {of} approvals by which something landed on {}, which {unit} owns",
                joined(targets)
            ),
            Self::KeysRecovered { by, of, recovery: _ } => {
                format!(
                    "{} recovered the log and gave {} a new key, and somebody else looks at it afterwards",
                    all(by),
                    all(of)
                )
            }
            Self::BranchMoved { branch, from, gate, to, .. } => {
                let to = to.as_ref().map_or("nowhere", Oid::short);
                let from = from.short();
                format!("{branch} at gate {gate} should stand at {from} and was found at {to}, where no permit put it")
            }
            Self::GlassBroken { by, change, glass: _, over, targets } => {
                let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
                let (by, targets, change) = (all(by), targets.join(", "), change.short());
                let over = match over.is_empty() {
                    true => String::new(),
                    false => format!(", over the rejection of {}", all(over)),
                };
                format!(
                    "{by} broke the glass for {change} on {targets}{over}, and somebody else looks at it afterwards"
                )
            }
            Self::LandedAlone { change, gate, targets, unmet } => {
                let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
                let (targets, change) = (targets.join(", "), change.short());
                let unmet: Vec<&str> = unmet.iter().map(RuleId::as_str).collect();
                let landed = format!("gate {gate} landed {change} on {targets} in an outage");
                match unmet.is_empty() {
                    true => format!("{landed}, over a stop that it could not know"),
                    false => format!("{landed}, though by what the log has it does not meet {}", unmet.join(", ")),
                }
            }
            Self::GateMode { branch, gate, targets } => {
                let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
                let targets = targets.join(", ");
                format!("gate {gate} is set up to watch {targets} on {branch}, which the log has it enforce")
            }
            Self::RuleSwitched { changes, rule, target, .. } => {
                let named: Vec<&str> = changes.iter().map(ChangeId::short).collect();
                format!(
                    "rule {rule} let more through for a while, and meanwhile passed to {target} what it stopped before and stops again: {}",
                    named.join(", ")
                )
            }
            Self::DrillOverdue { target } => {
                format!("nobody has drilled for 90 days how {target} is opened without the log")
            }
            Self::NobodyCan { rule, target } => format!("nobody can supply what rule {rule} asks of {target}"),
            Self::RevocationUnconfirmed { by, key, of, .. } => {
                let of = match of {
                    Holder::Person(person) => person.to_string(),
                    Holder::Gate(gate) => format!("gate {gate}"),
                };
                format!("{by} revoked key {key} of {of}, and nobody confirmed it within a day")
            }
        }
    }
}

fn all(people: &BTreeSet<ActorId>) -> String {
    people.iter().map(ActorId::as_str).collect::<Vec<_>>().join(" and ")
}

fn joined(targets: &BTreeSet<Target>) -> String {
    targets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Whom or what a finding is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concerned<'a> {
    Gate(&'a GateId),
    /// What governs remembers it by itself.
    Governance,
    Person(&'a ActorId),
    /// The first of them stands for all.
    People(&'a BTreeSet<ActorId>),
    Target(&'a Target),
    /// The first of them stands for all.
    Targets(&'a BTreeSet<Target>),
}

/// What an open finding counts towards: what one speaker brings about keeps out nothing that another one does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Share {
    #[default]
    Common,
    /// Nothing: what people did alone somebody else always looks at.
    Always,
    /// What a gate says that it did.
    Gate(GateId),
}

impl Share {
    pub fn is_common(&self) -> bool {
        *self == Self::Common
    }
}
