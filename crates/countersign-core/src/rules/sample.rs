//! Sample snapshots for [`mod@super::check`]: every mixture of what rules most often ask about.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::Time;

use super::{Mentions, attributes::KINDS};
use crate::{
    catalog::{Level, Tier},
    ids::{ChangeId, GroupId, Target},
    snapshot::{Ai, AiStatus, Documents, GuidanceView, Kind, Material, PersonView, Snapshot, TargetView},
};

/// When samples and cases are decided: 2026-04-01T00:00:00Z. Nothing about the date matters but that it stands still.
pub const SAMPLE_NOW: Time = Time::from_unix_secs(1_775_001_600);

/// How many of the names that a rule mentions are tried, of each sort.
const MAX_NAMES: usize = 8;

/// The change that samples and cases are about.
pub(super) fn change() -> Option<ChangeId> {
    "9f2c4e6a81d0".parse().ok()
}

/// Snapshots that differ in target, kind, AI status, guidance and size of the home. None of them has an approval, and
/// all that people say in them is empty.
pub(super) fn samples(mentions: &Mentions) -> impl Iterator<Item = Snapshot> {
    let targets = targets(mentions);
    targets.into_iter().flat_map(|target| {
        KINDS.into_iter().flat_map(move |kind| {
            let target = target.clone();
            [AiStatus::Declared, AiStatus::Inferred, AiStatus::Unknown, AiStatus::None].into_iter().flat_map(
                move |status| {
                    let target = target.clone();
                    // Large with guidance, large without, and a home of two.
                    [(4, 1), (4, 0), (2, 1)]
                        .into_iter()
                        .filter_map(move |(people, guidance)| sample(target.clone(), kind, status, people, guidance))
                },
            )
        })
    })
}

/// Every target that a rule could mean: the names that it mentions besides common ones, in every tier, as production and
/// not.
fn targets(mentions: &Mentions) -> Vec<TargetView> {
    let or = |names: &BTreeSet<String>, common: &[&str]| -> Vec<String> {
        let common = common.iter().map(|name| (*name).to_owned());
        names.iter().take(MAX_NAMES).cloned().chain(common).collect()
    };
    let mut targets = Vec::new();
    for system in or(&mentions.systems, &["checkout"]) {
        for environment in or(&mentions.environments, &["production"]) {
            for group in or(&mentions.groups, &["payments"]) {
                for (tier, production) in (1..=4_u8).flat_map(|tier| [(tier, true), (tier, false)]) {
                    // What is no valid name here can be no target either.
                    let (Ok(target), Ok(owner), Ok(tier)) = (
                        format!("{system}/{environment}").parse::<Target>(),
                        group.parse::<GroupId>(),
                        Tier::try_from(tier),
                    ) else {
                        continue;
                    };
                    targets.push(TargetView { target, production, tier, owner });
                }
            }
        }
    }
    targets
}

fn sample(target: TargetView, kind: Kind, status: AiStatus, people: usize, guidance: usize) -> Option<Snapshot> {
    let names = ["ada", "grace", "linus", "barbara"];
    let person = PersonView { level: Level::Standard, owns: BTreeSet::new() };
    let people: BTreeMap<_, _> =
        names.iter().take(people).filter_map(|name| Some((name.parse().ok()?, person.clone()))).collect();
    let guidance = (0..guidance)
        .map(|_| GuidanceView { path: "docs/sample.md".to_owned(), review_due: None, owners: BTreeSet::new() })
        .collect();
    Some(Snapshot {
        change: change()?,
        revision: 1,
        kind,
        material: Material::Commits,
        targets: vec![target],
        unknown_targets: BTreeSet::new(),
        contributors: BTreeSet::from(["ada".parse().ok()?]),
        unmapped: BTreeSet::new(),
        unconfirmed: BTreeSet::new(),
        claimed: BTreeSet::new(),
        approvals: Vec::new(),
        rejected_by: BTreeSet::new(),
        ai: Ai { status, tools: BTreeSet::new(), signals: BTreeSet::new(), disclosed: false },
        guidance,
        documents: Documents::default(),
        waivers: Vec::new(),
        population: u32::try_from(people.len()).unwrap_or(u32::MAX),
        people,
    })
}
