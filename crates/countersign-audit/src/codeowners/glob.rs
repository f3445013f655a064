//! Patterns as globs, and many of them asked at once for the last that matches.

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};

use super::{Flavour, line::quoted};

/// Entries that are compiled together. Sets are asked from the last one back, so that the first that matches decides;
/// and what one set may cost is bounded by `globset`.
const ENTRIES_OF_SET: usize = 512;
/// So deep a pattern that holds at any depth is looked for.
const MAX_DEPTH: usize = 100;

/// The globs that a pattern stands for. A path matches the pattern when it matches one of them; `**` is everything.
pub(super) fn of_pattern(pattern: &str, flavour: Flavour) -> Result<Vec<String>, String> {
    if pattern.starts_with('!') {
        return Err(format!("`{}`: a `!` takes nothing back here", quoted(pattern)));
    }
    let glob = literal(pattern)?;
    let directory = glob.ends_with('/');
    let name = glob.trim_matches('/');
    if name.is_empty() {
        return match flavour {
            Flavour::GitLab => Ok(vec!["**".to_owned()]),
            Flavour::GitHub => Err(format!("`{}` matches nothing; `*` matches everything", quoted(pattern))),
        };
    }
    // GitHub does as git: a `/` in front or in the middle ties the pattern to the top. GitLab wants it in front.
    let anchored = glob.starts_with('/') || (flavour == Flavour::GitHub && name.contains('/'));
    let name = if anchored || name.starts_with("**/") || name == "**" { name.to_owned() } else { format!("**/{name}") };
    if ["**", "**/*", "**/**", "**/**/*"].contains(&name.as_str()) {
        return Ok(vec!["**".to_owned()]);
    }
    let beneath = format!("{name}/**");
    if directory {
        return Ok(vec![beneath]);
    }
    // `docs/*` is what lies in `docs` itself, and only there.
    let last_is_any = name.ends_with("/*") || name == "*" || name.ends_with("/**");
    Ok(match flavour {
        Flavour::GitHub if !last_is_any => vec![name, beneath],
        Flavour::GitHub | Flavour::GitLab => vec![name],
    })
}

/// The pattern in the spelling of `globset`, which knows more special characters than forges do.
fn literal(pattern: &str) -> Result<String, String> {
    let mut glob = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('/') => glob.push('/'),
                Some(escaped) => glob.extend(['\\', escaped]),
                None => return Err(format!("`{}` ends in a `\\`", quoted(pattern))),
            },
            '[' | ']' => {
                return Err(format!("`{}`: forges know no `[ ]` here; `\\[` is the character itself", quoted(pattern)));
            }
            '{' | '}' => glob.extend(['\\', c]),
            _ => glob.push(c),
        }
    }
    Ok(glob)
}

/// The globs of all entries.
#[derive(Debug, Default)]
pub(super) struct Globs(Vec<Set>);

/// Some entries next to each other.
#[derive(Debug, Default)]
struct Set {
    /// Asked for the path.
    whole: Asked,
    /// What holds at any depth, without its `**/`: asked for the path from each of its parts on. Many `**/a/b/**` as one
    /// regular expression take fifty times longer.
    tails: Asked,
}

#[derive(Debug, Default)]
struct Asked {
    globs: GlobSet,
    /// The entry of each glob of the set.
    entry_of: Vec<usize>,
}

impl Globs {
    /// Compiles what each entry stands for; also says which entries cannot be.
    pub(super) fn build(entries: &[Vec<String>]) -> (Self, Vec<usize>) {
        let numbered: Vec<(usize, &Vec<String>)> = entries.iter().enumerate().collect();
        let mut sets = Self::default();
        let mut refused = Vec::new();
        for some in numbered.chunks(ENTRIES_OF_SET) {
            sets.add(some, &mut refused);
        }
        (sets, refused)
    }

    /// What is too much together may be little enough by halves.
    fn add(&mut self, entries: &[(usize, &Vec<String>)], refused: &mut Vec<usize>) {
        match (Set::build(entries), entries) {
            (Some(set), _) => self.0.push(set),
            (None, [] | [_]) => refused.extend(entries.iter().map(|(at, _)| *at)),
            (None, _) => {
                let (first, last) = entries.split_at(entries.len() / 2);
                self.add(first, refused);
                self.add(last, refused);
            }
        }
    }

    /// The last entry that matches.
    pub(super) fn last_match(&self, path: &str) -> Option<usize> {
        let mut found = Vec::new();
        self.0.iter().rev().find_map(|set| {
            set.matches(path, &mut found);
            found.iter().max().copied()
        })
    }

    /// Every entry that matches, in the order of the file, some of them twice.
    pub(super) fn matches(&self, path: &str) -> Vec<usize> {
        let mut found = Vec::new();
        for set in &self.0 {
            set.matches(path, &mut found);
        }
        found.sort_unstable();
        found
    }
}

impl Set {
    fn build(entries: &[(usize, &Vec<String>)]) -> Option<Self> {
        let (mut whole, mut tails) = (Building::new(), Building::new());
        for (at, globs) in entries {
            for glob in *globs {
                // `**/*.rs` is the one form of these that is fast as it is.
                match glob.strip_prefix("**/") {
                    Some(tail) if !tail.starts_with('*') || tail.contains('/') => tails.add(tail, *at)?,
                    Some(_) | None => whole.add(glob, *at)?,
                }
            }
        }
        Some(Self { whole: whole.build()?, tails: tails.build()? })
    }

    /// Adds the entries that match to those found.
    fn matches(&self, path: &str, found: &mut Vec<usize>) {
        self.whole.matches(path, found);
        if self.tails.entry_of.is_empty() {
            return;
        }
        let starts = path.match_indices('/').filter_map(|(at, _)| at.checked_add(1));
        for start in std::iter::once(0).chain(starts).take(MAX_DEPTH) {
            self.tails.matches(path.get(start..).unwrap_or_default(), found);
        }
    }
}

impl Asked {
    fn matches(&self, path: &str, found: &mut Vec<usize>) {
        let hits = self.globs.matches_candidate(&Candidate::new(path));
        found.extend(hits.into_iter().filter_map(|hit| self.entry_of.get(hit).copied()));
    }
}

struct Building {
    globs: GlobSetBuilder,
    entry_of: Vec<usize>,
}

impl Building {
    fn new() -> Self {
        Self { globs: GlobSetBuilder::new(), entry_of: Vec::new() }
    }

    /// `None` where `globset` refuses the glob.
    fn add(&mut self, glob: &str, entry: usize) -> Option<()> {
        self.globs.add(GlobBuilder::new(glob).literal_separator(true).backslash_escape(true).build().ok()?);
        self.entry_of.push(entry);
        Some(())
    }

    fn build(self) -> Option<Asked> {
        Some(Asked { globs: self.globs.build().ok()?, entry_of: self.entry_of })
    }
}
