//! What the server fetched at an address that governance subscribes to.

use countersign_ledger::Digest;
use serde::{Deserialize, Serialize};

/// What is said there now. It takes away within what governance says of the calendar, and never grants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarFetched {
    /// By its name: `calendars/NAME.json` is subscribed to.
    pub calendar: String,
    /// Blob: the events.
    pub content: Digest,
}
