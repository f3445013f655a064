//! Which paths are one area: the owner sets of `CODEOWNERS`, or the top folders. And the patterns that say to a gate which
//! system a path reaches.
//!
//! A gate has no "the last match decides" and no exceptions: every pattern that matches counts. So the patterns are made
//! from the files of the tip, folder by folder, and between them reach every file once for each system that it is in.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::facts::{PathChange, PathStatus};

use crate::{
    areas::{AT_THE_TOP, Area, Areas, AreasBy, NO_OWNER, OTHER},
    codeowners::{CodeOwners, Entry},
    impact::{ImpactSet, ImpactTable},
    text::misleads,
};

/// Most paths of one change that are looked at, and most areas that it is counted in.
const MAX_LOOKED_AT: usize = 20_000;
const MAX_TOUCHED: usize = 64;
/// Folders of a path that are told apart.
const MAX_DEPTH: usize = 64;
/// Most patterns of one system; a catalog takes a thousand, and nobody reads as many.
pub const MAX_PATTERNS: usize = 200;
/// More patterns than this in all are more than the map of a gate takes.
pub const MAX_MAP: usize = 1_000;
/// An ending speaks for itself where at least so many files have it.
const MIN_OF_ENDING: usize = 3;

/// An area that a change touches, and what reaches far of what it touches there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch {
    pub area: u32,
    pub impact: ImpactSet,
}

/// The areas of a repository, and which of its files lie where.
#[derive(Debug, Default)]
pub struct Territory {
    areas: Areas,
    files: Vec<String>,
    /// By file.
    of_files: Vec<Vec<u32>>,
}

impl Territory {
    /// By owners where they are said of particular paths, else by top folders. `files` are those of the tip.
    pub fn new(owners: Option<CodeOwners>, files: Vec<String>) -> Self {
        let particular = |entry: &Entry| !entry.owners.is_empty() && !entry.is_catch_all();
        let by = match owners.as_ref().is_some_and(|owners| owners.entries().iter().any(particular)) {
            true => AreasBy::CodeOwners,
            false => AreasBy::Folders,
        };
        let mut areas = Areas::new(by, owners, None);
        let of_files = files
            .iter()
            .map(|file| {
                let change = PathChange { path: file.clone(), status: PathStatus::Modified };
                areas.of(std::slice::from_ref(&change)).areas
            })
            .collect();
        Self { areas, files, of_files }
    }

    pub fn by(&self) -> AreasBy {
        self.areas.by()
    }

    /// The areas that a change's paths lie in, each once.
    pub fn touch(&mut self, paths: &[PathChange], impact: &ImpactTable) -> Vec<Touch> {
        let mut touched: Vec<Touch> = Vec::new();
        for change in paths.iter().take(MAX_LOOKED_AT) {
            let of_path = impact.of(std::slice::from_ref(change));
            for area in self.areas.of(std::slice::from_ref(change)).areas {
                if let Some(touch) = touched.iter_mut().find(|touch| touch.area == area) {
                    touch.impact = touch.impact.and(of_path);
                } else if touched.len() < MAX_TOUCHED {
                    touched.push(Touch { area, impact: of_path });
                }
            }
        }
        touched
    }

    /// The areas that some file of the tip lies in.
    pub(super) fn there(&self) -> BTreeSet<u32> {
        self.of_files.iter().flatten().copied().collect()
    }

    pub(super) fn get(&self, area: u32) -> Option<&Area> {
        self.areas.get(area)
    }

    /// Whether it is the area of what is in no other.
    pub(super) fn is_rest(&self, area: u32) -> bool {
        let name = self.areas.name(area);
        match self.by() {
            AreasBy::Folders => name == AT_THE_TOP || name == OTHER,
            AreasBy::CodeOwners | AreasBy::Catalog => name == NO_OWNER || name == OTHER,
        }
    }

    /// Patterns in a gate's language that reach the files of these areas, and how many were left out because there are
    /// too many.
    pub(super) fn patterns(&self, areas: &BTreeSet<u32>) -> (Vec<String>, usize) {
        let member: Vec<bool> =
            self.of_files.iter().map(|of_file| of_file.iter().any(|area| areas.contains(area))).collect();
        let files = || self.files.iter().zip(&member).map(|(file, member)| (file.as_str(), *member));
        let endings = endings(files());
        let mut patterns: Vec<String> = endings.iter().map(|ending| format!("**/*.{}", glob(ending))).collect();
        let mut top = Node::default();
        for (file, member) in files() {
            let place = match member {
                true if ending(file).is_some_and(|ending| endings.contains(ending)) => Place::Said,
                true => Place::In,
                false => Place::Out,
            };
            top.add(file, place);
        }
        top.patterns("", &mut patterns);
        let left_out = patterns.len().saturating_sub(MAX_PATTERNS);
        patterns.truncate(MAX_PATTERNS);
        (patterns, left_out)
    }
}

/// Whether a file is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    In,
    /// It is, and a pattern says so already.
    Said,
    Out,
}

/// The endings of which every file is a member, in several top folders: `*.sql` is one thing wherever it lies.
fn endings<'a>(files: impl Iterator<Item = (&'a str, bool)>) -> BTreeSet<&'a str> {
    #[derive(Default)]
    struct Of<'a> {
        files: usize,
        all: bool,
        folders: BTreeSet<&'a str>,
    }
    let mut found: BTreeMap<&str, Of<'_>> = BTreeMap::new();
    let mut everything = true;
    for (file, member) in files {
        everything &= member;
        let Some(ending) = ending(file) else { continue };
        let of = found.entry(ending).or_insert_with(|| Of { all: true, ..Of::default() });
        of.files = of.files.saturating_add(1);
        of.all &= member;
        of.folders.insert(file.split_once('/').map_or("", |(folder, _)| folder));
    }
    // Where all files are meant, no ending has to say so.
    let whole = |of: &Of<'_>| of.all && !everything && of.files >= MIN_OF_ENDING && of.folders.len() > 1;
    found.into_iter().filter(|(_, of)| whole(of)).map(|(ending, _)| ending).collect()
}

fn ending(file: &str) -> Option<&str> {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.rsplit_once('.').filter(|(stem, ending)| !stem.is_empty() && !ending.is_empty()).map(|(_, ending)| ending)
}

/// A folder of the tip.
#[derive(Debug, Default)]
struct Node<'a> {
    folders: BTreeMap<&'a str, Self>,
    files: Vec<(&'a str, Place)>,
    member: usize,
    open: usize,
    all: usize,
}

impl<'a> Node<'a> {
    fn add(&mut self, file: &'a str, place: Place) {
        let mut node = self;
        let mut parts = file.splitn(MAX_DEPTH, '/').peekable();
        while let Some(part) = parts.next() {
            node.all = node.all.saturating_add(1);
            node.member = node.member.saturating_add(usize::from(place != Place::Out));
            node.open = node.open.saturating_add(usize::from(place == Place::In));
            if parts.peek().is_none() {
                node.files.push((part, place));
                return;
            }
            node = node.folders.entry(part).or_default();
        }
    }

    fn patterns(&self, prefix: &str, found: &mut Vec<String>) {
        if self.open == 0 {
            return;
        }
        if self.member == self.all {
            found.push(format!("{prefix}**"));
            return;
        }
        if self.files.iter().any(|(_, place)| *place == Place::In) {
            let all = self.files.iter().all(|(name, place)| *place != Place::Out && !name.contains('/'));
            match all {
                true => found.push(format!("{prefix}*")),
                false => found.extend(self.named().into_iter().map(|name| format!("{prefix}{name}"))),
            }
        }
        for (name, folder) in &self.folders {
            folder.patterns(&format!("{prefix}{}/", glob(name)), found);
        }
    }
}

impl Node<'_> {
    /// The files of this folder that are meant, by their endings where those say enough.
    fn named(&self) -> BTreeSet<String> {
        let open = self.files.iter().filter(|(_, place)| *place == Place::In);
        open.map(|(name, _)| {
            let alike = self.files.iter().filter(|(other, _)| ending(other) == ending(name));
            let enough = !name.contains('/') && alike.clone().count() >= MIN_OF_ENDING;
            let all = enough && alike.clone().all(|(_, place)| *place != Place::Out);
            match ending(name).filter(|_| all) {
                Some(of) => format!("*.{}", glob(of)),
                None => glob(name),
            }
        })
        .collect()
    }
}

/// A name as a glob that matches it. What a list of globs cannot hold, and what would be obeyed or hidden where somebody
/// reads it, is any character of as many bytes: to a glob `?` is one byte.
fn glob(name: &str) -> String {
    let mut glob = String::with_capacity(name.len());
    for c in globset::escape(name).chars() {
        match c {
            // Some bytes that are no UTF-8, however many they are.
            '\u{fffd}' => glob.push('*'),
            ',' | '\\' | '\'' | '"' => glob.push('?'),
            c if c.is_whitespace() || misleads(c) => glob.extend(std::iter::repeat_n('?', c.len_utf8())),
            c => glob.push(c),
        }
    }
    glob
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(owners: &str, files: &[&str], area: &str) -> String {
        let owners = (!owners.is_empty()).then(|| CodeOwners::parse(owners));
        let territory = Territory::new(owners, files.iter().map(|file| (*file).to_owned()).collect());
        let areas = territory.there().into_iter().filter(|id| territory.areas.name(*id) == area).collect();
        territory.patterns(&areas).0.join(" ")
    }

    #[test]
    fn folders_are_one_pattern_each() {
        let files = ["README", "src/a", "src/b/c", "d d/x[1]"];
        assert_eq!(patterns("", &files, "src"), "src/**");
        assert_eq!(patterns("", &files, "(top)"), "*");
        assert_eq!(patterns("", &files, "d d"), "d?d/**");
    }

    #[test]
    fn what_would_be_obeyed_or_hidden_is_any_character() {
        for c in ['\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}', '\u{3000}', '\u{a0}', '\u{e0041}', '\u{1b}', ','] {
            let folder = format!("a{c}b");
            let pattern = patterns("", &["src/a", &format!("{folder}/x")], &folder);
            assert!(pattern.starts_with("a?") && pattern.is_ascii(), "{pattern:?}");
            let glob = globset::GlobBuilder::new(&pattern).literal_separator(true).build();
            let matches = glob.map(|glob| glob.compile_matcher().is_match(format!("{folder}/x")));
            assert_eq!(matches.ok(), Some(true), "{pattern} of U+{:04X}", u32::from(c));
        }
    }

    #[test]
    fn what_the_last_match_decides_is_said_without_order() {
        let owners = "* @org/all\n/src/ @org/src\n/src/docs/ @org/docs\n*.sql @org/dba\n/src/b/one.rs @ann\n";
        let files = [
            "README",
            "src/a.rs",
            "src/b/one.rs",
            "src/b/two.rs",
            "src/docs/a.md",
            "src/x.sql",
            "y.sql",
            "z/z.sql",
            "z/z.rs",
        ];
        assert_eq!(patterns(owners, &files, "@org/src"), "src/a.rs src/b/two.rs");
        assert_eq!(patterns(owners, &files, "@org/docs"), "src/docs/**");
        assert_eq!(patterns(owners, &files, "@org/dba"), "**/*.sql");
        assert_eq!(patterns(owners, &files, "@ann"), "src/b/one.rs");
        assert_eq!(patterns(owners, &files, "@org/all"), "README z/z.rs");
    }

    #[test]
    fn one_owner_of_all_is_one_pattern_and_a_thousand_files_are_cut() {
        assert_eq!(patterns("* @a\n/x/ @a\n", &["a.rs", "x/a.rs", "x/b.rs"], "@a"), "**");
        assert_eq!(patterns("*.a @a\n", &["x/1.a", "x/2.a", "x/3.a", "x/1.b"], "@a"), "x/*.a");
        let files: Vec<String> =
            (0..1_000).map(|at| format!("src/{}{at}", if at % 2 == 0 { "a" } else { "b" })).collect();
        let territory = Territory::new(Some(CodeOwners::parse("a* @a\n")), files);
        let a = territory.there().into_iter().filter(|id| !territory.is_rest(*id)).collect();
        let (patterns, left_out) = territory.patterns(&a);
        assert_eq!((patterns.len(), left_out), (MAX_PATTERNS, 300));
    }
}
