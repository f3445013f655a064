//! What the git gate computes itself, because a proposer or a server may say something else.

use countersign::{git::Repository, random::nonce};
use countersign_core::{
    facts::{GitFacts, Identities, Range, facts},
    ids::Oid,
    kind::{Kind, Purpose},
    statement::{Approval, Body, Proposal, Seen},
    subject::{GitSubject, Subject, SubjectRef},
    text::ProposalText,
};
use countersign_ledger::Digest;
use insta::assert_snapshot;

use crate::world::World;

const CHECKOUT: &str = "checkout/production";

/// The facts of a range of the clone, with the names behind them.
pub fn extract(world: &World, base: &Oid, head: &Oid) -> (GitFacts, Identities) {
    let git = Repository::open(world.stage.path("work")).unwrap();
    let branch = "refs/heads/main".to_owned();
    let range = Range { repository: "shop".parse().unwrap(), branch, base: base.clone(), head: head.clone() };
    facts(&git, &range, &nonce()).unwrap()
}

/// A proposal of a range, made without the command line, with its blobs and what a reviewer is to name.
pub fn proposal(facts: &GitFacts, identities: &Identities, title: &str) -> (Body, [Vec<u8>; 4], SubjectRef) {
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
    let reviewed = subject.reference().unwrap();
    let body = Body::Proposal(Proposal {
        kind: Kind::Code,
        purpose: Purpose::default(),
        targets: [CHECKOUT.parse().unwrap()].into(),
        subject: reviewed.clone(),
        facts: Some(Digest::of(&blobs[0])),
        identities: Some(Digest::of(&blobs[1])),
        documents: text.documents(),
        text: Digest::of(&blobs[2]),
        sponsor: None,
    });
    (body, blobs, reviewed)
}

/// Proposes, as Alice, whatever the facts say: what her command line would not do.
pub fn propose(world: &World, facts: &GitFacts, identities: &Identities, title: &str) -> String {
    let (body, blobs, _) = proposal(facts, identities, title);
    world.voice("alice").say(body, &blobs).unwrap().change.unwrap().to_string()
}

#[test]
fn a_proposer_who_leaves_a_co_author_out_of_the_facts_is_refused() {
    let world = World::usual();
    world.git(&["checkout", "--quiet", "-B", "change", "origin/main"]);
    world.write("checkout/timeout", "30\n");
    world.commit("edit\n\nCo-authored-by: Bob <bob@example.com>");
    let (mut facts, mut identities) = extract(&world, &world.tip("main"), &world.id("HEAD"));
    identities.people.retain(|_, who| !who.mail.starts_with("bob"));
    facts.identities.retain(|identity| identities.people.contains_key(&identity.reference));
    let change = propose(&world, &facts, &identities, "Raise the timeout");
    // Who looks at their own clone sees it; who only believes what was proposed does not.
    assert_eq!(world.say("carol", &["approve", &change, "--git", "work"]).status, 1);
    let id = change.parse().unwrap();
    let known = world.server().block_on(world.server().engine.change(&id)).unwrap().unwrap();
    let revision = known.current().unwrap();
    let approval = Body::Approval(Approval {
        change: id,
        reviewed: revision.subject.reference().unwrap(),
        revision: revision.reference,
        seen: Seen::Computed,
        targets: known.targets.clone(),
        within: None,
    });
    world.voice("bob").say(approval, &[]).expect("the doctored facts do not name Bob");
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
    let (facts, identities) = extract(&world, &world.tip("main"), &world.id("HEAD"));
    propose(&world, &facts, &identities, "Raise the timeout\u{202e}[2K");
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
