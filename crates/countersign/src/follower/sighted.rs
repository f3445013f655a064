//! What this copy saw later than the log dates it, beside the copy: what waits is counted from then, and what loosens is not believed to have
//! waited.

use std::{fs, io, path::Path};

use countersign_core::{
    ids::ChangeId,
    sight::Sights,
    statement::{Body, Statement, governance_stream},
};
use countersign_ledger::{Leaf, Time};
use serde::{Deserialize, Serialize};

use super::{FollowError, Follower, io_error};
use crate::durable;

const SIGHTED: &str = "sighted.json";

/// What is kept.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sighted {
    sights: Sights,
    /// How long what loosens waited, the longest of it while something was seen late.
    #[serde(default)]
    wait_secs: u32,
    /// Until then what was published since has not waited as it should have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Time>,
}

impl Sighted {
    fn read(folder: &Path) -> Result<Self, FollowError> {
        let path = folder.join(SIGHTED);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| io_error("read", &path, io::Error::new(io::ErrorKind::InvalidData, error))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(io_error("read", &path, source)),
        }
    }

    fn write(&self, folder: &Path) -> Result<(), FollowError> {
        let path = folder.join(SIGHTED);
        let bytes = serde_json::to_vec(self).map_err(io::Error::from);
        bytes.and_then(|bytes| durable::replace(&path, bytes)).map_err(|source| io_error("write", &path, source))
    }
}

impl Follower {
    /// What this copy saw later than it is dated.
    pub fn sights(&self) -> Result<Sights, FollowError> {
        Ok(Sighted::read(self.folder())?.sights)
    }

    /// Until when nothing goes, since what governs was loosened without the wait that it takes.
    pub fn distrusts_until(&self) -> Result<Option<Time>, FollowError> {
        Ok(Sighted::read(self.folder())?.until)
    }

    /// Looks at the first of the leaves that are new, before any of them counts.
    pub(super) fn sight(&self, first: Time, wait_secs: u32) -> Result<(), FollowError> {
        let Some(followed) = Self::followed_in(self.folder()) else { return Ok(()) };
        let mut sighted = Sighted::read(self.folder())?;
        if !sighted.sights.first_of(first, followed) {
            return Ok(());
        }
        sighted.wait_secs = sighted.wait_secs.max(wait_secs);
        tracing::warn!(
            dated = %first, %followed,
            "the log dates leaves before this copy last followed it, which did not have them then: what waits is counted from then"
        );
        sighted.write(self.folder())
    }

    /// Looks at what was published since: by what headers say it has waited long enough.
    pub(super) async fn distrust(&self) -> Result<(), FollowError> {
        let mut sighted = Sighted::read(self.folder())?;
        if sighted.sights.is_empty() {
            return Ok(());
        }
        let (mut until, wait_secs) = (sighted.until, sighted.wait_secs);
        for (at, change) in self.publications().await? {
            let since = sighted.sights.iter().filter(|sight| sight.from <= at);
            let ends = since.map(|sight| sight.not_before.plus_secs(wait_secs.into())).filter(|end| at < *end).max();
            if ends > until && self.loosens(change.as_ref()).await? {
                until = ends;
            }
        }
        if until != sighted.until {
            sighted.until = until;
            sighted.write(self.folder())?;
        }
        Ok(())
    }

    /// Whether a publication does, as far as is known.
    async fn loosens(&self, change: Option<&ChangeId>) -> Result<bool, FollowError> {
        let Some(change) = change else { return Ok(true) };
        let change = self.change(change).await?;
        Ok(change.and_then(|change| change.current().and_then(|revision| revision.loosens)).unwrap_or(true))
    }

    /// What was published, and when by its header.
    async fn publications(&self) -> Result<Vec<(Time, Option<ChangeId>)>, FollowError> {
        let (stream, mut from, mut all) = (governance_stream()?, 0, Vec::new());
        loop {
            let page = self.store().stream(&stream, from).await.map_err(|e| self.failed(e))?;
            if page.is_empty() {
                return Ok(all);
            }
            from += page.len() as u64;
            for (_, bytes) in &page {
                let Ok(leaf) = Leaf::parse(bytes) else { continue };
                let Ok(statement) = Statement::parse(leaf.envelope.payload()) else { continue };
                if let Body::Publication(said) = statement.body {
                    all.push((leaf.admitted_at, said.change.map(|of| of.id)));
                }
            }
        }
    }
}
