//! When a document's review runs out, from the front matter that tech-docs sites keep: `last_reviewed_on`, `review_in`,
//! `expire_by`, `owner`, `owner_slack`.
//!
//! A document that does not say so in a way that parses has no review; whoever asks treats that as stale.

use countersign_ledger::Time;
use jiff::{Span, civil::Date, tz::TimeZone};
use serde::Deserialize;

/// Front matter beyond this is not read.
const MAX_FRONT_MATTER_BYTES: usize = 16 * 1024;
const MAX_TEXT_CHARS: usize = 200;

#[derive(Clone, Debug)]
pub struct GuidanceReview {
    /// `owner`, or else `owner_slack`, as written.
    pub owner: Option<String>,
    pub last_reviewed_on: Option<Date>,
    pub review_in: Option<Span>,
    /// The beginning (UTC) of the day on which the review is due or the document expires, whichever is first.
    pub due: Time,
}

#[derive(Deserialize)]
struct FrontMatter {
    owner: Option<String>,
    owner_slack: Option<String>,
    last_reviewed_on: Option<String>,
    review_in: Option<String>,
    expire_by: Option<String>,
}

/// The review of a document, or `None` if it does not say when the next one is due.
pub fn guidance_review(text: &str) -> Option<GuidanceReview> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: 16, max_nodes: 1_000, max_aliases: 0, max_documents: 1 },
        with_snippet: false,
    };
    let matter: FrontMatter = serde_saphyr::from_str_with_options(front_matter(text)?, options).ok()?;

    let last_reviewed_on = date(matter.last_reviewed_on.as_deref())?;
    let review_in = span(matter.review_in.as_deref())?;
    let expire_by = date(matter.expire_by.as_deref())?;
    let review_due = match (last_reviewed_on, review_in) {
        (Some(reviewed), Some(within)) => Some(reviewed.checked_add(within).ok()?),
        (Some(_), None) | (None, Some(_)) if expire_by.is_none() => return None,
        (Some(_), None) | (None, Some(_)) | (None, None) => None,
    };
    let due = [review_due, expire_by].into_iter().flatten().min()?;
    let due = due.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second();

    let mut owner = [matter.owner, matter.owner_slack].into_iter().flatten().map(|owner| owner.trim().to_owned());
    Some(GuidanceReview {
        owner: owner.find(|owner| !owner.is_empty() && owner.chars().count() <= MAX_TEXT_CHARS),
        last_reviewed_on,
        review_in,
        due: Time::from_unix_secs(due),
    })
}

/// What stands between a `---` on the first line and the next `---` on a line of its own.
fn front_matter(text: &str) -> Option<&str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (first, rest) = text.split_once('\n')?;
    if first.trim_end() != "---" {
        return None;
    }
    let mut end = 0_usize;
    for line in rest.split_inclusive('\n') {
        if matches!(line.trim_end(), "---" | "...") {
            return rest.get(..end);
        }
        end = end.saturating_add(line.len());
        if end > MAX_FRONT_MATTER_BYTES {
            return None;
        }
    }
    None
}

/// `Ok`-like nesting: the outer `None` says that the text is there and is no date.
fn date(text: Option<&str>) -> Option<Option<Date>> {
    match text {
        None => Some(None),
        Some(text) => text.trim().parse().ok().map(Some),
    }
}

/// A positive span such as `6 months` or `1 year`.
fn span(text: Option<&str>) -> Option<Option<Span>> {
    match text {
        None => Some(None),
        Some(text) => {
            let text = text.trim();
            let span: Span =
                text.strip_prefix("a ").map_or_else(|| text.parse(), |unit| format!("1 {unit}").parse()).ok()?;
            span.is_positive().then_some(Some(span))
        }
    }
}
