//! Commits that nobody made: facts of a range, and the people whom it names.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::{Deref, DerefMut},
};

use countersign_core::{
    facts::{
        AiSignal, Entry, GitFacts, Identities, IdentityFact, Led, Role, SignatureFact, Size, TouchedPath, delta,
        extract, git::Ident, identity, size::Lines,
    },
    ids::Nonce,
    subject::{GitSubject, GitTransition, Subject, Transition},
};
use countersign_ledger::Fingerprint;

use super::oid;

/// Who a commit names: `author` and `committer` are one, or a co-author.
pub fn author(mail: &str) -> Identity {
    identity(mail, &[Role::Author, Role::Committer])
}

pub fn co_author(mail: &str) -> Identity {
    identity(mail, &[Role::CoAuthor])
}

fn identity(mail: &str, roles: &[Role]) -> Identity {
    let name = mail.split('@').next().unwrap().to_owned();
    let who = Ident { name, mail: mail.to_owned() };
    Identity { who, roles: roles.iter().copied().collect(), agent: false, keys: BTreeSet::new() }
}

/// Somebody in commits, with their name.
#[derive(Clone, Debug)]
pub struct Identity {
    pub who: Ident,
    pub roles: BTreeSet<Role>,
    pub agent: bool,
    pub keys: BTreeSet<Fingerprint>,
}

impl Identity {
    pub fn reference(&self) -> String {
        identity::reference(&salt(), &self.who)
    }
}

fn salt() -> Nonce {
    "5a".repeat(16).parse().unwrap()
}

/// Facts, with the names beside them.
#[derive(Clone, Debug)]
pub struct Extracted {
    pub facts: GitFacts,
    pub identities: Identities,
}

impl Deref for Extracted {
    type Target = GitFacts;

    fn deref(&self) -> &GitFacts {
        &self.facts
    }
}

impl DerefMut for Extracted {
    fn deref_mut(&mut self) -> &mut GitFacts {
        &mut self.facts
    }
}

/// Facts of a range with head `n` in repository `shop`, for `main`.
pub fn facts(n: u64, identities: &[Identity]) -> Extracted {
    let people = identities.iter().map(|identity| (identity.reference(), identity.who.clone())).collect();
    let identities: BTreeMap<String, IdentityFact> = identities
        .iter()
        .map(|identity| {
            let Identity { roles, agent, keys, .. } = identity.clone();
            (identity.reference(), IdentityFact { reference: identity.reference(), roles, agent, keys })
        })
        .collect();
    let signatures = identities
        .values()
        .filter(|identity| identity.roles.contains(&Role::Committer))
        .map(|identity| SignatureFact { committer: identity.reference.clone(), key: identity.keys.first().cloned() })
        .collect();
    let entry = |n| Some(Entry { mode: 0o100_644, id: oid(n) });
    let paths = vec![TouchedPath { path: "src/app.rs".to_owned(), old: entry(2_001), new: entry(2_000 + n) }];
    let facts = GitFacts {
        version: extract::VERSION,
        repository: "shop".parse().unwrap(),
        branch: "refs/heads/main".to_owned(),
        base: oid(1),
        head: oid(n),
        tree: oid(1_000 + n),
        delta: delta::digest(&paths),
        paths,
        identities: identities.into_values().collect(),
        ai: Vec::new(),
        guidance: BTreeSet::new(),
        commits: 1,
        merges: 0,
        lines: vec![Some(Lines { added: 1, deleted: 1 })],
        signatures,
        size: Size { files: 1, lines: Some(Lines { added: 1, deleted: 1 }) },
        steps: None,
        led: Led::default(),
    };
    Extracted { facts, identities: Identities { salt: salt(), people } }
}

pub fn inferred(n: u64) -> AiSignal {
    AiSignal {
        signal: "assistant-mentioned".to_owned(),
        tool: Some("robo".to_owned()),
        commit: oid(n),
        declared: false,
    }
}

pub fn git(facts: &GitFacts) -> Subject {
    Subject::Git(GitSubject {
        repository: facts.repository.clone(),
        branch: facts.branch.clone(),
        base: facts.base.clone(),
        head: facts.head.clone(),
        delta: facts.delta,
    })
}

/// The landing of those facts by fast-forward.
pub fn landing(facts: &GitFacts) -> Transition {
    Transition::Git(GitTransition {
        repository: facts.repository.clone(),
        reference: facts.branch.clone(),
        old: facts.base.clone(),
        new: facts.head.clone(),
    })
}
