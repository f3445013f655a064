//! The files of a tree, by their names alone: a partial clone has those too.

use countersign_core::ids::Oid;

use super::{ReadError, fields, running::Source};

/// Of a tree with more files the rest is left out.
const MAX_FILES: usize = 2_000_000;

/// All of them, or those of these paths that there are.
pub fn files(source: Source<'_>, commit: &Oid, of: &[&str]) -> Result<Vec<String>, ReadError> {
    listed(source, commit, "%(path)", of)
}

/// Whether a path is a symbolic link: what it has is where it leads, and no text of the repository.
pub fn is_link(source: Source<'_>, commit: &Oid, path: &str) -> Result<bool, ReadError> {
    Ok(listed(source, commit, "%(objectmode)", &[path])?.iter().any(|mode| mode == LINK))
}

const LINK: &str = "120000";

fn listed(source: Source<'_>, commit: &Oid, format: &str, of: &[&str]) -> Result<Vec<String>, ReadError> {
    let format = format!("--format={format}");
    let args = [&["-r", "-z", "--full-tree", format.as_str(), commit.as_str(), "--"], of].concat();
    let mut running = source.start("ls-tree", &args)?;
    let mut files = Vec::new();
    loop {
        source.stop.check()?;
        match fields::until(&mut running.stdout, 0) {
            Ok(Some(_)) if files.len() >= MAX_FILES => return Ok(files),
            Ok(Some(path)) => files.push(String::from_utf8_lossy(&path).into_owned()),
            Ok(None) => return running.finish().map(|()| files),
            Err(_) => return Err(running.broken(Some(commit))),
        }
    }
}
