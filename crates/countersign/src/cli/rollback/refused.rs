//! What whoever is refused a rollback is told besides: what does not count of what came before, and what is left to them.

use countersign_core::{
    glass::is_entitled, ids::ChangeId, preview::documents_asked, requirement::Document, state::State,
};

use super::{super::output, Plan};
use crate::clock;

/// How many changes are named that do not count.
const NAMED: usize = 3;

impl Plan<'_> {
    /// What came there before and is nothing to go back to, by name. What cannot be read is left out: it only says more.
    pub(super) fn does_not_count(&self) -> Vec<String> {
        let (target, client) = (&self.args.target, &self.session.log.client);
        let mut lines = Vec::new();
        for failed in self.landed.landed.iter().skip(1).filter(|line| line.failed) {
            lines.push(format!("{} failed there, or nobody has said that it did not", failed.change.short()));
        }
        let name = target.to_string();
        let applied = client.changes(&[("target", &name), ("state", "applied")]).map(|page| page.changes);
        let stands = |id: &ChangeId| self.landed.landed.iter().any(|line| line.change == *id);
        let mut gone = Vec::new();
        for line in applied.unwrap_or_default().into_iter().filter(|line| !stands(&line.id)).take(NAMED) {
            let short = line.id.short().to_owned();
            match self.landed.rolled_back.iter().find(|rolled| rolled.change == line.id) {
                Some(rolled) => lines.push(format!("{short} brought back what {} left", rolled.restores.short())),
                None => gone.push(short),
            }
        }
        if !gone.is_empty() {
            lines.push(format!(
                "{} landed and was taken back since, or what its gate let through was moved past it by no permit",
                output::list(gone)
            ));
        }
        let now = clock::now();
        let gate = self.landed.landed.first().map(|line| &line.gate);
        let state = self.session.log.standing(None, now).ok();
        let of_gate = |state: &State| Some(state.gate(gate?).ok()??.has_watched(&self.undone.change().targets, now));
        if let (Some(Some(until)), Some(gate)) = (state.as_ref().and_then(of_gate), gate) {
            lines.push(format!(
                "gate {gate} only watched {target} until {until}: what was pushed there then does not count"
            ));
        }
        lines
    }

    /// What is left to somebody who is entitled to open the gate in an emergency.
    pub(super) fn or_break(&self, hint: String) -> String {
        self.entitled_or(hint, "CHANGE")
    }

    pub(super) fn entitled_or(&self, hint: String, change: &str) -> String {
        let (governance, targets) = (&self.undone.state().governance, &self.undone.change().targets);
        let (me, now) = (&self.session.speaker.me, clock::now());
        match targets.iter().all(|target| is_entitled(governance, me, target, now)) {
            true => format!("{hint}\n{}", when_it_cannot_wait(change)),
            false => hint,
        }
    }

    /// What rules ask to be said of such a change, to be filled in.
    pub(super) fn documents(&self) -> String {
        let (state, change) = (self.undone.state(), self.undone.change());
        let asked = documents_asked(&state.governance, &change.targets, change.kind, clock::now());
        let flag = |document: &Document| match document {
            // What is known of it is said.
            Document::Why | Document::Rollback => None,
            Document::Risk => Some(" --risk \"...\""),
            Document::Tests => Some(" --tests \"...\""),
        };
        asked.iter().filter_map(flag).collect()
    }
}

fn when_it_cannot_wait(change: &str) -> String {
    let propose = if change == "CHANGE" { "propose it, and " } else { "" };
    format!("when it cannot wait: {propose}open its gate once: countersign break-glass {change} --why TEXT")
}
