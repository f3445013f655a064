//! What somebody looks at before they sign: contents from the server, from a clone or from files, each compared here with the id by
//! which the signed statements name it, and the difference that they make.
//!
//! Invariant: `seen` never says more than was shown. A path that is not shown whole makes it `none`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use countersign_core::{
    change::Revision,
    facts::{GitFacts, TouchedPath},
    governance::read_manifest,
    ids::Oid,
    statement::Seen,
    subject::{GitSubject, GovernanceSubject, Subject},
};
use countersign_ledger::Digest;

use super::{
    approve,
    content::Computed,
    error::CliError,
    material,
    output::{bad, bold, count, faint, good, warn},
};
use crate::{
    client::{Client, ClientError},
    difference::{Contents, Kind, Length, Shown, show},
    erasing::there,
    files,
    git::Repository,
    material::{Naming, objects, replaced, touched},
    publication::InForce,
    reading::Reading,
    wire::Material,
};

/// Larger contents of a clone are not read here.
const MAX_READ: usize = 64 * 1024 * 1024;
/// Pages that a server may have of one change.
const MAX_PAGES: usize = 1_000;
/// Paths that are named of those that are not shown whole.
const NAMED: usize = 5;

/// Where contents come from.
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a> {
    Server(&'a Client),
    Clone(&'a Path),
    Files(&'a [PathBuf]),
}

impl<'a> Origin<'a> {
    pub fn of(client: &'a Client, git: Option<&'a Path>, files: &'a [PathBuf]) -> Self {
        match (git, files) {
            (Some(path), _) => Self::Clone(path),
            (None, []) => Self::Server(client),
            (None, files) => Self::Files(files),
        }
    }
}

/// What is shown, and how it was at hand.
#[derive(Debug)]
pub struct Looked {
    pub shown: Vec<Shown>,
    pub seen: Seen,
    /// Why there was nothing to show, where the server said so.
    why: Option<String>,
}

/// What the present revision brings: what would be signed.
pub fn look(reading: &Reading, origin: Origin<'_>, length: Length) -> Result<Looked, CliError> {
    let paths = match (reading.subject(), &origin) {
        // Compared with what it has put in force itself, it would change nothing.
        (Subject::Governance(subject), Origin::Server(client)) if !reading.change().status.is_open() => {
            let genesis = &reading.state().governance.record.genesis;
            governed(reading, &InForce::up_to(&client.published()?, genesis, &subject.parent)?.files, subject)?
        }
        _ => paths(reading, reading.revision())?,
    };
    // That a clone or files are what the change is about is worth more than their contents.
    let at_best = match origin {
        Origin::Server(_) => Seen::Material,
        Origin::Clone(path) => approve::recompute(reading, Some(path), &[]).map(|_| Seen::Computed)?,
        Origin::Files(files) => approve::recompute(reading, None, files).map(|_| Seen::Computed)?,
    };
    looked(reading, &paths, origin, length, at_best)
}

/// What commits in a clone bring, of which no log was asked.
pub fn in_clone(computed: &Computed, clone: &Path, length: Length) -> Result<Looked, CliError> {
    let paths = computed.extracted.iter().flat_map(|(facts, _)| facts.paths.clone()).collect::<Vec<_>>();
    let (naming, wanted) = (Naming::of(&computed.subject), objects(&paths));
    let git = Repository::open(clone)?;
    let mut contents = Contents::new();
    for id in wanted {
        if let Some(bytes) = git.blob(&id, MAX_READ)?
            && naming.check(&id, &bytes).is_ok()
        {
            contents.insert(id, bytes);
        }
    }
    let shown = show(&paths, &contents, length);
    let seen = if shown.iter().all(Shown::is_whole) { Seen::Computed } else { Seen::None };
    Ok(Looked { shown, seen, why: None })
}

/// What files bring that were read, of which no log was asked.
pub fn in_files(computed: &Computed, length: Length) -> Looked {
    let paths = touched(&computed.subject, None);
    let shown = show(&paths, &computed.read, length);
    let seen = if shown.iter().all(Shown::is_whole) { Seen::Computed } else { Seen::None };
    Looked { shown, seen, why: None }
}

/// What the present revision would make of each path, compared with what an earlier one would have made of it.
pub fn since(reading: &Reading, then: u32, origin: Origin<'_>, length: Length) -> Result<Looked, CliError> {
    let earlier = reading.change().revisions.iter().find(|revision| revision.reference.number == then);
    let earlier = earlier.ok_or_else(|| {
        let (id, now) = (reading.change().id.short(), reading.revision_ref().number);
        CliError::usage(format!("change {id} has no revision {then}: its present one is {now}"))
    })?;
    let between = between(&paths(reading, earlier)?, &paths(reading, reading.revision())?);
    looked(reading, &between, origin, length, Seen::None)
}

/// Where a revision leaves a path alone, it is what it was before the other one.
fn between(then: &[TouchedPath], now: &[TouchedPath]) -> Vec<TouchedPath> {
    let by_path = |paths: &[TouchedPath]| -> BTreeMap<String, TouchedPath> {
        paths.iter().map(|touched| (touched.path.clone(), touched.clone())).collect()
    };
    let (then, now) = (by_path(then), by_path(now));
    let all: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
    let one = |path: &String| {
        let (old, new) = match (then.get(path), now.get(path)) {
            (Some(then), Some(now)) => (then.new.clone(), now.new.clone()),
            (Some(then), None) => (then.new.clone(), then.old.clone()),
            (None, Some(now)) => (now.old.clone(), now.new.clone()),
            (None, None) => (None, None),
        };
        (old != new).then(|| TouchedPath { path: path.clone(), old, new })
    };
    all.into_iter().filter_map(one).collect()
}

/// What a revision touches, by its signed statement and the blobs that it names.
fn paths(reading: &Reading, revision: &Revision) -> Result<Vec<TouchedPath>, CliError> {
    let unfit = |what: &str| {
        let message =
            format!("revision {} of change {}: {what}", revision.reference.number, reading.change().id.short());
        CliError::new("no-facts", message).hint("look at it in your clone: git diff BASE HEAD")
    };
    match &revision.subject {
        Subject::Files(_) => Ok(touched(&revision.subject, None)),
        Subject::Governance(subject) => governed(reading, &reading.state().governance.record.files, subject),
        Subject::Git(GitSubject { delta, .. }) => {
            let blob = revision.facts.and_then(|digest| reading.blob(&digest));
            let facts = GitFacts::parse(blob.ok_or_else(|| unfit("its facts are not here"))?)?;
            if facts.delta != *delta {
                return Err(unfit("its facts are of another difference"));
            }
            Ok(facts.paths)
        }
    }
}

/// What it replaces of these files.
fn governed(
    reading: &Reading,
    before: &BTreeMap<String, Digest>,
    subject: &GovernanceSubject,
) -> Result<Vec<TouchedPath>, CliError> {
    let list = |digest: &Digest| reading.blob(digest).map(<[u8]>::to_vec);
    Ok(replaced(before, &read_manifest(&subject.files, &list)?))
}

fn looked(
    reading: &Reading,
    paths: &[TouchedPath],
    origin: Origin<'_>,
    length: Length,
    at_best: Seen,
) -> Result<Looked, CliError> {
    let (contents, why) = contents(reading, paths, origin)?;
    let shown = show(paths, &contents, length);
    let seen = if shown.iter().all(Shown::is_whole) { at_best } else { Seen::None };
    Ok(Looked { shown, seen, why })
}

/// What these paths hold, from there; and why that is nothing, where the server said so.
fn contents(
    reading: &Reading,
    paths: &[TouchedPath],
    origin: Origin<'_>,
) -> Result<(Contents, Option<String>), CliError> {
    let (naming, wanted) = (Naming::of(reading.subject()), objects(paths));
    let mut why = None;
    let mut contents = Contents::new();
    let mut keep = |id: Oid, bytes: Vec<u8>| {
        if wanted.contains(&id) && naming.check(&id, &bytes).is_ok() {
            contents.insert(id, bytes);
        }
    };
    match origin {
        // Governance files come with the statements that name them, and stay while they are in force.
        Origin::Server(client) if matches!(reading.subject(), Subject::Governance(_)) => {
            for id in &wanted {
                let Ok(digest) = format!("sha256:{id}").parse::<Digest>() else { continue };
                let bytes = match reading.blob(&digest) {
                    Some(bytes) => Some(bytes.to_vec()),
                    None => there(client, &digest)?,
                };
                if let Some(bytes) = bytes {
                    keep(id.clone(), bytes);
                }
            }
        }
        Origin::Server(client) if !wanted.is_empty() => {
            if let Err(error) = fetch(client, reading, &mut keep) {
                why = Some(error.to_string());
            }
        }
        Origin::Server(_) => {}
        Origin::Clone(path) => {
            let git = Repository::open(path)?;
            for id in &wanted {
                if let Some(bytes) = git.blob(id, MAX_READ)? {
                    keep(id.clone(), bytes);
                }
            }
        }
        Origin::Files(paths) => {
            for file in files::read_files(paths)?.into_values() {
                if let Ok(id) = Digest::of(&file.bytes).hex().parse() {
                    keep(id, file.bytes);
                }
            }
        }
    }
    Ok((contents, why))
}

/// A path as the present revision leaves it.
pub enum After {
    Content(Vec<u8>),
    /// It is gone then, or has no content of its own.
    Nothing,
    /// The server does not have it, or too much to look through.
    Unknown,
}

/// What a path holds after a change, compared with what is signed.
pub fn after(reading: &Reading, client: &Client, path: &str) -> Result<After, CliError> {
    let paths = paths(reading, reading.revision())?;
    let Some(touched) = paths.into_iter().find(|touched| touched.path == path) else { return Ok(After::Unknown) };
    let one = TouchedPath { old: None, ..touched };
    let Some(id) = objects(std::slice::from_ref(&one)).into_iter().next() else { return Ok(After::Nothing) };
    let contents = contents(reading, std::slice::from_ref(&one), Origin::Server(client))?.0;
    Ok(contents.get(&id).cloned().map_or(After::Unknown, After::Content))
}

/// All that a server has of a change. It may be anything.
fn fetch(client: &Client, reading: &Reading, keep: &mut impl FnMut(Oid, Vec<u8>)) -> Result<(), ClientError> {
    let mut after: Option<Oid> = None;
    for _ in 0..MAX_PAGES {
        let page: Material = client.material(&reading.change().id, after.as_ref())?;
        for (id, bytes) in page.bytes().unwrap_or_default() {
            keep(id, bytes);
        }
        match page.next {
            Some(next) if after.as_ref().is_none_or(|after| next > *after) => after = Some(next),
            Some(_) | None => break,
        }
    }
    Ok(())
}

impl Looked {
    pub fn is_whole(&self) -> bool {
        self.shown.iter().all(Shown::is_whole)
    }

    /// `3 paths, 10 lines added, 2 removed`.
    pub fn size(&self) -> String {
        let sum = |of: fn(&Shown) -> usize| self.shown.iter().map(of).sum::<usize>();
        let (added, removed) = (sum(|shown| shown.added), sum(|shown| shown.removed));
        format!("{}, {} added, {removed} removed", count(self.shown.len(), "path"), count(added, "line"))
    }

    /// How it was at hand, in words; and where not all of it was, what is lacking and where it is.
    pub fn told(&self, reading: &Reading) -> Vec<String> {
        if self.is_whole() {
            return vec![match self.seen {
                Seen::Material => "seen: material, each content was compared here with what is signed".to_owned(),
                Seen::Computed => "seen: computed, these digests are of what you have here".to_owned(),
                Seen::None | Seen::Shown => "each content was compared here with what is signed".to_owned(),
            }];
        }
        let lacking: Vec<&Shown> = self.shown.iter().filter(|shown| !shown.is_whole()).collect();
        let all = count(self.shown.len(), "path");
        let mut lines = vec![format!("seen: none, {} of {all} cannot be shown whole here:", lacking.len())];
        let named = lacking.iter().take(NAMED);
        lines.extend(named.map(|shown| format!("  {}: {}", shown.path, shown.lacks.join("; "))));
        let more = lacking.len().saturating_sub(NAMED);
        if more > 0 {
            lines.push(format!("  … and {more} more"));
        }
        lines.extend(self.why.as_ref().map(|why| format!("the server: {why}")));
        lines.push(match reading.subject() {
            Subject::Git(GitSubject { repository, base, head, .. }) => {
                let pushed = material::reference(&reading.change().id, reading.revision_ref().number);
                format!(
                    "to see all of it: fetch {base} and {head} of {repository} ({pushed}, if it was proposed with --push), and pass --git REPO"
                )
            }
            Subject::Files(_) => "to see all of it: pass --file PATH for each file, as you have it".to_owned(),
            Subject::Governance(_) => "what is lacking was erased, or is held back by the server".to_owned(),
        });
        lines
    }

    /// The difference, with the escapes of a terminal.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for shown in &self.shown {
            for line in &shown.lines {
                let text = &line.text;
                let styled = match line.kind {
                    Kind::Header => bold(anstyle::Style::new(), text),
                    Kind::Words => warn(text),
                    Kind::Lacking => bad(text),
                    Kind::Hunk => faint(text),
                    Kind::Context => text.clone(),
                    Kind::Added => good(text),
                    Kind::Removed => bad(text),
                };
                out.push_str(&styled);
                out.push('\n');
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use countersign_core::facts::Entry;

    use super::*;

    fn path(path: &str, old: &str, new: &str) -> TouchedPath {
        let side = |digit: &str| {
            let entry = || Entry { mode: 0o100_644, id: digit.repeat(40).parse().unwrap() };
            (!digit.is_empty()).then(entry)
        };
        TouchedPath { path: path.to_owned(), old: side(old), new: side(new) }
    }

    #[test]
    fn two_revisions_are_compared_by_what_they_would_make_of_paths() {
        let then = [path("both", "1", "2"), path("dropped", "1", "2"), path("same", "1", "2")];
        // Rebased: what it was before is another one.
        let now = [path("both", "3", "4"), path("more", "", "5"), path("same", "3", "2")];
        let expected = [path("both", "2", "4"), path("dropped", "2", "1"), path("more", "", "5")];
        assert_eq!(between(&then, &now), expected);
    }
}
