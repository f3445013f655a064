//! Sample snapshots for [`mod@super::check`]: every mixture of what rules most often ask about.

use std::collections::BTreeSet;

use countersign_ledger::{Digest, Time};

use super::Mentions;
use crate::{
    catalog::Tier,
    ids::{ChangeId, GroupId, Target},
    kind::{Kind, Purpose},
    snapshot::{AiStatus, Builder, Snapshot, TargetView},
};

/// When samples and cases are decided: 2026-04-01T00:00:00Z. Nothing about the date matters but that it stands still.
pub const SAMPLE_NOW: Time = Time::from_unix_secs(1_775_001_600);

/// How many of the names that a rule mentions are tried, of each sort.
const MAX_NAMES: usize = 8;

/// The change that samples and cases are about.
pub(crate) fn change() -> ChangeId {
    ChangeId::of_proposal(&Digest::of("sample"))
}

/// Snapshots that differ in target, kind, AI status, guidance and size of the home. None of them has an approval, and
/// all that people say in them is empty.
pub(super) fn samples(mentions: &Mentions) -> impl Iterator<Item = Snapshot> {
    let rests = rests(mentions);
    let targets = targets(mentions).into_iter();
    let kinds = targets.flat_map(|target| Kind::ALL.map(|kind| (target.clone(), kind)));
    let statuses = [AiStatus::Declared, AiStatus::Inferred, AiStatus::Unknown, AiStatus::None];
    let with_status = kinds.flat_map(move |(target, kind)| statuses.map(|status| (target.clone(), kind, status)));
    with_status.flat_map(move |(target, kind, status)| {
        let sample = |rest: &Rest| sample(target.clone(), kind, status, rest.clone());
        rests.iter().filter_map(sample).collect::<Vec<_>>()
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

/// What a sample is besides its target, kind and AI status.
#[derive(Clone)]
struct Rest {
    people: usize,
    cites: bool,
    purpose: Purpose,
}

/// Large with guidance, large without, and a home of two; where the rule asks what a change is for, also one of each
/// purpose, and one of all.
fn rests(mentions: &Mentions) -> Vec<Rest> {
    let plain = |people, cites| Rest { people, cites, purpose: Purpose::default() };
    let mut rests = vec![plain(4, true), plain(4, false), plain(2, true)];
    if mentions.purpose {
        let (restores, incident) = (Some(change()), Some("INC-1".to_owned()));
        let purposes = [
            Purpose { restores: restores.clone(), ..Purpose::default() },
            Purpose { incident: incident.clone(), ..Purpose::default() },
            Purpose { security: true, ..Purpose::default() },
            Purpose { restores, incident, security: true },
        ];
        rests.extend(purposes.map(|purpose| Rest { purpose, ..plain(4, true) }));
    }
    rests
}

fn sample(target: TargetView, kind: Kind, status: AiStatus, rest: Rest) -> Option<Snapshot> {
    let sample = Builder::new(change(), kind)
        .target(target)
        .made_by(["ada".parse().ok()?])
        .ai(status, false)
        .purpose(rest.purpose)
        .population(rest.people);
    Some(if rest.cites { sample.guidance("docs/sample.md".to_owned(), None) } else { sample }.build())
}
