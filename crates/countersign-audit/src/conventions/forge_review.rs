//! What the forge itself knows of the request that landed, from a file that somebody exported there.

use super::{Convention, Found, Says};

pub const CONVENTION: Convention = Convention {
    name: "forge-review",
    proves: "who opened the request, whose approval stood when it was merged, and who merged it, as the forge exported it (`--reviews`)",
    does_not_prove: "that the file is as the forge wrote it; that an approver saw the last commit, unless the forge takes approvals \
                     back on a push; a login that no commit ties to a mail may be somebody else's name",
    find: |context| {
        let Some(request) = context.request.filter(|request| !request.signed) else { return Vec::new() };
        let mut found = Vec::new();
        let contributors = request.author.iter().chain(&request.contributors);
        found.extend(contributors.map(|who| Found::by(Says::Contributed, who.clone(), &request.name)));
        let approved = request.approvals.iter().map(|approval| Found {
            at: approval.at,
            ..Found::by(Says::Approved, approval.by.clone(), format!("{}: approved", request.name))
        });
        found.extend(approved);
        found.extend(
            request
                .merged_by
                .iter()
                .map(|who| Found::by(Says::Landed, who.clone(), format!("{}: merged", request.name))),
        );
        if request.approvals.is_empty() && request.merged_by.is_none() {
            found.push(Found::nobody(Says::NobodyApproved, format!("{}: no approval", request.name)));
        }
        found
    },
};
