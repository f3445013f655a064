//! Whoever committed what somebody else wrote.

use super::{Convention, Found, Says};
use crate::machines::{Machine, machine};

pub const CONVENTION: Convention = Convention {
    name: "committer",
    proves: "another hand: a maintainer committed what somebody else wrote; where the committer is a robot, that a \
             platform landed it; where it is a forge or an import, nothing",
    does_not_prove: "that the committer looked: a rebase makes whoever runs it the committer",
    find: |context| {
        let record = context.landed.record;
        if context.landed.is_merge() {
            return Vec::new();
        }
        let signal = format!("committer {} <{}>", record.committer.name, record.committer.mail);
        let says = match machine(&record.committer.name, &record.committer.mail.to_lowercase()) {
            Some(Machine::Forge | Machine::Import) => Says::Opaque,
            Some(Machine::Lander | Machine::Robot) => Says::Platform,
            None => Says::Landed,
        };
        vec![Found::by(says, record.committer.clone(), signal)]
    },
};
