//! What a change brings, piece by piece: each path with what will be there. A rejection is of all of them together, and so it
//! stands over whatever brings them again among others.
//!
//! A piece is kept as the first eight bytes of a digest: a change of twenty thousand paths is asked about by whoever judges the
//! next one. Two pieces that look alike could hold a change that brings nothing of what was rejected, never let one through.

use std::collections::BTreeSet;

use countersign_ledger::Digest;
use serde::{Deserialize, Serialize};

use crate::{
    facts::{GitFacts, RuledPath},
    subject::Subject,
};

const HEADING: &str = "countersign-piece/v1\n";
/// Of a path whatever will be there: no digest and no mode.
const ANYTHING: &str = "*";
/// So many of what was rejected are remembered, whichever these are: who leaves out others brings it all the same.
const MAX_REMEMBERED: usize = 64;
/// Hexadecimal digits of one.
const DIGITS: usize = 16;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pieces(BTreeSet<u64>);

impl Pieces {
    pub(crate) fn of(subject: &Subject, facts: Option<&GitFacts>) -> Self {
        let pieces = match (subject, facts) {
            (Subject::Git(_), Some(facts)) => {
                let after =
                    |entry: Option<&crate::facts::Entry>| entry.map_or_else(|| "-".to_owned(), ToString::to_string);
                facts.paths.iter().map(|path| piece(&after(path.new.as_ref()), &path.path)).collect()
            }
            (Subject::Files(files), _) => {
                files.files.iter().map(|(name, digest)| piece(&digest.to_string(), name)).collect()
            }
            // Whoever has the list alone does not know what it replaces.
            (Subject::Git(_), None) | (Subject::Governance(_), _) => BTreeSet::new(),
        };
        Self(pieces)
    }

    /// The places alone of what is brought, whatever comes there.
    pub(crate) fn places(subject: &Subject, paths: Option<&[RuledPath]>) -> Self {
        Self(named(subject, paths).into_iter().map(|path| piece(ANYTHING, path)).collect())
    }

    /// Which of these paths are among the places.
    pub(crate) fn touch<'a>(&self, subject: &'a Subject, paths: Option<&'a [RuledPath]>) -> Vec<&'a str> {
        named(subject, paths).into_iter().filter(|path| self.0.contains(&piece(ANYTHING, path))).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is remembered of these where they were rejected.
    pub(crate) fn remembered(&self) -> Self {
        Self(self.0.iter().take(MAX_REMEMBERED).copied().collect())
    }

    /// Whether all of these are among others. Of nothing nobody can say so.
    pub fn are_among(&self, others: &Self) -> bool {
        !self.0.is_empty() && self.0.is_subset(&others.0)
    }

    /// What is left to bring once others have landed.
    pub(crate) fn landed(&mut self, others: &Self) {
        self.0.retain(|piece| !others.0.contains(piece));
    }
}

/// What is touched itself. Of what governs and of too many paths to keep nobody knows it here.
fn named<'a>(subject: &'a Subject, paths: Option<&'a [RuledPath]>) -> Vec<&'a str> {
    match subject {
        Subject::Git(_) => {
            paths.into_iter().flatten().filter(|path| !path.led).map(|path| path.path.as_str()).collect()
        }
        Subject::Files(files) => files.files.keys().map(String::as_str).collect(),
        Subject::Governance(_) => Vec::new(),
    }
}

fn piece(after: &str, path: &str) -> u64 {
    let digest = Digest::of(format!("{HEADING}{after}\t{path}"));
    u64::from_str_radix(digest.hex().get(..DIGITS).unwrap_or_default(), 16).unwrap_or_default()
}

impl From<Pieces> for String {
    fn from(pieces: Pieces) -> Self {
        pieces.0.iter().map(|piece| format!("{piece:016x}")).collect()
    }
}

impl TryFrom<String> for Pieces {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let one = |digits: &[u8]| {
            let digits = std::str::from_utf8(digits).map_err(|e| e.to_string())?;
            u64::from_str_radix(digits, 16).map_err(|e| e.to_string())
        };
        let pieces = Self(text.as_bytes().chunks(DIGITS).map(one).collect::<Result<_, _>>()?);
        if String::from(pieces.clone()) == text {
            Ok(pieces)
        } else {
            Err("pieces are sixteen digits each, in order".to_owned())
        }
    }
}
