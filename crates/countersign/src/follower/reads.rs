//! What a gate asks of its copy: changes, and the state that a decision depends on. Nothing
//! here is told by anybody: all of it was folded from leaves that were checked.

use std::{collections::BTreeMap, sync::Arc};

use countersign_core::{
    change::{Change, ChangeStatus},
    governance::Governance,
    ids::{ChangeId, GateId, Oid, RepositoryId},
    presence::Presence,
    refusal::Refusal,
    state::{GateRecord, State},
    statement::governance_stream,
};
use countersign_ledger::{Digest, Time};

use super::{FollowError, Follower};
use crate::{
    records,
    store::{Cursor, Facet, List, MAX_ITEMS},
};

/// Changes with the same delta, open and closed: more than anybody proposes in good faith. Beyond that only open ones are read.
const FEW_CHANGES: u64 = 64;
/// Open changes with the same delta: more are no push's to judge.
const MAX_CHANGES: usize = 2_048;

impl Follower {
    /// How many leaves the copy has.
    pub async fn size(&self) -> Result<u64, FollowError> {
        Ok(self.store().head().await.map_err(|e| self.failed(e))?.size)
    }

    /// Governance as the copy has it.
    pub async fn governance(&self) -> Result<Arc<Governance>, FollowError> {
        let governed = self.governance.get(&*self.store()).await.map_err(|e| self.recorded(e))?;
        Ok(governed.ok_or_else(not_followed)?.1)
    }

    /// A gate as the copy has it.
    pub async fn gate(&self, id: &GateId) -> Result<Option<GateRecord>, FollowError> {
        records::gate(&*self.store(), id).await.map_err(|e| self.failed(e))
    }

    pub async fn change(&self, id: &ChangeId) -> Result<Option<Change>, FollowError> {
        records::change(&*self.store(), id).await.map_err(|e| self.failed(e))
    }

    /// The open changes whose present revision brings exactly this to this branch, the oldest first.
    pub async fn changes_bringing(
        &self,
        repository: &RepositoryId,
        branch: &str,
        delta: &Digest,
    ) -> Result<Vec<Change>, FollowError> {
        self.changes_with(records::delta_facet(repository, branch, delta)).await
    }

    /// The open changes whose present revision has this head, the oldest first.
    pub async fn changes_at(&self, repository: &RepositoryId, head: &Oid) -> Result<Vec<Change>, FollowError> {
        self.changes_with(records::head_facet(repository, head)).await
    }

    async fn changes_with(&self, facet: Facet) -> Result<Vec<Change>, FollowError> {
        let mut found = BTreeMap::new();
        let few = self.some_changes(std::slice::from_ref(&facet), None, FEW_CHANGES, &mut found).await?;
        if few.is_some() {
            // Somebody could have proposed the same many times, and withdrawn it, to hide the one that counts.
            for status in ChangeStatus::ALL.into_iter().filter(|status| status.is_open()) {
                let filters = [facet.clone(), Facet::new(records::facet::STATE, status.as_str())];
                let mut after = None;
                loop {
                    after = self.some_changes(&filters, after, MAX_ITEMS, &mut found).await?;
                    if found.len() > MAX_CHANGES {
                        return Err(too_many_changes().into());
                    }
                    if after.is_none() {
                        break;
                    }
                }
            }
        }
        let mut changes: Vec<Change> = found.into_values().collect();
        changes.sort_by_key(|change| change.proposed_at);
        Ok(changes)
    }

    /// Adds a page of changes, of which only the open ones, and says where the next one begins.
    async fn some_changes(
        &self,
        filters: &[Facet],
        after: Option<Cursor>,
        limit: u64,
        found: &mut BTreeMap<ChangeId, Change>,
    ) -> Result<Option<Cursor>, FollowError> {
        let list = List { filters, after, ..List::of(records::CHANGE, limit) };
        let page = self.store().list(&list).await.map_err(|e| self.failed(e))?;
        for item in page.items {
            let change: Change = records::parse(&item.name, &item.body).map_err(|e| self.failed(e))?;
            if change.status.is_open() {
                found.insert(change.id.clone(), change);
            }
        }
        Ok(page.next)
    }

    /// The part of the state that a decision about a change depends on, asked by this gate.
    pub async fn state_of(&self, change: &Change, gate: Option<&GateId>) -> Result<State, FollowError> {
        let governed = self.governance.get(&*self.store()).await.map_err(|e| self.recorded(e))?;
        let (head, governance) = governed.ok_or_else(not_followed)?;
        // Who has only just read that the log will say more than this program knows decides nothing any more.
        governance.record.semantics.readable()?;
        let mut state = State::part(governance).seen_by(self.sights()?);
        state.know(governance_stream()?, head);
        let inputs = change.inputs(&state.governance, gate)?;
        records::load(&*self.store(), &mut state, &inputs).await.map_err(|e| self.recorded(e))?;
        Ok(state)
    }

    /// How people stand; stops that a gate was handed, and that are in this state only, count.
    pub async fn presence(&self, state: &State, now: Time) -> Result<Presence, FollowError> {
        let presence = records::presence(&*self.store(), &state.governance, now).await;
        let mut presence = presence.map_err(|e| self.failed(e))?;
        presence.extend(state.presence(now));
        Ok(presence)
    }

    /// Blobs that the copy has.
    pub async fn blobs(&self, digests: &[Digest]) -> Result<BTreeMap<Digest, Vec<u8>>, FollowError> {
        self.store().blobs(digests).await.map_err(|e| self.failed(e))
    }
}

fn too_many_changes() -> Refusal {
    Refusal::conflict("too-many-changes", format!("more than {MAX_CHANGES} open changes are about this"))
        .hint("withdraw those that are not needed: countersign withdraw CHANGE")
}

fn not_followed() -> Refusal {
    Refusal::unknown("not-followed", "there is no copy of the log yet").hint("countersign follow --once …")
}
