//! What landed on a target, as a stack for each gate: so that it is known what exactly takes the last of it back. What one gate
//! says landed there is nothing that another one goes back to.
//!
//! ```text
//!  A lands, B lands    ->  A B      what takes B back brings back what A left
//!  R takes B back      ->  A        B is gone: nothing brings it back on one signature
//!  C lands             ->  A C
//!  C2 is started       ->  A C C2!  a command that was started may have done anything, until somebody says that it did its work
//!  R is to bring C back -> A C R!   from its start on; once it is applied: A C
//! ```

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{Digest, Time};
use serde::{Deserialize, Serialize};

use crate::{
    ids::{ActorId, ChangeId, GateId, RuleId, Target},
    subject::{FilesSubject, Subject, quoted},
};

/// How long after one rollback of a target another person has to sign the next.
pub const SECOND_AFTER_SECS: i64 = 24 * 60 * 60;
/// How much of what landed through a gate a target remembers.
const MAX_LANDED: usize = 16;
/// How many rollbacks.
const MAX_ROLLED_BACK: usize = 32;

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
    /// Of files, by which command, and what they are called: [`shape_of`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shape: Option<Digest>,
    /// Of all targets that it went to.
    targets: Digest,
    /// A command that failed, or of which nobody has said how it ended: whatever it left, nobody goes back to that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
    /// It was to bring back what stands below it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    back: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_way_back: bool,
    /// Somebody's rejection of it stood.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub over_rejection: bool,
    /// Until when its gate had only watched one of the targets, by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched_until: Option<Time>,
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
    /// Payload digest of what they signed.
    pub glass: Digest,
    /// Whose rejections it went over, named or not.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub over: BTreeSet<ActorId>,
    /// Whether nobody was asked yet to look at it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unreviewed: bool,
}

/// That a gate which could not reach the log landed something by what it knew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LandedAlone {
    pub at: Time,
    pub change: ChangeId,
    pub gate: GateId,
    /// By which rules the log would have refused it, unless it was for a stop alone.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unmet: BTreeSet<RuleId>,
    /// Whether the log would have refused it, and nobody was asked yet to look at it.
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

/// What a revision does where it lands.
pub(crate) struct Effect {
    does: Digest,
    undone_by: Option<Digest>,
    shape: Option<Digest>,
}

/// The command with its arguments, and what its files are called: what differs in that is not the same thing done again.
pub fn shape_of(files: &FilesSubject) -> Digest {
    let names: Vec<String> = files.files.keys().cloned().collect();
    let of = |words: &[String]| Digest::of(quoted(words));
    Digest::of(format!("{} {}", of(files.command.as_deref().unwrap_or_default()), of(&names)))
}

impl Effect {
    /// `inverse` is the digest of the delta that takes commits back.
    pub(crate) fn of(subject: &Subject, inverse: Option<&Digest>) -> Option<Self> {
        match subject {
            Subject::Git(git) => {
                let of = |delta: &Digest| Digest::of(format!("{}\n{}\n{delta}", git.repository, git.branch));
                Some(Self { does: of(&git.delta), undone_by: Some(of(inverse?)), shape: None })
            }
            // The same files, by the same command.
            Subject::Files(files) => {
                let shape = Some(shape_of(files));
                Some(Self { does: subject.reference().ok()?.digest, undone_by: None, shape })
            }
            Subject::Governance(_) => None,
        }
    }
}

pub(crate) fn all_of(targets: &BTreeSet<Target>) -> Digest {
    let names: Vec<String> = targets.iter().map(ToString::to_string).collect();
    Digest::of(names.join("\n"))
}

/// What a change takes back on one target.
pub(crate) struct Undone<'a> {
    pub last: &'a Landed,
    /// What was there before. `None`: nothing that is known.
    pub before: Option<&'a Landed>,
    /// What is kept of the stack.
    pub kept: usize,
}

/// Whether it takes back exactly the last of what landed there.
pub(crate) fn undone<'a>(landed: &'a [Landed], effect: &Effect, targets: &Digest) -> Option<Undone<'a>> {
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
            (same && effect.undone_by.is_none() && another_command(landed).is_none()).then(|| Undone {
                last,
                before: Some(before),
                kept: at.saturating_add(1),
            })
        }
    }
}

/// What ran before the last of what landed, where that is another command, or over files of other names: running it again takes
/// nothing back.
pub(crate) fn another_command(landed: &[Landed]) -> Option<&Landed> {
    let below = landed.split_last()?.1;
    let at = below.iter().rposition(|before| !before.failed)?;
    let before = below.get(at)?;
    let since = landed.get(at.saturating_add(1)..).unwrap_or_default();
    since.iter().any(|later| later.shape != before.shape).then_some(before)
}

/// A landing, and what the log knows of it.
pub(crate) struct Landing<'a> {
    pub change: &'a ChangeId,
    pub gate: &'a GateId,
    pub effect: Effect,
    /// Of all targets that it went to: [`all_of`].
    pub targets: Digest,
    pub at: Time,
    /// Whether it did its work; else it was started only, or failed.
    pub applied: bool,
    /// Whether the log knows since before that it was started.
    pub begun: bool,
    pub no_way_back: bool,
    pub over_rejection: bool,
    pub watched_until: Option<Time>,
}

/// What a target remembers of what landed there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LandedRecord {
    /// By the gate through which it came; the last comes last.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub landed: BTreeMap<GateId, Vec<Landed>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rolled_back: Vec<RolledBack>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub broken: Vec<BrokenGlass>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alone: Vec<LandedAlone>,
}

/// As it stands once it was applied.
fn landed(landing: &Landing<'_>) -> Landed {
    let Effect { does, undone_by, shape } = &landing.effect;
    Landed {
        at: landing.at,
        change: landing.change.clone(),
        did: *does,
        undone_by: *undone_by,
        shape: *shape,
        targets: landing.targets,
        failed: false,
        back: false,
        no_way_back: landing.no_way_back,
        over_rejection: landing.over_rejection,
        watched_until: landing.watched_until,
    }
}

/// How something ended that was started before.
fn end(through: &mut Vec<Landed>, landing: &Landing<'_>) {
    let begun = through.iter().rposition(|known| known.failed && known.change == *landing.change);
    match (landing.applied, begun) {
        (false, _) => {}
        (true, Some(at)) => {
            let begun = through.remove(at);
            let below = at.checked_sub(1).and_then(|below| through.get_mut(below));
            match below.filter(|_| begun.back) {
                Some(again) => again.over_rejection |= landing.over_rejection,
                None => push(through, landing, landed(landing)),
            }
        }
        (true, None) => {
            // Another has taken the same back meanwhile, and it stands there already.
            let stands = through.iter().rfind(|known| !known.failed);
            if stands.is_none_or(|stands| stands.did != landing.effect.does) {
                push(through, landing, landed(landing));
            }
        }
    }
}

fn push(through: &mut Vec<Landed>, landing: &Landing<'_>, landed: Landed) {
    // The same that is tried again is one.
    let again = through.pop_if(|last| last.failed && last.change == *landing.change);
    let back = landed.back || again.is_some_and(|again| again.back);
    through.push(Landed { back: back && landed.failed, ..landed });
    let forgotten = through.len().saturating_sub(MAX_LANDED);
    through.drain(..forgotten);
}

impl LandedRecord {
    pub fn is_empty(&self) -> bool {
        self.landed.is_empty() && self.rolled_back.is_empty() && self.broken.is_empty() && self.alone.is_empty()
    }

    /// What landed here through a gate, and was not taken back. The last comes last.
    pub fn through(&self, gate: &GateId) -> &[Landed] {
        self.landed.get(gate).map(Vec::as_slice).unwrap_or_default()
    }

    /// The gates through which something landed here, the one of the last first.
    pub(crate) fn gates(&self) -> Vec<&GateId> {
        let last = |gate: &GateId| self.through(gate).last().map(|landed| landed.at);
        let mut gates: Vec<&GateId> = self.landed.keys().filter(|gate| last(gate).is_some()).collect();
        gates.sort_by_key(|gate| std::cmp::Reverse(last(gate)));
        gates
    }

    /// Whether this takes back exactly the last of what landed here through its gate.
    pub(crate) fn is_undone_by(&self, landing: &Landing<'_>) -> bool {
        undone(self.through(landing.gate), &landing.effect, &landing.targets).is_some()
    }

    /// Takes a landing: what it undoes goes, else it is the last now. Of what was only started, or failed, nobody knows what it
    /// left: it is the last, and what it was to undo runs no more either.
    pub(crate) fn land(&mut self, landing: &Landing<'_>, undoes: bool) {
        let through = self.landed.entry(landing.gate.clone()).or_default();
        if landing.begun {
            return end(through, landing);
        }
        let kept = undone(through, &landing.effect, &landing.targets).filter(|_| undoes).map(|undone| undone.kept);
        let mut no_way_back = landing.no_way_back;
        if let Some(kept) = kept {
            no_way_back |= through.iter().skip(kept).any(|gone| gone.no_way_back);
            through.truncate(kept);
            if let Some(again) = through.last_mut() {
                again.over_rejection |= landing.over_rejection;
            }
        }
        if !landing.applied || kept.is_none() {
            push(
                through,
                landing,
                Landed { failed: !landing.applied, back: kept.is_some(), no_way_back, ..landed(landing) },
            );
        }
    }

    /// Takes a rollback on one signature.
    pub(crate) fn roll_back(&mut self, rolled: RolledBack) {
        let since = rolled.at.plus_secs(-SECOND_AFTER_SECS);
        self.rolled_back.retain(|known| known.unreviewed || known.at > since);
        self.rolled_back.push(rolled);
        let forgotten = self.rolled_back.len().saturating_sub(MAX_ROLLED_BACK);
        self.rolled_back.drain(..forgotten);
    }

    /// Takes what opens a gate whatever the rules say.
    pub(crate) fn break_glass(&mut self, broken: BrokenGlass) {
        self.broken.retain(|known| known.unreviewed && known.glass != broken.glass);
        self.broken.push(broken);
        let forgotten = self.broken.len().saturating_sub(MAX_ROLLED_BACK);
        self.broken.drain(..forgotten);
    }

    /// Takes what landed in an outage. How many are kept does not hang on what the log would have said.
    pub(crate) fn land_alone(&mut self, alone: LandedAlone) {
        self.alone.push(alone);
        let forgotten = self.alone.len().saturating_sub(MAX_ROLLED_BACK);
        self.alone.drain(..forgotten);
    }

    /// Somebody was asked to look at it.
    pub(crate) fn looks_at_alone(&mut self, change: &ChangeId) {
        self.alone.iter_mut().filter(|alone| alone.change == *change).for_each(|alone| alone.unreviewed = false);
    }

    /// What stands there now no permit of this gate put there: nothing is known of before.
    pub(crate) fn forget(&mut self, gate: &GateId) {
        self.landed.remove(gate);
    }
}
