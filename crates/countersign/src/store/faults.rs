//! Faults for tests: a commit that fails at one of its steps, refusing, or having done it. A store that is opened without them
//! has none.

use std::{fmt, io, sync::Arc};

/// The steps of a commit, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The transaction is begun, and the head read.
    Begin,
    /// What the submissions bear on is looked up.
    Look,
    /// Leaves, tiles, blobs and projections are written.
    Rows,
    /// The head is written, with its checkpoint.
    Head,
    Commit,
}

impl Step {
    pub const ALL: [Self; 5] = [Self::Begin, Self::Look, Self::Rows, Self::Head, Self::Commit];
}

/// On which side of a step it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It is refused.
    Before,
    /// It was done, and then failed.
    After,
}

/// Which step fails now, if any.
pub type Fault = dyn Fn(Step, Side) -> bool + Send + Sync;

/// What the database is told before a commit, if anything: it then fails by itself, as on a disk that is full or read-only.
pub type Told = dyn Fn() -> Option<&'static str> + Send + Sync;

#[derive(Clone, Default)]
pub struct Faults {
    fault: Option<Arc<Fault>>,
    told: Option<Arc<Told>>,
}

impl Faults {
    pub fn new(fault: impl Fn(Step, Side) -> bool + Send + Sync + 'static) -> Self {
        Self { fault: Some(Arc::new(fault)), told: None }
    }

    /// Faults of the database's own.
    pub fn telling(told: impl Fn() -> Option<&'static str> + Send + Sync + 'static) -> Self {
        Self { fault: None, told: Some(Arc::new(told)) }
    }

    pub(super) fn told(&self) -> Option<&'static str> {
        self.told.as_ref().and_then(|told| told())
    }

    pub(super) fn at(&self, step: Step, side: Side) -> Result<(), sqlx::Error> {
        match &self.fault {
            Some(fault) if fault(step, side) => Err(sqlx::Error::Io(io::Error::other("the disk is on fire"))),
            Some(_) | None => Ok(()),
        }
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.fault.is_some() || self.told.is_some() { "faults" } else { "none" })
    }
}
