//! Facts of histories that are kept in memory.

use std::collections::BTreeSet;

use countersign_core::{
    facts::{
        Entry, FactsError, GitFacts, Identities, NoBase, PathStatus, Role, TouchedPath, ai,
        delta::{self, escape_path},
        extract, facts,
        git::{Commit, GitRead, Ident, RawChange},
        guidance_review, identity,
        message::{Message, SCANNED_BYTES},
        single_base,
        size::{self, Lines, MAX_COUNTED_BYTES, Size},
    },
    ids::{Nonce, Oid},
};
use proptest::prelude::*;

use crate::memory::{GONE, Memory, Node, file, oid, range, salt};

fn of_message(message: &str) -> (GitFacts, Identities) {
    let mut memory = Memory::default();
    memory.add(1, &[], "Jane <jane@x>", b"base", &[(b"a", 1)]);
    memory.add(2, &[1], "Jane <jane@x>", message.as_bytes(), &[(b"a", 2)]);
    facts(&memory, &range(1, 2), &salt()).unwrap()
}

fn coauthors(message: &str) -> Vec<String> {
    let people = Message::read(message.as_bytes()).coauthors();
    people.into_iter().map(|who| format!("{} <{}>", who.name, who.mail)).collect()
}

#[test]
fn a_range_is_read_through_every_parent() {
    let mut memory = Memory::default();
    memory.add(1, &[], "Jane <jane@x>", b"base", &[(b"a", 1)]);
    memory.add(2, &[1], "Tip <tip@x>", b"tip", &[(b"t", 1)]);
    memory.add(3, &[1], "Side <SIDE@x>", b"side", &[(b"s", 1)]);
    memory.add(4, &[1, 3], "Jane <jane@x>", b"merge\n\nGuidance: docs/a.md\nSigned-off-by: Q <q@x>", &[(b"s", 1)]);
    let (facts, identities) = facts(&memory, &range(1, 4), &salt()).unwrap();
    assert_eq!((facts.base, facts.tree, facts.commits, facts.merges), (oid(1), oid(1_000_004), 2, 1));
    let mails: BTreeSet<&str> = identities.people.values().map(|who| who.mail.as_str()).collect();
    assert_eq!(mails, BTreeSet::from(["jane@x", "side@x"]));
    assert!(facts.identities.iter().all(|who| who.roles == BTreeSet::from([Role::Author, Role::Committer])));
    assert_eq!(facts.guidance, BTreeSet::from(["docs/a.md".to_owned()]));
}

#[test]
fn what_commits_bring_one_by_one_is_told() {
    const JANE: &str = "Jane <jane@x>";
    let mut memory = Memory::default();
    memory.add(1, &[], JANE, b"base", &[(b"a", 1)]);
    memory.add(2, &[1], JANE, b"one", &[(b"d", 1)]);
    // Upstream; the same on it; a merge of it.
    memory.add(3, &[1], JANE, b"tip", &[(b"t", 1)]);
    memory.add(4, &[3], JANE, b"one, rebased", &[(b"d", 1)]);
    memory.add(5, &[2, 3], JANE, b"merge", &[(b"t", 1)]);
    // A detour over two commits, and one in two merges.
    memory.add(6, &[1], JANE, b"detour", &[(b"d", 1), (b"secret", 1)]);
    memory.write(7, &[6], [JANE, JANE], b"back", &[(b"secret", GONE)]);
    memory.add(8, &[2, 3], JANE, b"merge", &[(b"t", 1), (b"secret", 1)]);
    memory.add(9, &[3], JANE, b"tip", &[(b"t", 2)]);
    memory.write(10, &[8, 9], [JANE, JANE], b"merge", &[(b"t", file(2)), (b"secret", GONE)]);
    let of = |base, head| facts(&memory, &range(base, head), &salt()).unwrap().0;
    let one = of(1, 2);
    assert!(one.steps.is_none() && one.steps().is_some());
    for (base, head, same) in [(3, 4, true), (3, 5, true), (1, 7, false), (3, 8, false), (9, 10, false)] {
        let other = of(base, head);
        assert_eq!(other.steps() == one.steps(), same, "{base}..{head}");
        assert_eq!(other.delta == one.delta, head != 8, "{base}..{head}");
    }
}

#[test]
fn facts_depend_on_base_and_head_alone() {
    let mut memory = Memory::default();
    memory.add(1, &[], "Jane <jane@x>", b"base", &[(b"a", 1)]);
    memory.add(2, &[1], "Jane <jane@x>", b"one", &[(b"a", 2)]);
    memory.add(3, &[2], "Jane <jane@x>", b"two", &[(b"b", 1)]);
    let before = facts(&memory, &range(1, 3), &salt()).unwrap();
    // The branch moves on, past the base and into the range.
    memory.add(4, &[2], "Tip <tip@x>", b"tip", &[(b"t", 1)]);
    assert_eq!(facts(&memory, &range(1, 3), &salt()).unwrap(), before);
}

#[test]
fn names_and_mails_stand_in_the_identities_alone() {
    let (facts, identities) = of_message("x\n\nCo-authored-by: Ann Lee <ANN@x>");
    let (facts_blob, identities_blob) = (facts.to_blob().unwrap(), identities.to_blob().unwrap());
    let text = String::from_utf8(facts_blob).unwrap();
    assert!(!text.contains("jane") && !text.contains("Ann") && !text.contains("ann@x"), "{text}");
    let text = String::from_utf8(identities_blob).unwrap();
    insta::assert_snapshot!(text, @r#"{"people":{"1dcc95405d9a9847c9e3c078aa3c5579":{"mail":"jane@x","name":"Jane"},"9e1fe6a0ad1e1ec83aa1c0591a89f847":{"mail":"ann@x","name":"Ann Lee"}},"salt":"5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"}"#);
    // Without the salt nobody finds out by trying whether it was Ann.
    let ann = Ident { name: "Ann Lee".to_owned(), mail: "ann@x".to_owned() };
    let reference = identity::reference(&salt(), &ann);
    assert!(facts.identities.iter().any(|who| who.reference == reference));
    let other: Nonce = "6b".repeat(16).parse().unwrap();
    assert_ne!(identity::reference(&other, &ann), reference);
}

#[test]
fn blobs_are_read_in_one_spelling() {
    let (facts, identities) = of_message("x\n\nCo-authored-by: Claude <noreply@anthropic.com>");
    let (bytes, people) = (facts.to_blob().unwrap(), identities.to_blob().unwrap());
    assert_eq!(GitFacts::parse(&bytes).unwrap(), facts);
    assert_eq!(Identities::parse(&people).unwrap(), identities);
    assert!(identities.are_of(&facts));

    let refused = |edit: &dyn Fn(&mut GitFacts)| {
        let mut facts = facts.clone();
        edit(&mut facts);
        GitFacts::parse(&facts.to_blob().unwrap()).unwrap_err().to_string()
    };
    insta::assert_snapshot!(refused(&|f| f.version = 1), @"the facts were extracted by version 1, this is 5");
    insta::assert_snapshot!(refused(&|f| f.paths.clear()), @"the facts are malformed: the delta is not that of the paths");
    insta::assert_snapshot!(refused(&|f| f.paths[0].path = "b".to_owned()), @"the facts are malformed: the delta is not that of the paths");
    insta::assert_snapshot!(refused(&|f| f.identities.reverse()), @"the facts are malformed: the identities or signs of AI assistance are not in order");
    insta::assert_snapshot!(refused(&|f| f.paths[0].new = f.paths[0].old.clone()), @"the facts are malformed: the paths are not in order, or one of them is not touched");
    let spaced = String::from_utf8(bytes.clone()).unwrap().replacen(',', ", ", 1);
    insta::assert_snapshot!(GitFacts::parse(spaced.as_bytes()).unwrap_err(), @"facts (sha256:a903ec3d49ae840c7e253839a8126b6e53c9cba07b61507241d36a5f62056344) is not in its canonical spelling");
    let long = [bytes, vec![b' '; 4 * 1024 * 1024]].concat();
    insta::assert_snapshot!(GitFacts::parse(&long).unwrap_err(), @"the facts have 4195252 bytes, more than 4194304");

    let renamed = String::from_utf8(people).unwrap().replace("Jane", "Janet");
    let refused = Identities::parse(renamed.as_bytes()).unwrap_err().to_string();
    assert!(refused.ends_with("is not the reference of the name and mail beside it"), "{refused}");
    let mut fewer = identities.clone();
    fewer.people.pop_first();
    assert!(!fewer.are_of(&facts));
}

#[test]
fn a_delta_holds_modes_links_and_submodules() {
    let mut memory = Memory::default();
    let jane = ["Jane <jane@x>"; 2];
    let (script, link, submodule) = (Node(0o100_755, 1), Node(0o120_000, 1), Node(0o160_000, 1));
    memory.write(1, &[], jane, b"base", &[(b"a", file(1)), (b"b", file(2)), (b"c", file(3)), (b"d", submodule)]);
    let files: &[(&[u8], Node)] =
        &[(b"a", script), (b"b", Node(0o120_000, 2)), (b"c", GONE), (b"d", Node(0o160_000, 2)), (b"e", link)];
    memory.write(2, &[1], jane, b"head", files);
    let (facts, _) = facts(&memory, &range(1, 2), &salt()).unwrap();
    let lines: Vec<String> = facts
        .paths
        .iter()
        .map(|path| {
            let side = |side: &Option<Entry>| side.as_ref().map_or_else(|| "-".to_owned(), |e| e.to_string());
            format!("{} {:?} {} {}", path.path, path.status(), side(&path.old), side(&path.new))
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    a Modified 100644 0002000001000000000000000000000000000000 100755 0002000001000000000000000000000000000000
    b TypeChanged 100644 0002000002000000000000000000000000000000 120000 0002000002000000000000000000000000000000
    c Deleted 100644 0002000003000000000000000000000000000000 -
    d Modified 160000 0002000001000000000000000000000000000000 160000 0002000002000000000000000000000000000000
    e Added - 120000 0002000001000000000000000000000000000000
    ");
    assert_eq!(facts.delta, delta::digest(&facts.paths), "anybody can compute it again from the facts");
    insta::assert_snapshot!(facts.delta, @"sha256:3aba6130d9acd6c94b68867ec59b0259444a199b30b428a8645e115dab95d471");
    assert_eq!(facts.paths.iter().filter(|path| path.status() == PathStatus::TypeChanged).count(), 1);
}

#[test]
fn as_many_paths_as_are_allowed_fit_into_a_blob() {
    let entry = |n: usize| Some(Entry { mode: 0o100_644, id: format!("{n:040x}").parse().unwrap() });
    let paths: Vec<TouchedPath> = (0..extract::MAX_PATHS)
        .map(|n| TouchedPath { path: format!("{n:05}/{}", "x".repeat(74)), old: entry(n), new: entry(n + 1) })
        .collect();
    let (mut facts, _) = of_message("x");
    facts.delta = delta::digest(&paths);
    facts.size = Size::of_files(paths.len());
    facts.lines.clear();
    facts.paths = paths;
    let bytes = facts.to_blob().unwrap();
    assert_eq!(GitFacts::parse(&bytes).unwrap(), facts);
}

#[test]
fn a_side_of_a_path_has_one_spelling() {
    let id = "1".repeat(40);
    for wrong in [
        format!("0100644 {id}"),
        format!("000000 {id}"),
        format!("100644  {id}"),
        format!("100844 {id}"),
        format!("+00644 {id}"),
        "100644".to_owned(),
        "100644 HEAD".to_owned(),
    ] {
        assert!(Entry::try_from(wrong.clone()).is_err(), "{wrong}");
    }
    assert_eq!(Entry::try_from(format!("100644 {id}")).unwrap().to_string(), format!("100644 {id}"));
}

#[test]
fn ranges_without_content_are_refused() {
    let mut memory = Memory::default();
    memory.add(1, &[], "Jane <jane@x>", b"base", &[(b"a", 1)]);
    memory.add(2, &[1], "Jane <jane@x>", b"empty", &[]);
    memory.add(3, &[], "Jane <jane@x>", b"other root", &[]);
    let long = vec![b'x'; 5_000];
    memory.add(4, &[1], "Jane <jane@x>", b"long", &[(&long, 1)]);
    let said = |base, head| facts(&memory, &range(base, head), &salt()).unwrap_err().to_string();
    insta::assert_snapshot!(said(2, 1), @"0000000001 has no commit that 0000000002 does not have; there is nothing to change");
    insta::assert_snapshot!(said(1, 1), @"0000000001 has no commit that 0000000001 does not have; there is nothing to change");
    insta::assert_snapshot!(said(1, 2), @"0000000001..0000000002 has commits but changes no path; there is nothing to review");
    insta::assert_snapshot!(said(1, 3), @"0000000003 does not build on 0000000001; a range starts from a commit that its head contains");
    assert!(matches!(facts(&memory, &range(1, 4), &salt()), Err(FactsError::PathTooLong { bytes: 5_000, .. })));
}

#[test]
fn a_proposal_starts_from_the_one_best_common_commit() {
    let base = |bases: &[u64]| {
        let bases: Vec<_> = bases.iter().copied().map(oid).collect();
        single_base("refs/heads/main", &oid(5), &oid(7), &bases)
    };
    assert_eq!(base(&[3]), Ok(oid(3)));
    let said = |bases: &[u64]| {
        let refused: NoBase = base(bases).unwrap_err();
        format!("{refused}; {}", refused.way_out())
    };
    insta::assert_snapshot!(said(&[]), @"`refs/heads/main` (0000000005) and 0000000007 have no common history; a change must start from a commit of the branch it is for; start your branch from the tip of the protected one, and propose that");
    insta::assert_snapshot!(said(&[7]), @"0000000007 is already part of `refs/heads/main`; there is nothing to change; name the commits that are new: --range BRANCH..HEAD");
    insta::assert_snapshot!(said(&[3, 4]), @"0000000007 and `refs/heads/main` (0000000005) have several best common commits: 0000000003, 0000000004; merge the protected branch into yours first: then there is one, its tip");
}

#[test]
fn limits_are_errors() {
    let mut memory = Memory::default();
    memory.add(1, &[], "Jane <jane@x>", b"base", &[(b"a", 1)]);
    let last = extract::MAX_COMMITS as u64 + 2;
    for n in 2..=last {
        memory.add(n, &[n - 1], "Jane <jane@x>", b"more", &[(b"a", n % 200)]);
    }
    let refused = facts(&memory, &range(1, last), &salt()).unwrap_err().to_string();
    assert!(refused.ends_with("has more than 5000 commits; split the change"), "{refused}");
    assert_eq!(*memory.asked.borrow(), 2, "refused before reading what is between base and head");
}

#[test]
fn a_parent_that_git_does_not_see_is_no_parent() {
    let (tree, parent) = (oid(1), oid(2));
    let head = format!("tree {tree}\nparent {parent}\n");
    let who = "author Jane <jane@x> 1 +0000\ncommitter Jane <jane@x> 1 +0000\n";
    assert_eq!(Commit::parse(format!("{head}{who}\nm").as_bytes()).unwrap().parents, std::slice::from_ref(&parent));
    for object in [
        format!("{head}{who}parent {parent}\n\nm"),
        format!("parent {parent}\ntree {tree}\n{who}\nm"),
        format!("{head}encoding UTF-8\nparent {parent}\n{who}\nm"),
        format!("{head}{who}tree {tree}\n\nm"),
        format!("{head}{who}{who}\nm"),
        format!("{head}committer Jane <jane@x> 1 +0000\nauthor Jane <jane@x> 1 +0000\n\nm"),
        format!("tree {tree}\nparent  {parent}\n{who}\nm"),
        // What stands there twice, and what git reads only up to a zero.
        format!("{head}{who}encoding UTF-8\nencoding UTF-16\n\nm"),
        format!("{head}{who}gpgsig a\n b\ngpgsig c\n\nm"),
        format!("{head}author Jane\0 <jane@x> 1 +0000\ncommitter Jane <jane@x> 1 +0000\n\nm"),
        head.clone(),
        String::new(),
    ] {
        assert!(Commit::parse(object.as_bytes()).is_err(), "{object}");
    }
    for object in [
        format!("{head}{who}mergetag a\n b\nmergetag c\nHG:extra x\nHG:extra y\nencoding UTF-8\n\nm"),
        format!("{head}{who}\na zero in the message \0 is one of the message"),
    ] {
        assert!(Commit::parse(object.as_bytes()).is_ok(), "{object}");
    }
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
    // The value goes on in the next line.
    assert_eq!(coauthors("s\n\nCo-authored-by:\n A <a@x>\n\tand B <b@x>\nC <c@x>"), ["A <a@x>", "B <b@x>"]);
    assert_eq!(coauthors("Co-authored-by: A <a@x>,\n B\n <b@x>\n\n C <c@x>"), ["A <a@x>", "B <b@x>"]);
    assert_eq!(coauthors("  Co-authored-by: A <a@x>\n  Then some text\n  Signed-off-by: B <b@x>"), ["A <a@x>"]);
    assert_eq!(coauthors("Co-authored-by: A <a@x>\n Signed-off-by: B <b@x>"), ["A <a@x>", "B <b@x>"]);
    assert_eq!(coauthors("Co-authored-by:\r B <b@x>\nCo-authored-by:\rC <c@x>"), ["B <b@x>", "C <c@x>"]);
    assert_eq!(coauthors("Co-authored-by:\nCo-authored-by: <>"), [""; 0]);
}

#[test]
fn remarks_behind_a_mail_are_nobody_and_whoever_is_named_is_named() {
    assert_eq!(coauthors("Co-authored-by: A <a@x> (paired on this)"), ["A <a@x>"]);
    assert_eq!(coauthors("Co-authored-by: A <a@x> (pair, remote), B <b@x> # and thanks"), ["A <a@x>", "B <b@x>"]);
    assert_eq!(coauthors("Co-authored-by: A <a@x> for the idea"), ["A <a@x>"]);
    assert_eq!(coauthors("Co-authored-by: A (a@x), B b@x; c@x"), ["A <a@x>", "B <b@x>", " <c@x>"]);
    assert_eq!(coauthors("Co-authored-by: \"Lee, Ann\" <a@x> + B <<b@x>>"), ["Ann Lee <a@x>", "B <b@x>"]);
    assert_eq!(coauthors("Co-authored-by: A <a@x a@y>"), ["A <a@x>", "A <a@y>"]);
    assert_eq!(coauthors("Co-authored-by: A <mailto:a@x> and others"), ["A <a@x>"]);
    assert_eq!(coauthors("Co-authored-by: A <a@x> B <b@x>, Cy (mentor)"), ["A <a@x>", "B <b@x>", "Cy <>"]);
    assert_eq!(coauthors("Co-authored-by:\n Grace: <g@x>"), ["Grace: <g@x>"]);
    assert_eq!(coauthors("Paired-with: A <a@x>\nCo-committed-by : B <b@x>"), ["A <a@x>", "B <b@x>"]);
}

#[test]
fn a_cited_document_is_read_as_a_trailer_is() {
    let cited = |message: &str| Message::read(message.as_bytes()).guidance();
    assert_eq!(cited("s\n\nGuidance:\n docs/a.md,\n docs/b.md (the second part)"), ["docs/a.md", "docs/b.md"]);
    assert_eq!(cited("s\n\nguidance : docs/a.md"), ["docs/a.md"]);
    assert_eq!(cited("s\n\nGuidance: see the wiki"), [""; 0]);
}

#[test]
fn the_beginning_and_the_end_of_a_message_are_read() {
    let after = |bytes| format!("{}\nCo-authored-by: A <a@x>", "x".repeat(bytes));
    assert_eq!(coauthors(&after(SCANNED_BYTES)), ["A <a@x>"]);
    assert_eq!(coauthors(&after(50 * SCANNED_BYTES)), ["A <a@x>"]);
    let between = format!("{}\n{}", after(2 * SCANNED_BYTES), "y\n".repeat(SCANNED_BYTES));
    assert_eq!(coauthors(&between), [""; 0]);
    assert!(of_message(&"x <".repeat(100_000)).0.identities.len() == 1);
}

/// Signs of a commit by `author` with this message: `signal/tool`, with `?` where it is only inferred.
fn signs(author: &str, message: &str) -> Vec<String> {
    let mut memory = Memory::default();
    memory.add(1, &[], "Jane <jane@x>", b"base", &[(b"a", 1)]);
    memory.add(2, &[1], author, message.as_bytes(), &[(b"a", 2)]);
    let (facts, _) = facts(&memory, &range(1, 2), &salt()).unwrap();
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

/// Both ways are written out, so that anybody can see what a count is.
#[test]
fn lines_are_counted_as_multisets() {
    let count = |old: &str, new: &str| {
        let Lines { added, deleted } = size::count(old.as_bytes(), new.as_bytes());
        (added, deleted)
    };
    assert_eq!(count("", "a\nb\n"), (2, 0));
    assert_eq!(count("a\nb\n", ""), (0, 2));
    // Moved, and with or without a last line feed.
    assert_eq!(count("a\nb\nc\n", "c\na\nb"), (0, 0));
    assert_eq!(count("a\na\nb\n", "a\nb\nb\n"), (1, 1));
    assert_eq!(count("a\n", "a\r\n"), (1, 1));
    assert_eq!(count("", "\n\n"), (2, 0));
}

/// One content for all paths before, one for all after.
struct Contents(Vec<u8>, Vec<u8>);

impl GitRead for Contents {
    type Error = crate::memory::Missing;

    fn commit(&self, _: &Oid) -> Result<Commit, Self::Error> {
        Err(crate::memory::Missing)
    }

    fn range(&self, _: &Oid, _: &Oid, _: usize) -> Result<Vec<Oid>, Self::Error> {
        Err(crate::memory::Missing)
    }

    fn diff(&self, _: &Oid, _: &Oid) -> Result<Vec<RawChange>, Self::Error> {
        Err(crate::memory::Missing)
    }

    fn blob(&self, id: &Oid, max_bytes: usize) -> Result<Option<Vec<u8>>, Self::Error> {
        let content = if *id == oid(1) { &self.0 } else { &self.1 };
        Ok(Some(content.clone()).filter(|bytes| bytes.len() <= max_bytes))
    }

    fn links(&self, _: &Oid, _: usize) -> Result<Option<Vec<(Vec<u8>, Oid)>>, Self::Error> {
        Ok(Some(Vec::new()))
    }

    fn blob_at(&self, _: &Oid, _: &str, _: usize) -> Result<Option<Vec<u8>>, Self::Error> {
        Err(crate::memory::Missing)
    }
}

#[test]
fn what_cannot_be_counted_is_larger_than_any_rule_allows() {
    let entry = |mode, n| Some(Entry { mode, id: oid(n) });
    let path = |name: &str, mode| TouchedPath { path: name.to_owned(), old: entry(mode, 1), new: entry(mode, 2) };
    let size = |old: &[u8], new: &[u8], paths: &[TouchedPath]| {
        let lines = size::lines(&Contents(old.to_vec(), new.to_vec()), paths).unwrap();
        let size = Size { lines: size::sum(&lines), ..Size::of_files(paths.len()) };
        (size.files, size.added(), size.deleted())
    };
    let unknown = |files| (files, u32::MAX, u32::MAX);
    let (file, other) = (path("a", 0o100_644), path("b", 0o100_644));
    assert_eq!(size(b"a\n", b"b\nc\n", &[file.clone(), other.clone()]), (2, 4, 2));
    assert_eq!(size(b"a\n", b"b\0", std::slice::from_ref(&file)), unknown(1));
    let late = [vec![b'x'; 8_000], vec![0]].concat();
    assert_eq!(size(b"", &late, std::slice::from_ref(&file)), (1, 1, 0), "as git, which looks no further");
    assert_eq!(size(b"", &vec![b'\n'; MAX_COUNTED_BYTES + 1], std::slice::from_ref(&file)), unknown(1));
    assert_eq!(size(b"a\n", b"b\n", &[file.clone(), path("sub", 0o160_000)]), unknown(2));
    // However many there are, no more is read.
    let large = vec![b'x'; MAX_COUNTED_BYTES];
    let many: Vec<TouchedPath> = (0..17).map(|n| path(&n.to_string(), 0o100_644)).collect();
    assert_eq!(size(b"", &large, &many[..16]), (16, 16, 0));
    assert_eq!(size(b"", &large, &many), unknown(17));
    assert_eq!(
        size(b"a\n", b"b\n", &[TouchedPath { new: None, ..file }, TouchedPath { old: None, ..other }]),
        (2, 1, 1)
    );
}

#[test]
fn a_size_is_extracted_and_has_to_be_that_of_the_paths() {
    let (facts, _) = of_message("x");
    assert_eq!((facts.size.files, facts.size.added(), facts.size.deleted()), (1, 1, 1));
    let wrong = GitFacts { size: Size { files: 2, ..facts.size }, ..facts };
    let refusal = GitFacts::parse(&wrong.to_blob().unwrap()).unwrap_err();
    assert_eq!(refusal.code, "malformed-facts");
}
