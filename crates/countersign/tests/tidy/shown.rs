//! What users are shown is written for them.

use crate::{Texts, nothing, rooms};

/// Lines of the program's rooms that would show somebody a value as programs are debugged. What is traced and what panics may.
fn debugged(rooms: &Texts) -> Vec<String> {
    let may = |line: &str| ["tracing::", "assert", "panic!", "//"].iter().any(|word| line.contains(word));
    let shows = |line: &&str| (line.contains(":?}") || line.contains(":#?}")) && !may(line);
    let mut wrong = Vec::new();
    for (path, text) in rooms.iter().filter(|(path, _)| !path.ends_with("tests.rs")) {
        let shipped = text.split("#[cfg(test)]").next().unwrap_or(text);
        wrong.extend(shipped.lines().filter(shows).map(|line| format!("{path}: {line}")));
    }
    wrong
}

#[test]
fn nobody_is_shown_what_is_for_debugging() {
    nothing(debugged(&rooms()));
    let wrong = [("a.rs".to_owned(), "format!(\"{error:?}\")\nassert!(x, \"{x:?}\")\n".to_owned())].into();
    assert_eq!(debugged(&wrong), ["a.rs: format!(\"{error:?}\")"]);
}
