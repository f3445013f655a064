//! Calendars: `.ics` files against a second implementation, what is refused and where, and bounds.

mod second;

use std::collections::BTreeMap;

use countersign_core::{
    calendar::{Calendar, CalendarFile, Calendars, Event, Zone, compare::loosens, ics, written},
    cases::run_cases,
    catalog::{Catalog, CatalogSettings},
    refusal::Refusal,
    rules::{Rules, check},
};
use countersign_ledger::Time;
use insta::assert_snapshot;
use proptest::prelude::*;

const CATALOG: &str = "
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: { name: checkout, annotations: { countersign/tier: '1' } }
spec: { type: service, lifecycle: production, owner: payments }
---
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: { name: payments }
spec: { type: team, children: [] }
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: { name: ada }
spec: { profile: { displayName: Ada L., email: ada@shop.example }, memberOf: [payments] }
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: { name: linus }
spec: { profile: { displayName: Linus, email: linus@shop.example }, memberOf: [] }
";

fn catalog() -> Catalog {
    let files = BTreeMap::from([("all.yaml".to_owned(), CATALOG.to_owned())]);
    Catalog::parse(&files, &CatalogSettings::default()).unwrap()
}

/// A whole file around the lines of events.
fn ics(events: &[&str]) -> String {
    let mut text = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nX-WR-TIMEZONE:Europe/Berlin\r\n".to_owned();
    for event in events {
        text.push_str(&format!("BEGIN:VEVENT\r\n{}\r\nEND:VEVENT\r\n", event.replace('\n', "\r\n")));
    }
    text + "END:VCALENDAR\r\n"
}

fn written(yaml: &str, ics: &str) -> Result<CalendarFile, Refusal> {
    let files = BTreeMap::from([
        ("c.yaml".to_owned(), yaml.as_bytes().to_vec()),
        ("c.ics".to_owned(), ics.as_bytes().to_vec()),
    ]);
    written::calendars(&files, &catalog()).map(|mut found| found.remove("c").unwrap())
}

fn calendar(yaml: &str, ics: &str) -> Calendar {
    let file = written(yaml, ics).unwrap();
    Calendar::parse("c", &file.to_bytes().unwrap()).unwrap()
}

fn at(text: &str) -> Time {
    let at: jiff::Timestamp = text.parse().unwrap();
    Time::from_unix_millis(at.as_millisecond())
}

const CHRISTMAS: &str = "SUMMARY:Year end\nDTSTART;VALUE=DATE:20261220\nDTEND;VALUE=DATE:20270104";

#[test]
fn a_calendar_is_times_and_ids_and_no_words() {
    let file = written("use: freeze\ntiers: [1]\nmay-pass: [incident, rollback]", &ics(&[CHRISTMAS])).unwrap();
    let text = String::from_utf8(file.to_bytes().unwrap()).unwrap();
    assert_snapshot!(text, @r#"{"events":[{"lasts":{"days":15},"start":"2026-12-20T00:00:00","zone":"Europe/Berlin"}],"may_pass":["incident"],"scope":{"tiers":[1]},"use":"freeze","zone":"Europe/Berlin"}"#);
    // Exported again, in another order and with another stamp, it is the same.
    let window = "DTSTART;TZID=Europe/Berlin:20261001T090000\nDURATION:PT8H\nRRULE:freq=weekly;byday=th,tu;count=4";
    let one = written("use: freeze", &ics(&[CHRISTMAS, window])).unwrap();
    let stamped = format!("DTSTAMP:20261127T000000Z\nDESCRIPTION:hello\n{window}");
    assert_eq!(one, written("use: freeze", &ics(&[&stamped, CHRISTMAS])).unwrap());
    assert_snapshot!(one.events.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), @r"
    2026-10-01 09:00 to 2026-10-01 09:00 and 28800 s (Europe/Berlin), FREQ=WEEKLY;UNTIL=20261013T090000;BYDAY=TU,TH
    2026-12-20 to 2027-01-03 (Europe/Berlin)
    ");
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_what_would_be_right() {
    let freeze = |ics: &str| {
        let refusal = written("use: freeze", ics).unwrap_err();
        format!("{} | {}", refusal.message, refusal.hint.unwrap_or_default())
    };
    let timed = "DTSTART;TZID=Europe/Berlin:20261220T000000";
    let mut said: Vec<String> = [
        "SUMMARY:none".to_owned(),
        timed.to_owned(),
        format!("{timed}\nDTEND;TZID=Europe/Berlin:20261219T000000"),
        "DTSTART;TZID=Europe/Berln:20261220T000000\nDURATION:P1D".to_owned(),
        format!("{timed}\nDURATION:P1D\nRRULE:FREQ=HOURLY"),
        format!("{timed}\nDURATION:P1D\nRRULE:FREQ=DAILY;BYSECOND=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24"),
        format!("{timed}\nDURATION:P1D\nRRULE:FREQ=DAILY;COUNT=3;UNTIL=20270101T000000Z"),
        format!("{timed}\nDURATION:P1D\nEXRULE:FREQ=DAILY"),
        format!("{timed}\nDURATION:P400D\nRRULE:FREQ=DAILY"),
        "DTSTART;VALUE=DATE:20261320".to_owned(),
        "DTSTART;VALUE=DATE:99991220".to_owned(),
        format!("{timed}\nDURATION:P1D\nDURATION:P2D"),
        format!("{timed}\nDURATION:P1D\nRECURRENCE-ID;RANGE=THISANDFUTURE:20261220T000000"),
        format!("{timed}\nDURATION:P1D\nno line"),
    ]
    .iter()
    .map(|event| freeze(&ics(&[event])))
    .collect();
    said.push(freeze(&ics(&[CHRISTMAS]).replace("END:VEVENT\r\n", "")));
    said.push(freeze(&ics(&[CHRISTMAS]).replace("END:VCALENDAR\r\n", "")));
    said.push(freeze(&ics(&[CHRISTMAS]).replace("X-WR-TIMEZONE:Europe/Berlin\r\n", "")));
    said.push(freeze("<html>"));
    assert_snapshot!(said.join("\n"), @"
    calendars/c.ics:4: the event has no DTSTART | 
    calendars/c.ics:4: the event has no end, so that it is over when it begins | give it DTEND or DURATION
    calendars/c.ics:6: it ends before it begins | DTEND is after DTSTART
    calendars/c.ics:5: there is no time zone `Europe/Berln` | did you mean Europe/Berlin?
    calendars/c.ics:7: RRULE: FREQ=HOURLY comes more than once a day | FREQ=DAILY, with BYHOUR for several times a day, or one event that lasts as long
    calendars/c.ics:7: RRULE: it names more than 24 times a day | one event that lasts as long says the same
    calendars/c.ics:7: RRULE: it has UNTIL and COUNT; one of them ends it | 
    calendars/c.ics:7: EXRULE is not read | leave times out one by one, with EXDATE
    calendars/c.ics:5: it comes again and lasts longer than 366 days | write it as several events
    calendars/c.ics:5: DTSTART `20261320` is no time | a day is 20261220, a time 20261220T093000, or …Z in UTC
    calendars/c.ics:5: DTSTART is in the year 9999, and calendars are read from 1970 to 2200 | 
    calendars/c.ics:7: DURATION stands there twice | 
    calendars/c.ics:7: RANGE=THISANDFUTURE is not read | end the event with UNTIL, and begin another one
    calendars/c.ics:7: it is no line of a calendar, which is NAME:VALUE | is it an .ics file, and whole?
    calendars/c.ics:8: END:VEVENT is missing, of what begins in line 4 | 
    calendars/c.ics:1: VCALENDAR begins here and does not end | the file was cut off: get it again
    calendars/c.ics:5: it says no time zone, and neither does the calendar | say it in the .yaml file beside it: `zone: Europe/Berlin`
    calendars/c.ics:1: it is no line of a calendar, which is NAME:VALUE | is it an .ics file, and whole?
    ");
}

#[test]
fn what_the_words_say_has_to_be_there() {
    let said: Vec<String> = [
        "use: freeze\nenvironments: [prod]",
        "use: freeze\nsystems: [chekout]",
        "use: freeze\nkinds: [rules]",
        "use: freeze\nmay-pass: [incidents]",
        "use: freeze\nzone: Berlin",
        "use: freeze\ntiers: [5]",
        "use: frozen",
        "use: freeze\ngroups: [payments]",
        "use: holiday\ngroups: [payment]",
        "use: holiday\nworking-hours: 9 to 5",
        "use: holiday\nmay-pass: [incident]",
        "use: oncall\nperson: ada",
        "use: oncall\ngroup: payments\nperson: linus",
        "use: absence",
        "use: absence\nperson: adda",
        "use: freeze\nfile: other.ics",
    ]
    .iter()
    .map(|yaml| {
        let refusal = written(yaml, &ics(&[CHRISTMAS])).unwrap_err();
        let hint = refusal.hint.unwrap_or_default();
        format!("{} | {}", refusal.message, if hint.starts_with("what it says") { "(what it says)" } else { &hint })
    })
    .collect();
    assert_snapshot!(said.join("\n"), @r#"
    calendars/c.yaml: there is no environment `prod` | did you mean `production`?
    calendars/c.yaml: there is no system `chekout` | did you mean `checkout`?
    calendars/c.yaml: the kind `rules` is about nothing that a calendar can stop | what governs is never frozen: nobody could take the freeze away
    calendars/c.yaml: `incidents` is nothing that may pass a freeze: incident, security, or a kind of change such as flag | 
    calendars/c.yaml: there is no time zone `Berlin` | did you mean Europe/Berlin?
    calendars/c.yaml: tier 5 is not one of 1, 2, 3, 4 at line 2, column 9 | (what it says)
    calendars/c.yaml: unknown variant `frozen`, expected one of freeze, window, holiday, oncall, absence at line 1, column 6 | (what it says)
    calendars/c.yaml: a group belongs to `use: holiday or oncall` | (what it says)
    calendars/c.yaml: there is no group `payment` | did you mean `payments`?
    calendars/c.yaml: `9 to 5` says no working hours, which are written `Mon-Fri 09:00-17:00` at line 2, column 16 | (what it says)
    calendars/c.yaml: `may-pass` belongs to `use: freeze` | (what it says)
    calendars/c.yaml: an on-call rota names the group that is on call | (what it says)
    calendars/c.ics:4: linus is not in group payments, which is on call | put linus into the group first
    calendars/c.ics:4: nobody in the catalog is `Year end` | say who that is in calendars/c.yaml: `people: {"Year end": PERSON}`; or nobody: `"Year end": null`
    calendars/c.yaml: nobody in the catalog is `adda` | say who that is in calendars/c.yaml: `people: {"adda": ada}`; or nobody: `"adda": null`
    calendars/c.yaml: there is no calendars/other.ics | put the calendar there, as your calendar program exports it, or name another: `file: NAME.ics`
    "#);
    // Without words nobody knows what it is for.
    let alone = BTreeMap::from([("year-end.ics".to_owned(), ics(&[CHRISTMAS]).into_bytes())]);
    assert_snapshot!(written::calendars(&alone, &catalog()).unwrap_err().message, @"calendars/year-end.ics: nothing says what it is for");
}

#[test]
fn whom_an_event_is_about_is_found_by_mail_id_name_or_the_words_beside_it() {
    let day = "DTSTART;VALUE=DATE:20261220";
    let people = |yaml: &str, event: &str| -> Vec<String> {
        let file = written(yaml, &ics(&[&format!("{day}\n{event}")])).unwrap();
        file.events.iter().filter_map(|event| event.person.as_ref().map(ToString::to_string)).collect()
    };
    let absence = "use: absence";
    assert_eq!(people(absence, "SUMMARY:Ada L."), ["ada"]);
    assert_eq!(people(absence, "SUMMARY:linus"), ["linus"]);
    assert_eq!(people(absence, "SUMMARY:off\nATTENDEE;CN=Ada:mailto:Ada@shop.example"), ["ada"]);
    assert_eq!(people("use: absence\npeople: {Lovelace: ada}", "SUMMARY:lovelace"), ["ada"]);
    assert_eq!(people("use: absence\nperson: linus", "SUMMARY:off"), ["linus"]);
    let both = "SUMMARY:off\nATTENDEE:mailto:ada@shop.example\nATTENDEE:mailto:linus@shop.example\nATTENDEE:mailto:room@shop.example";
    assert_eq!(people("use: absence\npeople: {room@shop.example: null}", both), ["ada", "linus"]);
    assert_eq!(people("use: oncall\ngroup: payments", "SUMMARY:Ada L."), ["ada"]);
}

/// RFC 5545, 3.3.5: what clocks show twice is the first of both; what they do not show counts from the offset before.
#[test]
fn clocks_that_are_put_forward_and_back() {
    let event =
        "DTSTART;TZID=Europe/Berlin:20260328T023000\nDTEND;TZID=Europe/Berlin:20260328T031500\nRRULE:FREQ=DAILY";
    let calendar = calendar("use: window", &ics(&[event]));
    let spans = |from: &str| {
        let from = at(from);
        let found = calendar.between(from, from.plus_secs(86_400));
        found.iter().map(|(span, _)| format!("{} to {}", span.from, span.until)).collect::<Vec<_>>().join("; ")
    };
    assert_snapshot!(spans("2026-03-28T00:00:00Z"), @"2026-03-28T01:30:00Z to 2026-03-28T02:15:00Z");
    assert_snapshot!(spans("2026-03-29T00:00:00Z"), @"2026-03-29T01:30:00Z to 2026-03-29T02:15:00Z");
    assert_snapshot!(spans("2026-10-25T00:00:00Z"), @"2026-10-25T00:30:00Z to 2026-10-25T02:15:00Z");
    // Eight hours are eight hours, and a day is the same time of the next one.
    let night = "DTSTART;TZID=Europe/Berlin:20260328T220000";
    let ends = |lasts: &str| {
        let calendar = self::calendar("use: window", &ics(&[&format!("{night}\n{lasts}")]));
        calendar.until(at("2026-03-28T21:00:00Z")).unwrap().to_string()
    };
    assert_eq!(ends("DURATION:PT8H"), "2026-03-29T05:00:00Z");
    assert_eq!(ends("DTEND;TZID=Europe/Berlin:20260329T060000"), "2026-03-29T04:00:00Z");
    assert_eq!(ends("DURATION:P1D"), "2026-03-29T20:00:00Z");
}

#[test]
fn it_is_told_until_when_also_over_one_event_after_the_other() {
    let each = "DTSTART;VALUE=DATE:20261220\nRRULE:FREQ=DAILY;COUNT=5";
    let calendar = calendar("use: freeze", &ics(&[each]));
    assert_eq!(calendar.until(at("2026-12-20T12:00:00Z")), Some(at("2026-12-24T23:00:00Z")));
    assert_eq!(calendar.until(at("2026-12-24T22:59:59Z")), Some(at("2026-12-24T23:00:00Z")));
    assert_eq!(calendar.until(at("2026-12-24T23:00:00Z")), None);
    assert_eq!(calendar.until(at("2026-12-19T22:59:59Z")), None);
}

/// What a log has may be anybody's: it is refused where it would take long to ask.
#[test]
fn a_calendar_of_a_log_stays_within_bounds() {
    let file = written("use: freeze", &ics(&[CHRISTMAS])).unwrap();
    let with = |change: &dyn Fn(&mut CalendarFile)| {
        let mut file = file.clone();
        change(&mut file);
        Calendar::parse("c", &file.to_bytes().unwrap()).map(|_| ()).map_err(|refusal| refusal.message)
    };
    assert_eq!(with(&|_| {}), Ok(()));
    let event = |change: &dyn Fn(&mut Event)| with(&|file| file.events.iter_mut().for_each(change)).unwrap_err();
    assert_snapshot!(event(&|event| event.lasts.days = 0), @"calendars/c.json: it does not end after it begins");
    assert_snapshot!(event(&|event| event.lasts.days = i64::MAX), @"calendars/c.json: it lasts longer than 200 years");
    assert_snapshot!(event(&|event| event.lasts.secs = -1), @"calendars/c.json: it does not end after it begins");
    assert_snapshot!(event(&|event| event.start = jiff::civil::DateTime::MAX), @"calendars/c.json: 9999-12-31T23:59:59.999999999 is not within the years 1970 to 2200");
    assert_snapshot!(event(&|event| event.rule = "FREQ=DAILY".parse().ok().inspect(|_| event.lasts.days = 400)), @"calendars/c.json: it comes again and lasts longer than 366 days");
    let many = with(&|file| file.events = vec![file.events[0].clone(); 3_000]);
    assert_snapshot!(many.unwrap_err(), @"calendars/c.json: it has more than 2000 events");
    for text in [
        "FREQ=SECONDLY",
        "FREQ=DAILY;COUNT=3",
        "FREQ=DAILY;UNTIL=never",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=WEEKLY;BYDAY=1MO",
    ] {
        assert!(text.parse::<countersign_core::calendar::Recurrence>().is_err(), "{text}");
    }
}

/// Each event is within bounds, and all of them together would have whoever proposes anything wait.
#[test]
fn a_hostile_calendar_of_many_events_is_refused() {
    let of = |events: usize, rule: &str, lasts: &str| {
        let event = |n: usize| {
            let start = jiff::civil::date(1970, 1, 1).saturating_add(jiff::Span::new().days(i64::try_from(n).unwrap()));
            format!("DTSTART;VALUE=DATE:{}\nDURATION:{lasts}\nRRULE:{rule}", start.strftime("%Y%m%d"))
        };
        let events: Vec<String> = (0..events).map(event).collect();
        let file = written("use: freeze", &ics(&events.iter().map(String::as_str).collect::<Vec<_>>())).unwrap();
        Calendar::parse("c", &file.to_bytes().unwrap()).map(|_| ()).map_err(|refusal| refusal.message)
    };
    let hours = "BYHOUR=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23";
    let hostile =
        format!("FREQ=YEARLY;BYMONTH=1,2,3,4,5,6,7,8,9,10,11,12;BYDAY=MO,TU,WE,TH,FR,SA,SU;{hours};BYSETPOS=1,-1");
    assert_snapshot!(of(1_900, &hostile, "P366D").unwrap_err(), @"calendars/c.json: its events come so often and last so long that whoever asks would wait for it");
    let hostile = format!("FREQ=DAILY;{hours}");
    assert!(of(1_900, &hostile, "P366D").is_err());
    // What people write stays far below: two thousand birthdays, or rotas.
    assert_eq!(of(2_000, "FREQ=YEARLY", "P1D"), Ok(()));
    assert_eq!(of(2_000, "FREQ=WEEKLY", "P7D"), Ok(()));
    assert_eq!(of(500, &format!("FREQ=DAILY;{hours}"), "P1D"), Ok(()));
}

/// 335 systems over two weeks, and a calendar that is as bad as one may be, are asked within moments.
#[test]
fn the_worst_calendar_is_asked_in_time() {
    let worst = "DTSTART;VALUE=DATE:19700101\nDURATION:P366D\nRRULE:FREQ=DAILY;BYMONTHDAY=-1,-2,-3,-4,1,2,3,4,5;BYHOUR=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23";
    let calendar = calendar("use: freeze", &ics(&vec![worst; 200]));
    // Said so often, it is one.
    assert_eq!(calendar.file.events.len(), 1);
    assert!(calendar.is_now(at("2199-12-24T00:00:00Z")));
    assert!(calendar.between(at("2026-01-01T00:00:00Z"), at("2028-01-01T00:00:00Z")).len() > 1_000);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// Whatever a file says, it is read or refused.
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = ics::read("any.ics", &bytes, Some(&Zone::utc()));
    }

    /// The same of what nearly is a calendar; and what is read can be asked about any moment.
    #[test]
    fn no_near_calendar_panics(
        lines in proptest::collection::vec(line(), 0..9),
        millis in any::<i64>(),
    ) {
        let text = ics_of(&lines);
        if let Ok((_, events)) = ics::read("any.ics", text.as_bytes(), None) {
            for moment in [millis, 1_795_000_000_000, 0] {
                let moment = Time::from_unix_millis(moment);
                for event in &events {
                    let spans = event.event.spans(moment, moment.plus_secs(14 * 86_400));
                    prop_assert!(spans.iter().all(|span| span.from < span.until), "{text} {spans:?}");
                }
            }
            // What is written comes back the same.
            for event in events {
                let bytes = serde_json::to_vec(&event.event).unwrap();
                prop_assert_eq!(serde_json::from_slice::<Event>(&bytes).unwrap(), event.event);
            }
        }
    }
}

fn ics_of(lines: &[String]) -> String {
    ics(&[&format!("DTSTART;TZID=Europe/Berlin:20260329T023000\nDURATION:PT1H\n{}", lines.join("\n"))])
}

fn line() -> impl Strategy<Value = String> {
    let number = prop_oneof![(-60_i32..400).prop_map(|n| n.to_string()), Just(String::new()), Just("-".to_owned())];
    let part = (
        prop_oneof![
            "INTERVAL|COUNT|UNTIL|BYMONTH|BYWEEKNO|BYYEARDAY|BYMONTHDAY|BYHOUR|BYSETPOS|BYSECOND",
            Just("WKST".to_owned())
        ],
        number,
    )
        .prop_map(|(name, value)| format!(";{name}={value}"));
    let day = "(;BYDAY=(-1|1|2|)(MO|TU|SU))?";
    let rule = ("DAILY|WEEKLY|MONTHLY|YEARLY", proptest::collection::vec(part, 0..3), day)
        .prop_map(|(frequency, parts, day)| format!("RRULE:FREQ={frequency}{}{day}", parts.join("")));
    prop_oneof![
        rule,
        "(EXDATE|RDATE)(;TZID=(Europe/Berlin|UTC))?:20(26|27)(03|10)(29|25)T0(1|2|3)3000",
        "(SUMMARY|DTEND|DURATION|RECURRENCE-ID|BEGIN|END)[:;=\"]{0,2}[A-Z0-9]{0,9}",
    ]
}

#[test]
fn working_hours_are_those_of_the_nearest_group_that_says_any() {
    let holidays = ics(&["DTSTART;VALUE=DATE:20261225"]);
    let group = "payments".parse().unwrap();
    let works = |calendars: &[(&str, &str)], moment: &str| {
        let one = |(name, yaml): &(&str, &str)| {
            let file = written(yaml, &holidays).unwrap();
            Calendar::parse(name, &file.to_bytes().unwrap()).unwrap()
        };
        let all = Calendars::of(calendars.iter().map(one), &catalog()).unwrap();
        all.works(&group, &catalog(), at(moment))
    };
    let friday = "2026-11-27T16:30:00Z";
    // Nobody says any: 9 to 17 in UTC.
    assert!(works(&[], friday) && !works(&[], "2026-11-28T12:00:00Z") && !works(&[], "2026-11-27T17:00:00Z"));
    // In the zone of everybody's holidays it is evening by then.
    let all = ("all", "use: holiday");
    assert!(!works(&[all], friday) && works(&[all], "2026-11-27T08:00:00Z"));
    assert!(!works(&[all], "2026-12-25T12:00:00Z") && works(&[], "2026-12-25T12:00:00Z"));
    let theirs = ("theirs", "use: holiday\ngroups: [payments]\nworking-hours: Mon-Fri 12:00-20:00");
    let everybody = ("all", "use: holiday\nworking-hours: Mon-Sun 00:00-01:00");
    assert!(works(&[theirs, everybody], friday) && !works(&[everybody], friday));
    assert!(!works(&[theirs, everybody], "2026-12-25T12:00:00Z"));
    let others = ("theirs", "use: absence\nperson: ada");
    assert!(works(&[others], friday));
}

#[test]
fn who_is_on_call_and_who_is_away() {
    let file = written("use: oncall\ngroup: payments\nperson: ada", &ics(&[CHRISTMAS])).unwrap();
    let rota = Calendar::parse("rota", &file.to_bytes().unwrap()).unwrap();
    let file = written("use: absence\nperson: linus", &ics(&[CHRISTMAS])).unwrap();
    let away = Calendar::parse("away", &file.to_bytes().unwrap()).unwrap();
    let all = Calendars::of([rota, away], &catalog()).unwrap();
    let payments = "payments".parse().unwrap();
    let (before, then) = (at("2026-12-19T22:59:59Z"), at("2026-12-24T12:00:00Z"));
    let on_call = |at| all.on_call(&payments, &catalog(), at).into_iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!((on_call(before), on_call(then)), (vec![], vec!["ada".to_owned()]));
    let linus = "linus".parse().unwrap();
    assert!(all.is_away(&linus, then) && all.away(before).is_empty());
    assert_eq!((all.away_until(&linus, before), all.away_until(&linus, then).is_some()), (None, true));
    // Whom nobody knew on a rota before has more of a say; when somebody is on call is theirs to arrange.
    let without = Calendars::of([all.get("away").unwrap().clone()], &catalog()).unwrap();
    let how = |before, after| loosens(before, after, true).into_iter().map(|(_, how)| how).collect::<Vec<_>>();
    assert_eq!(how(&without, &all), ["puts somebody on call who was not"]);
    assert!(how(&all, &without).is_empty() && how(&all, &all).is_empty());
    // Whoever left the group is not on call for it.
    let left = CATALOG.replacen("memberOf: [payments]", "memberOf: []", 1);
    let files = BTreeMap::from([("all.yaml".to_owned(), left)]);
    let left = Catalog::parse(&files, &CatalogSettings::default()).unwrap();
    assert!(all.on_call(&payments, &left, then).is_empty());
}

/// Rules that ask about time pass their own check, and their cases say what is given.
#[test]
fn rules_ask_about_calendars() {
    let rule = |id: &str, requires: &str, when: &str, unless: &str| {
        let text = format!(
            "@id(\"{id}\") @requires(\"{requires}\") @because(\"B.\") @remedy(\"wait for {{change}}\") @mode(\"enforce\") \
             @strength(\"waivable\") forbid (principal, action == Countersign::Action::\"apply\", resource) when {{ {when} }} unless {{ {unless} }};"
        );
        (format!("{id}.cedar"), text)
    };
    let senior = "resource.approvals.senior >= 1";
    let rules = BTreeMap::from([
        rule("in-a-window", "window:open | approval:senior:1", "true", &format!("resource.window.open || {senior}")),
        rule("past-a-freeze", "approval:senior:1", "resource.freeze.active", senior),
        rule("at-night", "approval:senior:1", "!resource.time.working_hours", senior),
        rule("in-haste", "approval:senior:1", "resource.waiting.hours < 24", senior),
    ]);
    let mut rules = rules;
    rules.extend([
        rule("on-call", "approval:oncall:1", "true", "resource.approvals.oncall >= 1"),
        rule("present", "approval:present:2", "true", "resource.approvals.present >= 2"),
    ]);
    let rules = Rules::parse(&rules).unwrap();
    let found: Vec<String> = check::check(&rules).iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{found:?}");
    let case = |id: &str, given: &str, status: &str| {
        let text = format!("- name: it\n  given: {{ {given} }}\n  expect: {{ status: {status} }}\n");
        let cases = BTreeMap::from([(format!("{id}.cases.yaml"), text)]);
        let results = run_cases(&rules, &cases).unwrap();
        assert!(results.iter().all(|result| result.passed()), "{results:?}");
    };
    case("in-a-window", "window: shut", "unsatisfied");
    case("in-a-window", "window: open", "satisfied");
    case("past-a-freeze", "frozen: true", "unsatisfied");
    case("past-a-freeze", "approvals: [barbara]", "not_applicable");
    case("at-night", "working_hours: false", "unsatisfied");
    let people = "people: { ada: owner, grace: senior owner oncall, linus: senior away }";
    case("on-call", &format!("{people}, approvals: [linus]"), "unsatisfied");
    case("on-call", &format!("{people}, approvals: [grace]"), "satisfied");
    case("present", &format!("{people}, approvals: [grace, linus]"), "unsatisfied");
    case("in-haste", "waiting_hours: 24", "not_applicable");
    case("in-haste", "waiting_hours: 23, approvals: [barbara]", "satisfied");
}
