//! What is known of real histories, counted apart from this code: by a script over the same files that knows one
//! convention at a time. Slices stand in this repository; the whole histories are used where they stand beside it.
//!
//! Where the audit's definition is wider or narrower than the script's, the case says by how much and why.

use std::collections::BTreeMap;

use countersign_audit::{Audited, Grade, People, Reverts, Summary, conventions::Says};

use super::history::{self, History, audit};

fn by_convention(audited: &[Audited], grade: Grade, convention: &str) -> usize {
    audited
        .iter()
        .filter(|change| change.grade == grade && change.decisive().is_some_and(|by| by.convention == convention))
        .count()
}

fn landed(history: &History) -> (Vec<Audited>, People, Summary) {
    let (audited, people, summary) = audit(&history.landed());
    assert_eq!(summary.grades.total(), summary.landed, "the grades add up");
    assert_eq!(summary.ai.assisted() + summary.ai.unknown, summary.landed);
    assert_eq!(summary.months.values().map(|month| month.grades.total()).sum::<u64>(), summary.landed);
    (audited, people, summary)
}

struct Votes {
    noted: usize,
    independent: usize,
    exactly_one: usize,
    approvers: usize,
    votes: usize,
    top_ten: usize,
}

/// Counts votes over every commit that has any, also those that a merge brought: each was a change in Gerrit.
fn votes(history: &History) -> Votes {
    let (audited, people, _) = audit(&history.noted());
    let of = |change: &Audited| {
        let approved = change.evidence.iter().filter(|e| e.says == Says::Approved && e.convention == "gerrit-note");
        approved.filter_map(|evidence| evidence.who).collect::<Vec<_>>()
    };
    // The truth counts approvers by the name that they voted under.
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for who in audited.iter().flat_map(of) {
        *names.entry(people.name(who)).or_default() += 1;
    }
    let mut counts: Vec<usize> = names.values().copied().collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    Votes {
        noted: audited.len(),
        independent: audited.iter().filter(|change| by_note(change)).count(),
        exactly_one: audited.iter().filter(|change| of(change).len() == 1).count(),
        approvers: counts.len(),
        votes: counts.iter().sum(),
        top_ten: counts.iter().take(10).sum(),
    }
}

fn by_note(change: &Audited) -> bool {
    change.grade == Grade::Named && change.decisive().is_some_and(|by| by.convention == "gerrit-note")
}

#[test]
fn operations_puppet_slice() {
    let votes = votes(&history::slice("operations-puppet"));
    assert_eq!((votes.noted, votes.independent, votes.exactly_one), (3_000, 526, 2_998));
    assert_eq!((votes.approvers, votes.votes, votes.top_ten), (27, 3_002, 2_094));
}

#[test]
fn operations_puppet_whole() {
    let Some(history) = history::whole("operations-puppet") else { return };
    let votes = votes(&history);
    // 71% had no +2 from anyone but the author; 99.7% carry exactly one; 49 approve; the top ten cast 61%. The script's
    // 13,728 have one whose only other voter is a co-author, and in one change it counts a person's two votes twice.
    assert_eq!((votes.noted, votes.independent, votes.exactly_one), (47_475, 13_727, 47_326));
    assert_eq!((votes.approvers, votes.votes, votes.top_ten), (49, 47_624, 28_912));
    let (audited, _, summary) = landed(&history);
    assert_eq!(summary.landed, 44_148);
    let reverts = Reverts::find(&audited);
    assert!(reverts.all.len() > 1_000 && reverts.unfound < reverts.all.len());
}

#[test]
fn golang_tools_slice() {
    let (_, _, summary) = landed(&history::slice("golang-tools"));
    // The script's 2,497 has one whose only reviewer is a co-author.
    assert_eq!((summary.landed, summary.grades.named), (2_500, 2_496));
}

#[test]
fn golang_tools_whole() {
    let Some(history) = history::whole("golang-tools") else { return };
    let (_, _, summary) = landed(&history);
    // 87% named. The script's 9,349 has two whose only reviewer is a co-author.
    assert_eq!((summary.landed, summary.grades.named), (10_703, 9_347));
}

#[test]
fn folly_slice() {
    let (_, _, summary) = landed(&history::slice("folly"));
    assert_eq!((summary.landed, summary.grades.named), (2_500, 2_137));
}

#[test]
fn folly_whole() {
    let Some(history) = history::whole("folly") else { return };
    let (_, _, summary) = landed(&history);
    // 92% named.
    assert_eq!((summary.landed, summary.grades.named), (17_305, 15_879));
}

/// How many were approved by the owner of the branch, told by the subject alone: `homu`, then the first bors.
fn by_owner(audited: &[Audited]) -> (usize, usize) {
    let is_owner = |change: &&Audited| {
        let subject = change.subject.as_ref();
        let of = |separator: &str, end: char| {
            let (_, rest) = subject.split_once(separator)?;
            let (owner, reviewer) = rest.rsplit_once(", r=")?;
            Some(owner.split_once(end)?.0.eq_ignore_ascii_case(reviewer))
        };
        of(" - ", ':').or_else(|| of(" : ", '/')) == Some(true)
    };
    let owned: Vec<&Audited> = audited.iter().filter(is_owner).collect();
    assert!(owned.iter().all(|change| change.grade == Grade::SelfApproved));
    let first = owned.iter().filter(|change| change.subject.starts_with('a')).count();
    (owned.len() - first, first)
}

#[test]
fn cargo_slice() {
    let (audited, _, summary) = landed(&history::slice("cargo"));
    assert_eq!(summary.landed, 1_607);
    assert_eq!(by_owner(&audited), (156, 46));
}

#[test]
fn cargo_whole() {
    let Some(history) = history::whole("cargo") else { return };
    let (audited, _, summary) = landed(&history);
    // 227 where homu merged at the word of the branch's owner. Beside them: 46 under the first bors, whose subjects are
    // written otherwise, and those whose approver is no owner but wrote or committed part of what the branch brings.
    assert_eq!(by_owner(&audited), (227, 46));
    assert_eq!(summary.landed, 7_419);
    let all =
        by_convention(&audited, Grade::SelfApproved, "homu") + by_convention(&audited, Grade::SelfApproved, "bors");
    assert_eq!((all, summary.grades.self_approved), (302, 302));
}

/// Merges of `codex/` branches that say nothing else: the published numbers count what messages and identities say.
fn by_branch(changes: &[Audited]) -> usize {
    changes.iter().filter(|change| change.ai.signals == ["branch-name"]).count()
}

#[test]
fn beads_slice() {
    let (changes, _, summary) = landed(&history::slice("beads"));
    assert_eq!(by_branch(&changes), 4);
    // The script's 934 has a robot's message, which quotes others, with an agent's trailer.
    assert_eq!((summary.landed, summary.ai.assisted()), (1_460, 933 + 4));
}

#[test]
fn beads_whole() {
    let Some(history) = history::whole("beads") else { return };
    let (changes, _, summary) = landed(&history);
    assert_eq!(by_branch(&changes), 10);
    // The script counts one that is not here (a robot's message, which quotes others, with an agent's trailer) and misses
    // one that is (a tool's address that its pattern does not have).
    assert_eq!((summary.landed, summary.ai.assisted()), (6_304, 3_505 + 10));
}

#[test]
fn github_merges() {
    let slices = [("modernisation-platform", 725, 368), ("govuk-infrastructure", 855, 429)];
    for (name, merges, other) in slices {
        let (audited, _, summary) = landed(&history::slice(name));
        assert_eq!(summary.landed, merges, "{name}");
        assert_eq!(by_convention(&audited, Grade::OtherHand, "github-merge"), other, "{name}");
    }
    // The script's 3,398 and 1,377 have two and three whose merger is a co-author, and lack 417 and 12 whose merger made
    // only merges of the main branch into the request's (the button "Update branch").
    let whole = [("modernisation-platform", 9_163, 3_813), ("govuk-infrastructure", 3_643, 1_386)];
    for (name, merges, other) in whole {
        let Some(history) = history::whole(name) else { continue };
        let (audited, _, summary) = landed(&history);
        assert_eq!(summary.landed, merges, "{name}");
        assert_eq!(by_convention(&audited, Grade::OtherHand, "github-merge"), other, "{name}");
    }
}

#[test]
fn deployment_charts_name_nobody() {
    let (_, _, summary) = landed(&history::slice("deployment-charts"));
    assert_eq!((summary.landed, summary.grades.named), (1_500, 0));
}
