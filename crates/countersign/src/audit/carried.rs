//! Who carries the reviews, as programs read it.

use countersign_audit::{
    Areas, AreasBy,
    carriers::{self, Carried, Carriers, Pair},
    shown,
};
use serde::Serialize;

use super::{
    names::Names,
    report::{Reviewer, days, reviewer},
};

/// Of an area and a period.
const REVIEWERS_OF_AREA: usize = 5;
const MAX_AREA_CHARS: usize = 120;

#[derive(Debug, Serialize)]
pub struct Area {
    pub area: String,
    pub owners: Vec<String>,
    pub patterns: Vec<String>,
    pub landed: u64,
    pub reviewers: Vec<Reviewer>,
    pub half_of_reviews: u64,
    pub only_reviewer: Option<String>,
    pub median_days: Option<f64>,
    pub p90_days: Option<f64>,
    pub periods: Vec<Period>,
}

/// A calendar quarter or year.
#[derive(Debug, Serialize)]
pub struct Period {
    pub period: String,
    pub landed: u64,
    pub reviews: u64,
    pub half_of_reviews: u64,
    /// Of the whole everybody, of an area the busiest.
    pub reviewers: Vec<Reviewer>,
    pub median_days: Option<f64>,
    pub p90_days: Option<f64>,
}

/// The history as a whole.
#[derive(Debug, Serialize)]
pub struct Carrying {
    pub half_of_reviews: u64,
    pub only_reviewer: Option<String>,
    pub median_days: Option<f64>,
    pub p90_days: Option<f64>,
    pub periods: Vec<Period>,
    pub pairs: Vec<Reciprocal>,
    pub dated_approvals: u64,
    pub within_a_minute: u64,
}

/// Two people who approve each other and whom nobody else approves.
#[derive(Debug, Serialize)]
pub struct Reciprocal {
    pub people: [String; 2],
    pub times: [u64; 2],
}

/// Most changes first.
pub fn areas(carriers: &Carriers, areas: &Areas, names: &Names<'_>) -> Vec<Area> {
    let mut all: Vec<Area> = carriers
        .areas
        .iter()
        .map(|(id, carriers::CarriedArea { all: carried, periods: by_period })| {
            let (area, owners) = called(areas, *id, names);
            Area {
                area,
                owners,
                patterns: areas.get(*id).map(|area| area.patterns.clone()).unwrap_or_default(),
                landed: carried.landed,
                reviewers: carried.reviewers.iter().map(|share| reviewer(names, *share)).collect(),
                half_of_reviews: carried.half_of_reviews,
                only_reviewer: only(carried, names),
                median_days: carried.median_secs.map(days),
                p90_days: carried.p90_secs.map(days),
                periods: periods(by_period, names, REVIEWERS_OF_AREA),
            }
        })
        .collect();
    all.sort_by(|a, b| b.landed.cmp(&a.landed).then_with(|| a.area.cmp(&b.area)));
    all
}

/// An area's name and its owners. People among owners are called as they are everywhere else.
pub(super) fn called(areas: &Areas, id: u32, names: &Names<'_>) -> (String, Vec<String>) {
    let owners = areas.get(id).map(|area| area.owners.as_slice()).unwrap_or_default();
    match areas.by() {
        AreasBy::CodeOwners if names.are_pseudonyms() && !owners.is_empty() => {
            let owners: Vec<String> = owners.iter().map(|owner| names.of_owner(owner)).collect();
            (shown(&owners.join(" "), MAX_AREA_CHARS), owners)
        }
        AreasBy::CodeOwners | AreasBy::Folders | AreasBy::Catalog => (areas.shown(id), owners.to_vec()),
    }
}

fn periods(periods: &[(carriers::Period, Carried)], names: &Names<'_>, reviewers: usize) -> Vec<Period> {
    let one = |(period, carried): &(carriers::Period, Carried)| Period {
        period: period.to_string(),
        landed: carried.landed,
        reviews: carried.reviews(),
        half_of_reviews: carried.half_of_reviews,
        reviewers: carried.reviewers.iter().take(reviewers).map(|share| reviewer(names, *share)).collect(),
        median_days: carried.median_secs.map(days),
        p90_days: carried.p90_secs.map(days),
    };
    periods.iter().map(one).collect()
}

pub fn carrying(carriers: &Carriers, names: &Names<'_>) -> Carrying {
    let all = &carriers.all;
    let pair = |pair: &Pair| Reciprocal { people: pair.people.map(|person| names.of(person)), times: pair.times };
    Carrying {
        half_of_reviews: all.half_of_reviews,
        only_reviewer: only(all, names),
        median_days: all.median_secs.map(days),
        p90_days: all.p90_secs.map(days),
        periods: periods(&carriers.periods, names, usize::MAX),
        pairs: carriers.pairs.iter().map(pair).collect(),
        dated_approvals: carriers.timed,
        within_a_minute: carriers.quick,
    }
}

fn only(carried: &Carried, names: &Names<'_>) -> Option<String> {
    carried.only_reviewer.map(|person| names.of(person))
}
