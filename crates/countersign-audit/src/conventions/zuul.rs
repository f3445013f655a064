//! Zuul: the gate merges what has its votes and passes its tests.

use super::{Convention, Found, Says};

const NAMES: &[&str] = &["zuul", "zuul[bot]", "openstack infra", "openstack-infra"];

pub const CONVENTION: Convention = Convention {
    name: "zuul",
    proves: "that Zuul landed it, under the project's rules",
    does_not_prove: "who voted: that is with Gerrit or the forge",
    find: |context| {
        let record = context.landed.record;
        let zuul = [&record.author, &record.committer].into_iter().find(|who| {
            NAMES.contains(&who.name.to_lowercase().as_str()) || who.mail.to_lowercase().starts_with("zuul@")
        });
        zuul.map(|who| Found::by(Says::Platform, who.clone(), format!("{} ({})", context.landed.subject, who.name)))
            .into_iter()
            .collect()
    },
};
