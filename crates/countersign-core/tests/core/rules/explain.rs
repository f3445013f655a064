//! Explanations: who is asked, and what for.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use countersign_core::{
    decision::{Decision, Missing, RuleDecision, RuleStatus, Token},
    explain::{MAX_WHO, Obligation, Scene},
    ids::ActorId,
    requirement::{Need, Role},
    rules::decide,
    snapshot::{GuidanceView, Snapshot},
};
use insta::assert_snapshot;
use proptest::prelude::*;

use super::{
    Home, NOW, approve,
    count::{NAMES, any_snapshot},
    id, ids, shipped_rules, snapshot,
};

/// A home in which more people could approve than are named.
fn crowd(seniors: &[&str], owners: &[(&str, &[&str])]) -> Home {
    let more = (0..9).map(|n| format!("person-{n}"));
    Home {
        everybody: ids(&NAMES).into_iter().chain(more.map(|name| id(&name))).collect(),
        seniors: ids(seniors),
        owners: owners.iter().map(|(system, owners)| (system.parse().unwrap(), ids(owners))).collect(),
        groups: BTreeMap::new(),
    }
}

fn role(missing: &Missing) -> Option<Role> {
    let Token::Requirement(requirement) = missing.token.clone() else { return None };
    match requirement.need {
        Need::Approvals { role, .. } => Some(role),
        Need::Apart(_)
        | Need::FreshGuidance
        | Need::Document { .. }
        | Need::Evidence(_)
        | Need::Has(_)
        | Need::Disclosure => None,
    }
}

/// The systems that lack something, by what the decision says.
fn systems(rule: &RuleDecision, missing: &Missing) -> BTreeSet<String> {
    match missing.of.as_slice() {
        [] => rule.targets.iter().map(|target| target.system.to_string()).collect(),
        named => named.iter().cloned().collect(),
    }
}

/// The nearest and the count of the others, by looking at everybody.
fn by_hand(
    home: &Home,
    snapshot: &Snapshot,
    decision: &Decision,
    rule: &RuleDecision,
    missing: &Missing,
) -> (Vec<ActorId>, usize) {
    let owns = |who: &ActorId, system: &String| {
        home.owners.iter().any(|(owned, owners)| owned.as_str() == system && owners.contains(who))
    };
    let here = systems(rule, missing);
    let unmet = || decision.rules.iter().filter(|rule| rule.status == RuleStatus::Unsatisfied);
    let lacks = |wanted: &'static Role| {
        unmet().flat_map(move |rule| {
            rule.missing.iter().filter(move |m| role(m).as_ref() == Some(wanted)).map(move |m| (rule, m))
        })
    };
    let wanted: BTreeSet<String> = lacks(&Role::Owner).flat_map(|(rule, missing)| systems(rule, missing)).collect();
    let senior = lacks(&Role::Senior).next().is_some();
    let satisfies = |who: &ActorId| {
        wanted.iter().filter(|system| owns(who, system)).count() + usize::from(senior && home.seniors.contains(who))
    };
    let mut could: Vec<&ActorId> = home
        .everybody
        .iter()
        .filter(|who| match role(missing).unwrap() {
            Role::Independent
            | Role::Touch
            | Role::Verified
            | Role::Recent(_)
            | Role::Material
            | Role::OnCall
            | Role::Present => true,
            Role::Senior => home.seniors.contains(*who),
            Role::Owner => here.iter().any(|system| owns(who, system)),
            Role::Group(group) => home.groups.get(&group).is_some_and(|members| members.contains(*who)),
        })
        .filter(|who| !snapshot.contributors.contains(*who) && !snapshot.claimed.contains(*who))
        .filter(|who| snapshot.approvals.iter().all(|approval| approval.by != **who))
        .collect();
    // Whoever rejected it is asked where nobody else is there: to lift that first.
    if could.iter().any(|who| !snapshot.rejected_by.contains(*who)) {
        could.retain(|who| !snapshot.rejected_by.contains(*who));
    }
    could.sort_by_key(|who| (Reverse(here.iter().any(|system| owns(who, system))), Reverse(satisfies(who)), *who));
    let named = could.len().min(MAX_WHO);
    (could[..named].iter().map(|who| (*who).clone()).collect(), could.len() - named)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_nearest_are_those_that_looking_at_everybody_finds(
        snapshot in any_snapshot(),
        seniors in proptest::sample::subsequence(NAMES.to_vec(), 0..=NAMES.len()),
        checkout in proptest::sample::subsequence(NAMES.to_vec(), 0..=3),
        search in proptest::sample::subsequence(NAMES.to_vec(), 0..=NAMES.len()),
    ) {
        let home = crowd(&seniors, &[("checkout", &checkout), ("search", &search)]);
        let decision = decide(shipped_rules(), &snapshot, NOW);
        let told = home.explain(shipped_rules(), &snapshot, &decision);
        for (rule, told) in decision.rules.iter().zip(&told.rules) {
            let approvals = told.obligations.iter().filter(|todo| todo.how.contains(" approve "));
            for (missing, told) in rule.missing.iter().filter(|missing| role(missing).is_some()).zip(approvals) {
                let (who, more) = by_hand(&home, &snapshot, &decision, rule, missing);
                prop_assert_eq!((&told.who, told.more as usize), (&who, more), "{:?}", told);
            }
        }
    }
}

/// One rule's obligations, a line each.
fn told(home: &Home, snapshot: &Snapshot, rule: &str) -> String {
    let decision = decide(shipped_rules(), snapshot, NOW);
    let told = home.explain(shipped_rules(), snapshot, &decision);
    let rule = told.rules.iter().find(|told| told.id.as_str() == rule);
    lines(&rule.unwrap().obligations)
}

fn lines(obligations: &[Obligation]) -> String {
    let line = |todo: &Obligation| {
        let who: Vec<&str> = todo.who.iter().map(|who| who.as_str()).collect();
        let how = todo.how.replace(snapshot().change.as_str(), "CHANGE");
        format!("{} [{}] +{}: {how}", todo.missing, who.join(" "), todo.more)
    };
    obligations.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn whoever_made_it_writes_about_it() {
    let mut snapshot = snapshot();
    snapshot.contributors = ids(&["ada", "trudy"]);
    snapshot.documents.why = 0;
    assert_snapshot!(told(&Home::usual(), &snapshot, "documented"), @"why, in 20 characters or more (0 so far) [ada] +0: countersign revise CHANGE --why TEXT");
    // Where none of them has a key, anybody.
    snapshot.contributors = ids(&["trudy"]);
    assert_snapshot!(told(&Home::usual(), &snapshot, "documented"), @"why, in 20 characters or more (0 so far) [ada grace barbara linus] +0: countersign revise CHANGE --why TEXT");
}

#[test]
fn a_page_is_reviewed_by_whom_it_names() {
    let mut snapshot = snapshot();
    approve(&mut snapshot, &["grace"]);
    snapshot.guidance = vec![GuidanceView { path: "runbooks/failover.md".to_owned(), review_due: None }];
    assert_snapshot!(told(&Home::usual(), &snapshot, "fresh-guidance"), @"a review of runbooks/failover.md [ada grace barbara linus] +0: review runbooks/failover.md and land the new review date on its protected branch");
    let home = Home::usual();
    let decision = decide(shipped_rules(), &snapshot, NOW);
    let linus = id("linus");
    let scene = home.scene(shipped_rules(), &snapshot);
    let scene = Scene { keepers: [("runbooks/failover.md", [&linus].into())].into(), ..scene };
    let told = scene.explain(&decision, NOW);
    let rule = told.rules.iter().find(|told| told.id.as_str() == "fresh-guidance").unwrap();
    assert_snapshot!(lines(&rule.obligations), @"a review of runbooks/failover.md [linus] +0: review runbooks/failover.md and land the new review date on its protected branch");
}

#[test]
fn sponsors_and_many_strangers() {
    let mut snapshot = snapshot();
    approve(&mut snapshot, &["grace"]);
    snapshot.unconfirmed = ids(&["barbara"]);
    snapshot.unmapped = (0..12).map(|n| format!("ref{n:02}")).collect();
    assert_snapshot!(told(&Home::usual(), &snapshot, "identities-known"), @"
    who ref00 is [grace barbara linus] +0: countersign identify CHANGE --identity ref00 --as PERSON
    who ref01 is [grace barbara linus] +0: countersign identify CHANGE --identity ref01 --as PERSON
    who ref02 is [grace barbara linus] +0: countersign identify CHANGE --identity ref02 --as PERSON
    who ref03 is [grace barbara linus] +0: countersign identify CHANGE --identity ref03 --as PERSON
    who ref04 is [grace barbara linus] +0: countersign identify CHANGE --identity ref04 --as PERSON
    who ref05 is [grace barbara linus] +0: countersign identify CHANGE --identity ref05 --as PERSON
    who ref06 is [grace barbara linus] +0: countersign identify CHANGE --identity ref06 --as PERSON
    who ref07 is [grace barbara linus] +0: countersign identify CHANGE --identity ref07 --as PERSON
    who ref08 is [grace barbara linus] +0: countersign identify CHANGE --identity ref08 --as PERSON
    who ref09 is [grace barbara linus] +0: countersign identify CHANGE --identity ref09 --as PERSON
    who 2 more are [grace barbara linus] +0: countersign show CHANGE
    barbara's own word that they answer for what a machine proposed [barbara] +0: countersign disclose CHANGE --tool NAME, or, without AI: countersign disclose CHANGE --none
    ");
}

#[test]
fn a_target_that_is_gone_is_told() {
    let mut snapshot = snapshot();
    approve(&mut snapshot, &["grace"]);
    snapshot.unknown_targets = ["checkout/prod".parse().unwrap()].into();
    assert_snapshot!(told(&Home::usual(), &snapshot, "targets-known"), @"checkout/prod, which the catalog no longer has [ada] +0: propose it again for targets of the catalog: countersign propose --target SYSTEM/ENVIRONMENT …");
}

#[test]
fn rules_that_are_gone_are_still_told() {
    let decision = decide(shipped_rules(), &snapshot(), NOW);
    let none = countersign_core::rules::Rules::parse(&Default::default()).unwrap();
    let told = Home::usual().explain(&none, &snapshot(), &decision);
    let owner = told.rules.iter().find(|told| told.id.as_str() == "owner-approves").unwrap();
    assert_eq!(owner.requires, "1 approval by an owner of the system (checkout)");
    assert_eq!(owner.obligations.len(), 1);
}
