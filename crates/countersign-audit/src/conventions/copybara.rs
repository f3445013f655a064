//! Exports of a company's one repository: `PiperOrigin-RevId:` (Google, by Copybara), `GitOrigin-RevId:`.

use super::{Convention, Found, Says};

const KEYS: &[&str] = &["PiperOrigin-RevId", "GitOrigin-RevId", "MOS_MIGRATED_REVID", "COPYBARA_INTEGRATE_REVIEW"];

pub const CONVENTION: Convention = Convention {
    name: "export",
    proves: "that a tool brought it out of another repository, under whose rules it had landed",
    does_not_prove: "what those rules are, or who approved",
    find: |context| {
        let line = context.landed.lines.iter().find(|line| {
            !line.quoted
                && (line.is_any(KEYS) || KEYS.iter().any(|key| line.text.starts_with(key) && line.text.contains('=')))
        });
        line.map(|line| Found::nobody(Says::Platform, line.text)).into_iter().collect()
    },
};
