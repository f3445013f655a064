//! What only Unix has: modes, numbers and owners of files, processes and their limits, the signals by which a program is
//! stopped, and the clock that nobody sets. No other room names them.
//!
//! Elsewhere something stands in where that is safe. A secret that others can read is not, so there the program does not
//! build.

use std::{
    fs, io,
    path::Path,
    process::{Command, ExitStatus},
    sync::{Arc, atomic::AtomicBool},
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};

#[cfg(unix)]
use std::os::unix::{
    fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    process::{CommandExt as _, ExitStatusExt as _},
};

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

/// Makes a folder, with those above it that are missing, that only its owner can enter.
#[cfg(unix)]
pub fn private_folders(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
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

/// Leaves a file to its owner alone; where its folder is shared, those read and write it who read and write that.
#[cfg(unix)]
pub fn share(file: &fs::File, folder: &Path) -> io::Result<()> {
    let folder = fs::metadata(folder)?.permissions().mode();
    let mode = if folder & 0o020 == 0 { 0o600 } else { folder & 0o660 };
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

/// The number by which the machine knows a file, whatever it is called.
#[cfg(unix)]
pub fn file_id(metadata: &fs::Metadata) -> Option<(u64, u64)> {
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
pub fn file_id(_: &fs::Metadata) -> Option<(u64, u64)> {
    None
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

/// Ctrl-C, or the signal by which service managers stop a program. It is listened for from the call on, in a runtime: a signal that
/// comes before anybody waits for it is not lost, and ends nothing hard.
#[cfg(unix)]
pub fn stopped() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let both = signal(SignalKind::interrupt()).and_then(|interrupt| Ok((interrupt, signal(SignalKind::terminate())?)));
    async {
        match both {
            Ok((mut interrupt, mut terminate)) => {
                tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            }
            Err(_) => drop(tokio::signal::ctrl_c().await),
        }
    }
}

#[cfg(not(unix))]
pub async fn stopped() {
    drop(tokio::signal::ctrl_c().await);
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

impl Process {
    pub fn of(id: u32) -> Self {
        Self { id, started: started(id) }
    }

    /// Whether this very process is still there, as far as the machine can tell it from another one of its number.
    pub fn is_there(&self) -> bool {
        self.started.is_some() && started(self.id) == self.started
    }
}

/// The process that runs this one.
#[cfg(unix)]
pub fn parent() -> Process {
    Process::of(std::os::unix::process::parent_id())
}

#[cfg(not(unix))]
pub fn parent() -> Process {
    Process::of(0)
}

#[cfg(not(unix))]
fn started(_: u32) -> Option<String> {
    None
}

/// When a process started that has not ended: in clock ticks since a boot of the machine that has a name. See proc(5).
#[cfg(unix)]
fn started(id: u32) -> Option<String> {
    /// Its place behind the name of the program, which may have blanks and brackets in it.
    const START_TIME: usize = 19;
    let status = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let fields = status.rsplit_once(") ")?.1;
    // One that nobody has waited for has ended all the same.
    if fields.starts_with(['Z', 'X']) {
        return None;
    }
    let ticks = fields.split(' ').nth(START_TIME)?;
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

/// How long the machine has been running, asleep or not. Nobody sets this clock.
#[cfg(target_os = "linux")]
pub fn uptime() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let (secs, nanos) = (u64::try_from(now.tv_sec), u32::try_from(now.tv_nsec));
    // It begins at zero when the machine does.
    Duration::new(secs.unwrap_or(0), nanos.unwrap_or(0))
}

#[cfg(not(target_os = "linux"))]
pub fn uptime() -> Duration {
    static BEGAN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    BEGAN.get_or_init(std::time::Instant::now).elapsed()
}

/// Lets this process have as many files and connections open as it may, and says how many that are.
#[cfg(unix)]
pub fn open_files() -> usize {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.map_or(MANY_FILES, |most| most.min(MANY_FILES));
    let wanted = rustix::process::Rlimit { current: Some(most), maximum: limit.maximum };
    let raised = limit.current.is_some_and(|current| current < most) && setrlimit(Resource::Nofile, wanted).is_ok();
    let now = if raised { most } else { limit.current.unwrap_or(MANY_FILES) };
    usize::try_from(now).unwrap_or(usize::MAX)
}

/// More than a server needs.
#[cfg(unix)]
const MANY_FILES: u64 = 65_536;

#[cfg(not(unix))]
pub fn open_files() -> usize {
    512
}

/// Signals by which a program is asked to stop, held back for a command that it runs: they are passed on to it, and waited for
/// is its end. From the first moment on they do not end this program any more.
#[cfg(unix)]
#[derive(Debug)]
pub struct Held(signal_hook::iterator::Signals);

#[cfg(unix)]
impl Held {
    pub fn begin() -> io::Result<Self> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
        signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM]).map(Self)
    }

    /// The first that came, if any has.
    pub fn came(&mut self) -> Option<i32> {
        self.0.pending().next()
    }

    /// Runs the command to its end. `began` is told its process.
    ///
    /// A terminal sends Ctrl-C to all that runs in its foreground, the command included, which is not to get it twice: there
    /// it stays in this program's group, and only what this program alone gets is passed on. Elsewhere the command and what
    /// it starts are a group of their own.
    ///
    /// The command, and what it starts, holds `lock` as this program does.
    pub fn run(
        mut self,
        command: &mut Command,
        lock: &fs::File,
        began: impl FnOnce(Process),
    ) -> io::Result<ExitStatus> {
        use rustix::io::{FdFlags, fcntl_setfd};
        use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};
        let at_a_terminal = in_the_foreground();
        if !at_a_terminal {
            command.process_group(0);
        }
        fcntl_setfd(lock, FdFlags::empty())?;
        let spawned = command.spawn();
        fcntl_setfd(lock, FdFlags::CLOEXEC)?;
        let mut child = spawned?;
        began(Process::of(child.id()));
        let process = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let process = process.ok_or_else(|| io::Error::other("the command's process has no number"))?;
        let listening = self.0.handle();
        let passing = thread::spawn(move || {
            for number in self.0.forever() {
                let from_the_terminal = [signal_hook::consts::SIGINT, signal_hook::consts::SIGQUIT].contains(&number);
                let Some(signal) = Signal::from_named_raw(number) else { continue };
                // It may have ended just now.
                let _ = match at_a_terminal {
                    true if from_the_terminal => Ok(()),
                    true => kill_process(process, signal),
                    false => kill_process_group(process, signal),
                };
            }
            self
        });
        // It is reaped only when nothing is passed on any more: its number could be somebody else's by then.
        let ended = loop {
            match waitid(WaitId::Pid(process), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
                Err(rustix::io::Errno::INTR) => {}
                ended => break ended,
            }
        };
        listening.close();
        // Kept, so that a signal that comes while the end is written down does not end this program.
        let held = passing.join();
        let status = child.wait();
        drop(held);
        ended?;
        status
    }
}

/// Whether this program is what the terminal's Ctrl-C is for.
#[cfg(unix)]
fn in_the_foreground() -> bool {
    let terminal = fs::File::open("/dev/tty");
    let foreground = terminal.and_then(|terminal| Ok(rustix::termios::tcgetpgrp(terminal)?));
    foreground.is_ok_and(|group| group == rustix::process::getpgrp())
}

/// What a shell says of how a command ended: its status, or 128 and the signal that ended it.
#[cfg(unix)]
pub fn ended_with(status: ExitStatus) -> Option<i32> {
    status.code().or_else(|| Some(128_i32.saturating_add(status.signal()?)))
}

#[cfg(not(unix))]
#[derive(Debug)]
pub struct Held;

#[cfg(not(unix))]
impl Held {
    pub fn begin() -> io::Result<Self> {
        Ok(Self)
    }

    pub fn came(&mut self) -> Option<i32> {
        None
    }

    pub fn run(self, command: &mut Command, _: &fs::File, began: impl FnOnce(Process)) -> io::Result<ExitStatus> {
        let mut child = command.spawn()?;
        began(Process::of(child.id()));
        child.wait()
    }
}

#[cfg(not(unix))]
pub fn ended_with(status: ExitStatus) -> Option<i32> {
    status.code()
}
