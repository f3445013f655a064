//! The grade: the strongest thing that the evidence proves about a second person.

use std::collections::BTreeSet;

use super::{
    Grade,
    conventions::{COMMITTER, Says},
    judge::Evidence,
    machines::Machine,
    people::{IdentityId, Kind, People},
};

/// What a change proves, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graded {
    pub grade: Grade,
    /// Which evidence gave the grade; none for `alone`.
    pub by: Option<usize>,
    /// People who are no contributors and approved, each once.
    pub reviewers: Vec<IdentityId>,
}

/// Whether two who had a hand in it are surely two: an account without a name, or somebody of the same last name, may be the other.
fn are_two(a: IdentityId, b: IdentityId, people: &People) -> bool {
    let last = |who: IdentityId| people.name(who).split_whitespace().last().map(str::to_lowercase);
    let account = |who: IdentityId| people.name(who).starts_with("Gerrit User ");
    !people.could_be(a, b) && last(a) != last(b) && !account(a) && !account(b)
}

/// Grades a change. `merge` says whether the landed commit has two parents or more.
///
/// A reviewer or merger who might be a contributor is none: within one change, equal names are one person.
pub fn grade(evidence: &[Evidence], contributors: &[IdentityId], merge: bool, people: &People) -> Graded {
    let contributed = |who: IdentityId| contributors.iter().any(|other| people.could_be(who, *other));
    let second_person = |who: IdentityId| people.is_person(who) && !contributed(who);

    // A platform's rule stands in for a name only where none is given: a robot that merges at the author's word had that.
    let answered = evidence.iter().any(|item| match item.says {
        Says::Approved => item.who.is_some_and(|who| people.is_person(who)),
        Says::NobodyApproved => true,
        Says::Contributed | Says::Wrote | Says::Landed | Says::Platform | Says::Opaque => false,
    });
    // Who is one of several who made it was not alone.
    let made: Vec<IdentityId> = contributors.iter().copied().filter(|who| people.is_person(*who)).collect();
    let several = made.first().is_some_and(|first| made.iter().any(|other| are_two(*first, *other, people)));
    let mut best: Option<(Grade, usize)> = None;
    let mut reviewers = BTreeSet::new();
    for (at, item) in evidence.iter().enumerate() {
        // A robot of which it is said that it submitted or merged did so by a rule.
        let written = match item.who.map(|who| people.kind(who)) {
            Some(Kind::Machine(Machine::Lander | Machine::Robot)) if item.says == Says::Landed => Says::Platform,
            Some(_) | None => item.says,
        };
        let says = match (written, item.who) {
            (Says::Approved, Some(who)) if second_person(who) => {
                reviewers.insert(people.person(who));
                Some(Grade::Named)
            }
            // A robot or an AI tool that approves is nobody.
            (Says::Approved, Some(who)) => people.is_person(who).then_some(Grade::SelfApproved),
            (Says::NobodyApproved, _) => Some(Grade::SelfApproved),
            (Says::Landed, Some(who)) if second_person(who) => Some(Grade::OtherHand),
            // That somebody committed their own work is no merge; a line that says who submitted or merged it is one.
            (Says::Landed, Some(who)) => match people.kind(who) {
                Kind::Person | Kind::Agent => {
                    (merge || several || item.convention != COMMITTER.name).then_some(Grade::SelfMerged)
                }
                Kind::Machine(_) => None,
            },
            // A robot that lands what it made itself follows no rule that anybody set for it, unless landing by such a
            // rule is what it is for.
            (Says::Platform, Some(who)) if contributed(who) && people.kind(who) != Kind::Machine(Machine::Lander) => {
                merge.then_some(Grade::SelfMerged)
            }
            (Says::Platform, _) if answered => None,
            (Says::Platform, _) => Some(Grade::Platform),
            // Where the record itself names who approved, nothing more about that is hidden.
            (Says::Opaque, _) if answered => None,
            (Says::Opaque, _) => Some(Grade::Opaque),
            (Says::Contributed | Says::Wrote, _) | (Says::Approved | Says::Landed, None) => None,
        };
        if let Some(says) = says.filter(|says| best.is_none_or(|(grade, _)| *says < grade)) {
            best = Some((says, at));
        }
    }
    let (grade, by) = best.map_or((Grade::Alone, None), |(grade, at)| (grade, Some(at)));
    Graded { grade, by, reviewers: reviewers.into_iter().collect() }
}
