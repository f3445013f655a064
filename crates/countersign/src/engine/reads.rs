//! Answers to questions: a change, changes by what they would land, lists with filters and cursors. No request reads all
//! changes, and no list asks for a blob a line.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use countersign_core::{
    admit,
    catalog::did_you_mean,
    change::Change,
    decision::Decision,
    explain::{self, Explained},
    governance::{Governance, Signer},
    ids::{ActorId, ChangeId, GateId, Oid, RepositoryId, SystemId, Target},
    presence::Presence,
    refusal::Refusal,
    rules::decide,
    snapshot::Snapshot,
    state::{GateRecord, State},
    statement::{Holder, RevisionRef, governance_stream, person_stream},
    text::ProposalText,
};
use countersign_ledger::{Digest, Fingerprint, Time};

use super::{Engine, EngineError};
use crate::{
    records::{self, facet},
    store::{Cursor, Facet, List, StoreError},
    view::{self, ShownState},
    wire::{ChangeLine, ChangePage, ChangeView, Revocation, rfc3339},
};

/// Changes of one commit or delta: more than anybody proposes.
const MAX_CHANGES_AT: u64 = 64;

/// Gates of one repository: more than anybody installs.
const MAX_GATES: u64 = 100;

/// How many lines a page has, if nothing is asked for, and at the most.
pub const PAGE: u64 = 50;
pub const MAX_PAGE: u64 = 200;

/// How many changes are looked at for one page of those that wait for somebody, or stand so by the clock.
const MAX_SCANNED: u64 = 500;

/// What a list of changes is narrowed by. All of it must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeFilter {
    /// As it is shown.
    pub state: Option<ShownState>,
    /// Only those about which something can still be said.
    pub open: bool,
    pub system: Option<SystemId>,
    pub target: Option<Target>,
    /// Who proposed, revised, approved, rejected or waived.
    pub person: Option<ActorId>,
    /// Who proposed it, or answers for a machine that did.
    pub proposer: Option<ActorId>,
    /// Whose approval, or whatever else is missing, would help.
    pub waiting_on: Option<ActorId>,
    pub since: Option<Time>,
    pub until: Option<Time>,
}

pub(super) fn about(change: &Change) -> Result<(ChangeId, RevisionRef), Refusal> {
    let revision = change
        .current_ref()
        .ok_or_else(|| Refusal::conflict("change-damaged", format!("change {} has no revision", change.id)))?;
    Ok((change.id.clone(), revision))
}

/// A decision with who could supply what is missing.
pub(super) async fn denial(
    engine: &Engine,
    state: &State,
    change: &Change,
    decision: Decision,
    now: Time,
) -> Result<Explained, EngineError> {
    let presence = engine.presence(state).await?;
    let explanation = explain::explain(&decision, state, change, &presence, now)?;
    Ok(Explained { decision, explanation })
}

impl Engine {
    /// How people stand.
    async fn presence(&self, state: &State) -> Result<Presence, EngineError> {
        Ok(records::presence(&*self.store, &state.governance, self.clock.shown()).await?)
    }

    /// Whose key it is, if it holds.
    pub async fn signer(&self, key: &Fingerprint) -> Result<Signer, EngineError> {
        let (head, governance) = self.governed().await?;
        if governance.record.server_key.fingerprint() == *key {
            return Ok(Signer::Server);
        }
        let mut state = State::part(Arc::clone(&governance));
        state.know(governance_stream()?, head);
        let Some(actor) = governance.catalog.actor_by_key(key) else {
            if let Some((gate, record)) = records::gate_by_key(&*self.store, key).await? {
                return match record.revoked.get(key).filter(|revocation| revocation.takes(self.clock.shown())) {
                    Some(revocation) => Err(admit::revoked(key, revocation).into()),
                    None => Ok(Signer::Gate(gate)),
                };
            }
            return Err(admit::nobodys(&governance, key).into());
        };
        records::load(&*self.store, &mut state, &BTreeSet::from([person_stream(&actor.id)?])).await?;
        let revocation = state.person(&actor.id)?.and_then(|record| record.revoked.get(key));
        match revocation.filter(|revocation| revocation.takes(self.clock.shown())) {
            None => Ok(Signer::Actor { id: actor.id.clone(), kind: actor.kind }),
            Some(revocation) => Err(admit::revoked(key, revocation).into()),
        }
    }

    /// What was said last of a key that was revoked.
    pub async fn revocation(&self, key: &Fingerprint) -> Result<Revocation, EngineError> {
        let governance = self.governance().await?;
        let found = match governance.catalog.actor_by_key(key) {
            Some(actor) => {
                let record = records::person(&*self.store, &actor.id).await?;
                record
                    .and_then(|record| record.revoked.get(key).cloned())
                    .map(|said| (Holder::Person(actor.id.clone()), said))
            }
            None => {
                let gate = records::gate_by_key(&*self.store, key).await?;
                gate.and_then(|(id, gate)| gate.revoked.get(key).cloned().map(|said| (Holder::Gate(id), said)))
            }
        };
        let (of, said) = found.ok_or_else(|| {
            Refusal::unknown("unknown-revocation", format!("nobody has revoked key {key}"))
                .hint(format!("to revoke it: countersign revoke {key} --why …"))
        })?;
        Ok(Revocation {
            of,
            revocation: said.statement,
            at: rfc3339(said.at),
            until: said.until().map(rfc3339),
            revoked_by: said.by,
        })
    }

    /// A gate as it is registered.
    pub async fn gate(&self, id: &GateId) -> Result<Option<GateRecord>, EngineError> {
        Ok(records::gate(&*self.store, id).await?)
    }

    /// The gates of a repository.
    pub async fn gates(&self, repository: &RepositoryId) -> Result<BTreeMap<GateId, GateRecord>, EngineError> {
        let filters = [Facet::new(facet::REPOSITORY, repository.as_str())];
        let list = List { filters: &filters, ..List::of(records::GATE, MAX_GATES) };
        let mut gates = BTreeMap::new();
        for item in self.store.list(&list).await?.items {
            let id: GateId = item.name.parse().map_err(|e| records::unreadable(&item.name, e))?;
            gates.insert(id, records::parse(&item.name, &item.body)?);
        }
        Ok(gates)
    }

    /// A change by its id.
    pub async fn change(&self, id: &ChangeId) -> Result<Option<Change>, EngineError> {
        Ok(records::change(&*self.store, id).await?)
    }

    /// The change whose id begins so.
    pub async fn find(&self, prefix: &str) -> Result<Change, EngineError> {
        let unknown = || {
            Refusal::unknown("unknown-change", format!("there is no change `{prefix}`"))
                .hint("list the changes: countersign list")
        };
        let prefix_of_id = prefix.len() <= ChangeId::LEN && prefix.bytes().all(|b| b.is_ascii_hexdigit());
        if prefix.is_empty() || !prefix_of_id {
            return Err(unknown().into());
        }
        if prefix.len() < ChangeId::MIN_PREFIX {
            return Err(Refusal::malformed(
                "short-change-id",
                format!("`{prefix}` is too short for the id of a change"),
            )
            .hint(format!(
                "give its first {} characters or more, as `countersign list` shows them",
                ChangeId::MIN_PREFIX
            ))
            .into());
        }
        let mut found = self.store.find(records::CHANGE, &prefix.to_ascii_lowercase(), 2).await?;
        match (found.pop(), found.is_empty()) {
            (None, _) => Err(unknown().into()),
            (Some((name, body)), true) => Ok(records::parse(&name, &body)?),
            (Some(_), false) => {
                Err(Refusal::conflict("ambiguous-change", format!("`{prefix}` is the beginning of several changes"))
                    .hint("give more characters of the id")
                    .into())
            }
        }
    }

    /// The changes whose present revision is this commit of this repository.
    pub async fn changes_at(&self, repository: &RepositoryId, head: &Oid) -> Result<Vec<Change>, EngineError> {
        self.changes_with(records::head_facet(repository, head)).await
    }

    /// The changes whose present revision brings exactly this to this branch.
    pub async fn changes_bringing(
        &self,
        repository: &RepositoryId,
        branch: &str,
        delta: &Digest,
    ) -> Result<Vec<Change>, EngineError> {
        self.changes_with(records::delta_facet(repository, branch, delta)).await
    }

    async fn changes_with(&self, facet: Facet) -> Result<Vec<Change>, EngineError> {
        let filters = [facet];
        let list = List { filters: &filters, ..List::of(records::CHANGE, MAX_CHANGES_AT) };
        let page = self.store.list(&list).await?;
        let changes: Result<Vec<Change>, StoreError> =
            page.items.iter().map(|item| records::parse(&item.name, &item.body)).collect();
        Ok(changes?)
    }

    /// One page of a list of changes, the newest first.
    pub async fn list(
        &self,
        filter: &ChangeFilter,
        after: Option<Cursor>,
        limit: u64,
    ) -> Result<ChangePage, EngineError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let first = after.is_none();
        let filters = filter.facets();
        let orders =
            filter.since.map_or(i64::MIN, Time::unix_millis)..=filter.until.map_or(i64::MAX, Time::unix_millis);
        // The same for every change: nobody asks the store for each.
        let presence = match filter.waiting_on {
            Some(_) => self.presence(&State::part(self.governance().await?)).await?,
            None => Presence::default(),
        };
        let (days, now) = (self.governance().await?.catalog.settings.expires_after_days, self.clock.shown());
        let mut after = after;
        let mut changes: Vec<Change> = Vec::new();
        let mut scanned = 0;
        let next = loop {
            let wanted = if filter.looks() { MAX_PAGE } else { limit };
            let list = List {
                kind: records::CHANGE,
                filters: &filters,
                orders: orders.clone(),
                after: after.clone(),
                limit: wanted,
            };
            let page = self.store.list(&list).await?;
            for item in &page.items {
                scanned += 1;
                let change: Change = records::parse(&item.name, &item.body)?;
                let place = Cursor { order: item.order, name: item.name.clone() };
                after = Some(place);
                let is_so = filter.state.is_none_or(|state| state == ShownState::of(&change, days, now));
                if is_so && self.waits_for(&change, filter.waiting_on.as_ref(), &presence).await? {
                    changes.push(change);
                }
                if changes.len() as u64 == limit {
                    break;
                }
            }
            if changes.len() as u64 == limit || (filter.looks() && scanned >= MAX_SCANNED) {
                break after;
            }
            match (page.next, filter.looks()) {
                (Some(next), true) => after = Some(next),
                (next, _) => break next,
            }
        };
        // What the catalog had once may still have changes.
        if first && next.is_none() && changes.is_empty() {
            filter.known_to(&*self.governance().await?)?;
        }
        Ok(ChangePage { changes: self.lines(&changes).await?, next: next.map(|cursor| cursor.to_string()) })
    }

    /// Whether something is missing of an open change that this person could supply.
    async fn waits_for(
        &self,
        change: &Change,
        person: Option<&ActorId>,
        presence: &Presence,
    ) -> Result<bool, EngineError> {
        let Some(person) = person else { return Ok(true) };
        let (state, decision) = self.standing(change).await?;
        Ok(!explain::could_supply(&decision, &state, change, presence, person)?.is_empty())
    }

    /// Lines of a list; the titles of all of them are read at once.
    async fn lines(&self, changes: &[Change]) -> Result<Vec<ChangeLine>, EngineError> {
        let texts: Vec<Digest> = changes.iter().filter_map(Change::current).map(|revision| revision.text).collect();
        let texts = self.store.blobs(&texts).await?;
        let (governance, now) = (self.governance().await?, self.clock.shown());
        let mut lines = Vec::with_capacity(changes.len());
        for change in changes {
            let (_, current) = about(change)?;
            let text = change.current().and_then(|revision| texts.get(&revision.text));
            let text = text.and_then(|bytes| ProposalText::parse(bytes).ok());
            lines.push(view::line(&governance, change, current, text.as_ref(), now));
        }
        Ok(lines)
    }

    /// A line for each of these changes.
    pub async fn lines_of(&self, changes: &[Change]) -> Result<Vec<ChangeLine>, EngineError> {
        self.lines(changes).await
    }

    /// The part of the state that a decision about the change looks at, and the decision as it is now.
    pub(super) async fn standing(&self, change: &Change) -> Result<(State, Decision), EngineError> {
        let (head, governance) = self.governed().await?;
        let mut state = State::part(governance);
        state.know(governance_stream()?, head);
        let inputs = change.inputs(&state.governance, None)?;
        records::load(&*self.store, &mut state, &inputs).await?;
        let now = self.clock.shown();
        let snapshot = Snapshot::take(&state, change, now)?;
        let decision = decide::decide(&state.governance.rules, &snapshot, now);
        Ok((state, decision))
    }

    /// The change with guidance as it stands now, though the log does not have that yet.
    pub(super) async fn observed(&self, change: &Change) -> Result<Change, EngineError> {
        let mut change = change.clone();
        if let Some(observed) = self.observe(&change).await? {
            change.observed = observed;
        }
        Ok(change)
    }

    /// How a change stands now: the decision that a permit request would get, with who could supply what is missing.
    pub async fn decide(&self, change: &Change) -> Result<Explained, EngineError> {
        self.decide_as_observed(&self.observed(change).await?).await
    }

    /// The same by what the log has of guidance.
    pub(super) async fn decide_as_observed(&self, change: &Change) -> Result<Explained, EngineError> {
        let (state, decision) = self.standing(change).await?;
        denial(self, &state, change, decision, self.clock.shown()).await
    }

    /// A change as it is shown.
    pub async fn view(&self, change: &Change) -> Result<ChangeView, EngineError> {
        let change = self.observed(change).await?;
        let (mut state, _) = self.standing(&change).await?;
        let mut texts = view::texts(&change);
        for (id, record) in self.findings_on(&change.id).await? {
            texts.extend(record.answered.as_ref().map(|answered| answered.text));
            state.put_finding(id, record);
        }
        let texts = self.store.blobs(&texts).await?;
        let presence = self.presence(&state).await?;
        Ok(view::view(&state, &change, &texts, &presence, self.clock.shown())?)
    }

    /// The blobs that are there, of those asked for.
    pub async fn blobs(&self, digests: &[Digest]) -> Result<BTreeMap<Digest, Vec<u8>>, EngineError> {
        Ok(self.store.blobs(digests).await?)
    }
}

impl ChangeFilter {
    /// Refuses names that nobody and nothing has: a list that is empty for a slip would look like good news.
    fn known_to(&self, governance: &Governance) -> Result<(), Refusal> {
        let catalog = &governance.catalog;
        let unknown = |code, what: &str, name: &str, meant: Option<&str>| {
            let refusal = Refusal::unknown(code, format!("the catalog has no {what} `{name}`"));
            match meant {
                Some(meant) => Err(refusal.hint(format!("did you mean `{meant}`?"))),
                None => Err(refusal),
            }
        };
        if let Some(system) = self.system.as_ref().filter(|system| !catalog.systems.contains_key(*system)) {
            let meant = did_you_mean(system.as_str(), catalog.systems.keys().map(SystemId::as_str));
            return unknown("unknown-system", "system", system.as_str(), meant);
        }
        if let Some(target) = self.target.as_ref().filter(|target| !target.is_governance()) {
            catalog.target(target).map_err(|error| Refusal::unknown("unknown-target", error.to_string()))?;
        }
        let mut people = [&self.person, &self.proposer, &self.waiting_on].into_iter().flatten();
        if let Some(person) = people.find(|person| !catalog.actors.contains_key(person)) {
            let meant = did_you_mean(person.as_str(), catalog.actors.keys().map(ActorId::as_str));
            return unknown("unknown-person", "person", person.as_str(), meant);
        }
        Ok(())
    }

    /// Whether each change has to be looked at: no facet tells who could help, and what the clock makes of it.
    fn looks(&self) -> bool {
        self.waiting_on.is_some() || self.state.is_some()
    }

    fn facets(&self) -> Vec<Facet> {
        let mut facets = Vec::new();
        let mut add = |name: &str, value: Option<String>| facets.extend(value.map(|value| Facet::new(name, value)));
        let status = match self.state {
            Some(ShownState::Is(status)) => Some(status.as_str().to_owned()),
            Some(ShownState::Expired) | None => None,
        };
        add(facet::STATE, status);
        add(facet::SYSTEM, self.system.as_ref().map(ToString::to_string));
        add(facet::TARGET, self.target.as_ref().map(ToString::to_string));
        add(facet::PERSON, self.person.as_ref().map(ToString::to_string));
        add(facet::PROPOSER, self.proposer.as_ref().map(ToString::to_string));
        // What is over waits for nobody, and does not expire.
        let open = self.open || self.waiting_on.is_some() || self.state == Some(ShownState::Expired);
        add(facet::OPEN, open.then(|| "open".to_owned()));
        facets
    }
}
