//! When changes landed: committer times as they stand, but for clocks that were wrong.
//!
//! A commit may say 1970 or 2099. Whatever looks a year back must neither forget everybody at one such commit nor
//! remember everybody for ever, so times here only go forward, and a change that disagrees with its neighbours gets
//! theirs. That holds at both ends too, where all neighbours are on one side: one or two wrong clocks there would
//! otherwise move the whole history, or all that is counted back from its newest change.

use std::cmp::Ordering;

use jiff::Timestamp;

use super::judge::Audited;

pub const DAY_SECS: i64 = 86_400;
/// So many changes on either side are asked.
const NEIGHBOURS: usize = 2;
/// Between the outermost changes and the rest a silence may be as long as this; a longer one is a wrong clock. Order
/// alone cannot tell: 1970 comes before everything and 2099 after it.
const LONGEST_SILENCE_SECS: u64 = 3 * 365 * DAY_SECS.unsigned_abs();

/// When each change landed, in seconds since the Unix epoch, for changes in the order in which they landed. Never goes
/// back. Times that were in order are kept as they are, but for silences at the ends that no history has.
pub fn timeline(changes: &[Audited]) -> Vec<i64> {
    let landed: Vec<i64> = changes.iter().map(|change| change.landed_at).collect();
    corrected(&landed)
}

fn corrected(landed: &[i64]) -> Vec<i64> {
    let width = NEIGHBOURS.saturating_mul(2).saturating_add(1).min(landed.len());
    let last = landed.len().saturating_sub(width);
    let mut latest = i64::MIN;
    let mut near = Vec::with_capacity(width);
    let mut times = Vec::with_capacity(landed.len());
    for (at, own) in landed.iter().enumerate() {
        // At the ends the window stays as wide, and its neighbours are on one side.
        let from = at.saturating_sub(NEIGHBOURS).min(last);
        let window = landed.get(from..from.saturating_add(width)).unwrap_or_default();
        near.clear();
        near.extend_from_slice(window);
        near.sort_unstable();
        let median = near.get(width / 2).copied().unwrap_or(*own);
        let (before, after) = window.split_at(at.saturating_sub(from).min(window.len()));
        let time = match before.len().cmp(&(width / 2)) {
            // The median of times in order is the one in the middle.
            Ordering::Equal => median,
            // Not before what came before it, nor after what came after it.
            Ordering::Less => before.iter().fold(*own, |time, other| time.max(*other)).min(median),
            Ordering::Greater => after.iter().fold(*own, |time, other| time.min(*other)).max(median),
        };
        // Two changes are no majority.
        let silent = width > NEIGHBOURS && time.abs_diff(median) > LONGEST_SILENCE_SECS;
        let time = if silent { median } else { time };
        latest = latest.max(time);
        times.push(latest);
    }
    times
}

/// A time as a calendar has it: one that no calendar has is the nearest that one has, from -9999-01-02 to 9999-12-30.
pub fn on_calendar(seconds: i64) -> Timestamp {
    let nearest = if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_second(seconds).unwrap_or(nearest)
}

#[cfg(test)]
mod tests {
    use super::{DAY_SECS, corrected};

    /// 2023-11-14, and what lies far from it.
    const BEGIN: i64 = 1_700_000_000;
    const YEAR: i64 = 365 * DAY_SECS;
    const IN_2099: i64 = 4_080_000_000;

    fn daily(changes: i64) -> Vec<i64> {
        (0..changes).map(|day| BEGIN + day * DAY_SECS).collect()
    }

    fn with(mut times: Vec<i64>, wrong: &[(usize, i64)]) -> Vec<i64> {
        for (at, time) in wrong {
            times[*at] = *time;
        }
        times
    }

    #[test]
    fn one_or_two_wrong_clocks_anywhere_move_nothing_by_more_than_their_neighbours() {
        let wrong = [0, -YEAR, BEGIN - 10 * YEAR, BEGIN + YEAR, IN_2099, i64::MIN, i64::MAX];
        for length in [5, 6, 8, 200] {
            let right = daily(i64::try_from(length).unwrap());
            for at in 0..length {
                for one in wrong {
                    for other in wrong {
                        for clocks in [vec![(at, one)], vec![(at, one), (at + 1, other)]] {
                            // Within what a silence at an end may be nobody can tell.
                            let said = |time: i64| clocks.iter().any(|(_, clock)| *clock == time);
                            let holds = |place: usize| clocks.iter().any(|(at, _)| *at == place);
                            let open = (holds(0) && said(BEGIN - YEAR)) || (holds(length - 1) && said(BEGIN + YEAR));
                            if open || holds(length) {
                                continue;
                            }
                            let found = corrected(&with(right.clone(), &clocks));
                            let off = found.iter().zip(&right).map(|(found, right)| found.abs_diff(*right)).max();
                            assert!(off <= Some(4 * DAY_SECS.unsigned_abs()), "{length} {clocks:?} {off:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn clocks_in_order_are_kept() {
        let silences = [
            daily(200),
            vec![],
            vec![IN_2099],
            vec![0, IN_2099],
            vec![BEGIN, BEGIN + YEAR, BEGIN + 3 * YEAR],
            with(daily(200), &[(0, BEGIN - 2 * YEAR), (199, BEGIN + 3 * YEAR)]),
            (0..10).map(|at| BEGIN + at * YEAR).collect(),
            // Years without a change, in the middle.
            (0..10).map(|at| BEGIN + if at < 4 { 0 } else { 20 * YEAR }).collect(),
        ];
        for times in silences {
            assert_eq!(corrected(&times), times);
        }
    }

    #[test]
    fn short_histories_outvote_one_wrong_clock() {
        for length in [3, 4] {
            let right = daily(length);
            for at in 0..right.len() {
                for wrong in [0, IN_2099] {
                    let found = corrected(&with(right.clone(), &[(at, wrong)]));
                    let near = |time: &i64| time.abs_diff(BEGIN) <= 3 * DAY_SECS.unsigned_abs();
                    assert!(found.iter().all(near), "{length} {at} {wrong} {found:?}");
                }
            }
        }
    }
}
