//! Stops that are signed by a verified copy of the log, when no server answers, or none that is believed: what `reject --copy`
//! and `revoke --copy` do. A gate takes the file.

use std::{
    fs,
    path::{Path, PathBuf},
};

use countersign_core::{
    change::Change,
    statement::{Away, Body, DelegationEnd, Freeze, Holder, KeyRevocation, Rejection, Statement},
};
use countersign_ledger::{Envelope, Fingerprint, checkpoint::MAX_NOTE_BYTES};
use serde_json::json;

use super::{
    Global,
    error::{CliError, Exit},
    follow,
    output::{self, Format, good},
    submit, verify,
};
use crate::{
    client::{ChangePrefix, Client},
    durable,
    follower::{Follower, SEEN},
    home,
    home::files::word,
    memory::{self, Memory},
    records,
    speaker::{Hand, InFrontOf, Speaker},
    wire::Submit,
};

/// Stops that were signed and that the log has not shown yet.
const STOPS: &str = "stops";

/// For whoever names a key that nobody has.
pub const WHICH_KEY: &str =
    "which key? `ssh-keygen -l -f KEY.pub` prints SHA256:…; a gate's is in REPO/countersign/gate.key";

/// Rejects a change as a copy has it.
pub fn reject(global: &Global, copy: &Path, change: &ChangePrefix, why: &str) -> Result<Exit, CliError> {
    let copied = Copied::open(global, copy)?;
    let change = copied.change(change)?;
    let revision = change
        .current_ref()
        .ok_or_else(|| CliError::new("change-damaged", format!("change {} has no revision", change.id)))?;
    let (reason, blob) = submit::reason(why)?;
    let what = format!("rejection of revision {} of change {}: {why}", revision.number, change.id.short());
    let body = Body::Rejection(Rejection { change: change.id, reason, revision, targets: change.targets });
    copied.say(global, body, blob, &what)
}

/// Takes a key's authority away, as far as gates are told.
pub fn revoke(global: &Global, copy: &Path, key: &Fingerprint, why: &str) -> Result<Exit, CliError> {
    let copied = Copied::open(global, copy)?;
    let (of, whose) = copied.holder(key)?;
    let (reason, blob) = submit::reason(why)?;
    let body = Body::KeyRevocation(KeyRevocation { key: key.clone(), of, reason });
    copied.say(global, body, blob, &format!("revocation of key {key} of {whose}: {why}"))
}

/// Freezes, as far as gates are told.
pub fn freeze(global: &Global, copy: &Path, said: Freeze, blob: Vec<u8>, what: &str) -> Result<Exit, CliError> {
    Copied::open(global, copy)?.say(global, Body::Freeze(said), blob, what)
}

/// Says that its signer is away, as far as gates are told.
pub fn away(global: &Global, copy: &Path, said: Away, what: &str) -> Result<Exit, CliError> {
    Copied::open(global, copy)?.sign(global, Body::Away(said), &[], what)
}

/// Ends a delegation, as far as gates are told.
pub fn delegation_end(global: &Global, copy: &Path, name: &str) -> Result<Exit, CliError> {
    let copied = Copied::open(global, copy)?;
    let people = copied.runtime.block_on(records::people(&*copied.follower.store()));
    let people = people.map_err(|e| copied.follower.failed(e))?;
    let known = people.values().flat_map(|record| &record.gave);
    let mut meant = known.filter(|known| name.len() >= 6 && known.statement.hex().starts_with(name));
    let (Some(found), None) = (meant.next(), meant.next()) else {
        return Err(CliError::new("no-delegation", format!("the copy has no delegation {name}"))
            .hint("as `countersign delegations` names it; it may be younger than the copy"));
    };
    let said = DelegationEnd { delegation: found.statement, of: found.of.clone(), to: found.to.clone() };
    let what = format!("end now of the delegation of {} to {}", found.of, found.to);
    copied.sign(global, Body::DelegationEnd(said), &[], &what)
}

/// A copy of the log, which nobody has to bring up to date for this.
struct Copied {
    runtime: tokio::runtime::Runtime,
    follower: Follower,
    memory: Memory,
}

impl Copied {
    fn open(global: &Global, copy: &Path) -> Result<Self, CliError> {
        let runtime = tokio::runtime::Runtime::new()
            .map_err(|error| CliError::new("failed", format!("the program cannot start: {error}")))?;
        let none = |why: String| {
            CliError::new("no-copy", format!("{} is no copy of a log: {why}", copy.display())).hint(
                "name the folder of `countersign follow --into`, or the copy that `countersign gate status REPO` names",
            )
        };
        let seen = home::files::read(&copy.join(SEEN), MAX_NOTE_BYTES).map_err(|e| none(e.to_string()))?;
        let origin = String::from_utf8_lossy(&seen).lines().next().unwrap_or_default().to_owned();
        let memory = Memory::of(&memory::place()?, &origin);
        let trust = match global.trust_of_copy(copy)? {
            Some(trust) => trust,
            None => memory.pinned()?.ok_or_else(|| {
                CliError::usage("what the copy is checked against is missing: --trust FILE").hint(verify::TRUST_HINT)
            })?,
        };
        let follower = runtime.block_on(Follower::open(copy, &trust, follow::access(copy)))?;
        Ok(Self { runtime, follower, memory })
    }

    fn change(&self, asked: &ChangePrefix) -> Result<Change, CliError> {
        let store = self.follower.store();
        let found = store.find(records::CHANGE, asked.as_str(), 2);
        let found = self.runtime.block_on(found).map_err(|e| self.follower.failed(e))?;
        match found.as_slice() {
            [(name, body)] => Ok(records::parse(name, body).map_err(|e| self.follower.failed(e))?),
            [] => Err(CliError::new("unknown-change", format!("the copy has no change {}", asked.as_str()))
                .hint("it may be older than the change: countersign follow brings it up to date")),
            _ => Err(CliError::usage(format!("several changes begin with {}", asked.as_str())).hint("type more of it")),
        }
    }

    fn holder(&self, key: &Fingerprint) -> Result<(Holder, String), CliError> {
        let governance = self.runtime.block_on(self.follower.governance())?;
        if let Some(actor) = governance.catalog.actor_by_key(key) {
            return Ok((Holder::Person(actor.id.clone()), actor.id.to_string()));
        }
        let gate = self.runtime.block_on(records::gate_by_key(&*self.follower.store(), key));
        match gate.map_err(|e| self.follower.failed(e))? {
            Some((gate, _)) => Ok((Holder::Gate(gate.clone()), format!("gate {gate}"))),
            None => Err(CliError::new("unknown-key", format!("key {key} belongs to nobody in the copy's catalog"))
                .hint(WHICH_KEY)),
        }
    }

    /// Signs, keeps, and says how a gate gets it.
    fn say(&self, global: &Global, body: Body, blob: Vec<u8>, what: &str) -> Result<Exit, CliError> {
        self.sign(global, body, &[blob], what)
    }

    fn sign(&self, global: &Global, body: Body, blobs: &[Vec<u8>], what: &str) -> Result<Exit, CliError> {
        let hand = Hand::Person(global.signer()?);
        let fingerprint = hand.fingerprint();
        let governance = self.runtime.block_on(self.follower.governance())?;
        let me = governance.catalog.actor_by_key(&fingerprint).map(|actor| actor.id.clone()).ok_or_else(|| {
            CliError::new("unknown-key", format!("key {fingerprint} belongs to nobody in the copy's catalog"))
                .hint("pass --key with a key that the catalog lists for you")
        })?;
        let seen = self.follower.seen()?.ok_or_else(|| CliError::new("no-copy", "the copy has not followed yet"))?;
        let speaker = Speaker { client: Client::new(&global.url), hand, me };
        submit::announce(&speaker, &[what.to_owned()]);
        let envelope = speaker.sign(&InFrontOf::of(seen.checkpoint(), governance.record.header_epoch()), body)?;
        let statement = Statement::parse(envelope.payload())?;
        let file = keep(&self.memory, &statement, &envelope, blobs)?;
        match global.format {
            Format::Json => output::json(&json!({"file": file, "in_the_log": false}))?,
            Format::Text => {
                anstream::println!(
                    "{}; the log does not have it. Hand it to a gate, which obeys at once and tells the log:",
                    good("signed")
                );
                anstream::println!("  {}", to_a_gate(&file));
            }
        }
        Ok(Exit::Done)
    }
}

/// Writes a stop where the person finds it, before or without sending it.
pub fn keep(
    memory: &Memory,
    statement: &Statement,
    envelope: &Envelope,
    blobs: &[Vec<u8>],
) -> Result<PathBuf, CliError> {
    let short: String = envelope.payload_digest().hex().chars().take(12).collect();
    let folder = memory.folder().join(STOPS);
    let path = folder.join(format!("{}-{short}.json", statement.body.kind()));
    let text = serde_json::to_string(&Submit::new(envelope, blobs)).map_err(std::io::Error::from);
    let written = text.and_then(|text| {
        fs::create_dir_all(&folder)?;
        durable::replace(&path, text)
    });
    written.map_err(|e| CliError::new("cannot-write", format!("cannot write {}: {e}", path.display())))?;
    Ok(path)
}

/// Where no server answers, a stop is signed by a copy of the log, and handed to a gate.
pub fn or_by_a_copy(mut error: CliError, command: &str) -> CliError {
    if error.code == "unreachable" {
        let own = format!(
            "no server is needed to stop something: {command} signs by a verified copy of the log (of `countersign follow --into \
             DIR`, or the one that `countersign gate status REPO` names) and says how a gate gets it"
        );
        error.hint = Some(error.hint.map_or_else(|| own.clone(), |hint| format!("{hint}\n{own}")));
    }
    error
}

/// How a stop reaches a gate without any server.
pub fn to_a_gate(kept: &Path) -> String {
    format!("where a gate is: countersign gate stop REPO --statement {}", word(kept))
}
