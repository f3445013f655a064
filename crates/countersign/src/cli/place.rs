//! Which log is meant, what is pinned of it, and which key signs: a flag is heard before a variable, that before the folder's file,
//! that before one's own, and that before what was joined. Each with who said so.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use clap::{ArgMatches, parser::ValueSource};
use countersign_core::catalog::did_you_mean;

use super::{Options, error::CliError, output, shell};
use crate::{
    joined::{self, Joined, Place},
    settings::{Settings, SettingsError},
    signer::{self, Choice},
};

/// Where `serve` listens if nobody says otherwise.
const DEFAULT_URL: &str = "http://127.0.0.1:7878";

/// Who said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Typed with the command.
    Flag(&'static str),
    Variable(&'static str),
    /// A file of settings.
    File(PathBuf),
    /// With the log of this name.
    Joined(String),
    /// Git's configuration.
    Git,
    /// Nobody.
    Usual,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "--{name}"),
            Self::Variable(name) => f.write_str(name),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Joined(log) => write!(f, "joined as {log}"),
            Self::Git => f.write_str("git config user.signingkey"),
            Self::Usual => f.write_str("nobody says otherwise"),
        }
    }
}

/// A value, and who said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said<T> {
    pub value: T,
    pub by: Origin,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Meant {
    pub url: Said<String>,
    /// The joined log of this name, where one is meant.
    pub log: Option<Said<String>>,
    /// None: what git signs with, or a key with a usual name.
    pub key: Option<Said<PathBuf>>,
    pub trust: Option<Said<PathBuf>>,
    pub settings: Settings,
}

/// What names a log.
enum Named {
    Url(Said<String>),
    Log(Said<String>),
    Nothing,
}

impl Meant {
    /// What was configured is read where the command makes use of it.
    pub(super) fn of(options: &Options, matches: &ArgMatches) -> Result<Self, CliError> {
        let settings = match shell::uses_none(matches) {
            true => Settings::default(),
            false => Settings::here()?,
        };
        let joined = joined::here()?;
        let own = || Origin::File(settings.own_file.clone().unwrap_or_default());
        let said = |name: &'static str, variable| match matches.value_source(name) {
            Some(ValueSource::CommandLine) => Origin::Flag(name),
            Some(_) | None => Origin::Variable(variable),
        };
        let (url, log, of_joined) = match Named::of(options, matches, &settings)? {
            Named::Url(url) => {
                let of_joined =
                    joined.at(&url.value).and_then(|(log, place)| Some((log.to_owned(), place.key.clone()?)));
                (url, None, of_joined)
            }
            Named::Log(log) => {
                let place = joined.logs.get(&log.value).cloned().ok_or_else(|| not_joined(&log, &joined))?;
                let url = Said { value: place.url, by: Origin::Joined(log.value.clone()) };
                let of_joined = place.key.map(|key| (log.value.clone(), key));
                (url, Some(log), of_joined)
            }
            Named::Nothing => match joined.usual() {
                Some((log, Place { url, key })) => {
                    let by = Origin::Joined(log.to_owned());
                    let said = Said { value: log.to_owned(), by: Origin::Usual };
                    let of_joined = key.clone().map(|key| (log.to_owned(), key));
                    (Said { value: url.clone(), by }, Some(said), of_joined)
                }
                None => (Said { value: DEFAULT_URL.to_owned(), by: Origin::Usual }, None, None),
            },
        };
        let typed = |value: &Option<PathBuf>, by| value.clone().map(|value| Said { value, by });
        let joined_with = of_joined.map(|(log, value)| Said { value, by: Origin::Joined(log) });
        // Which key signs in a log is said when it is joined, of that log; the own file says it of all others.
        let key = typed(&options.key, said("key", "COUNTERSIGN_KEY"));
        let key = key.or(joined_with).or_else(|| typed(&settings.own.key, own()));
        let trust =
            typed(&options.trust, said("trust", "COUNTERSIGN_TRUST")).or_else(|| typed(&settings.own.trust, own()));
        Ok(Self { url, log, key, trust, settings })
    }

    /// Whether somebody named the server with this very command.
    pub fn names_server(&self) -> bool {
        let named = |by: &Origin| match by {
            Origin::Flag(_) | Origin::Variable(_) => true,
            Origin::File(_) | Origin::Joined(_) | Origin::Git | Origin::Usual => false,
        };
        named(&self.url.by) || self.log.as_ref().is_some_and(|log| named(&log.by))
    }
}

impl Named {
    fn of(options: &Options, matches: &ArgMatches, settings: &Settings) -> Result<Self, CliError> {
        let typed = |option| matches.value_source(option) == Some(ValueSource::CommandLine);
        let url = |by| options.url.clone().map(|value| Self::Url(Said { value, by }));
        let log = |by| options.log.clone().map(|value| Self::Log(Said { value, by }));
        let (by_flag, by_variable) = match (typed("url"), typed("log")) {
            (true, true) => {
                return Err(CliError::usage("--url and --log each say which log is meant")
                    .hint("leave one of them away: --log NAME has the address with which the log was joined"));
            }
            (true, false) => (url(Origin::Flag("url")), None),
            (false, true) => (log(Origin::Flag("log")), None),
            // Of two variables the address says more.
            (false, false) => {
                let address = url(Origin::Variable("COUNTERSIGN_URL"));
                (None, address.or_else(|| log(Origin::Variable("COUNTERSIGN_LOG"))))
            }
        };
        let file = |path: &Option<PathBuf>| Origin::File(path.clone().unwrap_or_default());
        let of_folder = settings.log_of_folder.clone();
        let of_folder = of_folder.map(|value| Self::Log(Said { value, by: file(&settings.folder_file) }));
        let own = settings.own.url.clone().map(|value| Self::Url(Said { value, by: file(&settings.own_file) }));
        let own_log = settings.own.log.clone().map(|value| Self::Log(Said { value, by: file(&settings.own_file) }));
        Ok(by_flag.or(by_variable).or(of_folder).or(own).or(own_log).unwrap_or(Self::Nothing))
    }
}

fn not_joined(log: &Said<String>, joined: &Joined) -> CliError {
    let Said { value: name, by } = log;
    let known = || joined.logs.keys().map(String::as_str);
    if joined.logs.is_empty() {
        return CliError::usage(format!("{by}: no log was joined here, and so none `{name}`"))
            .hint("join it first: countersign join URL --trust FILE");
    }
    let error = CliError::usage(format!("{by}: no log `{name}` was joined here, but {}", output::list(known())));
    match did_you_mean(name, known()) {
        Some(meant) => error.hint(match by {
            Origin::Flag(_) => format!("did you mean --log {meant}?"),
            _ => format!("did you mean {meant}?"),
        }),
        None => error.hint("join it first: countersign join URL --trust FILE"),
    }
}

/// The key that signs where nobody names one, and by whose word.
pub fn usual_key() -> Option<Said<String>> {
    let shown = |path: &Path| path.display().to_string();
    let by_git = signer::is_set_for_git();
    let by = if by_git { Origin::Git } else { Origin::Usual };
    match signer::default_key(None).ok()? {
        Choice::File(path) => Some(Said { value: shown(&path), by }),
        Choice::Public(key) => Some(Said { value: format!("{} in the agent", key.fingerprint()), by }),
    }
}

impl From<SettingsError> for CliError {
    fn from(error: SettingsError) -> Self {
        Self::new("settings", error.to_string()).hint(error.hint())
    }
}
