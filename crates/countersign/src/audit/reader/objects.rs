//! Brought commits and notes, in the order of the landed changes that they belong to.

use std::{
    io::{self, Write as _},
    sync::Arc,
};

use countersign_audit::{CommitRecord, Note, conventions::MAX_NOTE_BYTES};
use countersign_core::ids::Oid;

use super::{
    ReadError, commit, fields,
    graph::{Id, Plan, Step},
    notes::{Kind, Place},
    running::{Blocks, Running, Source},
};

/// What else belongs to a landed change.
#[derive(Debug, Default)]
pub struct Attached {
    pub brought: Vec<CommitRecord>,
    pub notes: Vec<Note>,
}

pub fn start(source: Source<'_>, plan: &Arc<Plan>) -> Result<Blocks<Attached>, ReadError> {
    let mut running = source.start("cat-file", &["--batch", "--buffer"])?;
    let asked = Arc::clone(plan);
    running.feed(move |stdin| {
        asked.landed.iter().try_for_each(|step| {
            let mut ask = |id: &Id| writeln!(stdin, "{}", id.hex());
            wanted(&asked, step).try_for_each(|wanted| match wanted {
                Wanted::Brought(number) => asked.graph.id(number).map_or(Ok(()), &mut ask),
                Wanted::Note(_, place) => place.objects.iter().try_for_each(&mut ask),
            })
        })?;
        stdin.flush()
    });
    let plan = Arc::clone(plan);
    Ok(Blocks::spawn(running, move |mut running, sender| {
        for block in 0..plan.blocks() {
            let mut attached = Vec::new();
            for step in plan.block(block) {
                match read(&mut running, &plan, step)? {
                    Ok(one) => attached.push(one),
                    Err(broken) => return Err(running.broken(broken.oid().ok().as_ref())),
                }
            }
            if sender.send(Ok(attached)).is_err() {
                return Ok(());
            }
        }
        running.finish()
    }))
}

enum Wanted<'a> {
    Brought(u32),
    Note(u32, &'a Place),
}

/// Notes on the landed commit, then each brought commit and the notes on it. Asking and reading follow this one order.
fn wanted<'a>(plan: &'a Plan, step: &'a Step) -> impl Iterator<Item = Wanted<'a>> {
    let notes = |commit: u32| plan.notes(commit).iter().map(move |place| Wanted::Note(commit, place));
    let brought = plan
        .brought(step)
        .iter()
        .flat_map(move |&commit| std::iter::once(Wanted::Brought(commit)).chain(notes(commit)));
    notes(step.commit).chain(brought)
}

fn read(running: &mut Running, plan: &Plan, step: &Step) -> Result<Result<Attached, Id>, ReadError> {
    let mut attached = Attached::default();
    for wanted in wanted(plan, step) {
        match wanted {
            Wanted::Brought(number) => {
                let Some(id) = plan.graph.id(number) else { continue };
                let Ok(Some(object)) = object(running) else { return Ok(Err(*id)) };
                attached.brought.push(commit::parse(id.oid()?, plan.graph.parent_oids(number)?, &object));
            }
            Wanted::Note(commit, place) => {
                let Some(on) = plan.graph.id(commit) else { continue };
                let mut parts = Vec::with_capacity(place.objects.len());
                for id in &place.objects {
                    // A note that is not there, as in a partial clone, says nothing.
                    match object(running) {
                        Ok(part) => parts.extend(part),
                        Err(_) => return Ok(Err(*id)),
                    }
                }
                let body = match place.kind {
                    Kind::Blob => parts.concat(),
                    Kind::Review => on.oid().map(|id| story(&id, &parts))?,
                };
                attached.notes.push(Note { reference: place.reference.to_string(), on: on.oid()?, body });
            }
        }
    }
    Ok(Ok(attached))
}

/// The commits of a review, as `notedb` reads them: `author NAME <mail>`, an empty line and the message, with NUL between
/// two.
fn story(of: &Oid, commits: &[Vec<u8>]) -> Vec<u8> {
    let mut story = Vec::new();
    for object in commits {
        let CommitRecord { author, message, .. } = commit::parse(of.clone(), Vec::new(), object);
        let head = format!("author {} <{}>\n\n", author.name, author.mail);
        if story.len().saturating_add(head.len()).saturating_add(message.len()) > MAX_NOTE_BYTES {
            break;
        }
        if !story.is_empty() {
            story.push(0);
        }
        story.extend(head.bytes());
        // NUL would begin another one.
        story.extend(message.into_iter().filter(|byte| *byte != 0));
    }
    story
}

/// The next answer; `None` for an object that is missing.
fn object(running: &mut Running) -> io::Result<Option<Vec<u8>>> {
    let input = &mut running.stdout;
    let header = fields::until(input, b'\n')?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let mut words = header.rsplit(|byte| *byte == b' ');
    let size = words.next().unwrap_or_default();
    if size == b"missing" {
        return Ok(None);
    }
    let size = std::str::from_utf8(size).ok().and_then(|size| size.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let content = fields::exactly(input, size)?;
    fields::exactly(input, 1)?;
    Ok(Some(content))
}
