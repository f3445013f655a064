//! How those outside of the server stand to what it shows, in words for people and in fields for programs.

use countersign_core::trust::{Trust, Vouching};
use countersign_ledger::{Cosignature, SignedCheckpoint, Time, cosignature::Quorum};
use serde::Serialize;

use crate::wire::rfc3339;

/// What vouches for a log, as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outside {
    /// Whether enough cosigners vouch, lately enough; absent where none are pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enough: Option<bool>,
    /// One line.
    pub words: String,
    /// How many leaves of the log they have cosigned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    pub cosigned: Vec<Line>,
    /// Plain witnesses, which check consistency alone. They count for nothing here.
    pub witnessed: Vec<Line>,
}

/// One cosignature that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Who runs the cosigner; absent for a plain witness.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    pub name: String,
    pub at: String,
    pub age_secs: i64,
}

impl Outside {
    /// What vouches for a log whose newest cosigned checkpoint this is, where cosignatures may be so old.
    pub fn of(trust: &Trust, note: Option<&SignedCheckpoint>, now: Time, max_age_secs: i64) -> Self {
        let max_age = u64::try_from(max_age_secs).unwrap_or(0);
        let vouching = trust.vouching(note, now, max_age);
        let cosigners = || trust.cosigners.iter().flat_map(Quorum::cosigners);
        let keys: Vec<_> = cosigners().map(|cosigner| cosigner.key.clone()).collect();
        let lines = note.map(|note| note.cosignatures(&keys)).unwrap_or_default();
        let operator = |line: &Cosignature| {
            cosigners().find(|cosigner| cosigner.key == *line.key()).map(|cosigner| cosigner.operator.clone())
        };
        let cosigned = lines.iter().map(|line| Line::of(line, operator(line), now)).collect();
        let witnessed = note.map(|note| trust.witnessed(note)).unwrap_or_default();
        Self {
            enough: match &vouching {
                Vouching::Nobody => None,
                Vouching::Enough { .. } => Some(true),
                Vouching::Short(_) => Some(false),
            },
            words: words(&vouching, now),
            size: note.map(|note| note.checkpoint().size),
            cosigned,
            witnessed: witnessed.iter().map(|line| Line::of(line, None, now)).collect(),
        }
    }

    /// Everybody who cosigned, and when: a line each.
    pub fn lines(&self) -> Vec<String> {
        let told = |line: &Line| match &line.operator {
            Some(operator) => format!("{} of {operator} cosigned at {}", line.name, line.at),
            None => format!("{}, a plain witness, cosigned at {}: it counts for nothing here", line.name, line.at),
        };
        self.cosigned.iter().chain(&self.witnessed).map(told).collect()
    }

    /// What plain witnesses say, in one line; `None` where there are none.
    pub fn witnesses(&self) -> Option<String> {
        let lines: Vec<String> = self.witnessed.iter().map(Line::words).collect();
        (!lines.is_empty()).then(|| format!("plain witnesses, which count for nothing here: {}", lines.join(", ")))
    }
}

impl Line {
    fn of(line: &Cosignature, operator: Option<String>, now: Time) -> Self {
        let at = Time::from_unix_secs(i64::try_from(line.time_secs()).unwrap_or(i64::MAX));
        Self { operator, name: line.name().to_owned(), at: rfc3339(at), age_secs: now.secs_since(at) }
    }

    fn words(&self) -> String {
        let Self { operator, name, at: _, age_secs } = self;
        match operator {
            Some(operator) => format!("{name} of {operator} {age_secs} s ago"),
            None => format!("{name} {age_secs} s ago"),
        }
    }
}

fn words(vouching: &Vouching, now: Time) -> String {
    match vouching {
        Vouching::Nobody => {
            "nobody outside of the server vouches that this log does not stand still: trust.json names no cosigners"
                .to_owned()
        }
        Vouching::Enough { counted, operators } => {
            let of = |operator: &str, line: &Cosignature| Line::of(line, Some(operator.to_owned()), now).words();
            let by: Vec<String> = counted.iter().map(|line| of(&line.operator, &line.cosignature)).collect();
            format!("{} of {operators} followers cosigned: {}", by.len(), by.join(", "))
        }
        Vouching::Short(error) => format!("not vouched for: {error}"),
    }
}
