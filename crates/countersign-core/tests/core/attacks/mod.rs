//! The attacks of the threat model that core stops: one test each, named by the attack.

mod approvals;
mod permits;
mod statements;

use countersign_core::{
    change::ChangeStatus,
    decision::RuleStatus,
    ids::ChangeId,
    permit::{Denied, PERMIT_SECS, Permit, check_lease},
    snapshot::{AiStatus, Snapshot},
    statement::{
        Amendment, Approval, Body, Disclosure, GateRegistration, GuidanceObservation, IdentityVerdict, KeyRevocation,
        OutcomeReport, OutcomeResult, PermitGrant, Transition,
    },
};
use countersign_ledger::Digest;
use insta::assert_snapshot;

use crate::kit::{World, author, co_author, facts, file, git, id, inferred, landing, oid, targets, told};

fn denied(result: Result<Digest, Denied>) -> String {
    match result.expect_err("a permit was issued") {
        Denied::ByRules(decision) => {
            let stops = |rule: &&_| countersign_core::decision::Decision::stops(rule);
            let ids: Vec<&str> = decision.rules.iter().filter(stops).map(|rule| rule.id.as_str()).collect();
            format!("denied by {}", ids.join(" "))
        }
        Denied::Refused(refusal) => told::<()>(Err(refusal)),
    }
}

fn revoke(world: &mut World, by: &str, key: &str) -> Result<Digest, countersign_core::refusal::Refusal> {
    let (reason, key) = (world.reason("it was lost"), world.keys[key].public().fingerprint());
    world.say(by, Body::KeyRevocation(KeyRevocation { key, reason }))
}

/// A change of commits by ada, proposed by her, with others named by the commits.
fn of_commits(world: &mut World, identities: &[crate::kit::Identity]) -> ChangeId {
    world.propose_git("ada", &facts(9, identities))
}

fn register_gate(world: &mut World) {
    let body = Body::GateRegistration(GateRegistration {
        gate: "shop-gate".parse().unwrap(),
        key: world.keys["git-gate"].public(),
        repository: "shop".parse().unwrap(),
        targets: targets(&["search/production"]),
    });
    world.say("barbara", body).unwrap();
}
