//! What a bundle proves, as one page for a browser: for an auditor, or for whoever gets the bundle forwarded.
//!
//! It is made of what was verified here, asks no network for anything, and runs no script.

use std::collections::BTreeSet;

use countersign_core::{
    change::Change,
    decision::{Decision, Mode, Outcome, RuleStatus},
    explain::{self, ExplainedRule, Explanation},
    freeze,
    permit::span,
    refusal::Refusal,
    snapshot::AiStatus,
    state::State,
    statement::OutcomeResult,
    subject::Transition,
    trust::Trust,
    verify::{Step, Verdict},
};
use countersign_ledger::{Digest, Time};
use maud::{Markup, html};

use crate::{
    page::{self, Cell},
    view::{self, Texts},
    wire::{ApprovalLine, ChangeView, Emergency, PermitLine, seen_words},
};

/// What was found, and against what.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// What the bundle is called where it lies.
    pub file: &'a str,
    pub trust: &'a Trust,
    pub steps: &'a [Step],
    pub holds: bool,
    /// How far nothing was left out, in words.
    pub completeness: Option<String>,
    /// Who vouches for the checkpoint, a line each.
    pub outside: Vec<String>,
    /// What was proved; none unless everything holds.
    pub proved: Option<Proved>,
}

/// The change, as its signed statements tell it.
#[derive(Debug)]
pub struct Proved {
    pub view: ChangeView,
    /// What was last decided of it, by the log, and each rule's words. None where nobody asked for a permit.
    pub decided: Option<(Decision, Explanation)>,
}

pub fn render(evidence: &Evidence<'_>) -> String {
    let title = match &evidence.proved {
        Some(proved) => format!("Evidence of change {}", proved.view.id.short()),
        None => "Evidence that does not hold".to_owned(),
    };
    let body = html! {
        header {
            p.kicker { "Evidence from the log " b { (evidence.trust.origin) } @if let Some(proved) = &evidence.proved { ", change " code { (proved.view.id.short()) } } }
            @match &evidence.proved {
                Some(proved) => {
                    h1 { (headline(&proved.view)) }
                    @for line in proved.view.emergency.iter().flat_map(Emergency::headlines) { p.lede { b { (page::shown(&sentence(&line))) } } }
                    p.lede { (lede(proved)) }
                }
                None => {
                    h1 { "This does not prove what it says" }
                    p.lede { "Nothing in it can be relied on. What does not hold is listed below; get the bundle again, and from another place." }
                }
            }
        }
        main id="main" {
            @if let Some(proved) = &evidence.proved {
                @if let Some(said) = &proved.view.emergency { (emergency(said)) }
                (change(proved))
            }
            (checked(evidence))
        }
    };
    page::still(&title, &body)
}

/// What it comes to, in a sentence.
fn headline(view: &ChangeView) -> String {
    let targets: Vec<String> = view.targets.iter().map(ToString::to_string).collect();
    format!("“{}” for {}: {}", view.title, targets.join(", "), view.state)
}

/// With a capital and a full stop.
fn sentence(line: &str) -> String {
    let mut chars = line.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}

/// What went past the rules, before anything else.
fn emergency(said: &Emergency) -> Markup {
    let all = |of: Vec<String>| if of.is_empty() { "nothing".to_owned() } else { of.join(", ") };
    let outcome = |outcome: Option<OutcomeResult>| {
        outcome.map_or_else(|| "nothing went through".to_owned(), |outcome| outcome.to_string())
    };
    html! {
        section id="emergency" {
            h2 { @if said.is_of_an_outage_alone() { "What a gate decided alone" } @else { "What went past the rules" } }
            @for broken in &said.broken {
                (page::pairs(&[
                    ("The glass was broken", html! { (broken.at) " at gate " (broken.gate.to_string()) @if broken.without_the_log { ", while the log was away" } }),
                    ("Signed by", html! { (all(broken.by.iter().map(ToString::to_string).collect())) " (" (broken.by.len()) ")" }),
                    ("Why", html! { (page::shown(broken.why.as_deref().unwrap_or("not here: erased, or missing from the bundle"))) }),
                    ("Incident", html! { (page::shown(broken.incident.as_deref().unwrap_or("none named"))) }),
                    ("Rejections gone over", html! { (all(broken.over.iter().map(ToString::to_string).collect())) }),
                    ("Rejections gone over unnamed", html! { (all(broken.unnamed.iter().map(ToString::to_string).collect())) }),
                    ("Freezes gone over", html! { (all(broken.over_freezes.iter().map(freeze::name_of).collect())) }),
                    ("Outcome", html! { (outcome(broken.outcome)) }),
                ]))
            }
            @for rolled in &said.rolled_back {
                (page::pairs(&[
                    ("Rolled back", html! { (rolled.at) " at gate " (rolled.gate.to_string()) }),
                    ("Signed by", html! { (rolled.by.to_string()) " alone" }),
                    ("Restores", html! { @if let Some(change) = &rolled.restores { code { (change.to_string()) } } }),
                    ("Incident", html! { (page::shown(rolled.incident.as_deref().unwrap_or("none named"))) }),
                    ("Outcome", html! { (outcome(rolled.outcome)) }),
                ]))
            }
            @for alone in &said.alone {
                (page::pairs(&[
                    ("Decided alone", html! { (alone.at) " at gate " (alone.gate.to_string()) ", while the log was away" }),
                    ("What it knew", html! { @match alone.knew_secs { Some(secs) => { "the log as it was " (span(secs)) " before" } None => { "not said" } } }),
                    ("The log since", html! { @if alone.stands { "would have let it go as well" } @else { "would have refused it" } }),
                    ("Rules not met", html! { (all(alone.unmet.iter().map(ToString::to_string).collect())) }),
                    ("Outcome", html! { (outcome(alone.outcome)) }),
                ]))
            }
            @if !said.is_of_an_outage_alone() { h3 { "Who looked at it afterwards" } }
            @for line in said.after() { p.words { (page::shown(&sentence(&line))) } }
        }
    }
}

/// Which standard change it is, if its template is its second pair of eyes; or what it rolls back.
fn standard(proved: &Proved) -> Option<&str> {
    let of_now = (&proved.view.decision, &proved.view.explanation);
    let (decision, explanation) = proved.decided.as_ref().map_or(of_now, |(decision, explained)| (decision, explained));
    let rollback = || decision.rollback.as_ref().and(explanation.rollback.as_deref());
    decision.standard.as_ref().and(explanation.standard.as_deref()).or_else(rollback)
}

fn lede(proved: &Proved) -> String {
    let view = &proved.view;
    let counting: BTreeSet<&str> =
        view.approvals.iter().filter(|line| line.counts || line.carries).map(|line| line.by.as_str()).collect();
    let independent = counting.iter().filter(|by| !view.contributors.iter().any(|made| made.as_str() == **by)).count();
    match independent {
        0 => match standard(proved) {
            Some(words) => format!("Nobody who had no hand in it has signed it by itself: {words}."),
            None => "Nobody who had no hand in it has signed it.".to_owned(),
        },
        1 => "One person who had no hand in it has signed exactly this.".to_owned(),
        more => format!("{more} people who had no hand in it have signed exactly this."),
    }
}

fn change(proved: &Proved) -> Markup {
    let view = &proved.view;
    html! {
        section id="what" {
            h2 { "What it is" }
            (page::pairs(&[
                ("Kind", html! { (view.kind.to_string()) }),
                ("Would apply", html! { (view.subject.summary()) }),
                ("Revision", html! { (view.revision) ", digest " code { (view.revision_digest.to_string()) } }),
                ("Proposed", html! { (view.proposed_at) " by " (view.proposer.to_string()) }),
                ("Change", html! { code { (view.id.to_string()) } }),
            ]))
            @match &view.text {
                Some(text) => {
                    @for (name, words) in [("Why", &text.why), ("Risk", &text.risk), ("Rollback", &text.rollback), ("Tests", &text.tests)] {
                        @if !words.trim().is_empty() { h3 { (name) } p.words { (page::shown(words)) } }
                    }
                }
                None => p.quiet { "Its words are not here: they were erased, or are missing from the bundle." }
            }
        }
        section id="hands" {
            h2 { "Who had a hand in it" }
            p { "None of these can be the second pair of eyes." }
            ul { @for who in &view.contributors { li { (who.to_string()) @if view.claimed.contains(who) { " (claimed by a trailer alone)" } } } }
            @if !view.unmapped.is_empty() {
                p { "Nobody knows who these are: " (view.unmapped.iter().map(|who| page::shown(&format!("{} <{}>", who.name, who.mail))).collect::<Vec<_>>().join(", ")) "." }
            }
            p { (assistance(view)) }
        }
        section id="signed" {
            h2 { "Who looked, and signed" }
            @if view.approvals.is_empty() { p { "Nobody has approved it." } } @else { (approvals(&view.approvals)) }
            @if let Some(words) = standard(proved) { p { (page::shown(words)) } }
            @if !view.evidence.is_empty() {
                (page::table("What workloads attested", &["Kind", "Result", "Workload", "When"], view.evidence.iter().map(|line| vec![
                    page::cell(&line.kind), page::cell(line.result.as_str()), page::cell(&line.by), page::cell(&line.at),
                ])))
            }
            @if !view.rejections.is_empty() {
                (page::table("Rejections", &["Who", "When", "Stands", "Why"], view.rejections.iter().map(|line| vec![
                    page::cell(&line.by), page::cell(&line.at), page::cell(if line.lifted { "no" } else { "yes" }),
                    page::cell(line.why.as_deref().map_or_else(String::new, page::shown)),
                ])))
            }
            @if !view.waivers.is_empty() {
                (page::table("Waivers", &["Rule", "Who", "When", "Why"], view.waivers.iter().map(|line| vec![
                    page::cell(&line.rule), page::cell(&line.by), page::cell(&line.at),
                    page::cell(line.why.as_deref().map_or_else(String::new, page::shown)),
                ])))
            }
            @if !view.taken_back.is_empty() {
                (page::table("Approvals that were taken back", &["Who", "When", "Of revision"], view.taken_back.iter().map(|line| vec![
                    page::cell(&line.by), page::cell(&line.at), page::cell(line.revision),
                ])))
            }
        }
        section id="rules" {
            h2 { "What the rules asked" }
            @match &proved.decided {
                Some((decision, explanation)) => (decided(decision, &explanation.rules)),
                None => { p { "Nobody has asked for a permit yet. As it stands now:" } (rules(&view.explanation.rules)) }
            }
        }
        section id="outcome" {
            h2 { "What happened" }
            @if view.permits.is_empty() { p { "No gate was opened for it." } } @else { (permits(&view.permits)) }
        }
    }
}

fn assistance(view: &ChangeView) -> String {
    let tools: Vec<&str> = view.ai.tools.iter().map(String::as_str).collect();
    let tools = if tools.is_empty() { String::new() } else { format!(" ({})", tools.join(", ")) };
    let what = match view.ai.status {
        AiStatus::Declared => "AI assistance was declared",
        AiStatus::Inferred => "A sign of AI assistance was found",
        AiStatus::None => "Its proposer signed that no AI assisted, and nothing contradicts it",
        AiStatus::Unknown => "Nothing is said about AI assistance, which is not to say that there was none",
    };
    format!("{what}{tools}.")
}

fn approvals(lines: &[ApprovalLine]) -> Markup {
    let counts = |line: &ApprovalLine| match (line.counts, line.carries) {
        (true, _) => "yes",
        (false, true) => "where a rule lets it carry over",
        (false, false) => "no: of an earlier revision, or by who had a hand in it",
    };
    page::table(
        "Approvals, each a signature over the content",
        &["Who", "When", "Revision", "Content", "Counts"],
        lines.iter().map(|line| {
            vec![
                page::cell(&line.by),
                page::cell(&line.at),
                page::cell(line.revision),
                page::cell(seen_words(line.seen)),
                page::cell(counts(line)),
            ]
        }),
    )
}

fn decided(decision: &Decision, explained: &[ExplainedRule]) -> Markup {
    html! {
        p {
            "Decided on " (decision.decided_at.to_string()) " of revision " (decision.revision) ": "
            b { (match decision.outcome { Outcome::Allow => "allowed", Outcome::Deny => "denied" }) }
            ". "
            @if decision.not_applicable > 0 { "Besides, " (decision.not_applicable) " did not apply. " }
            "Rules " code { (short(&decision.rules_digest)) } ", judged by what "
            code { (short(&decision.snapshot_digest)) } " names."
        }
        (rules(explained))
    }
}

fn rules(explained: &[ExplainedRule]) -> Markup {
    let status = |rule: &ExplainedRule| {
        let word = match rule.status {
            RuleStatus::Satisfied => "satisfied",
            RuleStatus::Unsatisfied => "not satisfied",
            RuleStatus::NotApplicable => "does not apply",
            RuleStatus::Waived => "waived",
            RuleStatus::Error => "could not be judged",
            RuleStatus::SetAside => "set aside for recovery",
        };
        match rule.mode {
            Mode::Watch => format!("{word} (only watched)"),
            Mode::Enforce => word.to_owned(),
        }
    };
    page::table(
        "Every rule that applied",
        &["Rule", "It asks for", "Because", "Status"],
        explained.iter().map(|rule| {
            vec![page::cell(&rule.id), page::cell(&rule.requires), page::cell(&rule.because), page::cell(status(rule))]
        }),
    )
}

fn permits(lines: &[PermitLine]) -> Markup {
    page::table(
        "Permits, each for one gate and one transition",
        &["Gate", "Issued", "What it let happen", "Outcome"],
        lines.iter().map(|line| {
            let transition = line.transition.as_ref().map_or_else(|| "erased".to_owned(), moved);
            let outcome = line.outcome.map_or_else(|| "not reported".to_owned(), |outcome| outcome.to_string());
            vec![
                page::cell(&line.gate),
                page::cell(&line.issued_at),
                page::cell(page::shown(&transition)),
                page::cell(outcome),
            ]
        }),
    )
}

fn moved(transition: &Transition) -> String {
    match transition {
        Transition::Git(git) => format!("{} of {} from {} to {}", git.reference, git.repository, git.old, git.new),
        Transition::Apply(apply) => format!(
            "{} over {}",
            apply.command.join(" "),
            apply.files.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
        ),
    }
}

fn checked(evidence: &Evidence<'_>) -> Markup {
    let verdict = |step: &Step| match step.verdict {
        Verdict::Holds => "holds",
        Verdict::Broken => "BROKEN",
        Verdict::Newer => "newer than this program",
        Verdict::NotChecked => "not checked",
    };
    let row = |step: &Step| -> Vec<Cell> {
        vec![page::cell(step.name), page::cell(verdict(step)), page::cell(page::shown(&step.detail))]
    };
    html! {
        section id="checked" {
            h2 { "What was checked" }
            p {
                "From the founding of the log on, whose genesis " code { (short(&evidence.trust.genesis)) }
                " was pinned beforehand, not taken from the server nor out of the bundle."
            }
            (page::table("Steps of verification", &["Step", "Verdict", "What"], evidence.steps.iter().map(row)))
            @if let Some(words) = &evidence.completeness { p { (words) } }
            @if !evidence.outside.is_empty() { ul { @for line in &evidence.outside { li { (line) } } } }
        }
        section id="again" {
            h2 { "Check it yourself" }
            p { "This page is a print of what one program found. It proves nothing to whoever did not run it: run it again, or another, over the bundle itself." }
            pre.command { code { "countersign verify " (evidence.file) " --trust trust.json" } }
            p { "Each approval's signature stands in the bundle as stock OpenSSH takes it:" }
            pre.command { code { "tar -xf " (evidence.file) " && ssh-keygen -Y verify -f approvals/allowed_signers -I WHO -n countersign -s approvals/LEAF-WHO.sig < approvals/LEAF-WHO.signed" } }
        }
    }
}

fn short(digest: &Digest) -> String {
    digest.hex().chars().take(12).collect()
}

impl Proved {
    /// Of the state that was verified. Blobs are those of the bundle.
    pub fn of(state: &State, change: &Change, blobs: &Texts, now: Time) -> Result<Self, Refusal> {
        let presence = state.presence(now);
        let view = view::view(state, change, blobs, &presence, now)?;
        let last = change.decisions.last().and_then(|record| blobs.get(&record.decision));
        let decided = match last.and_then(|bytes| serde_json::from_slice::<Decision>(bytes).ok()) {
            Some(decision) => {
                let explanation = explain::explain(&decision, state, change, &presence, now)?;
                Some((decision, explanation))
            }
            None => None,
        };
        Ok(Self { view, decided })
    }
}
