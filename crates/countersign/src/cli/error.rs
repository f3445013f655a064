//! What a command says when it fails: a stable code, a message, a hint, and with which exit status.

use std::{borrow::Cow, fmt};

use countersign_core::refusal::{Refusal, RefusalClass};
use serde_json::json;

use super::output::{Format, bold, error_style, hint_style, printable_lines};
use crate::{home::HomeError, signer::SignerError};

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or allowed.
    Done,
    /// An error.
    Failed,
    /// It was called in a wrong way.
    Usage,
    /// The rules refuse.
    Refused,
    /// What a command that was run for the user ended with.
    Command(u8),
}

impl Exit {
    /// What an actor may not do, the rules refuse; whatever else is wrong is an error.
    pub fn of(class: RefusalClass) -> Self {
        match class {
            RefusalClass::Denied | RefusalClass::Forbidden => Self::Refused,
            RefusalClass::Malformed
            | RefusalClass::Unauthenticated
            | RefusalClass::Unknown
            | RefusalClass::Conflict
            | RefusalClass::Newer => Self::Failed,
        }
    }

    /// The same of what somebody said and the log did not take: whatever it says is a refusal. What could not be read, and what only
    /// says that the server is in trouble, is an error.
    pub fn of_said(class: RefusalClass, code: &str) -> Self {
        /// Conflicts of the server with itself: the same may be taken a moment later, or never by this server.
        const TROUBLE: [&str; 8] = [
            "busy",
            "change-damaged",
            "clock-behind",
            "clock-jumped",
            "crowded",
            "decision-overtaken",
            "foreign-checkpoint",
            "log-moved",
        ];
        match class {
            RefusalClass::Denied | RefusalClass::Forbidden | RefusalClass::Malformed | RefusalClass::Unknown => {
                Self::Refused
            }
            RefusalClass::Conflict if !TROUBLE.contains(&code) => Self::Refused,
            RefusalClass::Conflict | RefusalClass::Unauthenticated | RefusalClass::Newer => Self::Failed,
        }
    }

    pub fn status(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Command(status) => status,
        }
    }
}

#[derive(Debug)]
pub struct CliError {
    pub exit: Exit,
    /// Stable, kebab-case: scripts match on it.
    pub code: Cow<'static, str>,
    pub message: String,
    pub hint: Option<String>,
}

impl CliError {
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, code: code.into(), message: message.into(), hint: None }
    }

    /// The command line does not make sense, in a way that clap cannot see.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, ..Self::new("usage", message) }
    }

    /// Where the log is away, an emergency goes by another road.
    pub fn or_without_the_log(self) -> Self {
        if self.code != "unreachable" {
            return self;
        }
        let hint = "while the log is away, a gate opens to people. Of commits: git revert what was wrong, or commit what mends it, and git push: \
                    the refusal prints the lines. Of a command: countersign apply --target SYSTEM/ENV --file PATH -- COMMAND prints them. With \
                    the log: start it with `countersign serve --home HOME`, or name it with --url";
        self.hint(hint)
    }

    /// The same as [`CliError::new`] of what a gate or the log would refuse, and is refused here already.
    pub fn refused(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { exit: Exit::Refused, ..Self::new(code, message) }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Tells the user, on standard error.
    pub fn print(&self, format: Format) {
        match format {
            Format::Json => {
                let error = json!({"error": {"code": self.code, "message": self.message, "hint": self.hint}});
                anstream::eprintln!("{error}");
            }
            Format::Text => {
                anstream::eprintln!("{}: {}", bold(error_style(), "error"), printable_lines(&self.message));
                if let Some(hint) = &self.hint {
                    anstream::eprintln!("{}: {}", bold(hint_style(), "hint"), printable_lines(hint));
                }
            }
        }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Refusal> for CliError {
    fn from(refusal: Refusal) -> Self {
        Self { exit: Exit::of(refusal.class), code: refusal.code.into(), message: refusal.message, hint: refusal.hint }
    }
}

impl From<HomeError> for CliError {
    fn from(error: HomeError) -> Self {
        match error {
            HomeError::Refused(refusal) => refusal.into(),
            error => Self { hint: error.advice(), ..Self::new(error.code(), error.to_string()) },
        }
    }
}

impl From<SignerError> for CliError {
    fn from(error: SignerError) -> Self {
        Self { hint: error.hint(), ..Self::new("cannot-sign", error.to_string()) }
    }
}
