//! What the git gate computes itself, because a proposer or a server may say something else.

use countersign::{git::Repository, random::nonce};
use countersign_core::{
    facts::{GitFacts, Identities, Range, facts},
    kind::{Kind, Purpose},
    statement::{Body, Proposal},
    subject::{GitSubject, Subject},
    text::ProposalText,
};
use countersign_ledger::Digest;
use insta::assert_snapshot;

use crate::world::World;

const CHECKOUT: &str = "checkout/production";

/// Proposes `origin/main..HEAD`, past the command line: with a title of ours, and facts that `edit` has changed.
fn propose(world: &World, title: &str, edit: impl FnOnce(&mut GitFacts, &mut Identities)) -> String {
    let git = Repository::open(world.stage.path("work")).unwrap();
    let range = Range {
        repository: "shop".parse().unwrap(),
        branch: "refs/heads/main".to_owned(),
        base: world.tip("main"),
        head: world.id("HEAD"),
    };
    let (mut facts, mut identities) = facts(&git, &range, &nonce()).unwrap();
    edit(&mut facts, &mut identities);
    let text = ProposalText {
        salt: nonce(),
        title: title.to_owned(),
        why: "x".repeat(50),
        risk: "x".repeat(50),
        rollback: "x".repeat(50),
        tests: "x".repeat(50),
        links: vec![],
    };
    let subject = Subject::Git(GitSubject {
        repository: facts.repository.clone(),
        branch: facts.branch.clone(),
        base: facts.base.clone(),
        head: facts.head.clone(),
        delta: facts.delta,
    });
    let blobs = [facts.to_blob(), identities.to_blob(), text.to_blob(), subject.to_blob()].map(Result::unwrap);
    let body = Body::Proposal(Proposal {
        kind: Kind::Code,
        purpose: Purpose::default(),
        targets: [CHECKOUT.parse().unwrap()].into(),
        subject: subject.reference().unwrap(),
        facts: Some(Digest::of(&blobs[0])),
        identities: Some(Digest::of(&blobs[1])),
        documents: text.documents(),
        text: Digest::of(&blobs[2]),
        sponsor: None,
    });
    world.voice("alice").say(body, &blobs).unwrap().change.unwrap().to_string()
}

#[test]
fn a_proposer_who_leaves_a_co_author_out_of_the_facts_is_refused() {
    let world = World::usual();
    world.git(&["checkout", "--quiet", "-B", "change", "origin/main"]);
    world.write("checkout/timeout", "30\n");
    world.commit("edit\n\nCo-authored-by: Bob <bob@example.com>");
    let change = propose(&world, "Raise the timeout", |facts, identities| {
        identities.people.retain(|_, who| !who.mail.starts_with("bob"));
        facts.identities.retain(|identity| identities.people.contains_key(&identity.reference));
    });
    // Who looks at their own clone sees it; who only believes what was proposed does not.
    assert_eq!(world.say("carol", &["approve", &change, "--git", "work"]).status, 1);
    assert_eq!(world.say("bob", &["approve", &change]).status, 0, "the doctored facts do not name Bob");
    let push = world.push(&["HEAD:main"]);
    push.is_refused("facts-differ");
    assert_snapshot!(push.told(), @"
    countersign: refused: what change [A] says of its commits is not what they are: the people whom the commits name are others [facts-differ]
    countersign:   -> countersign revise [A] --git . --repository shop --branch main --range [B]..[C]
    countersign: all of it: countersign show [A]
    ");
}

#[test]
fn a_title_cannot_move_the_cursor_of_who_pushes() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    propose(&world, "Raise the timeout\u{202e}[2K", |_, _| {});
    let push = world.push(&["HEAD:main"]);
    push.is_refused("denied-by-rules");
    assert!(!push.said.contains('\u{202e}') && push.said.contains(r"timeout\u{202e}[2K"), "{}", push.said);
}

#[test]
fn a_server_that_calls_stale_guidance_fresh_is_refused() {
    let mut world = World::usual();
    // The server reads a copy; then the page on the protected branch is another.
    let copy = world.stage.path("copy.git");
    world.in_bare(&["clone", "--quiet", "--bare", ".", copy.to_str().unwrap()]).passes();
    world.guidance[0].path = copy;
    world.start_server(&world.home.store_address());
    world.edit("review", "docs/runbook.md", "---\nlast_reviewed_on: 2020-11-01\nreview_in: 1 year\n---\nOld.\n");
    let review = world.propose("alice", &["search/production"]);
    world.approve("bob", &review);
    world.push(&["HEAD:main"]).passes();
    world.git(&["fetch", "--quiet"]);

    world.git(&["checkout", "--quiet", "-B", "change", "origin/main"]);
    world.write("checkout/timeout", "30\n");
    world.commit("by the book\n\nGuidance: docs/runbook.md");
    let change = world.propose("alice", &[CHECKOUT]);
    world.approve("bob", &change);
    let push = world.push(&["HEAD:main"]);
    push.is_refused("guidance-differs");
    assert_snapshot!(push.told(), @"
    countersign: refused: docs/runbook.md is not here what the server says that it is [guidance-differs]
    countersign:   the server may read a copy that lags behind: try again in a minute
    ");
}
