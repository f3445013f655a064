//! Slices of real, content-free histories, made into repositories again.

use std::io::Read as _;

use serde_json::Value;

use super::history::{Commit, History};

/// Reads `tests/data/NAME.jsonl.gz`: a line for each commit, parents first.
pub fn read(name: &str) -> History {
    let path = format!("{}/tests/data/{name}.jsonl.gz", env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: Vec<&str> = lines.iter().map(|line| line["sha"].as_str().unwrap()).collect();
    let parents = |line: &Value| -> Vec<usize> {
        let known = |parent: &Value| ids.iter().position(|id| Some(*id) == parent.as_str()).map(|at| at + 1);
        list(line, "parents").iter().filter_map(known).collect()
    };
    let mut history = History::default();
    for (at, line) in lines.iter().enumerate() {
        let paths: Vec<&str> = list(line, "paths").iter().filter_map(|pair| pair[1].as_str()).collect();
        let files: Vec<&[u8]> = paths.iter().map(|path| path.as_bytes()).collect();
        let message = message(line);
        // The last commit is the tip; a commit without known parents begins a branch, for fast-import knows no other way.
        let branch = if at + 1 == lines.len() { "main".to_owned() } else { format!("c{at}") };
        history.commit(&Commit {
            branch: &branch,
            parents: &parents(line),
            author: line["author"].as_str().unwrap(),
            committer: line["committer"].as_str().unwrap(),
            at: line["ct"][0].as_i64().unwrap(),
            message: message.as_bytes(),
            files: &files,
            ..Commit::default()
        });
    }
    for (at, line) in lines.iter().enumerate() {
        let votes = list(line, "review");
        if !votes.is_empty() {
            let text: Vec<String> = votes.iter().map(pair).collect();
            history.note("refs/notes/review", at + 1, &text.join("\n"));
        }
    }
    history
}

fn message(line: &Value) -> String {
    let mut parts = vec![line["subject"].as_str().unwrap_or("(no subject)").to_owned()];
    let evidence: Vec<&str> = list(line, "evidence").iter().filter_map(Value::as_str).collect();
    let trailers: Vec<String> = list(line, "trailers").iter().map(pair).collect();
    parts.extend((!evidence.is_empty()).then(|| evidence.join("\n")));
    parts.extend((!trailers.is_empty()).then(|| trailers.join("\n")));
    parts.join("\n\n")
}

fn pair(pair: &Value) -> String {
    format!("{}: {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap())
}

fn list<'a>(line: &'a Value, field: &str) -> &'a [Value] {
    line[field].as_array().map_or(&[], Vec::as_slice)
}
