//! The rules that a new home begins with, inside the program so that `init` needs nothing but the program.

use std::collections::BTreeMap;

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        /// Every shipped file: rules, each with its cases.
        pub const FILES: &[(&str, &str)] = &[$(
            (concat!($name, ".cedar"), include_str!(concat!("../../../../rules/", $name, ".cedar"))),
            (concat!($name, ".cases.yaml"), include_str!(concat!("../../../../rules/", $name, ".cases.yaml"))),
        )*];
    };
}

shipped! {
    "ai-assisted-senior",
    "applier-apart",
    "documented",
    "fresh-guidance",
    "owner-approves",
    "second-pair-of-eyes",
    "tier-1-senior",
}

/// How the name of a rule's file ends, and that of its cases.
pub const RULE: &str = ".cedar";
pub const CASES: &str = ".cases.yaml";

/// Rules and cases: what lies in a new home's `rules/`.
pub fn files() -> BTreeMap<String, String> {
    of_kind("")
}

/// The rules without their cases: what a genesis names.
pub fn rules() -> BTreeMap<String, String> {
    of_kind(RULE)
}

fn of_kind(ending: &str) -> BTreeMap<String, String> {
    let named = FILES.iter().filter(|(name, _)| name.ends_with(ending));
    named.map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    /// A rule that is added to the folder and forgotten here would ship nowhere.
    #[test]
    fn every_file_of_the_folder_is_shipped() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../rules");
        let there: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".cedar") || name.ends_with(".cases.yaml"))
            .collect();
        let shipped: BTreeSet<String> = super::FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(shipped, there);
    }
}
