//! Which program a gate runs, and which meaning its log has: what an upgrade has to know before semantics are raised.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use countersign_core::{governance::Governance, semantics::NEWEST_SEMANTICS};
use serde::Serialize;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Versions {
    /// Of the program that tells this.
    pub program: &'static str,
    /// The program that git's hooks run, and what it says of itself; `None` where it cannot be run.
    pub hooks: Option<PathBuf>,
    pub hooks_program: Option<String>,
    /// The newest semantics that this program knows, and those of the log as it was last followed.
    pub knows_semantics: u32,
    pub semantics: Option<u32>,
}

/// What is installed in a repository, and what its log asks for.
pub fn of(repository: &Path, governance: Option<&Governance>) -> Versions {
    let hooks = hooks_program(repository);
    Versions {
        program: env!("CARGO_PKG_VERSION"),
        hooks_program: hooks.as_deref().and_then(asked),
        hooks,
        knows_semantics: NEWEST_SEMANTICS,
        semantics: governance.map(|governance| governance.record.semantics.number()),
    }
}

/// The program that stands before `gate hook` in the hook that judges.
fn hooks_program(repository: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(repository.join("hooks/pre-receive")).ok()?;
    let words: Vec<String> = text.lines().filter_map(shlex::split).flatten().collect();
    let call = words.windows(3).find(|words| matches!(words, [_, gate, hook] if gate == "gate" && hook == "hook"))?;
    call.first().map(PathBuf::from)
}

/// `0.1.0`, of a program that says `countersign 0.1.0`.
fn asked(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    said.split_whitespace().nth(1).map(str::to_owned)
}

impl Versions {
    /// One line for a reader.
    pub fn words(&self) -> String {
        let hooks = match (&self.hooks_program, &self.hooks) {
            (Some(version), _) if version == self.program => format!("hooks and this program are {version}"),
            (Some(version), _) => format!("hooks run {version}, this program is {}", self.program),
            (None, Some(path)) => format!("hooks run {}, which does not run", path.display()),
            (None, None) => format!("this program is {}; no hook names one", self.program),
        };
        let semantics = match self.semantics {
            Some(number) => format!("the log has semantics {number}, this program knows {}", self.knows_semantics),
            None => format!("this program knows semantics {}", self.knows_semantics),
        };
        format!("{hooks}; {semantics}")
    }
}
