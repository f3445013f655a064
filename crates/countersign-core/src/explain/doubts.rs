//! Documents that nobody reviewed in time or found, and mails of which nobody says whose they are.

use super::{Obligation, SHORT_REFERENCE, Scene, obligation, words::way_in_words};
use crate::decision::{Missing, RuleDecision};

impl Scene<'_> {
    /// A document that is there is reviewed; the name of one that is not is corrected.
    pub(super) fn guidance(&self, decided: &RuleDecision, missing: &Missing) -> Vec<Obligation> {
        let change = &self.snapshot.change;
        let (nowhere, stale): (Vec<&String>, Vec<&String>) =
            missing.of.iter().partition(|path| self.nowhere.contains(path.as_str()));
        let names = |paths: &[&String]| paths.iter().map(|path| path.as_str()).collect::<Vec<_>>().join(", ");
        let mut list = Vec::new();
        if !stale.is_empty() || nowhere.is_empty() {
            let how = format!("review {} and land the new review date on its protected branch", names(&stale));
            let of = stale.iter().map(|path| (*path).clone()).collect();
            let count = missing.count.saturating_sub(u32::try_from(nowhere.len()).unwrap_or(u32::MAX));
            let stale = Missing { token: missing.token.clone(), count, of, or: Vec::new() };
            list.push((way_in_words(&stale, None), self.keepers(decided, &stale), how));
        }
        if !nowhere.is_empty() {
            let what =
                format!("the right name of {}, which was not found where this home reads guidance", names(&nowhere));
            let how = format!(
                "who cited it names the right one: countersign disclose {change} --tool NAME (or --none) --guidance PATH, or a \
                 revision whose commits do; the home reads what countersign.yaml lists under `guidance:`"
            );
            list.push((what, self.authors(decided), how));
        }
        list.into_iter().map(|(what, found, how)| obligation(what, found, how)).collect()
    }

    pub(super) fn identities(&self, decided: &RuleDecision, missing: &Missing) -> Vec<Obligation> {
        let change = &self.snapshot.change;
        let found = self.no_contributors(decided);
        let one = |reference: &String| {
            let how = format!("countersign identify {change} --identity {reference} --as PERSON");
            let short: String = reference.chars().take(SHORT_REFERENCE).collect();
            let who = match self.names.get(reference.as_str()) {
                Some(who) => format!("who {} <{}> ({short}) is", who.name, who.mail),
                None => format!("who {short} is"),
            };
            obligation(who, found.clone(), how)
        };
        let mut list: Vec<Obligation> = missing.of.iter().map(one).collect();
        let named = u32::try_from(missing.of.len()).unwrap_or(u32::MAX);
        let more = missing.count.saturating_sub(named);
        if more > 0 {
            list.push(obligation(format!("who {more} more are"), found, format!("countersign show {change}")));
        }
        list
    }
}
