//! What a push brings, computed here from the objects and from nothing that anybody says: the candidates for an approved
//! head, their facts, the targets that their paths reach, and whether the push lands exactly that.

use std::collections::BTreeSet;

use countersign_core::{
    facts::{self, FactsError, GitFacts, LandingError, NotALanding, Range, git::GitRead as _, guidance_review},
    ids::{ChangeId, Oid, Target},
    statement::{FoundDocument, ObservedDocument},
};
use countersign_ledger::Digest;

use super::{
    Branch, GateError, GitGate,
    refused::{Refused, shell_word},
};
use crate::git::Repository;

const NAMED_PATHS: usize = 3;

/// The largest cited document that is read.
const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;

/// One push to one protected branch.
#[derive(Debug)]
pub(super) struct Push<'a> {
    pub gate: &'a GitGate,
    pub repository: &'a Repository,
    pub branch: &'a Branch,
    pub old: Oid,
    pub new: Oid,
}

/// An approved head as the push would land it.
#[derive(Debug)]
pub(super) struct Examined {
    pub facts: GitFacts,
    pub targets: BTreeSet<Target>,
}

impl Push<'_> {
    /// Refuses what no change could make right, before anybody is asked.
    pub fn shape(&self) -> Result<(), GateError> {
        let branch = &self.branch.branch;
        if self.new.is_zero() {
            return Err(Refused::new("deletion", format!("{branch} is protected and cannot be deleted"))
                .note("to stop protecting it, take it out of countersign/gate.yaml on the server")
                .into());
        }
        if self.old.is_zero() {
            return Err(Refused::new("creation", format!("{branch} is protected and is not there yet"))
                .note("without a tip there is no range that anybody could review;")
                .note("whoever runs the repository pushes the first history before `countersign gate install`")
                .into());
        }
        let new = self.repository.commit(&self.new)?;
        if new.parents.len() > 2 {
            return Err(Refused::new(
                "octopus",
                format!("{} merges {} commits at once", self.new.short(), new.parents.len()),
            )
            .note("land the approved heads one after the other, each with `git merge --no-ff`")
            .into());
        }
        if self.repository.merge_base(&self.old, &self.new)?.as_ref() != Some(&self.old) {
            return Err(Refused::new(
                "not-fast-forward",
                format!("{} does not contain {}, the tip of {branch}", self.new.short(), self.old.short()),
            )
            .note("what has landed stays; to undo it, propose a change that reverts it")
            .command(format!("git fetch && git merge origin/{}", shell_word(self.branch.short())))
            .into());
        }
        Ok(())
    }

    /// Commits of the push that could be an approved head.
    pub fn candidates(&self) -> Result<Vec<Oid>, GateError> {
        Ok(facts::head_of_push(self.repository, &self.old, &self.new)?)
    }

    /// Extracts the facts of a head, and checks that the push lands it and that everything it touches is mapped. `change`
    /// is one that was proposed for it.
    pub fn examine(&self, head: &Oid, change: Option<&ChangeId>) -> Result<Examined, GateError> {
        let facts = self.facts(head)?;
        facts::landing(self.repository, &self.old, &self.new, &facts).map_err(|error| match error {
            LandingError::Git(error) => error.into(),
            LandingError::Not(reason) => GateError::from(self.no_landing(&reason, &facts, change)),
        })?;
        let targets = self.targets(&facts)?;
        Ok(Examined { facts, targets })
    }

    fn no_landing(&self, reason: &NotALanding, facts: &GitFacts, change: Option<&ChangeId>) -> Refused {
        let refused = Refused::new(landing_code(reason), reason.to_string());
        let again = |range: &str| match change {
            Some(change) => format!("countersign revise {change} {range}"),
            None => self.proposal(&self.targets(facts).unwrap_or_default(), range),
        };
        match reason {
            NotALanding::EvilMerge { .. } => refused
                .note("make the merge again and leave it as git makes it:")
                .command(format!("git reset --hard {} && git merge --no-ff {}", self.old.short(), facts.head.short()))
                .note("or have the merge itself reviewed:")
                .command(again(&self.range(&self.new))),
            NotALanding::NotHead { .. }
            | NotALanding::BaseGone { .. }
            | NotALanding::Overlap { .. }
            | NotALanding::Unreviewed { .. }
            | NotALanding::Conflicts { .. } => {
                let tip = format!("origin/{}", self.branch.short());
                let range = self.range_of(&tip, "HEAD");
                refused
                    .command(format!("git checkout {} && git merge {}", facts.head.short(), shell_word(&tip)))
                    .command(again(&range))
            }
            NotALanding::ForeignParent { .. }
            | NotALanding::Creation { .. }
            | NotALanding::Deletion
            | NotALanding::Octopus { .. }
            | NotALanding::NotFastForward { .. } => refused,
        }
    }

    fn facts(&self, head: &Oid) -> Result<GitFacts, GateError> {
        let range = Range {
            repository: self.gate.config.repository.clone(),
            branch: self.branch.branch.clone(),
            tip: self.old.clone(),
            head: head.clone(),
        };
        facts::facts(self.repository, &range).map_err(|error| match error {
            FactsError::Git(error) => error.into(),
            FactsError::Unrelated { .. }
            | FactsError::AlreadyLanded { .. }
            | FactsError::EmptyDelta { .. }
            | FactsError::TooMany { .. }
            | FactsError::PathTooLong { .. } => GateError::from(Refused::new("no-range", error.to_string())),
        })
    }

    fn targets(&self, facts: &GitFacts) -> Result<BTreeSet<Target>, GateError> {
        let reached = self.branch.reached(facts.paths.iter().map(|change| change.path.as_str()));
        if reached.unmapped.is_empty() {
            return Ok(reached.targets);
        }
        let named: Vec<&str> = reached.unmapped.iter().copied().take(NAMED_PATHS).collect();
        let more = match reached.unmapped.len() - named.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Err(Refused::new("unmapped-path", format!("no entry of the gate's map names {}{more}", named.join(", ")))
            .note("whoever runs the repository says what these paths reach, in countersign/gate.yaml;")
            .note("an entry `**` catches whatever the others do not")
            .into())
    }

    /// The command that proposes this push.
    pub fn propose(&self, head: &Oid, targets: &BTreeSet<Target>) -> String {
        self.proposal(targets, &self.range(head))
    }

    fn proposal(&self, targets: &BTreeSet<Target>, range: &str) -> String {
        let targets: String = targets.iter().map(|target| format!(" --target {target}")).collect();
        format!("countersign propose{targets} --kind code {range} --title \"...\" --why \"...\"")
    }

    /// The options that name this push to the command line.
    pub fn range(&self, head: &Oid) -> String {
        self.range_of(self.old.short(), head.short())
    }

    fn range_of(&self, tip: &str, head: &str) -> String {
        let (repository, branch) = (&self.gate.config.repository, shell_word(self.branch.short()));
        format!("--git . --repository {repository} --branch {branch} --range {}", shell_word(&format!("{tip}..{head}")))
    }

    /// Reads cited documents that lie on the protected branch as it is, before the push, and refuses where the server
    /// says something better of them. What it calls missing counts as stale, which makes nothing easier.
    pub fn guidance(&self, observed: &[ObservedDocument]) -> Result<(), GateError> {
        if !self.gate.config.guidance {
            return Ok(());
        }
        for document in observed {
            let Some(said) = &document.found else { continue };
            let Some(bytes) = self.repository.blob_at(&self.old, &document.path, MAX_DOCUMENT_BYTES)? else { continue };
            let due = guidance_review(&String::from_utf8_lossy(&bytes)).map(|review| review.due);
            let FoundDocument { content, review_due, .. } = said;
            if *content != Digest::of(&bytes) || *review_due != due {
                return Err(Refused::new(
                    "guidance-differs",
                    format!("{} is not here what the server says that it is", document.path),
                )
                .note("the server may read a copy that lags behind: try again in a minute")
                .into());
            }
        }
        Ok(())
    }
}

fn landing_code(reason: &NotALanding) -> &'static str {
    match reason {
        NotALanding::Creation { .. } => "creation",
        NotALanding::Deletion => "deletion",
        NotALanding::NotHead { .. } => "not-the-head",
        NotALanding::Octopus { .. } => "octopus",
        NotALanding::NotFastForward { .. } => "not-fast-forward",
        NotALanding::ForeignParent { .. } => "foreign-parent",
        NotALanding::BaseGone { .. } => "base-gone",
        NotALanding::Overlap { .. } => "overlap",
        NotALanding::Unreviewed { .. } => "unreviewed-paths",
        NotALanding::Conflicts { .. } => "conflicts",
        NotALanding::EvilMerge { .. } => "evil-merge",
    }
}
