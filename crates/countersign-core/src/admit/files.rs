//! Admission of files and of the command that applies them: what no gate could ever lay out or run is not proposed.

use crate::{
    refusal::Refusal,
    subject::{FilesSubject, MAX_COMMAND_WORDS, MAX_FILES},
};

/// Of a file's name, and of each part of it: file systems take no more.
const MAX_NAME_BYTES: usize = 1_024;
const MAX_PART_BYTES: usize = 255;

pub(super) fn files(subject: &FilesSubject) -> Result<(), Refusal> {
    let FilesSubject { files, executable, command } = subject;
    if files.is_empty() || files.len() > MAX_FILES {
        return Err(Refusal::malformed("files", format!("a change of files has 1 to {MAX_FILES} files")));
    }
    for name in files.keys() {
        if !is_a_name(name) {
            return Err(Refusal::malformed("file-name", format!("no file can be called `{}`", name.escape_debug()))
                .hint(format!(
                    "a file is named by a path below the folder in which the command runs, such as `flags/shop.json`: no `/` at \
                     its beginning, no `..`, at most {MAX_NAME_BYTES} bytes"
                )));
        }
        let folders = name.match_indices('/').filter_map(|(at, _)| name.get(..at));
        if let Some(folder) = folders.into_iter().find(|folder| files.contains_key(*folder)) {
            return Err(Refusal::malformed(
                "file-name",
                format!("`{}` is a file, and the folder of `{}`", folder.escape_debug(), name.escape_debug()),
            )
            .hint("give one of them another name"));
        }
    }
    if let Some(name) = executable.iter().find(|name| !files.contains_key(*name)) {
        return Err(Refusal::malformed("files", format!("`{name}` is to be run, and is no file of the change")));
    }
    match command {
        Some(words) if words.is_empty() || words.len() > MAX_COMMAND_WORDS => {
            Err(Refusal::malformed("command", format!("a command has 1 to {MAX_COMMAND_WORDS} words")))
        }
        Some(words) if words.first().is_some_and(String::is_empty) || words.iter().any(|word| word.contains('\0')) => {
            Err(Refusal::malformed("command", "no program can be run so: its name is empty, or a word has a NUL in it")
                .hint("name the command as you would type it: --command 'COMMAND'"))
        }
        Some(_) => Ok(()),
        // No gate takes files but the one that runs a command over them.
        None => Err(Refusal::malformed(
            "no-command",
            "a change of files says by which command they are applied, or no gate could ever let it through",
        )
        .hint("add --command 'COMMAND', the command that `countersign apply` will run over these files")),
    }
}

/// Whether a file below a folder can be called so.
fn is_a_name(name: &str) -> bool {
    let can_be = |part: &str| !matches!(part, "" | "." | "..") && part.len() <= MAX_PART_BYTES;
    name.len() <= MAX_NAME_BYTES && !name.contains('\0') && name.split('/').all(can_be)
}
