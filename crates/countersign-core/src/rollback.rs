//! Rolling back: what landed on a target, what exactly takes the last of it back, and who may do that alone.
//!
//! What a proposer says it restores is a claim; whether it does follows from the log. Each target keeps the last of what landed
//! there, as a stack:
//!
//! ```text
//!  A lands, B lands    ->  A B      what takes B back brings back what A left
//!  R takes B back      ->  A        B is gone: nothing brings it back on one signature
//!  C lands             ->  A C
//! ```
//!
//! Invariant: it takes back one landing, the last, on each of its targets, and nothing else. So it can neither leave a path nor
//! undo what somebody else has mended since.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use countersign_ledger::{Digest, Time};
use serde::{Deserialize, Serialize};

use crate::{
    catalog::ActorKind,
    change::{Change, Revision},
    governance::Governance,
    ids::{ActorId, ChangeId, Target},
    kind::Kind,
    refusal::Refusal,
    state::State,
    subject::Subject,
};

/// How long after a landing it may be taken back on one signature.
pub const ROLLBACK_DAYS: i64 = 7;
/// How long after one rollback of a target another person has to sign the next.
pub const SECOND_AFTER_SECS: i64 = 24 * 60 * 60;
/// How long others have to look at what one person rolled back.
pub const AFTER_REVIEW_SECS: i64 = 72 * 60 * 60;
/// How much of what landed a target remembers.
const MAX_LANDED: usize = 16;
/// How many rollbacks.
const MAX_ROLLED_BACK: usize = 32;
const DAY_SECS: i64 = 24 * 60 * 60;

/// Something that landed on a target, and that nothing has taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Landed {
    pub at: Time,
    pub change: ChangeId,
    did: Digest,
    /// Of commits, what takes it back. Files are taken back by what was there before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    undone_by: Option<Digest>,
    /// Of all targets that it went to.
    targets: Digest,
    /// A command that failed: whatever it left, nobody goes back to that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_way_back: bool,
    /// Somebody's rejection of it stood.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub over_rejection: bool,
    /// Until when its gate had only watched one of the targets, by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    watched_until: Option<Time>,
}

/// That somebody rolled a target back on one signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolledBack {
    pub at: Time,
    pub by: ActorId,
    pub change: ChangeId,
    pub restores: ChangeId,
    /// Whether somebody else has to look at it, and nobody was asked yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unreviewed: bool,
}

/// That people opened a gate whatever the rules said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokenGlass {
    pub at: Time,
    pub by: BTreeSet<ActorId>,
    pub change: ChangeId,
    /// Whether nobody was asked yet to look at it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unreviewed: bool,
}

/// A change that brings back what ran immediately before, by somebody who may do that alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollbackView {
    /// Whose one signature it is.
    pub by: ActorId,
    /// The change whose state it brings back.
    pub restores: ChangeId,
    /// The change that it takes back.
    pub undoes: ChangeId,
}

/// What there is to say of a change that may be a rollback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rollback {
    /// Nobody says so.
    NotSaid,
    /// The streams that would tell are not at hand.
    Unknown,
    Is(RollbackView),
    IsNot(NoRollback),
}

/// Why a change that is said to be a rollback is an ordinary one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoRollback {
    Governance,
    NothingLanded(Target),
    /// It does not take exactly the last landing back.
    Another {
        target: Target,
        last: ChangeId,
    },
    NothingBefore {
        target: Target,
        last: ChangeId,
    },
    AnotherNamed {
        said: ChangeId,
        restores: ChangeId,
    },
    NoWayBack(ChangeId),
    OverRejection(ChangeId),
    Watched(Target),
    TooOld(ChangeId),
    NoPerson(ActorId),
    NotEntitled {
        by: ActorId,
        target: Target,
    },
    Second {
        by: ActorId,
        target: Target,
        until: Time,
    },
}

impl fmt::Display for NoRollback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Governance => f.write_str("what governs is not rolled back on one signature"),
            Self::NothingLanded(target) => write!(f, "the log knows of nothing that landed on {target}"),
            Self::Another { target, last } => {
                let last = last.short();
                write!(
                    f,
                    "it does not take back exactly {last}, which landed last on {target}, all of it and nothing else"
                )
            }
            Self::NothingBefore { target, last } => {
                write!(f, "before {} no enforcing gate applied anything to {target}", last.short())
            }
            Self::AnotherNamed { said, restores } => {
                write!(f, "it says that it restores {}, and would bring back {}", said.short(), restores.short())
            }
            Self::NoWayBack(change) => write!(f, "there is no way back past {}, which is marked so", change.short()),
            Self::OverRejection(change) => {
                write!(f, "{} was applied while somebody's rejection of it stood", change.short())
            }
            Self::Watched(target) => {
                write!(f, "the gate has only watched {target} since then, so that nobody knows what ran there")
            }
            Self::TooOld(change) => write!(f, "{} landed more than {ROLLBACK_DAYS} days ago", change.short()),
            Self::NoPerson(by) => write!(f, "{by}, who proposed it, is no person with a key that holds"),
            Self::NotEntitled { by, target } => {
                write!(f, "{by}, who proposed it, neither owns {target} nor is on call for it")
            }
            Self::Second { by, target, until } => {
                write!(f, "{by} has rolled {target} back before; until {until} another one takes another person")
            }
        }
    }
}

/// Who may roll a target back alone: whoever owns it. Whoever is on call for it, too, once calendars say who that is: this is
/// where they are asked.
pub fn may_alone(governance: &Governance, person: &ActorId, target: &Target, _now: Time) -> bool {
    governance.owns(person, &target.system)
}

/// Who looks at a rollback afterwards: other owners, else seniors, else the policy group, else anybody else; nobody of `but`.
pub fn reviewers(governance: &Governance, targets: &BTreeSet<Target>, but: &BTreeSet<ActorId>) -> BTreeSet<ActorId> {
    let people = || {
        let is_person = |actor: &&crate::catalog::Actor| actor.kind == ActorKind::Person && !but.contains(&actor.id);
        governance.catalog.actors.values().filter(is_person)
    };
    let owns = |id: &ActorId| targets.iter().any(|target| governance.owns(id, &target.system));
    let policy = governance.policy_group();
    let owners: BTreeSet<ActorId> = people().filter(|p| owns(&p.id)).map(|p| p.id.clone()).collect();
    let seniors = || people().filter(|p| p.level.is_senior()).map(|p| p.id.clone()).collect::<BTreeSet<_>>();
    let of_policy = || people().filter(|p| policy.contains(&p.id)).map(|p| p.id.clone()).collect::<BTreeSet<_>>();
    let anybody = || people().map(|p| p.id.clone()).collect::<BTreeSet<_>>();
    let first = |set: BTreeSet<ActorId>| (!set.is_empty()).then_some(set);
    first(owners).or_else(|| first(seniors())).or_else(|| first(of_policy())).unwrap_or_else(anybody)
}

/// What a revision does where it lands.
struct Effect {
    does: Digest,
    undone_by: Option<Digest>,
}

impl Effect {
    fn of(revision: &Revision) -> Option<Self> {
        match &revision.subject {
            Subject::Git(git) => {
                let of = |delta: &Digest| Digest::of(format!("{}\n{}\n{delta}", git.repository, git.branch));
                Some(Self { does: of(&git.delta), undone_by: Some(of(&revision.inverse?)) })
            }
            // The same files, by the same command.
            Subject::Files(_) => Some(Self { does: revision.subject.reference().ok()?.digest, undone_by: None }),
            Subject::Governance(_) => None,
        }
    }
}

fn all_of(targets: &BTreeSet<Target>) -> Digest {
    let names: Vec<String> = targets.iter().map(ToString::to_string).collect();
    Digest::of(names.join("\n"))
}

/// What a change takes back on one target.
struct Undone<'a> {
    last: &'a Landed,
    /// What was there before. `None`: nothing that is known.
    before: Option<&'a Landed>,
    /// What is kept of the stack.
    kept: usize,
}

/// Whether it takes back exactly the last of what landed there.
fn undone<'a>(landed: &'a [Landed], effect: &Effect, targets: &Digest) -> Option<Undone<'a>> {
    let (last, below) = landed.split_last()?;
    if last.targets != *targets {
        return None;
    }
    match &last.undone_by {
        Some(inverse) => (*inverse == effect.does).then(|| Undone {
            last,
            before: below.last().filter(|before| !before.failed),
            kept: below.len(),
        }),
        None => {
            let at = below.iter().rposition(|before| !before.failed)?;
            let before = below.get(at)?;
            let same = before.undone_by.is_none() && before.did == effect.does && before.targets == *targets;
            (same && effect.undone_by.is_none()).then(|| Undone {
                last,
                before: Some(before),
                kept: at.saturating_add(1),
            })
        }
    }
}

/// The same for a snapshot.
pub(crate) fn view(state: &State, change: &Change, now: Time) -> Result<Option<RollbackView>, Refusal> {
    Ok(match rollback(state, change, now)? {
        Rollback::Is(view) => Some(view),
        Rollback::NotSaid | Rollback::Unknown | Rollback::IsNot(_) => None,
    })
}

/// Whether a change is a rollback that whoever proposed it may do alone.
pub fn rollback(state: &State, change: &Change, now: Time) -> Result<Rollback, Refusal> {
    let (Some(said), Some(revision)) = (&change.purpose.restores, change.current()) else {
        return Ok(Rollback::NotSaid);
    };
    let Some(effect) = Effect::of(revision).filter(|_| change.kind != Kind::Rules) else {
        return Ok(Rollback::IsNot(NoRollback::Governance));
    };
    let targets = all_of(&change.targets);
    let watched = change.watched_until();
    let mut found: BTreeMap<&ChangeId, &ChangeId> = BTreeMap::new();
    for target in &change.targets {
        let Some(record) = state.what_landed_on(target)? else { return Ok(Rollback::Unknown) };
        let is_not = |why: NoRollback| Ok(Rollback::IsNot(why));
        let Some(last) = record.history.landed.last() else { return is_not(NoRollback::NothingLanded(target.clone())) };
        let Some(Undone { last, before, kept }) = undone(&record.history.landed, &effect, &targets) else {
            return is_not(NoRollback::Another { target: target.clone(), last: last.change.clone() });
        };
        let Some(before) = before else {
            return is_not(NoRollback::NothingBefore { target: target.clone(), last: last.change.clone() });
        };
        let mut past = record.history.landed.iter().skip(kept);
        if let Some(marked) = past.find(|landed| landed.no_way_back) {
            return is_not(NoRollback::NoWayBack(marked.change.clone()));
        }
        if before.over_rejection {
            return is_not(NoRollback::OverRejection(before.change.clone()));
        }
        if last.watched_until.max(watched).is_some_and(|until| until >= before.at) {
            return is_not(NoRollback::Watched(target.clone()));
        }
        if now.secs_since(last.at) > ROLLBACK_DAYS * DAY_SECS {
            return is_not(NoRollback::TooOld(last.change.clone()));
        }
        found.insert(&before.change, &last.change);
    }
    let Some(undoes) = found.get(said) else {
        let restores = found.keys().next().map_or_else(|| said.clone(), |id| (*id).clone());
        return Ok(Rollback::IsNot(NoRollback::AnotherNamed { said: said.clone(), restores }));
    };
    match not_entitled(state, change, revision, now)? {
        Some(why) => Ok(Rollback::IsNot(why)),
        None => {
            let (by, restores, undoes) = (revision.by.clone(), said.clone(), (*undoes).clone());
            Ok(Rollback::Is(RollbackView { by, restores, undoes }))
        }
    }
}

fn not_entitled(state: &State, change: &Change, revision: &Revision, now: Time) -> Result<Option<NoRollback>, Refusal> {
    let by = &revision.by;
    let governance = &*state.governance;
    let holds = match &revision.key {
        Some(key) => state.holds(by, key, now)?.is_some_and(|actor| actor.kind == ActorKind::Person),
        // Nobody has signed it yet.
        None => governance.person(by).is_some(),
    };
    if !holds {
        return Ok(Some(NoRollback::NoPerson(by.clone())));
    }
    for target in &change.targets {
        if !may_alone(governance, by, target, now) {
            return Ok(Some(NoRollback::NotEntitled { by: by.clone(), target: target.clone() }));
        }
        let rolled_back =
            state.what_landed_on(target)?.map(|record| record.history.rolled_back.as_slice()).unwrap_or_default();
        let lately = |rolled: &&RolledBack| rolled.by == *by && rolled.change != change.id;
        let last = rolled_back.iter().filter(lately).map(|rolled| rolled.at.plus_secs(SECOND_AFTER_SECS)).max();
        if let Some(until) = last.filter(|until| now < *until) {
            return Ok(Some(NoRollback::Second { by: by.clone(), target: target.clone(), until }));
        }
    }
    Ok(None)
}

/// What the log knows of a landing that its change does not say.
pub(crate) struct Circumstances {
    pub at: Time,
    pub failed: bool,
    pub over_rejection: bool,
    pub watched_until: Option<Time>,
}

/// What a target remembers of what landed there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LandedRecord {
    /// The last comes last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub landed: Vec<Landed>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rolled_back: Vec<RolledBack>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub broken: Vec<BrokenGlass>,
}

impl LandedRecord {
    pub fn is_empty(&self) -> bool {
        self.landed.is_empty() && self.rolled_back.is_empty() && self.broken.is_empty()
    }

    /// Whether this takes back exactly the last of what landed here.
    pub(crate) fn is_undone_by(&self, change: &Change, revision: &Revision) -> bool {
        let effect = Effect::of(revision);
        effect.is_some_and(|effect| undone(&self.landed, &effect, &all_of(&change.targets)).is_some())
    }

    /// Takes a landing: what it undoes goes, else it is the last now.
    pub(crate) fn land(&mut self, change: &Change, revision: &Revision, undoes: bool, how: &Circumstances) {
        let Some(effect) = Effect::of(revision) else { return };
        let targets = all_of(&change.targets);
        let kept = undone(&self.landed, &effect, &targets).filter(|_| undoes).map(|undone| undone.kept);
        if let Some(kept) = kept {
            self.landed.truncate(kept);
            if let Some(again) = self.landed.last_mut() {
                again.over_rejection |= how.over_rejection;
            }
            return;
        }
        let no_way_back = change.purpose.no_way_back || change.purpose.security || change.kind == Kind::Schema;
        self.landed.push(Landed {
            at: how.at,
            change: change.id.clone(),
            did: effect.does,
            undone_by: effect.undone_by,
            targets,
            failed: how.failed,
            no_way_back,
            over_rejection: how.over_rejection,
            watched_until: how.watched_until,
        });
        let forgotten = self.landed.len().saturating_sub(MAX_LANDED);
        self.landed.drain(..forgotten);
    }

    /// Takes a rollback on one signature.
    pub(crate) fn roll_back(&mut self, rolled: RolledBack) {
        let since = rolled.at.plus_secs(-SECOND_AFTER_SECS);
        self.rolled_back.retain(|known| known.unreviewed || known.at > since);
        self.rolled_back.push(rolled);
        let forgotten = self.rolled_back.len().saturating_sub(MAX_ROLLED_BACK);
        self.rolled_back.drain(..forgotten);
    }

    /// Takes what was opened whatever the rules said.
    pub(crate) fn break_glass(&mut self, broken: BrokenGlass) {
        self.broken.retain(|known| known.unreviewed);
        self.broken.push(broken);
        let forgotten = self.broken.len().saturating_sub(MAX_ROLLED_BACK);
        self.broken.drain(..forgotten);
    }

    /// What stands there now no permit put there: nothing is known of before.
    pub(crate) fn forget(&mut self) {
        self.landed.clear();
    }
}
