//! Giving a server the contents under a change, so that a reviewer needs no clone. Nothing fails where that does not work:
//! what is not there, reviewers have to fetch.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Stdio},
};

use countersign_core::{
    ids::{ChangeId, Oid},
    subject::{GitSubject, Subject, quoted},
};

use super::{
    content::Computed,
    error::CliError,
    output::{count, faint, printable},
};
use crate::{
    client::{Client, ClientError},
    git::Repository,
    home::files::word,
    material::{MAX_OBJECT_BYTES, objects, touched},
    wire::Material,
};

/// Where the head of a revision is pushed for reviewers. It is no branch and no tag, and no gate protects it.
pub fn reference(change: &ChangeId, revision: u32) -> String {
    format!("refs/countersign/{change}/{revision}")
}

/// Pushes the head to where reviewers can fetch it, with the user's own git. What was signed stays, also where that does not work.
pub fn push(remote: &str, repository: &Path, subject: &Subject, change: &ChangeId, revision: u32) {
    let Subject::Git(GitSubject { head, .. }) = subject else { return };
    let reference = reference(change, revision);
    let refspec = format!("{head}:{reference}");
    let mut git = Command::new("git");
    // What it prints has no place among what a command answers.
    git.arg("-C").arg(repository).args(["push", "--quiet", "--end-of-options", remote, &refspec]).stdout(Stdio::null());
    let remote = quoted(&[remote.to_owned()]);
    let said = match git.status() {
        Ok(status) if status.success() => {
            format!("the commits are pushed: reviewers fetch them with git fetch {remote} {reference}")
        }
        Ok(_) | Err(_) => {
            let repository = word(repository);
            format!("it is proposed, but not pushed; try again: git -C {repository} push {remote} {refspec}")
        }
    };
    anstream::eprintln!("{} {}", faint("note:"), printable(&said));
}

/// What one request brings, about.
const BATCH_BYTES: u64 = 6 * 1024 * 1024;
const BATCH: usize = 2_000;

/// Gives what the server would keep, of what was signed and nothing else, and says what reviewers will lack. Returns how much it
/// was given.
pub fn give(client: &Client, change: &ChangeId, computed: &Computed, repository: Option<&Path>) -> usize {
    let mine = touched(&computed.subject, computed.extracted.as_ref().map(|(facts, _)| facts));
    let (how, look) = match &computed.subject {
        Subject::Git(_) => ("they need these commits: push them to any branch that is not protected", "--git REPO"),
        Subject::Files(_) | Subject::Governance(_) => ("they need these files from you", "--file PATH"),
    };
    let mine: Vec<Oid> = objects(&mine).into_iter().collect();
    let (given, why) = match try_give(client, change, &mine, computed, repository) {
        Ok(Given { given, left: 0 }) => return given,
        Ok(Given { given, left }) => {
            (given, format!("{} of it: more than the server keeps for reviewers", count(left, "content")))
        }
        Err(error) => (0, format!("the server keeps nothing of it for reviewers: {}", error.message)),
    };
    anstream::eprintln!("{} {}; {how}, and pass {look}", faint("note:"), printable(&why));
    given
}

/// How many contents the server was given, of those that it asked for, and how many not.
struct Given {
    given: usize,
    left: usize,
}

fn try_give(
    client: &Client,
    change: &ChangeId,
    mine: &[Oid],
    computed: &Computed,
    repository: Option<&Path>,
) -> Result<Given, CliError> {
    let wanted = client.wanted(change)?;
    let git = repository.map(Repository::open).transpose()?;
    let mut sized = Vec::new();
    // A server that asks for anything else does not get it.
    let asked: Vec<&Oid> = wanted.wanted.iter().filter(|id| mine.binary_search(id).is_ok()).collect();
    for id in &asked {
        let size = match (computed.read.get(*id), &git) {
            (Some(bytes), _) => Some(bytes.len()),
            (None, Some(git)) => git.blob_size(id)?,
            (None, None) => None,
        };
        sized.extend(size.map(|size| (u64::try_from(size).unwrap_or(u64::MAX), *id)));
    }
    // As many as there is room for.
    sized.sort();
    let mut room = wanted.room_bytes;
    let (mut batch, mut bytes, mut given) = (BTreeMap::new(), 0_u64, 0_usize);
    for (size, id) in sized {
        if size > room.min(MAX_OBJECT_BYTES) {
            break;
        }
        room = room.saturating_sub(size);
        let content = match (computed.read.get(id), &git) {
            (Some(bytes), _) => Some(bytes.clone()),
            (None, Some(git)) => git.blob(id, usize::try_from(size).unwrap_or(usize::MAX))?,
            (None, None) => None,
        };
        batch.extend(content.map(|content| (id, content)));
        bytes = bytes.saturating_add(size);
        if bytes >= BATCH_BYTES || batch.len() >= BATCH {
            given = given.saturating_add(send(client, change, &batch)?);
            (batch, bytes) = (BTreeMap::new(), 0);
        }
    }
    given = given.saturating_add(send(client, change, &batch)?);
    Ok(Given { given, left: asked.len().saturating_sub(given) })
}

fn send(client: &Client, change: &ChangeId, batch: &BTreeMap<&Oid, Vec<u8>>) -> Result<usize, ClientError> {
    if batch.is_empty() {
        return Ok(0);
    }
    let contents = Material::of(batch.iter().map(|(id, bytes)| (*id, bytes.as_slice())), None);
    client.give(change, &contents)?;
    Ok(batch.len())
}
