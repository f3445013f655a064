//! What a finding says: what was found, who has to answer it, and until when.

use std::collections::BTreeSet;

use countersign_ledger::{Digest, Fingerprint, StreamId, Time};
use serde::{Deserialize, Serialize};

use super::{Holder, Seen, gate_stream, person_stream, target_stream};
use crate::{
    ids::{ActorId, ChangeId, FindingId, GateId, Oid, RuleId, Target},
    refusal::Refusal,
};

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

impl Matter {
    /// As it is spelled in the log.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::AfterReview { .. } => "after-review",
            Self::BranchMoved { .. } => "branch-moved",
            Self::GlassBroken { .. } => "glass-broken",
            Self::DrillOverdue { .. } => "drill-overdue",
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
            // Each time that it is broken somebody looks.
            Self::GlassBroken { glass, .. } => format!("{} {glass}", self.kind()),
            Self::BranchMoved { branch, from, gate, targets: _, to } => {
                let to = to.as_ref().map_or("nowhere", Oid::as_str);
                format!("{} {gate} {branch} {from} {to}", self.kind())
            }
            Self::GateMode { branch, gate, targets: _ } => format!("{} {gate} {branch}", self.kind()),
            Self::DrillOverdue { target } => format!("{} {target}", self.kind()),
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
            Self::AfterReview { .. } | Self::GlassBroken { .. } => Share::Always,
            Self::LandedAlone { gate, .. } => Share::Gate(gate.clone()),
            Self::BranchMoved { .. }
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
            Self::RevocationUnconfirmed { by, .. } => Concerned::Person(by),
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
        })
    }

    /// The change that it asks somebody to look at.
    pub const fn change(&self) -> Option<&ChangeId> {
        match self {
            Self::AfterReview { change, .. } | Self::GlassBroken { change, .. } | Self::LandedAlone { change, .. } => {
                Some(change)
            }
            Self::DrillOverdue { .. }
            | Self::BranchMoved { .. }
            | Self::GateMode { .. }
            | Self::NobodyCan { .. }
            | Self::RuleSwitched { .. }
            | Self::RevocationUnconfirmed { .. } => None,
        }
    }

    /// The targets that it is about, in whose streams it stands.
    pub fn targets(&self) -> BTreeSet<&Target> {
        match self {
            Self::AfterReview { targets, .. }
            | Self::GlassBroken { targets, .. }
            | Self::BranchMoved { targets, .. }
            | Self::LandedAlone { targets, .. }
            | Self::GateMode { targets, .. } => targets.iter().collect(),
            Self::DrillOverdue { target } | Self::NobodyCan { target, .. } | Self::RuleSwitched { target, .. } => {
                BTreeSet::from([target])
            }
            Self::RevocationUnconfirmed { .. } => BTreeSet::new(),
        }
    }

    /// Those whose own act it is: they do not answer for it themselves.
    pub fn actors(&self) -> BTreeSet<&ActorId> {
        match self {
            Self::AfterReview { by, .. } => BTreeSet::from([by]),
            Self::GlassBroken { by, .. } => by.iter().collect(),
            Self::LandedAlone { .. }
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
            Self::LandedAlone { change, gate, targets, .. } => {
                let targets = targets.iter().map(|target| format!("target/{target}"));
                [format!("change/{change}"), format!("gate/{gate}")].into_iter().chain(targets).collect()
            }
            Self::BranchMoved { gate, targets, .. } | Self::GateMode { gate, targets, .. } => {
                let targets = targets.iter().map(|target| format!("target/{target}"));
                std::iter::once(format!("gate/{gate}")).chain(targets).collect()
            }
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
            Self::BranchMoved { branch, from, gate, to, .. } => {
                let to = to.as_ref().map_or("nowhere", Oid::short);
                let from = from.short();
                format!("{branch} at gate {gate} should stand at {from} and was found at {to}, where no permit put it")
            }
            Self::GlassBroken { by, change, glass: _, over, targets } => {
                let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
                let joined = |people: &BTreeSet<ActorId>| -> String {
                    people.iter().map(|person| person.as_str()).collect::<Vec<_>>().join(" and ")
                };
                let (by, targets, change) = (joined(by), targets.join(", "), change.short());
                let over = match over.is_empty() {
                    true => String::new(),
                    false => format!(", over the rejection of {}", joined(over)),
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

/// Whom or what a finding is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concerned<'a> {
    Gate(&'a GateId),
    Person(&'a ActorId),
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
