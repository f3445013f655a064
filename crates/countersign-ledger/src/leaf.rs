//! Leaves: the log's header and, verbatim, the client's envelope.
//!
//! The byte format is frozen; golden bytes in the tests say so. It is text up to the envelope, so that an auditor can
//! read a leaf with `less`:
//!
//! ```text
//! countersign-leaf/v1
//! change/9f2c4e6a81d09f2c4e6a81d09f2c4e6a 3 5b1e…    a stream, the leaf's sequence number in it (from 0), and the leaf
//! target/checkout/production 41 77aa…                hash of the one before it there (64 zeros for the first)
//! 1774000000000                                      admitted at, milliseconds since the Unix epoch
//!                                                    (empty line)
//! {"payloadType":…}                                  the DSSE envelope, verbatim, to the end
//! ```
//!
//! A leaf stands in 1 to 64 streams. The first is its home; the others follow in the order of their names, none twice.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    digest::Hash,
    dsse::{Envelope, EnvelopeError},
    time::Time,
};

const MAGIC: &str = "countersign-leaf/v1";

/// A tlog-tiles entry bundle stores lengths as 16 bits.
pub const MAX_LEAF_BYTES: usize = 65_534;

/// How many streams a leaf stands in at the most.
pub const MAX_LINES: usize = 64;

const MAX_STREAM_BYTES: usize = 200;

/// What a stream's name may begin with. Only `governance` stands alone.
pub const FIRST_WORDS: [&str; 9] =
    ["governance", "change", "target", "person", "gate", "finding", "unit", "campaign", "incident"];

#[derive(Debug, Error, PartialEq, Eq)]
pub enum LeafError {
    #[error("the leaf has {0} bytes, more than {MAX_LEAF_BYTES}")]
    TooLarge(usize),
    #[error("the leaf's header is malformed: {0}")]
    Header(&'static str),
    #[error(
        "`{found}` is not a stream name: one of {}, then parts of lower-case letters, digits, `-`, `_` and `.` after `/`, at \
         most {MAX_STREAM_BYTES} bytes",
        FIRST_WORDS.join(", ")
    )]
    Stream { found: String },
    #[error("a leaf stands in 1 to {MAX_LINES} streams, each once, not in {0}")]
    Lines(usize),
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
}

/// The name of a stream: `governance`, `change/<id>`, `target/<system>/<environment>`. Which leaves belong into it is not
/// the ledger's to say; only the grammar of the names is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamId(String);

impl StreamId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StreamId {
    type Err = LeafError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if s.len() <= MAX_STREAM_BYTES && is_stream_name(s) {
            Ok(Self(s.to_owned()))
        } else {
            Err(LeafError::Stream { found: s.chars().take(MAX_STREAM_BYTES).collect() })
        }
    }
}

fn is_stream_name(s: &str) -> bool {
    let part = |part: &str| {
        let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
        // Never `.` or `..`: a stream may become a path.
        part.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric()) && part.bytes().all(allowed)
    };
    match s.split_once('/') {
        None => s == "governance",
        Some((first, rest)) => first != "governance" && FIRST_WORDS.contains(&first) && rest.split('/').all(part),
    }
}

impl TryFrom<String> for StreamId {
    type Error = LeafError;

    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl From<StreamId> for String {
    fn from(stream: StreamId) -> Self {
        stream.0
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a stream stands: how many leaves it has and the hash of the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamHead {
    /// Leaf hash of the last leaf; zeros for an empty stream.
    pub last: Hash,
    /// The sequence number that the next leaf will have.
    pub next_seq: u64,
}

impl StreamHead {
    pub const EMPTY: Self = Self { next_seq: 0, last: Hash::from_bytes([0; 32]) };
}

/// A leaf's place in one of its streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub stream: StreamId,
    /// From 0.
    pub seq: u64,
    /// Leaf hash of the stream's previous leaf; zeros for the first.
    pub prev: Hash,
}

impl Line {
    /// The place after a stream's head.
    pub fn after(stream: StreamId, head: StreamHead) -> Self {
        Self { stream, seq: head.next_seq, prev: head.last }
    }

    fn parse(text: &str) -> Result<Self, LeafError> {
        let mut words = text.split(' ');
        let (Some(stream), Some(seq), Some(prev), None) = (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(LeafError::Header("a stream's line has a name, a sequence number and a hash"));
        };
        Ok(Self {
            stream: stream.parse()?,
            seq: canonical_number(seq, "the sequence number")?,
            prev: prev.parse().map_err(|_| LeafError::Header("the previous leaf's hash"))?,
        })
    }
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    lines: Vec<Line>,
    pub admitted_at: Time,
    pub envelope: Envelope,
}

impl Leaf {
    /// A leaf in the streams of `lines`, the first of which is its home.
    pub fn new(lines: Vec<Line>, admitted_at: Time, envelope: Envelope) -> Result<Self, LeafError> {
        let distinct: BTreeSet<&StreamId> = lines.iter().map(|line| &line.stream).collect();
        if lines.is_empty() || lines.len() > MAX_LINES || distinct.len() != lines.len() {
            return Err(LeafError::Lines(lines.len()));
        }
        if !lines.iter().skip(1).is_sorted_by_key(|line| &line.stream) {
            return Err(LeafError::Header("the streams after the first stand in the order of their names"));
        }
        Ok(Self { lines, admitted_at, envelope })
    }

    /// The streams that the leaf stands in, its home first. Never empty.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = format!("{MAGIC}\n");
        for line in &self.lines {
            out.push_str(&format!("{} {} {}\n", line.stream, line.seq, line.prev));
        }
        out.push_str(&format!("{}\n\n", self.admitted_at.unix_millis()));
        let mut out = out.into_bytes();
        out.extend_from_slice(self.envelope.raw());
        out
    }

    /// Parses the one spelling that [`Leaf::to_bytes`] writes; anything else is an error.
    pub fn parse(bytes: &[u8]) -> Result<Self, LeafError> {
        if bytes.len() > MAX_LEAF_BYTES {
            return Err(LeafError::TooLarge(bytes.len()));
        }
        let mut rest = bytes;
        if next_line(&mut rest)? != MAGIC {
            return Err(LeafError::Header("it does not start with `countersign-leaf/v1`"));
        }
        let mut lines = Vec::new();
        let time = loop {
            let text = next_line(&mut rest)?;
            // Only a stream's line has a space.
            if !text.contains(' ') {
                break text;
            }
            if lines.len() == MAX_LINES {
                return Err(LeafError::Lines(MAX_LINES.saturating_add(1)));
            }
            lines.push(Line::parse(text)?);
        };
        let admitted_at = canonical_number(time, "the time of admission")?;
        if !next_line(&mut rest)?.is_empty() {
            return Err(LeafError::Header("an empty line must end it"));
        }
        Self::new(lines, Time::from_unix_millis(admitted_at), Envelope::parse(rest)?)
    }

    pub fn hash(&self) -> Hash {
        Hash::leaf(&self.to_bytes())
    }
}

fn next_line<'a>(rest: &mut &'a [u8]) -> Result<&'a str, LeafError> {
    let end = rest.iter().position(|byte| *byte == b'\n').ok_or(LeafError::Header("it ends too early"))?;
    let (line, after) = rest.split_at_checked(end).ok_or(LeafError::Header("it ends too early"))?;
    *rest = after.get(1..).unwrap_or_default();
    std::str::from_utf8(line).map_err(|_| LeafError::Header("it is no UTF-8"))
}

fn canonical_number<N: FromStr + ToString>(text: &str, what: &'static str) -> Result<N, LeafError> {
    let number: N = text.parse().map_err(|_| LeafError::Header(what))?;
    if number.to_string() == text { Ok(number) } else { Err(LeafError::Header(what)) }
}
