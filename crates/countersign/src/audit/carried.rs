//! Who carries the reviews, as programs read it.

use countersign_core::audit::{
    Areas,
    carriers::{Carried, Carriers, Pair},
};
use serde::Serialize;

use super::{
    names::Names,
    report::{Reviewer, days, reviewer},
};

#[derive(Debug, Serialize)]
pub struct Area {
    pub area: String,
    pub landed: u64,
    pub reviewers: Vec<Reviewer>,
    pub half_of_reviews: u64,
    pub only_reviewer: Option<String>,
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
        .map(|(id, carried)| Area {
            area: areas.shown(*id),
            landed: carried.landed,
            reviewers: carried.reviewers.iter().map(|share| reviewer(names, *share)).collect(),
            half_of_reviews: carried.half_of_reviews,
            only_reviewer: only(carried, names),
            median_days: carried.median_secs.map(days),
            p90_days: carried.p90_secs.map(days),
        })
        .collect();
    all.sort_by(|a, b| b.landed.cmp(&a.landed).then_with(|| a.area.cmp(&b.area)));
    all
}

pub fn carrying(carriers: &Carriers, names: &Names<'_>) -> Carrying {
    let all = &carriers.all;
    let pair = |pair: &Pair| Reciprocal { people: pair.people.map(|person| names.of(person)), times: pair.times };
    Carrying {
        half_of_reviews: all.half_of_reviews,
        only_reviewer: only(all, names),
        median_days: all.median_secs.map(days),
        p90_days: all.p90_secs.map(days),
        pairs: carriers.pairs.iter().map(pair).collect(),
        dated_approvals: carriers.timed,
        within_a_minute: carriers.quick,
    }
}

fn only(carried: &Carried, names: &Names<'_>) -> Option<String> {
    carried.only_reviewer.map(|person| names.of(person))
}
