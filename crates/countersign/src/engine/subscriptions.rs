//! What was fetched for a calendar goes into the log: another content at once, the same once a day.

use countersign_core::{
    calendar::FetchedFile,
    statement::{Body, CalendarFetched},
};
use countersign_ledger::Digest;

use super::{Engine, EngineError, speech};

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
}
