//! The attacks of the threat model that core stops: one test each, named by the attack.

mod absence;
mod after;
mod applier;
mod approvals;
mod approving;
mod authority;
mod calendars;
mod delegations;
mod epochs;
mod escalation;
mod evidence;
mod expiry;
mod findings;
mod freezes;
mod gates;
mod glass;
mod governance;
mod keys;
mod labels;
mod loosening;
mod newcomers;
mod outage;
mod permits;
mod recovered;
mod rejections;
mod rollback;
mod schedules;
mod server_keys;
mod standard;
mod statements;
mod stops;
mod subscribed;
mod tokens;
mod unseen;

use countersign_core::{
    change::{ChangeStatus, PermitRecord},
    decision::RuleStatus,
    ids::ChangeId,
    permit::{Denied, MAX_SKEW_SECS, PERMIT_SECS, check_lease, just_issued},
    snapshot::{AiStatus, Snapshot},
    statement::{
        Approval, Body, Decided, Disclosure, GateRegistration, GuidanceObservation, IdentityVerdict, OutcomeReport,
        OutcomeResult, PermitGrant, PermitRequest, RejectionLift,
    },
    subject::{ApplyTransition, FilesSubject, Subject, Transition},
};
use countersign_ledger::Digest;
use insta::assert_snapshot;

use crate::kit::{
    Extracted, World, author, co_author, facts, file, git, id, inferred, landing, oid, stopping, targets, told,
};

fn denied<T: std::fmt::Debug>(result: Result<T, Denied>) -> String {
    match result.expect_err("a permit was issued") {
        Denied::ByRules(decision) => format!("denied by {}", stopping(&decision)),
        Denied::Refused(refusal) => told::<()>(Err(refusal)),
    }
}

/// A change of commits by ada, proposed by her, with others named by the commits.
fn of_commits(world: &mut World, identities: &[crate::kit::Identity]) -> ChangeId {
    world.propose_git("ada", &facts(9, identities))
}

/// A file on `search/production` by ada, which linus has approved.
fn approved() -> (World, ChangeId) {
    let mut world = World::new();
    let change = world.propose("ada", "search/production");
    world.approve("linus", &change).unwrap();
    (world, change)
}

/// Extracted by ada for `search/production`, which linus has approved and `shop-gate` guards.
fn approved_commits() -> (World, ChangeId, Extracted) {
    let mut world = World::new();
    world.register_gate();
    let commits = facts(9, &[author("ada@example.com")]);
    let change = world.propose_git("ada", &commits);
    world.approve("linus", &change).unwrap();
    (world, change, commits)
}
