//! Files that are there whole or not at all, whatever stops the machine.

use std::{fs, io, io::Write as _, path::Path};

use crate::unix;

/// Replaces a file whole, or makes it: a reader sees the old bytes or the new ones, also after a power cut. Who may read it
/// follows from the folder, so that a folder that several accounts share stays usable to all of them.
pub fn replace(path: &Path, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    renew(path, bytes)?;
    // The rename is durable when the folder is.
    fs::File::open(folder_of(path))?.sync_all()
}

/// Replaces a file whole, or makes it, where the old one would do as well: a power cut shortly after may bring that back.
pub fn renew(path: &Path, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    let file = beside(folder_of(path), bytes.as_ref())?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// Replaces a file that can be made again, and whose bytes say whether they are whole: after a power cut it may be the old
/// one, the new one or nothing, so that nobody waits for the disk.
pub fn put(path: &Path, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    beside(folder_of(path), bytes.as_ref())?.persist(path).map(drop).map_err(|error| error.error)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."))
}

fn beside(folder: &Path, bytes: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    unix::share(file.as_file(), folder)?;
    Ok(file)
}
