//! Governance: who may act and by which rules, as the governance stream says. It changes only by statements in that
//! stream; the catalog's and rules' files on a disk mean nothing until a statement names their digest.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use countersign_ledger::{Digest, Fingerprint, PublicKey, StreamHead};
use serde::{Deserialize, Serialize};

use crate::{
    catalog::{Actor, ActorKind, Catalog, CatalogSettings},
    ids::{ActorId, GateId, RepositoryId, Target},
    refusal::Refusal,
    rules::Rules,
    statement::{Body, Founder, Genesis, Statement},
    text::FileSet,
};

/// The name under which the server speaks. No person can have it.
pub const SERVER: &str = "countersign";

/// How many people have to sign what grants authority.
pub const GRANTING_SIGNATURES: usize = 2;

/// What the governance stream has said so far, without the parsed catalog and rules: a projection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GovernanceRecord {
    /// The log's origin: the name in its checkpoints and statements.
    pub origin: String,
    pub genesis: Digest,
    pub founders: Vec<Founder>,
    pub threshold: u32,
    pub recovery_quorum: u32,
    pub server_key: PublicKey,
    pub log_key: String,
    pub catalog: Digest,
    pub rules: Digest,
    /// Payload digest of the genesis or amendment in force: what the next amendment names as its parent.
    pub in_force: Digest,
    pub revoked: BTreeSet<Fingerprint>,
    pub gates: BTreeMap<GateId, GateRecord>,
    pub head: StreamHead,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateRecord {
    pub key: PublicKey,
    pub repository: RepositoryId,
    pub targets: BTreeSet<Target>,
    pub registered_by: ActorId,
}

/// The record with its catalog and rules parsed.
#[derive(Clone, Debug)]
pub struct Governance {
    pub record: GovernanceRecord,
    pub catalog: Arc<Catalog>,
    pub rules: Arc<Rules>,
}

/// Who made a signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signer {
    Actor { id: ActorId, kind: ActorKind },
    Gate(GateId),
    Server,
}

impl Governance {
    /// Reads the parsed parts of a record from its blobs.
    pub fn load(record: GovernanceRecord, blob: impl Fn(&Digest) -> Option<Vec<u8>>) -> Result<Self, Refusal> {
        let fetch = |digest: &Digest, what: &str| {
            let bytes = blob(digest).ok_or_else(|| {
                Refusal::unknown("blob-missing", format!("blob {digest}, which holds the {what}, is missing"))
            })?;
            if Digest::of(&bytes) == *digest {
                Ok(bytes)
            } else {
                Err(Refusal::malformed(
                    "blob-changed",
                    format!("the blob with the {what} does not hash to {digest}, which its statement names"),
                ))
            }
        };
        let catalog = parse_catalog(&fetch(&record.catalog, "catalog")?)?;
        let rules = parse_rules(&fetch(&record.rules, "rules")?)?;
        Ok(Self { record, catalog: Arc::new(catalog), rules: Arc::new(rules) })
    }

    /// What a genesis begins. Its signatures are the caller's to check: see [`crate::admit::authenticate_genesis`].
    pub fn begin(
        statement: &Statement,
        genesis: &Genesis,
        payload: Digest,
        blob: impl Fn(&Digest) -> Option<Vec<u8>>,
    ) -> Result<Self, Refusal> {
        let record = GovernanceRecord {
            origin: statement.header.log.clone(),
            genesis: payload,
            founders: genesis.founders.clone(),
            threshold: genesis.threshold,
            recovery_quorum: genesis.recovery_quorum,
            server_key: genesis.server_key.clone(),
            log_key: genesis.log_key.clone(),
            catalog: genesis.catalog,
            rules: genesis.rules,
            in_force: payload,
            revoked: BTreeSet::new(),
            gates: BTreeMap::new(),
            head: StreamHead::EMPTY,
        };
        Self::load(record, blob)
    }

    /// Whose key it is, if the key holds now.
    pub fn signer(&self, key: &Fingerprint) -> Option<Signer> {
        if self.record.revoked.contains(key) {
            return None;
        }
        if self.record.server_key.fingerprint() == *key {
            return Some(Signer::Server);
        }
        if let Some((id, _)) = self.record.gates.iter().find(|(_, gate)| gate.key.fingerprint() == *key) {
            return Some(Signer::Gate(id.clone()));
        }
        let actor = self.catalog.actor_by_key(key)?;
        Some(Signer::Actor { id: actor.id.clone(), kind: actor.kind })
    }

    /// People who have a key that holds now: whoever could act.
    pub fn able_people(&self) -> impl Iterator<Item = &Actor> {
        let disabled = self.disabled_people();
        let able = self.catalog.people().iter().filter(move |id| !disabled.contains(*id));
        able.filter_map(|id| self.catalog.actors.get(id))
    }

    /// People whom the catalog gives keys to, and of whose keys none holds. As many look-ups as there are revoked keys.
    pub fn disabled_people(&self) -> BTreeSet<ActorId> {
        let holders = self.record.revoked.iter().filter_map(|key| self.catalog.actor_by_key(key));
        let all_revoked =
            |actor: &&Actor| self.catalog.keys_of(&actor.id).iter().all(|key| self.record.revoked.contains(key));
        let people = holders.filter(|actor| actor.kind == ActorKind::Person);
        people.filter(all_revoked).map(|actor| actor.id.clone()).collect()
    }

    /// How many people the catalog gives a key to.
    pub fn population(&self) -> u32 {
        u32::try_from(self.catalog.people().len()).unwrap_or(u32::MAX)
    }

    /// Somebody who signed with this key, if they are a person and the key still holds and is theirs.
    pub fn holder(&self, person: &ActorId, key: &Fingerprint) -> Option<&Actor> {
        match self.signer(key) {
            Some(Signer::Actor { id, kind: ActorKind::Person }) if id == *person => self.person(person),
            Some(Signer::Actor { .. } | Signer::Gate(_) | Signer::Server) | None => None,
        }
    }

    /// The people behind an owner that a document names: a person, or a group of the catalog, also as
    /// `group:default/name`.
    pub fn people_called(&self, owner: &str) -> BTreeSet<&ActorId> {
        let name = owner.rsplit(['/', ':']).next().unwrap_or(owner);
        let person = name.parse().ok().and_then(|id| self.person(&id)).map(|actor| &actor.id);
        let group = name.parse().ok().map(|group| self.catalog.members(&group));
        group.into_iter().flatten().chain(person).collect()
    }

    pub fn person(&self, id: &ActorId) -> Option<&Actor> {
        self.catalog.actors.get(id).filter(|actor| actor.kind == ActorKind::Person)
    }

    /// Takes a governance statement that was admitted. A change's statement changes nothing here.
    pub(crate) fn apply(
        &mut self,
        statement: &Statement,
        payload: Digest,
        blob: impl Fn(&Digest) -> Option<Vec<u8>>,
    ) -> Result<(), Refusal> {
        match &statement.body {
            Body::Amendment(amendment) => {
                let mut record = self.record.clone();
                record.catalog = amendment.catalog;
                record.rules = amendment.rules;
                record.in_force = payload;
                *self = Self::load(record, blob)?;
            }
            Body::KeyRevocation(revocation) => {
                self.record.revoked.insert(revocation.key.clone());
            }
            Body::GateRegistration(gate) => {
                self.record.gates.insert(
                    gate.gate.clone(),
                    GateRecord {
                        key: gate.key.clone(),
                        repository: gate.repository.clone(),
                        targets: gate.targets.clone(),
                        registered_by: statement.header.by.clone(),
                    },
                );
            }
            Body::Genesis(_)
            | Body::Proposal(_)
            | Body::NewRevision(_)
            | Body::Approval(_)
            | Body::Rejection(_)
            | Body::RejectionLift(_)
            | Body::Withdrawal(_)
            | Body::Disclosure(_)
            | Body::Waiver(_)
            | Body::Identification(_)
            | Body::GuidanceObservation(_)
            | Body::PermitRequest(_)
            | Body::Decided(_)
            | Body::PermitGrant(_)
            | Body::OutcomeReport(_) => {}
        }
        Ok(())
    }
}

pub fn parse_catalog(blob: &[u8]) -> Result<Catalog, Refusal> {
    let set: FileSet<CatalogSettings> = FileSet::parse(blob)?;
    let catalog = Catalog::parse(&set.files, &set.settings)
        .map_err(|e| Refusal::malformed("catalog-invalid", format!("the catalog does not hold: {e}")))?;
    let server = catalog.actors.keys().find(|id| id.as_str() == SERVER);
    match server {
        Some(_) => Err(Refusal::malformed(
            "catalog-invalid",
            format!("the catalog has a User called `{SERVER}`, the name that the server itself speaks under"),
        )
        .hint("give the User another metadata.name")),
        None => Ok(catalog),
    }
}

pub fn parse_rules(blob: &[u8]) -> Result<Rules, Refusal> {
    let set: FileSet<()> = FileSet::parse(blob)?;
    Rules::parse(&set.files).map_err(|e| Refusal::malformed("rules-invalid", format!("the rules do not hold: {e}")))
}
