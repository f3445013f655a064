//! Asks Cedar, and only about the rules that can concern a target.
//!
//! Cedar's evaluation is linear in the policies it is handed. A `forbid` fires or not whatever other policies there are,
//! so the rules are kept in one small set per scope, and a target asks the sets of its own system, environment, kind and
//! owner besides the set without a scope. The answer is that of asking all of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cedar_policy::{AuthorizationError, Authorizer, EntityUid, Policy, PolicySet, ResourceConstraint};

use super::{
    attributes::Judged,
    parse::{APPLIES, Parsed},
    vocabulary::Vocabulary,
};

/// The policies by scope; each set holds a rule's policy beside its applies-only twin.
#[derive(Debug, Default)]
pub(super) struct Slices {
    everywhere: PolicySet,
    scoped: HashMap<EntityUid, PolicySet>,
    /// Rules that cannot be judged without knowing the paths.
    unsure: BTreeSet<String>,
}

const TOO_MANY_PATHS: &str =
    "it asks what the change does not touch, and that touches too many paths to tell: split the change";

/// What Cedar said of one target, by rule id.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answers {
    /// Rules that apply.
    pub applies: BTreeSet<String>,
    /// Rules that apply and are not met.
    pub fired: BTreeSet<String>,
    pub errors: BTreeMap<String, String>,
}

impl Slices {
    pub fn new<'a>(rules: impl IntoIterator<Item = &'a Parsed>) -> Result<Self, String> {
        let mut slices = Self::default();
        for parsed in rules {
            if parsed.asks.unsure {
                slices.unsure.insert(parsed.rule.id.to_string());
            }
            for policy in [&parsed.full, &parsed.applies] {
                let set = match scope(policy) {
                    Some(scope) => slices.scoped.entry(scope).or_default(),
                    None => &mut slices.everywhere,
                };
                set.add(policy.clone()).map_err(|error| error.to_string())?;
            }
        }
        Ok(slices)
    }

    /// Err where not even the question could be put: then every rule is in error.
    pub fn ask(&self, vocabulary: &Vocabulary, judged: &Judged<'_>) -> Result<Answers, String> {
        let question = vocabulary.question(judged)?;
        let mut answers = Answers::default();
        let authorizer = Authorizer::new();
        let unknown = judged.snapshot.paths.values().any(|paths| paths.unknown);
        let scoped = question.parents.iter().filter_map(|parent| self.scoped.get(parent));
        for set in scoped.chain([&self.everywhere]) {
            for policy in set.policies().filter(|_| unknown) {
                let id: &str = policy.id().as_ref();
                if self.unsure.contains(id) {
                    answers.errors.insert(id.to_owned(), TOO_MANY_PATHS.to_owned());
                }
            }
            let response = authorizer.is_authorized(&question.request, set, &question.entities);
            for policy in response.diagnostics().reason() {
                let policy: &str = policy.as_ref();
                match policy.strip_suffix(APPLIES) {
                    Some(rule) => answers.applies.insert(rule.to_owned()),
                    None => answers.fired.insert(policy.to_owned()),
                };
            }
            for AuthorizationError::PolicyEvaluationError(error) in response.diagnostics().errors() {
                let policy: &str = error.policy_id().as_ref();
                let rule = policy.strip_suffix(APPLIES).unwrap_or(policy);
                answers.errors.insert(rule.to_owned(), error.to_string());
            }
        }
        Ok(answers)
    }
}

/// The entity that the resource has to be in for the policy to fire.
fn scope(policy: &Policy) -> Option<EntityUid> {
    match policy.resource_constraint() {
        ResourceConstraint::In(scope) | ResourceConstraint::IsIn(_, scope) => Some(scope),
        // A rule about one change is refused on loading; asked everywhere, it would be right as well.
        ResourceConstraint::Any | ResourceConstraint::Is(_) | ResourceConstraint::Eq(_) => None,
    }
}
