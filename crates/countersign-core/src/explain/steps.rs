//! Escalation: from when on somebody else may supply what is missing, and where that was used.

use super::Scene;
use crate::{
    decision::{Decision, RuleDecision, RuleStatus, Step},
    requirement::Requirement,
};

impl Scene<'_> {
    /// The steps that were taken, those that are open, and those to come.
    pub(super) fn steps(&self, decision: &Decision) -> Vec<String> {
        let mut lines: Vec<String> = decision.steps.iter().map(taken).collect();
        let unmet = decision.rules.iter().filter(|rule| rule.status == RuleStatus::Unsatisfied);
        lines.extend(unmet.flat_map(|rule| self.to_come(rule)));
        lines
    }

    /// Ways of a rule that are none yet.
    fn to_come(&self, decided: &RuleDecision) -> Vec<String> {
        let (Some(rule), Some(governance)) = (self.rules.get(&decided.id), self.governance) else { return Vec::new() };
        let mut lines = Vec::new();
        let ways = rule.requires.iter().flat_map(|choice| choice.ways());
        for (way, hours) in ways.filter_map(|way| Some((way, way.waits()?))) {
            let unmet = self.snapshot.targets.iter().filter(|view| decided.targets.contains(&view.target));
            for view in unmet.filter(|view| !way.asked(self.snapshot, view)) {
                let Some(since) = self.snapshot.worked(&view.target).map(|worked| worked.since) else { continue };
                let (calendars, catalog) = (&governance.calendars, &governance.catalog);
                let opens = calendars.worked_until(&view.owner, catalog, since, hours);
                let from = opens.map_or("in more than 60 days".to_owned(), |opens| format!("from {opens} on"));
                let line = format!("{} for {}: {from} {} does, too", decided.id, view.target, what(way));
                lines.push(line);
            }
        }
        lines
    }
}

/// What a way asks, without since when.
fn what(way: &Requirement) -> String {
    Requirement { only: None, ..way.clone() }.words()
}

fn taken(step: &Step) -> String {
    let Step { rule, target, way, since, hours, used } = step;
    let what = what(way);
    match used {
        true => format!("{rule} for {target}: met by {what}, {hours} working hours after {since}"),
        false => format!("{rule} for {target}: {what} does, too, {hours} working hours after {since}"),
    }
}
