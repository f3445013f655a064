//! Which revision of a change somebody looked at last on this machine, so that the next time they are shown what is new. What is lost of
//! it costs a longer look, so that nothing fails for it.

use std::collections::BTreeMap;

use countersign_core::ids::ChangeId;
use serde::{Deserialize, Serialize};

use super::Memory;

const FILE: &str = "looked.json";
const VERSION: u32 = 1;
/// Changes that are remembered, those of the last looks.
const MAX_CHANGES: usize = 1_000;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Looks {
    version: u32,
    /// How often somebody looked at anything.
    looks: u64,
    changes: BTreeMap<ChangeId, Look>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Look {
    revision: u32,
    nth: u64,
}

impl Memory {
    fn looks(&self) -> Looks {
        let none = Looks { version: VERSION, looks: 0, changes: BTreeMap::new() };
        self.load(FILE, VERSION).ok().flatten().unwrap_or(none)
    }

    /// The revision of a change that was looked at last.
    pub fn looked_at(&self, change: &ChangeId) -> Option<u32> {
        self.looks().changes.get(change).map(|look| look.revision)
    }

    pub fn looks_at(&self, change: &ChangeId, revision: u32) {
        let Ok(_lock) = self.lock() else { return };
        let mut all = self.looks();
        all.looks = all.looks.saturating_add(1);
        all.changes.insert(change.clone(), Look { revision, nth: all.looks });
        if all.changes.len() > MAX_CHANGES
            && let Some(oldest) = all.changes.iter().min_by_key(|(_, look)| look.nth).map(|(id, _)| id.clone())
        {
            all.changes.remove(&oldest);
        }
        drop(self.put(&self.folder, FILE, &all));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_looks_are_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::of(folder.path(), "log");
        let change = |n: u32| format!("{n:032x}").parse::<ChangeId>().unwrap();
        assert_eq!(memory.looked_at(&change(0)), None);
        memory.looks_at(&change(0), 1);
        memory.looks_at(&change(0), 3);
        assert_eq!(memory.looked_at(&change(0)), Some(3));
        std::fs::write(memory.folder().join(FILE), "broken").unwrap();
        assert_eq!(memory.looked_at(&change(0)), None);
        memory.looks_at(&change(1), 2);
        assert_eq!(memory.looked_at(&change(1)), Some(2));
    }
}
