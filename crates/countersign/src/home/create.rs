//! Making a home. Everything is checked and built in a folder beside the place where it will be, and renamed into it as
//! the last step, so that a mistake or a power cut leaves no half of a home.

use std::{collections::BTreeMap, fs, io, path::Path};

use countersign_core::{
    catalog::{ActorKind, Catalog},
    governance::{Governance, manifest_of},
    ids::ActorId,
    semantics::NEWEST_SEMANTICS,
    statement::{Body, Founder, Genesis, Header, SeenCheckpoint, Statement},
    trust::{Freshness, Outage, TRUST_VERSION, Trust},
};
use countersign_ledger::{
    Digest, Envelope, Hash, LogKey, SigningKey,
    dsse::{MAX_SIGNATURES, Signature},
};
use rand_core::OsRng;

use super::{
    CATALOG, CONFIG_FILE, Config, GENESIS, GENESIS_FILES, GovernanceFiles, Home, HomeError, KEYS, LOG_KEY, RULES,
    SERVER_KEY, TRUST, files,
    folder::{BASE, Base},
    governance_files, parse_catalog, shipped,
};
use crate::random;

/// No more founders than one envelope has room for signatures.
pub const MAX_FOUNDERS: usize = MAX_SIGNATURES;

/// What a new home is made from.
#[derive(Clone, Debug)]
pub struct Blueprint {
    pub config: Config,
    pub founders: Vec<Founder>,
    /// How many founders have to sign the genesis.
    pub threshold: u32,
    /// How many founders together can begin again when keys are lost.
    pub recovery_quorum: u32,
    /// By their names in `catalog/`.
    pub catalog: BTreeMap<String, String>,
    /// By their names in `rules/`: rules, and the cases beside them.
    pub rules: BTreeMap<String, String>,
}

/// A genesis before it is signed.
#[derive(Debug)]
pub struct Draft {
    pub payload: Vec<u8>,
    pub founders: Vec<Founder>,
}

pub(super) fn create<E: From<HomeError>>(
    path: &Path,
    blueprint: Blueprint,
    sign: impl FnOnce(&Draft) -> Result<Vec<Signature>, E>,
) -> Result<Home, E> {
    Home::vacant(path)?;
    let parsed = parse_catalog(&blueprint.catalog, &blueprint.config.catalog).map_err(HomeError::from)?;
    let cedar = blueprint.rules.iter().filter(|(name, _)| name.ends_with(shipped::RULE));
    let cedar = cedar.map(|(name, text)| (name.clone(), text.clone())).collect();
    // Each file of names and mails has a salt of its own: one that is erased is not guessed from another that is not.
    let governed = governance_files(&parsed, &cedar, |_| random::nonce()).map_err(HomeError::from)?;
    let manifest = manifest_of(&governed).map_err(HomeError::from)?;
    founders_hold(&parsed, &blueprint)?;

    let server_key = SigningKey::generate(&mut OsRng);
    let log_key = LogKey::generate(&blueprint.config.origin, &mut OsRng)
        .map_err(|error| HomeError::invalid(path, error.to_string()).hint("pass another --name"))?;
    let genesis = Genesis {
        files: Digest::of(&manifest),
        founders: blueprint.founders.clone(),
        log_key: log_key.verifier(),
        recovery_quorum: blueprint.recovery_quorum,
        semantics: NEWEST_SEMANTICS,
        server_key: server_key.public(),
        threshold: blueprint.threshold,
    };
    let by = blueprint.founders.first().map(|founder| founder.person.clone());
    let by = by.ok_or_else(|| HomeError::invalid(path, "a home needs at least one founder"))?;
    let statement = statement(&blueprint.config.origin, by, Body::Genesis(genesis.clone()));
    let payload = statement.encode().map_err(HomeError::from)?;
    let trust = trust(&statement, &genesis, Digest::of(&payload));
    // What does not hold is not worth a signature.
    let blobs = std::iter::once(&manifest).chain(governed.values());
    let blobs: BTreeMap<Digest, &Vec<u8>> = blobs.map(|blob| (Digest::of(blob), blob)).collect();
    Governance::begin(&statement, &genesis, trust.genesis, &|digest| blobs.get(digest).map(|blob| (*blob).clone()))
        .map_err(HomeError::from)?;
    let draft = Draft { payload, founders: blueprint.founders };
    let signatures = sign(&draft)?;
    let envelope = Envelope::new(&draft.payload, signatures)
        .map_err(|error| HomeError::invalid(&path.join(GENESIS), error.to_string()))?;

    let new = Parts {
        config: blueprint.config.to_yaml(),
        envelope,
        trust,
        governed,
        catalog: blueprint.catalog,
        rules: blueprint.rules,
        log_key,
        server_key,
    };
    new.write(path)?;
    Ok(Home::open(path)?)
}

/// What `trust.json` of this genesis says.
pub(super) fn trust(statement: &Statement, genesis: &Genesis, payload: Digest) -> Trust {
    Trust {
        version: TRUST_VERSION,
        origin: statement.header.log.clone(),
        log_key: genesis.log_key.as_str().into(),
        genesis: payload,
        recovery_quorum: genesis.recovery_quorum,
        checkpoint: None,
        cosigners: None,
        fresh: Freshness::default(),
        outage: Outage::default(),
        witnesses: Vec::new(),
    }
}

/// Whoever founds a log can also act in it: the catalog knows them, with the key that they found it with.
fn founders_hold(catalog: &Catalog, blueprint: &Blueprint) -> Result<(), HomeError> {
    let place = Path::new(CATALOG);
    for founder in &blueprint.founders {
        let fingerprint = founder.key.fingerprint();
        match catalog.actor_by_key(&fingerprint) {
            Some(actor) if actor.id == founder.person => {}
            Some(actor) => {
                return Err(HomeError::invalid(
                    place,
                    format!("key {fingerprint} of founder {} is listed for {}", founder.person, actor.id),
                )
                .hint("one key belongs to one person"));
            }
            None => {
                return Err(HomeError::invalid(
                    place,
                    format!("founder {} is not in the catalog with key {fingerprint}", founder.person),
                )
                .hint(format!(
                    "give the User `{}` the annotation {}: {}",
                    founder.person, blueprint.config.catalog.keys_annotation, founder.key
                )));
            }
        }
        if catalog.actors.get(&founder.person).is_none_or(|actor| actor.kind != ActorKind::Person) {
            return Err(HomeError::invalid(place, format!("founder {} is no person", founder.person))
                .hint("people found a log; workloads and agents act in it"));
        }
    }
    Ok(())
}

/// A statement that begins a log, before there is any checkpoint to have seen.
fn statement(origin: &str, by: ActorId, body: Body) -> Statement {
    let checkpoint = SeenCheckpoint { root: Hash::empty_tree(), size: 0 };
    Statement { header: Header { by, checkpoint, epoch: None, log: origin.to_owned(), nonce: random::nonce() }, body }
}

/// Everything that is written.
struct Parts {
    config: String,
    envelope: Envelope,
    trust: Trust,
    governed: GovernanceFiles,
    catalog: BTreeMap<String, String>,
    rules: BTreeMap<String, String>,
    log_key: LogKey,
    server_key: SigningKey,
}

impl Parts {
    fn write(&self, path: &Path) -> Result<(), HomeError> {
        let parent = files::beside(path);
        let made = |error: io::Error| {
            // The error's own text has the name of the folder that could not be made, which means nothing to anybody.
            HomeError::Io { operation: "make", path: path.to_owned(), source: error.kind().into() }
        };
        // Removed again unless it is kept.
        let building = tempfile::Builder::new().prefix(".countersign-init-").tempdir_in(&parent).map_err(made)?;
        let root = building.path();

        files::write(&root.join(CONFIG_FILE), &self.config)?;
        files::write(&root.join(GENESIS), self.envelope.raw())?;
        let mut trust = serde_json::to_string_pretty(&self.trust)
            .map_err(|error| HomeError::invalid(&path.join(TRUST), error.to_string()))?;
        trust.push('\n');
        files::write(&root.join(TRUST), trust)?;
        files::write_private(&root.join(GENESIS_FILES), self.genesis_files(path)?)?;
        for (name, text) in &self.catalog {
            files::write(&root.join(CATALOG).join(name), text)?;
        }
        for (name, text) in &self.rules {
            files::write(&root.join(RULES).join(name), text)?;
        }
        let base = Base::at(self.trust.genesis);
        files::write(&root.join(BASE), base.to_json(&path.join(BASE))?)?;
        files::make_private_folder(&root.join(KEYS))?;
        files::write_secret(&root.join(LOG_KEY), &format!("{}\n", *self.log_key.to_text()))?;
        files::write_secret(&root.join(SERVER_KEY), &self.server_key.to_openssh())?;
        // What was built must open before anybody sees it.
        Home::open(root)?.genesis_files()?;

        Home::vacant(path)?;
        fs::rename(root, path).map_err(|source| HomeError::Io { operation: "make", path: path.to_owned(), source })?;
        // It is no longer where the guard would remove it.
        let _ = building.keep();
        Ok(())
    }

    /// Path to text: the files are JSON and Cedar, both UTF-8.
    fn genesis_files(&self, path: &Path) -> Result<String, HomeError> {
        let invalid = |error: String| HomeError::invalid(&path.join(GENESIS_FILES), error);
        let mut texts: BTreeMap<&String, &str> = BTreeMap::new();
        for (name, bytes) in &self.governed {
            texts.insert(name, std::str::from_utf8(bytes).map_err(|error| invalid(format!("`{name}`: {error}")))?);
        }
        serde_json::to_string_pretty(&texts).map(|text| format!("{text}\n")).map_err(|error| invalid(error.to_string()))
    }
}
