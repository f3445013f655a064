//! OpenBSD and NetBSD: `ok deraadt@`, `ok a@ b@, c@ and d@` anywhere in the message.

use std::sync::LazyLock;

use regex::Regex;

use super::{Convention, Found, Says, lines::handle};

/// Most of one message that is searched, in bytes.
const MAX_BYTES: usize = 16 * 1024;

static OK: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(?:ok|oks|okay|ok'?d|ok'?ed|okayed)(?:\s+(?:by|from))?[:,]?\s+((?:[a-z][a-z0-9_-]*@(?:[a-z0-9-]+\.[a-z.]+)?(?:\s*(?:,|&|/|\band\b)\s*|\s+|\W|$))+)")
        .ok()
});
static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?i)([a-z][a-z0-9_-]*)@").ok());

pub const CONVENTION: Convention = Convention {
    name: "bsd-ok",
    proves: "who said ok, by their login",
    does_not_prove: "that it was to the committed version: the committer writes the line",
    find: |context| {
        let (Some(ok), Some(name)) = (&*OK, &*NAME) else { return Vec::new() };
        let mut found = Vec::new();
        for commit in context.commits() {
            if !commit.lines.iter().any(|line| line.text.contains('@')) && !commit.subject.contains('@') {
                continue;
            }
            let mut text = commit.subject.to_owned();
            for line in commit.lines.iter().filter(|line| !line.text.starts_with('>') && line.key.is_empty()) {
                if text.len() > MAX_BYTES {
                    break;
                }
                text.push(' ');
                text.push_str(line.text);
            }
            for captures in ok.captures_iter(&text) {
                let (Some(all), Some(names)) = (captures.get(0), captures.get(1)) else { continue };
                let logins = name.captures_iter(names.as_str()).filter_map(|login| login.get(1));
                let people = logins.filter_map(|login| handle(login.as_str()));
                found.extend(people.map(|who| Found::by(Says::Approved, who, all.as_str().trim())));
            }
        }
        found
    },
};
