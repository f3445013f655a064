//! Evidence that is no evidence: by whom it cannot be, of something else, or made by the change itself.

use countersign_core::{
    evidence::EvidenceResult,
    ids::ChangeId,
    statement::{Body, Evidence, NewRevision, Proposal},
};

use super::{assert_snapshot, author, facts, file, git};
use crate::kit::{Files, World, targets, told};

/// Beside the shipped rules one that asks for green tests.
pub fn tested() -> World {
    World::founded(asks_for_tests, |_| {}).unwrap()
}

pub fn asks_for_tests(files: &mut Files) {
    let rule = br#"@id("tested")
@requires("evidence:tests")
@because("What nobody ran nobody knows.")
@remedy("countersign attest {change} --kind tests --result passed")
@mode("enforce")
@strength("waivable")
forbid (principal, action == Countersign::Action::"apply", resource)
when { resource.production }
unless { resource.evidence.passed["tests"] };
"#;
    files.insert("rules/tested.cedar".to_owned(), rule.to_vec());
}

fn attested(world: &World, change: &ChangeId, result: EvidenceResult) -> Evidence {
    let current = world.change(change).current().unwrap();
    Evidence {
        change: change.clone(),
        document: None,
        kind: "tests".parse().unwrap(),
        result,
        revision: current.reference,
        subject: current.subject.reference().unwrap(),
        text: None,
        workflow: None,
    }
}

fn attest(world: &mut World, by: &str, change: &ChangeId, result: EvidenceResult) -> Result<(), String> {
    let body = Body::Evidence(attested(world, change, result));
    world.say(by, body).map(drop).map_err(|refusal| told::<()>(Err(refusal)))
}

fn refused(world: &mut World, by: &str, change: &ChangeId) -> String {
    let body = Body::Evidence(attested(world, change, EvidenceResult::Passed));
    world.say(by, body).unwrap_err().code.to_string()
}

/// A change of commits by ada that linus has approved, so that only the tests are missing.
fn approved(world: &mut World, touched: &str) -> ChangeId {
    let mut commits = facts(2, &[author("ada@example.com")]);
    commits.facts.paths[0].path = touched.to_owned();
    commits.facts.delta = countersign_core::facts::delta::digest(&commits.facts.paths);
    let change = world.propose_git("ada", &commits);
    world.disclose("ada", &change, &[], &[]).unwrap();
    world.approve("linus", &change).unwrap();
    change
}

#[test]
fn only_a_pass_passes_and_the_newest_word_counts() {
    let mut world = tested();
    let change = approved(&mut world, "src/app.rs");
    assert_eq!(world.standing(&change), "tested");
    for result in [EvidenceResult::Skipped, EvidenceResult::Neutral, EvidenceResult::Warned, EvidenceResult::Failed] {
        attest(&mut world, "ci", &change, result).unwrap();
        assert_eq!(world.standing(&change), "tested", "{result}");
    }
    attest(&mut world, "ci", &change, EvidenceResult::Passed).unwrap();
    assert_eq!(world.standing(&change), "allow");
    attest(&mut world, "ci", &change, EvidenceResult::Failed).unwrap();
    assert_eq!(world.standing(&change), "tested");
    let missing = world.decision(&change).rules.iter().flat_map(|rule| rule.missing.clone()).next().unwrap();
    assert_eq!(missing.of, ["ci: failed"]);
    // Replayed by whoever verifies, it comes to the same.
    world.state = world.replayed().unwrap();
    assert_eq!(world.standing(&change), "tested");
}

#[test]
fn a_person_does_not_pass_for_ci() {
    let mut world = tested();
    let change = approved(&mut world, "src/app.rs");
    for (by, code) in [("grace", "only-workloads"), ("robo", "only-workloads"), ("countersign", "only-workloads")] {
        assert_eq!(refused(&mut world, by, &change), code, "{by}");
    }
    // Nor in CI's name.
    let body = Body::Evidence(attested(&world, &change, EvidenceResult::Passed));
    assert_eq!(world.say_with("ci", &["grace"], body).unwrap_err().code, "signed-by-another");
    assert_eq!(world.standing(&change), "tested");
}

#[test]
fn a_ci_token_attests_and_does_not_approve() {
    let mut world = tested();
    let change = approved(&mut world, "src/app.rs");
    attest(&mut world, "ci", &change, EvidenceResult::Passed).unwrap();
    assert_eq!(world.approve("ci", &change).unwrap_err().code, "only-people");
    assert_eq!(world.change(&change).approvals.len(), 1);
    // And what the catalog does not give it to attest, it does not.
    let scanned = Evidence { kind: "scan".parse().unwrap(), ..attested(&world, &change, EvidenceResult::Passed) };
    assert_eq!(world.say("ci", Body::Evidence(scanned)).unwrap_err().code, "not-attested-by");
}

#[test]
fn evidence_of_another_change_or_revision_is_none_of_this() {
    let mut world = tested();
    let change = approved(&mut world, "src/app.rs");
    let other = world.propose("ada", "search/production");
    // Said of the one with the subject of the other, and of a revision that was.
    let of_other = Evidence {
        subject: attested(&world, &other, EvidenceResult::Passed).subject,
        ..attested(&world, &change, EvidenceResult::Passed)
    };
    assert_eq!(world.say("ci", Body::Evidence(of_other)).unwrap_err().code, "another-subject");
    let stale = attested(&world, &change, EvidenceResult::Passed);
    attest(&mut world, "ci", &change, EvidenceResult::Passed).unwrap();
    assert_eq!(world.standing(&change), "allow");
    let envelope = world.leaves.last().unwrap().leaf.envelope.clone();
    assert!(matches!(world.new_revision(&change, &file("x"), None), Body::NewRevision(NewRevision { .. })));
    let commits = facts(3, &[author("ada@example.com")]);
    let revised = world.new_revision(&change, &git(&commits), Some(&commits));
    world.say("ada", revised).unwrap();
    world.disclose("ada", &change, &[], &[]).unwrap();
    world.approve("linus", &change).unwrap();
    // The new revision asks anew.
    assert_eq!(world.standing(&change), "tested");
    assert_eq!(world.say("ci", Body::Evidence(stale)).unwrap_err().code, "stale-revision");
    assert_eq!(world.submit(envelope).unwrap_err().code, "stale-revision");
    assert_eq!(world.standing(&change), "tested");
}

#[test]
fn what_the_change_made_itself_passes_nothing() {
    let mut world = tested();
    // The catalog says nothing of what steers ci, so that the usual places do.
    let change = approved(&mut world, ".github/workflows/ci.yml");
    attest(&mut world, "ci", &change, EvidenceResult::Passed).unwrap();
    assert_eq!(world.standing(&change), "tested");
    let missing = world.decision(&change).rules.iter().flat_map(|rule| rule.missing.clone()).next().unwrap();
    assert_eq!(missing.of, ["ci: self-made"]);
    // Naming another workflow than the one that it edits does not help.
    let named =
        Evidence { workflow: Some("ci/other.yml".to_owned()), ..attested(&world, &change, EvidenceResult::Passed) };
    world.say("ci", Body::Evidence(named)).unwrap();
    assert_eq!(world.standing(&change), "tested");
    // The one that the evidence names is one, too, wherever it lies.
    let other = approved(&mut world, "build/test.sh");
    let named =
        Evidence { workflow: Some("build/test.sh".to_owned()), ..attested(&world, &other, EvidenceResult::Passed) };
    world.say("ci", Body::Evidence(named)).unwrap();
    assert_eq!(world.standing(&other), "tested");
    let odd = Evidence { workflow: Some("../ci.yml".to_owned()), ..attested(&world, &other, EvidenceResult::Passed) };
    assert_eq!(world.say("ci", Body::Evidence(odd)).unwrap_err().code, "workflow-path");
}

#[test]
fn who_made_the_change_attests_nothing_of_it() {
    let mut world = tested();
    let commits = facts(4, &[author("ci@example.com")]);
    let mut proposal = world.proposal("search/production", &git(&commits), Some(&commits));
    proposal.sponsor = Some("ada".parse().unwrap());
    let change = world.begin("ci", proposal);
    assert_eq!(refused(&mut world, "ci", &change), "contributor");
}

#[test]
fn a_revoked_key_attested_nothing_and_still_takes_back() {
    let mut world = tested();
    let (passed, failed) = (approved(&mut world, "src/app.rs"), approved(&mut world, "src/app.rs"));
    attest(&mut world, "ci", &passed, EvidenceResult::Passed).unwrap();
    attest(&mut world, "ci", &failed, EvidenceResult::Failed).unwrap();
    world.now = world.now.plus_secs(1);
    world.revoke("barbara", "ci").unwrap();
    assert_eq!((world.standing(&passed), world.standing(&failed)), ("tested".to_owned(), "tested".to_owned()));
    let missing = world.decision(&failed).rules.iter().flat_map(|rule| rule.missing.clone()).next().unwrap();
    assert_eq!(missing.of, ["ci: failed"]);
    assert_eq!(refused(&mut world, "ci", &passed), "key-revoked");
}

/// A change that brings a link brings what lies behind it; and a folder of another case is the same to some machines.
#[test]
fn a_link_brings_no_workflow_unseen() {
    let self_made = |path: &str, mode: u32, workflow: Option<&str>| {
        let mut world = tested();
        let mut commits = facts(2, &[author("ada@example.com")]);
        commits.facts.paths[0].path = path.to_owned();
        commits.facts.paths[0].new.as_mut().unwrap().mode = mode;
        commits.facts.delta = countersign_core::facts::delta::digest(&commits.facts.paths);
        let change = world.propose_git("ada", &commits);
        world.disclose("ada", &change, &[], &[]).unwrap();
        world.approve("linus", &change).unwrap();
        let workflow = workflow.map(str::to_owned);
        let said = Evidence { workflow, ..attested(&world, &change, EvidenceResult::Passed) };
        world.say("ci", Body::Evidence(said)).unwrap();
        world.standing(&change) != "allow"
    };
    let (file, link) = (0o100_644, 0o120_000);
    assert!(self_made(".github", link, None) && self_made(".github/workflows", link, None));
    assert!(!self_made(".github", file, None));
    assert!(self_made("ci", link, Some("ci/run.sh")) && self_made("ci/run.sh", link, Some("ci/run.sh")));
    assert!(!self_made("ci", file, Some("ci/run.sh")));
    for path in [".GitHub/workflows/ci.yml", "sub/JENKINSFILE", ".gitlab-CI.yml"] {
        assert!(self_made(path, file, None), "{path}");
    }
    assert!(self_made("pru\u{308}fung/run.sh", file, Some("pr\u{fc}fung/run.sh")));
}

/// Where `ci` attests only for these.
fn scoped(places: &str) -> Result<World, String> {
    let founded = World::founded(
        |files| {
            asks_for_tests(files);
            let people = String::from_utf8(files["people/_.json"].clone()).unwrap();
            let from = "\"attests\":[\"tests\"]";
            assert!(people.contains(from), "{people}");
            let to = format!("{from},\"attests_for\":{places}");
            files.insert("people/_.json".to_owned(), people.replacen(from, &to, 1).into_bytes());
        },
        |_| {},
    );
    founded.map_err(|refusal| told::<()>(Err(refusal)))
}

/// Tests of one system say nothing of what goes to another.
#[test]
fn evidence_counts_for_the_targets_alone_that_its_workload_is_of() {
    let mut world = scoped(r#"["checkout"]"#).unwrap();
    let change = approved(&mut world, "src/app.rs");
    assert_eq!(refused(&mut world, "ci", &change), "attests-for-others");
    // Of a change that goes to both it is one half.
    let both = |world: &mut World| {
        let proposal = world.proposal("search/production", &file("tested"), None);
        let targets = targets(&["checkout/production", "search/production"]);
        world.begin("ada", Proposal { targets, ..proposal })
    };
    let change = both(&mut world);
    let stops = |world: &World, change: &ChangeId| world.standing(change).contains("tested");
    attest(&mut world, "ci", &change, EvidenceResult::Passed).unwrap();
    assert!(stops(&world, &change), "{}", world.standing(&change));
    world.state = world.replayed().unwrap();
    assert!(stops(&world, &change), "{}", world.standing(&change));
    let mut world = scoped(r#"["checkout","search/production"]"#).unwrap();
    let change = both(&mut world);
    attest(&mut world, "ci", &change, EvidenceResult::Passed).unwrap();
    assert!(!stops(&world, &change), "{}", world.standing(&change));
    // To let it attest for more is to loosen.
    let people = String::from_utf8(crate::kit::governance_files(&world.keys)["people/_.json"].clone()).unwrap();
    let wider: &[(&str, Option<&[u8]>)] = &[("people/_.json", Some(people.as_bytes()))];
    assert_snapshot!(super::loosening::said(&mut world, wider), @"takes ci's word for tests");
    assert_snapshot!(scoped(r#"["serch"]"#).map(drop).unwrap_err(), @"catalog-invalid: the catalog does not hold: people/_.json: there is no `serch`, for which ci attests");
}
