//! Files that are there whole or not at all, whatever stops the machine; and folders and locks for several accounts.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use crate::unix;

/// For a path that is no text.
pub const NAME_IT: &str = "give its folders names in UTF-8, or reach it by a link that has one";

/// Replaces a file whole, or makes it: a reader sees the old bytes or the new ones, also after a power cut. Who may read it
/// follows from the folder, so that a folder that several accounts share stays usable to all of them.
pub fn replace(path: &Path, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    renew(path, bytes)?;
    // The rename is durable when the folder is.
    fs::File::open(above(path))?.sync_all()
}

/// Replaces a file whole, or makes it, where the old one would do as well: a power cut shortly after may bring that back.
pub fn renew(path: &Path, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    let file = beside(above(path), bytes.as_ref())?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// Replaces a file that can be made again, and whose bytes say whether they are whole: after a power cut it may be the old
/// one, the new one or nothing, so that nobody waits for the disk.
pub fn put(path: &Path, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    beside(above(path), bytes.as_ref())?.persist(path).map(drop).map_err(|error| error.error)
}

fn beside(folder: &Path, bytes: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    unix::share(file.as_file(), folder)?;
    Ok(file)
}

/// Makes a folder, with those above it. Several accounts may use it if they may use the one in which it is made.
pub fn folder(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    let above = above(path);
    folder(above)?;
    match fs::create_dir(path) {
        Ok(()) => unix::share_folder(path, above),
        // Somebody else has just made it.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// The `.json` files of a folder in the order of their names; none where there is no folder.
pub fn json_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let paths: io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    Ok(paths)
}

/// Holds the lock as long as the file is open; `None` where somebody else holds it. Who holds it is written into it.
pub fn try_lock(path: &Path) -> io::Result<Option<fs::File>> {
    let mut file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    unix::share(&file, above(path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return Ok(None),
        Err(fs::TryLockError::Error(error)) => return Err(error),
    }
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())?;
    Ok(Some(file))
}

/// Waits until nobody else holds the lock, and holds it as long as the file is open. Whoever may write into its folder may
/// lock it.
pub fn lock(path: &Path) -> io::Result<fs::File> {
    let made = fs::OpenOptions::new().write(true).create_new(true).open(path);
    let file = match made {
        Ok(file) => {
            unix::share(&file, above(path))?;
            file
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::OpenOptions::new().write(true).open(path)?,
        Err(error) => return Err(error),
    };
    file.lock()?;
    Ok(file)
}

/// The folder that something lies in.
fn above(path: &Path) -> &Path {
    path.parent().filter(|above| *above != Path::new("")).unwrap_or(Path::new("."))
}
