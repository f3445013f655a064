//! `list`: which changes there are, as the server tells it.

use countersign_core::{calendar::Use, catalog::did_you_mean, ids::Target, statement::Matter};

use super::{
    Global,
    error::{CliError, Exit},
    me::Me,
    output::{self, Format, bad, bold, faint, printable, warn},
    times, waiting,
};
use crate::{
    clock,
    known::KnownLog,
    wire::{ChangeLine, ChangePage, WindowLine, rfc3339},
};

/// List the changes, the newest first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign list --waiting-on me\n  \
    countersign list --mine --state open\n  \
    countersign list --system checkout --since 7d")]
pub struct Args {
    /// Those that you proposed, or answer for.
    #[arg(long, conflicts_with = "person")]
    mine: bool,
    /// Those that something is missing of which this person, or `me`, could supply.
    #[arg(long, value_name = "PERSON")]
    waiting_on: Option<String>,
    /// Those in this state: proposed, permitted, applying, applied, failed, rejected, withdrawn, expired; or open: neither
    /// applied nor withdrawn.
    #[arg(long)]
    state: Option<String>,
    /// Those of this system.
    #[arg(long)]
    system: Option<String>,
    /// Those of this target: SYSTEM/ENVIRONMENT.
    #[arg(long)]
    target: Option<String>,
    /// Those that this person proposed, revised, approved, rejected, commented on or waived a rule of.
    #[arg(long)]
    person: Option<String>,
    /// Proposed since then: 7d, 12h, 2026-11-01 or 2026-11-26T09:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Proposed until then.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// How many at the most.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Go on where a list before ended, which says how.
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
}

const OPEN: &str = "open";
const STATES: [&str; 9] =
    [OPEN, "proposed", "permitted", "applying", "applied", "failed", "rejected", "withdrawn", "expired"];

impl Args {
    /// What the server is asked for.
    fn query(&self, me: Option<&str>) -> Result<Vec<(&'static str, String)>, CliError> {
        let person = |said: &Option<String>| match said.as_deref() {
            Some(ME) => me.map(str::to_owned),
            _ => said.clone(),
        };
        if let Some(state) = self.state.as_deref().filter(|state| !STATES.contains(state)) {
            let error = CliError::usage(format!("`{state}` is no state of a change"));
            return Err(match did_you_mean(state, STATES) {
                Some(meant) => error.hint(format!("did you mean --state {meant}?")),
                None => error.hint(format!("it is one of {}", output::joined(STATES))),
            });
        }
        let (open, state) = match self.state.as_deref() {
            Some(OPEN) => (Some("true".to_owned()), None),
            _ => (None, self.state.clone()),
        };
        if let Some(target) = self.target.as_deref().filter(|target| target.parse::<Target>().is_err()) {
            return Err(CliError::usage(format!("--target {target}: a target is SYSTEM/ENVIRONMENT"))
                .hint("as in checkout/production; all of a system: --system NAME"));
        }
        let asked = [
            ("proposer", me.filter(|_| self.mine).map(str::to_owned)),
            ("waiting_on", person(&self.waiting_on)),
            ("open", open),
            ("state", state),
            ("system", self.system.clone()),
            ("target", self.target.clone()),
            ("person", person(&self.person)),
            ("since", self.since.as_deref().map(times::moment).transpose()?),
            ("until", self.until.as_deref().map(times::end).transpose()?),
        ];
        Ok(asked.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }

    fn asks_who_i_am(&self) -> bool {
        let is_me = |said: &Option<String>| said.as_deref() == Some(ME);
        self.mine || is_me(&self.waiting_on) || is_me(&self.person)
    }
}

/// Whoever asks, in the place of a name.
const ME: &str = "me";

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    let log = global.log()?;
    let me = match args.asks_who_i_am() {
        true => Some(Me::of(global, &log)?.known()?.to_string()),
        false => None,
    };
    let query = args.query(me.as_deref())?;
    let wanted = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let ChangePage { changes: lines, next } = log.list(&query, args.after.as_deref(), wanted)?;
    match global.format {
        Format::Json => output::json(&lines)?,
        Format::Text if lines.is_empty() && query.is_empty() => {
            anstream::println!("no changes yet: countersign propose --help");
        }
        Format::Text if lines.is_empty() => anstream::println!("no change is like that"),
        Format::Text => {
            lines.iter().for_each(line);
            if let Ok(coming) = waiting::coming(&log, clock::now()) {
                waiting::print_coming(&coming);
            }
            freezes(&log);
            broken_glass(&log);
            anstream::eprintln!("{}", faint("as the server tells it; countersign show ID checks what it shows"));
        }
    }
    if let Some(next) = next {
        anstream::eprintln!("{}", faint(format!("there are more: the same with --after '{next}'")));
    }
    Ok(Exit::Done)
}

/// The freezes that hold now, by the signed log. What cannot be checked is not shown.
pub(super) fn freezes(log: &KnownLog) {
    let now = clock::now();
    let Ok(state) = log.standing(None, now) else { return };
    for line in super::freeze::banner(&state.governance, now) {
        anstream::eprintln!("{}", warn(line));
    }
    for calendar in state.governance.calendars.used_for(Use::Freeze) {
        if let Some(until) = calendar.until(now) {
            let (name, scope) = (&calendar.name, calendar.file.scope.words());
            let until = times::local(&rfc3339(until));
            anstream::eprintln!("{}", warn(format!("freeze {name} holds until {until}: {scope}")));
        }
    }
}

/// What was opened whatever the rules said and nobody else has looked at yet, as the server tells it.
pub(super) fn broken_glass(log: &KnownLog) {
    let Ok(page) = log.client.findings(&[("open", "true"), ("limit", "100")]) else { return };
    for finding in page.findings.iter().filter(|finding| matches!(finding.what, Matter::GlassBroken { .. })) {
        let (said, id) = (printable(&finding.said), finding.id.short());
        anstream::eprintln!("{}", bad(format!("{said}: countersign review {id}")));
    }
}

fn line(line: &ChangeLine) {
    let targets: Vec<_> = line.targets.iter().map(ToString::to_string).collect();
    let (state, proposer) = (format!("{:<10}", line.state), format!("{:<16}", line.proposer.as_str()));
    let ago = format!("{:<12}", times::ago(&line.proposed_at));
    let expires = line.expires_at.as_ref().map(|at| format!("expires {} ", times::local(at))).unwrap_or_default();
    let when = line.window.as_ref().map(lands).unwrap_or_default() + &expires;
    let before = format!("{}  {state} {proposer} {ago}  {}  {when}", line.id.short(), targets.join(" "));
    anstream::println!(
        "{}  {state} {proposer} {}  {}  {}{}",
        bold(anstyle::Style::new(), line.id.short()),
        faint(ago),
        targets.join(" "),
        warn(&when),
        titled(&line.title, before.chars().count(), TITLE),
    );
}

/// When it lands.
fn lands(window: &WindowLine) -> String {
    let from = window.not_before.as_ref().map(|at| format!("from {} ", times::local(at)));
    let until = window.until.as_ref().map(|at| format!("until {} ", times::local(at)));
    format!("{}{} ", from.unwrap_or_default(), until.unwrap_or_default())
}

/// As much of a title as the terminal's width leaves beside what else is in its line; so much where it has no width.
pub(super) fn titled(title: &str, others: usize, at_most: usize) -> String {
    let width = terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
    printable(&shortened(title, room(width, others, at_most)))
}

fn room(width: Option<usize>, others: usize, at_most: usize) -> usize {
    width.map_or(at_most, |width| width.saturating_sub(others).max(SHORTEST_TITLE))
}

/// How much of a title a line has where no terminal says how wide it is, and at the least.
const TITLE: usize = 120;
const SHORTEST_TITLE: usize = 20;

pub fn shortened(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    let kept: String = text.chars().take(chars.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_has_what_the_terminal_leaves() {
        let title = "Raise the timeout of the bank at month end";
        let shown = |width, others| shortened(title, room(width, others, TITLE));
        assert_eq!(shown(None, 60), title);
        assert_eq!(shown(Some(200), 60), title);
        assert_eq!(shown(Some(90), 60), "Raise the timeout of the bank…");
        assert_eq!(shown(Some(40), 60), "Raise the timeout o…");
    }
}
