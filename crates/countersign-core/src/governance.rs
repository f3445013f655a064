//! Governance: who may act and by which rules, as the governance stream says. It changes only by statements in that
//! stream; the catalog's and rules' files on a disk mean nothing until a statement names their digest.
//!
//! It is a set of files, each under its own digest: those of the catalog (see [`crate::catalog::files`]) and
//! `rules/NAME.cedar`, `standard/NAME.yaml`, `calendars/NAME.json`, `issuers/NAME.json`, `server.json`. A publication names the files that it replaces; the others are not fetched and not parsed again.

mod kept;
pub mod merge;
pub mod newcomer;
mod server;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use countersign_ledger::{Digest, Fingerprint, PublicKey, Time};
use serde::{Deserialize, Serialize};

use self::newcomer::Newcomer;
pub use self::server::{ReplacedKeys, SERVER_KEYS, ServerKeys, log_keys};
use crate::{
    calendar::{self, Calendar, Calendars, FetchedFile, Subscriptions},
    canonical,
    catalog::{
        Actor, ActorKind, Catalog, KeyConflict, RetiredKey,
        files::{CatalogFile, is_profiles},
    },
    delegation::DelegatedRole,
    frozen::Freezes,
    ids::{ActorId, EvidenceKind, GateId, SystemId, Target},
    issuer::{self, Issuer, Issuers},
    refusal::Refusal,
    rules::Rules,
    semantics::Semantics,
    standard::{self, Standard, StandardApproval},
    statement::{
        Body, CalendarFetched, Epoch, Founder, Genesis, KeyRotation, Publication, Recovery, SeenCheckpoint, Statement,
    },
    subject::Subject,
};

/// The name under which the server speaks. No person can have it.
pub const SERVER: &str = "countersign";

/// How many people have to sign what grants authority.
pub const GRANTING_SIGNATURES: usize = 2;

/// The folder of the rules' files.
pub const RULES: &str = "rules/";
const CEDAR: &str = ".cedar";

pub const MAX_FILES: usize = 50_000;
pub const MAX_FILE_BYTES: usize = 4 * 1024 * 1024;
const MAX_PATH_BYTES: usize = 200;

/// Where the blobs are that statements name.
pub type Blobs<'a> = dyn Fn(&Digest) -> Option<Vec<u8>> + 'a;

/// What the governance stream has said so far, without the parsed files: a projection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GovernanceRecord {
    /// The log's origin: the name in its checkpoints and statements.
    pub origin: String,
    pub semantics: Semantics,
    pub genesis: Digest,
    pub founders: Vec<Founder>,
    pub threshold: u32,
    pub recovery_quorum: u32,
    pub server_key: PublicKey,
    pub log_key: String,
    /// Path to digest.
    pub files: BTreeMap<String, Digest>,
    /// Payload digest of the genesis or publication in force: what the next publication names as its parent.
    pub in_force: Digest,
    /// Who stands behind the templates of standard changes, by their names.
    #[serde(default)]
    pub standards: BTreeMap<String, StandardApproval>,
    /// The epochs that were begun after the first.
    #[serde(default)]
    pub epochs: Vec<EpochRecord>,
    /// Keys in whose place others came. They do not come back, whatever the catalog's files say.
    #[serde(default)]
    pub retired: BTreeMap<Fingerprint, RetiredKey>,
    /// Who got their first key lately, by a publication: see [`newcomer`].
    #[serde(default)]
    pub newcomers: BTreeMap<ActorId, Newcomer>,
    /// Keys that the server had before the ones that it has, in their order.
    #[serde(default)]
    pub replaced_keys: Vec<ReplacedKeys>,
    /// What people froze: what holds, and what is over and not forgotten.
    #[serde(default, with = "crate::frozen::as_text")]
    pub freezes: Freezes,
    /// What the server fetched for calendars that are subscribed to.
    #[serde(default, with = "crate::calendar::subscriptions_as_text")]
    pub fetched: Subscriptions,
    /// Of which calendars it was found that nothing was fetched any more, and when it had been the last time.
    #[serde(default)]
    pub stale: BTreeMap<String, Option<Time>>,
}

/// An epoch that was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochRecord {
    pub number: u32,
    /// The log that it goes on from; its own statement is the leaf behind that.
    pub after: SeenCheckpoint,
    /// Payload digest of the statement that began it.
    pub statement: Digest,
}

/// The record with its files parsed.
#[derive(Clone, Debug)]
pub struct Governance {
    pub record: GovernanceRecord,
    pub catalog: Arc<Catalog>,
    pub rules: Arc<Rules>,
    /// Templates of standard changes, by their names.
    pub standards: Arc<BTreeMap<String, Standard>>,
    pub calendars: Arc<Calendars>,
    pub issuers: Arc<Issuers>,
    profiles_missing: BTreeSet<Digest>,
    files: Files,
}

/// The files behind it.
#[derive(Clone, Debug)]
enum Files {
    Read(BTreeMap<String, GovernanceFile>),
    /// They were read before, and what was made of them was kept: see [`kept`]. To publish, they have to be read again.
    Kept,
}

/// A governance file, parsed once, whatever publications come after it.
#[derive(Clone, Debug)]
enum GovernanceFile {
    Catalog(Arc<CatalogFile>),
    Rule(Arc<str>),
    Standard(Arc<Standard>),
    Server(Arc<ServerKeys>),
    Calendar(Arc<Calendar>),
    Issuer(Arc<Issuer>),
}

/// Who made a signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signer {
    Actor { id: ActorId, kind: ActorKind },
    Gate(GateId),
    Server,
}

/// What a publication replaces: path to new digest, or to nothing for a file that goes.
pub type Replacements = BTreeMap<String, Option<Digest>>;

/// Reads the manifest of a genesis (every file) or of a publication (those that it replaces).
pub fn read_manifest(digest: &Digest, blob: &Blobs<'_>) -> Result<Replacements, Refusal> {
    let manifest: Replacements = canonical::from_bytes(&fetch(digest, "list of governance files", blob)?, "the list")?;
    if manifest.len() > MAX_FILES {
        return Err(Refusal::malformed("too-many-files", format!("more than {MAX_FILES} governance files")));
    }
    match manifest.keys().find(|path| path.len() > MAX_PATH_BYTES) {
        Some(path) => {
            let path: String = path.chars().take(MAX_PATH_BYTES).collect();
            Err(Refusal::malformed("governance-path", format!("`{path}…` is longer than {MAX_PATH_BYTES} bytes")))
        }
        None => Ok(manifest),
    }
}

/// The list in which a statement names governance files, in force or only proposed; of a proposal its subject says which.
pub fn list_named(body: &Body, blob: &Blobs<'_>) -> Result<Option<Digest>, Refusal> {
    let Some(named) = body.governance_subject() else { return Ok(body.governance_files()) };
    match Subject::read(named, &fetch(&named.digest, "subject", blob)?)? {
        Subject::Governance(subject) => Ok(Some(subject.files)),
        Subject::Git(_) | Subject::Files(_) => Ok(None),
    }
}

/// Those files, with the list.
pub fn files_named(body: &Body, blob: &Blobs<'_>) -> Result<BTreeSet<Digest>, Refusal> {
    let Some(list) = list_named(body, blob)? else { return Ok(BTreeSet::new()) };
    Ok(read_manifest(&list, blob)?.into_values().flatten().chain([list]).collect())
}

fn fetch(digest: &Digest, what: &str, blob: &Blobs<'_>) -> Result<Vec<u8>, Refusal> {
    let bytes = blob(digest)
        .ok_or_else(|| Refusal::unknown("blob-missing", format!("blob {digest}, which is the {what}, is missing")))?;
    if Digest::of(&bytes) != *digest {
        return Err(Refusal::malformed(
            "blob-changed",
            format!("the blob with the {what} does not hash to {digest}, which its statement names"),
        ));
    }
    if bytes.len() > MAX_FILE_BYTES {
        return Err(Refusal::malformed(
            "blob-too-large",
            format!("the {what} has {} bytes, more than {MAX_FILE_BYTES}", bytes.len()),
        ));
    }
    Ok(bytes)
}

fn parse_file(path: &str, bytes: &[u8]) -> Result<GovernanceFile, Refusal> {
    if let Some(file) = CatalogFile::parse(path, bytes) {
        return file.map(|file| GovernanceFile::Catalog(Arc::new(file)));
    }
    if let Some(name) = standard::name_of(path) {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| Refusal::malformed("standard-invalid", format!("`{path}` is no UTF-8 text")))?;
        return Standard::parse(name, text).map(|standard| GovernanceFile::Standard(Arc::new(standard)));
    }
    if path == SERVER_KEYS {
        return ServerKeys::parse(bytes).map(|keys| GovernanceFile::Server(Arc::new(keys)));
    }
    if let Some(name) = calendar::name_of(path) {
        return Calendar::parse(name, bytes).map(|calendar| GovernanceFile::Calendar(Arc::new(calendar)));
    }
    if let Some(name) = issuer::name_of(path) {
        return Issuer::parse(name, bytes).map(|issuer| GovernanceFile::Issuer(Arc::new(issuer)));
    }
    if !is_rule(path) {
        return Err(Refusal::malformed("governance-path", format!("no governance file has the path `{path}`")).hint(
            "settings.json, systems/NAME.json, groups/NAME.json, people/GROUP.json, profiles/GROUP.json, rules/NAME.cedar, standard/NAME.yaml, calendars/NAME.json, issuers/NAME.json, server.json",
        ));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(GovernanceFile::Rule(text.into())),
        Err(_) => Err(Refusal::malformed("rules-invalid", format!("`{path}` is no UTF-8 text"))),
    }
}

/// The name is one that can be a file's on any machine, and cannot lead to another folder.
fn is_rule(path: &str) -> bool {
    let harmless = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let name = path.strip_prefix(RULES).and_then(|name| name.strip_suffix(CEDAR));
    name.is_some_and(|name| {
        name.bytes().all(harmless) && name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
    })
}

impl Governance {
    /// Reads the parsed parts of a record from its blobs.
    pub fn load(record: GovernanceRecord, blob: &Blobs<'_>) -> Result<Self, Refusal> {
        let mut parsed = BTreeMap::new();
        for (path, digest) in &record.files {
            if let Some(file) = read_file(path, digest, blob)? {
                parsed.insert(path.clone(), file);
            }
        }
        Self::of(record, parsed, None)
    }

    /// What a genesis begins. Its signatures are the caller's to check: see [`crate::admit::authenticate_genesis`].
    pub fn begin(statement: &Statement, genesis: &Genesis, payload: Digest, blob: &Blobs<'_>) -> Result<Self, Refusal> {
        let semantics = Semantics::known(genesis.semantics)?;
        let mut files = BTreeMap::new();
        for (path, digest) in read_manifest(&genesis.files, blob)? {
            let digest = digest.ok_or_else(|| {
                Refusal::malformed("governance-path", format!("a genesis takes no file away: `{path}`"))
            })?;
            files.insert(path, digest);
        }
        let record = GovernanceRecord {
            origin: statement.header.log.clone(),
            semantics,
            genesis: payload,
            founders: genesis.founders.clone(),
            threshold: genesis.threshold,
            recovery_quorum: genesis.recovery_quorum,
            server_key: genesis.server_key.clone(),
            log_key: genesis.log_key.clone(),
            files,
            in_force: payload,
            standards: BTreeMap::new(),
            epochs: Vec::new(),
            retired: BTreeMap::new(),
            newcomers: BTreeMap::new(),
            replaced_keys: Vec::new(),
            freezes: Freezes::new(),
            fetched: Subscriptions::new(),
            stale: BTreeMap::new(),
        };
        if record.files.contains_key(SERVER_KEYS) {
            return Err(Refusal::malformed(
                "governance-path",
                format!("a genesis names its keys itself, and no {SERVER_KEYS}"),
            ));
        }
        Self::load(record, blob)
    }

    /// What a publication makes of it.
    pub fn publish(&self, publication: &Publication, payload: Digest, blob: &Blobs<'_>) -> Result<Self, Refusal> {
        let mut record = self.record.clone();
        let Files::Read(parsed) = &self.files else {
            return Err(Refusal::unknown(
                "governance-not-read",
                "the governance files have to be read before any is replaced",
            ));
        };
        let mut parsed = parsed.clone();
        let mut rules_stay = true;
        let mut server_keys = None;
        if let Some(semantics) = publication.semantics {
            record.semantics = record.semantics.raised_to(semantics)?;
        }
        // Files of a meaning that this program does not know are named and not read: nothing is decided by them here.
        let is_readable = record.semantics.readable().is_ok();
        for (path, digest) in read_manifest(&publication.files, blob)? {
            rules_stay &= !path.starts_with(RULES);
            parsed.remove(&path);
            match digest {
                None if path == SERVER_KEYS => return Err(server::stay()),
                Some(digest) => {
                    if is_readable && let Some(file) = read_file(&path, &digest, blob)? {
                        if let GovernanceFile::Server(keys) = &file {
                            server_keys = Some(Arc::clone(keys));
                        }
                        parsed.insert(path.clone(), file);
                    }
                    record.files.insert(path, digest);
                }
                None if record.files.remove(&path).is_some() => {}
                None => {
                    return Err(Refusal::conflict("no-such-file", format!("there is no governance file `{path}`")));
                }
            }
        }
        if record.files.len() > MAX_FILES {
            return Err(Refusal::malformed("too-many-files", format!("more than {MAX_FILES} governance files")));
        }
        record.in_force = payload;
        if !is_readable {
            return Ok(Self { record, ..self.clone() });
        }
        let published = Self::of(record, parsed, rules_stay.then(|| Arc::clone(&self.rules)))?;
        match server_keys {
            Some(keys) => published.with_server_keys(&keys, payload),
            None => Ok(published),
        }
    }

    /// Takes what was fetched for a calendar.
    pub(crate) fn hear(&mut self, said: &CalendarFetched, file: FetchedFile, at: Time) {
        let from = self.calendars.get(&said.calendar).and_then(|calendar| calendar.file.from.clone());
        let Some(from) = from else { return };
        self.record.stale.remove(&said.calendar);
        calendar::hear(&mut self.record.fetched, (&said.calendar, &from), said.content, file, at);
        self.calendars = Arc::new(Calendars::clone(&self.calendars).with_fetched(&self.record.fetched));
    }

    /// That nothing was fetched of a calendar any more, as somebody was told.
    pub(crate) fn is_stale(&mut self, calendar: &str, heard: Option<Time>) {
        let calendars = &self.calendars;
        self.record.stale.retain(|name, _| calendars.get(name).is_some());
        self.record.stale.insert(calendar.to_owned(), heard);
    }

    /// What an epoch makes of it: who may act and by which rules stays.
    pub(crate) fn in_epoch(&self, epoch: &Epoch, payload: Digest) -> Self {
        let mut begun = self.clone();
        let Epoch { after, number, reason: _ } = *epoch;
        begun.record.epochs.push(EpochRecord { number, after, statement: payload });
        begun
    }

    /// What another key of somebody's makes of it.
    pub(crate) fn rotated(&self, rotation: &KeyRotation, by_itself: bool) -> Result<Self, Refusal> {
        let KeyRotation { key, new_key, of, reason: _ } = rotation.clone();
        self.with_retired([(key, RetiredKey { of, new_key, by_itself })])
    }

    /// What new keys of some people make of it: every key that they have goes.
    pub(crate) fn recovered(&self, recovery: &Recovery) -> Result<Self, Refusal> {
        let of = |(of, new_key): (&ActorId, &PublicKey)| {
            let retired = RetiredKey { of: of.clone(), new_key: new_key.clone(), by_itself: false };
            let keys = self.catalog.actors.get(of).map(|actor| actor.keys.clone()).unwrap_or_default();
            keys.into_iter().map(move |key| (key.fingerprint(), retired.clone())).collect::<Vec<_>>()
        };
        self.with_retired(recovery.keys.iter().flat_map(of))
    }

    fn with_retired(&self, more: impl IntoIterator<Item = (Fingerprint, RetiredKey)>) -> Result<Self, Refusal> {
        let mut changed = self.clone();
        changed.record.retired.extend(more);
        let catalog = Catalog::clone(&self.catalog).with_other_keys(&changed.record.retired);
        changed.catalog = Arc::new(catalog.map_err(another_key)?);
        Ok(changed)
    }

    fn of(
        mut record: GovernanceRecord,
        parsed: BTreeMap<String, GovernanceFile>,
        rules: Option<Arc<Rules>>,
    ) -> Result<Self, Refusal> {
        let catalog = Catalog::assemble(parsed.iter().filter_map(|(path, file)| match file {
            GovernanceFile::Catalog(file) => Some((path, file)),
            GovernanceFile::Rule(_)
            | GovernanceFile::Standard(_)
            | GovernanceFile::Calendar(_)
            | GovernanceFile::Issuer(_)
            | GovernanceFile::Server(_) => None,
        }))
        .map_err(|e| Refusal::malformed("catalog-invalid", format!("the catalog does not hold: {e}")))?
        .with_other_keys(&record.retired)
        .map_err(another_key)?;
        if catalog.actors.has_name(SERVER) {
            return Err(Refusal::malformed(
                "catalog-invalid",
                format!("the catalog has a User called `{SERVER}`, the name that the server itself speaks under"),
            )
            .hint("give the User another metadata.name"));
        }
        let rules = match rules {
            Some(rules) => rules,
            None => {
                let files: BTreeMap<String, String> = parsed
                    .iter()
                    .filter_map(|(path, file)| match file {
                        GovernanceFile::Rule(text) => Some((path.strip_prefix(RULES)?.to_owned(), text.to_string())),
                        GovernanceFile::Catalog(_)
                        | GovernanceFile::Standard(_)
                        | GovernanceFile::Calendar(_)
                        | GovernanceFile::Issuer(_)
                        | GovernanceFile::Server(_) => None,
                    })
                    .collect();
                Arc::new(parse_rules(&files)?)
            }
        };
        let missing = record.files.iter().filter(|(path, _)| is_profiles(path) && !parsed.contains_key(*path));
        let profiles_missing = missing.map(|(_, digest)| *digest).collect();
        let standards = parsed.values().filter_map(|file| match file {
            GovernanceFile::Standard(standard) => Some((standard.name.clone(), (**standard).clone())),
            GovernanceFile::Catalog(_)
            | GovernanceFile::Rule(_)
            | GovernanceFile::Calendar(_)
            | GovernanceFile::Issuer(_)
            | GovernanceFile::Server(_) => None,
        });
        let standards = Arc::new(standards.collect());
        let calendars = parsed.values().filter_map(|file| match file {
            GovernanceFile::Calendar(calendar) => Some((**calendar).clone()),
            GovernanceFile::Catalog(_)
            | GovernanceFile::Rule(_)
            | GovernanceFile::Standard(_)
            | GovernanceFile::Issuer(_)
            | GovernanceFile::Server(_) => None,
        });
        let calendars = Calendars::of(calendars, &catalog)?;
        // What another address said is nothing to this one.
        record.fetched.retain(|name, fetched| {
            calendars.get(name).is_some_and(|calendar| calendar.file.from.as_ref() == Some(&fetched.from))
        });
        let calendars = Arc::new(calendars.with_fetched(&record.fetched));
        let issuers = parsed.values().filter_map(|file| match file {
            GovernanceFile::Issuer(issuer) => Some((**issuer).clone()),
            GovernanceFile::Catalog(_)
            | GovernanceFile::Rule(_)
            | GovernanceFile::Standard(_)
            | GovernanceFile::Calendar(_)
            | GovernanceFile::Server(_) => None,
        });
        let issuers = Arc::new(Issuers::of(issuers, &catalog)?);
        let catalog = Arc::new(catalog);
        Ok(Self { record, catalog, rules, standards, calendars, issuers, profiles_missing, files: Files::Read(parsed) })
    }

    /// The kinds of evidence that rules or templates ask for.
    pub fn evidence(&self) -> BTreeSet<EvidenceKind> {
        let standards = self.standards.values().flat_map(|standard| &standard.evidence);
        self.rules.evidence().iter().chain(standards).cloned().collect()
    }

    /// Writes down who stands behind the templates of standard changes that are new, or others than before.
    pub(crate) fn approve_standards(&mut self, by: &BTreeMap<ActorId, BTreeSet<Fingerprint>>, at: Time) {
        let GovernanceRecord { standards, files, .. } = &mut self.record;
        standards.retain(|name, _| self.standards.contains_key(name));
        for name in self.standards.keys() {
            let Some(file) = files.get(&standard::path_of(name)).copied() else { continue };
            if standards.get(name).is_none_or(|known| known.file != file) {
                standards.insert(name.clone(), StandardApproval { at, by: by.clone(), file });
            }
        }
    }

    /// Whether somebody can say anything: by a key, or by an issuer's tokens.
    pub fn can_attest(&self, actor: &Actor) -> bool {
        !actor.keys.is_empty() || self.issuers.speak_for(&actor.id)
    }

    /// Whether somebody's word on this kind of evidence can count for a target.
    pub fn may_attest(&self, actor: &Actor, kind: &EvidenceKind, target: &Target) -> bool {
        let speaks = !actor.keys.is_empty() || self.issuers.speak_of(&actor.id, target);
        actor.attests.kinds.contains(kind) && actor.attests.only_for.covers(target) && speaks
    }

    /// People who have a key in the catalog, revoked or not.
    pub fn people_with_keys(&self) -> impl Iterator<Item = &Actor> {
        self.catalog.actors.values().filter(|actor| actor.kind == ActorKind::Person && !actor.keys.is_empty())
    }

    /// How many people the catalog gives a key to.
    pub fn population(&self) -> u32 {
        u32::try_from(self.catalog.population()).unwrap_or(u32::MAX)
    }

    /// The people behind an owner that a document names: a person, or a group of the catalog, also as
    /// `group:default/name`.
    pub fn people_called(&self, owner: &str) -> BTreeSet<&ActorId> {
        let name = owner.rsplit(['/', ':']).next().unwrap_or(owner);
        let person = name.parse().ok().and_then(|id| self.person(&id)).map(|actor| &actor.id);
        let group = name.parse().ok().map(|group| self.catalog.members(&group));
        group.into_iter().flatten().chain(person).collect()
    }

    /// Who may take part in what governs: the founders who are still there; where fewer than two are, the seniors beside them;
    /// where those are too few, everybody.
    pub fn policy_group(&self) -> BTreeSet<&ActorId> {
        let has_a_key = |id: &&ActorId| self.person(id).is_some_and(|person| !person.keys.is_empty());
        let mut policy: BTreeSet<&ActorId> =
            self.record.founders.iter().map(|founder| &founder.person).filter(has_a_key).collect();
        for more in [Catalog::seniors, Catalog::people] {
            if policy.len() < GRANTING_SIGNATURES {
                policy.extend(more(&self.catalog));
            }
        }
        policy
    }

    /// Those who had to stand behind a template, and could do so again: whoever else proposed or approved it answers for nothing.
    /// Each with the keys by which they did.
    pub(crate) fn answer_for<'a>(
        &self,
        approval: &'a StandardApproval,
    ) -> impl Iterator<Item = (&'a ActorId, &'a BTreeSet<Fingerprint>)> {
        let policy: BTreeSet<ActorId> = self.policy_group().into_iter().cloned().collect();
        approval.by.iter().filter(move |(by, _)| policy.contains(*by))
    }

    /// Those of all templates.
    pub fn approvers_of_standards(&self) -> impl Iterator<Item = &ActorId> {
        self.record.standards.values().flat_map(|approval| self.answer_for(approval)).map(|(by, _)| by)
    }

    /// Who owns a system: of what governs, the policy group.
    pub fn owners(&self, system: &SystemId) -> BTreeSet<&ActorId> {
        match system.is_governance() {
            true => self.policy_group(),
            false => self.catalog.owners(system),
        }
    }

    /// Whether somebody is among those.
    pub fn owns(&self, person: &ActorId, system: &SystemId) -> bool {
        match system.is_governance() {
            true => self.policy_group().contains(person),
            false => self.catalog.owns(person, system),
        }
    }

    /// Whether somebody has a role that can be delegated, for this target.
    pub fn has_role(&self, role: &DelegatedRole, person: &ActorId, target: &Target, now: Time) -> bool {
        match role {
            DelegatedRole::Owner => self.owns(person, &target.system),
            DelegatedRole::Senior => self.person(person).is_some_and(|actor| actor.level.is_senior()),
            DelegatedRole::OnCall => self.is_on_call(person, &target.system, now),
            DelegatedRole::Group(group) => self.catalog.is_in(person, group),
        }
    }

    /// Whether somebody is on call for a system: on the rota of its owner group, or of one below or above that. For what governs
    /// nobody is.
    pub fn is_on_call(&self, person: &ActorId, system: &SystemId, at: Time) -> bool {
        let owner = self.catalog.systems.get(system).map(|system| &system.owner);
        owner.is_some_and(|owner| self.calendars.is_on_call(person, owner, &self.catalog, at))
    }

    /// Who is on call for a system.
    pub fn on_call(&self, system: &SystemId, at: Time) -> BTreeSet<&ActorId> {
        let owner = self.catalog.systems.get(system).map(|system| &system.owner);
        owner.map(|owner| self.calendars.on_call_for(owner, &self.catalog, at)).unwrap_or_default()
    }

    /// Files with the names and mails of some group that were erased, or are not at hand.
    pub fn profiles_missing(&self) -> &BTreeSet<Digest> {
        &self.profiles_missing
    }

    pub fn person(&self, id: &ActorId) -> Option<&Actor> {
        self.catalog.actors.get(id).filter(|actor| actor.kind == ActorKind::Person)
    }

    /// Whose key it is by the catalog; whether it was revoked is in the person's own stream.
    pub fn listed(&self, id: &ActorId, key: &Fingerprint) -> Option<&Actor> {
        self.catalog.actor_by_key(key).filter(|actor| actor.id == *id)
    }

    /// Whose key it is, or was before another came in its place: whoever signed with it had a hand in that.
    pub fn ever_by_key(&self, key: &Fingerprint) -> Option<&Actor> {
        let was = || self.record.retired.get(key).and_then(|retired| self.catalog.actors.get(&retired.of));
        self.catalog.actor_by_key(key).or_else(was)
    }

    /// The same as [`Governance::listed`], also of a key whose holder took another: what was said with it before stands as long
    /// as they have one that came in its place.
    pub fn spoke_with(&self, id: &ActorId, key: &Fingerprint) -> Option<&Actor> {
        self.keys_since(id, key).map(|(actor, _)| actor)
    }

    /// The same, with the key itself and those that came in its place one after the other.
    pub(crate) fn keys_since(&self, id: &ActorId, key: &Fingerprint) -> Option<(&Actor, Vec<Fingerprint>)> {
        let mut keys = vec![key.clone()];
        for _ in 0..=self.record.retired.len() {
            let key = keys.last()?;
            match self.record.retired.get(key) {
                None => return self.listed(id, key).map(|actor| (actor, keys)),
                Some(retired) if retired.by_itself && retired.of == *id => keys.push(retired.new_key.fingerprint()),
                Some(_) => return None,
            }
        }
        None
    }

    /// The founder of whom genesis pins this key, if they are still there and have not taken another in its place.
    pub fn founder_by_pinned_key(&self, key: &Fingerprint) -> Option<&ActorId> {
        let mut founders = self.record.founders.iter();
        let founder = founders.find(|founder| founder.key.fingerprint() == *key)?;
        let holds = !self.record.retired.contains_key(key) && self.person(&founder.person).is_some();
        holds.then_some(&founder.person)
    }

    /// Whether the files are here that a publication replaces some of; else [`Governance::load`] reads them.
    pub fn is_read(&self) -> bool {
        match self.files {
            Files::Read(_) => true,
            Files::Kept => false,
        }
    }
}

fn another_key(conflict: KeyConflict) -> Refusal {
    Refusal::malformed("catalog-invalid", format!("the catalog does not hold: {conflict}"))
        .hint("a key that somebody gave up is nobody else's; give them one of their own")
}

/// Reads one file. A profile that was erased is no file any more: whoever it named has no name and no mail.
fn read_file(path: &str, digest: &Digest, blob: &Blobs<'_>) -> Result<Option<GovernanceFile>, Refusal> {
    if is_profiles(path) && blob(digest).is_none() {
        return Ok(None);
    }
    let bytes = fetch(digest, &format!("governance file `{path}`"), blob)?;
    parse_file(path, &bytes).map(Some)
}

pub fn parse_rules(files: &BTreeMap<String, String>) -> Result<Rules, Refusal> {
    Rules::parse(files).map_err(|e| Refusal::malformed("rules-invalid", format!("the rules do not hold: {e}")))
}

/// The files as blobs with their manifest, as a genesis names them: the manifest's bytes, and its digest.
pub fn manifest_of(files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>, Refusal> {
    let manifest: Replacements = files.iter().map(|(path, bytes)| (path.clone(), Some(Digest::of(bytes)))).collect();
    canonical::to_bytes(&manifest)
}

/// What turns the files in force into `files`, as a publication names it. Empty if nothing changes. The server's keys stay where
/// nobody names others.
pub fn replacements(in_force: &BTreeMap<String, Digest>, files: &BTreeMap<String, Vec<u8>>) -> Replacements {
    let goes = |path: &&String| *path != SERVER_KEYS && !files.contains_key(*path);
    let gone = in_force.keys().filter(goes).map(|path| (path.clone(), None));
    let changed = files.iter().filter_map(|(path, bytes)| {
        let digest = Digest::of(bytes);
        (in_force.get(path) != Some(&digest)).then(|| (path.clone(), Some(digest)))
    });
    gone.chain(changed).collect()
}
