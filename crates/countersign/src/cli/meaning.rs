//! What a change of what governs means, in words and as a difference of its rules: worked out here from the blobs that signed
//! statements name and from the files that they replace, never from a summary by the server.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
};

use countersign_core::{
    coverage::{Coverage, coverage},
    governance::{Governance, GovernanceRecord, RULES, Replacements, read_manifest},
    loosening::{loosens, span},
    statement::Publication,
    subject::{GovernanceSubject, Subject},
};
use countersign_ledger::Digest;
use serde_json::{Value, json};

use super::{
    coverage as report,
    error::CliError,
    otherwise::Otherwise,
    output::{self, warn},
};
use crate::{
    client::Client,
    clock,
    erasing::there,
    known::KnownLog,
    publication::{self, Content, Edit, InForce},
    reading::Reading,
};

/// What a change of governance files means, compared with those that it was made on.
pub struct Meaning {
    edits: Vec<Edit>,
    words: Vec<String>,
    loosens: Vec<String>,
    /// How long it waits where it does, while that is still to come.
    waits_secs: Option<u32>,
    /// Whether something else has come into force since it was made.
    pub overtaken: bool,
    /// Before and after, where it could be put in force as it is.
    coverage: Option<(Coverage, Coverage)>,
    /// Of the changes that were decided lately, where the rules differ.
    otherwise: Otherwise,
}

impl Meaning {
    /// Of the present revision of a change; `None` where it is about something else.
    pub fn of_change(log: &KnownLog, reading: &Reading) -> Result<Option<Self>, CliError> {
        let Subject::Governance(GovernanceSubject { files, parent, semantics }) = reading.subject() else {
            return Ok(None);
        };
        let mut known = Known::of(&log.client, |digest| reading.blob(digest).map(<[u8]>::to_vec));
        let record = &reading.state().governance.record;
        let replaced_since = *parent != record.in_force;
        // What is in force already was not overtaken by itself.
        let overtaken = replaced_since && reading.change().status.is_open();
        let in_force = match replaced_since {
            false => InForce { by: record.in_force, files: record.files.clone() },
            true => InForce::up_to(&log.client.published()?, &log.trust().genesis, parent)?,
        };
        known.need([files])?;
        let replaced = read_manifest(files, &|digest| known.get(digest))?;
        let mut meaning = Self::of(&mut known, &in_force, &replaced)?;
        meaning.overtaken = overtaken;
        let governance = &reading.state().governance;
        let before = match governance.is_read() && !replaced_since {
            true => (**governance).clone(),
            false => {
                known.need(in_force.files.values())?;
                let record = GovernanceRecord { files: in_force.files, in_force: in_force.by, ..record.clone() };
                Governance::load(record, &|digest| known.get(digest))?
            }
        };
        let (files, parent, reason) = (*files, *parent, *files);
        let publication = Publication { change: None, files, parent, reason, semantics: *semantics };
        // What does not hold is said by whoever would put it in force.
        if let Ok(after) = before.publish(&publication, files, &|digest| known.get(digest)) {
            match replaced_since {
                true => meaning.loosens = loosens(&before, &after).iter().map(ToString::to_string).collect(),
                false => meaning.compare(log, &before, &after)?,
            }
        }
        Ok(Some(meaning))
    }

    /// Of the files that are replaced, as `known` finds them.
    pub fn of(known: &mut Known<'_>, in_force: &InForce, replaced: &Replacements) -> Result<Self, CliError> {
        known.need(replaced.keys().filter_map(|path| in_force.files.get(path)))?;
        known.need(replaced.values().flatten())?;
        let edits = publication::edits(in_force, replaced, |digest| known.get(digest))?;
        let words = publication::words(&edits)?;
        Ok(Self {
            edits,
            words,
            loosens: Vec::new(),
            waits_secs: None,
            overtaken: false,
            coverage: None,
            otherwise: Otherwise::default(),
        })
    }

    /// Works out whom the rules lock out before and after, and what they would have made of the changes that were decided lately.
    pub fn compare(&mut self, log: &KnownLog, before: &Governance, after: &Governance) -> Result<(), CliError> {
        let now = clock::now();
        self.loosens = loosens(before, after).iter().map(ToString::to_string).collect();
        self.waits_secs = Some(before.catalog.settings.loosening_wait_secs);
        self.coverage = Some((coverage(before, now), coverage(after, now)));
        if before.rules.digest() != after.rules.digest() {
            let (size, server) = (log.checkpoint().size, &before.record.server_key);
            self.otherwise = Otherwise::of(&log.client, size, server, &before.rules, &after.rules)?;
        }
        Ok(())
    }

    /// What is told before somebody signs, and whenever the change is shown.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.loosens.iter().map(|what| format!("loosens: {what}")).collect();
        if let Some(secs) = self.waits_secs.filter(|_| !lines.is_empty()) {
            let wait = if secs == 0 { String::new() } else { format!(", and then it waits {}", span(secs)) };
            lines.push(format!("so two of the policy group, one of them a senior, stand behind it{wait}"));
        }
        lines.extend(self.words.iter().cloned());
        if let Some((before, after)) = &self.coverage {
            let (was, is) = (report::ratio(before), report::ratio(after));
            let was = if was == is { String::new() } else { format!(", before {was}") };
            lines.push(format!("coverage: {}{was}", report::summary(after)));
            lines.extend(report::roads(after));
            lines.extend(report::fewest(before, after));
        }
        lines.extend(self.otherwise.lines());
        lines
    }

    /// The same under the name of what it is, for a page of fields.
    pub fn print(&self) {
        for (line, label) in self.lines().iter().zip(std::iter::once("changes").chain(std::iter::repeat(""))) {
            anstream::println!("{label:<10}{}", output::printable(line));
        }
        if let Some((before, after)) = &self.coverage
            && before.gaps != after.gaps
        {
            report::print(after);
        }
    }

    pub fn to_json(&self) -> Value {
        let paths: Vec<&str> = self.edits.iter().map(|edit| edit.path.as_str()).collect();
        let (before, after) = self.coverage.as_ref().map(|(b, a)| (report::to_json(b), report::to_json(a))).unzip();
        json!({
            "changed": paths,
            "words": self.words,
            "loosens": self.loosens,
            "waits_secs": self.waits_secs.filter(|_| !self.loosens.is_empty()),
            "overtaken": self.overtaken,
            "coverage": { "before": before, "after": after },
            "otherwise": {
                "looked_at": self.otherwise.looked_at,
                "would_pass": self.otherwise.would_pass,
                "would_not": self.otherwise.would_not,
            },
        })
    }

    /// The rules as git shows a difference: what their words leave out. Everything else is in the words.
    pub fn diff(&self) -> Result<String, CliError> {
        let failed = |error: std::io::Error| CliError::new("io", format!("cannot compare the files: {error}"));
        let folder = tempfile::tempdir().map_err(failed)?;
        let mut text = String::new();
        for (number, edit) in self.edits.iter().filter(|edit| edit.path.starts_with(RULES)).enumerate() {
            let of = |content: &Content| match content {
                Content::Text(text) => text.clone(),
                Content::None | Content::Erased => String::new(),
            };
            // The names were checked by nobody: they become numbers on the disk, and names again in what is shown.
            for (side, content) in [("in-force", &edit.old), ("publication", &edit.new)] {
                let path = folder.path().join(side).join(number.to_string());
                fs::create_dir_all(folder.path().join(side))
                    .and_then(|()| fs::write(path, of(content)))
                    .map_err(failed)?;
            }
            let output = Command::new("git")
                .args(["--no-pager", "diff", "--no-index", "--no-color", "--no-ext-diff", "--"])
                .args([format!("in-force/{number}"), format!("publication/{number}")])
                .current_dir(folder.path())
                .output()
                .map_err(failed)?;
            let hunks = String::from_utf8_lossy(&output.stdout);
            let hunks: Vec<&str> = hunks.lines().skip_while(|line| !line.starts_with("@@")).collect();
            text.push_str(&format!("\n{}\n{}\n", edit.path.escape_debug(), hunks.join("\n")));
        }
        Ok(output::printable_lines(&text.replace('\t', "    ")))
    }

    /// Says so where it has to be made again.
    pub fn warn_if_overtaken(&self, short: &str) {
        if self.overtaken {
            anstream::eprintln!("{}: {}", warn("overtaken"), overtaken(short));
        }
    }
}

/// What is to be done about a change whose parent is no longer in force.
pub fn overtaken(short: &str) -> String {
    format!(
        "something else has come into force since this was made; its author makes it again: countersign amend HOME --revise {short}"
    )
}

/// Where blobs are that need not be asked for.
type Here<'a> = dyn Fn(&Digest) -> Option<Vec<u8>> + 'a;

/// Blobs by their digests, as far as they were looked for.
pub struct Known<'a> {
    client: &'a Client,
    here: Box<Here<'a>>,
    fetched: BTreeMap<Digest, Vec<u8>>,
    missing: BTreeSet<Digest>,
}

impl<'a> Known<'a> {
    /// `here` gives those that are at hand; the others are asked for.
    pub fn of(client: &'a Client, here: impl Fn(&Digest) -> Option<Vec<u8>> + 'a) -> Self {
        Self { client, here: Box::new(here), fetched: BTreeMap::new(), missing: BTreeSet::new() }
    }

    /// Fetches those that are not at hand. Some may be gone for good.
    pub fn need<'b>(&mut self, digests: impl IntoIterator<Item = &'b Digest>) -> Result<(), CliError> {
        for digest in digests {
            if self.missing.contains(digest) || self.get(digest).is_some() {
                continue;
            }
            match there(self.client, digest)?.filter(|bytes| Digest::of(bytes) == *digest) {
                Some(bytes) => drop(self.fetched.insert(*digest, bytes)),
                None => drop(self.missing.insert(*digest)),
            }
        }
        Ok(())
    }

    pub fn get(&self, digest: &Digest) -> Option<Vec<u8>> {
        (self.here)(digest).or_else(|| self.fetched.get(digest).cloned())
    }
}
