//! When changes landed: committer times as they stand, but for clocks that were wrong.
//!
//! A commit may say 1970 or 2099. Whatever looks a year back must neither forget everybody at one such commit nor
//! remember everybody for ever, so times here only go forward, and a change that disagrees with its neighbours gets
//! theirs.

use super::judge::Audited;

pub const DAY_SECS: i64 = 86_400;
/// So many changes on either side are asked.
const NEIGHBOURS: usize = 2;

/// When each change landed, in seconds since the Unix epoch, for changes in the order in which they landed. Never goes
/// back. Times that were in order are kept as they are.
pub fn timeline(changes: &[Audited]) -> Vec<i64> {
    let landed: Vec<i64> = changes.iter().map(|change| change.landed_at).collect();
    let mut latest = i64::MIN;
    let mut near = Vec::with_capacity(NEIGHBOURS.saturating_mul(2).saturating_add(1));
    let mut times = Vec::with_capacity(landed.len());
    for at in 0..landed.len() {
        // As many before as after, so that the median of times in order is the one in the middle.
        let reach = NEIGHBOURS.min(at).min(landed.len().saturating_sub(at).saturating_sub(1));
        let window = landed.get(at.saturating_sub(reach)..=at.saturating_add(reach)).unwrap_or_default();
        near.clear();
        near.extend_from_slice(window);
        near.sort_unstable();
        latest = latest.max(near.get(reach).copied().unwrap_or_default());
        times.push(latest);
    }
    times
}
