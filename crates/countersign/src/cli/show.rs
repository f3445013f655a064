//! `show`: how a change stands, for people and for programs.

use std::{io::IsTerminal as _, thread, time::Duration};

use countersign_core::{
    decision::{Mode, Outcome, RuleStatus, Strength},
    evidence::EvidenceResult,
    explain::{Explained, ExplainedRule, Obligation, Reviewer},
    facts::GitFacts,
    ids::{ActorId, ChangeId},
    presence::Presence,
    statement::Seen,
};
use serde_json::Value;

use super::{
    Global, answer,
    error::{CliError, Exit},
    meaning::Meaning,
    output::{self, Format, bad, bold, faint, good, joined, printable, printable_lines, warn},
    paths::{self, Links},
    review, reviewers, times,
};
use crate::{
    client::ChangePrefix,
    clock,
    known::KnownLog,
    reading::Reading,
    view::NOT_HERE,
    wire::{ApprovalLine, ChangeView, CommentLine, EvidenceLine},
};

/// Show a change: what it is, who had a hand in it, who approved, and what each rule says. Or a finding, and what it asks about.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The change, or the finding: its id, or twelve or more digits of its beginning.
    change: ChangePrefix,
    /// Show it again whenever the log has grown, until it is decided: ends with 0 when it is permitted or applied, with 3 when it is
    /// rejected or withdrawn.
    #[arg(long)]
    watch: bool,
}

/// How often the log is asked whether it has grown.
const LOOKED_AGAIN: Duration = Duration::from_secs(2);

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    let log = global.log()?;
    let mut reading = match log.read(&args.change, clock::now()).map_err(CliError::from) {
        // What is no change may be a finding.
        Err(error) if error.code == "unknown-change" => {
            let found = answer::find(&log, &args.change)?.ok_or(error)?;
            return review::show_finding(global, &log, &found);
        }
        reading => reading?,
    };
    print(global, &log, &reading)?;
    if !args.watch {
        return Ok(Exit::Done);
    }
    let mut size = reading.checkpoint().size;
    loop {
        if let Some(exit) = decided(&reading.view()?) {
            return Ok(exit);
        }
        thread::sleep(LOOKED_AGAIN);
        if log.look(clock::now())?.size > size {
            reading = log.read(&args.change, clock::now())?;
            size = reading.checkpoint().size;
            redraw();
            print(global, &log, &reading)?;
        }
    }
}

/// With what a watch ends, once nothing more is waited for.
fn decided(view: &ChangeView) -> Option<Exit> {
    match view.state.as_str() {
        "permitted" | "applied" => Some(Exit::Done),
        "rejected" | "withdrawn" => Some(Exit::Refused),
        _ => None,
    }
}

/// In the place of what a terminal shows; elsewhere one after the other.
fn redraw() {
    if std::io::stdout().is_terminal() {
        anstream::print!("\u{1b}[2J\u{1b}[H");
    }
}

/// What a proposal would be, and what would be asked of it.
pub fn would_be(global: &Global, lines: &[String], view: &ChangeView) -> Result<Exit, CliError> {
    match global.format {
        Format::Json => {
            let mut value = serde_json::to_value(view)
                .map_err(|error| CliError::new("failed", format!("the change cannot be written: {error}")))?;
            nameless(&mut value, view);
            output::json(&value)?;
        }
        Format::Text => {
            lines.iter().for_each(|line| anstream::println!("{}", printable(line)));
            anstream::println!("made by: {}", output::list(&view.contributors));
            standing_of(view, UNNAMED);
            anstream::println!("{}", faint("nothing was signed or sent; CHANGE is the id that it gets"));
        }
    }
    Ok(Exit::Done)
}

/// In the place of an id that a change does not have before it is proposed.
const UNNAMED: &str = "CHANGE";

/// It has no id and no revision's digest before it is proposed: the commands are those of whoever has one then.
fn nameless(value: &mut Value, view: &ChangeView) {
    let (id, digest) = (view.id.as_str(), view.revision_digest.to_string());
    match value {
        Value::String(text) if *text == id || *text == digest => *value = Value::Null,
        Value::String(text) => *text = unnamed(text, &view.id, UNNAMED),
        Value::Array(values) => values.iter_mut().for_each(|value| nameless(value, view)),
        Value::Object(fields) => fields.values_mut().for_each(|value| nameless(value, view)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What names a change by its whole id, or by as much of it as somebody has to type.
fn unnamed(text: &str, id: &ChangeId, by: &str) -> String {
    text.replace(id.as_str(), by).replace(id.short(), by)
}

/// How people stand who have not spoken about it. What cannot be learned of them is left out; what the change says is not.
pub(super) fn others(log: &KnownLog, reading: &Reading) -> Presence {
    let now = clock::now();
    let known = |()| log.standing(None, now).map(|state| state.presence(now)).ok();
    reading.change().status.is_open().then_some(()).and_then(known).unwrap_or_default()
}

fn print(global: &Global, log: &KnownLog, reading: &Reading) -> Result<(), CliError> {
    let presence = others(log, reading);
    let view = reading.clone().with_presence(presence.clone()).view()?;
    let meaning = Meaning::of_change(log, reading)?;
    let ask = reviewers::beside(log, reading, presence);
    match global.format {
        Format::Json => output::json(&with(&view, meaning.as_ref(), &ask)?)?,
        Format::Text => {
            let facts = reading.revision().facts.and_then(|digest| reading.blob(&digest));
            let facts = facts.map(GitFacts::parse).transpose()?;
            whole(&view, &facts.map(|facts| paths::lines(&facts, &Links::new())).unwrap_or_default());
            reviewers::tell(&ask);
            if let Some(meaning) = meaning {
                governs(&view, &meaning)?;
            }
        }
    }
    Ok(())
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

/// The change, with what is known of it besides.
pub(super) fn with(view: &ChangeView, meaning: Option<&Meaning>, ask: &[Reviewer]) -> Result<Value, CliError> {
    let mut value = serde_json::to_value(view)
        .map_err(|error| CliError::new("failed", format!("the change cannot be written: {error}")))?;
    if let Some(value) = value.as_object_mut() {
        meaning.iter().for_each(|meaning| drop(value.insert("meaning".to_owned(), meaning.to_json())));
        if !ask.is_empty() {
            value.insert("reviewers".to_owned(), Value::Array(reviewers::to_json(ask)));
        }
    }
    Ok(value)
}

/// What people remarked, a line each.
pub(super) fn comments(view: &ChangeView) -> Vec<String> {
    let one = |comment: &CommentLine| {
        let place = match (&comment.path, comment.line) {
            (Some(path), Some(line)) => format!(", {path}:{line}"),
            (Some(path), None) => format!(", {path}"),
            (None, _) => String::new(),
        };
        let of = format!("revision {}{}", comment.revision, printable(&place));
        let text = words_of(comment.text.as_deref().unwrap_or(NOT_HERE));
        format!("by {} {} ({of}): {text}", comment.by, times::ago(&comment.at))
    };
    view.comments.iter().map(one).collect()
}

fn whole(view: &ChangeView, paths: &[String]) {
    field("change", format!("{} {}", bold(anstyle::Style::new(), view.id.short()), printable(&view.title)));
    field("state", &view.state);
    emergency(view).iter().for_each(|line| anstream::println!("{line}"));
    field("kind", kind(view));
    field("targets", joined(&view.targets));
    field("subject", printable(&view.subject.summary()));
    paths.iter().enumerate().for_each(|(nth, line)| field(if nth == 0 { "brings" } else { "" }, printable(line)));
    field("revision", format!("{} {}", view.revision, faint(view.revision_digest)));
    field("proposed", format!("by {} {}", view.proposer, times::when(&view.proposed_at)));
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
        let counts = counts(approval);
        let seen = match approval.seen {
            Seen::None => "content not at hand",
            Seen::Shown => "content shown on a page",
            Seen::Material => "content in checked bytes",
            Seen::Computed => "content in their own copy",
        };
        let of = format!("revision {}, {seen}", approval.revision);
        field("approved", format!("by {} {} ({of}), {counts}", approval.by, times::when(&approval.at)));
        for lent in &approval.delegated {
            let until = times::local(&lent.until);
            field("", format!("has {} by {}'s delegation until {until}", lent.role, lent.of));
        }
    }
    for taken in &view.taken_back {
        let how = if taken.rejected { "by rejecting it; lifting that does not bring it back" } else { "on their own" };
        let of = format!("{}'s approval of revision {}", taken.by, taken.revision);
        field("took back", format!("{of} {}, {how}", times::when(&taken.at)));
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
    evidence(view).iter().for_each(|line| field("evidence", line));
    for label in &view.labels {
        let of = format!("by {} {} (revision {})", label.by, times::ago(&label.at), label.revision);
        field("label", format!("{} {of}", label.label));
    }
    comments(view).iter().for_each(|line| field("comment", line));
    for permit in &view.permits {
        let outcome = permit.outcome.map_or("not used".to_owned(), |outcome| outcome.to_string());
        field("permit", format!("gate {}, until {}, {outcome}", permit.gate, times::local(&permit.expires_at)));
    }
    verdict(view);
    if is_over(view) {
        return;
    }
    for rule in &view.explanation.rules {
        status(rule);
        obligations(&view.id, rule).iter().for_each(|line| anstream::println!("{line}"));
    }
    view.explanation.for_example().iter().for_each(|line| anstream::println!("  {line}"));
    view.explanation.notes().for_each(|line| anstream::println!("  {}", printable(line)));
    not_applicable(view.decision.not_applicable);
}

/// What of it went past the rules, which nobody is to overlook.
pub(super) fn emergency(view: &ChangeView) -> Vec<String> {
    let lines = view.emergency.iter().flat_map(crate::wire::Emergency::lines);
    lines
        .enumerate()
        .map(|(nth, line)| {
            format!("{}{}", faint(format!("{:<10}", if nth == 0 { "emergency" } else { "" })), warn(words_of(&line)))
        })
        .collect()
}

/// What workloads attested of it.
pub(super) fn evidence(view: &ChangeView) -> Vec<String> {
    let line = |said: &EvidenceLine| {
        let by = said.workflow.as_ref().map(|path| format!(", {}", printable(path))).unwrap_or_default();
        let token = said.issuer.as_ref().map(|issuer| format!(", token of {}", printable(issuer))).unwrap_or_default();
        let only: Vec<String> = said.only_for.iter().map(ToString::to_string).collect();
        let only = if only.is_empty() { String::new() } else { format!(", for {} alone", only.join(", ")) };
        let of = format!("by {} {} (revision {}{by}{token}{only})", said.by, times::ago(&said.at), said.revision);
        let counts = match (said.result, said.counts, said.self_made) {
            (_, true, _) => good("counts"),
            (_, _, true) => warn("does not count: the change edits what made it"),
            _ if said.token_gone => warn("does not count: its token is gone, so that nobody can check it"),
            (EvidenceResult::Failed, _, _) => bad("failed"),
            (_, false, false) => warn("does not count"),
        };
        let note = said.note.as_ref().map(|note| format!(": {}", words_of(note))).unwrap_or_default();
        format!("{} {} {of}, {counts}{note}", said.kind, said.result)
    };
    view.evidence.iter().map(line).collect()
}

/// Whether nothing more can be said about it, so that there is nothing to do.
pub(super) fn is_over(view: &ChangeView) -> bool {
    ["applied", "withdrawn"].contains(&view.state.as_str())
}

/// The decision as it stands, and the to-do list: what is said after something was written.
pub fn standing(view: &ChangeView) {
    standing_of(view, view.id.short());
}

/// The same, with another name of the change in commands.
fn standing_of(view: &ChangeView, name: &str) {
    verdict(view);
    if is_over(view) {
        return;
    }
    let (open, met): (Vec<_>, Vec<_>) = view.explanation.rules.iter().partition(|rule| is_open(rule));
    for rule in open {
        status(rule);
        obligations(&view.id, rule).iter().for_each(|line| anstream::println!("{}", unnamed(line, &view.id, name)));
    }
    view.explanation.for_example().iter().for_each(|line| anstream::println!("  {line}"));
    view.explanation.notes().for_each(|line| anstream::println!("  {}", unnamed(&printable(line), &view.id, name)));
    if met_none(view) {
        return not_applicable(view.decision.not_applicable);
    }
    anstream::println!(
        "  {}",
        faint(output::count(met.len(), "rule") + if met.len() == 1 { " is met" } else { " are met" })
    );
    not_applicable(view.decision.not_applicable);
}

pub(super) fn not_applicable(rules: u32) {
    match rules {
        0 => {}
        1 => anstream::println!("  {}", faint("1 rule does not apply")),
        more => anstream::println!("  {}", faint(format!("{more} rules do not apply"))),
    }
}

fn is_open(rule: &ExplainedRule) -> bool {
    match rule.status {
        RuleStatus::Unsatisfied | RuleStatus::Error => true,
        RuleStatus::Satisfied | RuleStatus::NotApplicable | RuleStatus::Waived | RuleStatus::SetAside => false,
    }
}

/// What it is, and what it is for.
pub(super) fn kind(view: &ChangeView) -> String {
    let purpose = &view.purpose;
    let restores = purpose.restores.as_ref().map(|change| format!("restores {}", change.short()));
    let incident = purpose.incident.as_ref().map(|incident| format!("answers {}", printable(incident)));
    let security = purpose.security.then(|| "closes a security hole".to_owned());
    let source = purpose.source.as_ref().map(|source| format!("comes from {}", printable(source)));
    let no_way_back = purpose.no_way_back.then(|| "no way back past it".to_owned());
    let said = [Some(view.kind.to_string()), restores, incident, security, no_way_back, source];
    said.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn verdict(view: &ChangeView) {
    match (view.decision.outcome, view.state.as_str()) {
        (_, "applied") => anstream::println!("{}", good("applied")),
        (_, "withdrawn") => anstream::println!("withdrawn"),
        (Outcome::Allow, _) if view.decision.rollback.is_some() => {
            anstream::println!("{}: it rolls back", good("allow"));
        }
        (Outcome::Allow, _) if met_none(view) => {
            anstream::println!("{}: no rule of this home applies to it", good("allow"));
        }
        (Outcome::Allow, _) => anstream::println!("{}: every rule is met", good("allow")),
        (Outcome::Deny, _) => anstream::println!("{}: something is missing", bad("deny")),
    }
}

/// Whether nothing stands in its way because no rule says anything of it.
fn met_none(view: &ChangeView) -> bool {
    view.explanation.rules.is_empty() && view.allowed()
}

/// Says of somebody's approval that it does not count, and why: who is needed instead is in the to-do list.
pub fn of_mine(view: &ChangeView, me: &ActorId) {
    let mine = view.approvals.iter().filter(|approval| approval.by == *me && approval.revision == view.revision);
    if let Some(why) = mine.filter_map(|approval| approval.together.as_ref()).next_back() {
        anstream::println!("{}: your approval does not count: {}", warn("note"), printable(why));
    }
}

pub(super) fn status(rule: &ExplainedRule) {
    let status = match rule.status {
        RuleStatus::Satisfied => good("satisfied"),
        RuleStatus::NotApplicable => faint("not applicable"),
        RuleStatus::Waived => warn("waived"),
        RuleStatus::Unsatisfied => bad("unsatisfied"),
        RuleStatus::Error => bad("error"),
        RuleStatus::SetAside => warn("set aside for recovery"),
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
        for (number, way) in obligation.ways().enumerate() {
            let heading = if number == 0 { "missing:" } else { "or:" };
            lines.push(format!("    {heading:<8} {}", printable(&way.missing)));
            lines.push(format!("    who:     {}", who(way)));
            // As much of the id as somebody has to type.
            let how = way.how.replace(change.as_str(), change.short());
            lines.push(format!("    how:     {}", printable(&how)));
        }
    }
    match rule.strength {
        Strength::Waivable => lines.push(format!(
            "    or:      {} waives it: countersign waive {} --rule {} --why TEXT",
            rule.waivers.as_ref().map_or("a senior".to_owned(), |group| format!("somebody of group {group}")),
            change.short(),
            rule.id
        )),
        Strength::Mandatory => {}
    }
    lines.push(format!("    because: {}", printable(&rule.because)));
    lines
}

pub(super) fn who(obligation: &Obligation) -> String {
    match (obligation.who.is_empty(), obligation.more) {
        (true, _) => "nobody can, now".to_owned(),
        (false, 0) => joined(obligation.named()),
        (false, more) => format!("{} and {more} more", joined(obligation.named())),
    }
}

/// What stops the change, as plain lines: for error messages.
pub fn to_do(denied: &Explained) -> String {
    let mut lines = Vec::new();
    for rule in denied.explanation.rules.iter().filter(|rule| rule.stops()) {
        lines.push(format!("  {}", rule.id));
        lines.extend(obligations(&denied.decision.change, rule));
    }
    lines.extend(denied.explanation.for_example().map(|line| format!("  {line}")));
    lines.extend(denied.explanation.notes().map(|line| format!("  {}", printable(line))));
    lines.join("\n")
}

/// What somebody wrote, its further lines under its first, so that none of them looks like a line of ours.
pub(super) fn words_of(text: &str) -> String {
    printable_lines(text).replace('\n', &format!("\n{:10}", ""))
}

fn field(name: &str, value: impl std::fmt::Display) {
    anstream::println!("{}{value}", faint(format!("{name:<10}")));
}

/// Whether an approval counts, in words.
pub(super) fn counts(approval: &ApprovalLine) -> String {
    if let Some(why) = &approval.together {
        return warn(format!("does not count: {}", printable(why)));
    }
    if let Some(why) = approval.rescheduled.as_ref().or(approval.revoked.as_ref()) {
        return warn(format!("does not count: {}", printable(why)));
    }
    match (approval.counts, approval.carries) {
        (true, _) => good("counts"),
        (false, true) => good("carries over where a rule lets it"),
        (false, false) => faint("does not count for this revision"),
    }
}
