//! What a push brings, computed here from the objects and from nothing that anybody says: its delta, by which the changes
//! that it could land are found; the targets that its paths reach; and, for the range that a change names, the facts of
//! that range and whether the push lands it.

use std::collections::BTreeSet;

use countersign_core::{
    facts::{
        self, FactsError, GitFacts, Identities, LandingError, NotALanding, Range, TouchedPath, delta,
        git::GitRead as _, guidance_review,
    },
    ids::{ChangeId, Nonce, Oid, Target},
    requirement::Document,
    statement::{FoundDocument, ObservedDocument},
};
use countersign_ledger::Digest;

use super::{
    Branch, GateError, GitGate,
    config::Place,
    refused::{Refused, shell_word},
};
use crate::git::{GitError, LINK, Repository, SUBMODULE};

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

/// The range that a change names, and what its references to people are made with.
#[derive(Clone, Debug)]
pub(super) struct Named<'a> {
    pub change: &'a ChangeId,
    pub base: &'a Oid,
    pub head: &'a Oid,
    pub salt: &'a Nonce,
}

impl Push<'_> {
    /// Refuses what no change could make right, before anybody is asked.
    pub fn shape(&self) -> Result<(), GateError> {
        let branch = &self.branch.branch;
        facts::moves_on(self.repository, &self.old, &self.new).map_err(|error| match error {
            LandingError::Git(error) => error.into(),
            LandingError::Not(reason) => {
                let refused = Refused::new(reason.code(), format!("{branch} is protected: {reason}"));
                GateError::from(match reason {
                    NotALanding::NotFastForward { .. } => refused
                        .note(reason.way_out())
                        .command(format!("git fetch && git merge origin/{}", shell_word(self.branch.short()))),
                    NotALanding::Creation
                    | NotALanding::Deletion
                    | NotALanding::Octopus { .. }
                    | NotALanding::ForeignParent { .. }
                    | NotALanding::NotTheHead { .. }
                    | NotALanding::DeltaDiffers { .. }
                    | NotALanding::UnreviewedCommits { .. }
                    | NotALanding::EmptyCommit { .. }
                    | NotALanding::UnreviewedAuthor { .. }
                    | NotALanding::UnreviewedCoAuthor { .. }
                    | NotALanding::TooManyReplays { .. } => refused.note(reason.way_out()),
                })
            }
        })
    }

    /// The delta of the push: that of every change that it could land.
    pub fn delta(&self) -> Result<Digest, GateError> {
        Ok(facts::delta_of(self.repository, &self.old, &self.new)?)
    }

    /// Commits of the push that somebody may have proposed, for what a developer is told.
    pub fn candidates(&self) -> Result<Vec<Oid>, GateError> {
        Ok(facts::head_of_push(self.repository, &self.old, &self.new)?)
    }

    /// How many commits the pushed one merges.
    pub fn parents(&self) -> Result<usize, GateError> {
        Ok(self.repository.commit(&self.new)?.parents.len())
    }

    /// Extracts the facts of the range that a change names, and checks that the push lands exactly that.
    pub fn examine(&self, named: &Named<'_>) -> Result<(GitFacts, Identities), GateError> {
        let (facts, identities) = self.facts(named)?;
        facts::landing(self.repository, &self.old, &self.new, &facts).map_err(|error| match error {
            LandingError::Git(error) => error.into(),
            LandingError::Not(reason) => GateError::from(self.no_landing(&reason, named)),
        })?;
        Ok((facts, identities))
    }

    fn no_landing(&self, reason: &NotALanding, named: &Named<'_>) -> Refused {
        let refused = Refused::new(reason.code(), format!("this is not change {}: {reason}", named.change.short()))
            .note(reason.way_out())
            .about(named.change);
        match reason {
            NotALanding::ForeignParent { .. } | NotALanding::NotTheHead { .. } | NotALanding::TooManyReplays { .. } => {
                let (tip, head) = (self.old.short(), named.head.short());
                // On a branch of its own: what was pushed may have work in it that lies nowhere else.
                refused.command(format!("git switch -c land {tip} && git merge --no-ff {head}"))
            }
            NotALanding::DeltaDiffers { .. } if self.stands_on_more(named) => refused
                .note(format!("it stands on {}, which the branch does not have: that lands first", named.base.short()))
                .command(format!("git push origin {}:{}", named.base.short(), shell_word(self.branch.short())))
                .note("or make all of it the next revision:")
                .command(format!("countersign revise {} {}", named.change.short(), self.range(&self.new))),
            NotALanding::DeltaDiffers { .. }
            | NotALanding::UnreviewedCommits { .. }
            | NotALanding::EmptyCommit { .. }
            | NotALanding::UnreviewedAuthor { .. }
            | NotALanding::UnreviewedCoAuthor { .. } => {
                refused.command(format!("countersign revise {} {}", named.change.short(), self.range(&self.new)))
            }
            NotALanding::Creation
            | NotALanding::Deletion
            | NotALanding::Octopus { .. }
            | NotALanding::NotFastForward { .. } => refused,
        }
    }

    /// Whether a change starts from a commit that is new to the branch: whatever that brings has to land, too.
    fn stands_on_more(&self, named: &Named<'_>) -> bool {
        self.repository.range(&self.old, named.base, 1).is_ok_and(|commits| !commits.is_empty())
    }

    fn facts(&self, named: &Named<'_>) -> Result<(GitFacts, Identities), GateError> {
        let range = Range {
            repository: self.gate.config.repository.clone(),
            branch: self.branch.branch.clone(),
            base: named.base.clone(),
            head: named.head.clone(),
        };
        facts::facts(self.repository, &range, named.salt).map_err(|error| match error {
            // Whoever squashes or rebases pushes other commits than those that were approved.
            FactsError::Git(GitError::NoObject { .. }) => GateError::from(
                Refused::new(
                    "commits-missing",
                    format!("the repository does not have the commits that change {} is about", named.change.short()),
                )
                .note("they are needed to compare what is pushed with what was approved; push them beside it:")
                .command(format!("git push origin {}:refs/heads/review/{}", named.head, named.change.short()))
                .about(named.change),
            ),
            FactsError::Git(error) => error.into(),
            FactsError::NothingNew { .. }
            | FactsError::NotOnBase { .. }
            | FactsError::EmptyDelta { .. }
            | FactsError::TooMany { .. }
            | FactsError::PathTooLong { .. } => GateError::from(Refused::new("no-range", error.to_string())),
        })
    }

    /// What the paths of the push reach. All of them have to be mapped.
    pub fn targets(&self) -> Result<BTreeSet<Target>, GateError> {
        let paths = delta::touched(&self.repository.diff(&self.old, &self.new)?);
        let mut reached = self.branch.reached(paths.iter().map(place));
        if reached.unmapped.is_empty() {
            reached.targets.extend(led(self.repository, self.branch, &self.new, &paths)?);
            return Ok(reached.targets);
        }
        let named: Vec<&str> = reached.unmapped.iter().copied().take(NAMED_PATHS).collect();
        let more = match reached.unmapped.len() - named.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Err(Refused::new("unmapped-path", format!("no entry of the gate's map names {}{more}", named.join(", ")))
            .note("whoever runs the repository says what these paths reach, in countersign/gate.yaml;")
            .note("`else: SYSTEM/ENVIRONMENT` there is for whatever no entry names")
            .note("every entry that matches a path counts, so `**` would add its target to all of them")
            .into())
    }

    /// The command that proposes this push.
    pub fn propose(&self, head: &Oid, targets: &BTreeSet<Target>, documents: &BTreeSet<Document>) -> String {
        let targets: String = targets.iter().map(|target| format!(" --target {target}")).collect();
        let flag = |document: &Document| match document {
            // Which everybody is asked for.
            Document::Why => None,
            Document::Risk => Some("--risk"),
            Document::Rollback => Some("--rollback"),
            Document::Tests => Some("--tests"),
        };
        let further: String = documents.iter().filter_map(flag).map(|flag| format!(" {flag} \"...\"")).collect();
        format!("countersign propose{targets} --kind code {} --title \"...\" --why \"...\"{further}", self.range(head))
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

/// What a move to this commit reaches by symbolic links besides: all of the branch's where nobody can tell.
pub(super) fn led(
    repository: &Repository,
    branch: &Branch,
    new: &Oid,
    paths: &[TouchedPath],
) -> Result<BTreeSet<Target>, GitError> {
    let led = facts::led(repository, new, paths)?;
    if led.unknown {
        return Ok(branch.targets().cloned().collect());
    }
    let places = led.paths.iter().map(|led| if led.below { Place::Folder(&led.path) } else { Place::File(&led.path) });
    Ok(branch.reached(places).targets)
}

pub(super) fn place(touched: &TouchedPath) -> Place<'_> {
    let leads = |mode: u32| mode == SUBMODULE || mode == LINK;
    let is_folder = [&touched.old, &touched.new].into_iter().flatten().any(|entry| leads(entry.mode));
    if is_folder { Place::Folder(&touched.path) } else { Place::File(&touched.path) }
}
