//! Who may publish what: two people stand behind it, one of the policy group. What loosens asks for more, and for time: that is a
//! check of the decision on its change ([`crate::rules::builtin`]), so that it is told like everything else that is missing.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{Digest, Fingerprint, Time};

use super::{Authenticated, Signed, person};
use crate::{
    catalog::{ActorKind, files::is_profiles},
    change::{Change, Found},
    decision::{Decision, Outcome},
    governance::{GRANTING_SIGNATURES, Governance},
    ids::{ActorId, Target},
    kind::Kind,
    refusal::Refusal,
    rules::decide::decide,
    snapshot::Snapshot,
    standard::{DAY_SECS, MAX_DAYS, Standard},
    state::State,
    statement::{Holder, Publication},
    subject::Subject,
    take::{self, unknown_in},
};

/// Compare and swap. Whether the files hold, folding says, which parses them.
pub fn replaces_what_is_in_force(state: &State, parent: &Digest) -> Result<(), Refusal> {
    let in_force = state.governance.record.in_force;
    if *parent == in_force {
        return Ok(());
    }
    Err(Refusal::conflict(
        "publication-overtaken",
        format!("the publication replaces {parent}, but {in_force} is in force: somebody else published in between"),
    )
    .hint("make it again on what is in force now: countersign amend HOME, with --revise ID where it is a change"))
}

/// Whether this is the one target of what governs.
pub(super) fn governs(targets: &BTreeSet<Target>) -> bool {
    targets.len() == 1 && targets.iter().all(Target::is_governance)
}

/// A change of what governs is proposed by a person, as what it is, for the one target that nothing else has.
pub(super) fn fits_its_targets(
    authenticated: &Authenticated<'_>,
    kind: Kind,
    targets: &BTreeSet<Target>,
    found: &Found,
) -> Result<(), Refusal> {
    match (&found.subject, governs(targets)) {
        (Some(Subject::Governance(_)), true) => {
            person(authenticated, "propose what governs")?;
            match kind {
                Kind::Rules => Ok(()),
                Kind::Code | Kind::Config | Kind::Infrastructure | Kind::Schema | Kind::Flag | Kind::Agent => {
                    Err(Refusal::malformed("governance-kind", "a change of governance files is of the kind `rules`"))
                }
            }
        }
        (Some(Subject::Governance(_)), false) => Err(Refusal::malformed(
            "governance-target",
            format!("a change of governance files has the target {} alone", Target::governance()),
        )),
        (Some(Subject::Git(_) | Subject::Files(_)) | None, true) => Err(Refusal::malformed(
            "governance-target",
            format!("only governance files have the target {}", Target::governance()),
        )
        .hint("propose them by: countersign amend HOME --why TEXT")),
        (Some(Subject::Git(_) | Subject::Files(_)) | None, false) => Ok(()),
    }
}

/// A publication of a change: any person puts in force what the change says, where the rules in force allow it now. The decision
/// is worked out here, by whoever replays it too, so that nobody's word is taken for it.
pub(super) fn of_change(
    state: &State,
    change: &Change,
    authenticated: &Authenticated<'_>,
    publication: &Publication,
    now: Time,
) -> Result<(), Refusal> {
    person(authenticated, "publish rules or catalog")?;
    let short = change.id.short();
    let Some(revision) = change.current() else {
        return Err(Refusal::conflict("change-damaged", format!("change {} has no revision", change.id)));
    };
    let Subject::Governance(subject) = &revision.subject else {
        return Err(Refusal::forbidden(
            "another-kind-of-subject",
            format!("change {short} is about {}, which is not published", revision.subject.summary()),
        ));
    };
    let Publication { change: _, files, parent, reason, semantics } = publication;
    if (files, parent, semantics) != (&subject.files, &subject.parent, &subject.semantics) || *reason != revision.text {
        return Err(Refusal::conflict(
            "another-subject",
            format!(
                "the publication says something else than revision {} of change {short}",
                revision.reference.number
            ),
        ));
    }
    replaces_what_is_in_force(state, parent)?;
    let decision = decide(&state.governance.rules, &Snapshot::take(state, change, now)?, now);
    match decision.outcome {
        Outcome::Allow => Ok(()),
        Outcome::Deny => {
            let stopping = decision.rules.iter().filter(|rule| Decision::stops(rule));
            let stopping: Vec<&str> = stopping.map(|rule| rule.id.as_str()).collect();
            Err(Refusal::forbidden(
                "not-allowed",
                format!("the rules in force do not allow change {short}: {}", stopping.join(", ")),
            )
            .hint(format!("what is missing, and who can supply it: countersign show {short}")))
        }
    }
}

/// Who stands behind a publication: of a change, whoever submitted what is published and those whose approvals count; else
/// those who signed it. Each with the keys that they did it with.
fn behind(state: &State, signed: &Signed, now: Time) -> Result<Behind, Refusal> {
    let governance = &*state.governance;
    let Some((id, _)) = signed.statement().body.about() else {
        let mut behind = Behind::new();
        for key in signed.keys() {
            let actor = governance.catalog.actor_by_key(&key).filter(|actor| actor.kind == ActorKind::Person);
            if let Some(actor) = actor {
                behind.entry(actor.id.clone()).or_default().insert(key);
            }
        }
        return Ok(behind);
    };
    let behind: Behind = match state.change(id)? {
        Some(change) => {
            let snapshot = Snapshot::take(state, change, now)?;
            let stand = take::behind(state, change, &snapshot.approvals, now)?;
            stand.into_iter().map(|(id, stands)| (id, stands.keys)).collect()
        }
        None => Behind::new(),
    };
    if behind.len() < GRANTING_SIGNATURES {
        return Err(Refusal::forbidden(
            "two-people",
            format!(
                "what grants authority needs {GRANTING_SIGNATURES} people with a key that holds, this has {}",
                behind.len()
            ),
        )
        .hint("a member of the policy group who had no hand in it approves it, and its author's key holds"));
    }
    Ok(behind)
}

/// Those who stand behind something, with the keys that they did it with.
type Behind = BTreeMap<ActorId, BTreeSet<Fingerprint>>;

/// Who put something in force.
#[derive(Debug)]
pub(crate) struct Publishers {
    pub behind: Behind,
    /// They, and whoever proposed it or submitted any revision: whom it enrols they could be.
    pub hands: BTreeSet<ActorId>,
}

/// Checks who stands behind a publication against what it makes of governance.
/// Gives who they are.
pub(crate) fn may_publish(
    state: &State,
    signed: &Signed,
    published: &Governance,
    now: Time,
) -> Result<Publishers, Refusal> {
    let governance = &*state.governance;
    let signers = behind(state, signed, now)?;
    for signer in signers.keys() {
        let record = state.person(signer)?;
        let mut suspends = record.into_iter().flat_map(|record| record.suspends(now));
        let other = suspends.find_map(|took| match &took.of {
            Holder::Person(other) => Some(other),
            Holder::Gate(_) => None,
        });
        if let Some(other) = other {
            return Err(Refusal::forbidden(
                "suspends-another",
                format!(
                    "{signer} has revoked a key of {other}, which nobody has confirmed, and grants nothing meanwhile"
                ),
            )
            .hint("have a second person confirm it (countersign revoke KEY --confirm), or let others sign"));
        }
    }
    let policy = governance.policy_group();
    let of_policy = signers.keys().any(|signer| policy.contains(signer));
    let names = || policy.iter().take(5).map(|person| person.as_str()).collect::<Vec<_>>().join(", ");
    if !of_policy {
        return Err(Refusal::forbidden("policy-group", "nobody of the policy group has signed this")
            .hint(format!("one of those who sign has to be of it: {}", names())));
    }
    standards_hold(governance, published, now)?;
    if signed.statement().body.about().is_none() {
        takes_only_names(governance, published)?;
    }
    let mut hands: BTreeSet<ActorId> = signers.keys().cloned().collect();
    if let Some((id, _)) = signed.statement().body.about()
        && let Some(change) = state.change(id)?
    {
        hands.insert(change.proposer.clone());
        hands.extend(change.revisions.iter().map(|revision| revision.by.clone()));
        // Whose approval does not count, or counts no more, stands behind nothing; they said it all the same.
        hands.extend(change.approvals.iter().map(|approval| approval.by.clone()));
    }
    Ok(Publishers { behind: signers, hands })
}

/// A template of standard changes that is new, or another, names what there is and ends within [`MAX_DAYS`].
pub fn standards_hold(before: &Governance, after: &Governance, now: Time) -> Result<(), Refusal> {
    let is_new =
        |standard: &&Standard| before.standards.get(&standard.name).is_none_or(|was| was.text != standard.text);
    for standard in after.standards.values().filter(is_new) {
        let Standard { name, until, .. } = standard;
        if let Some(unknown) = unknown_in(standard, after) {
            return Err(Refusal::malformed(
                "standard-invalid",
                format!("standard change `{name}` names {unknown}, which the catalog does not know"),
            )
            .hint(format!("mend standard/{name}.yaml, or add it to the catalog in the same amendment")));
        }
        if *until <= now || *until > now.plus_secs((MAX_DAYS + 1) * DAY_SECS) {
            return Err(Refusal::malformed(
                "standard-until",
                format!("standard change `{name}` would end with {}", standard.last_day()),
            )
            .hint(format!("`until` is a day to come, at most {MAX_DAYS} days from when it is put in force; then two people approve it again")));
        }
    }
    Ok(())
}

/// Two signatures on one envelope are enough to take names and mails away, or to raise the semantics; everything else is a
/// change, which everybody could look at and stop.
fn takes_only_names(before: &Governance, after: &Governance) -> Result<(), Refusal> {
    let (old, new) = (&before.record.files, &after.record.files);
    let differs = |path: &&String| old.get(*path) != new.get(*path);
    let is_other = |path: &&String| differs(path) && !is_profiles(path);
    match old.keys().chain(new.keys()).find(is_other) {
        None => Ok(()),
        Some(path) => Err(Refusal::forbidden(
            "needs-a-change",
            format!("`{path}` is put in force by a change that others could look at, and not by two signatures alone"),
        )
        .hint("propose it: countersign amend HOME --why TEXT")),
    }
}
