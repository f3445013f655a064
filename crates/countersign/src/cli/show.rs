//! `show` and `list`: how changes stand, for people and for programs.

use countersign_core::{
    decision::{Mode, Outcome, RuleStatus, Strength},
    explain::{Explained, ExplainedRule, Obligation},
    facts::GitFacts,
    ids::ChangeId,
    statement::Seen,
};
use serde_json::Value;

use super::{
    Global,
    error::{CliError, Exit},
    meaning::Meaning,
    output::{self, Format, bad, bold, faint, good, joined, printable, printable_lines, warn},
    paths::{self, Links},
};
use crate::{
    client::ChangePrefix,
    clock,
    view::NOT_HERE,
    wire::{ChangeLine, ChangeView},
};

/// Show a change: what it is, who had a hand in it, who approved, and what each rule says.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its id, or twelve or more digits of its beginning.
    change: ChangePrefix,
}

/// List the changes, the newest first.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Those that something is missing of which this person could supply.
    #[arg(long, value_name = "PERSON")]
    waiting_on: Option<String>,
    /// Those in this state: proposed, permitted, applying, applied, failed, rejected, withdrawn.
    #[arg(long)]
    state: Option<String>,
    /// Those of this system.
    #[arg(long)]
    system: Option<String>,
    /// Those of this target: SYSTEM/ENVIRONMENT.
    #[arg(long)]
    target: Option<String>,
    /// Those that this person proposed, revised, approved, rejected or waived a rule of.
    #[arg(long)]
    person: Option<String>,
    /// Proposed at or after this moment, as in 2026-11-26T09:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Proposed at or before this moment.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// How many at the most.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

impl ListArgs {
    /// What the server is asked for.
    fn query(&self) -> Vec<(&'static str, &str)> {
        let asked = [
            ("waiting_on", &self.waiting_on),
            ("state", &self.state),
            ("system", &self.system),
            ("target", &self.target),
            ("person", &self.person),
            ("since", &self.since),
            ("until", &self.until),
        ];
        asked.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect()
    }
}

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    let log = global.log()?;
    let reading = log.read(&args.change, clock::now())?;
    let view = reading.view()?;
    let meaning = Meaning::of_change(&log, &reading)?;
    match global.format {
        Format::Json => match meaning {
            Some(meaning) => output::json(&with_meaning(&view, &meaning)?)?,
            None => output::json(&view)?,
        },
        Format::Text => {
            let facts = reading.revision().facts.and_then(|digest| reading.blob(&digest));
            let facts = facts.map(GitFacts::parse).transpose()?;
            whole(&view, &facts.map(|facts| paths::lines(&facts, &Links::new())).unwrap_or_default());
            if let Some(meaning) = meaning {
                governs(&view, &meaning)?;
            }
        }
    }
    Ok(Exit::Done)
}

/// What a change of what governs means, and how it goes on.
fn governs(view: &ChangeView, meaning: &Meaning) -> Result<(), CliError> {
    meaning.print();
    anstream::print!("{}", meaning.diff()?);
    if is_over(view) {
        return Ok(());
    }
    meaning.warn_if_overtaken(view.id.short());
    if view.allowed() && !meaning.overtaken {
        anstream::println!("anybody puts it in force: countersign publish {}", view.id.short());
    }
    Ok(())
}

fn with_meaning(view: &ChangeView, meaning: &Meaning) -> Result<Value, CliError> {
    let mut value = serde_json::to_value(view)
        .map_err(|error| CliError::new("failed", format!("the change cannot be written: {error}")))?;
    if let Some(value) = value.as_object_mut() {
        value.insert("meaning".to_owned(), meaning.to_json());
    }
    Ok(value)
}

pub fn list(global: &Global, args: &ListArgs) -> Result<Exit, CliError> {
    let log = global.log()?;
    let wanted = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let mut lines: Vec<ChangeLine> = Vec::new();
    let mut next: Option<String> = None;
    let more = loop {
        let limit = wanted.saturating_sub(lines.len()).to_string();
        let mut query = args.query();
        query.push(("limit", limit.as_str()));
        query.extend(next.as_deref().map(|after| ("after", after)));
        let page = log.client.changes(&query)?;
        let progress = !page.changes.is_empty();
        lines.extend(page.changes);
        next = page.next.filter(|_| progress);
        if next.is_none() || lines.len() >= wanted {
            break next.is_some();
        }
    };
    match global.format {
        Format::Json => output::json(&lines)?,
        Format::Text if lines.is_empty() && args.query().is_empty() => {
            anstream::println!("no changes yet: countersign propose --help");
        }
        Format::Text if lines.is_empty() => anstream::println!("no change is like that"),
        Format::Text => {
            let width = terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
            lines.iter().for_each(|of| line(of, width));
            anstream::eprintln!("{}", faint("as the server tells it; countersign show CHANGE checks what it shows"));
        }
    }
    if more && global.format == Format::Text {
        anstream::println!(
            "{}",
            faint(format!("there are more: countersign list --limit {}", args.limit.saturating_mul(2)))
        );
    }
    Ok(Exit::Done)
}

fn line(line: &ChangeLine, width: Option<usize>) {
    let targets: Vec<_> = line.targets.iter().map(ToString::to_string).collect();
    let (state, proposer) = (format!("{:<10}", line.state), format!("{:<16}", line.proposer.as_str()));
    let before = format!("{}  {state} {proposer} {}  {}  ", line.id.short(), line.proposed_at, targets.join(" "));
    let room = width.map_or(TITLE, |width| width.saturating_sub(before.chars().count()).max(SHORTEST_TITLE));
    anstream::println!(
        "{}  {state} {proposer} {}  {}  {}",
        bold(anstyle::Style::new(), line.id.short()),
        faint(&line.proposed_at),
        targets.join(" "),
        printable(&shortened(&line.title, room)),
    );
}

/// How much of a title a line has where no terminal says how wide it is, and at the least.
const TITLE: usize = 120;
const SHORTEST_TITLE: usize = 20;

fn shortened(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    let kept: String = text.chars().take(chars.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

fn whole(view: &ChangeView, paths: &[String]) {
    field("change", format!("{} {}", bold(anstyle::Style::new(), view.id.short()), printable(&view.title)));
    field("state", &view.state);
    field("kind", kind(view));
    field("targets", joined(&view.targets));
    field("subject", printable(&view.subject.summary()));
    paths.iter().enumerate().for_each(|(nth, line)| field(if nth == 0 { "brings" } else { "" }, printable(line)));
    field("revision", format!("{} {}", view.revision, faint(view.revision_digest)));
    field("proposed", format!("by {} at {}", view.proposer, view.proposed_at));
    field("made by", output::list(&view.contributors));
    for person in &view.claimed {
        field("", format!("{person} only because a commit claims it; a third person can say otherwise"));
    }
    for identity in &view.unmapped {
        field(
            "unknown",
            format!(
                "{} <{}> {}",
                printable(&identity.name),
                printable(&identity.mail),
                faint(format!("({})", identity.reference))
            ),
        );
    }
    if let Some(text) = &view.text {
        for (name, words) in
            [("why", &text.why), ("risk", &text.risk), ("rollback", &text.rollback), ("tests", &text.tests)]
        {
            if !words.is_empty() {
                field(name, words_of(words));
            }
        }
        text.links.iter().for_each(|link| field("link", printable(link)));
    }
    let ai = serde_json::to_value(view.ai.status).ok();
    let ai = ai.as_ref().and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    let tools = if view.ai.tools.is_empty() { String::new() } else { format!(" ({})", joined(&view.ai.tools)) };
    let signals =
        if view.ai.signals.is_empty() { String::new() } else { format!(", signals: {}", joined(&view.ai.signals)) };
    field("AI", printable(&format!("{ai}{tools}{signals}")));
    for document in &view.guidance {
        let due = match (&document.found, &document.review_due) {
            (None, _) => "not found where this home reads guidance (`guidance:` in countersign.yaml)".to_owned(),
            (Some(_), None) => "says no review date".to_owned(),
            (Some(_), Some(due)) => format!("review due {due}"),
        };
        let stale = if document.stale { warn("stale") } else { good("fresh") };
        field("guidance", format!("{} {stale}, {due}", printable(&document.path)));
    }
    for approval in &view.approvals {
        let counts = if approval.counts { good("counts") } else { faint("does not count for this revision") };
        let seen = match approval.seen {
            Seen::None => "content not at hand",
            Seen::Shown => "content shown on a page",
            Seen::Material => "content in checked bytes",
            Seen::Computed => "content in their own copy",
        };
        let of = format!("revision {}, {seen}", approval.revision);
        field("approved", format!("by {} at {} ({of}), {counts}", approval.by, approval.at));
    }
    for rejection in view.rejections.iter().filter(|rejection| !rejection.lifted) {
        let why = rejection.why.as_deref().unwrap_or(NOT_HERE);
        // What was said of an earlier revision stands over this one.
        let of = match rejection.revision == view.revision {
            true => String::new(),
            false => format!(" (revision {})", rejection.revision),
        };
        field("rejected", format!("by {}{of}: {}", bad(&rejection.by), words_of(why)));
    }
    for waiver in &view.waivers {
        let why = waiver.why.as_deref().unwrap_or(NOT_HERE);
        field("waived", format!("{} by {}: {}", waiver.rule, waiver.by, words_of(why)));
    }
    for permit in &view.permits {
        let outcome = permit.outcome.map_or("not used".to_owned(), |outcome| outcome.to_string());
        field("permit", format!("gate {}, until {}, {outcome}", permit.gate, permit.expires_at));
    }
    verdict(view);
    if is_over(view) {
        return;
    }
    for rule in &view.explanation.rules {
        status(rule);
        obligations(&view.id, rule).iter().for_each(|line| anstream::println!("{line}"));
    }
    not_applicable(view);
}

/// Whether nothing more can be said about it, so that there is nothing to do.
fn is_over(view: &ChangeView) -> bool {
    ["applied", "withdrawn"].contains(&view.state.as_str())
}

/// The decision as it stands, and the to-do list: what is said after something was written.
pub fn standing(view: &ChangeView) {
    verdict(view);
    if is_over(view) {
        return;
    }
    let (open, met): (Vec<_>, Vec<_>) = view.explanation.rules.iter().partition(|rule| is_open(rule));
    for rule in open {
        status(rule);
        obligations(&view.id, rule).iter().for_each(|line| anstream::println!("{line}"));
    }
    anstream::println!(
        "  {}",
        faint(output::count(met.len(), "rule") + if met.len() == 1 { " is met" } else { " are met" })
    );
    not_applicable(view);
}

fn not_applicable(view: &ChangeView) {
    match view.decision.not_applicable {
        0 => {}
        1 => anstream::println!("  {}", faint("1 rule does not apply")),
        more => anstream::println!("  {}", faint(format!("{more} rules do not apply"))),
    }
}

fn is_open(rule: &ExplainedRule) -> bool {
    match rule.status {
        RuleStatus::Unsatisfied | RuleStatus::Error => true,
        RuleStatus::Satisfied | RuleStatus::NotApplicable | RuleStatus::Waived => false,
    }
}

/// What it is, and what it is for.
fn kind(view: &ChangeView) -> String {
    let purpose = &view.purpose;
    let restores = purpose.restores.as_ref().map(|change| format!("restores {}", change.short()));
    let incident = purpose.incident.as_ref().map(|incident| format!("answers {}", printable(incident)));
    let security = purpose.security.then(|| "closes a security hole".to_owned());
    let said = [Some(view.kind.to_string()), restores, incident, security];
    said.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn verdict(view: &ChangeView) {
    match (view.decision.outcome, view.state.as_str()) {
        (_, "applied") => anstream::println!("{}", good("applied")),
        (_, "withdrawn") => anstream::println!("withdrawn"),
        (Outcome::Allow, _) => anstream::println!("{}: every rule is met", good("allow")),
        (Outcome::Deny, _) => anstream::println!("{}: something is missing", bad("deny")),
    }
}

fn status(rule: &ExplainedRule) {
    let status = match rule.status {
        RuleStatus::Satisfied => good("satisfied"),
        RuleStatus::NotApplicable => faint("not applicable"),
        RuleStatus::Waived => warn("waived"),
        RuleStatus::Unsatisfied => bad("unsatisfied"),
        RuleStatus::Error => bad("error"),
    };
    let mode = match rule.mode {
        Mode::Watch => faint(" (watch: it does not bind)"),
        Mode::Enforce => String::new(),
    };
    anstream::println!("  {:<22} {status}{mode}", rule.id);
}

fn obligations(change: &ChangeId, rule: &ExplainedRule) -> Vec<String> {
    let mut lines = Vec::new();
    if !is_open(rule) {
        return lines;
    }
    if let Some(error) = &rule.error {
        lines.push(format!("    error: {}", printable(error)));
    }
    for obligation in &rule.obligations {
        lines.push(format!("    missing: {}", printable(&obligation.missing)));
        lines.push(format!("    who:     {}", who(obligation)));
        // As much of the id as somebody has to type.
        let how = obligation.how.replace(change.as_str(), change.short());
        lines.push(format!("    how:     {}", printable(&how)));
    }
    match rule.strength {
        Strength::Waivable => lines.push(format!(
            "    or:      a senior waives it: countersign waive {} --rule {} --why TEXT",
            change.short(),
            rule.id
        )),
        Strength::Mandatory => {}
    }
    lines.push(format!("    because: {}", printable(&rule.because)));
    lines
}

fn who(obligation: &Obligation) -> String {
    match (obligation.who.is_empty(), obligation.more) {
        (true, _) => "nobody can, now".to_owned(),
        (false, 0) => joined(&obligation.who),
        (false, more) => format!("{} and {more} more", joined(&obligation.who)),
    }
}

/// What stops the change, as plain lines: for error messages.
pub fn to_do(denied: &Explained) -> String {
    let mut lines = Vec::new();
    for rule in denied.explanation.rules.iter().filter(|rule| rule.stops()) {
        lines.push(format!("  {}", rule.id));
        lines.extend(obligations(&denied.decision.change, rule));
    }
    lines.join("\n")
}

/// What somebody wrote, its further lines under its first, so that none of them looks like a line of ours.
fn words_of(text: &str) -> String {
    printable_lines(text).replace('\n', &format!("\n{:10}", ""))
}

fn field(name: &str, value: impl std::fmt::Display) {
    anstream::println!("{}{value}", faint(format!("{name:<10}")));
}
