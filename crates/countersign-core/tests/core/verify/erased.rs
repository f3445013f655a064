//! Names and mails were erased, those of commits or those of people: the log still holds, and its decisions can be run
//! again.

use countersign_core::{
    snapshot::Snapshot,
    statement::{Erased, Erasure},
};

use super::*;
use crate::kit::{Extracted, told};

/// Commits by linus, proposed by ada and approved by mallory, for which the server has decided.
fn decided() -> (World, Extracted) {
    let mut world = World::new();
    let commits = facts(9, &[author("linus@example.com")]);
    let change = world.propose_git("ada", &commits);
    world.disclose("linus", &change, &["robo"], &[]).unwrap();
    world.approve("mallory", &change).unwrap();
    world.register_gate();
    let transition = world.transition(&change);
    let request = world.request("git-gate", &change, &transition);
    world.ask_for("ada", PermitRequest { gate: "shop-gate".parse().unwrap(), ..request }).unwrap();
    (world, commits)
}

fn names(commits: &Extracted) -> Digest {
    Digest::of(commits.identities.to_blob().unwrap())
}

fn last_step(report: &Report) -> String {
    let step = report.steps.last().unwrap();
    format!("{:?}: {}", step.verdict, masked(&step.detail))
}

#[test]
fn a_decision_can_be_run_again_after_names_were_erased() {
    let (mut world, commits) = decided();
    let whole = world.evidence();
    assert_snapshot!(last_step(&check(&world, &whole)), @"Holds: 1 decision run again with the same result");
    let profiles = world.state.governance.record.files["profiles/discovery.json"];
    for erased in [vec![names(&commits)], vec![profiles], vec![names(&commits), profiles]] {
        let mut evidence = whole.clone();
        erased.iter().for_each(|digest| drop(evidence.blobs.remove(digest).unwrap()));
        let report = check(&world, &evidence);
        assert!(report.holds(), "{report:?}");
        // They may have been left out.
        assert_eq!(
            last_step(&report),
            "Holds: 1 decision run again with the same result; in 1 of them names are missing here, which no erasure in this \
             copy took away (DIGEST), and whom the commits named is taken from the snapshot"
        );
    }
    let change = world.state.changes().next().unwrap().id.clone();
    world.erased(&["ada", "linus"], Erased::Change(change), [names(&commits)]).unwrap();
    let mut evidence = world.evidence();
    evidence.blobs.remove(&names(&commits)).unwrap();
    assert_eq!(
        last_step(&check(&world, &evidence)),
        "Holds: 1 decision run again with the same result; in 1 of them names were erased since, and whom the commits \
         named is taken from the snapshot"
    );
}

#[test]
fn erased_names_are_no_way_to_leave_somebody_out() {
    let (world, commits) = decided();
    let Some(Body::Decided(decided)) =
        world.leaves.iter().map(|leaf| body(&leaf.leaf)).find(|b| b.kind() == "decision")
    else {
        panic!("nothing was decided")
    };
    let honest: Snapshot = serde_json::from_slice(&world.blobs[&decided.snapshot]).unwrap();
    let at = world.leaves.iter().find(|leaf| kind(&leaf.leaf) == "decision").unwrap().index;
    let edits: [fn(&mut Snapshot); 4] = [
        // Who proposed, and who disclosed, has signed that.
        |snapshot| snapshot.contributors.retain(|id| id.as_str() != "ada"),
        |snapshot| snapshot.contributors.retain(|id| id.as_str() != "linus"),
        |snapshot| snapshot.rejected_by = ["grace".parse().unwrap()].into(),
        |snapshot| snapshot.approvals[0].senior = true,
    ];
    for edit in edits {
        let mut snapshot = honest.clone();
        edit(&mut snapshot);
        assert_ne!(snapshot, honest);
        // A captured server writes another snapshot, and withholds the names.
        let forged = Decided { snapshot: snapshot.digest(), ..decided.clone() };
        let envelope = world.sign(&world.statement("countersign", Body::Decided(forged)), &["countersign"]);
        let mut evidence = world.forged(|leaves| {
            leaves.truncate(usize::try_from(at).unwrap() + 1);
            let last = leaves.pop().unwrap();
            leaves.push(enveloped(&last, envelope));
        });
        evidence.blobs.insert(snapshot.digest(), snapshot.to_bytes());
        evidence.blobs.remove(&names(&commits)).unwrap();
        assert!(!check(&world, &evidence).holds());
    }
    // Without the snapshot nobody knows.
    let mut evidence = world.evidence();
    evidence.blobs.remove(&names(&commits)).unwrap();
    evidence.blobs.remove(&decided.snapshot).unwrap();
    assert_snapshot!(last_step(&check(&world, &evidence)), @"Broken: names are missing, and so is the snapshot");
}

/// What is erased is said by two people, one of the policy group, and only names and words can go.
#[test]
fn an_erasure_takes_two_people_and_names_and_words_only() {
    let (mut world, commits) = decided();
    let change = world.state.changes().next().unwrap().clone();
    let of_change = || Erased::Change(change.id.clone());
    let (text, facts) = (change.revisions[0].text, change.revisions[0].facts.unwrap());
    let names = names(&commits);
    assert_snapshot!(told(world.erased(&["ada"], of_change(), [text])), @"two-people: what erases names and words needs 2 people, this has 1");
    assert_snapshot!(told(world.erased(&["linus", "mallory"], of_change(), [text])), @"policy-group: one of the two who sign has to be of the policy group");
    assert_snapshot!(masked(&told(world.erased(&["ada", "linus"], of_change(), [facts]))), @"not-erasable: DIGEST is no text of change CHANGE and no names of its commits: facts stay");
    assert_snapshot!(told(world.erased(&["ada", "linus"], of_change(), [])), @"erasure: an erasure names 1 to 256 blobs");
    let profiles = world.state.governance.record.files["profiles/discovery.json"];
    let of_linus = Erased::Person("linus".parse().unwrap());
    assert_snapshot!(masked(&told(world.erased(&["ada", "linus"], of_linus, [profiles]))), @"in-force: DIGEST is a governance file in force");

    // The record forgets the names with the tombstone, whether the blob was there when it was folded or not.
    assert_eq!(change.names_missing().count(), 0);
    world.erased(&["linus", "ada"], of_change(), [text, names]).unwrap();
    assert_eq!(world.change(&change.id).names_missing().count(), 1);
    let mut evidence = world.evidence();
    let whole = check(&world, &evidence);
    [text, names].iter().for_each(|digest| drop(evidence.blobs.remove(digest).unwrap()));
    let gone = check(&world, &evidence);
    assert!(gone.holds(), "{gone:?}");
    let (gone, whole) = (gone.state.unwrap(), whole.state.unwrap());
    assert_eq!(everything(&gone), everything(&whole));
}

/// A person's erasure cannot take what has to stay: what goes is told by its form.
#[test]
fn only_names_mails_and_reasons_go_with_a_person() {
    let (mut world, commits) = decided();
    let person = "linus".parse().unwrap();
    let erasure = Erasure { blobs: [].into(), of: Erased::Person(person), reason: Digest::of("reason") };
    let files = &world.state.governance.record.files;
    let profiles = |group: &str| world.blobs[&files[&format!("profiles/{group}.json")]].clone();
    let takes = |bytes: &[u8]| erasure.takes(bytes);
    let theirs = files.keys().filter(|path| path.starts_with("profiles/") && takes(&world.blobs[&files[*path]]));
    assert_eq!(theirs.count(), 1, "linus is in one of them");
    assert!(profiles("discovery") != Vec::<u8>::new());
    for path in ["people/payments.json", "settings.json", "rules/documented.cedar"] {
        assert!(files.get(path).is_none_or(|digest| !takes(&world.blobs[digest])), "{path}");
    }
    assert!(!takes(&commits.identities.to_blob().unwrap()), "those go with their change");
    let reason = world.reason("because of linus");
    assert!(takes(&world.blobs[&reason]));
}
