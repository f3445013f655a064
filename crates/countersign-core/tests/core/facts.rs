//! Facts of histories that are kept in memory.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use countersign_core::{
    facts::{
        FactsError, GitFacts, Range, Role, ai,
        extract::{self, escape_path},
        facts,
        git::{Commit, GitRead, Ident, MergeTree, RawChange},
        guidance_review,
        message::{Message, SCANNED_BYTES},
    },
    ids::Oid,
};
use proptest::prelude::*;

/// A history in memory. A tree is a map of paths; its id stands in the commit.
#[derive(Default)]
struct Fake {
    commits: BTreeMap<Oid, (Commit, BTreeMap<Vec<u8>, u8>)>,
    asked: RefCell<usize>,
}

#[derive(Debug, thiserror::Error)]
#[error("no such object")]
struct Missing;

fn oid(n: u64) -> Oid {
    format!("{n:040x}").parse().unwrap()
}

impl Fake {
    /// Adds commit `n`; its message, its author, what it changes against its first parent.
    fn add(&mut self, n: u64, parents: &[u64], author: &str, message: &[u8], files: &[(&[u8], u8)]) {
        let parents: Vec<Oid> = parents.iter().copied().map(oid).collect();
        let mut tree = parents.first().map(|id| self.commits[id].1.clone()).unwrap_or_default();
        tree.extend(files.iter().map(|(path, content)| (path.to_vec(), *content)));
        let object = [
            format!("tree {}\n", oid(1_000 + n)).into_bytes(),
            parents.iter().flat_map(|id| format!("parent {id}\n").into_bytes()).collect(),
            format!("author {author} 1700000000 +0000\ncommitter {author} 1700000000 +0000\n").into_bytes(),
            b"gpgsig -----BEGIN\n author Mallory <m@x> 1 +0000\n\n".to_vec(),
            message.to_vec(),
        ]
        .concat();
        self.commits.insert(oid(n), (Commit::parse(&object).unwrap(), tree));
    }

    fn reach(&self, id: &Oid) -> BTreeSet<Oid> {
        let mut seen = BTreeSet::new();
        let mut open = vec![id.clone()];
        while let Some(next) = open.pop() {
            if seen.insert(next.clone()) {
                open.extend(self.commits[&next].0.parents.clone());
            }
        }
        seen
    }
}

impl GitRead for Fake {
    type Error = Missing;

    fn commit(&self, id: &Oid) -> Result<Commit, Missing> {
        *self.asked.borrow_mut() += 1;
        self.commits.get(id).map(|(commit, _)| commit.clone()).ok_or(Missing)
    }

    fn range(&self, exclude: &Oid, include: &Oid, limit: usize) -> Result<Vec<Oid>, Missing> {
        let excluded = self.reach(exclude);
        Ok(self.reach(include).into_iter().filter(|id| !excluded.contains(id)).take(limit).collect())
    }

    fn merge_base(&self, a: &Oid, b: &Oid) -> Result<Option<Oid>, Missing> {
        let of = self.reach(a);
        Ok(self.reach(b).into_iter().filter(|id| of.contains(id)).max())
    }

    fn diff(&self, base: &Oid, head: &Oid) -> Result<Vec<RawChange>, Missing> {
        let (old, new) = (&self.commits[base].1, &self.commits[head].1);
        let paths: BTreeSet<_> = old.keys().chain(new.keys()).collect();
        let side = |tree: &BTreeMap<Vec<u8>, u8>, path| {
            tree.get(path).map_or((0, oid(0)), |content| (0o100_644, oid(2_000 + u64::from(*content))))
        };
        let changed = paths.into_iter().filter(|path| old.get(*path) != new.get(*path));
        // In reverse: facts must not depend on the order.
        Ok(changed
            .rev()
            .map(|path| {
                let ((old_mode, old), (new_mode, new)) = (side(old, path), side(new, path));
                RawChange { path: path.clone(), old_mode, new_mode, old, new }
            })
            .collect())
    }

    fn merge_tree(&self, _: &Oid, _: &Oid) -> Result<MergeTree, Missing> {
        Err(Missing)
    }

    fn blob_at(&self, _: &Oid, _: &str, _: usize) -> Result<Option<Vec<u8>>, Missing> {
        Err(Missing)
    }
}

fn range(tip: u64, head: u64) -> Range {
    Range { repository: "shop".parse().unwrap(), branch: "refs/heads/main".to_owned(), tip: oid(tip), head: oid(head) }
}

fn of_message(message: &str) -> GitFacts {
    let mut fake = Fake::default();
    fake.add(1, &[], "Jane <jane@x>", b"base", &[(b"a", 1)]);
    fake.add(2, &[1], "Jane <jane@x>", message.as_bytes(), &[(b"a", 2)]);
    facts(&fake, &range(1, 2)).unwrap()
}

fn coauthors(message: &str) -> Vec<String> {
    let people = Message::read(message.as_bytes()).coauthors();
    people.into_iter().map(|who| format!("{} <{}>", who.name, who.mail)).collect()
}

#[test]
fn a_range_is_read_through_every_parent() {
    let mut fake = Fake::default();
    fake.add(1, &[], "Jane <jane@x>", b"base", &[(b"a", 1)]);
    fake.add(2, &[1], "Tip <tip@x>", b"tip", &[(b"t", 1)]);
    fake.add(3, &[1], "Side <SIDE@x>", b"side", &[(b"s", 1)]);
    fake.add(4, &[1, 3], "Jane <jane@x>", b"merge\n\nGuidance: docs/a.md\nSigned-off-by: Q <q@x>", &[(b"s", 1)]);
    let facts = facts(&fake, &range(2, 4)).unwrap();
    assert_eq!((facts.base, facts.tree, facts.commits, facts.merges), (oid(1), oid(1_004), 2, 1));
    assert_eq!(facts.identities.iter().map(|who| who.mail.as_str()).collect::<Vec<_>>(), ["jane@x", "side@x"]);
    assert_eq!(facts.identities[0].roles, BTreeSet::from([Role::Author, Role::Committer]));
    assert_eq!(facts.guidance, BTreeSet::from(["docs/a.md".to_owned()]));
}

#[test]
fn facts_survive_json_and_the_delta_is_frozen() {
    let facts = of_message("x\n\nCo-authored-by: Claude <noreply@anthropic.com>");
    let text = serde_json::to_string(&facts).unwrap();
    assert_eq!(serde_json::from_str::<GitFacts>(&text).unwrap(), facts);
    insta::assert_snapshot!(facts.delta, @"sha256:a0bb20b019a5417aeef9a55fa2212366d0e4e3799974ca0171892edf2810b8c2");
}

#[test]
fn ranges_without_content_are_refused() {
    let mut fake = Fake::default();
    fake.add(1, &[], "Jane <jane@x>", b"base", &[(b"a", 1)]);
    fake.add(2, &[1], "Jane <jane@x>", b"empty", &[]);
    fake.add(3, &[], "Jane <jane@x>", b"other root", &[]);
    let long = vec![b'x'; 5_000];
    fake.add(4, &[1], "Jane <jane@x>", b"long", &[(&long, 1)]);
    let said = |tip, head| facts(&fake, &range(tip, head)).unwrap_err().to_string();
    insta::assert_snapshot!(said(2, 1), @"0000000000 is already part of `refs/heads/main`; there is nothing to change");
    insta::assert_snapshot!(said(1, 1), @"0000000000 is already part of `refs/heads/main`; there is nothing to change");
    insta::assert_snapshot!(said(1, 2), @"0000000000..0000000000 has commits but changes no path; there is nothing to review");
    insta::assert_snapshot!(said(1, 3), @"`refs/heads/main` (0000000000) and 0000000000 have no common history; a change must start from a commit of the branch it is for");
    assert!(matches!(facts(&fake, &range(1, 4)), Err(FactsError::PathTooLong { bytes: 5_000, .. })));
}

#[test]
fn limits_are_errors() {
    let mut fake = Fake::default();
    fake.add(1, &[], "Jane <jane@x>", b"base", &[(b"a", 1)]);
    let last = extract::MAX_COMMITS as u64 + 2;
    for n in 2..=last {
        fake.add(n, &[n - 1], "Jane <jane@x>", b"more", &[(b"a", (n % 200) as u8)]);
    }
    let refused = facts(&fake, &range(1, last)).unwrap_err().to_string();
    assert!(refused.ends_with("has more than 5000 commits; split the change"), "{refused}");
    assert_eq!(*fake.asked.borrow(), 1, "refused before reading them");
}

#[test]
fn paths_are_written_without_loss() {
    let written: Vec<String> =
        [&b"infra/\xff\xfe"[..], b"a\nb", b"back\\377", "b\u{fc}cher".as_bytes(), b"100%"].map(escape_path).into();
    assert_eq!(written, [r"infra/\377\376", r"a\nb", r"back\\377", "bücher", "100%"]);
}

#[test]
fn coauthors_are_found_where_git_finds_none() {
    assert_eq!(coauthors("s\n\nCo-authored-by: A <a@x>\n\nmore text\n\nSigned-off-by: B <b@x>"), ["A <a@x>"]);
    assert_eq!(coauthors(r"s\n\nCo-Authored-By: A <a@x>\nCo-developed-by: B <b@x>"), ["A <a@x>", "B <b@x>"]);
    assert_eq!(coauthors("Co-authored-by: A <a@x>, B <b@x> and C <c@x>"), ["A <a@x>", "B <b@x>", "C <c@x>"]);
    assert_eq!(coauthors("Co-authored-by: A <a@x> Co-authored-by: B <b@x>"), ["A <a@x>", "B <b@x>"]);
    assert_eq!(coauthors("Co-authored-by: Charm Crush <crush@charm.land"), ["Charm Crush <crush@charm.land>"]);
    assert_eq!(coauthors("Co-authored-by: Claude\n* coauthored-by: b@x\r\n"), ["Claude <>", " <b@x>"]);
    assert_eq!(coauthors("text about co-authored-by: nobody"), [""; 0]);
    assert_eq!(coauthors("Co-authored-by:\nCo-authored-by: <>"), [""; 0]);
}

#[test]
fn only_the_beginning_of_a_message_is_read() {
    let long = format!("{}\nCo-authored-by: A <a@x>", "x".repeat(SCANNED_BYTES));
    assert_eq!(coauthors(&long), [""; 0]);
    assert!(of_message(&"x <".repeat(100_000)).identities.len() == 1);
}

/// Signs of a commit by `author` with this message: `signal/tool`, with `?` where it is only inferred.
fn signs(author: &str, message: &str) -> Vec<String> {
    let mut fake = Fake::default();
    fake.add(1, &[], "Jane <jane@x>", b"base", &[(b"a", 1)]);
    fake.add(2, &[1], author, message.as_bytes(), &[(b"a", 2)]);
    let facts = facts(&fake, &range(1, 2)).unwrap();
    let sign = |sign: &countersign_core::facts::AiSignal| {
        let tool = sign.tool.as_deref().unwrap_or("-");
        format!("{}/{tool}{}", sign.signal, if sign.declared { "" } else { "?" })
    };
    facts.ai.iter().map(sign).collect()
}

#[test]
fn signs_are_found() {
    let says = |line: &str| signs("Jane <jane@x>", &format!("Fix the thing\n\n{line}\n")).join(" ");
    for (line, expected) in [
        (
            "Co-Authored-By: Claude Opus 4.6 (1M context) <noreply@anthropic.com>",
            "co-author-name/claude co-author-trailer/claude",
        ),
        (
            "Co-authored-by: Copilot <223556219+Copilot@users.noreply.github.com>",
            "co-author-name/copilot co-author-trailer/copilot",
        ),
        ("Co-authored-by: Renamed <158243242+whatever@users.noreply.github.com>", "co-author-trailer/devin"),
        ("Co-authored-by: Amp <amp@ampcode.com>", "co-author-trailer/amp"),
        ("Co-Authored-By: Claude", "co-author-trailer/claude"),
        ("Co-Authored-By: Codex <agent>", "co-author-trailer/codex"),
        ("Co-authored-by: Charm Crush <crush@charm.land", "co-author-trailer/crush"),
        ("Co-authored-by: aider (gpt-5.2) <aider@aider.chat>", "co-author-name/aider co-author-trailer/aider"),
        ("Assisted-by: Crush:anthropic/claude-opus-5", "assisted-kernel/crush assisted-trailer/crush"),
        ("Assisted-by: GLM-4.7 via Crush <crush@charm.land>", "assisted-trailer/crush"),
        ("Assisted-by: newcomer:model-9 [lint]", "assisted-kernel/-"),
        ("Made-with: Cursor", "assisted-trailer/cursor"),
        ("Claude-Session: https://claude.ai/code/session_1", "session-trailer/claude"),
        ("Copilot-Session: 1-2-3", "session-trailer/copilot"),
        ("Executed-By: beads/crew/max", "executed-by/gastown"),
        ("🤖 Generated with [Claude Code](https://claude.com/claude-code)", "generated-with/claude"),
        ("💘 Generated with Crush", "generated-with/crush"),
        ("Ai-assisted: true", "disclosure/-"),
        ("**AI usage:** Fable did the implementation", "disclosure/claude"),
        ("Disclosure: This commit was made with the assistance of AI (ampcode.com)", "disclosure-prose/amp"),
        ("Replit-Commit-Author: Agent", "replit-author/replit"),
        ("Model: gpt-3.5-turbo", "model-line/openai?"),
        ("This was written mostly with Claude Code.", "mention/claude?"),
    ] {
        assert_eq!(says(line), expected, "{line}");
    }
}

#[test]
fn identities_are_inferred() {
    for (author, expected) in [
        (
            "Devin AI <158243242+devin-ai-integration[bot]@users.noreply.github.com>",
            "author-identity/devin? author-name/devin? committer-identity/devin? committer-name/devin?",
        ),
        ("Claude <noreply@anthropic.com>", "author-identity/claude? committer-identity/claude?"),
        ("gastown/crew/max <person@x.org>", "author-persona/gastown? committer-persona/gastown?"),
        ("Jane Doe (aider) <jane@x.org>", "author-persona/aider? committer-persona/aider?"),
    ] {
        assert_eq!(signs(author, "x").join(" "), expected, "{author}");
    }
}

#[test]
fn traps_are_no_signs() {
    let none = [""; 0];
    for author in [
        "Ada Byron <ada@anthropic.com>",
        "Alan T <alan@openai.com>",
        "Devin Smith <devin@x.org>",
        "Mel Cline <cline@x.org>",
        "Cody Jones <cody@sourcegraph.com>",
        "Claude Monet <claude@giverny.fr>",
        "Sam <sam@codexapertus.com>",
        "gemini-cli-robot <gemini-cli-robot@google.com>",
        "dependabot[bot] <49699333+dependabot[bot]@users.noreply.github.com>",
        "renovate[bot] <29139614+renovate[bot]@users.noreply.github.com>",
    ] {
        assert_eq!(signs(author, "Fix"), none, "{author}");
        assert_eq!(signs("Jane <jane@x>", &format!("Fix\n\nCo-authored-by: {author}")), none, "{author}");
    }
    for message in [
        "Address Copilot review feedback",
        "Remove the line 'Generated with Claude Code' from commits",
        "Add AGENTS.md for Cursor and Copilot",
        "Fix cursor in the terminal\n\nThe cursor was drawn by the agent.",
        "Use goose for migrations\n\nMigrations made with goose.",
        "Fix\n\nCo-authored-by: gemini-code-assist[bot] <176961590+gemini-code-assist[bot]@users.noreply.github.com>",
        "Fix\n\nCo-authored-by: Copilot Autofix powered by AI <175728472+Copilot@users.noreply.github.com>",
        "Fix\n\nCo-authored-by: Copilot Autofix powered by AI <62310815+github-advanced-security[bot]@users.noreply.github.com>",
        "Fix\n\nCo-authored-by: gemini-cli[bot] <gemini-cli[bot]@users.noreply.github.com>",
        "Fix\n\nAI-assisted: false\nAI usage: none",
        "Fix\n\nAssisted-by: Claude Monet <claude@giverny.fr>",
        "Fix\n\nAssisted-by: Jane Doe <jane@x.org>",
        "Fix\n\nExecuted-By: alice",
        "Fix\n\n> Generated with Claude Code",
        "Bump x\n\ndependency-name: github.com/anthropics/anthropic-sdk-go",
    ] {
        assert_eq!(signs("Jane <jane@x>", message), none, "{message}");
    }
    let quoting = "dependabot[bot] <49699333+dependabot[bot]@users.noreply.github.com>";
    assert_eq!(signs(quoting, "Bump x\n\nRelease notes\n🤖 Generated with Claude Code"), none);
}

#[test]
fn a_person_is_no_agent_by_name() {
    assert!(ai::is_agent("Claude", "noreply@anthropic.com") && ai::is_agent("Codex", "agent"));
    assert!(ai::is_agent("gemini-code-assist[bot]", "176961590+gemini-code-assist[bot]@users.noreply.github.com"));
    assert!(!ai::is_agent("Jane (aider)", "jane@x.org"), "or that would be a way to be no contributor");
    assert!(!ai::is_agent("gastown/crew/max", "person@x.org"));
    assert!(!ai::is_agent("gemini-cli-robot", "gemini-cli-robot@google.com"));
    assert!(!ai::is_agent("Devin Smith", "") && !ai::is_agent("", ""));
}

#[test]
fn reviews_of_guidance_are_read() {
    let due =
        |matter: &str| guidance_review(&format!("---\n{matter}\n---\n# T\n")).map(|review| review.due.unix_millis());
    let day = |days: i64| Some(days * 86_400_000);
    assert_eq!(due("last_reviewed_on: 2026-01-02\nreview_in: 6 months"), day(20_636));
    assert_eq!(due("last_reviewed_on: 2026-01-02\nreview_in: a year"), day(20_820));
    assert_eq!(due("last_reviewed_on: '2026-01-02'\nreview_in: 2 weeks\nexpire_by: 2026-01-05"), day(20_458));
    assert_eq!(due("expire_by: 2026-01-05"), day(20_458));
    for none in [
        "title: x",
        "last_reviewed_on: 2026-01-02",
        "review_in: 6 months",
        "last_reviewed_on: yesterday\nreview_in: 6 months",
        "last_reviewed_on: 2026-01-02\nreview_in: -6 months",
        "last_reviewed_on: 2026-01-02\nreview_in: 99999 years",
        "last_reviewed_on: 2026-01-02\nlast_reviewed_on: 2027-01-02\nreview_in: 1 year",
        "[",
    ] {
        assert_eq!(due(none), None, "{none}");
    }
    let owner = |matter: &str| guidance_review(&format!("---\nexpire_by: 2026-01-05\n{matter}\n---\n"))?.owner;
    assert_eq!(owner("owner: payments\nowner_slack: '#pay'").as_deref(), Some("payments"));
    assert_eq!(owner("owner_slack: '#pay'").as_deref(), Some("#pay"));
    assert!(guidance_review("# No front matter\n---\nexpire_by: 2026-01-05\n---\n").is_none());
}

proptest! {
    #[test]
    fn messages_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let message = Message::read(&bytes);
        let nobody = Ident::default();
        ai::signals(&nobody, &nobody, &message.coauthors(), &message);
        message.guidance();
        let _ = Commit::parse(&bytes);
        guidance_review(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn trailers_never_panic(value in "\\PC{0,80}") {
        Message::read(format!("s\n\nCo-authored-by: {value}").as_bytes()).coauthors();
        guidance_review(&format!("---\nlast_reviewed_on: 2026-01-02\nreview_in: {value}\n---\n"));
    }

    #[test]
    fn written_paths_differ(a in proptest::collection::vec(any::<u8>(), 0..6), b in proptest::collection::vec(any::<u8>(), 0..6)) {
        prop_assert_eq!(a == b, escape_path(&a) == escape_path(&b));
    }
}
