//! What somebody configures once, so that they need not type it: a file of their own, and one of the folder that they work in.
//!
//! ```text
//! $XDG_CONFIG_HOME/countersign/config.toml    url or log, key, trust
//! .countersign.toml                           log; here or in a folder above
//! ```
//!
//! Invariant: whoever can write into a repository decides nothing about trust by it. A folder's file chooses among the logs that
//! its reader joined, and says neither where a log is served, nor what is pinned, nor which key signs.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};
use thiserror::Error;

use crate::unix;

/// A folder's file.
pub const FOLDER_FILE: &str = ".countersign.toml";

/// More than anybody writes into one.
const MAX_BYTES: u64 = 64 * 1024;
/// More folders than a path has.
const MAX_FOLDERS: usize = 256;

#[derive(Debug, Error)]
pub enum SettingsError {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{}: {message}", at(.path, *.line))]
    Wrong { path: PathBuf, line: Option<usize>, message: String },
    #[error(
        "{}: a folder's file does not say `{name}`: whoever can write here would decide for all who work here {decides}",
        at(.path, *.line)
    )]
    NotAFolders { path: PathBuf, line: Option<usize>, name: &'static str, decides: &'static str },
}

impl SettingsError {
    pub fn hint(&self) -> String {
        match self {
            Self::Read { .. } => "mend its mode or take it away".to_owned(),
            Self::Wrong { path, .. } if path.ends_with(FOLDER_FILE) => {
                "it reads `log = \"NAME\"`, the name of a log that was joined (countersign join)".to_owned()
            }
            Self::Wrong { .. } => {
                "it reads `url = \"https://…\"` or `log = \"NAME\"`, `key = \"~/.ssh/…\"` and `trust = \"trust.json\"`"
                    .to_owned()
            }
            Self::NotAFolders { .. } => {
                "take the line out; a folder's file chooses among the logs that you joined: log = \"NAME\"".to_owned()
            }
        }
    }
}

fn at(path: &Path, line: Option<usize>) -> String {
    match line {
        Some(line) => format!("{}:{line}", path.display()),
        None => path.display().to_string(),
    }
}

/// Somebody's own file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Own {
    /// Where the log is served.
    pub url: Option<String>,
    /// Or: which of the logs that were joined.
    pub log: Option<String>,
    pub key: Option<PathBuf>,
    pub trust: Option<PathBuf>,
}

/// A folder's file. The names that it may not say are read to say so.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfFolder {
    log: Option<String>,
    url: Option<toml::Spanned<toml::Value>>,
    key: Option<toml::Spanned<toml::Value>>,
    trust: Option<toml::Spanned<toml::Value>>,
}

/// What both files say, with where they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub own: Own,
    /// Where the own file is or would be.
    pub own_file: Option<PathBuf>,
    pub log_of_folder: Option<String>,
    /// The folder's file, if there is one.
    pub folder_file: Option<PathBuf>,
}

impl Settings {
    /// As whoever works in this folder has them.
    pub fn here() -> Result<Self, SettingsError> {
        let folder = env::current_dir().unwrap_or_default();
        Self::of(own_file().as_deref(), &folder, env::home_dir().as_deref())
    }

    fn of(own_file: Option<&Path>, folder: &Path, home: Option<&Path>) -> Result<Self, SettingsError> {
        let mut settings = Self { own_file: own_file.map(Path::to_owned), ..Self::default() };
        if let Some(path) = own_file
            && let Some(text) = read(path)?
        {
            let own: Own = parse(path, &text)?;
            if own.url.is_some() && own.log.is_some() {
                let message = "`url` and `log` each say which log is meant: leave one away".to_owned();
                return Err(SettingsError::Wrong { path: path.to_owned(), line: None, message });
            }
            let beside = |named: Option<PathBuf>| named.map(|named| expanded(&named, path.parent(), home));
            settings.own = Own { key: beside(own.key), trust: beside(own.trust), ..own };
        }
        let here = disk(folder);
        for folder in folder.ancestors().take(MAX_FOLDERS) {
            // A home's owner has a file of their own; above it, and on another disk, are other people's folders.
            if Some(folder) == home || disk(folder) != here {
                break;
            }
            let path = folder.join(FOLDER_FILE);
            let text = match read(&path) {
                // In a folder that one may not even search nobody has put anything for one.
                Err(SettingsError::Read { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => None,
                read => read?,
            };
            let Some(text) = text else { continue };
            settings.log_of_folder = log_of(&path, &text)?;
            settings.folder_file = Some(path);
            break;
        }
        Ok(settings)
    }
}

/// Where somebody's own file is.
fn own_file() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = absolute("XDG_CONFIG_HOME").or_else(|| env::home_dir().map(|home| home.join(".config")))?;
    Some(folder.join("countersign").join("config.toml"))
}

fn read(path: &Path) -> Result<Option<String>, SettingsError> {
    let failed = |source| SettingsError::Read { path: path.to_owned(), source };
    match fs::metadata(path) {
        Ok(file) if file.is_file() && file.len() <= MAX_BYTES => fs::read_to_string(path).map(Some).map_err(failed),
        Ok(_) => Err(failed(io::Error::other("it is no file of settings"))),
        Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, SettingsError> {
    toml::from_str(text).map_err(|error: toml::de::Error| SettingsError::Wrong {
        path: path.to_owned(),
        line: error.span().map(|span| line_of(text, span.start)),
        message: error.message().trim().replace('\n', "; "),
    })
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count().saturating_add(1)
}

fn log_of(path: &Path, text: &str) -> Result<Option<String>, SettingsError> {
    let said: OfFolder = parse(path, text)?;
    for (name, decides, value) in [
        ("url", "whom they speak to", said.url),
        ("key", "what they sign with", said.key),
        ("trust", "which log they believe", said.trust),
    ] {
        if let Some(value) = value {
            let line = Some(line_of(text, value.span().start));
            return Err(SettingsError::NotAFolders { path: path.to_owned(), line, name, decides });
        }
    }
    Ok(said.log)
}

/// `~/` is the home; anything else that is relative is beside the file that names it.
fn expanded(named: &Path, folder: Option<&Path>, home: Option<&Path>) -> PathBuf {
    match (named.strip_prefix("~"), home, folder) {
        (Ok(rest), Some(home), _) => home.join(rest),
        (_, _, Some(folder)) => folder.join(named),
        (_, _, None) => named.to_owned(),
    }
}

/// Which disk a folder is on, where the system says so.
fn disk(folder: &Path) -> Option<u64> {
    let metadata = fs::metadata(folder).ok()?;
    unix::file_id(&metadata).map(|(disk, _)| disk)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(own: &str, of_folder: &str) -> Result<Settings, String> {
        let place = tempfile::tempdir().unwrap();
        let (home, work) = (place.path().join("home"), place.path().join("home/work/deep"));
        fs::create_dir_all(&work).unwrap();
        fs::write(home.join("config.toml"), own).unwrap();
        fs::write(home.join("work").join(FOLDER_FILE), of_folder).unwrap();
        // Nobody's: it is above everybody's work.
        fs::write(place.path().join(FOLDER_FILE), "log = \"above\"\n").unwrap();
        let found = Settings::of(Some(&home.join("config.toml")), &work, Some(&home));
        let found = found.map_err(|error| error.to_string().replace(&format!("{}/", place.path().display()), ""));
        // A path is told by where it is in the home.
        found.map(|mut found| {
            let short = |path: PathBuf| path.strip_prefix(&home).unwrap().to_owned();
            found.own.key = found.own.key.map(short);
            found.own.trust = found.own.trust.map(short);
            found
        })
    }

    #[test]
    fn the_own_file_says_all_and_a_folders_says_which_log() {
        let found =
            said("url = \"https://a\"\nkey = \"~/.ssh/work\"\ntrust = \"trust.json\"\n", "log = \"b\"\n").unwrap();
        let own = Own {
            url: Some("https://a".to_owned()),
            log: None,
            key: Some(".ssh/work".into()),
            trust: Some("trust.json".into()),
        };
        assert_eq!((found.own, found.log_of_folder.as_deref()), (own, Some("b")));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let wrong = |own: &str, of_folder: &str| said(own, of_folder).unwrap_err();
        assert_eq!(
            wrong("url = \"https://a\"\nkei = \"x\"\n", ""),
            "home/config.toml:2: unknown field `kei`, expected one of `url`, `log`, `key`, `trust`"
        );
        assert_eq!(wrong("url = https://a\n", "").split(": ").next(), Some("home/config.toml:1"));
        assert_eq!(wrong("key = 7\n", "").split(": ").next(), Some("home/config.toml:1"));
        assert_eq!(
            wrong("url = \"https://a\"\nlog = \"b\"\n", ""),
            "home/config.toml: `url` and `log` each say which log is meant: leave one away"
        );
        for name in ["url", "key", "trust"] {
            let told = wrong("", &format!("log = \"b\"\n\n{name} = \"x\"\n"));
            assert!(
                told.starts_with(&format!("home/work/.countersign.toml:3: a folder's file does not say `{name}`")),
                "{told}"
            );
        }
    }
}
