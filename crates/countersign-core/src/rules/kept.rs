//! Rules in a form that is read again within a moment, for whoever has parsed and validated them before: each as Cedar's own
//! JSON, for which no text has to be taken apart.

use cedar_policy::{Policy, PolicyId};
use countersign_ledger::Digest;
use serde::{Deserialize, Serialize};

use super::{
    Rules,
    error::{Problem, RulesError},
    parse::{self, APPLIES, Asks, Parsed},
};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeptRules {
    digest: Digest,
    rules: Vec<KeptRule>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptRule {
    id: String,
    file: String,
    line: usize,
    text: String,
    /// In Cedar's JSON.
    full: String,
    applies: String,
    asks: Asks,
}

impl KeptRules {
    pub fn of(rules: &Rules) -> Option<Self> {
        let json = |policy: &Policy| -> Option<String> { Some(policy.to_json().ok()?.to_string()) };
        let kept = |parsed: &Parsed| {
            Some(KeptRule {
                id: parsed.rule.id.to_string(),
                file: parsed.rule.file.clone(),
                line: parsed.rule.line,
                text: parsed.text.clone(),
                full: json(&parsed.full)?,
                applies: json(&parsed.applies)?,
                asks: parsed.asks.clone(),
            })
        };
        Some(Self { digest: rules.digest, rules: rules.rules.values().map(kept).collect::<Option<_>>()? })
    }

    pub fn parsed(self) -> Result<Rules, RulesError> {
        let parsed = self.rules.into_iter().map(|kept| {
            let file = kept.file.clone();
            kept.parsed().map_err(|problem| RulesError { file, line: None, problem })
        });
        Rules::of(self.digest, parsed.collect::<Result<_, _>>()?)
    }
}

impl KeptRule {
    fn parsed(self) -> Result<Parsed, Problem> {
        let policy = |id: String, json: &str| {
            let internal = |error: &dyn std::fmt::Display| Problem::Internal(error.to_string());
            let json = serde_json::from_str(json).map_err(|error| internal(&error))?;
            Policy::from_json(Some(PolicyId::new(id)), json).map_err(|error| internal(&error))
        };
        let full = policy(self.id.clone(), &self.full)?;
        Ok(Parsed {
            rule: parse::rule_of(&full, &self.file, self.line)?,
            text: self.text,
            asks: self.asks,
            applies: policy(format!("{}{APPLIES}", self.id), &self.applies)?,
            full,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::rules::{Mentions, decide, sample};

    const SCOPED: &str = "@id(\"payments-senior\") @requires(\"approval:senior:1\") @because(\"B.\")
        @remedy(\"ask for {change}\") @mode(\"enforce\") @strength(\"waivable\")
        forbid (principal, action == Countersign::Action::\"apply\", resource in Countersign::System::\"payments\")
        when { resource.production && !(resource.tier > 2) } unless { resource.approvals.senior >= 1 };";

    const SHIPPED: [&str; 6] = [
        include_str!("../../../../rules/ai-assisted-senior.cedar"),
        include_str!("../../../../rules/documented.cedar"),
        include_str!("../../../../rules/fresh-guidance.cedar"),
        include_str!("../../../../rules/owner-approves.cedar"),
        include_str!("../../../../rules/second-pair-of-eyes.cedar"),
        include_str!("../../../../rules/tier-1-senior.cedar"),
    ];

    fn shipped() -> BTreeMap<String, String> {
        let texts = SHIPPED.iter().chain([&SCOPED]).enumerate();
        texts.map(|(at, text)| (format!("{at}.cedar"), (*text).to_owned())).collect()
    }

    /// What was kept decides as what was parsed, in every sample.
    #[test]
    fn kept_rules_are_the_same_rules() {
        let rules = Rules::parse(&shipped()).unwrap();
        let bytes = postcard::to_allocvec(&KeptRules::of(&rules).unwrap()).unwrap();
        let again = postcard::from_bytes::<KeptRules>(&bytes).unwrap().parsed().unwrap();
        assert!(rules.iter().eq(again.iter()));
        assert_eq!(again.digest(), rules.digest());
        assert_eq!(again.enforced_cedar(), rules.enforced_cedar());
        let mut snapshots = 0;
        for id in rules.iter().map(|rule| rule.id.clone()) {
            assert_eq!(again.mentions(&id), rules.mentions(&id));
            for snapshot in sample::samples(&rules.mentions(&id)).chain(sample::samples(&Mentions::default())) {
                let decide = |rules| decide::decide(rules, &snapshot, sample::SAMPLE_NOW);
                assert_eq!(decide(&again), decide(&rules));
                snapshots += 1;
            }
        }
        assert!(snapshots > 100, "{snapshots}");
    }
}
