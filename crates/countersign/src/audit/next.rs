//! What a reader of the report can do next: where reviews are that git does not carry, and which rule to begin with.

use countersign_audit::requests::EXPORTS;
use serde::Serialize;

use super::{
    replayed::{Rule, Whole},
    report::Report,
    text::{counted, decimal, percent, thousands},
};
use crate::home::files;

/// Below so many in a hundred it is not worth asking the forge.
const WORTH_ASKING_PERCENT: u64 = 5;
/// Hosts of forges, and what an export of each is called.
const HOSTS: &[(&str, &str)] = &[
    ("github.com", "GitHub"),
    ("gitlab.com", "GitLab"),
    ("bitbucket.org", "Bitbucket"),
    ("dev.azure.com", "Azure DevOps"),
    ("googlesource.com", "Gerrit"),
];

/// One thing to do.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct Step {
    /// What, and why.
    pub what: String,
    /// By which command; null where there is none.
    pub command: Option<String>,
}

/// Most useful first. `host` is that of the remote, if the report may tell it.
pub fn steps(report: &Report, host: Option<&str>) -> Vec<Step> {
    if report.landed == 0 {
        return Vec::new();
    }
    [reviews(report, host), whole_history(report), first_rule(report), Some(home(report))]
        .into_iter()
        .flatten()
        .collect()
}

fn reviews(report: &Report, host: Option<&str>) -> Option<Step> {
    let opaque = report.grades.opaque;
    let worth = opaque.saturating_mul(100) >= report.landed.saturating_mul(WORTH_ASKING_PERCENT);
    if report.forge_reviews.is_some() || opaque == 0 || !worth {
        return None;
    }
    let is_of = |of: &str| host.is_some_and(|host| host == of || host.ends_with(&format!(".{of}")));
    let forge = HOSTS.iter().find(|(of, _)| is_of(of)).map(|(_, forge)| *forge);
    let export = EXPORTS.iter().find(|(of, _)| Some(*of) == forge).map(|(_, command)| (*command).to_owned());
    Some(Step {
        what: format!(
            "Have {} tell of its reviews, which decides about {} ({}) that git cannot judge; then audit again with --reviews reviews.json.",
            forge.unwrap_or("the forge"),
            counted(opaque, "change"),
            percent(opaque, report.landed),
        ),
        command: Some(export.unwrap_or_else(|| "countersign audit --reviews-help".to_owned())),
    })
}

fn whole_history(report: &Report) -> Option<Step> {
    report.read.shallow.then(|| Step {
        what: "Fetch the rest of the history: this clone is shallow.".to_owned(),
        command: Some("git fetch --unshallow".to_owned()),
    })
}

/// The rule that catches most of what was later taken back for what it stops; where nothing was, the one that stops least.
fn first_rule(report: &Report) -> Option<Step> {
    let whole = report.replay.as_ref()?;
    let by_curve = whole.curve.first().filter(|point| point.reverted > 0).map(|point| &point.rule);
    let stops = || report.rules.iter().filter(|rule| rule.stopped > 0);
    let rule = match by_curve {
        Some(id) => stops().find(|rule| rule.id == *id),
        None => stops().min_by(|a, b| a.stopped.cmp(&b.stopped).then_with(|| a.id.cmp(&b.id))),
    }?;
    Some(Step { what: begins_with(rule, whole), command: None })
}

fn begins_with(rule: &Rule, whole: &Whole) -> String {
    let caught = match rule.stopped_reverted {
        0 => String::new(),
        caught => format!(
            ", and with them {} of the {} that were later taken back",
            thousands(caught),
            thousands(whole.reverted)
        ),
    };
    format!(
        "Begin with the rule {}, and watch it before it binds: it would have stopped {} ({}){caught}, for {} more approvals a week.",
        rule.id,
        counted(rule.stopped, "change"),
        percent(rule.stopped, whole.judged),
        decimal(rule.extra_approvals_per_week),
    )
}

fn home(report: &Report) -> Step {
    Step {
        what: "Make a home from this history: its people, systems and owners, and rules that only watch.".to_owned(),
        command: Some(format!("countersign init home --from {}", files::word(report.repository.as_ref()))),
    }
}
