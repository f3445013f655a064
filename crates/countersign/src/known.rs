//! A log as the person in front of it knows it: the server that speaks for it, what they pinned, and what their machine
//! remembers. Nothing that the server says is believed: checkpoints have to continue what was seen before, what is shown of
//! a change is worked out of its signed statements, and something is said to be in the log only when its leaf was found
//! there.

mod epoch;

use std::{path::Path, sync::OnceLock, thread, time::Duration};

use countersign_core::{
    epoch::MAX_STEP,
    refusal::Refusal,
    state::State,
    statement::Statement,
    trust::{Trust, Vouching},
};
use countersign_ledger::{
    Digest, Envelope, Fingerprint, Hash, Leaf, Time,
    checkpoint::{self, Checkpoint, CheckpointError, MAX_NOTE_BYTES, SignedCheckpoint},
    tree,
};
use thiserror::Error;

pub use self::epoch::NewEpoch;
use crate::{
    bundle::{Bundle, BundleError},
    client::{ChangePrefix, Client, ClientError},
    memory::{self, Memory, MemoryError, Seen},
    reading::{Checked, Reading},
    speaker::InFrontOf,
    wire::{ChangePage, Receipt},
};

/// A server may sign a checkpoint a moment after it has answered.
const ATTEMPTS: u32 = 50;
/// Cosigners are asked soon after new leaves, and have to follow first.
const ACKNOWLEDGEMENTS: u32 = 300;
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, Error)]
pub enum KnownError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Memory(#[from] MemoryError),
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("{url} serves log `{found}`, pinned is `{pinned}`")]
    AnotherLog { url: String, found: String, pinned: String },
    /// By the file that was given.
    #[error("wrong trust file: it is of log `{pinned}`, {url} serves log `{found}`")]
    WrongTrust { url: String, found: String, pinned: String },
    /// Of the same name; what the server shows is the log that this machine knows.
    #[error(
        "wrong trust file: {url} serves log `{origin}` as this machine knows it, and the file pins another log of that name"
    )]
    WrongTrustFile { url: String, origin: String },
    /// The same, where this machine has seen none of them yet.
    #[error(
        "wrong trust file: it pins another log named `{origin}` than {url} serves\n  pinned: genesis {pinned}\n  served: genesis {served}"
    )]
    WrongTrustOfName { url: String, origin: String, pinned: Digest, served: Digest },
    #[error("{url} serves something that is no checkpoint")]
    NoCheckpoint { url: String },
}

/// How a log came to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Nothing was known of it; now it is pinned.
    First,
    /// By what was pinned, here or in a file that was given.
    Pinned,
}

#[derive(Debug)]
pub struct KnownLog {
    pub client: Client,
    trust: Trust,
    /// The same with a log key that came into force since.
    learned: OnceLock<Trust>,
    sight: Sight,
    memory: Memory,
    /// What was seen when this command began.
    checkpoint: Checkpoint,
    /// The epoch of the log, as headers spell it, by the server's word: in another than the log's nothing is taken.
    epoch: Option<u32>,
    /// That it was restored from an older copy, and that a quorum said so, if this command is the first to see that.
    restored: Option<NewEpoch>,
}

impl KnownLog {
    /// Looks at the log, and refuses one that is not the one that was seen before. `given` is what the person vouches for;
    /// without it, what this machine pinned counts, and the first sight is trusted, as with the keys of SSH hosts.
    pub fn meet(client: Client, given: Option<&Trust>, place: &Path, now: Time) -> Result<Self, KnownError> {
        let mut note = client.checkpoint()?;
        let origin = origin_of(&note, client.url())?;
        if let Some(trust) = given {
            trust.check()?;
            if trust.origin != origin {
                let pinned = trust.origin.clone();
                return Err(KnownError::WrongTrust { url: client.url().to_owned(), found: origin, pinned });
            }
        }
        if given.is_none()
            && let Some(pinned) = memory::served_at(place, client.url()).filter(|served| *served != origin)
        {
            return Err(KnownError::AnotherLog { url: client.url().to_owned(), found: origin, pinned });
        }
        let memory = Memory::of(place, &origin);
        // By whichever of its keys: a log that goes on is the same one.
        let signed_by = |trust: &Trust| {
            memory.with_keys(trust).is_ok_and(|trust| SignedCheckpoint::open(&note, &trust.log_key).is_ok())
        };
        if let Some(trust) = given
            && !signed_by(trust)
            && memory.pinned()?.is_some_and(|pinned| signed_by(&pinned) && !pinned.is_of_the_same(trust))
        {
            return Err(KnownError::WrongTrustFile { url: client.url().to_owned(), origin });
        }
        // What a person vouches for takes the place of another founding that is remembered, if the log truly begins so.
        if let Some(trust) = given
            && memory.is_of_another(trust)?
            && begins_with_genesis(&client, trust, &note)
        {
            memory.pin(trust, now)?;
        }
        let floor = memory.seen()?;
        // Another command may have seen more since this one asked: then it asks again, and takes nothing older.
        if floor.as_ref().is_some_and(|floor| floor.size > size_of(&note)) {
            note = client.checkpoint()?;
        }
        let (trust, sight) = match (given, memory.pinned()?) {
            (Some(trust), _) => (trust.clone(), Sight::Pinned),
            (None, Some(pinned)) => (pinned, Sight::Pinned),
            (None, None) => (first_sight(&client, &origin)?, Sight::First),
        };
        let trust = memory.with_keys(&trust)?;
        let trust = learned(&client, &memory, &trust, &note, now)?.unwrap_or(trust);
        let seen = memory.see(&trust, &note, floor.as_ref(), now, |from, to| prove(&client, from, to));
        let (checkpoint, restored) = match seen {
            Ok(checkpoint) => (checkpoint, None),
            Err(error) if is_another_log(&error) => match epoch::across_a_cut(&client, &trust, &memory, now) {
                Ok(Some((checkpoint, restored))) => (checkpoint, Some(restored)),
                // Whatever fails on the way across, what it was caught at is what is told.
                Ok(None) | Err(_) => return Err(error),
            },
            Err(error) => {
                let unseen = given.is_some() && floor.is_none();
                return Err(if_founded_anew(error, &client, &memory, (&trust, unseen), &note, now));
            }
        };
        let hints = client.epochs()?;
        if let Some(hint) = hints.last()
            && memory
                .seen()?
                .is_some_and(|seen| hint.number > seen.epoch && hint.number <= seen.epoch.saturating_add(MAX_STEP))
            && epoch::begun(&client, &checkpoint, hint)?.is_some()
        {
            memory.is_in_epoch(hint.number)?;
        }
        let epoch = hints.last().map(|hint| hint.number);
        // Only what fits what was seen is remembered, and no file that is passed to one command takes away what another demands:
        // that is for `join`.
        match (sight, given) {
            (Sight::First, _) => memory.pin(&trust, now)?,
            (Sight::Pinned, Some(given))
                if !memory.is_of_another(given)? && memory.pinned()?.is_none_or(|p| p.demands_nothing()) =>
            {
                memory.pin(given, now)?;
            }
            (Sight::Pinned, Some(_) | None) => {}
        }
        memory::keep_served_at(place, client.url(), &origin)?;
        Ok(Self { client, trust, learned: OnceLock::new(), sight, memory, checkpoint, epoch, restored })
    }

    pub fn trust(&self) -> &Trust {
        self.learned.get().unwrap_or(&self.trust)
    }

    pub fn sight(&self) -> Sight {
        self.sight
    }

    /// Pins the given trust in the place of whatever was pinned of this log.
    pub fn pin(&self, trust: &Trust, now: Time) -> Result<(), KnownError> {
        Ok(self.memory.pin(trust, now)?)
    }

    /// Whether this machine pinned something else of this log than what counts for this command.
    pub fn differs_from_pinned(&self) -> Result<bool, KnownError> {
        Ok(self.memory.pinned()?.is_some_and(|pinned| pinned != self.trust))
    }

    pub fn restored(&self) -> Option<&NewEpoch> {
        self.restored.as_ref()
    }

    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Whether entry 0 of what is served is the pinned genesis.
    pub fn begins_as_pinned(&self) -> bool {
        self.client.checkpoint().is_ok_and(|note| begins_with_genesis(&self.client, self.trust(), &note))
    }

    /// The log as it was seen when this command began.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// What statements name that are made now.
    pub fn in_front_of(&self) -> InFrontOf {
        InFrontOf::of(&self.checkpoint, self.epoch)
    }

    fn floor(&self) -> Seen {
        Seen::new(&self.checkpoint, self.trust.genesis, "")
    }

    /// The newest checkpoint, which continues all that was seen before.
    pub fn look(&self, now: Time) -> Result<Checkpoint, KnownError> {
        let note = self.client.checkpoint()?;
        if let Some(trust) = learned(&self.client, &self.memory, self.trust(), &note, now)? {
            // It comes into force while one command looks at most once.
            drop(self.learned.set(trust));
        }
        let prove = |from, to| prove(&self.client, from, to);
        self.memory.see(self.trust(), &note, Some(&self.floor()), now, prove)
    }

    /// A change, worked out of its signed statements and their blobs. What this machine has verified of governance before is not
    /// fetched and read again; where that does not suffice, everything is.
    pub fn read(&self, asked: &ChangePrefix, now: Time) -> Result<Reading, KnownError> {
        let kept = self.memory.governed();
        if !kept.is_empty() {
            match self.read_from(asked, &kept, now) {
                Ok(reading) => return Ok(reading),
                // A log that contradicts what was seen is refused whichever way it is read.
                Err(KnownError::Refused(_) | KnownError::Bundle(_)) => {}
                Err(error) => return Err(error),
            }
        }
        self.read_from(asked, &[], now)
    }

    fn read_from(&self, asked: &ChangePrefix, kept: &[u64], now: Time) -> Result<Reading, KnownError> {
        let since = self.checkpoint.size;
        let bytes = self.client.bundle(asked, Some(since), kept)?;
        let bundle = Bundle::from_tar(Path::new("what the server sent"), &bytes)?;
        let note = bundle.evidence.checkpoint.clone();
        let consistency = bundle.consistency.clone();
        let before = match bundle.governed {
            Some(governed) if kept.contains(&governed) => self.memory.governance(governed),
            Some(_) | None => None,
        };
        let reading = Reading::of(self.trust(), asked, bundle, before.as_ref(), now)?;
        // The bundle brings the proof from where this command began; another command may have seen more meanwhile.
        let prove = |from: u64, to: u64| match from == since && to == reading.checkpoint().size {
            true => Ok(consistency),
            false => prove(&self.client, from, to),
        };
        self.memory.see(self.trust(), &note, Some(&self.floor()), now, prove)?;
        if let Some(begun) = reading.begun() {
            self.memory.keep_governance(begun);
        }
        Ok(reading)
    }

    /// Changes as the server lists them, the newest first, as many as are wanted. Nothing of it is checked.
    pub fn list(&self, query: &[(&str, String)], after: Option<&str>, wanted: usize) -> Result<ChangePage, KnownError> {
        let mut changes = Vec::new();
        let mut next = after.map(str::to_owned);
        loop {
            let limit = wanted.saturating_sub(changes.len()).to_string();
            let mut query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
            query.push(("limit", &limit));
            query.extend(next.as_deref().map(|after| ("after", after)));
            let page = self.client.changes(&query)?;
            // A page without anything that leads on would lead on for ever.
            let progress = !page.changes.is_empty();
            changes.extend(page.changes);
            next = page.next.filter(|_| progress);
            if next.is_none() || changes.len() >= wanted {
                return Ok(ChangePage { changes, next });
            }
        }
    }

    /// How people stand, worked out of governance and of their own streams: whose key this is, and those of whom a key is
    /// suspended. Which those are is the server's word; what is said of them is not.
    pub fn standing(&self, key: Option<&Fingerprint>, now: Time) -> Result<State, KnownError> {
        let kept = self.memory.governed();
        if !kept.is_empty() {
            match self.standing_from(key, &kept, now) {
                Ok(state) => return Ok(state),
                Err(KnownError::Refused(_) | KnownError::Bundle(_)) => {}
                Err(error) => return Err(error),
            }
        }
        self.standing_from(key, &[], now)
    }

    fn standing_from(&self, key: Option<&Fingerprint>, kept: &[u64], now: Time) -> Result<State, KnownError> {
        let since = self.checkpoint.size;
        let standings = self.client.standings(key, since, kept)?;
        let evidence = standings.evidence().ok_or_else(|| not_there("it is no base64".to_owned()))?;
        let before = match standings.governed {
            Some(governed) if kept.contains(&governed) => self.memory.governance(governed),
            Some(_) | None => None,
        };
        let checked = Checked::of(self.trust(), &evidence, before.as_ref(), now)?;
        let prove = |from: u64, to: u64| match from == since && to == checked.checkpoint.size {
            true => Ok(standings.consistency.clone()),
            false => prove(&self.client, from, to),
        };
        self.memory.see(self.trust(), &evidence.checkpoint, Some(&self.floor()), now, prove)?;
        if let Some(begun) = &checked.begun {
            self.memory.keep_governance(begun);
        }
        Ok(checked.state)
    }

    /// Finds in the log what was just submitted: the leaf that the receipt names holds exactly this envelope, in the streams
    /// that its statement belongs into, and lies under a checkpoint that continues all that was seen before.
    pub fn find(&self, receipt: &Receipt, envelope: &Envelope, now: Time) -> Result<(), KnownError> {
        let index = receipt.index;
        let mut checkpoint = self.look(now)?;
        for _ in 0..ATTEMPTS {
            if checkpoint.size > index {
                break;
            }
            thread::sleep(PAUSE);
            checkpoint = self.look(now)?;
        }
        if checkpoint.size <= index {
            return Err(not_there(format!("the newest checkpoint has {} leaves, not leaf {index}", checkpoint.size)));
        }
        let bytes = self.client.leaf(index)?;
        let proof = self.client.inclusion(index, checkpoint.size)?;
        check_leaf(&bytes, index, envelope, &proof, &checkpoint)
    }
}

impl KnownLog {
    /// Waits until enough of those whom `trust.json` asks have cosigned a log that has this leaf; at once where it asks nobody.
    pub fn acknowledged(&self, receipt: &Receipt, now: impl Fn() -> Time) -> Result<(), KnownError> {
        if self.trust.cosigners.is_none() {
            return Ok(());
        }
        let mut short = None;
        for attempt in 0..ACKNOWLEDGEMENTS {
            if attempt > 0 {
                thread::sleep(PAUSE);
            }
            let Some(note) = self.client.file("cosigned", MAX_NOTE_BYTES as u64)? else { continue };
            let note = String::from_utf8_lossy(&note).into_owned();
            let signed = SignedCheckpoint::open(&note, &self.trust().log_key).map_err(|e| not_there(e.to_string()))?;
            if signed.checkpoint().size <= receipt.index {
                continue;
            }
            match self.trust().vouching(Some(&signed), now(), u64::MAX) {
                Vouching::Nobody => return Ok(()),
                Vouching::Short(error) => short = Some(error),
                Vouching::Enough { .. } => {
                    // What they cosigned is the log that was seen here, in which the leaf was found.
                    let prove = |from, to| prove(&self.client, from, to);
                    self.memory.see(self.trust(), &note, None, now(), prove)?;
                    return Ok(());
                }
            }
        }
        let why = short.map_or_else(|| "nobody has cosigned a log that has it".to_owned(), |error| error.to_string());
        Err(Refusal::forbidden("not-cosigned", format!("those whom trust.json asks do not vouch for it: {why}")).into())
    }
}

/// That a leaf holds this envelope where it belongs, and is under the checkpoint.
fn check_leaf(
    bytes: &[u8],
    index: u64,
    envelope: &Envelope,
    proof: &[Hash],
    checkpoint: &Checkpoint,
) -> Result<(), KnownError> {
    let leaf = Leaf::parse(bytes).map_err(|error| not_there(format!("leaf {index} is malformed: {error}")))?;
    if leaf.envelope.raw() != envelope.raw() {
        return Err(not_there(format!("leaf {index} is another statement")));
    }
    let statement = Statement::parse(envelope.payload())?;
    let streams = statement.streams(&envelope.payload_digest())?;
    if !streams.iter().eq(leaf.lines().iter().map(|line| &line.stream)) {
        return Err(not_there(format!("leaf {index} is filed where nobody would look for it")));
    }
    tree::verify_inclusion(&Hash::leaf(bytes), index, checkpoint.size, proof, &checkpoint.root)
        .map_err(|error| not_there(format!("leaf {index} is not under the checkpoint: {error}")))
}

fn not_there(why: String) -> KnownError {
    Refusal::unknown("not-seen", why).into()
}

fn prove(client: &Client, from: u64, to: u64) -> Result<Vec<Hash>, KnownError> {
    Ok(client.consistency(from, to)?)
}

/// The log that a note speaks of, before its signature is checked: where to look for what is remembered of it.
fn origin_of(note: &str, url: &str) -> Result<String, KnownError> {
    let origin = note.lines().next().filter(|origin| !origin.is_empty());
    origin.map(str::to_owned).ok_or_else(|| KnownError::NoCheckpoint { url: url.to_owned() })
}

/// Whether entry 0 of the log is the genesis that is pinned.
fn begins_with_genesis(client: &Client, trust: &Trust, note: &str) -> bool {
    let Ok(checkpoint) = checkpoint::open(note, &trust.log_key) else { return false };
    let (Ok(bytes), Ok(proof)) = (client.leaf(0), client.inclusion(0, checkpoint.size)) else { return false };
    let included = tree::verify_inclusion(&Hash::leaf(&bytes), 0, checkpoint.size, &proof, &checkpoint.root);
    included.is_ok() && Leaf::parse(&bytes).is_ok_and(|leaf| leaf.envelope.payload_digest() == trust.genesis)
}

/// How many leaves a note says there are, before its signature is checked.
fn size_of(note: &str) -> u64 {
    note.lines().nth(1).and_then(|size| size.parse().ok()).unwrap_or(0)
}

/// Whether it contradicts what was seen, by its leaves.
fn is_another_log(error: &KnownError) -> bool {
    match error {
        KnownError::Memory(MemoryError::Contradiction(caught)) => match caught.what {
            memory::What::WentBack | memory::What::Differs(_) => true,
            memory::What::FoundedAnew => false,
        },
        _ => false,
    }
}

/// What is trusted, with the log key that a checkpoint is signed with, where the log's governance names it: replayed from the pinned
/// genesis on, so that it is by the word of those who stand behind the publication. `None` where nothing is to be learned.
fn learned(
    client: &Client,
    memory: &Memory,
    trust: &Trust,
    note: &str,
    now: Time,
) -> Result<Option<Trust>, KnownError> {
    let is_by_another = matches!(checkpoint::open(note, &trust.log_key), Err(CheckpointError::Signature { .. }));
    if !is_by_another {
        return Ok(None);
    }
    // Whatever else is wrong with the log is told of its checkpoint.
    let Ok(standings) = client.standings(None, 0, &[]) else { return Ok(None) };
    let Some(evidence) = standings.evidence() else { return Ok(None) };
    let Ok(Checked { log_keys: Some(keys), .. }) = Checked::of(trust, &evidence, None, now) else { return Ok(None) };
    if !keys.successors().starts_with(trust.log_key.successors()) || checkpoint::open(note, &keys).is_err() {
        return Ok(None);
    }
    memory.keep_keys(&keys)?;
    Ok(Some(Trust { log_key: keys, ..trust.clone() }))
}

fn first_sight(client: &Client, origin: &str) -> Result<Trust, KnownError> {
    let trust = client.log()?.trust;
    trust.check()?;
    if trust.origin == origin {
        Ok(trust)
    } else {
        Err(KnownError::AnotherLog { url: client.url().to_owned(), found: trust.origin, pinned: origin.to_owned() })
    }
}

/// A checkpoint that the pinned key did not sign may be of a log that was founded anew: then the server says so itself, and
/// both are shown. Where nothing was seen before, the file that was given is the wrong one.
fn if_founded_anew(
    error: KnownError,
    client: &Client,
    memory: &Memory,
    (trust, unseen): (&Trust, bool),
    note: &str,
    now: Time,
) -> KnownError {
    match (&error, client.log()) {
        (KnownError::Memory(MemoryError::NotSigned { origin, .. }), Ok(log))
            if unseen && log.genesis != trust.genesis =>
        {
            let (url, origin) = (client.url().to_owned(), origin.clone());
            KnownError::WrongTrustOfName { url, origin, pinned: trust.genesis, served: log.genesis }
        }
        (KnownError::Memory(MemoryError::NotSigned { .. }), Ok(log)) if log.genesis != trust.genesis => {
            memory.founded_anew(note, &log.trust, now).into()
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use countersign_core::{
        ids::Nonce,
        statement::{Body, Header, RevisionRef, SeenCheckpoint, Withdrawal},
    };
    use countersign_ledger::{
        Line, SigningKey, StreamHead,
        tree::{MemoryNodes, inclusion_proof},
    };

    use super::*;

    fn said() -> Envelope {
        let header = Header {
            by: "ada".parse().unwrap(),
            checkpoint: SeenCheckpoint { root: Hash::empty_tree(), size: 0 },
            epoch: None,
            log: "shop/log".to_owned(),
            nonce: Nonce::from_bytes([7; 16]),
        };
        let revision = RevisionRef { digest: Digest::of("proposal"), number: 1 };
        let change = "9f2c4e6a81d09f2c4e6a81d09f2c4e6a".parse().unwrap();
        let payload = Statement { header, body: Body::Withdrawal(Withdrawal { change, revision }) }.encode().unwrap();
        let key = SigningKey::generate(&mut rand_core::OsRng);
        Envelope::new(&payload, vec![key.sign(&payload).unwrap()]).unwrap()
    }

    fn leaf(stream: &str, envelope: &Envelope) -> Vec<u8> {
        let line = Line::after(stream.parse().unwrap(), StreamHead::EMPTY);
        Leaf::new(vec![line], Time::from_unix_millis(1), envelope.clone()).unwrap().to_bytes()
    }

    #[test]
    fn only_the_own_leaf_in_its_own_stream_under_the_checkpoint_is_found() {
        const STREAM: &str = "change/9f2c4e6a81d09f2c4e6a81d09f2c4e6a";
        let (envelope, other) = (said(), said());
        let right = leaf(STREAM, &envelope);
        let elsewhere = leaf("change/00000000000000000000000000000000", &envelope);
        let another = leaf(STREAM, &other);
        let leaves = [&right, &elsewhere, &another];
        let nodes = MemoryNodes::from_leaf_hashes(leaves.iter().map(|bytes| Hash::leaf(bytes)));
        let checkpoint = Checkpoint { origin: "shop/log".to_owned(), size: 3, root: nodes.root() };
        let found = |index: u64, bytes: &[u8]| {
            let proof = inclusion_proof(index, 3, &nodes).unwrap();
            check_leaf(bytes, index, &envelope, &proof, &checkpoint).map_err(|error| error.to_string())
        };
        assert_eq!(found(0, &right), Ok(()));
        assert_eq!(found(1, &elsewhere).unwrap_err(), "leaf 1 is filed where nobody would look for it");
        assert_eq!(found(2, &another).unwrap_err(), "leaf 2 is another statement");
        // A leaf that nobody has put into the log.
        assert!(found(1, &right).unwrap_err().starts_with("leaf 1 is not under the checkpoint"));
    }
}
