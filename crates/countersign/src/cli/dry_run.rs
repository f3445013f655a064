//! `propose --dry-run`: how a proposal would stand, worked out here; nothing is sent and nothing signed.

use std::collections::BTreeMap;

use countersign_core::{
    catalog::{Catalog, UnknownTarget},
    ids::Target,
    preview::Preview,
    refusal::Refusal,
    statement::Proposal,
};
use countersign_ledger::Digest;

use super::{content::Computed, me::Me, submit::Session};
use crate::{clock, view, wire::ChangeView};

/// The change as it would be shown right after it was proposed.
pub fn would_be(
    session: &Session,
    me: &Me,
    proposal: &Proposal,
    computed: &Computed,
    blobs: &[Vec<u8>],
) -> Result<ChangeView, Refusal> {
    known(&me.state.governance.catalog, &proposal.targets)?;
    let now = clock::now();
    let (subject, facts) = (computed.subject.clone(), computed.extracted.clone());
    let change = Preview { proposal: proposal.clone(), subject, facts }.change(
        &session.speaker.me,
        &me.state.governance,
        now,
    )?;
    let texts: BTreeMap<Digest, Vec<u8>> = blobs.iter().map(|bytes| (Digest::of(bytes), bytes.clone())).collect();
    view::view(&me.state, &change, &texts, &me.state.presence(now), now)
}

/// What the catalog does not have nobody can change.
pub fn known<'a>(catalog: &Catalog, targets: impl IntoIterator<Item = &'a Target>) -> Result<(), Refusal> {
    let unknown = |unknown: UnknownTarget| Refusal::unknown("unknown-target", unknown.to_string());
    targets.into_iter().try_for_each(|target| catalog.target(target).map(drop).map_err(unknown))
}
