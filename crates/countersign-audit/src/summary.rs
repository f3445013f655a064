//! The summary: counts over judged changes, which add up.

use std::collections::BTreeMap;

use jiff::tz::Offset;

use super::{
    Grade,
    ai::AiStatus,
    conventions::Says,
    judge::Audited,
    people::{IdentityId, People},
    timeline::on_calendar,
};

/// Changes by grade. The counts add up to the changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GradeCounts {
    pub named: u64,
    pub other_hand: u64,
    pub platform: u64,
    pub opaque: u64,
    pub self_approved: u64,
    pub self_merged: u64,
    pub alone: u64,
}

impl GradeCounts {
    pub fn add(&mut self, grade: Grade) {
        let count = match grade {
            Grade::Named => &mut self.named,
            Grade::OtherHand => &mut self.other_hand,
            Grade::Platform => &mut self.platform,
            Grade::Opaque => &mut self.opaque,
            Grade::SelfApproved => &mut self.self_approved,
            Grade::SelfMerged => &mut self.self_merged,
            Grade::Alone => &mut self.alone,
        };
        *count = count.saturating_add(1);
    }

    pub fn add_all(&mut self, other: &Self) {
        let Self { named, other_hand, platform, opaque, self_approved, self_merged, alone } = other;
        for (count, more) in [
            (&mut self.named, named),
            (&mut self.other_hand, other_hand),
            (&mut self.platform, platform),
            (&mut self.opaque, opaque),
            (&mut self.self_approved, self_approved),
            (&mut self.self_merged, self_merged),
            (&mut self.alone, alone),
        ] {
            *count = count.saturating_add(*more);
        }
    }

    /// Strongest first.
    pub fn each(&self) -> [(Grade, u64); 7] {
        [
            (Grade::Named, self.named),
            (Grade::OtherHand, self.other_hand),
            (Grade::Platform, self.platform),
            (Grade::Opaque, self.opaque),
            (Grade::SelfApproved, self.self_approved),
            (Grade::SelfMerged, self.self_merged),
            (Grade::Alone, self.alone),
        ]
    }

    pub fn total(&self) -> u64 {
        self.each().iter().map(|(_, count)| count).sum()
    }
}

/// Changes by AI assistance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AiCounts {
    pub declared: u64,
    pub inferred: u64,
    pub unknown: u64,
}

impl AiCounts {
    pub fn add(&mut self, status: AiStatus) {
        let count = match status {
            AiStatus::Declared => &mut self.declared,
            AiStatus::Inferred => &mut self.inferred,
            AiStatus::Unknown => &mut self.unknown,
        };
        *count = count.saturating_add(1);
    }

    pub fn add_all(&mut self, other: Self) {
        let Self { declared, inferred, unknown } = other;
        for (count, more) in
            [(&mut self.declared, declared), (&mut self.inferred, inferred), (&mut self.unknown, unknown)]
        {
            *count = count.saturating_add(more);
        }
    }

    /// Changes with any sign of assistance.
    pub fn assisted(&self) -> u64 {
        self.declared.saturating_add(self.inferred)
    }
}

/// What landed in one month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Month {
    pub grades: GradeCounts,
    pub ai: AiCounts,
    /// Of those, changes in which robots alone had a hand.
    pub robots: GradeCounts,
}

impl Month {
    /// Takes what another month has, too.
    pub fn add(&mut self, other: &Self) {
        self.grades.add_all(&other.grades);
        self.ai.add_all(other.ai);
        self.robots.add_all(&other.robots);
    }
}

/// A person's part in the reviews.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    pub person: IdentityId,
    pub count: u64,
    /// Of all reviews by anybody, between 0 and 1.
    pub share: f64,
}

/// Counts over the changes of a history. [`Audited::settle`] comes first.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    pub landed: u64,
    pub grades: GradeCounts,
    pub ai: AiCounts,
    /// Of those, changes in which robots alone had a hand.
    pub robots: GradeCounts,
    /// By (year, month) in UTC.
    pub months: BTreeMap<(i32, u8), Month>,
    /// By convention: how many changes it gave the grade of.
    pub conventions: BTreeMap<&'static str, u64>,
    reviews: BTreeMap<IdentityId, u64>,
    approvals: BTreeMap<IdentityId, u64>,
}

impl Summary {
    pub fn add(&mut self, change: &Audited, people: &People) {
        let one_more = |count: &mut u64| *count = count.saturating_add(1);
        one_more(&mut self.landed);
        self.grades.add(change.grade);
        self.ai.add(change.ai.status);
        let month = self.months.entry(month_of(change.landed_at)).or_default();
        month.grades.add(change.grade);
        month.ai.add(change.ai.status);
        if change.by_robots(people) {
            self.robots.add(change.grade);
            month.robots.add(change.grade);
        }
        if let Some(evidence) = change.decisive() {
            one_more(self.conventions.entry(evidence.convention).or_default());
        }
        for reviewer in &change.reviewers {
            one_more(self.reviews.entry(people.person(*reviewer)).or_default());
        }
        let mut approvers: Vec<_> = change
            .evidence
            .iter()
            .filter(|evidence| evidence.says == Says::Approved)
            .filter_map(|evidence| evidence.who)
            .filter(|who| people.is_person(*who))
            .map(|who| people.person(who))
            .collect();
        approvers.sort_unstable();
        approvers.dedup();
        for approver in approvers {
            one_more(self.approvals.entry(approver).or_default());
        }
    }

    /// Second persons, most reviews first.
    pub fn reviewers(&self) -> Vec<Share> {
        shares(&self.reviews)
    }

    /// Everybody whom an approval names, also on their own changes; most approvals first.
    pub fn approvers(&self) -> Vec<Share> {
        shares(&self.approvals)
    }
}

fn shares(counts: &BTreeMap<IdentityId, u64>) -> Vec<Share> {
    let total: u64 = counts.values().sum();
    let share = |count: u64| if total == 0 { 0.0 } else { count as f64 / total as f64 };
    let mut all: Vec<Share> =
        counts.iter().map(|(person, count)| Share { person: *person, count: *count, share: share(*count) }).collect();
    all.sort_by_key(|share| (std::cmp::Reverse(share.count), share.person));
    all
}

/// Year and month of a time in UTC, by the proleptic Gregorian calendar; also for commits dated 1970 and 2099.
pub fn month_of(seconds: i64) -> (i32, u8) {
    let date = Offset::UTC.to_datetime(on_calendar(seconds));
    (date.year().into(), date.month().unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_also_of_strange_clocks() {
        let table = [(0, (1970, 1)), (-1, (1969, 12)), (1_709_164_800, (2024, 2)), (4_102_444_799, (2099, 12))];
        for (seconds, expected) in table {
            assert_eq!(month_of(seconds), expected);
        }
        // As the report tells times beyond every calendar.
        for late in [253_402_214_400, 99_999_999_999_999, i64::MAX] {
            assert_eq!(month_of(late), (9999, 12));
        }
        assert_eq!(month_of(i64::MIN), (-9999, 1));
    }
}
