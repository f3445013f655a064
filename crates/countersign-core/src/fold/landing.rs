//! What landed, as its targets remember it: what would take it back, what was rolled back, how often a template was used.
//!
//! ```text
//!  a push      permitted ── applied            nothing has moved before
//!  a command   permitted ── started ── ended   from its start on it may have done anything: it is remembered then, and whoever
//!                                              looks at it afterwards is asked then, however it ends
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use countersign_ledger::{Fingerprint, Time};

use crate::{
    admit::Signed,
    change::{Admitted, Change, PermitRecord},
    drill::Drilled,
    glass::Alone,
    ids::{ActorId, GateId, Target},
    kind::Kind,
    landed::{BrokenGlass, Effect, LandedAlone, Landing, RolledBack, all_of},
    outage,
    refusal::Refusal,
    rollback::{self, Rollback},
    standard::{DAY_SECS, StandardUse},
    state::State,
    statement::{Body, BreakGlass, OutcomeReport, OutcomeResult, RevisionRef, gate_stream, target_stream},
    subject::Subject,
    take::is_of_sort,
};

impl State {
    /// What a target remembers of what came of a permit.
    pub(super) fn take_landing(&mut self, admitted: &Admitted<'_>) -> Result<(), Refusal> {
        let Body::OutcomeReport(report) = &admitted.statement.body else { return Ok(()) };
        let Some(change) = self.change(&report.change)?.cloned() else { return Ok(()) };
        let permit = change.permits.iter().find(|permit| permit.statement == report.permit);
        let (Some(permit), Some(revision)) = (permit, change.revision(&report.revision)) else { return Ok(()) };
        let begun = permit.is_running();
        match (report.result, begun || permit.is_from_an_outage(), &revision.subject) {
            (OutcomeResult::Applied, _, _)
            | (OutcomeResult::Started, _, Subject::Files(_))
            | (OutcomeResult::Failed, true, Subject::Files(_)) => {}
            // A push that failed has moved nothing.
            (OutcomeResult::Started | OutcomeResult::Failed, _, Subject::Git(_) | Subject::Governance(_))
            | (OutcomeResult::Failed, false, Subject::Files(_)) => return Ok(()),
        }
        let Some(effect) = Effect::of(&revision.subject, revision.inverse.as_ref()) else { return Ok(()) };
        let landing = Landing {
            change: &change.id,
            gate: &permit.gate,
            effect,
            targets: all_of(&change.targets),
            at: admitted.at,
            no_way_back: change.purpose.no_way_back || change.purpose.security || change.kind == Kind::Schema,
            applied: report.result == OutcomeResult::Applied,
            begun,
            over_rejection: change.standing_rejections().next().is_some() || !self.held_by(&change)?.is_empty(),
            watched_until: self.watched_until(&permit.gate, &change, admitted.at)?,
        };
        let undoes =
            !begun && report.targets.iter().all(|target| self.target_mut(target).history.is_undone_by(&landing));
        for target in &report.targets {
            self.target_mut(target).history.land(&landing, undoes);
        }
        if report.result == OutcomeResult::Applied {
            self.complete(&change, revision, &report.targets);
        }
        // How it ended makes no second one of it.
        if begun {
            return Ok(());
        }
        if let Some(Alone { over, unmet, .. }) = &permit.alone {
            for target in &report.targets {
                let (change, gate) = (change.id.clone(), permit.gate.clone());
                let (unmet, unreviewed) = (unmet.clone(), *over);
                let alone = LandedAlone { at: admitted.at, change, gate, unmet, unreviewed };
                self.target_mut(target).history.land_alone(alone);
            }
        }
        if undoes {
            self.remember_rollback(admitted, report, &change, permit);
        }
        Ok(())
    }

    /// What the log knows of a gate that decided alone.
    pub(super) fn decided_alone(&self, admitted: &Admitted<'_>) -> Result<Option<Alone>, Refusal> {
        let Body::LocalPermit(said) = &admitted.statement.body else { return Ok(None) };
        self.change(&said.change)?.map(|change| outage::heard_of(self, change, said, admitted.at)).transpose()
    }

    /// That it was one person's, so that another signs the next; and whether somebody else looks at it afterwards. Who approved it
    /// makes no difference, where the rules ask for others or for more.
    fn remember_rollback(
        &mut self,
        admitted: &Admitted<'_>,
        report: &OutcomeReport,
        change: &Change,
        permit: &PermitRecord,
    ) {
        let (Some(restores), Some(revision)) = (&change.purpose.restores, change.revision(&report.revision)) else {
            return;
        };
        // It was rejected since by somebody, over whom it has gone.
        let over = permit.rollback && change.standing_rejections().next().is_some();
        if !permit.is_of_one() && !over {
            return;
        }
        let governance = Arc::clone(&self.governance);
        let unreviewed = report.targets.iter().any(|target| governance.catalog.is_production(target));
        for target in &report.targets {
            self.target_mut(target).history.roll_back(RolledBack {
                at: admitted.at,
                by: revision.by.clone(),
                change: change.id.clone(),
                restores: restores.clone(),
                unreviewed,
            });
        }
    }

    fn watched_until(&self, gate: &GateId, change: &Change, at: Time) -> Result<Option<Time>, Refusal> {
        // What runs a command always enforces; of another gate a part of a log may know nothing.
        if gate.is_its_runners() || !self.knows(&gate_stream(gate.as_str())?) {
            return Ok(None);
        }
        Ok(self.gate(gate)?.and_then(|gate| gate.has_watched(&change.targets, at)))
    }

    /// What the log knows besides of a request or a decision: until when its gate had only watched, and whether it is of a rollback.
    pub(super) fn known_besides(&self, admitted: &Admitted<'_>) -> Result<(Option<Time>, bool), Refusal> {
        let change = admitted.statement.body.about().map(|(id, _)| self.change(id)).transpose()?.flatten();
        let Some(change) = change else { return Ok((None, false)) };
        Ok(match &admitted.statement.body {
            Body::PermitRequest(request) => (self.watched_until(&request.gate, change, admitted.at)?, false),
            Body::Decided(_) => match rollback::rollback(self, change, admitted.at)? {
                // In a part of a log nobody but a follower vouches for the streams that would tell.
                Rollback::Is(_) | Rollback::Unknown => (None, true),
                Rollback::NotSaid | Rollback::IsNot(_) => (None, false),
            },
            _ => (None, false),
        })
    }

    /// What has started or landed is counted once for each template of standard changes that is about it, in the streams of its targets,
    /// unless it failed.
    pub(super) fn count_standard(&mut self, admitted: &Admitted<'_>) -> Result<(), Refusal> {
        let Body::OutcomeReport(OutcomeReport { result, change: id, targets, revision, .. }) = &admitted.statement.body
        else {
            return Ok(());
        };
        if self.governance.standards.is_empty() {
            return Ok(());
        }
        match result {
            OutcomeResult::Started | OutcomeResult::Applied => {}
            OutcomeResult::Failed => {
                for target in targets {
                    self.target_mut(target).standard.retain(|used| used.change != *id);
                }
                return Ok(());
            }
        }
        let Some(change) = self.change(id)?.cloned() else { return Ok(()) };
        self.count_use(&change, revision, targets, admitted.at);
        Ok(())
    }

    /// That a change lands though the log does not tell yet how it ended: for who decides about the next one before it does. The targets
    /// of others are left alone.
    pub fn foresee_landing(&mut self, landing: &Change, besides: &Change, now: Time) {
        let Some(revision) = landing.current_ref() else { return };
        let shared = landing.targets.intersection(&besides.targets).cloned().collect();
        self.count_use(landing, &revision, &shared, now);
    }

    fn count_use(&mut self, change: &Change, revision: &RevisionRef, targets: &BTreeSet<Target>, at: Time) {
        let governance = Arc::clone(&self.governance);
        let about =
            governance.standards.values().filter(|standard| is_of_sort(standard, &governance, change, revision));
        let names: Vec<String> = about.map(|standard| standard.name.clone()).collect();
        let since = at.plus_secs(-DAY_SECS);
        for target in targets.iter().filter(|_| !names.is_empty()) {
            let landed = &mut self.target_mut(target).standard;
            landed.retain(|landed| landed.at > since && landed.change != change.id);
            let used = |standard: &String| StandardUse { at, change: change.id.clone(), standard: standard.clone() };
            landed.extend(names.iter().map(used));
        }
    }

    /// Everybody who signed what breaks the glass, or a drill of that, each with their key.
    pub(super) fn know_who_broke(&mut self, signed: &Signed, at: Time) -> Result<(), Refusal> {
        let governance = Arc::clone(&self.governance);
        let whose = |key: Fingerprint| Some((governance.catalog.actor_by_key(&key)?.id.clone(), key));
        let who: BTreeMap<ActorId, Fingerprint> = signed.keys().filter_map(whose).collect();
        match &signed.statement().body {
            Body::BreakGlass(said) => {
                let unnamed = self.unnamed_in(said)?;
                // Somebody looks at it from here on: a gate may land it and then say nothing.
                let broken = BrokenGlass {
                    at,
                    by: who.keys().cloned().collect(),
                    change: said.change.clone(),
                    glass: signed.payload(),
                    over: said.overrides.union(&unnamed).cloned().collect(),
                    unreviewed: true,
                };
                for target in self.known_of(&said.targets) {
                    self.target_mut(target).history.break_glass(broken.clone());
                }
                if let Some(change) = self.change_mut(&said.change) {
                    change.broken_by(who, unnamed);
                }
            }
            Body::Drill(said) => {
                for target in self.known_of(&said.targets) {
                    let by = who.keys().cloned().collect();
                    let drilled = Drilled { at, by, gate: said.gate.clone(), found: false };
                    self.target_mut(target).drilled = Some(drilled);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Of a part of a log that has not a target's stream nothing is kept of that.
    fn known_of<'a>(&self, targets: &'a BTreeSet<Target>) -> Vec<&'a Target> {
        let known = |target: &&Target| target_stream(target).is_ok_and(|stream| self.knows(&stream));
        targets.iter().filter(known).collect()
    }

    /// Whose rejections stood that it does not name: what came after its time it has not gone over.
    fn unnamed_in(&self, said: &BreakGlass) -> Result<BTreeSet<ActorId>, Refusal> {
        let Some(change) = self.change(&said.change)? else { return Ok(BTreeSet::new()) };
        let by = self.rejected_by(change, said.expires_at)?;
        Ok(by.into_iter().filter(|by| !said.overrides.contains(*by)).cloned().collect())
    }

    /// That somebody was told that the next drill is overdue.
    pub(super) fn know_overdue(&mut self, target: &Target) {
        if let Some(drilled) = &mut self.target_mut(target).drilled {
            drilled.found = true;
        }
    }
}
