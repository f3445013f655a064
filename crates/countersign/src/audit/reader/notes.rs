//! Where notes are: every reference under `refs/notes/`, the reviews that Gerrit keeps under `refs/changes/` (NoteDb), and
//! gittuf's attestations.

use std::{collections::HashMap, io::Write as _, sync::Arc};

use countersign_core::ids::Oid;

use super::{
    ReadError, fields,
    graph::Id,
    running::{Running, Source},
};

/// A note that is to be read.
#[derive(Clone, Debug)]
pub struct Place {
    pub reference: Arc<str>,
    pub kind: Kind,
    /// Of a review oldest first.
    pub objects: Vec<Id>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The one object is the note.
    Blob,
    /// The objects are the commits that tell the story of a review.
    Review,
}

/// Where gittuf keeps its attestations, by the change that they are about and not by commit.
const GITTUF: &str = "refs/gittuf/attestations";

#[derive(Debug, Default)]
pub struct Notes {
    /// Those under `refs/notes/`, and gittuf's.
    pub references: Vec<String>,
    pub note_db_changes: usize,
    /// Each with the object that it is about.
    pub places: Vec<(Id, Place)>,
}

pub fn list(source: Source<'_>, branch: &str, tip: &Oid) -> Result<Notes, ReadError> {
    let mut notes = Notes::default();
    let references =
        ["for-each-ref", "--format=%(objectname) %(refname)", "refs/notes/", "refs/changes/*/*/meta", GITTUF];
    let listed = source.repository.names(&references)?.unwrap_or_default();
    let mut reviews = Vec::new();
    for (id, reference) in listed.lines().filter_map(|line| line.split_once(' ')) {
        match Id::parse(id.as_bytes()) {
            Some(tip) if reference.starts_with("refs/changes/") => reviews.push((tip, reference)),
            Some(_) if reference == GITTUF => {
                attestations(source, id, (branch, tip), &mut notes.places)?;
                notes.references.push(reference.to_owned());
            }
            Some(_) => {
                blobs(source, id, reference, &mut notes.places)?;
                notes.references.push(reference.to_owned());
            }
            None => {}
        }
    }
    notes.note_db_changes = reviews.len();
    if !reviews.is_empty() {
        note_db(source, &reviews, &mut notes.places)?;
    }
    Ok(notes)
}

/// The tree of notes: a path is, without its slashes, the object that the blob is about.
fn blobs(source: Source<'_>, tip: &str, reference: &str, places: &mut Vec<(Id, Place)>) -> Result<(), ReadError> {
    let mut running = source.start("ls-tree", &["-r", "-z", "--full-tree", tip])?;
    let reference: Arc<str> = reference.into();
    loop {
        source.stop.check()?;
        match fields::until(&mut running.stdout, 0) {
            Ok(Some(entry)) => {
                if let Some((on, blob)) = note(&entry) {
                    places
                        .push((on, Place { reference: Arc::clone(&reference), kind: Kind::Blob, objects: vec![blob] }));
                }
            }
            Ok(None) => return running.finish(),
            Err(_) => return Err(running.broken(None)),
        }
    }
}

/// gittuf's tree: `…/FROM-TREE…` holds what was attested of the change from the commit FROM to the content TREE, which is
/// the commit of the branch that has this first parent and this tree.
fn attestations(
    source: Source<'_>,
    tip: &str,
    (branch, head): (&str, &Oid),
    places: &mut Vec<(Id, Place)>,
) -> Result<(), ReadError> {
    // Where a tag or a bare commit is audited, its branch is unknown.
    let branch = format!("refs/heads/{branch}");
    let branch = source.repository.resolve(&branch).is_ok().then(|| format!("/{branch}/"));
    let mut landed: HashMap<(Id, Id), Id> = HashMap::new();
    let mut running = source.start("log", &["--first-parent", "--no-notes", "--format=%H %T %P", head.as_str()])?;
    while let Some(line) = fields::until(&mut running.stdout, b'\n').map_err(|_| running.answer(b"nothing"))? {
        source.stop.check()?;
        let mut words = line.split(|byte| *byte == b' ').map(Id::parse);
        if let (Some(Some(id)), Some(Some(tree)), Some(Some(parent))) = (words.next(), words.next(), words.next()) {
            landed.insert((parent, tree), id);
        }
    }
    running.finish()?;
    let mut running = source.start("ls-tree", &["-r", "-z", "--full-tree", tip])?;
    let reference: Arc<str> = GITTUF.into();
    while let Some(entry) = fields::until(&mut running.stdout, 0).map_err(|_| running.answer(b"nothing"))? {
        source.stop.check()?;
        if branch.as_ref().is_some_and(|branch| is_of_another(&entry, branch)) {
            continue;
        }
        if let Some(((from, tree), blob)) = attestation(&entry)
            && let Some(on) = landed.get(&(from, tree))
        {
            places.push((*on, Place { reference: Arc::clone(&reference), kind: Kind::Blob, objects: vec![blob] }));
        }
    }
    running.finish()
}

/// Whether a path names a branch, and not this one: the same change may have been approved for a branch where less is asked.
fn is_of_another(entry: &[u8], branch: &str) -> bool {
    let has = |part: &str| memchr::memmem::find(entry, part.as_bytes()).is_some();
    has("/refs/heads/") && !has(branch)
}

/// `100644 blob ID<tab>code-review-approvals/refs/heads/main/FROM-TREE/github/…`.
fn attestation(entry: &[u8]) -> Option<((Id, Id), Id)> {
    let (head, path) = entry.split_at(memchr::memchr(b'\t', entry)?);
    let blob = head.rsplit(|byte| *byte == b' ').next().and_then(Id::parse)?;
    let change = path.split(|byte| *byte == b'/').find_map(|part| {
        let at = memchr::memchr(b'-', part)?;
        Some((Id::parse(part.get(..at)?)?, Id::parse(part.get(at.checked_add(1)?..)?)?))
    })?;
    Some((change, blob))
}

/// `100644 blob ID<tab>12/34…`.
fn note(entry: &[u8]) -> Option<(Id, Id)> {
    let (head, path) = entry.split_at(memchr::memchr(b'\t', entry)?);
    let mut words = head.split(|byte| *byte == b' ');
    let (_, kind, blob) = (words.next()?, words.next()?, words.next()?);
    let on: Vec<u8> = path.iter().skip(1).copied().filter(|byte| *byte != b'/').collect();
    if kind == b"blob" { Some((Id::parse(&on)?, Id::parse(blob)?)) } else { None }
}

/// A review is a chain of commits, whose footers name the commit of each patch set; the last of them is what landed.
fn note_db(source: Source<'_>, reviews: &[(Id, &str)], places: &mut Vec<(Id, Place)>) -> Result<(), ReadError> {
    let mut running = source.start("log", &["--stdin", "-z", "--no-notes", "--format=%H%x00%P%x00%B"])?;
    let tips: Vec<Id> = reviews.iter().map(|(tip, _)| *tip).collect();
    running.feed(move |stdin| {
        tips.iter().try_for_each(|tip| writeln!(stdin, "{}", tip.hex()))?;
        stdin.flush()
    });
    let mut story: HashMap<Id, Entry> = HashMap::new();
    while let Some((id, entry)) = entry(&mut running)? {
        source.stop.check()?;
        story.insert(id, entry);
    }
    running.finish()?;
    for (tip, reference) in reviews {
        let mut objects = Vec::new();
        let mut names = Vec::new();
        let mut next = Some(*tip);
        while let Some((id, entry)) = next.and_then(|id| Some((id, story.get(&id)?))) {
            objects.push(id);
            names.extend(entry.names);
            next = entry.parent;
        }
        objects.reverse();
        let place = Place { reference: (*reference).into(), kind: Kind::Review, objects };
        // Newest first; a patch set that was never landed is simply not in the branch.
        places.extend(names.into_iter().map(|name| (name, place.clone())));
    }
    Ok(())
}

struct Entry {
    parent: Option<Id>,
    names: Option<Id>,
}

fn entry(running: &mut Running) -> Result<Option<(Id, Entry)>, ReadError> {
    let mut field = || fields::until(&mut running.stdout, 0);
    let (Ok(id), Ok(parents), Ok(message)) = (field(), field(), field()) else {
        return Err(running.answer(b"nothing"));
    };
    let Some(id) = id else { return Ok(None) };
    let (Some(id), Some(parents), Some(message)) = (Id::parse(&id), parents, message) else {
        return Err(running.answer(&id));
    };
    let parent = parents.split(|byte| *byte == b' ').next().and_then(Id::parse);
    let names = message.split(|byte| *byte == b'\n').rev().find_map(|line| {
        let value = line.strip_prefix(b"Commit: ".as_slice())?;
        Id::parse(value.trim_ascii())
    });
    Ok(Some((id, Entry { parent, names })))
}
