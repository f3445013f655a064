//! Files that are there whole or not at all, whatever stops the machine.

use std::{fs, io, io::Write as _, path::Path};

use crate::unix;

/// Replaces a file whole, or makes it: a reader sees the old bytes or the new ones, also after a power cut. Who may read it
/// follows from the folder, so that a folder that several accounts share stays usable to all of them.
pub fn replace(path: &Path, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes.as_ref())?;
    unix::share(file.as_file(), folder)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    // The rename is durable when the folder is.
    fs::File::open(folder)?.sync_all()
}
