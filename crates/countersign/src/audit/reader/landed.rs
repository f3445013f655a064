//! Landed commits and the paths that they change against their first parent.

use std::{
    io::{self, Write as _},
    sync::Arc,
};

use countersign_audit::CommitRecord;
use countersign_core::facts::{PathChange, PathStatus, delta::escape_path, git::Ident};

use super::{
    ReadError, fields,
    graph::{Plan, Step},
    running::{Blocks, Running, Source},
};

/// Fields end with NUL, the only byte that no field can hold.
const FORMAT: &str = "--format=%H%x00%an%x00%ae%x00%at%x00%cn%x00%ce%x00%ct%x00%B%x00";

#[derive(Debug)]
pub struct Landed {
    pub commit: CommitRecord,
    pub paths: Vec<PathChange>,
}

/// Reads every block whose number leaves the remainder `which` when divided by `processes`.
pub fn start(
    source: Source<'_>,
    plan: &Arc<Plan>,
    which: usize,
    processes: usize,
) -> Result<Blocks<Landed>, ReadError> {
    // Names and kinds alone, without rename detection: that takes trees but no file.
    let args = ["--stdin", "--root", "--always", "-r", "--name-status", "-z", "--no-renames", "--no-ext-diff"];
    let more = ["--ignore-submodules=none", "--diff-merges=first-parent", "--no-notes", FORMAT];
    let mut running = source.start("diff-tree", &[&args[..], &more].concat())?;
    let asked = Arc::clone(plan);
    running.feed(move |stdin| {
        for block in (which..asked.blocks()).step_by(processes) {
            for id in asked.block(block).iter().filter_map(|step| asked.graph.id(step.commit)) {
                writeln!(stdin, "{}", id.hex())?;
            }
        }
        stdin.flush()
    });
    let plan = Arc::clone(plan);
    Ok(Blocks::spawn(running, move |mut running, sender| {
        for block in (which..plan.blocks()).step_by(processes) {
            let steps = plan.block(block);
            let mut landed = Vec::with_capacity(steps.len());
            for step in steps {
                match read(&mut running, &plan, step) {
                    Ok(Some(change)) => landed.push(change),
                    Ok(None) | Err(_) => {
                        let id = plan.graph.id(step.commit).and_then(|id| id.oid().ok());
                        return Err(running.broken(id.as_ref()));
                    }
                }
            }
            if sender.send(Ok(landed)).is_err() {
                return Ok(());
            }
        }
        running.finish()
    }))
}

/// `None` if git goes on with another commit: it skips what it cannot read.
fn read(running: &mut Running, plan: &Plan, step: &Step) -> io::Result<Option<Landed>> {
    let input = &mut running.stdout;
    let mut field = || Ok::<_, io::Error>(fields::until(input, 0)?.unwrap_or_default());
    let Some(id) = plan.graph.id(step.commit).map(|id| id.hex()) else { return Ok(None) };
    if field()? != id.as_bytes() {
        return Ok(None);
    }
    let author = ident(&field()?, &field()?);
    let authored_at = seconds(&field()?);
    let committer = ident(&field()?, &field()?);
    let committed_at = seconds(&field()?);
    let message = field()?;
    // The end of the commit; after it a line break, if there are paths.
    if field()? != b"" {
        return Ok(None);
    }
    let input = &mut running.stdout;
    let mut paths = Vec::new();
    if fields::peek(input)? == Some(b'\n') {
        std::io::BufRead::consume(input, 1);
        // Kinds are upper case, and the id of the next commit is lower case.
        while let Some(status) = fields::peek(input)?.and_then(status) {
            fields::until(input, 0)?;
            let path = fields::until(input, 0)?.unwrap_or_default();
            if !step.paths_unknown {
                paths.push(PathChange { path: escape_path(&path), status });
            }
        }
    }
    let (Ok(id), Ok(parents)) = (id.parse(), plan.graph.parent_oids(step.commit)) else { return Ok(None) };
    let commit = CommitRecord { id, parents, author, authored_at, committer, committed_at, message };
    Ok(Some(Landed { commit, paths }))
}

fn status(byte: u8) -> Option<PathStatus> {
    match byte {
        b'A' => Some(PathStatus::Added),
        b'M' => Some(PathStatus::Modified),
        b'D' => Some(PathStatus::Deleted),
        b'T' => Some(PathStatus::TypeChanged),
        _ => None,
    }
}

fn ident(name: &[u8], mail: &[u8]) -> Ident {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    Ident { name: text(name), mail: text(mail) }
}

/// A time that no number holds is as unknown as one that says 1970.
fn seconds(bytes: &[u8]) -> i64 {
    std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
}
