//! What was fetched for a calendar goes into the log: another content at once, the same once a day.

use std::collections::BTreeSet;

use countersign_core::{
    calendar::{FetchedFile, STALE_SECS},
    statement::{Body, CalendarFetched, Matter},
};
use countersign_ledger::{Digest, Time};

use super::{Engine, EngineError, approving, speech};
use crate::records;

/// For how long an address that was never fetched may be away before anybody is asked.
const NEVER_SECS: i64 = 60 * 60;

impl Engine {
    /// Says what was fetched; whether there was anything to say.
    pub async fn say_fetched(&self, calendar: &str, fetched: &FetchedFile) -> Result<bool, EngineError> {
        let blob = fetched.to_bytes()?;
        let content = Digest::of(&blob);
        let (governance, now) = (self.governance().await?, self.clock.now()?);
        let record = governance.record.fetched.get(calendar);
        if record.is_some_and(|record| record.is_known(&content, now)) {
            return Ok(false);
        }
        let head = self.store.head().await?;
        let body = Body::CalendarFetched(CalendarFetched { calendar: calendar.to_owned(), content });
        let said = speech::signed(&*self.keys.in_force(&governance.record)?, &governance.record, &head, body)?;
        Box::pin(self.submit(said.raw(), vec![blob])).await.map(|_| true)
    }

    /// Has the policy group look after a calendar that could not be fetched for two days, or never, which it has not been for so long
    /// as is said. Gives how many findings that made.
    pub async fn raise_stale(&self, calendar: &str, failing_since: Time) -> Result<usize, EngineError> {
        let (now, governance) = (self.clock.now()?, self.governance().await?);
        let heard = governance.calendars.heard_last(calendar, &governance.record.fetched);
        let is_stale = match heard {
            Some(heard) => now.secs_since(heard) > STALE_SECS,
            None => now.secs_since(failing_since) >= NEVER_SECS,
        };
        if !is_stale || governance.record.stale.get(calendar) == Some(&heard) {
            return Ok(0);
        }
        let presence = records::presence(&*self.store, &governance, now).await?;
        let who = approving::others(&governance, &presence, &BTreeSet::new(), now);
        self.raise(vec![(Matter::CalendarStale { calendar: calendar.to_owned(), heard }, who)], now).await
    }
}
