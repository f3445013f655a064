//! Rolling back: whether a change takes exactly the last landing back, who may do that alone, and who looks at it afterwards.
//!
//! What a proposer says it restores is a claim; whether it does follows from what its targets remember ([`crate::landed`]).
//!
//! Invariant: it takes back one landing, the last of its gate, on each of its targets, and nothing else. So it can neither leave a path nor
//! undo what somebody else has mended since.

use std::{collections::BTreeSet, fmt};

use countersign_ledger::Time;

use crate::{
    catalog::ActorKind,
    change::{Change, ChangeStatus, Revision},
    governance::Governance,
    ids::{ActorId, ChangeId, GateId, Target},
    kind::Kind,
    landed::{Effect, RollbackView, RolledBack, SECOND_AFTER_SECS, Undone, all_of, another_command, undone},
    newcomers,
    presence::Presence,
    refusal::Refusal,
    state::State,
};

/// How long after a landing it may be taken back on one signature.
pub const ROLLBACK_DAYS: i64 = 7;
/// How long others have to look at what one person rolled back.
pub const AFTER_REVIEW_SECS: i64 = 72 * 60 * 60;
const DAY_SECS: i64 = 24 * 60 * 60;

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
    /// What it takes back landed through another gate than the one that is asked.
    AnotherGate {
        asked: GateId,
        landed_at: GateId,
    },
    /// It does not take exactly the last landing back.
    Another {
        target: Target,
        last: ChangeId,
    },
    NothingBefore {
        target: Target,
        last: ChangeId,
    },
    /// What ran before is another command, or went over files of other names.
    AnotherCommand {
        target: Target,
        last: ChangeId,
        before: ChangeId,
    },
    /// It brings more than the one commit that takes it back, which nobody would have looked at.
    SeveralCommits(u32),
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
            Self::AnotherGate { asked, landed_at } => write!(
                f,
                "what it takes back landed at gate {landed_at}, and goes back there alone: nothing of it landed at gate {asked}"
            ),
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
            Self::AnotherCommand { target, last, before } => {
                let (last, before) = (last.short(), before.short());
                write!(
                    f,
                    "before {last} ran {before} on {target}, by another command or over files of other names: running that again \
                     takes nothing back"
                )
            }
            Self::SeveralCommits(commits) => {
                write!(
                    f,
                    "it brings {commits} commits or a merge, and what one person rolls back alone is one commit: squash them into one"
                )
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

/// Who may roll a target back alone: whoever owns it, and whoever is on call for it at that moment.
pub fn may_alone(governance: &Governance, person: &ActorId, target: &Target, now: Time) -> bool {
    governance.owns(person, &target.system) || governance.is_on_call(person, &target.system, now)
}

/// Who looks at a rollback afterwards: other owners, else seniors, else the policy group, else anybody else; nobody who had a hand in
/// it or whose key is gone, and where others are there, no newcomer whom one of those enrolled, nor who enrolled one of them.
pub fn reviewers(
    governance: &Governance,
    targets: &BTreeSet<Target>,
    hands: &BTreeSet<ActorId>,
    gone: &BTreeSet<ActorId>,
    now: Time,
) -> BTreeSet<ActorId> {
    let but: BTreeSet<ActorId> = hands.union(gone).cloned().collect();
    let beside = newcomers::all_beside(governance, hands, now);
    let others = first_of(governance, targets, &but.union(&beside).cloned().collect());
    if others.is_empty() { first_of(governance, targets, &but) } else { others }
}

/// Who is asked to look at it: of those who are there, and of all where nobody is; where nobody of them is back in time to answer, of the
/// next besides.
pub fn asked(
    governance: &Governance,
    targets: &BTreeSet<Target>,
    hands: &BTreeSet<ActorId>,
    presence: &Presence,
    now: Time,
) -> BTreeSet<ActorId> {
    let away_until = |person: &ActorId| {
        let said = presence.away.get(person).copied();
        said.max(governance.calendars.away_until(person, now))
    };
    let due = now.plus_secs(AFTER_REVIEW_SECS);
    let is_too_late = |person: &ActorId| away_until(person).is_some_and(|until| until >= due);
    let there = |who: &BTreeSet<ActorId>| -> BTreeSet<ActorId> {
        let there: BTreeSet<ActorId> = who.iter().filter(|person| away_until(person).is_none()).cloned().collect();
        if there.is_empty() { who.clone() } else { there }
    };
    let mut gone = presence.disabled.clone();
    let mut who = reviewers(governance, targets, hands, &gone, now);
    let mut asked = there(&who);
    // Nobody sheds it so: who is away stays asked. Each round leaves out some who were not left out before.
    while !who.is_empty() && who.iter().all(is_too_late) {
        gone.append(&mut who);
        who = reviewers(governance, targets, hands, &gone, now);
        asked.extend(there(&who));
    }
    asked
}

fn first_of(governance: &Governance, targets: &BTreeSet<Target>, but: &BTreeSet<ActorId>) -> BTreeSet<ActorId> {
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
    let Some(effect) = Effect::of(&revision.subject, revision.inverse.as_ref()).filter(|_| change.kind != Kind::Rules)
    else {
        return Ok(Rollback::IsNot(NoRollback::Governance));
    };
    let found = match taken_back(state, change, &effect, now)? {
        TakenBack::Unknown => return Ok(Rollback::Unknown),
        TakenBack::Not(why) => return Ok(Rollback::IsNot(why)),
        TakenBack::By(found) => found,
    };
    let Some((_, undoes)) = found.iter().find(|(restores, _)| restores == said) else {
        let restores = found.first().map_or_else(|| said.clone(), |(restores, _)| restores.clone());
        return Ok(Rollback::IsNot(NoRollback::AnotherNamed { said: said.clone(), restores }));
    };
    if let Some(commits) = revision.several {
        return Ok(Rollback::IsNot(NoRollback::SeveralCommits(commits)));
    }
    match not_entitled(state, change, revision, now)? {
        Some(why) => Ok(Rollback::IsNot(why)),
        None => {
            let (by, restores, undoes) = (revision.by.clone(), said.clone(), undoes.clone());
            Ok(Rollback::Is(RollbackView { by, restores, undoes }))
        }
    }
}

/// What a change takes back, whoever proposed it.
enum TakenBack {
    Unknown,
    Not(NoRollback),
    /// What was there before, with what is undone.
    By(Vec<(ChangeId, ChangeId)>),
}

/// Whether it takes exactly the last landing back on each of its targets, to what one may go back to: at the gate that is asked, else at
/// any.
fn taken_back(state: &State, change: &Change, effect: &Effect, now: Time) -> Result<TakenBack, Refusal> {
    let mut gates: Vec<&GateId> = Vec::new();
    for target in &change.targets {
        let Some(record) = state.what_landed_on(target)? else { return Ok(TakenBack::Unknown) };
        let more: Vec<&GateId> = record.history.gates().into_iter().filter(|gate| !gates.contains(gate)).collect();
        gates.extend(more);
    }
    let here = |gate: &GateId| takes_back(state, change, effect, gate, now);
    let found = match change.asked_at() {
        Some(gate) => match here(gate)? {
            Err(why) => Err(elsewhere(&gates, gate, why, here)?),
            found @ Ok(_) => found,
        },
        None => anywhere(change, &gates, here)?,
    };
    Ok(match found {
        Ok(found) => TakenBack::By(found),
        Err(why) => TakenBack::Not(why),
    })
}

/// What one owner could roll back in the place of a change that does not say that it restores anything: it takes exactly the last
/// landing on its targets back. Whoever proposed it need not be one of them, so that no other streams are asked than every change has.
pub fn instead(state: &State, change: &Change, now: Time) -> Result<Option<ChangeId>, Refusal> {
    let (None, Some(revision)) = (&change.purpose.restores, change.current()) else { return Ok(None) };
    let Some(effect) = Effect::of(&revision.subject, revision.inverse.as_ref()).filter(|_| change.kind != Kind::Rules)
    else {
        return Ok(None);
    };
    Ok(match taken_back(state, change, &effect, now)? {
        TakenBack::By(found) => found.into_iter().next().map(|(_, undoes)| undoes),
        TakenBack::Unknown | TakenBack::Not(_) => None,
    })
}

/// That in words, with the command.
pub fn instead_in_words(undoes: &ChangeId, targets: &BTreeSet<Target>) -> String {
    let (undoes, target) = (undoes.short(), targets.first().map(ToString::to_string).unwrap_or_default());
    format!(
        "it takes back exactly {undoes}, which landed last: to bring back what ran before takes one signature, of an owner or of who is \
         on call: countersign rollback {target} --why TEXT"
    )
}

/// For each target the change whose state comes back, and the one that is taken back; or why that is no rollback.
type TakesBack = Result<Vec<(ChangeId, ChangeId)>, NoRollback>;

/// What it takes back of what landed through this gate.
fn takes_back(state: &State, change: &Change, effect: &Effect, gate: &GateId, now: Time) -> Result<TakesBack, Refusal> {
    let targets = all_of(&change.targets);
    let watched = change.watched_until();
    let mut found = Vec::new();
    for target in &change.targets {
        let landed = state.what_landed_on(target)?.map(|record| record.history.through(gate)).unwrap_or_default();
        let Some(last) = landed.last() else { return Ok(Err(NoRollback::NothingLanded(target.clone()))) };
        let Some(Undone { last, before, kept }) = undone(landed, effect, &targets) else {
            if let Some(before) = another_command(landed) {
                let (last, before) = (last.change.clone(), before.change.clone());
                return Ok(Err(NoRollback::AnotherCommand { target: target.clone(), last, before }));
            }
            return Ok(Err(NoRollback::Another { target: target.clone(), last: last.change.clone() }));
        };
        let Some(before) = before else {
            return Ok(Err(NoRollback::NothingBefore { target: target.clone(), last: last.change.clone() }));
        };
        if let Some(marked) = landed.iter().skip(kept).find(|landed| landed.no_way_back) {
            return Ok(Err(NoRollback::NoWayBack(marked.change.clone())));
        }
        if before.over_rejection {
            return Ok(Err(NoRollback::OverRejection(before.change.clone())));
        }
        if last.watched_until.max(watched).is_some_and(|until| until >= before.at) {
            return Ok(Err(NoRollback::Watched(target.clone())));
        }
        if now.secs_since(last.at) > ROLLBACK_DAYS * DAY_SECS {
            return Ok(Err(NoRollback::TooOld(last.change.clone())));
        }
        found.push((before.change.clone(), last.change.clone()));
    }
    Ok(Ok(found))
}

/// Of the gates through which something landed the first where it would be one; else why it is none at the one that landed last.
fn anywhere(
    change: &Change,
    gates: &[&GateId],
    here: impl Fn(&GateId) -> Result<TakesBack, Refusal>,
) -> Result<TakesBack, Refusal> {
    let mut why = None;
    for gate in gates {
        match here(gate)? {
            found @ Ok(_) => return Ok(found),
            Err(not) => why = why.or(Some(not)),
        }
    }
    let nothing = || change.targets.first().cloned().map(NoRollback::NothingLanded);
    Ok(Err(why.or_else(nothing).unwrap_or(NoRollback::Governance)))
}

/// Why it is none at the gate that is asked, where it may be one at another.
fn elsewhere(
    gates: &[&GateId],
    asked: &GateId,
    why: NoRollback,
    here: impl Fn(&GateId) -> Result<TakesBack, Refusal>,
) -> Result<NoRollback, Refusal> {
    for gate in gates.iter().filter(|gate| **gate != asked) {
        if here(gate)?.is_ok() {
            return Ok(NoRollback::AnotherGate { asked: asked.clone(), landed_at: (*gate).clone() });
        }
    }
    Ok(why)
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
        // One that did not end well is none that may be begun again.
        let goes_on = change.running().is_some() || change.status == ChangeStatus::Applied;
        let is_this = |rolled: &RolledBack| rolled.change == change.id && goes_on;
        let lately = |rolled: &&RolledBack| rolled.by == *by && !is_this(rolled);
        let last = rolled_back.iter().filter(lately).map(|rolled| rolled.at.plus_secs(SECOND_AFTER_SECS)).max();
        if let Some(until) = last.filter(|until| now < *until) {
            return Ok(Some(NoRollback::Second { by: by.clone(), target: target.clone(), until }));
        }
    }
    Ok(None)
}
