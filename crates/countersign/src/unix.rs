//! What only Unix has: modes and owners of files and folders, processes, and the signals by which a program is stopped. No
//! other room names them.
//!
//! Elsewhere something stands in where that is safe. A secret that others can read is not, so there the program does not
//! build.

use std::{
    fs, io,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

use serde::{Deserialize, Serialize};

#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};

/// Who may do what with a file: the nine bits of its mode.
#[cfg(unix)]
pub fn mode(metadata: &fs::Metadata) -> u32 {
    metadata.permissions().mode() & 0o777
}

/// Makes a new file that only its owner can read.
#[cfg(unix)]
pub fn new_private_file(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Makes a new folder that only its owner can enter.
#[cfg(unix)]
pub fn new_private_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(path)
}

/// A program that everybody may run, and its owner change.
#[cfg(unix)]
pub fn program() -> fs::Permissions {
    fs::Permissions::from_mode(0o755)
}

#[cfg(unix)]
pub fn is_executable(metadata: &fs::Metadata) -> bool {
    metadata.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
pub fn is_executable(_: &fs::Metadata) -> bool {
    false
}

/// Leaves a file to its owner alone.
#[cfg(unix)]
pub fn restrict(path: &Path, executable: bool) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(if executable { 0o700 } else { 0o600 }))
}

#[cfg(not(unix))]
pub fn restrict(_: &Path, _: bool) -> io::Result<()> {
    Ok(())
}

/// Lets its owner alone read and write a file.
#[cfg(unix)]
pub fn leave_to_owner(file: &fs::File) -> io::Result<()> {
    file.set_permissions(fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
pub fn leave_to_owner(_: &fs::File) -> io::Result<()> {
    Ok(())
}

/// Lets its owner and its group read and write a file.
#[cfg(unix)]
pub fn leave_to_group(file: &fs::File) -> io::Result<()> {
    file.set_permissions(fs::Permissions::from_mode(0o660))
}

#[cfg(not(unix))]
pub fn leave_to_group(_: &fs::File) -> io::Result<()> {
    Ok(())
}

/// Lets those read and write a file who may read and write its folder: its owner and its group.
#[cfg(unix)]
pub fn share(file: &fs::File, folder: &Path) -> io::Result<()> {
    let mode = fs::metadata(folder)?.permissions().mode() & 0o660;
    file.set_permissions(fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
pub fn share(_: &fs::File, _: &Path) -> io::Result<()> {
    Ok(())
}

/// Lets those use a folder who may use the one that it lies in, where that is shared.
#[cfg(unix)]
pub fn share_folder(folder: &Path, above: &Path) -> io::Result<()> {
    let of = |folder: &Path| fs::metadata(folder).map(|metadata| metadata.permissions().mode());
    let above = of(above)?;
    if above & 0o020 == 0 {
        return Ok(());
    }
    // The group is that of the folder above where that hands its group on.
    let mode = (of(folder)? & 0o7777) | (above & 0o2070);
    fs::set_permissions(folder, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
pub fn share_folder(_: &Path, _: &Path) -> io::Result<()> {
    Ok(())
}

/// A temporary file is its owner's alone; one that takes a place among the user's files has what the umask leaves.
#[cfg(unix)]
pub fn leave_to_umask(file: &mut tempfile::Builder<'_, '_>) {
    file.permissions(fs::Permissions::from_mode(0o666));
}

#[cfg(not(unix))]
pub fn leave_to_umask(_: &mut tempfile::Builder<'_, '_>) {}

/// The first Ctrl-C (or what else asks a program to stop) sets the flag; a second one ends the program at once, with
/// this status.
pub fn flag_stops(flag: &Arc<AtomicBool>, status: u8) -> io::Result<()> {
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        signal_hook::flag::register_conditional_shutdown(signal, i32::from(status), Arc::clone(flag))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(flag)))?;
    }
    Ok(())
}

/// Ctrl-C, or the signal by which service managers stop a program.
pub async fn stopped() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        match terminate {
            Ok(mut terminate) => {
                tokio::select! { _ = interrupt => {}, _ = terminate.recv() => {} }
            }
            Err(_) => drop(interrupt.await),
        }
    }
    #[cfg(not(unix))]
    drop(interrupt.await);
}

/// Gives a file or folder to the group of another, with this mode. Where it has both already nothing is done, so that
/// somebody of the group who does not own it may ask, too.
#[cfg(unix)]
pub fn leave_to_group_of(path: &Path, other: &Path, mode: u32) -> io::Result<()> {
    let (found, group) = (fs::metadata(path)?, fs::metadata(other)?.gid());
    let same_group = found.gid() == group;
    if !same_group {
        std::os::unix::fs::chown(path, None, Some(group))?;
    }
    // To give something away takes bits of its mode with it.
    if !same_group || found.permissions().mode() & 0o7777 != mode {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

#[cfg(not(unix))]
pub fn leave_to_group_of(_: &Path, _: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

/// Whether two files are of one group.
#[cfg(unix)]
pub fn same_group(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    one.gid() == other.gid()
}

/// Whether others than its owner may write into a folder, or into the nearest one above it that is there.
#[cfg(unix)]
pub fn is_shared(folder: &Path) -> bool {
    let there = folder.ancestors().find_map(|folder| fs::metadata(folder).ok());
    there.is_some_and(|metadata| mode(&metadata) & 0o020 != 0)
}

#[cfg(not(unix))]
pub fn is_shared(_: &Path) -> bool {
    false
}

/// A process of this machine. Numbers are given out again; where the machine tells when it started, it is the only one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    pub id: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
}

/// The process that runs this one.
#[cfg(unix)]
pub fn parent() -> Process {
    let id = std::os::unix::process::parent_id();
    Process { id, started: started(id) }
}

#[cfg(not(unix))]
pub fn parent() -> Process {
    Process { id: 0, started: None }
}

/// When a process started: in clock ticks since a boot of the machine that has a name. See proc(5).
#[cfg(unix)]
fn started(id: u32) -> Option<String> {
    /// Its place behind the name of the program, which may have blanks and brackets in it.
    const START_TIME: usize = 19;
    let status = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let ticks = status.rsplit_once(") ")?.1.split(' ').nth(START_TIME)?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(format!("{ticks}@{}", boot.trim()))
}

/// The account that this process runs as.
#[cfg(unix)]
pub fn account() -> Option<String> {
    // A process's own folder is its account's.
    owner(&fs::metadata("/proc/self").ok()?)
}

#[cfg(not(unix))]
pub fn account() -> Option<String> {
    None
}

/// Whose a file is: the name of the account, or its number.
#[cfg(unix)]
pub fn owner(metadata: &fs::Metadata) -> Option<String> {
    let id = metadata.uid().to_string();
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then(|| name.to_owned())
    });
    Some(named.unwrap_or(id))
}

#[cfg(not(unix))]
pub fn owner(_: &fs::Metadata) -> Option<String> {
    None
}
