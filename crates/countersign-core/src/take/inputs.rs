//! Which streams a decision about a change depends on.

use std::collections::BTreeSet;

use countersign_ledger::StreamId;

use super::standard::approvers;
use crate::{
    change::{Change, Revision},
    governance::Governance,
    ids::GateId,
    refusal::Refusal,
    statement::{change_stream, gate_stream, governance_stream, person_stream, target_stream},
    subject::Subject,
};

impl Change {
    /// The streams that a decision about the change depends on, asked by this gate: governance, the change, its targets,
    /// the people whose approval or waiver may count, those whose roles they have by delegation, those who approved the template of
    /// a standard change that it may be, those whose key signed its commits and the workloads whose evidence may (a revocation of
    /// that stands in their own stream), and the gate. A function of the change and of what governs, so that a gate and a verifier work out for themselves what must not be missing.
    pub fn inputs(&self, governance: &Governance, gate: Option<&GateId>) -> Result<BTreeSet<StreamId>, Refusal> {
        let mut streams = BTreeSet::from([governance_stream()?, change_stream(&self.id)?]);
        for target in &self.targets {
            streams.insert(target_stream(target)?);
        }
        let current = self.current_ref();
        let approved = self.approvals.iter().filter(|a| Some(a.revision) == current || self.may_carry(a));
        // Whose role somebody has by delegation, that ends with their key.
        let approved = approved.flat_map(|approval| approval.delegated.values().chain([&approval.by]));
        let waived = self.waivers.iter().filter(|w| Some(w.revision) == current).map(|waiver| &waiver.by);
        // Also whose token is not there: what a decision was taken from does not change with it.
        let attested = self.evidence.iter().filter(|evidence| Some(evidence.revision) == current);
        let attested = attested.map(|evidence| &evidence.by);
        let signed = self.current().into_iter().flat_map(|revision| revision.signers.values());
        let labelled =
            self.labels.iter().filter(|record| self.is_of_the_same(&record.revision)).map(|record| &record.by);
        for person in
            approved.chain(waived).chain(attested).chain(signed).chain(labelled).chain(approvers(governance, self))
        {
            streams.insert(person_stream(person)?);
        }
        // Who submitted what governs stands behind it as those do who approve.
        if let Some(Revision { subject: Subject::Governance(_), by, .. }) = self.current() {
            streams.insert(person_stream(by)?);
        }
        // One signature may be enough for what rolls back: whose it is.
        if let (Some(_), Some(revision)) = (&self.purpose.restores, self.current()) {
            streams.insert(person_stream(&revision.by)?);
        }
        if let Some(gate) = gate.filter(|gate| !gate.is_its_runners()) {
            streams.insert(gate_stream(gate.as_str())?);
        }
        Ok(streams)
    }
}
