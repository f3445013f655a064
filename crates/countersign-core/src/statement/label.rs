//! Labels: words out of a small alphabet that somebody puts on a change, or takes off it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::RevisionRef;
use crate::ids::{ChangeId, Label};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labelling {
    pub act: LabelAct,
    pub change: ChangeId,
    pub labels: BTreeSet<Label>,
    /// At which revision: what is put on stands at later ones, too.
    pub revision: RevisionRef,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelAct {
    PutOn,
    TakeOff,
}
