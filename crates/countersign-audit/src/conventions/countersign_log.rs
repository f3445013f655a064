//! What people signed in a Countersign log about the change that landed: verified where it was read.

use super::{Convention, Found, Says};

pub const CONVENTION: Convention = Convention {
    name: "countersign-log",
    proves: "who proposed the change, and who signed an approval of exactly what landed, as the verified log has it (`--log`)",
    does_not_prove: "that who signed has read it; how they had the content at hand stands in the log (`seen`). Who approved a template of \
                     standard changes has not seen each change, who broke the glass had no time, and an after-review comes after",
    find: |context| {
        let Some(change) = context.request.filter(|request| request.signed) else { return Vec::new() };
        let contributors = change.author.iter().chain(&change.contributors);
        let made = contributors.map(|who| Found::by(Says::Contributed, who.clone(), &change.name));
        let approved = change.approvals.iter().map(|approval| Found {
            at: approval.at,
            ..Found::by(
                Says::Approved,
                approval.by.clone(),
                format!("{}: {}", change.name, approval.how.as_deref().unwrap_or("signed approval")),
            )
        });
        let found: Vec<Found> = made.chain(approved).collect();
        match change.approvals.is_empty() {
            true => found
                .into_iter()
                .chain([Found::nobody(Says::NobodyApproved, format!("{}: no approval", change.name))])
                .collect(),
            false => found,
        }
    },
};
