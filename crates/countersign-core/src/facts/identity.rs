//! Whom commits name, in two halves that part ways when names are erased.
//!
//! ```text
//!  facts        reference, roles, agent, keys      kept for ever; rules judge by them
//!  identities   salt, reference -> name and mail   beside the ledger; can be erased
//! ```
//!
//! A reference is a digest over the salt, so that without it nobody can try names and mails against what is left.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{Digest, Fingerprint};
use serde::{Deserialize, Serialize};

use super::{GitFacts, Role, blob, git::Ident};
use crate::{ids::Nonce, refusal::Refusal};

/// Hexadecimal digits of a reference.
const REFERENCE_LEN: usize = 32;

/// Somebody whom commits name, without saying who.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityFact {
    pub reference: String,
    pub roles: BTreeSet<Role>,
    /// An AI tool's identity, by the table of signals: an agent, never the second pair of eyes and never unmapped.
    pub agent: bool,
    /// Keys that signed commits with this identity as the committer.
    pub keys: BTreeSet<Fingerprint>,
}

/// Who is behind the references of a range. Mails are in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identities {
    pub salt: Nonce,
    pub people: BTreeMap<String, Ident>,
}

/// The reference of a name and mail. Neither has a NUL: extraction replaces it.
pub fn reference(salt: &Nonce, who: &Ident) -> String {
    Digest::of(format!("{salt}\0{}\0{}", who.name, who.mail)).hex().chars().take(REFERENCE_LEN).collect()
}

impl Identities {
    pub fn to_blob(&self) -> Result<Vec<u8>, Refusal> {
        blob::write(self, "identities")
    }

    /// Reads the blob strictly: what it calls somebody is what the salt gives.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let identities: Self = blob::read(bytes, "identities")?;
        match identities.people.iter().find(|(name, who)| reference(&identities.salt, who) != **name) {
            Some((name, _)) => Err(Refusal::malformed(
                "malformed-identities",
                format!("`{name}` is not the reference of the name and mail beside it"),
            )),
            None => Ok(identities),
        }
    }

    /// Whether these are the people of those facts: all of them, and nobody else.
    pub fn are_of(&self, facts: &GitFacts) -> bool {
        let named: BTreeSet<&str> = facts.identities.iter().map(|identity| identity.reference.as_str()).collect();
        named.len() == self.people.len() && self.people.keys().all(|reference| named.contains(reference.as_str()))
    }
}
