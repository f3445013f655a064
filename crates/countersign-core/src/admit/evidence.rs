//! Admission of evidence: a workload's word on a revision that it had no hand in, of a kind that the catalog lets it attest.

use super::Authenticated;
use crate::{
    catalog::ActorKind,
    change::Change,
    evidence::{EvidenceResult, is_workflow},
    governance::{Governance, Signer},
    refusal::Refusal,
    statement::Evidence,
    take,
};

/// How often one workload attests about one change, and all of them: each is a leaf. What takes a pass back is always taken.
pub const MAX_EVIDENCE: usize = 100;
const MAX_ALL_EVIDENCE: usize = 500;

pub(super) fn admit(
    governance: &Governance,
    change: &Change,
    authenticated: &Authenticated<'_>,
    said: &Evidence,
) -> Result<(), Refusal> {
    let short = change.id.short();
    let by = match authenticated.signer() {
        Signer::Actor { kind: ActorKind::Workload, id } => id,
        Signer::Actor { kind: kind @ (ActorKind::Person | ActorKind::Agent), id } => {
            return Err(Refusal::forbidden(
                "only-workloads",
                format!("{id} is {}; only a workload attests what was run", kind.with_article()),
            )
            .hint("attest with the key of what ran it; a person approves: countersign review"));
        }
        Signer::Gate(_) | Signer::Server => {
            return Err(Refusal::forbidden("only-workloads", "a gate or the server attests nothing of a change"));
        }
    };
    let attests = governance.catalog.actors.get(by).map(|actor| &actor.attests);
    if !attests.is_some_and(|attests| attests.kinds.contains(&said.kind)) {
        return Err(Refusal::forbidden(
            "not-attested-by",
            format!("the catalog does not let {by} attest {}", said.kind),
        )
        .hint(format!(
            "two people let it: annotate its User with `countersign/attests: {}` and publish that (countersign amend)",
            said.kind
        )));
    }
    let at_token = authenticated.signed_with().token.as_ref();
    let of_tokens = at_token.and_then(|token| governance.issuers.scope(&token.issuer, by));
    let scopes = || attests.map(|attests| &attests.only_for).into_iter().chain(of_tokens);
    if !change.targets.iter().any(|target| scopes().all(|scope| scope.covers(target))) {
        let only: Vec<String> =
            scopes().filter(|scope| !scope.is_everywhere()).map(|scope| format!("`{scope}`")).collect();
        let only = only.join(" and for ");
        return Err(Refusal::forbidden(
            "attests-for-others",
            format!("what {by} attests counts only for {only}, and change {short} goes to none of these"),
        )
        .hint("let what tests this target attest; or two people say otherwise: `countersign/attests-for`, or `attests-for` of the issuer"));
    }
    if take::contributors(governance, change).all.contains(by) {
        return Err(Refusal::forbidden(
            "contributor",
            format!("{by} had a hand in change {short}, and attests nothing of it"),
        )
        .hint("another workload than the one that proposes or commits runs what is attested"));
    }
    let subject = change.current().map(|revision| revision.subject.reference()).transpose()?;
    if subject.as_ref() != Some(&said.subject) {
        return Err(Refusal::conflict("another-subject", "the evidence is of another subject than the revision's"));
    }
    if said.workflow.as_ref().is_some_and(|path| !is_workflow(path)) {
        return Err(Refusal::malformed("workflow-path", "a workflow is named by its path in the repository")
            .hint("for example --workflow .github/workflows/ci.yml"));
    }
    let newest = change.evidence.iter().rev().find(|record| record.by == *by && record.kind == said.kind);
    let takes_back =
        said.result == EvidenceResult::Failed && newest.is_some_and(|n| n.result != EvidenceResult::Failed);
    let theirs = change.evidence.iter().filter(|record| record.by == *by).count();
    if !takes_back && (theirs >= MAX_EVIDENCE || change.evidence.len() >= MAX_ALL_EVIDENCE) {
        return Err(Refusal::conflict(
            "too-much-evidence",
            format!("{by} has attested {theirs} times about change {short}, all together {}", change.evidence.len()),
        )
        .hint("attest what came of a run once, when it is over; propose the change anew to go on"));
    }
    Ok(())
}
