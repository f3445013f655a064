//! What a revision is made of, as far as rules ask: paths, size, the branch that it is for.

use std::collections::BTreeMap;

use crate::{
    change::Revision,
    facts::{PathStatus, RuledPath, Size},
    governance::Governance,
    snapshot::PathsView,
    subject::{FilesSubject, Subject},
};

/// What a revision does to the paths that rules name. The files of one that has no commits are there before and after.
pub(super) fn paths(governance: &Governance, revision: &Revision) -> BTreeMap<String, PathsView> {
    match &revision.subject {
        Subject::Git(_) => governance.rules.paths_of(revision.paths.as_deref()),
        Subject::Files(subject) => governance.rules.paths_of(Some(&files(subject))),
        // What governs decides about all of them.
        Subject::Governance(_) => governance.rules.paths_of(None),
    }
}

pub(super) fn files(subject: &FilesSubject) -> Vec<RuledPath> {
    let file = |path: &String| RuledPath {
        path: path.clone(),
        status: PathStatus::Modified,
        submodule: false,
        led: false,
        link: false,
        mode: false,
        lines: None,
    };
    subject.files.keys().map(file).collect()
}

/// How large a revision is, where a rule asks. Of files the log has no contents whose lines it could count.
pub(super) fn size(governance: &Governance, revision: &Revision) -> Option<Size> {
    let asked = governance.rules.ask_about("size");
    let size = || match &revision.subject {
        Subject::Git(_) => revision.size,
        Subject::Files(subject) => Some(Size::of_files(subject.files.len())),
        // Unknown, so that no rule takes it for small.
        Subject::Governance(_) => None,
    };
    asked.then(size).flatten()
}

/// The same without the paths of the patterns that rules leave out of it.
pub(super) fn size_without(governance: &Governance, revision: &Revision) -> BTreeMap<String, Size> {
    match &revision.subject {
        Subject::Git(_) => governance.rules.sizes_without(revision.paths.as_deref()),
        Subject::Files(subject) => governance.rules.sizes_without(Some(&files(subject))),
        Subject::Governance(_) => governance.rules.sizes_without(None),
    }
}

/// The branch that a revision is for, where a rule asks.
pub(super) fn branch(governance: &Governance, revision: &Revision) -> Option<String> {
    match &revision.subject {
        Subject::Git(subject) => governance.rules.ask_about("branch").then(|| subject.branch.clone()),
        Subject::Files(_) | Subject::Governance(_) => None,
    }
}
