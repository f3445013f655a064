//! Reading `.ics` files (RFC 5545), as Google, Outlook and others write them.
//!
//! Strict where it says when something is: what is not understood there is refused, never left out. What it says besides (texts,
//! alarms, tasks) is not looked at. A `VTIMEZONE` is not believed: a zone is what the database says of its name, or a file could
//! call anything `Europe/Berlin`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, DateTime};

use super::{
    event::{Event, Lasts, YEARS},
    lines::{self, Line},
    problem::Problem,
    recur::{Ends, InvalidRule, Recurrence},
    zone::{UnknownZone, Zone},
};

/// Most events of one file.
pub const MAX_EVENTS: usize = 2_000;

/// An event as it was written, with the words that may say whose it is.
#[derive(Clone, Debug)]
pub struct Written {
    pub line: usize,
    pub event: Event,
    pub summary: String,
    /// Mails of those who take part.
    pub attendees: Vec<String>,
}

/// The events of a file, in its order. `zone` is that of days and of times without a zone; without it that which the file says
/// itself.
pub fn read(file: &str, bytes: &[u8], zone: Option<&Zone>) -> Result<(Option<Zone>, Vec<Written>), Problem> {
    let lines = lines::lines(file, bytes)?;
    let mut reader = Reader { file, zone: zone.cloned(), located: BTreeMap::new() };
    let components = reader.components(&lines)?;
    let mut events: Vec<Raw> = Vec::new();
    for component in components {
        if let Some(raw) = reader.event(&component)? {
            events.push(raw);
        }
    }
    let written = reader.put_together(events)?;
    Ok((reader.zone, written))
}

/// The lines of one `VEVENT`.
struct Component<'a> {
    line: usize,
    lines: Vec<&'a Line>,
}

struct Reader<'a> {
    file: &'a str,
    zone: Option<Zone>,
    /// What a `VTIMEZONE` says its zone is in the database.
    located: BTreeMap<String, String>,
}

/// A moment as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct When {
    clock: DateTime,
    zone: Zone,
    is_day: bool,
}

impl When {
    /// What clocks show then in another zone.
    fn in_zone(&self, zone: &Zone) -> DateTime {
        if self.zone == *zone { self.clock } else { zone.clock(self.zone.at(self.clock)) }
    }
}

/// An event before those that only say how one time of it differs are put in their place.
struct Raw {
    written: Written,
    uid: String,
    /// Which time of another event it is.
    instead_of: Option<When>,
    is_cancelled: bool,
}

impl<'l> Reader<'_> {
    fn wrong(&self, line: usize, what: impl Into<String>) -> Problem {
        Problem::new(self.file, Some(line), what.into())
    }

    fn components(&mut self, lines: &'l [Line]) -> Result<Vec<Component<'l>>, Problem> {
        let mut open: Vec<(String, usize)> = Vec::new();
        let mut found: Vec<Component<'l>> = Vec::new();
        let mut zone_called: Option<String> = None;
        for line in lines {
            let value = line.value.trim();
            match line.name.as_str() {
                "BEGIN" => {
                    let name = value.to_ascii_uppercase();
                    if open.is_empty() && name != "VCALENDAR" {
                        return Err(self.wrong(line.number, "a calendar begins with BEGIN:VCALENDAR"));
                    }
                    if open.len() == 1 && name == "VEVENT" {
                        if found.len() == MAX_EVENTS {
                            return Err(self
                                .wrong(line.number, format!("there are more than {MAX_EVENTS} events"))
                                .hint("export what comes, not all that ever was"));
                        }
                        found.push(Component { line: line.number, lines: Vec::new() });
                    }
                    if open.len() > 8 {
                        return Err(self.wrong(line.number, "it is nested too deep"));
                    }
                    open.push((name, line.number));
                }
                "END" => match open.pop() {
                    Some((name, _)) if name == value.to_ascii_uppercase() => {}
                    Some((name, begun)) => {
                        return Err(
                            self.wrong(line.number, format!("END:{name} is missing, of what begins in line {begun}"))
                        );
                    }
                    None => return Err(self.wrong(line.number, "nothing begins that could end here")),
                },
                _ => {
                    let within: Vec<&str> = open.iter().map(|(name, _)| name.as_str()).collect();
                    match (within.as_slice(), line.name.as_str()) {
                        ([], _) => return Err(self.wrong(line.number, "a calendar begins with BEGIN:VCALENDAR")),
                        (["VCALENDAR"], "X-WR-TIMEZONE") if self.zone.is_none() => {
                            self.zone = Some(self.called(line.number, value)?);
                        }
                        (["VCALENDAR", "VTIMEZONE"], "TZID") => zone_called = Some(value.to_owned()),
                        (["VCALENDAR", "VTIMEZONE"], "X-LIC-LOCATION") => {
                            self.located.extend(zone_called.take().map(|called| (called, value.to_owned())));
                        }
                        (["VCALENDAR", "VEVENT"], _) => {
                            found.iter_mut().last().into_iter().for_each(|event| event.lines.push(line));
                        }
                        _ => {}
                    }
                }
            }
        }
        match open.pop() {
            Some((name, begun)) => Err(self
                .wrong(begun, format!("{name} begins here and does not end"))
                .hint("the file was cut off: get it again")),
            None if lines.is_empty() => Err(Problem::new(self.file, None, "it is empty".to_owned())),
            None => Ok(found),
        }
    }

    fn called(&self, line: usize, name: &str) -> Result<Zone, Problem> {
        let found = Zone::called(name);
        let located = || self.located.get(name).and_then(|location| Zone::called(location).ok());
        found.or_else(|error| located().ok_or(error)).map_err(|error| {
            let UnknownZone { near, .. } = &error;
            let meant = near.as_ref().map_or_else(
                || "zones are named as in the IANA database, such as Europe/Berlin".to_owned(),
                |near| format!("did you mean {near}?"),
            );
            self.wrong(line, error.to_string()).hint(meant)
        })
    }

    fn event(&self, component: &Component<'_>) -> Result<Option<Raw>, Problem> {
        let one = |name: &str| -> Result<Option<&Line>, Problem> {
            let mut of = component.lines.iter().filter(|line| line.name == name);
            let first = of.next().copied();
            match of.next() {
                Some(second) => Err(self.wrong(second.number, format!("{name} stands there twice"))),
                None => Ok(first),
            }
        };
        let text = |name: &str| one(name).map(|line| line.map(|line| unescaped(&line.value)).unwrap_or_default());
        if let Some(line) = one("EXRULE")? {
            return Err(self.wrong(line.number, "EXRULE is not read").hint("leave times out one by one, with EXDATE"));
        }
        let start = one("DTSTART")?.ok_or_else(|| self.wrong(component.line, "the event has no DTSTART"))?;
        let start_line = start.number;
        let start = self.when(start, None)?;
        let lasts = self.lasts(component.line, &start, one("DTEND")?, one("DURATION")?)?;
        let rule = one("RRULE")?.map(|line| self.rule(line, &start)).transpose()?;
        let mut event = Event {
            also: BTreeSet::new(),
            except: BTreeSet::new(),
            lasts,
            person: None,
            rule,
            start: start.clock,
            zone: start.zone.clone(),
        };
        for line in component.lines.iter().filter(|line| line.name == "RDATE") {
            if line.parameter("VALUE").is_some_and(|value| value.eq_ignore_ascii_case("PERIOD")) {
                return Err(self
                    .wrong(line.number, "RDATE with VALUE=PERIOD is not read")
                    .hint("make it an event of its own"));
            }
            event.also.extend(self.times(line, &start)?);
        }
        for line in component.lines.iter().filter(|line| line.name == "EXDATE") {
            event.except.extend(self.times(line, &start)?);
        }
        if let Some(problem) = event.problem() {
            let hint = if problem.contains("end") { "DTEND is after DTSTART" } else { "write it as several events" };
            return Err(self.wrong(start_line, problem).hint(hint));
        }
        let instead_of = match one("RECURRENCE-ID")? {
            Some(line) if line.parameter("RANGE").is_some() => {
                return Err(self
                    .wrong(line.number, "RANGE=THISANDFUTURE is not read")
                    .hint("end the event with UNTIL, and begin another one"));
            }
            Some(line) => Some(self.when(line, Some(&start.zone))?),
            None => None,
        };
        let attendees = component.lines.iter().filter(|line| line.name == "ATTENDEE").filter_map(|line| mail(line));
        let attendees = attendees.collect();
        let is_cancelled = text("STATUS")?.eq_ignore_ascii_case("CANCELLED");
        let written = Written { line: component.line, event, summary: text("SUMMARY")?, attendees };
        Ok(Some(Raw { written, uid: text("UID")?, instead_of, is_cancelled }))
    }

    /// One time of an event that is otherwise than the rest is an event of its own, and left out of the other.
    fn put_together(&self, raws: Vec<Raw>) -> Result<Vec<Written>, Problem> {
        let mut left_out: BTreeMap<String, Vec<When>> = BTreeMap::new();
        for raw in &raws {
            if let Some(when) = &raw.instead_of {
                left_out.entry(raw.uid.clone()).or_default().push(when.clone());
            }
        }
        let mut written: Vec<Written> = Vec::new();
        for Raw { written: mut one, uid, instead_of, is_cancelled } in raws {
            if is_cancelled {
                continue;
            }
            if instead_of.is_none() {
                for when in left_out.get(&uid).into_iter().flatten() {
                    one.event.except.extend(self.begins(when, &one.event));
                }
            }
            if let Some(problem) = one.event.problem() {
                return Err(self.wrong(one.line, problem));
            }
            written.push(one);
        }
        Ok(written)
    }

    /// Which time of an event is meant: of a day that at which it begins.
    fn begins(&self, when: &When, event: &Event) -> Option<DateTime> {
        match when.is_day {
            true => Some(when.clock.date().to_datetime(event.start.time())),
            false => Some(when.in_zone(&event.zone)),
        }
    }

    /// `DTSTART;TZID=Europe/Berlin:20261220T000000`.
    fn when(&self, line: &Line, zone: Option<&Zone>) -> Result<When, Problem> {
        self.moment(line, line.value.trim(), zone)
    }

    /// `zone` is that of its event, where it says none itself.
    fn moment(&self, line: &Line, value: &str, zone: Option<&Zone>) -> Result<When, Problem> {
        let no_zone = || {
            self.wrong(line.number, "it says no time zone, and neither does the calendar")
                .hint("say it in the .yaml file beside it: `zone: Europe/Berlin`")
        };
        let (digits, is_utc) = match value.strip_suffix(['Z', 'z']) {
            Some(digits) => (digits, true),
            None => (value, false),
        };
        let invalid = || {
            let name = &line.name;
            let value: String = value.chars().take(40).collect();
            self.wrong(line.number, format!("{name} `{value}` is no time"))
                .hint("a day is 20261220, a time 20261220T093000, or …Z in UTC")
        };
        let plain = digits.len() == if digits.contains('T') { 15 } else { 8 } && digits.is_ascii();
        let is_day = !digits.contains('T');
        let clock = match (plain, is_day) {
            (true, true) => {
                Date::strptime("%Y%m%d", digits).map(|date| date.to_datetime(jiff::civil::Time::midnight()))
            }
            (true, false) => DateTime::strptime("%Y%m%dT%H%M%S", digits),
            (false, _) => return Err(invalid()),
        };
        let clock = clock.map_err(|_| invalid())?;
        if !YEARS.contains(&clock.year()) {
            return Err(self.wrong(
                line.number,
                format!(
                    "{} is in the year {}, and calendars are read from {} to {}",
                    line.name,
                    clock.year(),
                    YEARS.start(),
                    YEARS.end()
                ),
            ));
        }
        let zone = match (is_day, is_utc, line.parameter("TZID")) {
            (false, true, _) => Zone::utc(),
            (false, false, Some(name)) => self.called(line.number, name)?,
            (true, _, _) | (false, false, None) => zone.or(self.zone.as_ref()).cloned().ok_or_else(no_zone)?,
        };
        Ok(When { clock, zone, is_day })
    }

    /// The times of an `EXDATE` or `RDATE`, as clocks show them in the zone of its event.
    fn times(&self, line: &Line, start: &When) -> Result<Vec<DateTime>, Problem> {
        let moments = line.value.split(',').map(|value| self.moment(line, value.trim(), Some(&start.zone)));
        let clock = |when: When| match when.is_day {
            true => when.clock.date().to_datetime(start.clock.time()),
            false => when.in_zone(&start.zone),
        };
        moments.map(|when| when.map(clock)).collect()
    }

    fn lasts(&self, line: usize, start: &When, end: Option<&Line>, duration: Option<&Line>) -> Result<Lasts, Problem> {
        match (end, duration) {
            (Some(_), Some(duration)) => {
                Err(self.wrong(duration.number, "it has DTEND and DURATION; one of them ends it"))
            }
            (None, Some(duration)) => self::duration(duration.value.trim()).ok_or_else(|| {
                self.wrong(duration.number, "DURATION is no length of time")
                    .hint("one day is P1D, eight hours are PT8H")
            }),
            (Some(end_line), None) => {
                let end = self.when(end_line, Some(&start.zone))?;
                let secs = end.in_zone(&start.zone).duration_since(start.clock).as_secs();
                match (start.is_day, end.is_day) {
                    // Some write the day itself as its end.
                    (true, true) if secs == 0 => Ok(Lasts::days(1)),
                    (true, true) if secs > 0 => Ok(Lasts::days(secs.saturating_div(super::event::DAY_SECS))),
                    (false, false) if secs > 0 => Ok(Lasts { clock_secs: secs, ..Lasts::default() }),
                    (true, true) | (false, false) => {
                        Err(self.wrong(end_line.number, "it ends before it begins").hint("DTEND is after DTSTART"))
                    }
                    (true, false) | (false, true) => {
                        Err(self.wrong(end_line.number, "DTSTART is a day and DTEND a time, or the other way round"))
                    }
                }
            }
            (None, None) if start.is_day => Ok(Lasts::days(1)),
            (None, None) => Err(self
                .wrong(line, "the event has no end, so that it is over when it begins")
                .hint("give it DTEND or DURATION")),
        }
    }

    fn rule(&self, line: &Line, start: &When) -> Result<Recurrence, Problem> {
        let wrong = |InvalidRule { what, hint }: InvalidRule| {
            self.wrong(line.number, format!("RRULE: {what}")).maybe_hint(hint.map(str::to_owned))
        };
        let (rule, ends) = Recurrence::read(&line.value).map_err(wrong)?;
        let until = match ends {
            Ends::Never => return Ok(rule),
            Ends::Until(text) => {
                let when = self.moment(line, &text, Some(&start.zone))?;
                // Of a rule of times a day means all of it.
                match (when.is_day, start.is_day) {
                    (true, false) => when.clock.date().to_datetime(jiff::civil::time(23, 59, 59, 0)),
                    (true, true) => when.clock,
                    // Exporters write the end of a day's rule in UTC; the zone it is read in is that of the days.
                    (false, _) if text.ends_with('Z') => when.in_zone(&start.zone),
                    (false, _) => when.clock,
                }
            }
            // Where it does not come so often within some centuries, nobody sees its end.
            Ends::After(count) => match rule.nth(start.clock, count) {
                Some(last) => last,
                None => return Ok(rule),
            },
        };
        Ok(rule.until(until))
    }
}

/// `P1DT12H`, not negative.
fn duration(text: &str) -> Option<Lasts> {
    let text = text.to_ascii_uppercase();
    let mut rest = text.strip_prefix('+').unwrap_or(&text).strip_prefix('P')?;
    let mut lasts = Lasts::default();
    let mut in_time = false;
    let mut any = false;
    while !rest.is_empty() {
        if let Some(behind) = rest.strip_prefix('T').filter(|_| !in_time) {
            (in_time, rest) = (true, behind);
            continue;
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, behind) = rest.split_at_checked(digits)?;
        let number: i64 = number.parse::<u32>().ok()?.into();
        let mut letters = behind.chars();
        match (letters.next()?, in_time) {
            ('W', false) => lasts.days = lasts.days.saturating_add(number.saturating_mul(7)),
            ('D', false) => lasts.days = lasts.days.saturating_add(number),
            ('H', true) => lasts.secs = lasts.secs.saturating_add(number.saturating_mul(3_600)),
            ('M', true) => lasts.secs = lasts.secs.saturating_add(number.saturating_mul(60)),
            ('S', true) => lasts.secs = lasts.secs.saturating_add(number),
            _ => return None,
        }
        rest = letters.as_str();
        any = true;
    }
    any.then_some(lasts)
}

/// `ATTENDEE;CN=Ada:mailto:ada@shop.example`.
fn mail(line: &Line) -> Option<String> {
    let value = line.value.trim();
    let (scheme, mail) = value.split_once(':')?;
    scheme.eq_ignore_ascii_case("mailto").then(|| mail.trim().to_lowercase())
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n' | 'N') => plain.push(' '),
                Some(other) => plain.push(other),
                None => {}
            },
            other => plain.push(other),
        }
    }
    plain.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_as_they_are_meant() {
        let days = |days| Some(Lasts::days(days));
        let secs = |secs| Some(Lasts { secs, ..Lasts::default() });
        for (text, lasts) in [
            ("P1D", days(1)),
            ("+P2W", days(14)),
            ("PT8H", secs(28_800)),
            ("PT1H30M", secs(5_400)),
            ("P", None),
            ("PT", None),
            ("-P1D", None),
            ("P1H", None),
            ("PT1D", None),
            ("P99999999999D", None),
            ("", None),
            ("PXD", None),
        ] {
            assert_eq!(duration(text), lasts, "{text}");
        }
    }
}
