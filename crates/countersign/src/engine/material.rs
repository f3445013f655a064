//! Material of changes: taken only where a signed statement names it, handed out as it lies there, gone with the text of its
//! change.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
};

use countersign_core::{
    change::{Change, Revision},
    facts::GitFacts,
    ids::{ChangeId, Oid},
    refusal::Refusal,
    statement::{Erased, Erasure},
};

use super::{Engine, EngineError};
use crate::{
    material::{MAX_OBJECT_BYTES, Naming, objects, shelf::Shelf, touched},
    records, store,
    wire::{Material, Wanted},
};

/// Where material is kept, if it is.
#[derive(Debug, Default)]
pub(super) struct Place {
    shelf: Option<Arc<Shelf>>,
    /// Held while something is put there or taken away, so that nothing comes after what was erased.
    turn: tokio::sync::Mutex<()>,
}

impl Engine {
    /// The same engine, keeping material here.
    #[must_use]
    pub fn keeping(mut self, shelf: Shelf) -> Self {
        self.material.shelf = Some(Arc::new(shelf));
        self
    }

    /// What of the present revision's material is not here.
    pub async fn wanted(&self, change: &Change) -> Result<Wanted, EngineError> {
        let shelf = self.shelf()?;
        let (id, bounds) = (change.id.clone(), shelf.bounds());
        let (here, room) = on_disk(&shelf, move |shelf| Ok((shelf.ids(&id)?, shelf.room(&id)?))).await?;
        let named = match self.takes(change).await {
            Ok(revision) => self.named(revision).await?.1,
            // Nothing is asked for, and who gives it all the same is told why.
            Err(EngineError::Refused(_)) => BTreeSet::new(),
            Err(error) => return Err(error),
        };
        let here: BTreeMap<Oid, u64> = here.into_iter().collect();
        let room_bytes = left(bounds.limit_bytes(), &named, &here).min(room);
        let wanted = named.into_iter().filter(|id| !here.contains_key(id)).collect();
        Ok(Wanted { limit_bytes: bounds.limit_bytes(), room_bytes, keep_days: bounds.keep_days, wanted })
    }

    /// Keeps contents that the present revision of a change names.
    pub async fn give(&self, change: &ChangeId, contents: BTreeMap<Oid, Vec<u8>>) -> Result<(), EngineError> {
        let shelf = self.shelf()?;
        let _turn = self.material.turn.lock().await;
        let change = self.change(change).await?;
        let change = change.ok_or_else(|| Refusal::unknown("unknown-change", "there is no such change"))?;
        let (naming, named) = self.named(self.takes(&change).await?).await?;
        let (limit, of) = (shelf.bounds().limit_bytes(), change.id.clone());
        let refused = on_disk(&shelf, move |shelf| {
            let here: BTreeMap<Oid, u64> = shelf.ids(&of)?.into_iter().collect();
            let mut room = left(limit, &named, &here).min(shelf.room(&of)?);
            for (id, bytes) in contents.iter().filter(|(id, _)| !here.contains_key(*id)) {
                if !named.contains(id) {
                    return Ok(Some(not_named(id)));
                }
                if let Err(unfit) = naming.check(id, bytes) {
                    return Ok(Some(Refusal::malformed("another-content", format!("content {id}: {unfit}"))));
                }
                let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                if size > room.min(MAX_OBJECT_BYTES) {
                    return Ok(Some(too_much(limit)));
                }
                room = room.saturating_sub(size);
                shelf.put(&of, id, bytes)?;
            }
            Ok(None)
        })
        .await?;
        refused.map_or(Ok(()), |refusal| Err(refusal.into()))
    }

    /// A page of what is here of a change. It is for whoever shows it to compare it with what was signed.
    pub async fn material(&self, change: &ChangeId, after: Option<Oid>) -> Result<Material, EngineError> {
        let (shelf, change) = (self.shelf()?, change.clone());
        on_disk(&shelf, move |shelf| {
            let (contents, next) = shelf.page(&change, after.as_ref())?;
            Ok(Material::of(contents.iter().map(|(id, bytes)| (id, bytes.as_slice())), next))
        })
        .await
    }

    /// Takes away what goes with an erasure that is in the log.
    pub(super) async fn erase_material(&self, erasure: &Erasure) -> Result<(), EngineError> {
        match &erasure.of {
            Erased::Change(change) if self.material.shelf.is_some() => self.tidy_material(change).await,
            Erased::Change(_) | Erased::Person(_) => Ok(()),
        }
    }

    /// Takes away what has been here for too long, what belongs to no change, and what was erased when the server ended before
    /// this went, too.
    pub async fn tidy_all_material(&self) -> Result<(), EngineError> {
        let Some(shelf) = self.material.shelf.clone() else { return Ok(()) };
        for change in on_disk(&shelf, Shelf::changes).await? {
            self.tidy_material(&change).await?;
        }
        Ok(())
    }

    async fn tidy_material(&self, id: &ChangeId) -> Result<(), EngineError> {
        // Also where nothing new is kept any more.
        let Some(shelf) = self.material.shelf.clone() else { return Ok(()) };
        let _turn = self.material.turn.lock().await;
        let change = records::change(&*self.store, id).await?;
        let has_text = match change.as_ref().and_then(Change::current) {
            Some(revision) => self.has_text(revision).await?,
            None => false,
        };
        let (id, now) = (id.clone(), self.clock.shown());
        on_disk(&shelf, move |shelf| if !has_text || shelf.is_over(&id, now)? { shelf.remove(&id) } else { Ok(()) })
            .await
    }

    fn shelf(&self) -> Result<Arc<Shelf>, Refusal> {
        let shelf = self.material.shelf.as_ref().filter(|shelf| shelf.bounds().limit_mib > 0);
        shelf.cloned().ok_or_else(|| {
            Refusal::unknown("no-material", "this server keeps no contents for reviewers")
                .hint("they look at their own clone or copy: --git REPO, --file PATH")
        })
    }

    /// The revision of which material is taken.
    async fn takes<'a>(&self, change: &'a Change) -> Result<&'a Revision, EngineError> {
        let closed = |why: &str| Refusal::conflict("material-closed", format!("change {} {why}", change.id));
        match change.current() {
            Some(_) if !change.status.is_open() => Err(closed("is not open any more").into()),
            Some(revision) if self.has_text(revision).await? => Ok(revision),
            Some(_) | None => Err(closed("was erased").into()),
        }
    }

    async fn has_text(&self, revision: &Revision) -> Result<bool, EngineError> {
        Ok(store::blob(&*self.store, &revision.text).await?.is_some())
    }

    /// The contents that a revision names.
    async fn named(&self, revision: &Revision) -> Result<(Naming, BTreeSet<Oid>), EngineError> {
        let facts = match &revision.facts {
            Some(digest) => store::blob(&*self.store, digest).await?.as_deref().map(GitFacts::parse).transpose()?,
            None => None,
        };
        Ok((Naming::of(&revision.subject), objects(&touched(&revision.subject, facts.as_ref()))))
    }
}

/// How many bytes of a revision may still come.
fn left(limit: u64, named: &BTreeSet<Oid>, here: &BTreeMap<Oid, u64>) -> u64 {
    let of_this = here.iter().filter(|(id, _)| named.contains(*id)).map(|(_, size)| size);
    limit.saturating_sub(of_this.sum())
}

fn not_named(id: &Oid) -> Refusal {
    Refusal::forbidden("not-named", format!("the present revision of this change names no content {id}"))
        .hint("a server keeps only what a signed statement names")
}

fn too_much(limit: u64) -> Refusal {
    Refusal::conflict("material-full", format!("this server keeps {limit} bytes of a revision's contents"))
        .hint("reviewers fetch the rest, and look at it with --git REPO or --file PATH; `material:` in countersign.yaml says how much is kept")
}

/// Files are read and written where that holds nobody up.
async fn on_disk<T: Send + 'static>(
    shelf: &Arc<Shelf>,
    work: impl FnOnce(&Shelf) -> io::Result<T> + Send + 'static,
) -> Result<T, EngineError> {
    let shelf = Arc::clone(shelf);
    let done = tokio::task::spawn_blocking(move || work(&shelf)).await.map_err(io::Error::other);
    done.and_then(|done| done).map_err(EngineError::Material)
}
