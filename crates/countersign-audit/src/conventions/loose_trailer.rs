//! Trailers that git does not parse: in the middle of a body, of a squashed message, of an import.

use super::{Convention, trailer};

pub const CONVENTION: Convention = Convention {
    name: "loose-trailer",
    proves: "the same as a trailer, where git does not look: in the middle of the body, several people in one value, a \
             literal `\\n` where a line break was meant",
    does_not_prove: "as for a trailer; a quoted message of another commit is left out where it is indented or behind `>`",
    find: |context| trailer::find(context, |line| !line.in_trailers),
};
