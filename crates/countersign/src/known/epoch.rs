//! Epochs of a log, as whoever stands in front of it meets them. A log that has lost leaves is taken for the same one only where
//! the recovery quorum began an epoch that was not known here, behind leaves that were: the whole log is followed afresh for
//! that, from the pinned genesis on, and nothing of the server's word is believed.

use countersign_core::{
    governance::Governance,
    statement::{Body, Epoch, Statement},
    trust::Trust,
};
use countersign_ledger::{Hash, Leaf, Time, checkpoint::Checkpoint, tree};
use tokio::runtime::Builder;

use super::KnownError;
use crate::{
    client::Client,
    follower::{Access, FollowError, Follower, source::Source},
    memory::{Memory, Seen},
    wire::EpochHint,
};

/// That a log went back, and that a quorum said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEpoch {
    pub number: u32,
    /// How many leaves the log was restored with.
    pub after: u64,
    /// How many this machine had seen.
    pub seen: u64,
    /// Who signed that.
    pub by: Vec<String>,
}

/// The statement that begins an epoch, in its leaf, if it is there under the checkpoint.
pub(super) fn begun(
    client: &Client,
    checkpoint: &Checkpoint,
    hint: &EpochHint,
) -> Result<Option<(Epoch, Leaf)>, KnownError> {
    if hint.leaf >= checkpoint.size {
        return Ok(None);
    }
    let bytes = client.leaf(hint.leaf)?;
    let proof = client.inclusion(hint.leaf, checkpoint.size)?;
    let included = tree::verify_inclusion(&Hash::leaf(&bytes), hint.leaf, checkpoint.size, &proof, &checkpoint.root);
    let Ok(leaf) = Leaf::parse(&bytes) else { return Ok(None) };
    let body = Statement::parse(leaf.envelope.payload()).map(|statement| statement.body);
    match (included, body) {
        (Ok(()), Ok(Body::Epoch(epoch))) if epoch.number == hint.number && epoch.after.size == hint.leaf => {
            Ok(Some((epoch, leaf)))
        }
        _ => Ok(None),
    }
}

/// Looks whether a log that contradicts what was seen was restored, and a quorum began a new epoch in it; then that is
/// remembered in the place of what was seen, which is kept beside.
pub(super) fn across_a_cut(
    client: &Client,
    trust: &Trust,
    memory: &Memory,
    now: Time,
) -> Result<Option<(Checkpoint, NewEpoch)>, KnownError> {
    let Some(seen) = memory.seen()?.filter(|seen| seen.genesis == trust.genesis) else { return Ok(None) };
    let hints = client.epochs()?;
    if !hints.iter().any(|hint| hint.number > seen.epoch && hint.leaf <= seen.size) {
        return Ok(None);
    }
    let afresh = match followed(client, trust, now) {
        Ok(followed) => followed,
        Err(error) => {
            tracing::warn!(%error, "the log says that it was restored, and what it shows does not hold");
            return Ok(None);
        }
    };
    let epochs = &afresh.governance.record.epochs;
    let is_new = epochs.iter().find(|epoch| epoch.number > seen.epoch && epoch.after.size <= seen.size);
    let (Some(cut), Some(last)) = (is_new, epochs.last()) else { return Ok(None) };
    let hint = EpochHint { number: cut.number, leaf: cut.after.size };
    let Some((_, leaf)) = begun(client, &afresh.checkpoint, &hint)? else { return Ok(None) };
    let by = leaf
        .envelope
        .named_keys()
        .filter_map(|key| afresh.governance.catalog.actor_by_key(&key.fingerprint()).map(|actor| actor.id.to_string()));
    let began = NewEpoch { number: cut.number, after: cut.after.size, seen: seen.size, by: by.collect() };
    let now = Seen { epoch: last.number, ..Seen::new(&afresh.checkpoint, trust.genesis, &afresh.note) };
    memory.goes_on_behind_a_cut(&seen, &now, cut.number)?;
    Ok(Some((afresh.checkpoint, began)))
}

/// A whole log, every leaf of it checked.
struct Afresh {
    checkpoint: Checkpoint,
    note: String,
    governance: std::sync::Arc<Governance>,
}

fn followed(client: &Client, trust: &Trust, now: Time) -> Result<Afresh, FollowError> {
    let failed = |source| FollowError::Io { operation: "make a folder in", path: std::env::temp_dir(), source };
    let folder = tempfile::tempdir().map_err(failed)?;
    let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let trust = Trust { checkpoint: None, ..trust.clone() };
    runtime.block_on(async {
        let follower = Follower::open(folder.path(), &trust, Access::Owner).await?;
        let followed = follower.follow(&mut Source::Server(client.clone()), now).await?;
        let governance = follower.governance().await?;
        follower.close().await?;
        Ok(Afresh { checkpoint: followed.checkpoint, note: followed.note, governance })
    })
}
