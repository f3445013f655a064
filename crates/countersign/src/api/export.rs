//! The whole log as a tar archive in the layout of C2SP tlog-tiles, with the blobs beside it. It is made file by file while
//! it is sent, so that its size does not matter.

use std::{collections::HashSet, io, sync::Arc};

use axum::body::Bytes;
use countersign_ledger::{
    Digest,
    tile::{TileKind, TilePath, parse_entry_bundle},
};
use tokio::sync::mpsc;
use tokio_stream::{Stream, wrappers::ReceiverStream};

use crate::{
    engine::{Engine, EngineError, Head, OwnLeaf, tile_paths},
    records,
};

/// Files that wait to be sent.
const QUEUE: usize = 4;
/// A tar archive is made of blocks.
const BLOCK: usize = 512;

type Sender = mpsc::Sender<io::Result<Bytes>>;

/// What was sent: statements name the same files again and again, and an archive that has a name twice is refused. A digest of each
/// is all that is kept.
type Sent = HashSet<Digest>;

/// The archive's bytes, as they come.
pub fn archive(engine: Arc<Engine>, head: Head) -> impl Stream<Item = io::Result<Bytes>> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        let end = match send_all(&engine, &sender, &head).await {
            // Two empty blocks end an archive.
            Ok(()) => Ok(Bytes::from(vec![0; 2 * BLOCK])),
            Err(error) => {
                tracing::error!(%error, "an export broke off");
                Err(io::Error::other("the export broke off"))
            }
        };
        // Whoever asked may have gone away.
        drop(sender.send(end).await);
    });
    ReceiverStream::new(receiver)
}

async fn send_all(engine: &Engine, sender: &Sender, head: &Head) -> Result<(), EngineError> {
    send(sender, "checkpoint", head.note.clone().into_bytes()).await;
    if let Some(cosigned) = engine.cosigned().filter(|cosigned| cosigned.checkpoint().size <= head.noted) {
        send(sender, "cosigned", cosigned.to_note().into_bytes()).await;
    }
    let mut sent = Sent::default();
    for path in tile_paths(head.noted) {
        if sender.is_closed() {
            return Ok(());
        }
        let tile = engine.tile(&path).await?;
        let tile = tile.ok_or_else(|| EngineError::damaged("a tile", format!("{path} is missing")))?;
        if path.kind == TileKind::Entries {
            send_blobs(engine, sender, &path, &tile, &mut sent).await?;
        }
        send(sender, &path.to_string(), tile).await;
    }
    Ok(())
}

/// The blobs that the leaves of an entry bundle name, as far as they are still there.
async fn send_blobs(
    engine: &Engine,
    sender: &Sender,
    path: &TilePath,
    tile: &[u8],
    sent: &mut Sent,
) -> Result<(), EngineError> {
    let leaves = parse_entry_bundle(tile).map_err(|e| EngineError::damaged("a tile", format!("{path}: {e}")))?;
    for bytes in leaves {
        let entry = OwnLeaf::read(&bytes)?;
        let blobs =
            records::all_named(engine.store(), std::iter::once(entry.said())).await.map_err(EngineError::from)?;
        for (digest, blob) in blobs {
            if !sent.insert(digest) {
                continue;
            }
            send(sender, &format!("blobs/{}", digest.hex()), blob).await;
        }
    }
    Ok(())
}

/// One file, with a fixed time and owner, so that the same log gives the same bytes.
async fn send(sender: &Sender, name: &str, bytes: Vec<u8>) {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    // Our names are short and without anything that a header could not hold.
    let piece = match header.set_path(name) {
        Ok(()) => {
            header.set_cksum();
            let padding = bytes.len().next_multiple_of(BLOCK) - bytes.len();
            let mut piece = Vec::with_capacity(BLOCK + bytes.len() + padding);
            piece.extend_from_slice(header.as_bytes());
            piece.extend_from_slice(&bytes);
            piece.resize(piece.len() + padding, 0);
            Ok(Bytes::from(piece))
        }
        Err(error) => Err(error),
    };
    drop(sender.send(piece).await);
}
