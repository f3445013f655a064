//! Attacks on freezes: by what a file calls a time zone, by kind and purpose, by names that are nearly right, by what was permitted
//! before, and by another database of time zones.

use countersign_core::{
    calendar::written,
    coverage::{
        absent::Stands,
        ahead::{Others, Window, ahead},
        gone::Gone,
        leaves_able,
    },
    ids::Target,
    kind::{Kind, Purpose},
    loosening::loosens,
    snapshot::CalendarView,
    statement::Proposal,
    verify::{Again, decide_again},
};
use countersign_ledger::Time;

use super::{loosening::said, *};
use crate::kit::blob_of;

const YEAR_END: &str = "calendars/year-end.json";
const HOUR: i64 = 60 * 60;

/// The first of April in New York: from 04:00 to 04:00 of the next day, in UTC.
pub(super) const DAY: &str =
    "DTSTART;TZID=America/New_York:20260401T000000\r\nDTEND;TZID=America/New_York:20260402T000000";

/// The governance file that a freeze comes to.
pub(super) fn freeze(world: &World, says: &str, event: &str) -> Vec<u8> {
    // What a file says of a zone itself is not believed: here, that New York lies half a world away.
    let ics = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VTIMEZONE\r\nTZID:America/New_York\r\nBEGIN:STANDARD\r\n\
         DTSTART:19700101T000000\r\nTZOFFSETFROM:+1200\r\nTZOFFSETTO:+1200\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n\
         BEGIN:VEVENT\r\nUID:1\r\n{event}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    );
    let files = [
        ("year-end.yaml".to_owned(), format!("use: freeze\n{says}").into_bytes()),
        ("year-end.ics".to_owned(), ics.into_bytes()),
    ];
    let calendars = written::calendars(&files.into(), &world.state.governance.catalog).unwrap();
    calendars["year-end"].to_bytes().unwrap()
}

/// A change that linus approved, in a world with a freeze, at its first moment.
fn frozen(says: &str) -> (World, ChangeId) {
    let (mut world, change) = approved();
    put(&mut world, says, DAY);
    world.now = at("2026-04-01T04:00:00Z");
    (world, change)
}

fn put(world: &mut World, says: &str, event: &str) {
    let bytes = freeze(world, says, event);
    let amended = world.amend("ada", &[(YEAR_END, Some(&bytes))]);
    world.approve("grace", &amended).unwrap();
    world.put_in_force("ada", &amended).unwrap();
}

pub(super) fn at(text: &str) -> Time {
    let at: jiff::Timestamp = text.parse().unwrap();
    Time::from_unix_millis(at.as_millisecond())
}

#[test]
fn a_freeze_is_not_evaded_by_what_a_file_calls_a_time_zone() {
    let (mut world, change) = frozen("");
    let mut standing = |text: &str| {
        world.now = at(text);
        world.standing(&change)
    };
    assert_eq!(standing("2026-04-01T03:59:59Z"), "allow");
    assert_eq!(standing("2026-04-01T04:00:00Z"), "frozen");
    assert_eq!(standing("2026-04-02T03:59:59Z"), "frozen");
    assert_eq!(standing("2026-04-02T04:00:00Z"), "allow");
    // Everybody who replays the log finds the same.
    assert_eq!(world.replayed().unwrap().governance.calendars, world.state.governance.calendars);
}

/// What passes is what the calendar names, and what is a rollback; and what passes still needs its approvals.
#[test]
fn a_freeze_lets_only_pass_what_it_names() {
    let (mut world, change) = frozen("may-pass: [incident, flag]");
    assert_eq!(world.standing(&change), "frozen");
    let mut with = |kind: Kind, purpose: Purpose| {
        let proposal = world.proposal("search/production", &file("timeout: 31"), None);
        let change = world.begin("ada", Proposal { kind, purpose, ..proposal });
        let before = world.standing(&change);
        world.approve("linus", &change).unwrap();
        let after = world.standing(&change);
        world.withdraw("ada", &change).unwrap();
        (before.contains("owner-approves") || before.contains("floor"), before.contains("frozen"), after)
    };
    let none = Purpose::default;
    let incident = Purpose { incident: Some("INC-1".to_owned()), ..none() };
    let security = Purpose { security: true, ..none() };
    let restores = Purpose { restores: Some(change.clone()), ..none() };
    assert_eq!(with(Kind::Config, none()), (true, true, "frozen".to_owned()));
    assert_eq!(with(Kind::Config, security), (true, true, "frozen".to_owned()));
    assert_eq!(with(Kind::Flag, none()), (true, false, "allow".to_owned()));
    assert_eq!(with(Kind::Config, incident), (true, false, "allow".to_owned()));
    // What is only said to be a rollback is none.
    assert_eq!(with(Kind::Config, restores), (true, true, "frozen".to_owned()));
}

#[test]
fn a_freeze_is_about_what_it_says_and_never_about_what_governs() {
    for (says, standing) in [
        ("systems: [checkout]", "allow"),
        ("systems: [search]", "frozen"),
        ("tiers: [1, 2]", "allow"),
        ("environments: [staging]", "allow"),
        ("paths: 'docs/**'", "allow"),
        ("paths: '*.yaml | docs/**'", "frozen"),
        ("kinds: [schema]", "allow"),
    ] {
        let (world, change) = frozen(says);
        assert_eq!(world.standing(&change), standing, "{says}");
    }
    let (mut world, _) = frozen("");
    let amended = world.amend("linus", &[(YEAR_END, None)]);
    assert!(!world.standing(&amended).contains("frozen"));
}

#[test]
fn a_freeze_of_an_environment_that_is_nearly_right_is_refused() {
    let mut world = World::new();
    let bytes = String::from_utf8(freeze(&world, "environments: [production]", DAY)).unwrap();
    for (wrong, hint) in [("prod", "did you mean `production`?"), ("produktion", "did you mean `production`?")] {
        let bytes = bytes.replace("production", wrong);
        let change = world.amend("ada", &[(YEAR_END, Some(bytes.as_bytes()))]);
        world.approve("grace", &change).unwrap();
        let refusal = world.put_in_force("ada", &change).unwrap_err();
        assert_eq!((refusal.code, refusal.hint.as_deref()), ("calendar-invalid", Some(hint)), "{wrong}: {refusal}");
    }
}

#[test]
fn a_freeze_is_not_evaded_by_what_was_asked_for_or_permitted_before() {
    // Nobody has answered yet when the freeze begins.
    let (mut world, change) = approved();
    let request = world.requested("ada", &change);
    put(&mut world, "", DAY);
    world.now = at("2026-04-01T04:00:00Z");
    assert_snapshot!(denied(world.answered(&change, &request)), @"denied by frozen");
    // It was permitted just before: who redeems it decides anew.
    let (mut world, change) = approved();
    put(&mut world, "", DAY);
    world.now = at("2026-04-01T03:59:00Z");
    world.ask("ada", &change).unwrap();
    world.now = at("2026-04-01T04:01:00Z");
    assert_eq!(world.standing(&change), "frozen");
}

#[test]
fn a_freeze_is_not_calmed_on_one_approval() {
    let mut world = World::new();
    put(&mut world, "may-pass: [incident]\ntiers: [1, 3]", DAY);
    let before = world.state.governance.clone();
    let mut how = |says: &str, event: &str| -> String {
        let bytes = freeze(&world, says, event);
        let change = world.amend("ada", &[(YEAR_END, Some(&bytes))]);
        let loosened = world.change(&change).current().unwrap().loosens;
        let publication = world.publication_of(&change);
        let after = before.publish(&publication, publication.files, &blob_of(&world.blobs)).unwrap();
        let found: Vec<String> = loosens(&before, &after).iter().map(ToString::to_string).collect();
        assert_eq!(loosened, Some(!found.is_empty()));
        world.withdraw("ada", &change).unwrap();
        found.join("; ")
    };
    let same = "may-pass: [incident]\ntiers: [1, 3]";
    let longer = DAY.replace("0402", "0403");
    assert_snapshot!(how(same, &longer), @"");
    assert_snapshot!(how("tiers: [1, 2, 3]", DAY), @"");
    assert_snapshot!(how("", DAY), @"");
    assert_snapshot!(how(same, &DAY.replace("0402T00", "0401T23")), @"calendar year-end takes times out of the freeze, or makes them shorter");
    assert_snapshot!(how(same, &format!("{DAY}\r\nEXDATE;TZID=America/New_York:20260401T000000")), @"calendar year-end takes times out of the freeze, or makes them shorter");
    assert_snapshot!(how("may-pass: [incident, security]\ntiers: [1, 3]", DAY), @"calendar year-end lets more pass the freeze");
    assert_snapshot!(how("may-pass: [incident]\ntiers: [1]", DAY), @"calendar year-end freezes less");
    assert_snapshot!(how("may-pass: [incident]\nenvironments: [staging]", DAY), @"calendar year-end freezes less");
    let gone = world.amend("ada", &[(YEAR_END, None)]);
    assert_eq!(world.change(&gone).current().unwrap().loosens, Some(true));
}

/// A decision is run again by a program with another database of time zones, and comes out the same.
#[test]
fn a_decision_by_another_database_of_time_zones_is_run_again() {
    let (mut world, change) = frozen("");
    world.requested("ada", &change);
    let (_, decided) = world.decided(&change);
    let again = |world: &World, decided: &Decided| decide_again(&world.state, decided, &blob_of(&world.blobs));
    assert_eq!(again(&world, &decided), Ok(Again::Same));
    // By another database the freeze was over by then: that is taken from the snapshot, and told.
    let other = CalendarView { zones: "1999a".to_owned(), ..CalendarView::default() };
    let mut snapshot = Snapshot::take(&world.state, world.change(&change), world.now).unwrap();
    let freezes = std::mem::take(&mut snapshot.calendar.as_mut().unwrap().freezes);
    assert_eq!(freezes[0].until, world.now.plus_secs(24 * HOUR));
    snapshot.calendar = Some(other);
    let decision = countersign_core::rules::decide::decide(&world.state.governance.rules, &snapshot, world.now);
    let decided = Decided {
        outcome: decision.outcome,
        decision: world.blob(serde_json::to_vec(&decision).unwrap()),
        snapshot: world.blob(snapshot.to_bytes()),
        ..decided
    };
    assert_eq!(again(&world, &decided), Ok(Again::ByOtherZones));
    // Of the same database it is a lie.
    snapshot.calendar =
        Some(CalendarView { zones: countersign_core::calendar::database().to_owned(), ..CalendarView::default() });
    let decided = Decided { snapshot: world.blob(snapshot.to_bytes()), ..decided };
    assert!(again(&world, &decided).is_err());
}

/// A calendar of the home about people, whole days from the first of April to the third.
fn of_people(world: &World, says: &str) -> Vec<u8> {
    let ics = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART:20260401T000000Z\r\nDTEND:20260403T000000Z\r\n\
               END:VEVENT\r\nEND:VCALENDAR\r\n";
    let files = [("it.yaml".to_owned(), says.as_bytes().to_vec()), ("it.ics".to_owned(), ics.as_bytes().to_vec())];
    let calendars = written::calendars(&files.into(), &world.state.governance.catalog).unwrap();
    calendars["it"].to_bytes().unwrap()
}

/// Whoever has the key of somebody who is on holiday does not get far where a rule asks for people who are there.
#[test]
fn an_absent_persons_key_approves_nothing_where_a_rule_asks() {
    let (mut world, change) = approved();
    let away = of_people(&world, "use: absence\nperson: linus");
    let rule = b"@id(\"present\") @requires(\"approval:present:1\") @because(\"B.\") @remedy(\"ask somebody for {change}\") \
        @mode(\"enforce\") @strength(\"mandatory\") forbid (principal, action == Countersign::Action::\"apply\", resource) \
        unless { resource.approvals.present >= 1 };";
    let files: [(&str, Option<&[u8]>); 2] = [("calendars/it.json", Some(&away)), ("rules/present.cedar", Some(rule))];
    let amended = world.amend("ada", &files);
    world.approve("grace", &amended).unwrap();
    world.put_in_force("ada", &amended).unwrap();
    let mut standing = |text: &str| {
        world.now = at(text);
        world.standing(&change)
    };
    assert_eq!(standing("2026-03-31T23:59:59Z"), "allow");
    assert_eq!(standing("2026-04-01T00:00:00Z"), "present");
    assert_eq!(standing("2026-04-03T00:00:00Z"), "allow");
    assert_eq!(world.replayed().unwrap().governance.calendars, world.state.governance.calendars);
    // Nor is the absence taken away on one approval, or made to be somebody else's.
    let other = of_people(&world, "use: absence\nperson: mallory");
    assert_snapshot!(said(&mut world, &[("calendars/it.json", None)]), @"calendar it says no more who is away");
    assert_snapshot!(said(&mut world, &[("calendars/it.json", Some(&other))]), @"calendar it takes times out in which people are away");
}

/// Whoever is on call may break the glass and roll back, in those hours and for those systems, and no longer.
#[test]
fn being_on_call_ends_with_the_shift() {
    let (mut world, _) = approved();
    let search = "search/production".parse::<Target>().unwrap().system;
    let owner = world.state.governance.catalog.systems[&search].owner.clone();
    let who = (*world.state.governance.catalog.members(&owner).first().unwrap()).clone();
    let rota = of_people(&world, &format!("use: oncall\ngroup: {owner}\nperson: {who}"));
    let amended = world.amend("ada", &[("calendars/it.json", Some(&rota))]);
    world.approve("grace", &amended).unwrap();
    world.put_in_force("ada", &amended).unwrap();
    let governance = &world.state.governance;
    let on_call = |text: &str| governance.is_on_call(&who, &search, at(text));
    assert!(on_call("2026-04-01T00:00:00Z") && on_call("2026-04-02T23:59:59Z"));
    assert!(!on_call("2026-03-31T23:59:59Z") && !on_call("2026-04-03T00:00:00Z"));
    assert_eq!(governance.on_call(&search, at("2026-04-02T00:00:00Z")), std::collections::BTreeSet::from([&who]));
    assert!(!governance.is_on_call(&who, &Target::governance().system, at("2026-04-02T00:00:00Z")));
}

/// A rule about who is on call can be put in force, and coverage finds the hours in which it hangs on one person, and on nobody.
#[test]
fn a_rota_with_holes_is_found_beforehand() {
    let mut world = World::new();
    let before = world.state.governance.clone();
    let rota = of_people(&world, "use: oncall\ngroup: discovery\nperson: linus");
    let rule = b"@id(\"on-call\")\n@requires(\"approval:oncall:1\")\n@because(\"B.\")\n@remedy(\"countersign approve {change}\")\n\
        @mode(\"enforce\")\n@strength(\"mandatory\")\nforbid (principal, action == Countersign::Action::\"apply\", resource)\n\
        when { resource.production && resource.tier == 3 }\nunless { resource.approvals.oncall >= 1 };\n";
    let files: [(&str, Option<&[u8]>); 2] = [("calendars/it.json", Some(&rota)), ("rules/on-call.cedar", Some(rule))];
    let amended = world.amend("ada", &files);
    world.approve("grace", &amended).unwrap();
    world.put_in_force("ada", &amended).unwrap();
    let governance = &world.state.governance;
    leaves_able(&before, governance, world.now).unwrap();
    let search = "search".parse().unwrap();
    let (from, until) = (at("2026-03-31T00:00:00Z"), at("2026-04-05T00:00:00Z"));
    let line = |window: &Window| {
        let stands = match &window.gate.stands {
            Stands::Closed(missing) => format!("closed: {}", missing[0].what),
            Stands::ByWaiver => "by waiver".to_owned(),
            Stands::Open => format!("{:?}", window.gate.closings[0].of[0].people),
        };
        format!("{} to {}: {stands}", window.span.from, window.span.until)
    };
    let nobody = Others { moments: [].into(), away: |_| Gone::default() };
    let coming = ahead(governance, Some(&search), (from, until), &nobody);
    assert_snapshot!(coming.windows.iter().map(line).collect::<Vec<_>>().join("\n"), @r#"
    2026-03-31T00:00:00Z to 2026-04-01T00:00:00Z: closed: 1 approval by somebody who is on call for the system (search)
    2026-04-01T00:00:00Z to 2026-04-03T00:00:00Z: {ActorId("linus")}
    2026-04-03T00:00:00Z to 2026-04-05T00:00:00Z: closed: 1 approval by somebody who is on call for the system (search)
    "#);
}
