//! gittuf: reference authorizations and approvals of pull requests, as signed statements.

use countersign_core::facts::git::Ident;

use super::{
    Convention, Found, Says,
    attestation::{self, Statement},
    lines::handle,
};

pub const CONVENTION: Convention = Convention {
    name: "gittuf",
    proves: "who approved: the `approvers` of a pull-request approval, or the identity behind a reference authorization's key",
    does_not_prove: "that the signature holds (it is not checked here); a bare key names nobody",
    find: |context| {
        attestation::all(context).filter(|s| s.predicate_type.contains("gittuf.dev/")).flat_map(|s| read(&s)).collect()
    },
};

fn read(statement: &Statement) -> Vec<Found> {
    let kind = statement.predicate_type.rsplit("gittuf.dev/").next().unwrap_or_default();
    let approvers = statement.predicate.get("approvers").and_then(|list| list.as_array());
    let named = approvers.into_iter().flatten().filter_map(|item| item.as_str()).filter_map(approver);
    let mut found: Vec<Found> =
        named.map(|who| Found::by(Says::Approved, who.clone(), format!("{kind}: {}{}", who.name, who.mail))).collect();
    if kind.starts_with("reference-authorization") {
        for key in &statement.keys {
            found.push(
                match key.split_once("::").map(|(identity, _)| identity).filter(|identity| identity.contains('@')) {
                    Some(mail) => Found::by(
                        Says::Approved,
                        Ident { name: String::new(), mail: mail.to_owned() },
                        format!("{kind}: {key}"),
                    ),
                    None => Found::nobody(Says::Platform, format!("{kind}: key {key}")),
                },
            );
        }
    }
    found
}

/// `login+12345` with GitHub's account id, a mail, or a login.
fn approver(text: &str) -> Option<Ident> {
    let account = text.split_once('+').filter(|(_, id)| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()));
    match account {
        Some((login, id)) => {
            Some(Ident { name: login.to_owned(), mail: format!("{id}+{login}@users.noreply.github.com") })
        }
        None => handle(text),
    }
}
