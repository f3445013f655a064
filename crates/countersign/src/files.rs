//! Files of a change: read once, so that what is hashed is what is approved and what is applied.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Component, Path, PathBuf},
};

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
    #[error("the command names {source_path}, but it will run over a private copy")]
    OutsidePath { source_path: PathBuf, name: String },
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

/// The command runs over private copies; a word that names an original would go round them.
pub fn names_no_outside_path(words: &[String], files: &BTreeMap<String, ReadFile>) -> Result<(), FilesError> {
    for (name, file) in files {
        let source = file.source.to_string_lossy();
        let outside = source != name.as_str() && source != format!("./{name}");
        if outside && words.iter().any(|word| word.contains(source.as_ref())) {
            return Err(FilesError::OutsidePath { source_path: file.source.clone(), name: name.clone() });
        }
    }
    Ok(())
}
