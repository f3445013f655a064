//! The same calendars as a second implementation reads them: see `expected.py`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use countersign_core::calendar::ics;
use countersign_ledger::Time;
use serde::Deserialize;

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/core/calendar");

#[derive(Deserialize)]
struct Expected {
    window: (i64, i64),
    events: BTreeMap<String, Told>,
}

/// All times of the events of one title, as sums.
#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Told {
    count: usize,
    first: (i64, i64),
    last: (i64, i64),
    starts: i64,
    ends: i64,
}

#[test]
fn a_second_implementation_finds_the_same_times() {
    let text = std::fs::read_to_string(Path::new(HERE).join("expected.json")).unwrap();
    let expected: BTreeMap<String, Expected> = serde_json::from_str(&text).unwrap();
    let mut differ = Vec::new();
    for (file, Expected { window, events }) in expected {
        let bytes = std::fs::read(Path::new(HERE).join("ics").join(&file)).unwrap();
        let (_, written) = ics::read(&file, &bytes, None).unwrap_or_else(|problem| panic!("{problem}"));
        let (from, until) = (Time::from_unix_secs(window.0), Time::from_unix_secs(window.1));
        let mut found: BTreeMap<String, BTreeSet<(i64, i64)>> = BTreeMap::new();
        for one in written {
            let spans = one.event.spans(from, until).into_iter();
            let spans = spans.map(|span| (span.from.unix_secs(), span.until.unix_secs()));
            found.entry(one.summary).or_default().extend(spans);
        }
        found.retain(|_, spans| !spans.is_empty());
        let names: BTreeSet<&String> = found.keys().chain(events.keys()).collect();
        for name in names {
            let told = found.get(name).map(told);
            if told.as_ref() != events.get(name) {
                differ.push(format!("{file} {name}: {told:?}, there {:?}", events.get(name)));
            }
        }
    }
    assert!(differ.is_empty(), "{} differ\n{}", differ.len(), differ.join("\n"));
}

fn told(spans: &BTreeSet<(i64, i64)>) -> Told {
    Told {
        count: spans.len(),
        first: *spans.first().unwrap(),
        last: *spans.last().unwrap(),
        starts: spans.iter().map(|(start, _)| start).sum(),
        ends: spans.iter().map(|(_, end)| end).sum(),
    }
}

/// Where the packages are installed (`CALENDAR_PYTHON` names another interpreter), what is kept of them is what they say.
#[test]
fn what_is_kept_of_the_second_implementation_is_what_it_says() {
    let python = std::env::var("CALENDAR_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let run = Command::new(&python).arg(Path::new(HERE).join("expected.py")).arg("check").output();
    let skipped = |why: &str| println!("skipped: {why}; pip install icalendar recurring-ical-events");
    match run {
        Err(error) => skipped(&format!("{python}: {error}")),
        Ok(output) if output.status.code() == Some(3) => skipped(&String::from_utf8_lossy(&output.stdout)),
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout)),
    }
}
