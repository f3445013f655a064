//! The shape of the code and of its documents: which room may know which, that the map names every room, and that the
//! documents say what the code says.
//!
//! Every check is a function over texts that gives what is wrong, so that a test can hand it something wrong and see it
//! found.

#[path = "tidy/shown.rs"]
mod shown;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use countersign_core::{facts::ai, requirement, rules::attributes::ATTRIBUTES, statement};

/// More than a sitting.
const MAX_LINES: usize = 700;

/// Paths, from the root of the workspace, and what the files hold.
type Texts = BTreeMap<String, String>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn texts(folder: &str, ending: &str) -> Texts {
    fn walk(root: &Path, folder: &Path, ending: &str, found: &mut Texts) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    walk(root, &path, ending, found);
                }
            } else if name.ends_with(ending) {
                let at = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                found.insert(at, fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut found = Texts::new();
    walk(&root(), &root().join(folder), ending, &mut found);
    assert!(!found.is_empty(), "no {ending} in {folder}");
    found
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn sources() -> Texts {
    texts("crates", ".rs")
}

fn rooms() -> Texts {
    sources().into_iter().filter(|(path, _)| path.contains("/src/")).collect()
}

/// Markdown that people read.
fn pages() -> Texts {
    let mut pages = texts("docs", ".md");
    for name in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"] {
        pages.insert(name.to_owned(), text(name));
    }
    pages
}

#[track_caller]
fn nothing(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

// Edges.

/// A source without comments.
fn code(source: &str) -> String {
    source.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Every path that a source names: `use` trees taken apart, and paths in expressions.
fn paths(source: &str) -> BTreeSet<String> {
    let code = code(source);
    let mut found = BTreeSet::new();
    let mut rest = code.as_str();
    while let Some(at) = rest.find("use ") {
        let begins = rest[..at].chars().last().is_none_or(|c| !c.is_alphanumeric() && c != '_');
        rest = &rest[at + 4..];
        if let (true, Some(end)) = (begins, rest.find(';')) {
            let tree: String = rest[..end].chars().filter(|c| !c.is_whitespace()).collect();
            flatten("", &tree, &mut found);
        }
    }
    let part_of_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    found.extend(code.split(|c| !part_of_path(c)).filter(|word| word.contains("::")).map(str::to_owned));
    found
}

/// `a::{b, c::{d, e}}` is `a::b`, `a::c::d` and `a::c::e`.
fn flatten(prefix: &str, tree: &str, found: &mut BTreeSet<String>) {
    let mut depth = 0;
    let mut start = 0;
    let mut items = Vec::new();
    for (at, c) in tree.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(&tree[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(&tree[start..]);
    for item in items.into_iter().filter(|item| !item.is_empty()) {
        match item.split_once('{') {
            Some((head, inner)) => {
                flatten(&format!("{prefix}{head}"), inner.strip_suffix('}').unwrap_or(inner), found);
            }
            None => {
                found.insert(format!("{prefix}{item}"));
            }
        }
    }
}

/// A path that begins with `super` or `self`, from the crate's root on.
fn resolved(file: &str, named: &str) -> String {
    let room = file.split_once("/src/").map_or(file, |(_, room)| room).trim_end_matches(".rs");
    let mut modules: Vec<&str> = room.split('/').filter(|part| !matches!(*part, "mod" | "lib" | "main")).collect();
    let mut rest = named;
    loop {
        if let Some(after) = rest.strip_prefix("super::") {
            modules.pop();
            rest = after;
        } else if let Some(after) = rest.strip_prefix("self::") {
            rest = after;
        } else {
            break;
        }
    }
    if rest == named { named.to_owned() } else { [&["crate"], modules.as_slice(), &[rest]].concat().join("::") }
}

/// Sources in `folder`, outside of `except`, that name something that begins so.
fn naming(sources: &Texts, folder: &str, except: &[&str], forbidden: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (path, source) in sources.iter().filter(|(path, _)| path.starts_with(folder)) {
        if except.iter().any(|allowed| path.starts_with(allowed)) {
            continue;
        }
        for named in paths(source).iter().map(|named| resolved(path, named)) {
            let hit = |what: &&&str| named == ***what || named.starts_with(&format!("{what}::"));
            if let Some(what) = forbidden.iter().find(hit) {
                wrong.push(format!("{path} names {named}; it must not know {what}"));
            }
        }
    }
    wrong
}

const LEDGER: &str = "crates/countersign-ledger/src/";
const CORE: &str = "crates/countersign-core/src/";
const AUDIT: &str = "crates/countersign-audit/src/";
const PROGRAM: &str = "crates/countersign/src/";

/// Folder, exceptions in it, and what it must not name.
const EDGES: &[(&str, &[&str], &[&str])] = &[
    (LEDGER, &[], &["countersign", "countersign_audit", "countersign_core", "cedar_policy"]),
    (CORE, &[], &["countersign", "countersign_audit"]),
    (AUDIT, &[], &["countersign"]),
    (LEDGER, &[], IO),
    (CORE, &[], IO),
    (AUDIT, &[], IO),
    (
        "crates/",
        &["crates/countersign-core/src/rules/", "crates/countersign-core/tests/", "crates/countersign-core/benches/"],
        &["cedar_policy"],
    ),
    ("crates/", &["crates/countersign/src/store/"], &["sqlx"]),
    (PROGRAM, &["crates/countersign/src/api/"], &["axum"]),
    (PROGRAM, &["crates/countersign/src/unix.rs", "crates/countersign/src/git/tests.rs"], UNIX),
    (
        "crates/countersign/src/store/",
        &[],
        &[
            "countersign_core",
            "crate::engine",
            "crate::api",
            "crate::cli",
            "crate::gates",
            "crate::home",
            "crate::client",
            "crate::wire",
        ],
    ),
    (
        "crates/countersign/src/engine/",
        &[],
        &["crate::api", "crate::cli", "crate::gates", "crate::pages", "crate::client", "crate::speaker"],
    ),
    // What serves reaches the store through the engine.
    ("crates/countersign/src/api/", &[], SERVING),
    ("crates/countersign/src/pages/", &[], SERVING),
    // What the server and its clients share, and the clients: a gate and a person believe no engine.
    ("crates/countersign/src/wire/", &[], SERVER),
    ("crates/countersign/src/wire/", &[], CLIENTS),
    ("crates/countersign/src/client.rs", &[], SERVER),
    ("crates/countersign/src/speaker.rs", &[], SERVER),
    ("crates/countersign/src/known.rs", &[], SERVER),
    ("crates/countersign/src/reading.rs", &[], SERVER),
    ("crates/countersign/src/reading.rs", &[], IO),
    ("crates/countersign/src/memory.rs", &[], SERVER),
    ("crates/countersign/src/memory.rs", &[], CLIENTS),
    ("crates/countersign/src/publication.rs", &[], SERVER),
    ("crates/countersign/src/publication.rs", &[], CLIENTS),
    ("crates/countersign/src/publication.rs", &[], IO),
    ("crates/countersign/src/gates/", &[], SERVER),
    ("crates/countersign/src/gates/", &[], &["crate::cli"]),
    (
        "crates/countersign/src/cli/",
        // What makes or serves a home.
        &[
            "crates/countersign/src/cli/init.rs",
            "crates/countersign/src/cli/init_from.rs",
            "crates/countersign/src/cli/serve.rs",
            "crates/countersign/src/cli/epoch.rs",
            "crates/countersign/src/cli/rebuild.rs",
            // A cosigner serves, too.
            "crates/countersign/src/cli/follow.rs",
            "crates/countersign/src/cli/demo/",
        ],
        SERVER,
    ),
];

const UNIX: &[&str] = &["std::os::unix", "tokio::signal", "signal_hook"];

const SERVER: &[&str] = &["crate::engine", "crate::store", "crate::api", "crate::pages"];

const CLIENTS: &[&str] = &["crate::cli", "crate::gates", "crate::client", "crate::speaker"];

const SERVING: &[&str] =
    &["crate::store", "crate::cli", "crate::gates", "crate::client", "crate::speaker", "crate::home"];

const IO: &[&str] = &[
    "tokio",
    "sqlx",
    "axum",
    "ureq",
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "std::thread",
    "std::time::SystemTime",
    "std::time::Instant",
];

#[test]
fn arrows_go_one_way() {
    let rooms = rooms();
    nothing(EDGES.iter().flat_map(|(folder, except, forbidden)| naming(&rooms, folder, except, forbidden)).collect());
}

#[test]
fn a_wrong_arrow_is_found() {
    let source = "use std::{\n    collections::BTreeMap, // std::net\n    fs::{self, File},\n};\nfn f() { sqlx::query(\"\") }\n\
                  /// [`std::process`]\nuse crate::store;\n";
    let sources = Texts::from([("a/src/b.rs".to_owned(), source.to_owned())]);
    let found = naming(&sources, "a/", &[], &["std::fs", "std::net", "std::process", "sqlx", "crate::engine"]);
    assert_eq!(
        found,
        [
            "a/src/b.rs names sqlx::query; it must not know sqlx",
            "a/src/b.rs names std::fs::File; it must not know std::fs",
            "a/src/b.rs names std::fs::self; it must not know std::fs",
        ]
    );
    assert_eq!(naming(&sources, "a/", &["a/src/b"], &["sqlx"]), [""; 0]);
    let roundabout =
        Texts::from([("a/src/gates/git/mod.rs".to_owned(), "use super::super::engine::Engine;".to_owned())]);
    let found = naming(&roundabout, "a/", &[], &["crate::engine"]);
    assert_eq!(found, ["a/src/gates/git/mod.rs names crate::engine::Engine; it must not know crate::engine"]);
}

/// Rooms of a crate that know each other in a circle, or lie between circles. A room is a file or folder in its `src/`.
fn circles(sources: &Texts, folder: &str) -> Vec<String> {
    let mut knows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, source) in sources {
        let Some(room) = path.strip_prefix(folder).and_then(|rest| rest.split(['/', '.']).next()) else { continue };
        let named = paths(source).into_iter().map(|named| resolved(path, &named));
        let rooms = named.filter_map(|named| Some(named.strip_prefix("crate::")?.split("::").next()?.to_owned()));
        knows.entry(room.to_owned()).or_default().extend(rooms.filter(|known| known != room));
    }
    // Who knows nobody who is left, or is known by nobody who is left, is in no circle.
    loop {
        let known: BTreeSet<String> = knows.values().flatten().cloned().collect();
        let free = |(room, knows_of): &(&String, &BTreeSet<String>), all: &BTreeMap<_, _>| {
            !known.contains(*room) || knows_of.iter().all(|room| !all.contains_key(room))
        };
        let Some(free) = knows.iter().find(|room| free(room, &knows)).map(|(room, _)| room.clone()) else { break };
        knows.remove(&free);
    }
    let left: BTreeSet<String> = knows.keys().cloned().collect();
    let of = |known: &BTreeSet<String>| known.intersection(&left).cloned().collect::<Vec<_>>().join(", ");
    knows.iter().map(|(room, known)| format!("{folder}{room} knows {}", of(known))).collect()
}

#[test]
fn no_rooms_know_each_other_in_a_circle() {
    let rooms = rooms();
    nothing([LEDGER, CORE].iter().flat_map(|folder| circles(&rooms, folder)).collect());
    let wrong =
        [("a.rs", "use crate::b::B;"), ("b/c.rs", "use super::super::d;"), ("d.rs", "crate::b::f()"), ("e.rs", "")];
    let wrong = wrong.map(|(file, source)| (format!("x/src/{file}"), source.to_owned())).into();
    assert_eq!(circles(&wrong, "x/src/"), ["x/src/b knows d", "x/src/d knows b"]);
}

/// Where alone, and what no other room says, in whatever syntax.
const SAID_ONLY_IN: &[(&str, &[&str])] = &[
    ("crates/countersign/src/store/", &["SELECT ", "INSERT ", "DELETE FROM ", "CREATE TABLE ", "PRAGMA "]),
    ("crates/countersign/src/api/error.rs", &["StatusCode"]),
    ("crates/countersign/src/unix.rs", &["(unix)", "os::unix", "target_os", "from_mode("]),
];

fn said_elsewhere(sources: &Texts, only: &str, words: &[&str]) -> Vec<String> {
    let elsewhere = sources.iter().filter(|(path, _)| !path.starts_with(only) && !path.ends_with("/tests.rs"));
    let said = elsewhere.flat_map(|(path, source)| {
        let code = code(source);
        words.iter().filter(|word| code.contains(**word)).map(|word| (path, *word)).collect::<Vec<_>>()
    });
    said.map(|(path, word)| format!("{path} says `{}`; that is for {only} alone", word.trim())).collect()
}

#[test]
fn some_things_are_said_in_one_place() {
    let rooms = rooms();
    nothing(SAID_ONLY_IN.iter().flat_map(|(only, words)| said_elsewhere(&rooms, only, words)).collect());
    let source = "fn f() { run(\"SELECT 1\") } // PRAGMA x\n".to_owned();
    let sources = Texts::from([("a/b.rs".to_owned(), source.clone()), ("a/store/c.rs".to_owned(), source)]);
    assert_eq!(
        said_elsewhere(&sources, "a/store/", &["SELECT ", "PRAGMA "]),
        ["a/b.rs says `SELECT`; that is for a/store/ alone"]
    );
}

/// The dependencies that a manifest names.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut within = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            within = line == "[dependencies]";
        } else if within && let Some((name, _)) = line.split_once(['.', ' ', '=']) {
            found.insert(name.to_owned());
        }
    }
    found
}

#[test]
fn crates_depend_one_way() {
    let of = |name: &str| dependencies(&text(&format!("crates/{name}/Cargo.toml")));
    assert!(of("countersign").contains("countersign-core"), "the manifest is not read as it is written");
    let order = ["countersign-ledger", "countersign-core", "countersign-audit", "countersign"];
    for (place, name) in order.iter().enumerate() {
        let needs = of(name);
        for later in &order[place..] {
            assert!(!needs.contains(*later), "{name} depends on {later}");
        }
        for io in ["tokio", "sqlx", "axum", "ureq", "tempfile"] {
            assert!(*name == "countersign" || !needs.contains(io), "{name} depends on {io}, which does I/O");
        }
    }
}

const DENIED: &str =
    "#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::todo)]";

/// Crates (by the path of their manifest) that do not hold themselves to the lints of all.
fn unlinted(manifests: &Texts, sources: &Texts) -> Vec<String> {
    let mut wrong = Vec::new();
    for (path, manifest) in manifests {
        if !manifest.contains("[lints]\nworkspace = true\n") {
            wrong.push(format!("{path} does not take the lints of the workspace"));
        }
        let root = path.replace("Cargo.toml", "src/lib.rs");
        if !sources.get(&root).is_some_and(|source| source.contains(DENIED)) {
            wrong.push(format!("{root} lacks {DENIED}"));
        }
    }
    wrong
}

#[test]
fn every_crate_holds_itself_to_the_lints() {
    nothing(unlinted(&texts("crates", "Cargo.toml"), &sources()));
    let manifests = Texts::from([("crates/a/Cargo.toml".to_owned(), "[package]\n".to_owned())]);
    assert_eq!(unlinted(&manifests, &Texts::new()).len(), 2);
}

#[test]
fn versions_stand_in_one_place() {
    let mut wrong = Vec::new();
    for (path, manifest) in texts("crates", "Cargo.toml") {
        // What packages are called and ask for is said where cargo looks for it.
        let own = |line: &&str| !line.starts_with("[package.metadata");
        for (number, line) in manifest.lines().take_while(own).enumerate() {
            let is_version = line.contains("= \"") || line.contains("version =");
            if is_version && !line.starts_with("name =") && !line.starts_with("description =") {
                wrong.push(format!(
                    "{path}:{}: `{line}`: a version stands in the root's workspace.dependencies",
                    number + 1
                ));
            }
        }
    }
    nothing(wrong);
}

// Files.

fn too_long(sources: &Texts) -> Vec<String> {
    let lines = sources.iter().map(|(path, source)| (path, source.lines().count()));
    lines
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(path, lines)| format!("{path} has {lines} lines, more than {MAX_LINES}"))
        .collect()
}

fn lints_allowed(sources: &Texts) -> Vec<String> {
    let marks = [concat!("#[", "allow("), concat!("#![", "allow(")];
    sources
        .iter()
        .filter(|(_, source)| marks.iter().any(|mark| source.contains(mark)))
        .map(|(path, _)| format!("{path} allows a lint: use #[expect(…, reason = \"…\")]"))
        .collect()
}

#[test]
fn files_are_a_sitting_and_allow_nothing() {
    let sources = sources();
    nothing(too_long(&sources));
    nothing(lints_allowed(&sources));
    let bad =
        Texts::from([("x.rs".to_owned(), format!("{}\n{}", concat!("#[", "allow(dead_code)]"), "\n".repeat(701)))]);
    assert_eq!((too_long(&bad).len(), lints_allowed(&bad).len()), (1, 1));
}

// The map.

/// What the map names, in backticks, in the first cells of the tables below the headings that are folders.
fn mapped(architecture: &str) -> BTreeSet<String> {
    let mut folder = None;
    let mut found = BTreeSet::new();
    for line in architecture.lines() {
        if line.starts_with('#') {
            folder = line.strip_prefix("### crates/").map(|folder| format!("crates/{folder}/"));
        } else if let (Some(folder), Some(row)) = (&folder, line.strip_prefix("| ")) {
            let cell = row.split(" | ").next().unwrap_or_default();
            found.extend(in_backticks(cell).map(|room| format!("{folder}{room}")));
        }
    }
    found
}

fn in_backticks(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// A module that is a folder is named by the folder.
fn expected_rooms<'a>(files: impl Iterator<Item = &'a String>) -> BTreeSet<String> {
    files
        .filter(|path| !path.ends_with("/src/lib.rs") && !path.ends_with("/src/main.rs"))
        .map(|path| path.strip_suffix("mod.rs").unwrap_or(path).to_owned())
        .collect()
}

fn map_differs(mapped: &BTreeSet<String>, there: &BTreeSet<String>) -> Vec<String> {
    let unnamed = there.difference(mapped).map(|room| format!("ARCHITECTURE.md does not name {room}"));
    let gone = mapped.difference(there).map(|room| format!("ARCHITECTURE.md names {room}, which is not there"));
    unnamed.chain(gone).collect()
}

#[test]
fn the_map_names_every_room_and_no_other() {
    let rooms = rooms();
    let there = expected_rooms(rooms.keys());
    nothing(map_differs(&mapped(&text("ARCHITECTURE.md")), &there));
    let mapped = mapped("### crates/a/src\n| `b.rs` | x |\n| `c/`, `gone.rs` | y |\n## Else\n| `d.rs` | z |\n");
    let there = expected_rooms(["crates/a/src/b.rs".to_owned(), "crates/a/src/c/mod.rs".to_owned()].iter());
    assert_eq!(map_differs(&mapped, &there), ["ARCHITECTURE.md names crates/a/src/gone.rs, which is not there"]);
    let there = expected_rooms(["crates/a/src/new.rs".to_owned()].iter());
    assert!(map_differs(&mapped, &there).contains(&"ARCHITECTURE.md does not name crates/a/src/new.rs".to_owned()));
}

/// Paths in backticks (from the root, or the end of a source's path) and relative links that lead nowhere.
fn dead_paths(pages: &Texts, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for (page, markdown) in pages {
        let folder = page.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
        let prose: String = markdown.split("```").step_by(2).collect();
        for path in in_backticks(&prose) {
            let from_root =
                ["crates/", "docs/", "rules/", "scripts/", ".ci/"].iter().any(|begin| path.starts_with(begin));
            let is_path = from_root || path.ends_with(".rs");
            if is_path && !path.contains([' ', '*', '<', '…']) && !exists(path) {
                wrong.push(format!("{page} names `{path}`, which is not there"));
            }
        }
        for link in prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if !link.contains("://") && !target.is_empty() && !exists(&format!("{folder}{target}")) {
                wrong.push(format!("{page} links to {link}, which is not there"));
            }
        }
    }
    wrong
}

#[test]
fn paths_and_links_lead_somewhere() {
    let sources = sources();
    let is_source = |path: &str| path.ends_with(".rs") && sources.keys().any(|s| s.ends_with(&format!("/{path}")));
    nothing(dead_paths(&pages(), |path| root().join(path).exists() || is_source(path)));
    let page = "see `docs/x.md` and [y](y.md#part), [z](https://z.example)\n```\n`docs/w.md`\n```\n";
    let bad = Texts::from([("docs/a.md".to_owned(), page.to_owned())]);
    assert_eq!(
        dead_paths(&bad, |_| false),
        ["docs/a.md names `docs/x.md`, which is not there", "docs/a.md links to y.md#part, which is not there"]
    );
}

#[test]
fn pages_name_no_machine() {
    let mut pages = pages();
    for name in ["scripts/test", "scripts/tour", ".ci/run", "Cargo.toml", "deny.toml", "clippy.toml"] {
        pages.insert(name.to_owned(), text(name));
    }
    pages.extend(sources());
    let machine = |text: &str| {
        ["work", "root", "farm"].iter().map(|top| format!("/{top}/")).find(|path| {
            let own =
                |at: usize| text[..at].chars().last().is_none_or(|c| !c.is_alphanumeric() && !"._-*}\"".contains(c));
            text.match_indices(path.as_str()).any(|(at, _)| own(at))
        })
    };
    assert!(machine(&format!("see /{}/x", "work")).is_some() && machine("a/work/b").is_none());
    nothing(
        pages.iter().filter_map(|(path, text)| machine(text).map(|found| format!("{path} names {found}"))).collect(),
    );
}

// The threat model.

/// The functions that a source declares.
fn functions(sources: &Texts) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for source in sources.values() {
        for declared in source.split("fn ").skip(1) {
            found.insert(declared.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    found
}

/// The rows of the table of attacks.
fn attacks(threat_model: &str) -> impl Iterator<Item = &str> {
    let table = threat_model.lines().skip_while(|line| !line.starts_with("| attack "));
    table.take_while(|line| line.starts_with('|')).filter(|line| line.starts_with("| ")).skip(1)
}

/// Rows of the table of attacks (attack, what stops it, test) that name no test that is there, nor say `not yet`.
fn unproved(threat_model: &str, functions: &BTreeSet<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    for row in attacks(threat_model) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [attack, stops, test] = cells.as_slice() else {
            wrong.push(format!("a row has {} cells, not 3: {row}", cells.len()));
            continue;
        };
        let named: Vec<&str> = in_backticks(test).collect();
        if named.is_empty() && !test.starts_with("not yet") {
            wrong.push(format!("{attack}: neither a test nor `not yet`"));
        }
        if stops.is_empty() {
            wrong.push(format!("{attack}: nothing is said of what stops it"));
        }
        for name in named.into_iter().filter(|name| !functions.contains(*name)) {
            wrong.push(format!("{attack}: there is no test `{name}`"));
        }
    }
    wrong
}

#[test]
fn every_attack_has_a_test_or_says_that_it_has_none() {
    let page = text("docs/threat-model.md");
    let rows = attacks(&page).count();
    assert!(rows > 35, "the table of attacks has {rows} rows");
    nothing(unproved(&page, &functions(&sources())));
    let known = BTreeSet::from(["here".to_owned()]);
    let table = "| attack | what stops it | test |\n|---|---|---|\n| a | x | `here` |\n| b | x | `gone` |\n| c | x | |\n\
                 | d | x | not yet |\n";
    assert_eq!(unproved(table, &known), ["b: there is no test `gone`", "c: neither a test nor `not yet`"]);
}

/// Nobody reads more than that at three in the morning: what is good to know besides stands elsewhere.
#[test]
fn emergencies_are_told_in_400_words() {
    let words = text("docs/emergencies.md").split_whitespace().count();
    assert!(words <= 400, "docs/emergencies.md has {words} words; docs/recovery.md takes the rest");
}

// The reference pages say what the code says.

fn unsaid<'a>(page: &str, markdown: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let said: BTreeSet<&str> = in_backticks(markdown).collect();
    names.filter(|name| !said.contains(name)).map(|name| format!("{page} does not say `{name}`")).collect()
}

#[test]
fn every_attribute_is_documented_as_it_is() {
    let table: BTreeSet<String> = text("docs/rules.md").lines().map(str::to_owned).collect();
    let rows = ATTRIBUTES.iter().map(|attribute| {
        // The bar of a table's cell.
        let doc = attribute.doc.replace('|', "\\|");
        format!("| `{}` | {} | {} |", attribute.name, attribute.ty.name(), doc)
    });
    nothing(rows.filter(|row| !table.contains(row)).map(|row| format!("docs/rules.md lacks\n{row}")).collect());
    let rules = text("docs/rules.md");
    let tokens = requirement::TOKENS.split("; ").next().unwrap().split(", ");
    nothing(unsaid("docs/rules.md", &rules, tokens));
}

#[test]
fn every_statement_signal_and_tool_is_documented() {
    nothing(unsaid("docs/ledger.md", &text("docs/ledger.md"), statement::KINDS.iter().copied()));
    let identity = text("docs/identity.md");
    nothing(unsaid("docs/identity.md", &identity, ai::SIGNALS.iter().map(|signal| signal.name)));
    nothing(unsaid("docs/identity.md", &identity, ai::TOOLS.iter().map(|tool| tool.name)));
    assert_eq!(unsaid("p", "`a`", ["a", "b"].into_iter()), ["p does not say `b`"]);
}

#[test]
fn every_route_is_documented() {
    let api = text("crates/countersign/src/api/mod.rs");
    let routes: Vec<&str> = api
        .split(".route(\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(|r| r.trim_end_matches("{*path}"))
        .collect();
    assert!(routes.len() > 5, "{routes:?}");
    let page = text("docs/api.md");
    nothing(routes.iter().filter(|route| !page.contains(**route)).map(|r| format!("docs/api.md lacks {r}")).collect());
}

#[test]
fn every_shipped_rule_is_documented() {
    // A shipped rule that no page speaks of would bind people who cannot look it up.
    let page = text("docs/rules.md");
    let shipped = texts("rules", ".cedar");
    let ids = shipped.keys().filter_map(|path| path.strip_prefix("rules/")?.strip_suffix(".cedar"));
    nothing(unsaid("docs/rules.md", &page, ids));
}

#[test]
fn every_refusal_of_the_git_gate_is_documented() {
    let mut codes = BTreeSet::new();
    for source in texts("crates/countersign/src/gates/git", ".rs").values() {
        let shipped = source.split("#[cfg(test)]").next().unwrap_or_default();
        let said = shipped.split("Refused::new(").skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
        codes.extend(said.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
    }
    assert!(codes.contains("no-change") && codes.len() > 15, "{codes:?}");
    let landing = text("crates/countersign-core/src/facts/landing.rs");
    let (_, told) = landing.split_once("fn code(&self)").unwrap();
    let said = told.split("fn ").next().unwrap_or_default().split("=> \"").skip(1);
    codes.extend(said.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
    assert!(codes.contains("delta-differs"), "{codes:?}");
    // What a log is caught at, and what opens no gate whatever it guards.
    let caught = text("crates/countersign/src/follower/proof.rs");
    let said = caught.split("fn code(self)").nth(1).and_then(|rest| rest.split("fn ").next()).unwrap_or_default();
    codes.extend(said.split("=> \"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned));
    let desk = text("crates/countersign/src/gates/desk.rs");
    let said = desk.split("Refusal::forbidden(").skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
    codes.extend(said.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
    assert!(codes.contains("log-went-back") && codes.contains("not-cosigned"), "{codes:?}");
    nothing(unsaid("docs/git-gate.md", &text("docs/git-gate.md"), codes.iter().map(String::as_str)));
}
