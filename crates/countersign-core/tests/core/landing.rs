//! What lands and what does not, over histories that are kept in memory.
//!
//! Commit 1 is the base, 10 and 11 (the head) are what was approved: `a` and `b` become 2. What reaches the branch
//! meanwhile has numbers from 20, what is pushed from 30.

use countersign_core::facts::{
    GitFacts, Landing, LandingError, NotALanding, delta_of, facts, git::GitRead as _, head_of_push, landing,
};
use insta::assert_snapshot;
use proptest::prelude::*;

use crate::memory::{GONE, Memory, Node, file, oid, range, salt};

const ANA: &str = "Ana <ana@x>";
const BEN: &str = "Ben <ben@x>";
const FORGE: &str = "Forge <noreply@forge>";

struct History {
    git: Memory,
    base: u64,
    head: u64,
}

impl History {
    fn new() -> Self {
        let mut git = Memory::default();
        git.add(1, &[], ANA, b"base", &[(b"a", 1), (b"b", 1), (b"c", 1), (b"d", 1)]);
        git.add(10, &[1], ANA, b"change a", &[(b"a", 2)]);
        git.add(11, &[10], ANA, b"change b\n\nCo-authored-by: Cleo <cleo@x>", &[(b"b", 2)]);
        Self { git, base: 1, head: 11 }
    }

    /// The branch has moved on by commit 20, which changes `c`.
    fn moved_on() -> Self {
        let mut history = Self::new();
        history.git.add(20, &[1], BEN, b"upstream", &[(b"c", 2)]);
        history
    }

    fn by(&mut self, who: &str, n: u64, parents: &[u64], files: &[(&[u8], u64)]) -> &mut Self {
        self.git.add(n, parents, who, format!("commit {n}").as_bytes(), files);
        self
    }

    fn ana(&mut self, n: u64, parents: &[u64], files: &[(&[u8], u64)]) -> &mut Self {
        self.by(ANA, n, parents, files)
    }

    fn facts(&self) -> GitFacts {
        facts(&self.git, &range(self.base, self.head), &salt()).unwrap().0
    }

    fn landing(&self, old: u64, new: u64) -> Result<Landing, NotALanding> {
        let facts = self.facts();
        let landed = landing(&self.git, &oid(old), &oid(new), &facts).map_err(|error| match error {
            LandingError::Not(reason) => reason,
            LandingError::Git(error) => panic!("{error}"),
        });
        if landed.is_ok() {
            assert_eq!(delta_of(&self.git, &oid(old), &oid(new)).unwrap(), facts.delta, "it is found by its delta");
        }
        landed
    }

    /// `squash`, or the code and the reason why not.
    fn land(&self, old: u64, new: u64) -> String {
        match self.landing(old, new) {
            Ok(landing) => format!("{landing:?}").to_lowercase(),
            Err(reason) => format!("{}: {reason}", reason.code()),
        }
    }
}

#[test]
fn a_fast_forward_lands() {
    let history = History::new();
    assert_eq!(history.land(1, 11), "fastforward");
    assert_eq!(head_of_push(&history.git, &oid(1), &oid(11)).unwrap(), [oid(11)]);
}

#[test]
fn a_merge_lands_whoever_makes_it() {
    let mut history = History::moved_on();
    history.by(BEN, 30, &[20, 11], &[(b"a", 2), (b"b", 2)]);
    assert_eq!(history.land(20, 30), "merge");
    assert_eq!(head_of_push(&history.git, &oid(20), &oid(30)).unwrap(), [oid(30), oid(11)]);
}

#[test]
fn a_squash_lands_whoever_commits_it() {
    let mut history = History::moved_on();
    let message = b"All of it (#7)\n\nCo-authored-by: Cleo <CLEO@x>";
    history.git.write(30, &[20], [ANA, FORGE], message, &[(b"a", file(2)), (b"b", file(2))]);
    assert_eq!(history.land(20, 30), "squash");
}

#[test]
fn a_rebase_lands_whoever_makes_it() {
    let mut history = History::moved_on();
    history.git.write(30, &[20], [ANA, BEN], b"change a", &[(b"a", file(2))]);
    history.git.write(31, &[30], [ANA, BEN], b"change b", &[(b"b", file(2))]);
    assert_eq!(history.land(20, 31), "replay");
    // In another order, as after an interactive one.
    history.ana(32, &[20], &[(b"b", 2)]).ana(33, &[32], &[(b"a", 2)]);
    assert_eq!(history.land(20, 33), "replay");
    // Rebased, and then merged.
    history.by(BEN, 34, &[20, 31], &[(b"a", 2), (b"b", 2)]);
    assert_eq!(history.land(20, 34), "merge");
}

#[test]
fn what_is_left_of_a_rebase_may_stay_as_it_was() {
    let mut history = History::new();
    history.ana(31, &[10], &[(b"b", 2)]);
    assert_eq!(history.land(1, 31), "replay");
}

#[test]
fn a_commit_of_the_range_that_landed_already_does_not_land_again() {
    let mut history = History::new();
    // Upstream merged the first commit and took it back.
    history.by(BEN, 20, &[1, 10], &[(b"a", 2)]).by(BEN, 21, &[20], &[(b"a", 1)]);
    history.by(BEN, 30, &[21, 11], &[(b"a", 2), (b"b", 2)]);
    assert_eq!(history.land(21, 30), "merge");
}

#[test]
fn a_rebase_with_one_commit_more_does_not_land() {
    let mut history = History::moved_on();
    history.ana(30, &[20], &[(b"a", 2)]).ana(31, &[30], &[(b"b", 2)]).ana(32, &[31], &[(b"d", 2)]);
    assert_snapshot!(history.land(20, 32), @"delta-differs: moving the branch from 0000000020 to 0000000032 is not what was approved: `d` (brought besides)");
    // One that takes itself back leaves the difference as it was.
    history.ana(33, &[31], &[(b"d", 2)]).ana(34, &[33], &[(b"d", 1)]);
    assert_snapshot!(history.land(20, 34), @"unreviewed-commits: 0000000034 brings commits that nobody reviewed: 0000000034, 0000000033");
    // Beside a replay that is left out.
    history.ana(35, &[20], &[(b"a", 3)]).ana(36, &[35], &[(b"a", 2), (b"b", 2)]);
    assert_snapshot!(history.land(20, 36), @"unreviewed-commits: 0000000036 brings commits that nobody reviewed: 0000000036, 0000000035");
}

#[test]
fn a_rebase_with_amended_content_does_not_land() {
    let mut history = History::moved_on();
    history.ana(30, &[20], &[(b"a", 3)]).ana(31, &[30], &[(b"b", 2)]);
    assert_snapshot!(history.land(20, 31), @"delta-differs: moving the branch from 0000000020 to 0000000031 is not what was approved: `a` (brought with other content)");
}

#[test]
fn a_rebase_with_an_amended_author_does_not_land() {
    let mut history = History::moved_on();
    history.by("Mallory <mallory@x>", 30, &[20], &[(b"a", 2)]).ana(31, &[30], &[(b"b", 2)]);
    assert_snapshot!(history.land(20, 31), @"unreviewed-author: commit 0000000030 is by Mallory <mallory@x>, who wrote none of the reviewed commits");
    // Another mail or another name is another author.
    history.by("Ana <ana@elsewhere>", 32, &[20], &[(b"a", 2), (b"b", 2)]);
    assert_snapshot!(history.land(20, 32), @"unreviewed-author: commit 0000000032 is by Ana <ana@elsewhere>, who wrote none of the reviewed commits");
    history.by("Anna <ana@x>", 33, &[20], &[(b"a", 2), (b"b", 2)]);
    assert_snapshot!(history.land(20, 33), @"unreviewed-author: commit 0000000033 is by Anna <ana@x>, who wrote none of the reviewed commits");
    // Whom only a trailer names has written nothing.
    history.by("Cleo <cleo@x>", 34, &[20], &[(b"a", 2), (b"b", 2)]);
    assert_snapshot!(history.land(20, 34), @"unreviewed-author: commit 0000000034 is by Cleo <cleo@x>, who wrote none of the reviewed commits");
}

#[test]
fn a_co_author_who_was_not_reviewed_does_not_come_in_by_a_message() {
    let mut history = History::moved_on();
    let files = [(&b"a"[..], file(2)), (&b"b"[..], file(2))];
    let message = b"All of it\n\nCo-authored-by: Mallory <mallory@x>";
    history.git.write(30, &[20], [ANA, ANA], message, &files);
    assert_snapshot!(history.land(20, 30), @"unreviewed-author: commit 0000000030 names the co-author Mallory <mallory@x>, whom none of the reviewed commits names");
    history.git.write(31, &[20, 11], [BEN, BEN], message, &files);
    assert_snapshot!(history.land(20, 31), @"unreviewed-author: commit 0000000031 names the co-author Mallory <mallory@x>, whom none of the reviewed commits names");
}

#[test]
fn a_commit_is_replayed_once() {
    let mut history = History::new();
    history.head = 15;
    history.ana(12, &[11], &[(b"a", 1)]).ana(13, &[12], &[(b"d", 2)]);
    history.ana(14, &[13], &[(b"d", 1)]).ana(15, &[14], &[(b"c", 2)]);
    // The range: a, b, a back, d, d back, c. The same a and a back twice are none of it.
    history.ana(30, &[1], &[(b"a", 2)]).ana(31, &[30], &[(b"a", 1)]);
    history.ana(32, &[31], &[(b"a", 2)]).ana(33, &[32], &[(b"a", 1)]);
    history.ana(34, &[33], &[(b"b", 2)]).ana(35, &[34], &[(b"c", 2)]);
    assert_snapshot!(history.land(1, 35), @"unreviewed-commits: 0000000035 brings commits that nobody reviewed: 0000000031, 0000000030");
}

#[test]
fn a_path_that_was_taken_back_and_changed_again_lands_in_every_way() {
    let mut history = History::moved_on();
    history.ana(12, &[11], &[(b"a", 1)]).ana(13, &[12], &[(b"a", 2)]);
    history.head = 13;
    history.ana(30, &[20], &[(b"a", 2)]).ana(31, &[30], &[(b"b", 2)]);
    history.ana(32, &[31], &[(b"a", 1)]).ana(33, &[32], &[(b"a", 2)]);
    history.ana(34, &[20], &[(b"a", 2), (b"b", 2)]).by(BEN, 35, &[20, 13], &[(b"a", 2), (b"b", 2)]);
    assert_eq!([33, 34, 35, 31].map(|new| history.land(20, new)), ["replay", "squash", "merge", "replay"]);
    assert_eq!(history.land(1, 13), "fastforward");
}

#[test]
fn what_upstream_did_to_a_path_of_the_change_stops_it() {
    let mut history = History::new();
    history.by(BEN, 20, &[1], &[(b"a", 7)]).by(BEN, 21, &[1], &[(b"b", 2)]);
    history.ana(30, &[20, 11], &[(b"a", 2), (b"b", 2)]).ana(31, &[20], &[(b"a", 2), (b"b", 2)]);
    assert_snapshot!(history.land(20, 30), @"delta-differs: moving the branch from 0000000020 to 0000000030 is not what was approved: `a` (upstream changed it since)");
    assert_snapshot!(history.land(20, 31), @"delta-differs: moving the branch from 0000000020 to 0000000031 is not what was approved: `a` (upstream changed it since)");
    // Also where it came to the same.
    history.ana(32, &[21, 11], &[(b"a", 2)]);
    assert_snapshot!(history.land(21, 32), @"delta-differs: moving the branch from 0000000021 to 0000000032 is not what was approved: `b` (missing)");
}

#[test]
fn an_evil_merge_does_not_land() {
    let mut history = History::moved_on();
    history.ana(30, &[20, 11], &[(b"a", 2), (b"b", 2), (b"d", 66)]).ana(31, &[20, 11], &[(b"a", 2), (b"b", 66)]);
    history.ana(32, &[20, 11], &[(b"a", 2)]);
    assert_snapshot!([30, 31, 32].map(|new| history.land(20, new)).join("\n"), @"
    delta-differs: moving the branch from 0000000020 to 0000000030 is not what was approved: `d` (brought besides)
    delta-differs: moving the branch from 0000000020 to 0000000031 is not what was approved: `b` (brought with other content)
    delta-differs: moving the branch from 0000000020 to 0000000032 is not what was approved: `b` (missing)
    ");
}

#[test]
fn a_merge_that_brings_other_history_does_not_land() {
    let mut history = History::moved_on();
    // On top of the approved head, something that takes itself back.
    history.ana(12, &[11], &[(b"d", 66)]).ana(13, &[12], &[(b"d", 1)]);
    history.by(BEN, 30, &[20, 13], &[(b"a", 2), (b"b", 2)]);
    assert_snapshot!(history.land(20, 30), @"unreviewed-commits: 0000000030 brings commits that nobody reviewed: 0000000013, 0000000012");
    // A side line without any content of its own.
    history.by(BEN, 14, &[1], &[(b"d", 66)]).by(BEN, 15, &[14], &[(b"d", 1)]).by(BEN, 16, &[15, 11], &[]);
    history.by(BEN, 31, &[20, 16], &[(b"a", 2), (b"b", 2)]);
    assert_snapshot!(history.land(20, 31), @"unreviewed-commits: 0000000031 brings commits that nobody reviewed: 0000000016, 0000000015, 0000000014");
    // A part of what was approved, or nothing of it, with all of its content.
    history.by(BEN, 32, &[20, 10], &[(b"a", 2), (b"b", 2)]).by(BEN, 33, &[20, 1], &[(b"a", 2), (b"b", 2)]);
    assert_snapshot!(history.land(20, 32), @"not-the-head: the merge 0000000032 brings 0000000010, not the approved 0000000011");
    assert_snapshot!(history.land(20, 33), @"not-the-head: the merge 0000000033 brings nothing that is new, not the approved 0000000011");
}

#[test]
fn a_merge_is_of_the_tip_and_the_head_in_this_order() {
    let mut history = History::moved_on();
    history.ana(30, &[11, 20], &[(b"c", 2)]).ana(31, &[1, 11], &[(b"a", 2), (b"b", 2)]);
    history.ana(32, &[20, 31], &[(b"a", 2), (b"b", 2)]).by(BEN, 33, &[20, 11, 1], &[(b"a", 2), (b"b", 2)]);
    assert_snapshot!([30, 32, 33].map(|new| history.land(20, new)).join("\n"), @"
    foreign-parent: the merge 0000000030 builds on 0000000011, not on the branch's tip 0000000020
    unreviewed-commits: 0000000032 brings commits that nobody reviewed: 0000000031
    octopus: 0000000033 merges 3 commits at once
    ");
}

#[test]
fn a_replayed_merge_is_no_replay() {
    let mut history = History::moved_on();
    // The change merged the branch; rebased with its merges, it has another merge.
    history.ana(12, &[11, 20], &[(b"c", 2)]).ana(13, &[12], &[(b"d", 2)]);
    (history.base, history.head) = (20, 13);
    assert_eq!(history.land(20, 13), "fastforward");
    history.by(BEN, 21, &[20], &[(b"e", 1)]).ana(30, &[11, 21], &[(b"c", 2), (b"e", 1)]).ana(31, &[30], &[(b"d", 2)]);
    assert_snapshot!(history.land(21, 31), @"unreviewed-commits: 0000000031 brings commits that nobody reviewed: 0000000030");
    // Nor is a commit that does what a merge of the range did.
    history.ana(32, &[21], &[(b"a", 2)]).ana(33, &[32], &[(b"b", 2), (b"d", 2)]);
    assert_snapshot!(history.land(21, 33), @"unreviewed-commits: 0000000033 brings commits that nobody reviewed: 0000000033");
}

#[test]
fn a_head_that_takes_back_what_landed_meanwhile_does_not_land() {
    let mut history = History::new();
    history.by(BEN, 20, &[1], &[(b"d", 7)]);
    history.ana(12, &[20], &[(b"d", 1), (b"a", 2)]);
    history.head = 12;
    assert_eq!(history.facts().paths.len(), 1, "against the base the undoing does not show");
    assert_snapshot!(history.land(20, 12), @"delta-differs: moving the branch from 0000000020 to 0000000012 is not what was approved: `d` (brought besides)");
}

#[test]
fn a_branch_that_was_taken_back_behind_the_base_does_not_get_its_commits() {
    let mut history = History::new();
    // What brought the branch to the base has no content of its own.
    history.ana(2, &[1], &[(b"d", 66)]).ana(3, &[2], &[(b"d", 1)]).ana(12, &[3], &[(b"a", 2)]);
    (history.base, history.head) = (3, 12);
    history.by(BEN, 30, &[1, 12], &[(b"a", 2)]);
    assert_snapshot!([12, 30].map(|new| history.land(1, new)).join("\n"), @"
    unreviewed-commits: 0000000012 brings commits that nobody reviewed: 0000000003, 0000000002
    unreviewed-commits: 0000000030 brings commits that nobody reviewed: 0000000003
    ");
}

/// ```text
///  1 ── 5 (d becomes 7) ─────┬─ 20 (both) ── 21 (takes 5 back) = tip
///   └── 6 (c becomes 2) ──┬──┼───┘
///                         └─ 12 (both) ── 13 (d becomes 8, as an edit of 7)
/// ```
#[test]
fn of_criss_cross_merges_only_what_was_reviewed_lands() {
    let mut history = History::new();
    history.by(BEN, 5, &[1], &[(b"d", 7)]).by(BEN, 6, &[1], &[(b"c", 2)]);
    history.by(BEN, 20, &[6, 5], &[(b"d", 7)]).by(BEN, 21, &[20], &[(b"d", 1)]);
    history.ana(12, &[5, 6], &[(b"c", 2)]).ana(13, &[12], &[(b"d", 8)]);
    // Whatever of the two the change names as its base, neither has what the branch has by now.
    history.by(BEN, 30, &[21, 13], &[(b"d", 8)]).by(BEN, 31, &[21, 13], &[(b"d", 9)]);
    (history.base, history.head) = (5, 13);
    assert_snapshot!(history.land(21, 30), @"delta-differs: moving the branch from 0000000021 to 0000000030 is not what was approved: `c` (missing), `d` (upstream changed it since)");
    assert_snapshot!(history.land(21, 31), @"delta-differs: moving the branch from 0000000021 to 0000000031 is not what was approved: `c` (missing), `d` (upstream changed it since)");
    history.base = 6;
    assert_eq!(history.land(21, 30), "merge", "d from 1 to 8 and nothing else is what was looked at");
    assert_snapshot!(history.land(21, 31), @"delta-differs: moving the branch from 0000000021 to 0000000031 is not what was approved: `d` (brought with other content)");
}

#[test]
fn modes_links_and_submodules_are_compared() {
    let mut history = History::moved_on();
    let (script, link, submodule) = (Node(0o100_755, 1), Node(0o120_000, 1), Node(0o160_000, 1));
    let changed: &[(&[u8], Node)] = &[(b"a", script), (b"b", link), (b"d", GONE), (b"sub", submodule)];
    history.git.write(12, &[1], [ANA, ANA], b"modes", changed);
    history.head = 12;
    history.git.write(30, &[20], [ANA, ANA], b"squash", changed);
    assert_eq!(history.land(20, 30), "squash");
    for (n, path, node) in [
        (31, &b"a"[..], file(1)),
        (32, b"b", Node(0o100_644, 1)),
        (33, b"b", Node(0o120_000, 2)),
        (34, b"sub", Node(0o160_000, 2)),
        (35, b"d", link),
    ] {
        history.git.write(n, &[20], [ANA, ANA], b"x", &[changed, &[(path, node)]].concat());
    }
    let said: Vec<String> = (31..36).map(|new| history.land(20, new)).collect();
    assert_snapshot!(said.join("\n"), @"
    delta-differs: moving the branch from 0000000020 to 0000000031 is not what was approved: `a` (missing)
    delta-differs: moving the branch from 0000000020 to 0000000032 is not what was approved: `b` (missing)
    delta-differs: moving the branch from 0000000020 to 0000000033 is not what was approved: `b` (brought with other content)
    delta-differs: moving the branch from 0000000020 to 0000000034 is not what was approved: `sub` (brought with other content)
    delta-differs: moving the branch from 0000000020 to 0000000035 is not what was approved: `d` (brought with other content)
    ");
}

#[test]
fn an_empty_commit_that_is_none_of_the_range_does_not_land() {
    let mut history = History::moved_on();
    history.ana(30, &[20], &[(b"a", 2), (b"b", 2)]).ana(31, &[30], &[]);
    assert_snapshot!(history.land(20, 31), @"empty-commit: commit 0000000031 changes nothing and is none of those that were reviewed");
    // One of the range lands as it is.
    history.ana(12, &[11], &[]);
    history.head = 12;
    assert_eq!(history.land(1, 12), "fastforward");
}

#[test]
fn what_no_approval_makes_right_is_refused() {
    let mut history = History::moved_on();
    history.ana(30, &[], &[(b"a", 2), (b"b", 2), (b"c", 2), (b"d", 1)]);
    for n in 31..40 {
        history.ana(n, &[n - 1], &[]);
    }
    let zero = 0;
    let moves = [(20, zero), (zero, 11), (20, 11), (20, 30), (20, 39), (20, 1)];
    assert_snapshot!(moves.map(|(old, new)| history.land(old, new)).join("\n"), @"
    deletion: the push deletes the branch
    creation: the push creates the branch; there is no tip that the approved change could land on
    not-fast-forward: 0000000011 does not contain the branch's tip 0000000020
    not-fast-forward: 0000000030 does not contain the branch's tip 0000000020
    not-fast-forward: 0000000039 does not contain the branch's tip 0000000020
    not-fast-forward: 0000000001 does not contain the branch's tip 0000000020
    ");
    // Many commits on top of the tip do move it on.
    history.ana(41, &[20], &[(b"a", 2), (b"b", 2)]);
    for n in 42..50 {
        history.ana(n, &[n - 1], &[]);
    }
    assert_snapshot!(history.land(20, 49), @"empty-commit: commit 0000000049 changes nothing and is none of those that were reviewed");
}

#[test]
fn ten_paths_are_named() {
    let mut history = History::new();
    let names: Vec<Vec<u8>> = (0..15).map(|n| format!("new/{n:02}").into_bytes()).collect();
    let files: Vec<(&[u8], u64)> = names.iter().map(|name| (name.as_slice(), 1)).collect();
    history.ana(30, &[11], &files);
    assert_snapshot!(history.land(1, 30), @"delta-differs: moving the branch from 0000000001 to 0000000030 is not what was approved: `new/00` (brought besides), `new/01` (brought besides), `new/02` (brought besides), `new/03` (brought besides), `new/04` (brought besides), `new/05` (brought besides), `new/06` (brought besides), `new/07` (brought besides), `new/08` (brought besides), `new/09` (brought besides) and 5 more");
}

proptest! {
    /// Whatever the histories are: what lands moves the branch on, by what was approved and by nothing else.
    #[test]
    fn what_lands_is_what_was_approved(
        commits in proptest::collection::vec((proptest::collection::vec(0_usize..12, 1..=2), 0_u8..3, 1_u64..3, any::<bool>()), 4..12),
        picks in proptest::collection::vec(0_usize..12, 4),
    ) {
        let mut git = Memory::default();
        git.add(1, &[], ANA, b"base", &[(b"a", 1), (b"b", 1), (b"c", 1)]);
        for (at, (parents, path, content, ana)) in commits.iter().enumerate() {
            let mut parents: Vec<u64> = parents.iter().map(|parent| (parent % (at + 1)) as u64 + 1).collect();
            parents.dedup();
            let path: &[u8] = [b"a", b"b", b"c"][usize::from(*path)];
            git.add(at as u64 + 2, &parents, if *ana { ANA } else { BEN }, b"m", &[(path, *content)]);
        }
        let pick = |n: usize| (picks[n] % (commits.len() + 1)) as u64 + 1;
        let (base, head, old, new) = (pick(0), pick(1), pick(2), pick(3));
        if let Ok((approved, _)) = facts(&git, &range(base, head), &salt())
            && landing(&git, &oid(old), &oid(new), &approved).is_ok()
        {
            prop_assert_eq!(delta_of(&git, &oid(old), &oid(new)).unwrap(), approved.delta);
            prop_assert!(git.range(&oid(new), &oid(old), 1).unwrap().is_empty(), "the tip stays");
            let reviewed = git.range(&oid(base), &oid(head), 100).unwrap();
            let arriving = git.range(&oid(old), &oid(new), 100).unwrap();
            prop_assert!(arriving.len() <= reviewed.len() + 1);
            let authors: Vec<String> =
                reviewed.iter().map(|id| git.commit(id).unwrap().author.name).collect();
            for id in arriving.iter().filter(|id| !reviewed.contains(id)) {
                let commit = git.commit(id).unwrap();
                let merge = commit.parents.len() == 2;
                prop_assert!(!merge || *id == oid(new) && commit.parents[0] == oid(old));
                prop_assert!(merge || authors.contains(&commit.author.name));
            }
        }
    }
}
