//! Admission of what leads to production: requests for permits, decisions, permits, outcomes.

use std::collections::BTreeSet;

use countersign_ledger::{Fingerprint, Time};

use super::{Authenticated, change::its_targets, registrar, schedule};
use crate::{
    catalog::ActorKind,
    change::{Change, Found, PermitRecord, RequestRecord, TakenBack},
    decision::Outcome,
    freeze,
    governance::Signer,
    ids::{ActorId, GateId, Target},
    permit::{self, MAX_PERMIT_SECS},
    refusal::Refusal,
    state::State,
    statement::{Decided, OutcomeReport, OutcomeResult, PermitGrant, PermitRequest, change_stream},
    subject::{Subject, Transition},
    take,
};

/// Of those who could do something instead, so many are named.
const NAMED: usize = 5;

pub(super) fn request(
    state: &State,
    change: &Change,
    authenticated: &Authenticated<'_>,
    request: &PermitRequest,
    found: &Found,
    now: Time,
) -> Result<(), Refusal> {
    let audience = audience(state, change, authenticated, &request.gate, now)?;
    applier(state, authenticated, request)?;
    asks_for_it(state, change, authenticated, now)?;
    if request.audience != audience {
        return Err(Refusal::forbidden(
            "another-audience",
            format!("gate {} has key {audience}, not {}", request.gate, request.audience),
        ));
    }
    not_running(change)?;
    not_landing_elsewhere(change, &request.gate)?;
    match &found.transition {
        // Who runs a command says how it ended. How a push ended is said by a gate that somebody registered for it.
        Some(Transition::Git(_)) if request.gate.is_its_runners() => Err(Refusal::forbidden(
            "another-gate",
            format!(
                "gate {} runs commands; change {} is about commits, which a gate of their repository lands",
                request.gate, change.id
            ),
        )
        .hint("push it: the repository's gate asks for its permit")),
        Some(transition) => change.fits(transition),
        None => Err(Refusal::unknown("blob-missing", "the transition is missing")),
    }
}

/// Who pushes, their gate says and nobody else; who runs a command is who asks.
fn applier(state: &State, authenticated: &Authenticated<'_>, request: &PermitRequest) -> Result<(), Refusal> {
    match (authenticated.signer(), &request.applier) {
        (_, None) => Ok(()),
        (Signer::Gate(_), Some(applier)) if state.governance.catalog.actors.contains_key(applier) => Ok(()),
        (Signer::Gate(_), Some(applier)) => {
            Err(Refusal::unknown("unknown-person", format!("the catalog has no `{applier}`")))
        }
        (Signer::Actor { .. } | Signer::Server, Some(_)) => {
            Err(Refusal::forbidden("applier", "only a gate says who pushes; whoever asks for themselves names nobody"))
        }
    }
}

/// A permit keeps a change from being landed elsewhere, and whoever runs a command chooses when it runs: a stranger to a change asks
/// for none. Names may have been erased since, so that of the hands in it only what was signed counts.
fn asks_for_it(state: &State, change: &Change, authenticated: &Authenticated<'_>, now: Time) -> Result<(), Refusal> {
    let Signer::Actor { id, kind: ActorKind::Person | ActorKind::Agent } = authenticated.signer() else {
        return Ok(());
    };
    let governance = &state.governance;
    let answers_for = |target: &Target| {
        governance.owns(id, &target.system)
            || governance.is_on_call(id, &target.system, now)
            || registrar::may_register(governance, id, target)
    };
    if take::signed_hands(governance, change).contains(id) || change.targets.iter().any(answers_for) {
        return Ok(());
    }
    let owners: BTreeSet<&ActorId> =
        change.targets.iter().flat_map(|target| governance.owners(&target.system)).collect();
    let owners: Vec<&str> =
        owners.into_iter().filter(|owner| **owner != change.proposer).map(ActorId::as_str).take(NAMED).collect();
    let or_owners = match owners.is_empty() {
        true => String::new(),
        false => format!(", or who owns it: {}", owners.join(", ")),
    };
    Err(Refusal::forbidden(
        "not-yours",
        format!(
            "{id} had no hand in change {}, and neither owns what it goes to nor is on call for it, a senior or of the policy group",
            change.id
        ),
    )
    .hint(format!("let {} put it in, who proposed it{or_owners}", change.proposer)))
}

/// The key that a permit is for. Who runs `apply` is the gate; a registered gate asks for itself, or somebody asks for it and
/// hands the permit on.
pub(super) fn audience(
    state: &State,
    change: &Change,
    authenticated: &Authenticated<'_>,
    gate: &GateId,
    now: Time,
) -> Result<Fingerprint, Refusal> {
    match authenticated.signer() {
        Signer::Actor { .. } if gate.is_its_runners() => Ok(authenticated.signed_with().key.clone()),
        Signer::Actor { .. } => guarding(state, change, gate, now),
        Signer::Gate(asks) if asks == gate => guarding(state, change, gate, now),
        Signer::Gate(id) => Err(not_that_gate(id.as_str(), gate)),
        Signer::Server => Err(not_that_gate("the server", gate)),
    }
}

/// A permit of a registered gate is issued as started. Until that gate says how it ended, the same revision is not landed at
/// another one.
pub(super) fn not_landing_elsewhere(change: &Change, gate: &GateId) -> Result<(), Refusal> {
    let current = change.current_ref();
    let elsewhere = change.permits.iter().find(|permit| {
        permit.outcome.is_none()
            && !permit.gate.is_its_runners()
            && permit.gate != *gate
            && Some(permit.revision) == current
    });
    let Some(permit) = elsewhere else { return Ok(()) };
    Err(Refusal::conflict(
        "already-applying",
        format!("gate {} has a permit for change {}, and has not said how it ended", permit.gate, change.id),
    )
    .hint(
        "a change lands once; wait until that gate has said what became of it. Where it is gone for good, a new revision can be \
         approved and landed",
    ))
}

/// What is being put into production is not put there a second time at once, on another machine or by somebody else.
pub(super) fn not_running(change: &Change) -> Result<(), Refusal> {
    let Some(permit) = change.running() else { return Ok(()) };
    let since = permit.reported_at.map(|at| format!(" at {at}")).unwrap_or_default();
    let short = change.id.short();
    Err(Refusal::conflict(
        "already-applying",
        format!(
            "change {} is being applied: gate {} with key {} started it{since}, and has not said how it ended",
            change.id, permit.gate, permit.audience
        ),
    )
    .hint(format!(
        "wait until it ends. Where it was cut off, whoever ran it says so: countersign apply --resume {short}; where they \
         cannot, a new revision can be approved and applied"
    )))
}

/// The key of a registered gate that guards all targets of the change, in its repository, and was not revoked.
fn guarding(state: &State, change: &Change, gate: &GateId, now: Time) -> Result<Fingerprint, Refusal> {
    let record = state.gate(gate)?.ok_or_else(|| {
        Refusal::unknown("unknown-gate", format!("there is no gate `{gate}`"))
            .hint("register it: countersign gate install REPO …")
    })?;
    if let Some(target) = change.targets.iter().find(|target| !record.targets.contains(target)) {
        return Err(Refusal::forbidden("another-gate", format!("gate {gate} does not guard {target}")).hint(
            "propose for each gate what goes through it; where it does reach that, its gate.yaml says so, and install it again",
        ));
    }
    if let Some(Subject::Git(git)) = change.current().map(|revision| &revision.subject)
        && git.repository != record.repository
    {
        return Err(Refusal::forbidden(
            "another-repository",
            format!(
                "change {} is for repository {}, and gate {gate} guards {}",
                change.id, git.repository, record.repository
            ),
        ));
    }
    record.key(now).ok_or_else(|| Refusal::forbidden("key-revoked", format!("the key of gate {gate} was revoked")))
}

fn not_that_gate(who: &str, gate: &GateId) -> Refusal {
    Refusal::forbidden("another-gate", format!("{who} is not gate {gate}"))
}

/// A server could otherwise say that it decided before a review ran out or a freeze began, or from streams of which it
/// leaves the end out.
pub(super) fn decided(state: &State, change: &Change, decided: &Decided, now: Time) -> Result<(), Refusal> {
    if decided.decided_at != now {
        return Err(Refusal::malformed("decision-time", "the decision says another time than it was admitted at"));
    }
    let epoch = state.governance.record.header_epoch();
    let answered = |request: &&RequestRecord| request.statement == decided.request && request.epoch == epoch;
    let request = change.requested.as_ref().filter(answered);
    let Some(request) = request else {
        return Err(Refusal::malformed("not-asked", "the decision answers no request, or another than the last one"));
    };
    let inputs = change.inputs(&state.governance, Some(&request.gate))?;
    if !decided.heads.keys().eq(&inputs) || !state.heads_agree(&decided.heads)? {
        return Err(Refusal::malformed(
            "other-heads",
            "the decision names other heads of its streams than stood there",
        ));
    }
    if decided.semantics != state.governance.record.semantics.number() {
        return Err(Refusal::malformed(
            "other-semantics",
            format!(
                "the decision was taken by semantics {}, in force are {}",
                decided.semantics,
                state.governance.record.semantics.number()
            ),
        ));
    }
    Ok(())
}

pub(super) fn grant(state: &State, change: &Change, grant: &PermitGrant, now: Time) -> Result<(), Refusal> {
    let decision = change.decisions.last().filter(|decision| {
        decision.decision == grant.decision && decision.revision == grant.revision && decision.outcome == Outcome::Allow
    });
    let Some(decision) = decision else {
        return Err(Refusal::forbidden("not-decided", "the permit names no decision that allows this revision"));
    };
    let request = &decision.request;
    if grant.gate != request.gate || grant.audience != request.audience || grant.transition != request.transition {
        return Err(Refusal::forbidden("not-asked", "the permit is for something else than was asked for"));
    }
    // Nothing was said in between: a rejection, a revocation or other rules would not have been looked at. The decision
    // itself is the one leaf that its own stream has more.
    let own = change_stream(&change.id)?;
    let mut heads = decision.heads.clone();
    let inputs = change.inputs(&state.governance, Some(&request.gate))?;
    let decided_from = heads.remove(&own);
    let own_head = state.head(&own)?;
    let next = decided_from.is_some_and(|head| head.next_seq.saturating_add(1) == own_head.next_seq);
    if !next || !decision.heads.keys().eq(&inputs) || !state.heads_agree(&heads)? {
        return Err(Refusal::conflict("decision-overtaken", "the permit stands on a decision that was overtaken"));
    }
    let lease = grant.expires_at.secs_since(grant.issued_at);
    if grant.issued_at > now || lease <= 0 || lease > MAX_PERMIT_SECS || grant.targets != change.targets {
        return Err(Refusal::malformed("permit-shape", "the permit's times or targets are not as they should be"));
    }
    Ok(())
}

pub(super) fn outcome(
    state: &State,
    change: &Change,
    authenticated: &Authenticated<'_>,
    report: &OutcomeReport,
    now: Time,
) -> Result<(), Refusal> {
    its_targets(change, &report.targets)?;
    let Some(permit) = change.permits.iter().find(|permit| permit.statement == report.permit) else {
        return Err(Refusal::unknown(
            "unknown-permit",
            format!("change {} has no permit {}", change.id, report.permit),
        ));
    };
    // What a gate's key was given before it was lost, says the gate by the one that it has now.
    let its_gate = matches!(authenticated.signer(), Signer::Gate(gate) if *gate == permit.gate);
    let its = its_gate || permit.audience == authenticated.signed_with().key;
    if !its || permit.revision != report.revision {
        return Err(Refusal::forbidden("another-gate", "the outcome is for another gate's permit or another revision"));
    }
    match (permit.outcome, report.result) {
        // It is asked before anything runs: one permit starts once, one change is started by one permit at a time, and only
        // as it stands.
        (None, OutcomeResult::Started) => may_start(state, change, permit, now),
        // Who runs a command could say so of what they never ran, long after it was withdrawn or rejected. Where the log was cut,
        // it may have lost that it was started.
        (None, OutcomeResult::Applied)
            if permit.gate.is_its_runners()
                && !permit.is_from_an_outage()
                && permit.epoch == state.governance.record.header_epoch() =>
        {
            may_start(state, change, permit, now)
        }
        (None, OutcomeResult::Applied | OutcomeResult::Failed)
        | (Some(OutcomeResult::Started), OutcomeResult::Applied | OutcomeResult::Failed) => Ok(()),
        (Some(known), said) => Err(Refusal::conflict(
            "already-reported",
            format!("the permit's outcome is already {known}; it cannot become {said}"),
        )),
    }
}

/// Whether a permit may be started now.
fn may_start(state: &State, change: &Change, permit: &PermitRecord, now: Time) -> Result<(), Refusal> {
    permit::of_epoch(permit, state.governance.record.header_epoch())?;
    not_running(change)?;
    if !change.status.is_open() {
        return Err(Refusal::conflict(
            "change-closed",
            format!("change {} is {}; nothing of it is started any more", change.id, change.status.as_str()),
        ));
    }
    if change.current_ref() != Some(permit.revision) {
        return Err(Refusal::conflict(
            "stale-revision",
            format!(
                "the permit is for revision {} of change {}, which has a newer one",
                permit.revision.number, change.id
            ),
        )
        .hint("try again, so that a new permit is asked for"));
    }
    let goes_over_it = permit.rollback || permit.broken.is_some();
    if let Some(rejection) = change.standing_rejections().next().filter(|_| !goes_over_it) {
        return Err(Refusal::conflict("rejected", format!("{} has rejected change {}", rejection.by, change.id)));
    }
    if let Some((statement, freeze)) = freeze::stopping(&state.governance, change, permit, now) {
        let (name, by) = (freeze::name_of(statement), &freeze.by);
        return Err(Refusal::conflict(
            "frozen",
            format!(
                "{by} has frozen this until {} (freeze {name}), and change {} may not pass",
                freeze.until, change.id
            ),
        )
        .hint(format!("what may pass, and who lifts it: countersign freezes {name}")));
    }
    if !goes_over_it {
        schedule::stopping(change, now)?;
    }
    let issued = change.permits.iter().position(|known| known.statement == permit.statement).unwrap_or_default();
    // One of an earlier revision may have carried over.
    let taken = |taken: &&TakenBack| taken.revision.number <= permit.revision.number && issued < taken.permits;
    if let Some(taken) = change.taken_back.iter().find(taken) {
        return Err(Refusal::conflict(
            "approval-taken-back",
            format!("{} took their approval of change {} back after the permit was issued", taken.by, change.id),
        )
        .hint("ask for a new permit: it is issued where the rules are met without that approval"));
    }
    permit::still_good(permit, now)
}
