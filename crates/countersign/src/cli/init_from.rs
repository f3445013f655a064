//! `countersign init --from`: what a history says about the people, systems and rules of a new home.

use std::{collections::BTreeMap, path::Path};

use countersign_audit::{
    replay, shown,
    start::{self, Reserved, Seen, Territory},
};
use countersign_core::{catalog::CatalogSettings, rules::Rules};

use super::{audit::stop_on_signals, error::CliError};
use crate::{
    audit::{
        judge_watched,
        progress::Progress,
        reader::{History, Selection, day},
        replayed,
        scope::{self, Prepared},
        started::{About, Started},
    },
    git::Repository,
    home::{
        from::{self, Past},
        people::Person,
        shipped,
    },
};

const MAX_TEXT_CHARS: usize = 120;

/// Which history.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    pub repository: &'a Path,
    pub branch: Option<&'a str>,
    pub since: Option<i64>,
}

/// What the home begins with.
#[derive(Debug)]
pub struct Begun {
    pub catalog: BTreeMap<String, String>,
    pub rules: BTreeMap<String, String>,
    pub started: Started,
}

/// Reads the history and writes down what it supports. `people` are the founders, and everybody when it is done; `keys`
/// brings in what keys there are.
pub fn begin(
    source: Source<'_>,
    people: &mut Vec<Person>,
    settings: &CatalogSettings,
    keys: impl FnOnce(&mut Vec<Person>) -> Result<(), CliError>,
) -> Result<Begun, CliError> {
    let stop = stop_on_signals()?;
    let progress = Progress::start();
    // The whole history, because who is who and what was reverted is not to be seen in a year of it.
    let selection = Selection { branch: source.branch.map(str::to_owned), since: None, until: None };
    let history = History::open(source.repository, &selection, &stop)?;
    progress.changes(history.len());
    let owners = scope::code_owners(&history)?;
    let mut territory = Territory::new(owners.map(|(_, owners)| owners), history.files()?);
    let mut touched = Vec::with_capacity(history.len());
    let mut judged = judge_watched(&history, Prepared::default(), &progress, |change, scope| {
        touched.push(territory.touch(&change.paths, &scope.impact));
    })?;
    progress.rules();
    touched.reverse();
    let seen = Seen {
        changes: &judged.changes,
        people: &judged.people,
        impact: &judged.scope.impact,
        territory: &territory,
        touched: &touched,
    };
    let founders: Vec<Reserved> =
        people.iter().map(|person| Reserved { id: person.id.clone(), mails: person.mails.clone() }).collect();
    let Some(start) = start::start(seen, source.since, &founders) else {
        let since = source.since.map(day).unwrap_or_default();
        return Err(CliError::new(
            "nothing-landed",
            format!("nothing landed since {since}, so there is nobody to begin with"),
        )
        .hint("choose an earlier --since, or leave it out: the year before the newest change counts then"));
    };
    from::merge(people, &start.people);
    keys(people)?;
    let past = Past {
        repository: shown(&name_of(source.repository), MAX_TEXT_CHARS),
        branch: shown(&history.branch, MAX_TEXT_CHARS),
        from: day(start.window.oldest),
        newest: day(start.window.newest),
        start: &start,
    };
    let plain = from::starting_rules(&start.numbers);
    let failed = |what: &str, error: &dyn std::fmt::Display| CliError::new("failed", format!("{what}: {error}"));
    let cedar = plain.iter().filter(|(name, _)| name.ends_with(shipped::RULE));
    let rules = Rules::parse(&cedar.map(|(name, text)| (name.clone(), text.clone())).collect())
        .map_err(|error| failed("the starting rules do not parse", &error))?;
    let areas = start.lay_over(&mut judged.changes, &touched);
    let whole =
        replay::Past { changes: &judged.changes, people: &judged.people, areas: &areas, reverts: &judged.reverts };
    let sets = [&rules];
    let (assumed, replays) = replay::Course::from(whole, start.window.first, &sets)
        .and_then(|course| replayed::ask(&course))
        .map_err(|error| failed("the past cannot be put to rules", &error))?;
    progress.done();
    let Some(replay) = replays.first() else {
        return Err(failed("the past cannot be put to rules", &"there are none"));
    };
    let known = |founder: &&Reserved| !start.people.iter().any(|person| person.reserved && person.id == founder.id);
    let about = About {
        repository: past.repository.clone(),
        branch: past.branch.clone(),
        tip: history.tip.clone(),
        since: past.from.clone(),
        newest: past.newest.clone(),
        asked_since: source.since.is_some(),
        read: judged.changes.len(),
        people: people.len(),
        without_keys: people.iter().filter(|person| person.keys.is_empty()).map(|person| person.id.clone()).collect(),
        founders_not_in_history: founders.iter().filter(known).map(|founder| founder.id.clone()).collect(),
        environment: from::environment(settings),
        bare: Repository::open_even_shallow(source.repository)
            .is_ok_and(|repository| repository.is_bare())
            .then(|| source.repository.to_owned()),
    };
    Ok(Begun {
        catalog: from::catalog(&past, people, settings),
        rules: from::rules(&past, &plain, &assumed, replay),
        started: Started::new(about, &start, &assumed, replay),
    })
}

/// The repository's folder, not where it lies: that is nobody's business who reads the rules.
fn name_of(repository: &Path) -> String {
    let whole = repository.canonicalize().unwrap_or_else(|_| repository.to_owned());
    whole.file_name().unwrap_or(repository.as_os_str()).to_string_lossy().into_owned()
}
