//! Bundles of changes that somebody carried to this gate while it cannot reach the log: what was approved since it last followed. They
//! lie beside its journal until it follows the log again, which knows more.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use countersign_core::{
    change::Change,
    ids::ChangeId,
    permit::span,
    refusal::Refusal,
    subject::{GitSubject, Subject},
};
use countersign_ledger::{Digest, SignedCheckpoint, Time};

use super::{
    FOLDER, GateError, GitGate,
    alone::{latest, refused},
    outage::Brought,
    refused::Refused,
};
use crate::{
    bundle::{self, Bundle},
    durable,
    gates::desk::{Carried, Desk, DeskError},
};

const CARRIED: &str = "bundles";
/// More than people carry by hand; a bound on what a push reads.
const MAX_KEPT: usize = 16;

/// What became of a bundle that was handed over.
#[derive(Clone, Debug)]
pub struct Taken {
    pub change: String,
    /// How many seconds ago enough followers vouched for it.
    pub age_secs: i64,
}

impl Taken {
    pub fn words(&self) -> String {
        format!("change {} as followers vouched for it {} ago", self.change, span(self.age_secs))
    }
}

/// Takes a bundle, without the server, and whether or not it is there: where this gate may decide by it, and where it tells of what
/// came between, which then counts against its change.
pub fn take(gate: &GitGate, file: &Path, now: Time) -> Result<Taken, GateError> {
    let unusable = |why: String| {
        Refusal::malformed("bundle", why).hint("it is the file that `countersign bundle CHANGE --out FILE` wrote")
    };
    let bundle = bundle::read(file).map_err(|error| unusable(error.to_string()))?;
    let mut desk = gate.desk()?;
    let latest = latest(gate, &desk, now)?;
    desk.check_alone(latest)?;
    let judged = desk.carried(&bundle, latest).and_then(|carried| {
        let age_secs = desk.may_decide_by(&carried, &carried.change.targets, latest)?;
        desk.judge_carried(&carried, latest)?;
        Ok(age_secs)
    });
    match judged {
        Ok(age_secs) => {
            keep(gate, &bundle)?;
            Ok(Taken { change: bundle.change.short().to_owned(), age_secs })
        }
        Err(error) => {
            if stops(&error) {
                keep(gate, &bundle)?;
            }
            Err(error.into())
        }
    }
}

/// Whether what a bundle says keeps its change from landing, so that it is kept for that.
fn stops(error: &DeskError) -> bool {
    match error {
        DeskError::Denied(_) => true,
        DeskError::Refused(refusal) => ["log-moved", "change-closed", "already-applying"].contains(&refusal.code),
        _ => false,
    }
}

/// Of how many leaves it is.
fn leaves(gate: &GitGate, bundle: &Bundle) -> u64 {
    let note = SignedCheckpoint::open(&bundle.evidence.checkpoint, &gate.trust.log_key).ok();
    note.map_or(0, |note| note.checkpoint().size)
}

fn keep(gate: &GitGate, bundle: &Bundle) -> Result<(), GateError> {
    let folder = folder(gate);
    let path = folder.join(format!("{}.tar", bundle.change.as_str()));
    let size = |bundle: &Bundle| leaves(gate, bundle);
    // Whoever brings an earlier one takes nothing back of what a later one told.
    if let Some(before) = bundle::read(&path).ok().filter(|before| size(before) > size(bundle)) {
        return Err(Refusal::forbidden(
            "bundle-older",
            format!(
                "this gate has a bundle of change {} of {} leaves, and this one is of {}",
                bundle.change.short(),
                size(&before),
                size(bundle)
            ),
        )
        .hint("bring the newest one")
        .into());
    }
    let kept = durable::folder(&folder).and_then(|()| {
        let others = fs::read_dir(&folder)?.filter_map(Result::ok).filter(|entry| entry.path() != path).count();
        if others >= MAX_KEPT { Ok(false) } else { durable::replace(&path, bundle.to_tar()?).map(|()| true) }
    });
    match kept {
        Ok(true) => Ok(()),
        Ok(false) => {
            Err(Refusal::conflict("too-many-bundles", format!("this gate keeps {MAX_KEPT} bundles at the most"))
                .hint(format!("remove those that are of no use any more from {}", folder.display()))
                .into())
        }
        Err(error) => Err(failed(&folder, &error).into()),
    }
}

/// A bundle of a change that brings a push, as this gate reads it now.
pub(super) struct Brings {
    pub bundle: Bundle,
    pub carried: Result<Carried, Refused>,
}

/// What is kept that may be about a push.
#[derive(Default)]
pub(super) struct Found {
    pub brings: Vec<Brings>,
    /// Of which changes a bundle says what is known, whatever it brings: the copy is not asked.
    pub told: BTreeSet<ChangeId>,
    /// Their blobs.
    pub brought: Brought,
    /// Why it is unknown what another one is about, of a change that the copy does not have.
    pub unknown: Option<Refused>,
}

/// Those of what is kept whose changes bring this: each is verified anew.
pub(super) fn bringing(
    gate: &GitGate,
    desk: &mut Desk,
    (branch, delta): (&str, &Digest),
    latest: Time,
) -> Result<Found, GateError> {
    let mut found = Found::default();
    // One that cannot be read opens nothing.
    let all: Vec<Bundle> = kept(gate)?.iter().filter_map(|path| bundle::read(path).ok()).collect();
    for bundle in &all {
        // What landed by it did so by what it says; where it does not verify any more, nothing more lands by what stands beside it.
        desk.knows_by_bundle(bundle, latest).map_err(refused)?;
    }
    for bundle in all {
        let known = desk.change(&bundle.change)?;
        let carried = desk.carried(&bundle, latest);
        // This gate has followed the log since, as another of this machine may have, and knows more.
        if matches!(&carried, Err(DeskError::Refused(refusal)) if refusal.code == "bundle-older") {
            continue;
        }
        found.told.insert(bundle.change.clone());
        let change = carried.as_ref().map_or(known.as_ref(), |carried| Some(&carried.change));
        let is_it = |subject: &GitSubject| {
            subject.repository == gate.config.repository && subject.branch == branch && subject.delta == *delta
        };
        match change.and_then(Change::current).map(|revision| &revision.subject) {
            Some(Subject::Git(subject)) if is_it(subject) => {}
            Some(_) => continue,
            None => {
                if let Err(DeskError::Refused(refusal)) = &carried {
                    found.unknown = Some(Refused::of(refusal).about(&bundle.change));
                }
                continue;
            }
        }
        let carried = match carried {
            Ok(carried) => Ok(carried),
            Err(DeskError::Refused(refusal)) => Err(Refused::of(&refusal).about(&bundle.change)),
            Err(error) => return Err(error.into()),
        };
        found.brought.extend(bundle.evidence.blobs.iter().map(|(digest, bytes)| (*digest, bytes.clone())));
        found.brings.push(Brings { bundle, carried });
    }
    Ok(found)
}

/// The log is followed again, and says more than those that are no longer than what was followed. One that is longer says more than
/// a log that was shown standing still.
pub(super) fn forget(gate: &GitGate, followed: u64) -> Result<(), GateError> {
    for path in kept(gate)? {
        if bundle::read(&path).is_ok_and(|bundle| leaves(gate, &bundle) > followed) {
            continue;
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&path, &error).into()),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn folder(gate: &GitGate) -> PathBuf {
    gate.repository.join(FOLDER).join(CARRIED)
}

fn kept(gate: &GitGate) -> Result<Vec<PathBuf>, GateError> {
    let folder = folder(gate);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(&folder, &error).into()),
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "tar"));
    paths.sort();
    paths.truncate(MAX_KEPT);
    Ok(paths)
}

fn failed(path: &Path, error: &io::Error) -> Refusal {
    Refusal::conflict("bundles-unusable", format!("cannot use {}: {error}", path.display()))
        .hint("may this account read and write there?")
}
