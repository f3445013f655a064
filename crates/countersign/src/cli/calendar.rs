//! `countersign calendar`: what the calendars in force say now, and what comes.

use std::collections::BTreeSet;

use countersign_core::{
    calendar::{Calendar, CalendarFile, Event, FetchedRecord, Heard, MAX_WEEKS, Scope, Span, Use, weeks_after},
    catalog::did_you_mean,
    governance::Governance,
    ids::{ActorId, GroupId, SystemId, Target},
    kind::Kind,
    snapshot::{FreezeView, TargetView},
};
use countersign_ledger::Time;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::{Value, json};

use super::{
    Global,
    error::{CliError, Exit},
    output::{self, Format, bad, faint, good, printable, warn},
    times,
};
use crate::{clock, wire::rfc3339};

/// How many lines are printed of what comes; JSON has them all.
const MAX_LINES: usize = 60;

/// Show what calendars say: freezes, change windows, holidays, who is on call and who is away.
///
/// What holds now, and what comes within some weeks, in the time of this machine. What is shown follows from the signed log.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    countersign calendar                              now, and the next two weeks\n  \
    countersign calendar year-end                     one calendar\n  \
    countersign calendar --system checkout            what bears on one system\n  \
    countersign calendar --at 2026-12-24T10:00 --weeks 1")]
pub struct Args {
    /// One calendar, by its name.
    name: Option<String>,
    /// What bears on this system.
    #[arg(long, conflicts_with = "name")]
    system: Option<SystemId>,
    /// When; now, if it is not said. `2026-12-24`, `2026-12-24T10:00` (here) or `2026-12-24T09:00:00Z`.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// How far ahead.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_WEEKS)))]
    weeks: u32,
}

pub fn run(global: &Global, args: &Args) -> Result<Exit, CliError> {
    let at = args.at.as_deref().map(moment).transpose()?.unwrap_or_else(clock::now);
    let state = global.log()?.standing(None, clock::now())?;
    let governance = &*state.governance;
    let shown = Shown::of(governance, args)?;
    let until = weeks_after(at, args.weeks);
    let coming = shown.coming(at, until);
    match global.format {
        Format::Json => output::json(&json!({
            "at": rfc3339(at),
            "until": rfc3339(until),
            "now": shown.calendars.iter().filter_map(|calendar| shown.now_in_json(calendar, at)).collect::<Vec<_>>(),
            "subscribed": shown.calendars.iter().filter_map(|calendar| heard(governance, calendar, at)).collect::<Vec<_>>(),
            "working": shown.system.as_ref().map(|system| system.works(governance, at)),
            "window_open": shown.system.as_ref().map(|system| system.is_open(&shown, at)),
            "coming": coming.iter().map(Coming::to_json).collect::<Vec<_>>(),
        }))?,
        Format::Text => shown.print(governance, at, args, &coming),
    }
    Ok(Exit::Done)
}

/// A moment that may be to come.
pub(super) fn moment(text: &str) -> Result<Time, CliError> {
    let here = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::system()).ok().map(|at| at.timestamp());
    match text.parse::<Timestamp>().ok().or_else(here) {
        Some(at) => Ok(Time::from_unix_millis(at.as_millisecond())),
        None => Err(CliError::usage(format!("`{text}` is no moment"))
            .hint("as in 2026-12-24, 2026-12-24T10:00 or 2026-12-24T09:00:00Z")),
    }
}

/// The calendars that are asked about.
struct Shown<'a> {
    calendars: Vec<&'a Calendar>,
    system: Option<SystemShown<'a>>,
}

/// A system that is asked about, with its targets.
struct SystemShown<'a> {
    id: &'a SystemId,
    owner: &'a GroupId,
    targets: Vec<TargetView>,
}

/// One time of a calendar.
struct Coming<'a> {
    span: Span,
    calendar: &'a Calendar,
    event: &'a Event,
}

impl<'a> Shown<'a> {
    fn of(governance: &'a Governance, args: &Args) -> Result<Self, CliError> {
        let all = &governance.calendars;
        if let Some(name) = &args.name {
            let calendar = all.get(name).ok_or_else(|| {
                let names: Vec<&str> = all.iter().map(|calendar| calendar.name.as_str()).collect();
                let hint = match did_you_mean(name, names.iter().copied()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None if names.is_empty() => "no calendar is in force".to_owned(),
                    None => format!("in force are {}", names.join(", ")),
                };
                CliError::new("no-such-calendar", format!("there is no calendar `{name}`")).hint(hint)
            })?;
            return Ok(Self { calendars: vec![calendar], system: None });
        }
        let Some(id) = &args.system else { return Ok(Self { calendars: all.iter().collect(), system: None }) };
        let catalog = &governance.catalog;
        let system = catalog.systems.get(id).ok_or_else(|| {
            let meant = did_you_mean(id.as_str(), catalog.systems.keys().map(SystemId::as_str));
            let error = CliError::new("no-such-system", format!("there is no system `{id}`"));
            match meant {
                Some(meant) => error.hint(format!("did you mean `{meant}`?")),
                None => error.hint("the catalog says which there are"),
            }
        })?;
        let target = |environment| {
            let target = Target { system: system.id.clone(), environment };
            TargetView {
                production: catalog.is_production(&target),
                target,
                tier: system.tier,
                owner: system.owner.clone(),
            }
        };
        let targets = catalog.settings.environments.iter().cloned().map(target).collect();
        let shown = SystemShown { id: &system.id, owner: &system.owner, targets };
        let calendars = all.iter().filter(|calendar| shown.is_meant_by(calendar, governance)).collect();
        Ok(Self { calendars, system: Some(shown) })
    }

    fn coming(&self, from: Time, until: Time) -> Vec<Coming<'a>> {
        let each = |calendar: &&'a Calendar| {
            let calendar = *calendar;
            let between = calendar.between(from, until).into_iter();
            between.map(move |(span, event)| Coming { span, calendar, event }).collect::<Vec<_>>()
        };
        let mut coming: Vec<Coming<'a>> = self.calendars.iter().flat_map(each).collect();
        coming.sort_by(|a, b| (a.span, &a.calendar.name).cmp(&(b.span, &b.calendar.name)));
        coming
    }

    fn now_in_json(&self, calendar: &Calendar, at: Time) -> Option<Value> {
        let until = calendar.until(at)?;
        let CalendarFile { because, groups, may_pass, scope, used, .. } = &calendar.file;
        Some(json!({
            "calendar": calendar.name,
            "use": used.as_str(),
            "until": rfc3339(until),
            "about": about(*used, scope),
            "may_pass": may_pass,
            "groups": groups,
            "people": people(calendar, at),
            "because": because,
        }))
    }

    fn print(&self, governance: &Governance, at: Time, args: &Args, coming: &[Coming<'_>]) {
        output::heading(format!("{} ({})", local(at), TimeZone::system().iana_name().unwrap_or("here")));
        let mut lines: Vec<String> = Vec::new();
        for calendar in &self.calendars {
            lines.extend(line_now(calendar, at));
        }
        if let Some(system) = &self.system {
            lines.extend(system.lines(self, governance, at));
        }
        if args.name.is_none() {
            lines.extend(super::freeze::banner(governance, at).into_iter().map(bad).map(|line| line.to_string()));
        }
        lines.extend(self.calendars.iter().filter_map(|calendar| subscribed(governance, calendar, at)));
        if lines.is_empty() {
            lines.push(match governance.calendars.is_empty() {
                true => {
                    "no calendar is in force: write calendars/NAME.yaml and NAME.ics in a home, and countersign amend"
                        .to_owned()
                }
                false => "nothing is frozen, and nobody is away".to_owned(),
            });
        }
        lines.iter().for_each(|line| anstream::println!("  {line}"));
        if let (Some(_), [calendar]) = (&args.name, self.calendars.as_slice()) {
            let CalendarFile { zone, hours, .. } = &calendar.file;
            let hours = hours.as_ref().map(|hours| format!(", working hours {hours}")).unwrap_or_default();
            anstream::println!("  {}", faint(format!("in {zone}{hours}")));
        }
        let weeks = if args.weeks == 1 { "week".to_owned() } else { format!("{} weeks", args.weeks) };
        output::heading(format!("Within the next {weeks}"));
        if coming.is_empty() {
            anstream::println!("  nothing");
        }
        for one in coming.iter().take(MAX_LINES) {
            anstream::println!("  {}", one.line());
        }
        if coming.len() > MAX_LINES {
            anstream::println!("  and {} more: see --format json", coming.len() - MAX_LINES);
        }
    }
}

impl SystemShown<'_> {
    fn is_meant_by(&self, calendar: &Calendar, governance: &Governance) -> bool {
        let CalendarFile { groups, scope, used, events, .. } = &calendar.file;
        match used {
            Use::Freeze | Use::Window => self.targets.iter().any(|view| is_about(scope, view)),
            Use::Holiday => groups.is_empty() || groups.iter().any(|group| self.is_within(group, governance)),
            Use::OnCall => groups.contains(self.owner),
            Use::Absence => {
                let owners = governance.catalog.owners(self.id);
                events.iter().filter_map(|event| event.person.as_ref()).any(|person| owners.contains(person))
            }
        }
    }

    /// Whether the owners are of this group, or of one below it.
    fn is_within(&self, group: &GroupId, governance: &Governance) -> bool {
        let mut of = Some(self.owner);
        for _ in 0..=governance.catalog.groups.len() {
            match of {
                Some(known) if known == group => return true,
                Some(known) => of = governance.catalog.groups.get(known).and_then(|known| known.parent.as_ref()),
                None => return false,
            }
        }
        false
    }

    fn works(&self, governance: &Governance, at: Time) -> bool {
        governance.calendars.works(self.owner, &governance.catalog, at)
    }

    fn windows<'c>(&self, shown: &'c Shown<'_>) -> impl Iterator<Item = &'c Calendar> {
        shown.calendars.iter().copied().filter(|calendar| calendar.file.used == Use::Window)
    }

    /// `None` where it has no window.
    fn is_open(&self, shown: &Shown<'_>, at: Time) -> Option<bool> {
        let mut windows = self.windows(shown).peekable();
        windows.peek()?;
        Some(windows.any(|calendar| calendar.is_now(at)))
    }

    fn lines(&self, shown: &Shown<'_>, governance: &Governance, at: Time) -> Vec<String> {
        let mut lines = Vec::new();
        if self.is_open(shown, at) == Some(false) {
            let ahead = weeks_after(at, MAX_WEEKS);
            let next = self
                .windows(shown)
                .filter_map(|calendar| calendar.between(at, ahead).first().map(|(span, _)| span.from));
            let opens =
                next.min().map_or("and none comes".to_owned(), |next| format!("the next opens {}", local(next)));
            lines.push(format!("{}: {opens}", warn("no change window is open")));
        }
        let works = if self.works(governance, at) { "works now" } else { "does not work now" };
        lines.push(format!("group {}, which owns {}, {works}", self.owner, self.id));
        lines
    }
}

fn is_about(scope: &Scope, view: &TargetView) -> bool {
    let kinds = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Rules);
    kinds.into_iter().any(|kind| scope.is_about(&view.target, view.production, view.tier, kind, || true))
}

fn about(used: Use, scope: &Scope) -> Option<String> {
    match used {
        Use::Freeze | Use::Window => Some(scope.words()),
        Use::Holiday | Use::OnCall | Use::Absence => None,
    }
}

fn people(calendar: &Calendar, at: Time) -> BTreeSet<&ActorId> {
    calendar.events_at(at).filter_map(|event| event.person.as_ref()).collect()
}

fn groups(file: &CalendarFile) -> String {
    match file.groups.is_empty() {
        true => "everybody".to_owned(),
        false => output::joined(&file.groups),
    }
}

/// When something was heard last of what is subscribed to.
fn last_heard<'a>(governance: &'a Governance, calendar: &Calendar) -> Option<&'a Heard> {
    governance.record.fetched.get(&calendar.name).and_then(FetchedRecord::newest)
}

fn heard(governance: &Governance, calendar: &Calendar, at: Time) -> Option<Value> {
    let from = calendar.file.from.as_ref()?;
    let newest = last_heard(governance, calendar);
    let stale = governance.record.fetched.get(&calendar.name).is_none_or(|record| record.is_stale(at));
    Some(json!({
        "calendar": calendar.name,
        "from": from,
        "content": newest.map(|heard| heard.content),
        "events": newest.map_or(0, |heard| heard.events.len()),
        "heard_at": newest.map(|heard| rfc3339(heard.last)),
        "stale": stale,
    }))
}

/// Where it comes from; and that nothing was heard of it for too long.
fn subscribed(governance: &Governance, calendar: &Calendar, at: Time) -> Option<String> {
    let from = printable(calendar.file.from.as_ref()?).to_string();
    let name = &calendar.name;
    let Some(newest) = last_heard(governance, calendar) else {
        return Some(
            warn(format!("{name}: nothing was fetched from {from} yet, so that it takes nothing away")).to_string(),
        );
    };
    let last = local(newest.last);
    Some(match governance.record.fetched.get(name).is_some_and(|record| record.is_stale(at)) {
        true => warn(format!("{name} is stale: the server fetched {from} at {last} for the last time, which holds"))
            .to_string(),
        false => faint(format!("{name}: {} events from {from}, fetched at {last}", newest.events.len())).to_string(),
    })
}

/// What a calendar says now, if it says anything.
fn line_now(calendar: &Calendar, at: Time) -> Option<String> {
    let until = calendar.until(at)?;
    let Calendar { name, file, .. } = calendar;
    let CalendarFile { because, may_pass, scope, used, .. } = file;
    let until = format!("until {}", local(until));
    let because = because.as_ref().map(|because| format!("; {}", faint(printable(because)))).unwrap_or_default();
    Some(match used {
        Use::Freeze => {
            let freeze = FreezeView {
                by: None,
                name: name.clone(),
                may_pass: may_pass.clone(),
                targets: BTreeSet::new(),
                until: at,
            };
            let passes = freeze.passes_in_words();
            format!("{} {until}: {}; what may pass: {passes}{because}", bad(format!("freeze {name}")), scope.words())
        }
        Use::Window => format!("{} {until}: {}{because}", good(format!("window {name} is open")), scope.words()),
        Use::Holiday => format!("holiday {name} {until}: {}{because}", groups(file)),
        Use::OnCall => {
            format!("on call for {} ({name}): {}{because}", groups(file), output::list(people(calendar, at)))
        }
        Use::Absence => format!("away ({name}): {}{because}", output::list(people(calendar, at))),
    })
}

impl Coming<'_> {
    fn line(&self) -> String {
        let Self { span, calendar, event } = self;
        let (used, name) = (calendar.file.used.as_str(), &calendar.name);
        let what = match calendar.file.used {
            Use::Freeze | Use::Window => calendar.file.scope.words(),
            Use::Holiday => groups(&calendar.file),
            Use::OnCall => format!("{} for {}", output::joined(&event.person), groups(&calendar.file)),
            Use::Absence => output::joined(&event.person),
        };
        format!("{}  to {}  {used:<8} {name:<20}  {what}", local(span.from), local(span.until))
    }

    fn to_json(&self) -> Value {
        let Self { span, calendar, event } = self;
        json!({
            "calendar": calendar.name,
            "use": calendar.file.used.as_str(),
            "from": rfc3339(span.from),
            "until": rfc3339(span.until),
            "person": event.person,
        })
    }
}

fn local(at: Time) -> String {
    times::local(&rfc3339(at))
}
