//! Gerrit's trailers beside `Reviewed-by`, which is a trailer like any other.

use super::{Convention, Found, Says, forgejo, lines::review_page};

pub const CONVENTION: Convention = Convention {
    name: "gerrit-trailer",
    proves: "that the change went through Gerrit (`Reviewed-on:`, written at submission)",
    does_not_prove: "who voted: without `Reviewed-by` that is known to Gerrit alone. `Change-Id` comes from a hook on the \
                     author's machine and proves nothing",
    find: |context| {
        review_page(context, |line| line.is("Reviewed-on") && !forgejo::is_request(line))
            .map_or_else(Vec::new, |page| vec![Found::nobody(Says::Opaque, page)])
    },
};
