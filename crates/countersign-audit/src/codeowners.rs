//! `CODEOWNERS`, read: which people or groups a project says own which paths.
//!
//! As GitHub reads it: patterns in the manner of `.gitignore`, the last that matches decides, and an entry without owners
//! takes ownership away. As GitLab reads it where the file lies in `.gitlab/` or has sections: each `[Section]` decides
//! for itself by its own last match, so that a path may have the owners of several. Reading is lenient: a line that
//! cannot be read is remembered as a problem, and the others count. Nothing here asks whether an owner exists.

mod glob;
mod line;

use std::collections::BTreeSet;

use self::{
    glob::Globs,
    line::{Heading, Line},
};
use super::text::shown;

/// Where forges look, in this order; the first file that is there counts.
pub const LOCATIONS: [&str; 4] = [".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS"];

/// GitHub reads no larger file.
pub const MAX_BYTES: usize = 3 * 1024 * 1024;
pub const MAX_LINES: usize = 100_000;
pub const MAX_ENTRIES: usize = 10_000;
pub const MAX_OWNERS: usize = 100;
pub const MAX_PATTERN_CHARS: usize = 1_000;
/// Most problems that are told apart; the others are counted.
pub const MAX_PROBLEMS: usize = 100;
const MAX_OWNER_CHARS: usize = 254;
const MAX_SECTION_CHARS: usize = 120;

/// A pattern and its owners. Its text is fit to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub pattern: String,
    /// As written: `@login`, `@org/group`, a mail. None takes ownership away.
    pub owners: Vec<String>,
    /// From 1 on.
    pub line: usize,
    /// The GitLab section that it stands in.
    pub section: Option<String>,
    everything: bool,
}

impl Entry {
    /// It matches every path, as `*` does: that says who looks after the rest, not that a path matters.
    pub fn is_catch_all(&self) -> bool {
        self.everything
    }
}

/// A line that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1 on.
    pub line: usize,
    pub what: String,
}

/// Whose rules a file is read by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flavour {
    GitHub,
    GitLab,
}

/// A `CODEOWNERS` file.
#[derive(Debug)]
pub struct CodeOwners {
    entries: Vec<Entry>,
    /// The section of each entry, as a number; names that differ in case only are one section.
    section_of: Vec<usize>,
    sections: usize,
    globs: Globs,
    problems: Vec<Problem>,
    more_problems: usize,
}

impl CodeOwners {
    pub fn parse(text: &str) -> Self {
        Self::parse_at("CODEOWNERS", text)
    }

    /// Reads the file that lies at `location`: in `.gitlab/` by GitLab's rules.
    pub fn parse_at(location: &str, text: &str) -> Self {
        let mut reading = Reading::new(location, text);
        let (text, whole) = match text.get(..text.floor_char_boundary(MAX_BYTES)) {
            // Half a line would say something else.
            Some(start) if start.len() < text.len() => (start.rsplit_once('\n').map_or("", |(lines, _)| lines), false),
            Some(_) | None => (text, true),
        };
        let mut lines = text.trim_start_matches('\u{feff}').lines().zip(1_usize..);
        for (line, number) in lines.by_ref().take(MAX_LINES) {
            reading.line(line, number);
        }
        if let Some((_, number)) = lines.next() {
            reading.problem(number, format!("it and what follows are left out: a file has {MAX_LINES} lines at most"));
        } else if !whole {
            let number = text.lines().count().saturating_add(1);
            reading.problem(number, format!("what follows is left out: a file has {MAX_BYTES} bytes at most"));
        }
        reading.finish()
    }

    /// The entry that decides who owns a path: the last that matches. It may say that nobody does. `path` is relative to
    /// the top of the repository.
    pub fn owners(&self, path: &str) -> Option<&Entry> {
        self.globs.last_match(path).and_then(|at| self.entries.get(at))
    }

    /// As [`owners`](Self::owners), for each section by itself: several entries only where GitLab's sections are used.
    /// The last in the file comes first.
    pub fn owners_by_section(&self, path: &str) -> Vec<&Entry> {
        if self.sections <= 1 {
            return self.owners(path).into_iter().collect();
        }
        let mut decided = BTreeSet::new();
        let hits = self.globs.matches(path).into_iter().rev();
        hits.filter(|at| self.section_of.get(*at).is_some_and(|section| decided.insert(*section)))
            .filter_map(|at| self.entries.get(at))
            .collect()
    }

    /// In the order of the file.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The first [`MAX_PROBLEMS`] lines that were left out.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// How many lines were left out in all.
    pub fn problem_count(&self) -> usize {
        self.problems.len().saturating_add(self.more_problems)
    }
}

/// A file that is being read.
struct Reading {
    flavour: Flavour,
    found: CodeOwners,
    globs: Vec<Vec<String>>,
    /// Lower-case names; the place of one is its number. The first is what stands before all headings.
    sections: Vec<String>,
    section: usize,
    heading: Option<Heading>,
}

impl Reading {
    fn new(location: &str, text: &str) -> Self {
        let sections = || text.lines().take(MAX_LINES).any(|line| line::heading(line.trim()).is_some());
        let flavour = if location.starts_with(".gitlab/") || sections() { Flavour::GitLab } else { Flavour::GitHub };
        Self {
            flavour,
            found: CodeOwners {
                entries: Vec::new(),
                section_of: Vec::new(),
                sections: 1,
                globs: Globs::default(),
                problems: Vec::new(),
                more_problems: 0,
            },
            globs: Vec::new(),
            sections: vec![String::new()],
            section: 0,
            heading: None,
        }
    }

    fn line(&mut self, text: &str, number: usize) {
        match line::read(text, self.flavour) {
            Ok(Line::Nothing) => {}
            Ok(Line::Heading(heading)) => self.open(heading, number),
            Ok(Line::Entry { pattern, owners }) => {
                if let Err(what) = self.entry(pattern, owners, number) {
                    self.problem(number, what);
                }
            }
            Err(what) => self.problem(number, what),
        }
    }

    fn open(&mut self, heading: Heading, number: usize) {
        let name = heading.name.to_lowercase();
        self.section = match self.sections.iter().position(|known| *known == name) {
            Some(at) => at,
            // One more than there can be entries is of no use to anybody.
            None if self.sections.len() > MAX_SECTIONS => {
                return self.problem(number, format!("a file has {MAX_SECTIONS} sections at most"));
            }
            None => {
                self.sections.push(name);
                self.sections.len().saturating_sub(1)
            }
        };
        self.heading = Some(heading);
    }

    fn entry(&mut self, pattern: &str, owners: Vec<&str>, number: usize) -> Result<(), String> {
        if self.found.entries.len() >= MAX_ENTRIES {
            return Err(format!("a file has {MAX_ENTRIES} entries at most"));
        }
        let globs = glob::of_pattern(pattern, self.flavour)?;
        let everything = globs.iter().any(|glob| glob == "**");
        let mut owners: Vec<String> = owners.into_iter().map(|owner| shown(owner, MAX_OWNER_CHARS)).collect();
        if let Some(heading) = &self.heading
            && owners.is_empty()
        {
            owners.clone_from(&heading.owners);
        }
        self.globs.push(globs);
        self.found.section_of.push(self.section);
        self.found.entries.push(Entry {
            pattern: shown(pattern, MAX_PATTERN_CHARS),
            owners,
            line: number,
            section: self.heading.as_ref().map(|heading| shown(&heading.name, MAX_SECTION_CHARS)),
            everything,
        });
        Ok(())
    }

    fn problem(&mut self, line: usize, what: String) {
        if self.found.problems.len() < MAX_PROBLEMS {
            self.found.problems.push(Problem { line, what });
        } else {
            self.found.more_problems = self.found.more_problems.saturating_add(1);
        }
    }

    fn finish(mut self) -> CodeOwners {
        let (globs, refused) = Globs::build(&self.globs);
        for at in refused {
            let line = self.found.entries.get(at).map_or(0, |entry| entry.line);
            self.problem(line, "the pattern is too complex".to_owned());
        }
        self.found.problems.sort_by_key(|problem| problem.line);
        self.found.globs = globs;
        self.found.sections = self.sections.len();
        self.found
    }
}

/// A section costs a comparison for each heading.
const MAX_SECTIONS: usize = 1_000;

#[cfg(test)]
mod tests;
