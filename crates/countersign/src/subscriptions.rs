//! Calendars at addresses that governance subscribes to: fetched by the server, again and again.
//!
//! Invariant: nothing is believed of an address but when it freezes and who is away, within bounds; a fetch that fails, or a file that
//! is none, leaves what was heard before. It is asked where governance says, and nowhere that it points to.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    io::Read as _,
    sync::Arc,
    time::Duration,
};

use countersign_core::{
    calendar::{CalendarFile, FetchedFile, MAX_ICS_BYTES, written},
    catalog::Catalog,
};
use countersign_ledger::Time;
use tokio::{
    task,
    time::{MissedTickBehavior, interval},
};

use crate::{
    client::route::{self, Via},
    clock,
    engine::{Engine, EngineError},
};

/// How often it is looked for an address that is new, and how often each is asked.
const LOOKED: Duration = Duration::from_secs(5);
const ASKED_EVERY_SECS: i64 = 15 * 60;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// When each address was asked last, by calendar and address; and since when it has not answered.
type Asked = BTreeMap<(String, String), (Time, Option<Time>)>;

/// Asks for ever.
pub async fn run(engine: Arc<Engine>) {
    let mut due = interval(LOOKED);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut asked = Asked::new();
    loop {
        due.tick().await;
        if let Err(error) = round(&engine, &mut asked, clock::now()).await {
            tracing::warn!(%error, "subscribed calendars could not be looked after");
        }
    }
}

/// Asks each address now.
pub async fn once(engine: &Engine) -> Result<(), EngineError> {
    round(engine, &mut Asked::new(), clock::now()).await
}

async fn round(engine: &Engine, asked: &mut Asked, now: Time) -> Result<(), EngineError> {
    let governance = engine.governance().await?;
    let subscribed: Vec<(String, String, CalendarFile)> = governance
        .calendars
        .subscribed()
        .map(|(calendar, from)| (calendar.name.clone(), from.to_owned(), calendar.file.clone()))
        .collect();
    asked.retain(|(name, from), _| subscribed.iter().any(|(known, of, _)| (known, of) == (name, from)));
    for (name, from, file) in subscribed {
        let key = (name.clone(), from.clone());
        let known = asked.get(&key).copied();
        if known.is_some_and(|(at, _)| now.secs_since(at) < ASKED_EVERY_SECS) {
            continue;
        }
        asked.insert(key.clone(), (now, None));
        let (catalog, calendar) = (Arc::clone(&governance.catalog), name.clone());
        let fetched = task::spawn_blocking(move || fetch(&calendar, &from, &file, &catalog)).await;
        let why = match fetched.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(fetched) => match engine.say_fetched(&name, &fetched).await {
                Ok(true) => {
                    tracing::info!(calendar = name, events = fetched.events.len(), "a calendar was fetched");
                    continue;
                }
                Ok(false) => continue,
                Err(EngineError::Refused(refusal)) => format!("what was fetched was not taken: {refusal}"),
                Err(error) => return Err(error),
            },
            Err(why) => why,
        };
        tracing::warn!(calendar = name, why, "a calendar was not fetched; what was heard before holds");
        let since = known.and_then(|(_, failing)| failing).unwrap_or(now);
        asked.insert(key, (now, Some(since)));
        engine.raise_stale(&name, since).await?;
    }
    Ok(())
}

/// Whom an absence calendar at an address names that nobody here is; why nothing was fetched.
pub fn unknown(name: &str, from: &str, file: &CalendarFile, catalog: &Catalog) -> Result<BTreeSet<String>, String> {
    written::unknown(name, file, &bytes_at(from)?, catalog, clock::now()).map_err(|refusal| refusal.to_string())
}

/// What stands at an address, as far as it says what it may.
fn fetch(name: &str, from: &str, file: &CalendarFile, catalog: &Catalog) -> Result<FetchedFile, String> {
    written::fetched(name, file, &bytes_at(from)?, catalog, clock::now()).map_err(|refusal| refusal.to_string())
}

fn bytes_at(from: &str) -> Result<Vec<u8>, String> {
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .proxy(route::proxy(from, Via::Environment, |name| env::var(name).ok()))
        // Whoever has the address could have it point into the server's own network.
        .max_redirects(0)
        .build()
        .new_agent();
    let mut answer = agent.get(from).header("Accept", "text/calendar").call().map_err(|error| error.to_string())?;
    if !answer.status().is_success() {
        return Err(format!("it answers with {}", answer.status().as_u16()));
    }
    let most = u64::try_from(MAX_ICS_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    answer.body_mut().as_reader().take(most).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}
