//! `propose --dry-run`: how a proposal would stand, worked out here; nothing is sent and nothing signed.

use std::collections::BTreeMap;

use countersign_core::{
    catalog::UnknownTarget,
    change::{Admitted, Change, Found, SignedWith},
    ids::ActorId,
    refusal::Refusal,
    statement::{Body, Header, Proposal, SeenCheckpoint, Statement},
};
use countersign_ledger::{Digest, sshsig::Assurance};

use super::{content::Computed, me::Me, submit::Session};
use crate::{clock, random, view, wire::ChangeView};

/// The change as it would be shown right after it was proposed.
pub fn would_be(
    session: &Session,
    me: &Me,
    proposal: &Proposal,
    computed: &Computed,
    blobs: &[Vec<u8>],
) -> Result<ChangeView, Refusal> {
    let catalog = &me.state.governance.catalog;
    for target in &proposal.targets {
        let unknown = |unknown: UnknownTarget| Refusal::unknown("unknown-target", unknown.to_string());
        catalog.target(target).map_err(unknown)?;
    }
    let checkpoint = session.log.checkpoint();
    let by: ActorId = session.speaker.me.clone();
    let header = Header {
        by,
        checkpoint: SeenCheckpoint { root: checkpoint.root, size: checkpoint.size },
        epoch: None,
        log: checkpoint.origin.clone(),
        nonce: random::nonce(),
    };
    let statement = Statement { header, body: Body::Proposal(proposal.clone()) };
    let (facts, identities) = computed.extracted.clone().unzip();
    let found = Found { subject: Some(computed.subject.clone()), facts, identities, transition: None };
    let now = clock::now();
    let admitted = Admitted {
        statement: &statement,
        payload: Digest::of(statement.encode()?),
        signed_with: &SignedWith { key: me.fingerprint(), assurance: Assurance::SoftwareKey },
        senior: false,
        at: now,
        found: &found,
    };
    let change = Change::begin(&admitted, proposal, &computed.subject);
    let texts: BTreeMap<Digest, Vec<u8>> = blobs.iter().map(|bytes| (Digest::of(bytes), bytes.clone())).collect();
    view::view(&me.state, &change, &texts, &me.state.disabled(now), now)
}
