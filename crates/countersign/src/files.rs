//! Files of a change: read once, so that what is hashed is what is approved and what is applied.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs, io,
    path::{Component, Path, PathBuf},
};

use globset::GlobBuilder;
use thiserror::Error;

use crate::unix;

/// The largest file that a change can be about.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

#[derive(Debug, Error)]
pub enum FilesError {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} is not a file")]
    NotAFile { path: PathBuf },
    #[error("{path} has {bytes} bytes, more than the {MAX_FILE_BYTES} that a change can be about")]
    TooLarge { path: PathBuf, bytes: u64 },
    #[error("{path} has no name in UTF-8")]
    Name { path: PathBuf },
    #[error("two files are called `{name}`")]
    Twice { name: String },
    #[error("the command names `{said}`, the original of {name}, but it will run over a private copy")]
    OutsidePath { said: String, name: String },
}

/// A file as it was read.
#[derive(Debug)]
pub struct ReadFile {
    pub source: PathBuf,
    pub bytes: Vec<u8>,
    pub executable: bool,
}

/// Reads files and names them: a relative path by itself, any other by its last part.
pub fn read_files(paths: &[PathBuf]) -> Result<BTreeMap<String, ReadFile>, FilesError> {
    let mut files = BTreeMap::new();
    for path in paths {
        let cannot = |source| FilesError::Read { path: path.clone(), source };
        let metadata = fs::metadata(path).map_err(cannot)?;
        if !metadata.is_file() {
            return Err(FilesError::NotAFile { path: path.clone() });
        }
        if metadata.len() > MAX_FILE_BYTES {
            return Err(FilesError::TooLarge { path: path.clone(), bytes: metadata.len() });
        }
        let bytes = fs::read(path).map_err(cannot)?;
        let name = name(path).ok_or_else(|| FilesError::Name { path: path.clone() })?;
        let file = ReadFile { source: path.clone(), bytes, executable: unix::is_executable(&metadata) };
        if files.insert(name.clone(), file).is_some() {
            return Err(FilesError::Twice { name });
        }
    }
    Ok(files)
}

fn name(path: &Path) -> Option<String> {
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return path.file_name()?.to_str().map(str::to_owned);
            }
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// The names of those that can be run.
pub fn executable(files: &BTreeMap<String, ReadFile>) -> BTreeSet<String> {
    files.iter().filter(|(_, file)| file.executable).map(|(name, _)| name.clone()).collect()
}

/// Where private copies would lie, for whoever only wants to know what a command would find.
pub fn somewhere() -> PathBuf {
    env::temp_dir().join("countersign-apply-somewhere")
}

/// The command runs in `copies`, over private copies; a word of it that leads to an original, by whatever way, would go round
/// them. What a program does with names that it makes up itself is not to be seen here.
pub fn names_no_outside_path(
    words: &[String],
    files: &BTreeMap<String, ReadFile>,
    copies: &Path,
) -> Result<(), FilesError> {
    let parts: BTreeSet<String> = words.iter().flat_map(|word| parts(word, copies)).collect();
    let folders: Vec<PathBuf> = parts.iter().map(|part| copies.join(part)).filter(|path| path.is_dir()).collect();
    for (name, file) in files {
        let cannot = |source| FilesError::Read { path: file.source.clone(), source };
        let original = Original {
            id: unix::file_id(&fs::metadata(&file.source).map_err(cannot)?),
            path: fs::canonicalize(&file.source).map_err(cannot)?,
        };
        let found = parts.iter().find(|part| {
            let path = copies.join(part);
            let outside = !normal(&path).starts_with(copies);
            // What leads upwards is meant from where it was typed, too.
            let typed = outside && original.is(Path::new(part.as_str()));
            let there = outside && (original.is(&path) || original.is_matched_by(&path));
            let within =
                outside && [name.as_str()].into_iter().chain(last(name)).any(|name| original.is(&path.join(name)));
            let below = Path::new(part.as_str()).is_relative()
                && folders
                    .iter()
                    .any(|folder| !normal(folder).starts_with(copies) && original.is(&folder.join(part.as_str())));
            typed || there || within || below
        });
        if let Some(part) = found {
            return Err(FilesError::OutsidePath { said: part.clone(), name: name.clone() });
        }
    }
    Ok(())
}

/// A file that was read, so that it is known by whatever name.
struct Original {
    id: Option<(u64, u64)>,
    path: PathBuf,
}

impl Original {
    fn is(&self, path: &Path) -> bool {
        let Ok(metadata) = fs::metadata(path) else { return false };
        match (self.id, unix::file_id(&metadata)) {
            (Some(own), Some(found)) => own == found,
            // Without numbers of files, the path that all names of it come to.
            (Some(_) | None, Some(_) | None) => fs::canonicalize(path).is_ok_and(|path| path == self.path),
        }
    }

    /// Whether a pattern that a shell would expand stands for it.
    fn is_matched_by(&self, path: &Path) -> bool {
        let text = normal(path).to_string_lossy().into_owned();
        let pattern = text.contains(['*', '?', '[']).then(|| GlobBuilder::new(&text).literal_separator(true).build());
        pattern.is_some_and(|pattern| pattern.is_ok_and(|pattern| pattern.compile_matcher().is_match(&self.path)))
    }
}

fn last(name: &str) -> Option<&str> {
    Path::new(name).file_name()?.to_str()
}

/// What in a word could be a path: the word, and what stands between the characters by which shells and options separate
/// paths from other things.
fn parts(word: &str, copies: &Path) -> BTreeSet<String> {
    const SEPARATORS: &[char] =
        &['\'', '"', '`', ';', '|', '&', '<', '>', '(', ')', '{', '}', ',', '=', ':', '@', '\\'];
    let word = expanded(word, copies);
    let split = word.split(|c: char| c.is_whitespace() || SEPARATORS.contains(&c)).map(str::to_owned);
    let mut parts: BTreeSet<String> = split.chain([word.clone()]).collect();
    for part in parts.clone() {
        // An option and its path in one: `-I/usr/include`, `-C../there`.
        parts.extend(["/", "../"].iter().filter_map(|from| Some(part.split_at(part.find(from)?).1.to_owned())));
    }
    parts.retain(|part| !part.is_empty() && !part.contains('\0'));
    parts
}

/// A word with the variables in it that a shell would put there, and `~`. In the copy, `PWD` is the copy.
fn expanded(word: &str, copies: &Path) -> String {
    let value = |name: &str| match name {
        "PWD" => Some(copies.display().to_string()),
        name => env::var(name).ok(),
    };
    let mut out = String::new();
    let mut rest = word;
    while let Some(at) = rest.find(['$', '~']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let begins =
            before.chars().next_back().or_else(|| out.chars().next_back()).is_none_or(|c| !c.is_alphanumeric());
        let braced = from.strip_prefix("${").and_then(|rest| rest.split_once('}'));
        let plain = from.strip_prefix('$').map(|rest| {
            rest.split_at(rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len()))
        });
        let (name, after) = match (braced, plain) {
            (Some(braced), _) => braced,
            (None, Some(plain)) => plain,
            (None, None) if begins => ("HOME", from.get(1..).unwrap_or_default()),
            (None, None) => ("", from.get(1..).unwrap_or_default()),
        };
        match value(name) {
            Some(value) if !name.is_empty() => out.push_str(&value),
            Some(_) | None => out.push_str(from.split_at(from.len() - after.len()).0),
        }
        rest = after;
    }
    out + rest
}

/// A path without `.` and `..`, by its letters alone.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(out.pop()),
            Component::Normal(_) | Component::RootDir | Component::Prefix(_) => out.push(component),
        }
    }
    out
}
