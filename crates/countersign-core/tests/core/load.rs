//! Load: what the log says of approvals and waits, and what is made out of that.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::{
    ids::{ActorId, SystemId},
    load::{Answer, Ask, Forecast, History, MIN_APPROVALS, RUNS, Scenario, Spread, forecast, speed, waits},
};
use countersign_ledger::Time;

use crate::kit::{START, World, blob_of, id};

const HOUR: i64 = 60 * 60;
const DAY: i64 = 24 * HOUR;
const WEEKS: u32 = 4;

/// The last of so many weeks in which each day at nine so many changes come, one after the other hour, and these people answer in turn
/// after so many hours.
fn busy(people: &[&str], a_day: i64, after_hours: i64) -> History {
    let from = START;
    let until = from.plus_secs(i64::from(WEEKS) * 7 * DAY);
    let system: SystemId = "checkout".parse().unwrap();
    let mut asks = Vec::new();
    for day in 0..i64::from(WEEKS) * 7 {
        for number in 0..a_day {
            let at = from.plus_secs(day * DAY + (9 + number) * HOUR);
            let by = people[usize::try_from((day * a_day + number).unsigned_abs()).unwrap() % people.len()];
            let answered = at.plus_secs(after_hours * HOUR + number * 60);
            asks.push(Ask {
                change: format!("{:032x}", asks.len()).parse().unwrap(),
                systems: BTreeSet::from([system.clone()]),
                groups: BTreeSet::from(["payments".parse().unwrap()]),
                rules: BTreeSet::from(["tier-1-two".parse().unwrap()]),
                at,
                hands: BTreeSet::from([id("nobody")]),
                answers: vec![Answer {
                    by: id(by),
                    asked: at,
                    at: answered,
                    minutes: u64::try_from(answered.secs_since(at) / 60).unwrap(),
                }],
            });
        }
    }
    History { from, until, weeks: WEEKS, given: Vec::new(), asks, proposed: BTreeMap::new(), open: BTreeMap::new() }
}

fn with(history: &History, people: &[&str], seed: u64) -> Forecast {
    let scenario = Scenario { with: people.iter().map(|name| id(name)).collect(), without: BTreeSet::new() };
    forecast(history, &scenario, seed, |_, _| None).unwrap()
}

fn without(history: &History, people: &[&str], seed: u64) -> Forecast {
    let scenario = Scenario { with: BTreeSet::new(), without: people.iter().map(|name| id(name)).collect() };
    forecast(history, &scenario, seed, |_, _| None).unwrap()
}

#[test]
fn the_same_seed_tells_the_same_future() {
    let history = busy(&["ada", "grace", "linus"], 5, 3);
    assert_eq!(with(&history, &[], 7), with(&history, &[], 7));
    let told = with(&history, &[], 7);
    assert_eq!((told.runs, told.weeks), (RUNS, 4));
    assert_eq!(told.changes, u64::from(RUNS) * 4 * 35, "as many as came in each of the weeks that were");
    assert_eq!(told.approvals.values().sum::<u64>(), told.changes);
    assert_eq!(told.unanswered, 0);
}

#[test]
fn one_more_approver_never_lengthens_the_median_wait_in_the_mean_over_seeds() {
    for (a_day, hours) in [(1, 2), (4, 5), (8, 3), (6, 9)] {
        let history = busy(&["ada", "grace"], a_day, hours);
        let mean =
            |people: &[&str]| -> u64 { (0..8).map(|seed| with(&history, people, seed).waited.unwrap().median).sum() };
        let (now, one_more, two_more) = (mean(&[]), mean(&["linus"]), mean(&["linus", "barbara"]));
        assert!(one_more <= now && two_more <= one_more, "{a_day} a day: {now}, {one_more}, {two_more}");
    }
    // Where people have more than they can do, it is shorter by far.
    let history = busy(&["ada", "grace"], 8, 9);
    let median = |forecast: Forecast| forecast.waited.unwrap().median;
    assert!(median(without(&history, &["grace"], 1)) > 2 * median(with(&history, &[], 1)));
}

#[test]
fn who_had_a_hand_in_it_answers_nothing_and_without_everybody_nothing_is_answered() {
    let mut history = busy(&["ada", "grace"], 2, 1);
    history.asks.iter_mut().for_each(|ask| ask.hands.extend([id("linus")]));
    let told = with(&history, &["linus"], 3);
    assert!(!told.approvals.contains_key(&id("linus")), "{told:?}");
    let nobody = without(&history, &["ada", "grace"], 3);
    assert_eq!((nobody.unanswered, nobody.waited), (nobody.changes, None));
}

#[test]
fn who_is_away_answers_when_they_are_back() {
    let history = busy(&["ada"], 1, 1);
    let back = history.until.plus_secs(28 * DAY);
    let away = |_: &ActorId, at: Time| (at < back).then_some(back);
    let told = forecast(&history, &Scenario::default(), 3, away).unwrap();
    let there = with(&history, &[], 3);
    assert!(told.waited.unwrap().median > 7 * 24 * 60, "{told:?}");
    assert_eq!(there.waited.unwrap().median, 60);
}

#[test]
fn from_too_little_nothing_is_forecast() {
    let mut history = busy(&["ada", "grace"], 1, 1);
    let told = |history: &History| forecast(history, &Scenario::default(), 1, |_, _| None);
    assert!(told(&history).is_some());
    history.weeks = 1;
    assert_eq!(told(&history), None, "one week is no habit");
    history.weeks = WEEKS;
    history.asks.truncate(MIN_APPROVALS - 1);
    assert_eq!(told(&history), None);
}

/// Attack: how long somebody takes is read off what only they answered, or off what was forecast without them.
#[test]
fn how_long_a_person_takes_is_told_by_nothing_unless_the_home_says_so() {
    let world = World::new();
    let of = |people: &[&str]| waits(&busy(people, 3, 2));
    let system: SystemId = "checkout".parse().unwrap();
    for few in [&["ada"][..], &["ada", "grace"]] {
        let told = of(few);
        let rows = [&told.systems[&system], told.groups.values().next().unwrap(), told.rules.values().next().unwrap()];
        assert!(rows.iter().all(|row| row.waited.is_none() && row.approvals == 84), "{told:?}");
    }
    let told = of(&["ada", "grace", "linus"]);
    assert_eq!(told.systems[&system].waited, Some(Spread { median: 121, nine_tenths: 122 }));
    // Two homes in which the same answers are of others have the same future, but for the names.
    let swapped = |history: &History| {
        let mut swapped = history.clone();
        for answer in swapped.asks.iter_mut().flat_map(|ask| &mut ask.answers) {
            answer.by = if answer.by == id("ada") { id("grace") } else { id("ada") };
        }
        swapped
    };
    let mut slow = busy(&["ada", "grace"], 1, 1);
    for answer in slow.asks.iter_mut().flat_map(|ask| &mut ask.answers).filter(|answer| answer.by == id("ada")) {
        answer.at = answer.at.plus_secs(5 * HOUR);
    }
    let waited = |history: &History, name: &str| without(history, &[name], 5).waited;
    assert_eq!(waited(&slow, "ada"), waited(&slow, "grace"), "nothing tells that ada is the slow one");
    assert_eq!(waited(&slow, "ada"), waited(&swapped(&slow), "ada"));

    assert_eq!(speed(&world.state.governance, &slow), None);
    // Two people put it into the files of the home.
    let settings = br#"{"environments":["development","production","staging"],"load_people":true,"loosening_wait_secs":0,"production":["production"]}"#;
    let says_so = World::founded(|files| drop(files.insert("settings.json".to_owned(), settings.to_vec())), |_| {});
    let told = speed(&says_so.unwrap().state.governance, &slow).unwrap();
    assert_eq!((told[&id("ada")].median, told[&id("grace")].median), (60, 60), "as their waits were noted");
}

#[test]
fn the_log_tells_what_was_let_through_on_whose_word_and_how_long_that_waited() {
    let mut world = World::new();
    let mut lives = Vec::new();
    for _ in 0..2 {
        let change = world.propose("ada", "search/production");
        world.later(3 * HOUR);
        world.approve("linus", &change).unwrap();
        world.later(2 * HOUR);
        world.approve("mallory", &change).unwrap();
        world.ask("ada", &change).unwrap();
        world.later(7 * DAY - 5 * HOUR);
        lives.push(change);
    }
    // Of nothing that was not let through it is known what it needed; whoever approved it had it to do.
    let waiting = world.propose("linus", "search/production");
    world.approve("mallory", &waiting).unwrap();
    let of = |weeks: u32, system: Option<&str>| {
        let system = system.map(|system| system.parse::<SystemId>().unwrap());
        let changes = lives.iter().chain([&waiting]).map(|change| world.change(change));
        History::of(&world.state.governance, changes, system.as_ref(), (weeks, world.now), &blob_of(&world.blobs))
    };
    let told = of(8, None);
    assert_eq!((told.weeks, told.given.len(), told.asks.len()), (2, 5, 2), "{told:?}");
    let answers: Vec<(&str, u64)> =
        told.asks[0].answers.iter().map(|answer| (answer.by.as_str(), answer.minutes)).collect();
    assert_eq!(answers, [("linus", 180), ("mallory", 300)]);
    assert!(told.asks[0].hands.contains(&id("ada")));
    let rules: Vec<&str> = told.asks[0].rules.iter().map(|rule| rule.as_str()).collect();
    assert!(rules.contains(&"second-pair-of-eyes"), "{rules:?}");
    assert_eq!(told.open[&"search".parse::<SystemId>().unwrap()], 3);
    let by_week: Vec<(&str, Vec<u64>)> =
        told.by_week().into_iter().map(|(person, counts)| (person.as_str(), counts)).collect();
    assert_eq!(by_week, [("linus", vec![1, 1]), ("mallory", vec![1, 2])]);
    // One week reaches back to the second of them alone; another system has nothing.
    assert_eq!((of(1, None).asks.len(), of(1, None).given.len()), (1, 3));
    assert_eq!(of(8, Some("checkout")).given, []);
}
