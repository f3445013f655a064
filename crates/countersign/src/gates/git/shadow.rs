//! References that make a protected branch mean something else to those who read it, though the branch itself stands.
//!
//! Git looks a short name up in `refs/`, `refs/tags/`, `refs/heads/` and `refs/remotes/`, in this order (gitrevisions(7)),
//! and does so for `heads/main` and `refs/heads/main` as well. So `refs/tags/main` is what `git fetch URL main` brings, and
//! in a clone `refs/tags/origin/main` is what `origin/main` means. A replacement (`refs/replace/`) shows another object in
//! place of the one that was approved, whatever it is asked by.
//!
//! Whoever takes such a reference away again may.

use std::fmt;

use super::{GateConfig, Update};

const REPLACEMENTS: &str = "refs/replace/";

/// What stands before a branch's name where somebody means the branch: git's own folders, and what a repository is usually
/// called from which others clone.
const PREFIXES: [&str; 6] = ["refs", "heads", "tags", "remotes", "origin", "upstream"];

/// What a reference is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shadow<'a> {
    /// This protected branch.
    Branch(&'a str),
    /// Any object, one that was approved among them.
    Objects,
}

impl fmt::Display for Shadow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Branch(branch) => {
                write!(f, "who asks git for the protected {branch} by a short name can be given it instead")
            }
            Self::Objects => f.write_str("with it git shows another object in place of what was approved"),
        }
    }
}

/// What this reference would be taken for, if it were there.
pub fn shadow<'a>(config: &'a GateConfig, reference: &str) -> Option<Shadow<'a>> {
    if reference.starts_with(REPLACEMENTS) {
        return Some(Shadow::Objects);
    }
    if config.branch(reference).is_some() {
        return None;
    }
    let shadowed = config.branches.iter().find(|branch| stands_for(reference, branch.short()));
    shadowed.map(|branch| Shadow::Branch(&branch.branch))
}

/// Whether a reference is some spelling of this short name.
fn stands_for(reference: &str, short: &str) -> bool {
    // A folder of remote branches stands for its HEAD.
    [reference, reference.strip_suffix("/HEAD").unwrap_or(reference)].into_iter().any(|reference| {
        let Some(before) = reference.strip_suffix(short) else { return false };
        match before.strip_suffix('/') {
            Some(folders) => {
                folders.starts_with("refs/remotes/") || folders.split('/').all(|folder| PREFIXES.contains(&folder))
            }
            None => before.is_empty(),
        }
    })
}

/// Names beside `refs/` that git would look up first when somebody asks for this short name, or for one of its longer ones.
pub fn beside_refs(short: &str) -> Vec<String> {
    let folders = || PREFIXES.into_iter().filter(|folder| *folder != "refs");
    let one = folders().map(|folder| format!("{folder}/{short}"));
    let two = folders().flat_map(|outer| folders().map(move |inner| format!("{outer}/{inner}/{short}")));
    [short.to_owned()].into_iter().chain(one).chain(two).collect()
}

/// The first of these updates that would make such a reference, or move one.
pub fn first<'a, 'u>(config: &'a GateConfig, updates: &'u [Update]) -> Option<(&'u Update, Shadow<'a>)> {
    let brings = |update: &Update| update.new != update.old && !update.new.object().is_some_and(|new| new.is_zero());
    let mut found = updates.iter().filter(|update| brings(update));
    found.find_map(|update| Some((update, shadow(config, &update.reference)?)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_git_takes_for_a_protected_branch_is_a_shadow_of_it() {
        let text = "version: 1\nname: g\nrepository: shop\nurl: u\ncopy: /c\nbranches:\n  - branch: refs/heads/main\n    map: \
                    [{paths: '**', target: a/production}]\n  - branch: refs/heads/release/1\n    map: [{paths: '**', target: \
                    a/production}]\n";
        let config = GateConfig::parse(text, Path::new("gate.yaml")).unwrap();
        let is_shadow = |reference: &str| shadow(&config, reference).is_some();
        for reference in [
            "main",
            "heads/main",
            "origin/main",
            "refs/main",
            "refs/tags/main",
            "refs/remotes/main",
            "refs/remotes/main/HEAD",
            "refs/heads/heads/main",
            "refs/tags/heads/main",
            "refs/refs/heads/main",
            "refs/heads/refs/heads/main",
            "refs/tags/refs/heads/main",
            "refs/remotes/refs/heads/main",
            "refs/remotes/origin/main",
            "refs/remotes/anything/main",
            "refs/tags/origin/main",
            "refs/heads/origin/main",
            "refs/tags/remotes/origin/main",
            "refs/tags/release/1",
            "refs/replace/0123456789012345678901234567890123456789",
        ] {
            assert!(is_shadow(reference), "{reference}");
        }
        for reference in [
            "refs/heads/main",
            "refs/heads/release/1",
            "refs/heads/domain",
            "refs/tags/main-1",
            "refs/tags/v1/main",
            "refs/heads/alice/main",
            "refs/tags/release",
            "refs/notes/main",
            "refs/pull/1/head",
            "HEAD",
        ] {
            assert!(!is_shadow(reference), "{reference}");
        }
    }
}
