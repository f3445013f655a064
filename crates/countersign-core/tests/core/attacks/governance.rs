//! Attacks on the change of what governs: rules, catalog and keys are put in force by a change, like any other.

use countersign_core::{
    governance::GRANTING_SIGNATURES, kind::Kind, refusal::Refusal, statement::Proposal, subject::GovernanceSubject,
};

use super::*;
use crate::kit::governance_files;

const SEARCH: &str = "systems/search.json";
/// Neither loosens anything.
const LINKED: &[u8] = br#"{"depends_on":["checkout"],"owner":"discovery","tier":3}"#;
const FASTER: &[u8] = br#"{"owner":"discovery","tier":2}"#;

/// What somebody is told, with ids of changes masked.
fn said_of<T: std::fmt::Debug>(result: Result<T, Refusal>) -> String {
    let is_id = |word: &str| word.len() == 12 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let masked = |word: &str| match word.strip_suffix(':') {
        Some(id) if is_id(id) => "CHANGE:".to_owned(),
        _ if is_id(word) => "CHANGE".to_owned(),
        _ => word.to_owned(),
    };
    told(result).split(' ').map(masked).collect::<Vec<_>>().join(" ")
}

/// By linus, who is of no policy group.
fn amended(world: &mut World) -> ChangeId {
    world.amend("linus", &[(SEARCH, Some(LINKED))])
}

#[test]
fn what_governs_is_changed_by_a_change() {
    let mut world = World::new();
    let change = amended(&mut world);
    assert_snapshot!(world.standing(&change), @"policy-group");
    world.approve("ada", &change).unwrap();
    assert_eq!(world.standing(&change), "allow");
    // Whoever puts it in force adds nothing but the moment.
    let said = world.put_in_force("mallory", &change).unwrap();
    assert_eq!(world.state.governance.record.in_force, said);
    assert_eq!(world.state.governance.catalog.systems[&"search".parse().unwrap()].depends_on.len(), 1);
    assert_eq!(world.change(&change).status, ChangeStatus::Applied);
    let streams = crate::kit::streams(world.last());
    assert_eq!(streams, ["governance".to_owned(), format!("change/{change}")]);
    assert_snapshot!(said_of(world.put_in_force("mallory", &change)), @"change-closed: change CHANGE is applied; nothing more can be said about it");
}

#[test]
fn one_person_puts_nothing_in_force() {
    let mut world = World::new();
    let change = world.amend("ada", &[(SEARCH, Some(LINKED))]);
    assert_snapshot!(said_of(world.put_in_force("ada", &change)), @"not-allowed: the rules in force do not allow change CHANGE: policy-group");
    assert_snapshot!(said_of(world.approve("ada", &change)), @"contributor: ada cannot approve change CHANGE: they had a hand in it");
    // Nor does somebody from outside of the policy group beside one of it.
    world.approve("mallory", &change).unwrap();
    assert_snapshot!(said_of(world.put_in_force("mallory", &change)), @"not-allowed: the rules in force do not allow change CHANGE: policy-group");
    let mut alone = world.publication_of(&change);
    alone.change = None;
    assert_snapshot!(said_of(world.say("ada", Body::Publication(alone))), @"two-people: what grants authority needs 2 people, this has 1");
}

#[test]
fn two_juniors_do_not_promote_each_other_by_a_change() {
    let mut world = World::new();
    let discovery = governance_files(&world.keys)["people/discovery.json"].clone();
    let raised = String::from_utf8(discovery).unwrap().replace("\"level\":\"standard\"", "\"level\":\"director\"");
    let files: &[(&str, Option<&[u8]>)] = &[("people/discovery.json", Some(raised.as_bytes()))];
    let change = world.amend("linus", files);
    world.approve("mallory", &change).unwrap();
    assert_snapshot!(said_of(world.put_in_force("mallory", &change)), @"not-allowed: the rules in force do not allow change CHANGE: loosening");
    // One of the policy group is not enough for that, and neither are two of whom none is a senior.
    world.approve("ada", &change).unwrap();
    assert_snapshot!(said_of(world.put_in_force("ada", &change)), @"not-allowed: the rules in force do not allow change CHANGE: loosening");
    world.approve("grace", &change).unwrap();
    world.put_in_force("linus", &change).unwrap();
}

#[test]
fn whose_key_was_revoked_puts_nothing_in_force() {
    let mut world = World::new();
    let change = amended(&mut world);
    world.approve("ada", &change).unwrap();
    world.revoke("barbara", "ada").unwrap();
    assert_snapshot!(said_of(world.put_in_force("ada", &change)), @"key-revoked: key DIGEST was revoked by barbara, for a day unless somebody else confirms it");
    assert_snapshot!(said_of(world.put_in_force("mallory", &change)), @"not-allowed: the rules in force do not allow change CHANGE: policy-group");
    // Nor does whoever proposed it stand behind it any more, once their key is gone.
    let mut world = World::new();
    let change = amended(&mut world);
    world.approve("ada", &change).unwrap();
    world.revoke("linus", "linus").unwrap();
    assert_snapshot!(said_of(world.put_in_force("ada", &change)), @"two-people: what grants authority needs 2 people with a key that holds, this has 1");
    world.approve("grace", &change).unwrap();
    world.put_in_force("ada", &change).unwrap();
    assert_eq!(GRANTING_SIGNATURES, 2);
}

#[test]
fn who_suspends_another_grants_nothing_in_what_governs() {
    let mut world = World::new();
    let change = amended(&mut world);
    world.approve("ada", &change).unwrap();
    world.revoke("ada", "barbara").unwrap();
    assert_snapshot!(world.standing(&change), @"policy-group");
    world.confirm("grace", "barbara").unwrap();
    assert_eq!(world.standing(&change), "allow");
}

#[test]
fn a_rejected_change_is_not_put_in_force() {
    let mut world = World::new();
    let change = amended(&mut world);
    world.approve("ada", &change).unwrap();
    world.reject("mallory", &change).unwrap();
    assert_snapshot!(said_of(world.put_in_force("linus", &change)), @"not-allowed: the rules in force do not allow change CHANGE: no-rejection");
    // What was rejected follows its content to a change that is proposed anew.
    let again = amended(&mut world);
    world.approve("ada", &again).unwrap();
    assert_snapshot!(said_of(world.put_in_force("linus", &again)), @"not-allowed: the rules in force do not allow change CHANGE: no-rejection");
    world.lift("mallory", &change).unwrap();
    world.put_in_force("linus", &again).unwrap();
    // A change that was withdrawn stays so.
    let change = world.amend("linus", &[(SEARCH, Some(FASTER))]);
    world.approve("ada", &change).unwrap();
    world.withdraw("linus", &change).unwrap();
    assert_snapshot!(said_of(world.put_in_force("linus", &change)), @"change-closed: change CHANGE is withdrawn; nothing more can be said about it");
}

#[test]
fn an_approval_of_one_revision_puts_no_other_in_force() {
    let mut world = World::new();
    let change = amended(&mut world);
    world.approve("ada", &change).unwrap();
    let first = world.publication_of(&change);
    let other = world.replacing(&[(SEARCH, Some(FASTER))]);
    let revision = world.new_revision(&change, &other, None);
    world.say("linus", revision).unwrap();
    assert_snapshot!(said_of(world.put_in_force("linus", &change)), @"not-allowed: the rules in force do not allow change CHANGE: policy-group");
    assert_snapshot!(said_of(world.say("linus", Body::Publication(first))), @"stale-revision: the statement is about revision 1 of change CHANGE, which now has revision 2");
}

#[test]
fn a_publication_says_what_its_change_says() {
    let mut world = World::new();
    let change = amended(&mut world);
    world.approve("ada", &change).unwrap();
    let honest = world.publication_of(&change);
    let other = world.publication(&[(SEARCH, Some(FASTER))]);
    let said = |world: &mut World, edit: &dyn Fn(&mut countersign_core::statement::Publication)| {
        let mut publication = honest.clone();
        edit(&mut publication);
        said_of(world.say("linus", Body::Publication(publication)))
    };
    assert_snapshot!(said(&mut world, &|p| p.files = other.files), @"another-subject: the publication says something else than revision 1 of change CHANGE");
    assert_snapshot!(said(&mut world, &|p| p.semantics = Some(1)), @"another-subject: the publication says something else than revision 1 of change CHANGE");
    assert_snapshot!(said(&mut world, &|p| p.reason = other.reason), @"another-subject: the publication says something else than revision 1 of change CHANGE");
    assert_snapshot!(said(&mut world, &|p| p.parent = Digest::of("another")), @"another-subject: the publication says something else than revision 1 of change CHANGE");
    // By a change that it is not, approved or not.
    let ordinary = world.propose("ada", "search/production");
    world.approve("linus", &ordinary).unwrap();
    let revision = world.revision(&ordinary);
    let id = ordinary.clone();
    let of_it = move |p: &mut countersign_core::statement::Publication| {
        p.change = Some(countersign_core::statement::PublishedChange { id: id.clone(), revision });
    };
    assert_snapshot!(said(&mut world, &of_it), @"another-kind-of-subject: change CHANGE is about app.yaml by `deploy app.yaml`, which is not published");
    // A gate or a robot is nobody who publishes.
    let robot = Body::Publication(world.publication_of(&change));
    assert_snapshot!(said_of(world.say("robo", robot)), @"only-people: robo is an agent; only a person can publish rules or catalog");
    world.put_in_force("linus", &change).unwrap();
}

#[test]
fn what_was_made_on_something_else_is_made_again() {
    let mut world = World::new();
    let (first, second) = (amended(&mut world), world.amend("mallory", &[(SEARCH, Some(FASTER))]));
    for change in [&first, &second] {
        world.approve("ada", change).unwrap();
    }
    world.put_in_force("linus", &first).unwrap();
    assert_snapshot!(said_of(world.put_in_force("mallory", &second)), @"publication-overtaken: the publication replaces DIGEST, but DIGEST is in force: somebody else published in between");
    // It stays open, and its author makes it again on what is in force.
    let subject = world.replacing(&[(SEARCH, Some(FASTER))]);
    let revision = world.new_revision(&second, &subject, None);
    world.say("mallory", revision).unwrap();
    world.approve("ada", &second).unwrap();
    world.put_in_force("mallory", &second).unwrap();
}

/// Each of the three steps takes two people; that it happened stands in the log.
#[test]
fn a_rule_is_not_switched_off_and_on_by_one_person() {
    let mut world = World::new();
    let rule = "rules/second-pair-of-eyes.cedar";
    let off = world.amend("ada", &[(rule, None)]);
    assert_snapshot!(said_of(world.put_in_force("ada", &off)), @"not-allowed: the rules in force do not allow change CHANGE: loosening");
    // What it waits for is not waived.
    assert_snapshot!(said_of(world.waive("grace", &off, "policy-group")), @"unknown-rule: there is no rule `policy-group`");
    // A change that is merged meanwhile is judged by what is in force.
    let change = world.propose("ada", "search/production");
    assert_snapshot!(world.standing(&change), @"owner-approves second-pair-of-eyes");
    world.approve("grace", &off).unwrap();
    world.put_in_force("ada", &off).unwrap();
    assert_snapshot!(world.standing(&change), @"owner-approves");
}

#[test]
fn the_target_of_what_governs_is_that_of_nothing_else() {
    let mut world = World::new();
    let said = |world: &mut World, by: &str, edit: &dyn Fn(&mut Proposal)| {
        let mut proposal = world.amendment(&[(SEARCH, Some(LINKED))]);
        edit(&mut proposal);
        said_of(world.say(by, Body::Proposal(proposal)))
    };
    assert_snapshot!(said(&mut world, "ada", &|p| p.targets = targets(&["search/production"])), @"governance-target: a change of governance files has the target governance/log alone");
    assert_snapshot!(said(&mut world, "ada", &|p| p.targets = targets(&["governance/log", "search/production"])), @"unknown-target: `governance/log`: the catalog knows no system `governance`");
    assert_snapshot!(said(&mut world, "ada", &|p| p.kind = Kind::Config), @"governance-kind: a change of governance files is of the kind `rules`");
    assert_snapshot!(said(&mut world, "robo", &|p| p.sponsor = Some(id("ada"))), @"only-people: robo is an agent; only a person can propose what governs");
    let files = file("timeout: 30").reference().unwrap();
    world.blob(file("timeout: 30").to_blob().unwrap());
    assert_snapshot!(said(&mut world, "ada", &|p| p.subject = files.clone()), @"governance-target: only governance files have the target governance/log");
    // Nor does a change become one, or stop being one.
    let (ordinary, change) = (world.propose("ada", "search/production"), amended(&mut world));
    let subject = world.replacing(&[(SEARCH, Some(FASTER))]);
    let revision = world.new_revision(&ordinary, &subject, None);
    assert_snapshot!(said_of(world.say("ada", revision)), @"governance-target: a change of governance files has the target governance/log alone");
    let revision = world.new_revision(&change, &file("timeout: 30"), None);
    assert_snapshot!(said_of(world.say("linus", revision)), @"governance-target: only governance files have the target governance/log");
    // And no gate lands it.
    let transition = world.transition(&change);
    let request = world.request("linus", &change, &transition);
    assert_snapshot!(said_of(world.say("linus", Body::PermitRequest(request))), @"another-kind-of-subject: change CHANGE is about governance files, which no gate puts in force");
}

/// A home without rules lets nothing through, and is still not closed.
#[test]
fn a_home_without_rules_gets_some() {
    let rules: Vec<String> = crate::kit::rules().into_keys().map(|name| format!("rules/{name}")).collect();
    let mut world = World::founded(|files| files.retain(|path, _| !rules.contains(path)), |_| {}).unwrap();
    let text = crate::kit::rules().remove("documented.cedar").unwrap();
    let change = world.amend("ada", &[("rules/documented.cedar", Some(text.as_bytes()))]);
    assert_snapshot!(said_of(world.put_in_force("ada", &change)), @"not-allowed: the rules in force do not allow change CHANGE: loosening");
    world.approve("grace", &change).unwrap();
    world.put_in_force("ada", &change).unwrap();
    assert_eq!(world.state.governance.rules.len(), 1);
}

/// What a rule asks of what governs, it gets; and one that asks in production asks nothing here.
#[test]
fn a_rule_that_names_what_governs_asks_for_more() {
    let text = r#"@id("two-for-rules") @requires("approval:senior:2") @because("B.") @remedy("countersign approve {change}") @mode("enforce")
        @strength("mandatory") forbid (principal, action == Countersign::Action::"apply",
        resource in Countersign::System::"governance") unless { resource.approvals.senior >= 2 };"#;
    let mut world = World::new();
    let change = world.amend("ada", &[("rules/two-for-rules.cedar", Some(text.as_bytes()))]);
    world.approve("grace", &change).unwrap();
    world.put_in_force("ada", &change).unwrap();
    let change = amended(&mut world);
    world.approve("grace", &change).unwrap();
    assert_snapshot!(said_of(world.put_in_force("ada", &change)), @"not-allowed: the rules in force do not allow change CHANGE: two-for-rules");
    world.approve("barbara", &change).unwrap();
    world.put_in_force("ada", &change).unwrap();
    // One that asks for more people than there are would close the home for good.
    let closing = text.replace("senior:2", "senior:9").replace("senior >= 2", "senior >= 9");
    let files = world.replacing(&[("rules/two-for-rules.cedar", Some(closing.as_bytes()))]);
    let Subject::Governance(GovernanceSubject { files, parent, .. }) = files else { unreachable!() };
    let publication = countersign_core::statement::Publication {
        change: None,
        files,
        parent,
        reason: Digest::of("why"),
        semantics: None,
    };
    let blobs = crate::kit::blob_of(&world.blobs);
    let after = world.state.governance.publish(&publication, Digest::of("said"), &blobs).unwrap();
    assert_snapshot!(said_of(countersign_core::coverage::leaves_governable(&after, world.now)), @"governance-locked: behind this nobody could change rules or catalog any more: two-for-rules (7 more approvals by seniors), two-for-rules (8 more approvals by seniors)");
    countersign_core::coverage::leaves_governable(&world.state.governance, world.now).unwrap();
}
