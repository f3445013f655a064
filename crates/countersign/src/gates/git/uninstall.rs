//! Taking a gate out of a repository. Its hooks go; what it has written down stays, and so does its key, since the log may ask
//! about either.

use std::{fs, io, path::PathBuf};

use super::{
    FOLDER, GateConfig, GateError, GitGate, UNINSTALLED, hooks,
    install::{git, io_error, setup},
    report,
};
use crate::{clock, durable, home::files, unix, wire::rfc3339};

/// What was done.
#[derive(Debug)]
pub struct Uninstalled {
    pub config: GateConfig,
    pub removed: Vec<PathBuf>,
    /// What stays: the journal, the configuration and the key.
    pub kept: PathBuf,
}

/// Removes the hooks of a gate. What the log has not been told is told first; where it cannot be, `anyway` has to be said.
pub fn uninstall(gate: &GitGate, anyway: bool) -> Result<Uninstalled, GateError> {
    let hooks = hooks::folder(&gate.repository)?;
    let told = report::tell(gate, clock::now());
    let missing = gate.journal()?.unreported().len();
    if missing > 0 && !anyway {
        let why = told.err().map(|error| format!(": {error}")).unwrap_or_default();
        return Err(setup(
            "outcomes-missing",
            format!("the log does not have {missing} of this gate's outcomes yet{why}"),
            "try again when the server answers; or pass --anyway, and the log will never have them",
        ));
    }
    let mut removed = Vec::new();
    for name in hooks::HOOKS {
        let path = hooks.join(name);
        match hooks::is_ours(&path) {
            Ok(true) => {
                fs::remove_file(&path).map_err(|source| io_error("remove", &path, source))?;
                removed.push(path);
            }
            Ok(false) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(io_error("read", &path, source)),
        }
    }
    if removed.is_empty() {
        return Err(setup(
            "not-installed",
            format!("{} has none of this gate's hooks", gate.repository.display()),
            format!("install it again: countersign gate install {}", files::word(&gate.repository)),
        ));
    }
    let mark = gate.repository.join(FOLDER).join(UNINSTALLED);
    let by = unix::account().map(|account| format!(" by {account}")).unwrap_or_default();
    durable::replace(&mark, format!("{}{by}\n", rfc3339(clock::now())))
        .map_err(|source| io_error("write", &mark, source))?;
    // It may have been taken away by hand.
    let _ = git(&gate.repository, &["config", "--unset", "receive.advertisePushOptions"]);
    Ok(Uninstalled { config: gate.config.clone(), removed, kept: gate.repository.join(FOLDER) })
}
