//! Calendars: a freeze that is published stops what may not pass it, at the gate too, and says until when; what a home's calendars
//! name has to be there.

use countersign_ledger::Time;

use crate::world::World;

const DAY: i64 = 24 * 60 * 60;

fn now() -> Time {
    countersign::clock::now()
}

/// `20261220` of a moment.
fn day(at: Time) -> String {
    at.to_string().split('T').next().unwrap().replace('-', "")
}

/// A calendar of one event of whole days in UTC, from yesterday on.
fn ics(days: i64) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nX-WR-TIMEZONE:UTC\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Nobody reads this\r\n\
         DTSTART;VALUE=DATE:{}\r\nDTEND;VALUE=DATE:{}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        day(now().plus_secs(-DAY)),
        day(now().plus_secs(days * DAY)),
    )
}

/// A change of alice's to a system of tier 3 that nothing else stops.
fn proposed_and_approved(world: &World) -> String {
    world.edit("faster", "search/limit", "11\n");
    let change = world.propose("alice", &["search/production"]);
    world.approve("bob", &change);
    change
}

/// Amends a home with what was written there.
fn amended(world: &World) {
    let change =
        world.say("alice", &["amend", "home", "--why", "calendars"]).done()["change"].as_str().unwrap().to_owned();
    world.say("bob", &["approve", &change]).done();
    world.say("bob", &["publish", &change]).done();
}

#[test]
fn a_freeze_stops_what_may_not_pass_and_says_until_when() {
    let world = World::usual();
    world
        .stage
        .write("home/calendars/year-end.yaml", "use: freeze\nmay-pass: [incident]\nbecause: Most orders of the year\n");
    world.stage.write("home/calendars/year-end.ics", &ics(3));
    // What is permitted before it holds is asked again when it lands.
    let change = proposed_and_approved(&world);
    assert_eq!(world.say("dave", &["show", &change]).done()["decision"]["outcome"], "allow");
    amended(&world);

    let view = world.say("dave", &["show", &change]).done();
    assert_eq!(view["decision"]["outcome"], "deny", "{view}");
    let push = world.push(&["HEAD:main"]);
    push.is_refused("denied-by-rules");
    let until = day(now().plus_secs(3 * DAY));
    let until = format!("{}-{}-{}T00:00:00Z", &until[..4], &until[4..6], &until[6..]);
    for words in [format!("the end of freeze year-end, {until}"), "a rollback, what answers an incident".to_owned()] {
        assert!(push.raw.contains(&words), "{words}: {}", push.said);
    }
    let text =
        |words: &[&str]| world.stage.run_words(&[&["--url", &world.server().url, "--key", "dave"], words].concat());
    let shown = text(&["show", &change]);
    assert!(shown.stdout.contains("freeze year-end holds until"), "{shown}");
    let listed = text(&["list"]);
    assert!(listed.stderr.contains("freeze year-end holds until"), "{listed}");

    // Broken glass goes over it, and says so; to name it is no use.
    let named = text(&["break-glass", &change, "--why", "orders fail", "--over-freeze", "year-end"]);
    assert!(named.status == 2 && named.stderr.contains("a calendar's freeze needs no naming"), "{named}");
    let glass = world.say("alice", &["break-glass", &change, "--why", "orders fail"]);
    assert!(glass.stderr.contains(&format!("goes over freeze year-end of a calendar, until {until}")), "{glass}");

    let said = text(&["calendar"]);
    for words in ["freeze year-end", "production; what may pass: a rollback, what answers an incident", "Most orders"] {
        assert!(said.stdout.contains(words), "{words}: {said}");
    }
    let told = world.say("dave", &["calendar", "year-end", "--weeks", "1"]).done();
    assert_eq!(told["now"][0]["until"], until.as_str(), "{told}");
    assert_eq!(told["coming"][0]["use"], "freeze");
    let before = format!("{}Z", now().plus_secs(-3 * DAY).to_string().split('.').next().unwrap().trim_end_matches('Z'));
    let told = world.say("dave", &["calendar", "--system", "search", "--at", &before, "--weeks", "1"]).done();
    assert_eq!((told["now"].as_array().unwrap().len(), told["coming"].as_array().unwrap().len()), (0, 1), "{told}");
    world.say("dave", &["calendar", "yearend"]).is_refused(1, "no-such-calendar");

    // Taking the freeze away loosens: it does not come into force on one approval.
    world.stage.write("home/calendars/year-end.ics", &ics(2));
    let change = world.say("alice", &["amend", "home", "--why", "shorter"]).done();
    let loosens = change["loosens"].to_string();
    assert!(loosens.contains("calendar year-end takes times out of the freeze"), "{change}");
}

#[test]
fn what_a_calendar_names_has_to_be_there_or_nothing_is_proposed() {
    let world = World::usual();
    for (yaml, message) in [
        ("use: freeze\nenvironments: [prod]\n", "calendars/year-end.yaml: there is no environment `prod`"),
        ("use: freeze\nsystems: [serch]\n", "calendars/year-end.yaml: there is no system `serch`"),
        ("use: absence\nperson: alise\n", "calendars/year-end.yaml: nobody in the catalog is `alise`"),
    ] {
        world.stage.write("home/calendars/year-end.yaml", yaml);
        world.stage.write("home/calendars/year-end.ics", &ics(3));
        let run = world.say("alice", &["amend", "home", "--why", "calendars"]);
        run.is_refused(1, "calendar-invalid");
        assert!(run.stderr.contains(message) && run.stderr.contains("hint"), "{run}");
    }
}

/// Also of a calendar it is told what passed it, and why.
#[test]
fn a_calendars_freeze_tells_what_passed_it() {
    let world = World::usual();
    world.stage.write("home/calendars/year-end.yaml", "use: freeze\n");
    world.stage.write("home/calendars/year-end.ics", &ics(3));
    let change = proposed_and_approved(&world);
    amended(&world);
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
    world.say("alice", &["break-glass", &change, "--why", "orders fail"]).done();
    world.push(&["HEAD:main"]).passes();
    let listed = world.say("dave", &["freezes"]).done();
    assert_eq!(
        (&listed["calendars"][0]["calendar"], &listed["calendars"][0]["holds"]),
        (&"year-end".into(), &true.into()),
        "{listed}"
    );
    let passed = world.say("dave", &["freezes", "year-end"]).done();
    assert_eq!(
        (&passed["passed"][0]["why"], &passed["passed"][0]["change"]),
        (&"break-glass".into(), &change[..12].into())
    );
}
