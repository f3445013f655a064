//! AI assistance in a landed change: declared, inferred with its signal, or unknown. Never asserted, and no sign does
//! not mean that a human wrote it.

use std::collections::BTreeSet;

use countersign_core::facts::{ai, git::Ident, message::Message};

use super::{LandedChange, judge::MAX_READ_COMMITS};

/// Most signals and tools that are kept of one change.
const MAX_KEPT: usize = 16;
/// Where git-ai keeps what it recorded.
const GIT_AI_NOTES: &str = "refs/notes/ai";
const MAX_SUBJECT_BYTES: usize = 1_000;
/// How tools call the branches that they make, and the tool.
const BRANCHES: &[(&str, &str)] =
    &[("claude/", "claude"), ("codex/", "codex"), ("copilot/", "copilot"), ("cursor/", "cursor"), ("devin/", "devin")];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AiStatus {
    /// A commit or its notes say so.
    Declared,
    /// It looks so: an identity, a mention in prose.
    Inferred,
    /// Nothing is said.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AiOutcome {
    pub status: AiStatus,
    /// Names of the table in `facts::ai`, and `git-ai-note`.
    pub signals: Vec<&'static str>,
    pub tools: Vec<&'static str>,
}

/// Looks for signs in the landed commit, in all that it brings and in its notes.
pub fn outcome(change: &LandedChange, messages: &[Message]) -> AiOutcome {
    let mut signals = BTreeSet::new();
    let mut tools = BTreeSet::new();
    let mut declared = false;
    let records = std::iter::once(&change.commit).chain(change.brought.iter().take(MAX_READ_COMMITS));
    for (record, message) in records.zip(messages) {
        let coauthors: Vec<Ident> = message.coauthors().iter().map(lower).collect();
        for found in ai::signals(&lower(&record.author), &lower(&record.committer), &coauthors, message) {
            signals.insert(found.signal);
            tools.extend(found.tool);
            declared |= found.declared;
        }
        for tool in coauthors.iter().filter_map(only_assisted) {
            signals.insert("co-author-trailer");
            tools.insert(tool);
            declared = true;
        }
    }
    if let Some(tool) = merged_branch(&subject(&change.commit.message)).and_then(tool_of_branch) {
        signals.insert("branch-name");
        tools.insert(tool);
    }
    if change.notes.iter().any(|note| note.reference == GIT_AI_NOTES && names_agent(&note.body)) {
        signals.insert("git-ai-note");
        declared = true;
    }
    let status = match (declared, signals.is_empty()) {
        (true, _) => AiStatus::Declared,
        (false, false) => AiStatus::Inferred,
        (false, true) => AiStatus::Unknown,
    };
    AiOutcome {
        status,
        signals: signals.into_iter().take(MAX_KEPT).collect(),
        tools: tools.into_iter().take(MAX_KEPT).collect(),
    }
}

/// The first line of a message, as far as a name of a branch can matter.
fn subject(message: &[u8]) -> String {
    let line = message.split(|byte| *byte == b'\n').next().unwrap_or_default();
    String::from_utf8_lossy(line.get(..MAX_SUBJECT_BYTES).unwrap_or(line)).into_owned()
}

/// The branch that a merge says that it merges, as git, GitHub, GitLab, Bitbucket and homu write it.
fn merged_branch(subject: &str) -> Option<&str> {
    if let Some(rest) = subject.strip_prefix("Merge pull request #") {
        return Some(rest.split_once(" from ")?.1.split_once('/')?.1);
    }
    if let Some(rest) = subject.strip_prefix("Merged in ") {
        return Some(rest.split_once(' ')?.0);
    }
    if let Some(rest) = subject.strip_prefix("Auto merge of #") {
        return Some(rest.split_once(':')?.1.split_once(',')?.0);
    }
    let quoted =
        subject.strip_prefix("Merge branch '").or_else(|| subject.strip_prefix("Merge remote-tracking branch '"));
    let (branch, _) = quoted?.split_once('\'')?;
    Some(branch.strip_prefix("origin/").unwrap_or(branch))
}

fn tool_of_branch(branch: &str) -> Option<&'static str> {
    BRANCHES.iter().find(|(start, _)| branch.starts_with(start)).map(|(_, tool)| *tool)
}

/// Co-authors who are no contributors by the table of `facts::ai` and yet declare assistance: Copilot's account for
/// suggestions (Autofix, which a scanner offers, is automation), and an address that Amp stamped.
fn only_assisted(who: &Ident) -> Option<&'static str> {
    match (who.name.to_lowercase().as_str(), who.mail.as_str()) {
        ("copilot", "175728472+copilot@users.noreply.github.com") => Some("copilot"),
        ("amp", "amp@example.com") => Some("amp"),
        _ => None,
    }
}

fn lower(who: &Ident) -> Ident {
    Ident { name: who.name.trim().to_owned(), mail: who.mail.trim().to_lowercase() }
}

/// Whether a note of git-ai attests lines to an agent. It also writes notes on commits in which no agent had a hand.
fn names_agent(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body.get(..super::conventions::MAX_NOTE_BYTES).unwrap_or(body));
    let Some((attested, _)) = text.split_once("\n---") else { return false };
    attested.lines().any(|line| line.starts_with(char::is_whitespace) && !line.trim().is_empty())
        && text.contains("\"agent_id\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_that_tools_make() {
        let tool = |subject: &str| merged_branch(subject).and_then(tool_of_branch);
        for (subject, expected) in [
            ("Merge pull request #2 from ann/codex/fix-it", Some("codex")),
            ("Merge branch 'claude/fix-issue-12' into 'main'", Some("claude")),
            ("Merge branch 'cursor/prices'", Some("cursor")),
            ("Merge remote-tracking branch 'origin/copilot/fix-1'", Some("copilot")),
            ("Merged in devin/123 (pull request #5)", Some("devin")),
            ("Auto merge of #7 - ann:codex/fix-it, r=bob", Some("codex")),
            // A person, a topic, and what a branch of a tool merged into itself.
            ("Merge pull request #2 from codex/prices", None),
            ("Merge pull request #2 from ann/fix-codex/x", None),
            ("Merge branch 'main' into codex/fix-it", None),
            ("codex/fix-it", None),
        ] {
            assert_eq!(tool(subject), expected, "{subject}");
        }
    }
}
