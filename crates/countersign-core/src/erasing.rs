//! What an erasure takes out of every copy of the log. Leaves and facts stay: only what nobody has to see to decide again can
//! go, whoever signed that it should.

use crate::{
    catalog::files::CatalogFile,
    statement::{Erased, Erasure},
    text::Reason,
};

impl Erasure {
    /// Whether a blob that an admitted erasure names goes. Of a change, admission has looked at each; of a person it is a file of
    /// names and mails that has them, or somebody's reason: both are told by their strict form, which no other blob has.
    pub fn takes(&self, bytes: &[u8]) -> bool {
        match &self.of {
            Erased::Change(_) => true,
            Erased::Person(person) => CatalogFile::profile(bytes, person).is_some() || Reason::parse(bytes).is_ok(),
        }
    }
}
