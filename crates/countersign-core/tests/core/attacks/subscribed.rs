//! Attacks by way of a calendar that somebody else keeps at an address: one that grants, one that freezes for ever, one of which
//! nobody governs, an older file from a captured server, and files without bounds.

use countersign_core::{
    calendar::{FetchedFile, LAG_SECS, MAX_A_DAY, MAX_FETCHED_EVENTS, STALE_SECS, written},
    statement::{CalendarFetched, Finding, Matter},
};
use countersign_ledger::Time;

use super::{calendars::at, *};

const HOUR: i64 = 60 * 60;
const TEAM: &str = "calendars/team.json";

fn says(world: &World, text: &str) -> Result<Vec<u8>, countersign_core::refusal::Refusal> {
    let files = [("team.yaml".to_owned(), text.as_bytes().to_vec())];
    written::calendars(&files.into(), &world.state.governance.catalog)?["team"].to_bytes()
}

/// A world that subscribes, at a moment of the first of April.
fn subscribed(text: &str) -> (World, ChangeId) {
    let (mut world, change) = approved();
    world.subscribe(text);
    world.now = at("2026-04-01T08:00:00Z");
    (world, change)
}

const FREEZES: &str = "use: freeze\nsystems: [search]\nmay-pass: [incident]\nfrom: https://calendar.example/team.ics\n";

fn ics(events: &[&str]) -> String {
    let events: String = events.iter().map(|event| format!("BEGIN:VEVENT\r\n{event}\r\nEND:VEVENT\r\n")).collect();
    format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nX-WR-TIMEZONE:UTC\r\n{events}END:VCALENDAR\r\n")
}

/// From 08:00 to 20:00.
const TODAY: &str = "UID:1\r\nSUMMARY:x\r\nDTSTART:20260401T080000Z\r\nDTEND:20260401T200000Z";

fn read(world: &World, text: &str) -> Result<FetchedFile, countersign_core::refusal::Refusal> {
    let governance = &world.state.governance;
    let file = &governance.calendars.get("team").unwrap().file;
    written::fetched("team", file, text.as_bytes(), &governance.catalog, world.now)
}

fn fetch(world: &mut World, events: &[&str]) -> String {
    let fetched = read(world, &ics(events)).unwrap();
    hear(world, "countersign", "team", &fetched)
}

fn hear(world: &mut World, by: &str, calendar: &str, fetched: &FetchedFile) -> String {
    let content = world.blob(fetched.to_bytes().unwrap());
    let said = CalendarFetched { calendar: calendar.to_owned(), content };
    match world.say(by, Body::CalendarFetched(said)) {
        Ok(_) => "taken".to_owned(),
        Err(refusal) => refusal.code.to_string(),
    }
}

#[test]
fn an_address_that_is_subscribed_to_grants_nothing() {
    let world = World::new();
    for used in ["window", "holiday", "oncall\ngroup: payments"] {
        let refusal = says(&world, &format!("use: {used}\nfrom: https://calendar.example/team.ics\n")).unwrap_err();
        assert!(refusal.to_string().contains("can only take away"), "{refusal}");
    }
    for from in
        ["http://calendar.example/x.ics", "file:///etc/passwd", "https://ada:secret@calendar.example/", "https://"]
    {
        let refusal = says(&world, &format!("use: freeze\nfrom: {from}\n")).unwrap_err();
        assert!(refusal.to_string().contains("https://"), "{from}: {refusal}");
    }
    assert!(says(&world, "use: freeze\nfrom: http://127.0.0.1:8080/x.ics\n").is_ok());
    // Whatever the server says: neither a person in a freeze, nor somebody whom the catalog does not have.
    let (mut world, _) = subscribed(FREEZES);
    let mut fetched = read(&world, &ics(&[TODAY])).unwrap();
    fetched.events[0].person = Some(id("ada"));
    assert_eq!(hear(&mut world, "countersign", "team", &fetched), "fetched-calendar");
}

#[test]
fn what_is_fetched_stops_within_what_governance_says_of_it() {
    let (mut world, change) = subscribed(FREEZES);
    assert_eq!(world.standing(&change), "allow");
    assert_eq!(fetch(&mut world, &[TODAY]), "taken");
    assert_eq!(world.standing(&change), "frozen");
    let other = world.propose("ada", "checkout/production");
    assert!(!world.standing(&other).contains("frozen"));
    world.now = world.now.plus_secs(12 * HOUR);
    assert_eq!(world.standing(&change), "allow");
    let replayed = world.replayed().unwrap();
    assert_eq!(replayed.governance.record, world.state.governance.record);
    assert_eq!(*replayed.governance.calendars, *world.state.governance.calendars);
}

#[test]
fn an_address_that_freezes_for_ever_stops_no_recovery_and_is_unsubscribed() {
    let (mut world, change) = subscribed(FREEZES);
    world.register_gate();
    let burning = world.propose_git("ada", &facts(2, &[author("ada@example.com")]));
    let always = "UID:1\r\nSUMMARY:x\r\nDTSTART;VALUE=DATE:20260401\r\nDTEND;VALUE=DATE:20260402\r\nRRULE:FREQ=DAILY";
    assert_eq!(fetch(&mut world, &[always]), "taken");
    world.now = world.now.plus_secs(20 * 24 * HOUR);
    assert!(world.standing(&change).contains("frozen"));
    let glass = world.glass(&burning);
    world.say("linus", Body::BreakGlass(glass)).unwrap();
    // What governs is never frozen, so that two people end it; that it takes a freeze away is seen.
    let amended = world.amend("ada", &[(TEAM, None)]);
    assert_eq!(world.change(&amended).current().unwrap().loosens, Some(true));
    assert!(!world.standing(&amended).contains("frozen"));
}

#[test]
fn a_captured_server_that_sends_an_old_file_again_ends_no_freeze_that_day() {
    let (mut world, change) = subscribed(FREEZES);
    assert_eq!(fetch(&mut world, &[]), "taken");
    let long = "UID:1\r\nSUMMARY:x\r\nDTSTART:20260401T080000Z\r\nDTEND:20260408T080000Z";
    assert_eq!(fetch(&mut world, &[long]), "taken");
    assert_eq!(world.standing(&change), "frozen");
    assert_eq!(fetch(&mut world, &[]), "taken");
    let start = world.now;
    for (secs, stands) in [(0, "frozen"), (LAG_SECS - 1, "frozen"), (LAG_SECS, "allow")] {
        world.now = start.plus_secs(secs);
        assert_eq!(world.standing(&change), stands, "{secs}");
    }
    // Until when it still holds is said as it is.
    world.now = start;
    let until = world.state.governance.calendars.get("team").unwrap().until(start);
    assert_eq!(until, Some(start.plus_secs(LAG_SECS)));
}

#[test]
fn nobody_but_the_server_says_what_was_fetched_and_only_of_what_is_subscribed_to() {
    let (mut world, _) = subscribed(FREEZES);
    let fetched = read(&world, &ics(&[TODAY])).unwrap();
    assert_eq!(hear(&mut world, "ada", "team", &fetched), "only-the-server");
    assert_eq!(hear(&mut world, "countersign", "other", &fetched), "not-subscribed");
    let (mut plain, _) = approved();
    assert_eq!(hear(&mut plain, "countersign", "team", &fetched), "not-subscribed");
}

#[test]
fn a_flood_of_contents_and_a_file_without_bounds_are_refused() {
    let (mut world, _) = subscribed(FREEZES);
    let hour = |n: usize| format!("UID:{n}\r\nSUMMARY:x\r\nDTSTART:20260402T{n:02}0000Z\r\nDURATION:PT1H");
    for n in 0..MAX_A_DAY {
        assert_eq!(fetch(&mut world, &[&hour(n)]), "taken");
        assert_eq!(fetch(&mut world, &[&hour(n)]), "fetched-too-often");
    }
    assert_eq!(fetch(&mut world, &[&hour(20)]), "fetched-too-often");
    world.now = world.now.plus_secs(LAG_SECS);
    assert_eq!(fetch(&mut world, &[&hour(20)]), "taken");
    // What does not hold any more is forgotten.
    assert_eq!(world.state.governance.record.fetched["team"].heard.len(), 2);
    let many: Vec<String> = (0..=MAX_FETCHED_EVENTS)
        .map(|n| format!("UID:{n}\r\nSUMMARY:x\r\nDTSTART:20260410T{:02}{:02}00Z\r\nDURATION:PT1M", n / 60, n % 60))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(read(&world, &ics(&many)).is_err());
    assert!(read(&world, "<html>not found</html>").is_err());
    // What is over, or too far ahead, is nothing.
    let over = "UID:1\r\nSUMMARY:x\r\nDTSTART:20200401T080000Z\r\nDTEND:20200401T200000Z";
    let far = "UID:2\r\nSUMMARY:x\r\nDTSTART:20290401T080000Z\r\nDTEND:20290401T200000Z";
    assert_eq!(read(&world, &ics(&[over, far])).unwrap().events, []);
}

#[test]
fn who_is_away_by_an_address_is_somebody_of_the_catalog() {
    let (mut world, _) = subscribed("use: absence\nfrom: https://calendar.example/team.ics\n");
    let event = |who: &str| format!("UID:{who}\r\nSUMMARY:{who}\r\nDTSTART:20260401T080000Z\r\nDTEND:20260403T080000Z");
    assert_eq!(fetch(&mut world, &[&event("linus"), &event("nobody-here")]), "taken");
    let away = |world: &World, who: &str| world.state.governance.calendars.is_away(&id(who), world.now);
    assert!(away(&world, "linus") && !away(&world, "ada"));
    let until: Time = at("2026-04-03T08:00:00Z");
    assert_eq!(world.state.governance.calendars.away_until(&id("linus"), world.now), Some(until));
}

/// Of an address that answers nobody is told that it does not; and of one that does not, once, until it has answered again.
#[test]
fn a_calendar_is_found_stale_only_where_it_is_and_once() {
    let (mut world, _) = subscribed(FREEZES);
    let raise = |world: &mut World, by: &str, calendar: &str, heard: Option<Time>| {
        let what = Matter::CalendarStale { calendar: calendar.to_owned(), heard };
        let (due, who) = (world.now.plus_secs(HOUR), [id("grace")].into());
        let finding = Finding { apart: [].into(), due, text: None, what, who };
        match world.say(by, Body::Finding(finding)) {
            Ok(_) => "taken".to_owned(),
            Err(refusal) => refusal.code.to_string(),
        }
    };
    assert_eq!(raise(&mut world, "ada", "team", None), "only-the-server");
    assert_eq!(raise(&mut world, "countersign", "other", None), "not-subscribed");
    let now = world.now;
    assert_eq!(raise(&mut world, "countersign", "team", Some(now)), "not-stale");
    // Nothing was ever fetched.
    assert_eq!(raise(&mut world, "countersign", "team", None), "taken");
    assert_eq!(raise(&mut world, "countersign", "team", None), "already-found");
    assert_eq!(fetch(&mut world, &[TODAY]), "taken");
    let heard = world.now;
    assert_eq!(raise(&mut world, "countersign", "team", Some(heard)), "not-stale");
    world.now = heard.plus_secs(STALE_SECS + 1);
    assert_eq!(raise(&mut world, "countersign", "team", None), "not-stale");
    assert_eq!(raise(&mut world, "countersign", "team", Some(heard.plus_secs(1))), "not-stale");
    assert_eq!(raise(&mut world, "countersign", "team", Some(heard)), "taken");
    assert_eq!(raise(&mut world, "countersign", "team", Some(heard)), "already-found");
    // What was heard holds; heard again, and away again, it is found again.
    assert_eq!(fetch(&mut world, &[TODAY]), "taken");
    let heard = world.now;
    world.now = heard.plus_secs(STALE_SECS + 1);
    assert_eq!(raise(&mut world, "countersign", "team", Some(heard)), "taken");
    let stale = world.state.governance.record.stale.clone();
    assert_eq!(world.replayed().unwrap().governance.record.stale, stale);
}

#[test]
fn whom_an_absence_names_that_nobody_here_is_is_told() {
    let (world, _) = subscribed("use: absence\nfrom: https://calendar.example/away.ics\n");
    let text = ics(&[
        "UID:1\r\nSUMMARY:Eve Nobody\r\nDTSTART:20260402T080000Z\r\nDTEND:20260403T200000Z",
        "UID:2\r\nSUMMARY:ada@example.com\r\nDTSTART:20260402T080000Z\r\nDTEND:20260403T200000Z",
    ]);
    let governance = &world.state.governance;
    let file = &governance.calendars.get("team").unwrap().file;
    let unknown = written::unknown("team", file, text.as_bytes(), &governance.catalog, world.now).unwrap();
    assert_eq!(unknown, ["Eve Nobody".to_owned()].into());
    assert_eq!(read(&world, &text).unwrap().events.len(), 1);
}
