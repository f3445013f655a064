//! What a history supports: how many approvals can be asked for where so many people are there.
//!
//! A rule that asks for more people than there are stops everything, and is switched off in the first outage. So a count
//! is supported only where it could still be met with the author out of the question and one more person away.

use super::carriers;

/// People who wrote or looked at something in these days before the newest change are there.
pub const RECENT_DAYS: i64 = carriers::RECENT_DAYS;
/// Of the people who are there, one made the change and one is away.
pub const SPARE: usize = 2;
/// Whatever a history supports, no rule asks for less than this.
pub const LEAST: u32 = 1;

/// How many approvals can be asked for among so many people, the smallest number that means anything at least.
pub fn approvals(there: usize) -> u32 {
    u32::try_from(there.saturating_sub(SPARE)).unwrap_or(u32::MAX).max(LEAST)
}

/// Whether so many approvals are supported, or only written because a rule cannot ask for less.
pub fn holds(approvals: u32, there: usize) -> bool {
    usize::try_from(approvals).unwrap_or(usize::MAX).saturating_add(SPARE) <= there
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_made_it_and_one_is_away() {
        let table = [(0, 1, false), (2, 1, false), (3, 1, true), (4, 2, true), (50, 48, true)];
        for (there, expected, held) in table {
            assert_eq!((approvals(there), holds(approvals(there), there)), (expected, held), "{there} people");
        }
    }
}
