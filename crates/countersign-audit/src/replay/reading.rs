//! What a landed change would have said of itself as a proposal: its kind from its paths, its documents from its messages.

use std::{collections::BTreeMap, sync::Arc};

use countersign_core::{
    facts::{MAX_RULED_PATHS, PathChange, PathStatus, RuledPath, message::Message},
    kind::{self, Documents, Kind},
    rules::Rules,
    snapshot::PathsView,
};

/// Most paths of one change that are looked at.
const MAX_LOOKED_AT: usize = 20_000;
/// Longest word before a colon that is taken for a trailer's key.
const MAX_KEY: usize = 40;

const SCHEMA: &[&str] = &[".sql", ".prisma", ".proto", ".avsc", ".graphql"];
const SCHEMA_FOLDERS: &[&str] = &["migrations", "migrate", "alembic", "flyway", "liquibase"];
const INFRASTRUCTURE: &[&str] =
    &[".tf", ".tfvars", ".tf.json", ".tofu", ".hcl", ".bicep", ".pp", ".nix", ".nomad", "dockerfile", "chart.yaml"];
const INFRASTRUCTURE_FOLDERS: &[&str] =
    &["terraform", "ansible", "playbooks", "charts", "helm", "helmfile.d", "k8s", "kubernetes", "cloudformation"];
const CONFIG: &[&str] =
    &[".yaml", ".yml", ".json", ".toml", ".ini", ".cfg", ".conf", ".cnf", ".properties", ".env", ".erb", ".epp"];

/// The kind that the paths make a change: what reaches furthest wins, and it is configuration only if nothing else is.
pub fn kind_of(paths: &[PathChange]) -> Kind {
    let mut infrastructure = false;
    let mut other = paths.is_empty();
    for change in paths.iter().take(MAX_LOOKED_AT) {
        let path = change.path.to_lowercase();
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
        let lies_in = |names: &[&str]| folders.split('/').any(|folder| names.contains(&folder));
        if ends(SCHEMA) || lies_in(SCHEMA_FOLDERS) {
            return Kind::Schema;
        }
        if ends(INFRASTRUCTURE) || lies_in(INFRASTRUCTURE_FOLDERS) {
            infrastructure = true;
        } else if !ends(CONFIG) && !lies_in(&["hieradata", "config"]) {
            other = true;
        }
    }
    match (infrastructure, other) {
        (true, _) => Kind::Infrastructure,
        (false, true) => Kind::Code,
        (false, false) => Kind::Config,
    }
}

/// What a change does to the paths that any of these rules name. A history is read without modes, so that of links only
/// those are known that took a file's place, or gave it up.
pub fn ruled(paths: &[PathChange], rules: &[Arc<Rules>]) -> BTreeMap<String, PathsView> {
    if rules.iter().all(|rules| rules.patterns().next().is_none()) {
        return BTreeMap::new();
    }
    let ruled = |change: &PathChange| RuledPath {
        path: change.path.clone(),
        status: change.status,
        submodule: false,
        led: false,
        mode: false,
        link: change.status == PathStatus::TypeChanged,
        lines: None,
    };
    let touched: Option<Vec<RuledPath>> = (paths.len() <= MAX_RULED_PATHS).then(|| paths.iter().map(ruled).collect());
    rules.iter().flat_map(|rules| rules.paths_of(touched.as_deref())).collect()
}

#[derive(Clone, Copy)]
enum Section {
    Risk,
    Rollback,
    Tests,
}

/// How much the messages of a change say, all of its commits together: `why` is their bodies without trailers; the others
/// are what stands behind or below a line that says so (`Rollback: …`, `## Test plan`).
pub fn documents_of(messages: &[Message]) -> Documents {
    let mut documents = Documents::default();
    for message in messages {
        read(message, &mut documents);
    }
    // The first line of the first stands for a title.
    let title = messages.first().and_then(|message| message.lines().next());
    documents.form = title.and_then(kind::form).unwrap_or_default().to_owned();
    documents
}

fn read(message: &Message, documents: &mut Documents) {
    let lines: Vec<&str> = message.body().collect();
    let text = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last.saturating_add(1));
    let body = lines.get(..text).unwrap_or_default();
    let last_paragraph = body.iter().rposition(|line| line.is_empty()).map_or(0, |empty| empty.saturating_add(1));
    let mut section: Option<Section> = None;
    let mut filled = false;
    for (at, line) in body.iter().enumerate() {
        if line.is_empty() {
            // A section ends with its text; below a heading an empty line is only air.
            if filled {
                section = None;
            }
            continue;
        }
        let said = match section_of(line) {
            Some((found, rest)) => {
                section = Some(found);
                filled = false;
                rest
            }
            None if is_trailer(line, at >= last_paragraph) || is_of_a_machine(line) => continue,
            None if line.starts_with('#') => {
                section = None;
                line
            }
            None => line,
        };
        let chars = u32::try_from(said.chars().count()).unwrap_or(u32::MAX);
        documents.why = documents.why.saturating_add(chars);
        let of_section = match section {
            Some(Section::Risk) => &mut documents.risk,
            Some(Section::Rollback) => &mut documents.rollback,
            Some(Section::Tests) => &mut documents.tests,
            None => continue,
        };
        *of_section = of_section.saturating_add(chars);
        filled |= chars > 0;
    }
}

/// `Rollback: revert it`, `**Testing**`, `## Risk`: the section, and what the line says besides.
fn section_of(line: &str) -> Option<(Section, &str)> {
    let plain = line.trim_start_matches(['#', '*', '-', '_', ' ']);
    let is_heading = line.starts_with('#') || line.starts_with("**");
    let (title, rest) = match plain.split_once(':') {
        Some((title, rest)) => (title, rest),
        None if is_heading => (plain, ""),
        None => return None,
    };
    let title = title.trim_matches(['*', '_', ' ']).to_lowercase();
    let section = match title.as_str() {
        "risk" | "risks" | "risk assessment" | "impact" => Section::Risk,
        "rollback" | "roll back" | "rollback plan" | "roll-back" | "backout" | "backout plan" | "how to roll back" => {
            Section::Rollback
        }
        "test"
        | "tests"
        | "testing"
        | "tested"
        | "test plan"
        | "test-plan"
        | "testing done"
        | "how tested"
        | "how was this tested"
        | "how has this been tested?"
        | "verification" => Section::Tests,
        _ => return None,
    };
    Some((section, rest.trim_matches(['*', '_', ' '])))
}

/// What stands at the beginning of lines that a program writes.
const OF_MACHINES: &[&str] = &[
    "(cherry picked from ",
    "(backported from ",
    "(grafted from ",
    "This reverts commit ",
    "Merge pull request ",
    "Merge branch ",
    "Merge remote-tracking branch ",
    "Merged in ",
    "See merge request ",
    "PiperOrigin-RevId:",
    "GitOrigin-RevId:",
    "Former-commit-id:",
    "Cr-Commit-Position:",
    "Cr-Original-Commit-Position:",
    "git-subtree-dir:",
    "git-subtree-mainline:",
    "git-subtree-split:",
    "Differential Revision:",
    "PR-URL:",
    "Part-of:",
    "Conflicts:",
    "# Conflicts:",
];

/// A line that a program wrote, or an address alone, tells nobody why.
fn is_of_a_machine(line: &str) -> bool {
    let line = line.trim();
    let is_address = (line.starts_with("https://") || line.starts_with("http://")) && !line.contains(' ');
    is_address || OF_MACHINES.iter().any(|begins| line.starts_with(begins))
}

/// A trailer says who and where, not why.
fn is_trailer(line: &str, in_last_paragraph: bool) -> bool {
    let Some((key, value)) = line.split_once(':') else { return false };
    let is_key = (2..=MAX_KEY).contains(&key.len())
        && key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let lower = key.to_ascii_lowercase();
    let known = lower.ends_with("-by") || matches!(lower.as_str(), "change-id" | "reviewed-on" | "git-svn-id");
    is_key && (known || (in_last_paragraph && value.starts_with(' ')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_core::facts::PathStatus;

    fn kind(paths: &[&str]) -> Kind {
        let change = |path: &&str| PathChange { path: (*path).to_owned(), status: PathStatus::Modified };
        kind_of(&paths.iter().map(change).collect::<Vec<_>>())
    }

    #[test]
    fn paths_make_the_kind() {
        assert_eq!(kind(&["src/a.rs", "config.yaml"]), Kind::Code);
        assert_eq!(kind(&["config.yaml", "b/c.ini"]), Kind::Config);
        assert_eq!(kind(&["src/a.rs", "modules/x/init.pp"]), Kind::Infrastructure);
        assert_eq!(kind(&["main.tf", "db/migrate/1.rb"]), Kind::Schema);
        assert_eq!(kind(&[]), Kind::Code);
    }

    fn documents(message: &str) -> (u32, u32, u32, u32) {
        let Documents { why, risk, rollback, tests, .. } = documents_of(&[Message::read(message.as_bytes())]);
        (why, risk, rollback, tests)
    }

    #[test]
    fn messages_make_the_documents() {
        assert_eq!(documents("Subject alone"), (0, 0, 0, 0));
        assert_eq!(documents("S\n\nBecause.\n\nReviewed-by: A <a@x.example>\nBug: T1"), (8, 0, 0, 0));
        assert_eq!(documents("S\n\nNote: in the last paragraph, a trailer to git too"), (0, 0, 0, 0));
        assert_eq!(documents("S\n\nRollback: revert\nRisk: none\n\nChange-Id: I1"), (10, 4, 6, 0));
        assert_eq!(documents("S\n\n## Test plan\n\nran it\ntwice\n\nmore\n"), (15, 0, 0, 11));
        assert_eq!(documents("S\n\n**Testing**: by hand"), (7, 0, 0, 7));
        let by_programs =
            "(cherry picked from commit 0123)\nThis reverts commit 0123.\nPiperOrigin-RevId: 1\n\nhttps://x.example/1";
        assert_eq!(documents(&format!("S\n\n{by_programs}\n\nBecause.")), (8, 0, 0, 0));
    }
}
