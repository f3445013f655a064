//! Everything that a store holds beside blobs, so that two stores can be compared.

use countersign_ledger::Hash;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dump {
    pub size: u64,
    pub root: Hash,
    pub projections: Vec<(String, Vec<u8>)>,
    /// Streams with the number of leaves that they have.
    pub streams: Vec<(String, u64)>,
    pub unique: Vec<(String, u64)>,
}
