//! What verification says: a verdict for each step, and the first leaf that does not hold.

use countersign_ledger::{LogKeys, checkpoint::Checkpoint};
use serde::{Deserialize, Serialize};

use super::{Completeness, again::Decisions, part::GovernedBefore};
use crate::{
    refusal::{Refusal, RefusalClass},
    state::State,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Holds,
    Broken,
    /// Of a later semantics than this program knows: not broken, not readable here.
    Newer,
    /// Nothing to check, or a step before it is broken.
    NotChecked,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    pub name: &'static str,
    pub verdict: Verdict,
    pub detail: String,
    /// The first leaf that does not hold.
    pub index: Option<u64>,
}

#[derive(Debug)]
pub struct Report {
    pub steps: Vec<Step>,
    pub checkpoint: Option<Checkpoint>,
    /// The state at the end of the copy, if all steps hold.
    pub state: Option<State>,
    /// Of a part of a log: governance as it stood when the first change in it began.
    pub begun: Option<GovernedBefore>,
    /// How far nothing can have been left out, if all steps hold.
    pub completeness: Option<Completeness>,
    /// By which key the log signs which sizes, as its leaves say, if all steps hold.
    pub log_keys: Option<LogKeys>,
}

impl Step {
    /// Whether it holds the log against what was pinned.
    pub fn is_by_the_trust_file(&self) -> bool {
        matches!(self.name, "checkpoint" | "genesis")
    }
}

impl Report {
    pub fn holds(&self) -> bool {
        self.nothing_against() && self.state.is_some()
    }

    pub(super) fn nothing_against(&self) -> bool {
        self.steps.iter().all(|step| match step.verdict {
            Verdict::Holds | Verdict::NotChecked => true,
            Verdict::Broken | Verdict::Newer => false,
        })
    }

    /// The first leaf that does not hold.
    pub fn first_broken(&self) -> Option<u64> {
        self.steps.iter().filter(|step| step.verdict == Verdict::Broken).find_map(|step| step.index)
    }
}

/// A step that failed: why, and at which leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub verdict: Verdict,
    /// Stable, kebab-case.
    pub code: &'static str,
    pub detail: String,
    pub index: Option<u64>,
}

impl Failure {
    pub(super) fn new(detail: impl Into<String>) -> Self {
        Self { verdict: Verdict::Broken, code: "broken", detail: detail.into(), index: None }
    }

    pub fn at(index: u64, detail: impl Into<String>) -> Self {
        Self { index: Some(index), ..Self::new(detail) }
    }

    /// A leaf that the checkpoint is not about.
    pub(super) fn beyond(index: u64, size: u64) -> Self {
        Self::at(index, format!("leaf {index} is not under a checkpoint of {size}"))
    }

    /// A leaf that core refused.
    pub fn refused(index: u64, refusal: &Refusal) -> Self {
        let verdict = match refusal.class {
            RefusalClass::Newer => Verdict::Newer,
            RefusalClass::Malformed
            | RefusalClass::Unauthenticated
            | RefusalClass::Forbidden
            | RefusalClass::Unknown
            | RefusalClass::Conflict
            | RefusalClass::Denied => Verdict::Broken,
        };
        Self { verdict, code: refusal.code, ..Self::at(index, format!("leaf {index}: {refusal}")) }
    }
}

impl Report {
    pub(super) fn begin() -> Self {
        Self { steps: Vec::new(), checkpoint: None, state: None, begun: None, completeness: None, log_keys: None }
    }

    pub(super) fn step<T>(
        &mut self,
        name: &'static str,
        check: impl FnOnce() -> Result<(T, String), Failure>,
    ) -> Option<T> {
        match check() {
            Ok((value, detail)) => {
                self.steps.push(Step { name, verdict: Verdict::Holds, detail, index: None });
                Some(value)
            }
            Err(failure) => {
                let Failure { verdict, code: _, detail, index } = failure;
                self.steps.push(Step { name, verdict, detail, index });
                None
            }
        }
    }

    pub(super) fn decisions(&mut self, decisions: &Decisions) {
        let (verdict, detail, index) = decisions.words();
        self.steps.push(Step { name: "decisions", verdict, detail, index });
    }

    /// How far followers vouch for it, and the state that all steps lead to.
    pub(super) fn conclude(&mut self, completeness: Result<Completeness, Failure>, state: Option<State>) {
        match completeness {
            Ok(complete) => {
                self.completeness = Some(complete);
                self.state = state;
            }
            Err(Failure { verdict, code: _, detail, index }) => {
                self.steps.push(Step { name: "cosigners", verdict, detail, index });
            }
        }
    }
}

/// A number and what there are so many of.
pub(super) fn count(n: u64, what: &str) -> String {
    match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}
