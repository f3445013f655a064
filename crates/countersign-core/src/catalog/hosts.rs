//! What of Countersign runs on which system, and what it therefore hangs on: a gate that hangs on what it guards is not there when that
//! is broken, and what mends it cannot pass it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::Catalog;
use crate::ids::{GateId, SystemId, Target};

const LOG: &str = "log";
const GATE: &str = "gate/";

/// Something of Countersign that runs on a system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hosted {
    /// The server of the log.
    Log,
    Gate(GateId),
}

impl fmt::Display for Hosted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log => f.write_str(LOG),
            Self::Gate(gate) => write!(f, "{GATE}{gate}"),
        }
    }
}

impl FromStr for Hosted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix(GATE) {
            Some(gate) => gate.parse().map(Self::Gate).map_err(|error: crate::ids::InvalidId| error.to_string()),
            None if text == LOG => Ok(Self::Log),
            None => Err(format!("`{text}` is neither `{LOG}` nor `{GATE}NAME`")),
        }
    }
}

impl Serialize for Hosted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hosted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// That something hangs on a system whose changes pass it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hangs {
    pub what: Hosted,
    /// From the system on which it runs, by what each needs, to the one that it guards.
    pub by: Vec<SystemId>,
}

impl Hangs {
    /// The system without which it is not there, and whose changes pass it.
    pub fn on(&self) -> Option<&SystemId> {
        self.by.last()
    }

    /// `runs on ci, which needs checkout`.
    pub fn words(&self) -> String {
        let names: Vec<&str> = self.by.iter().map(SystemId::as_str).collect();
        format!("runs on {}", names.join(", which needs "))
    }
}

impl Catalog {
    /// The systems that say that something runs on them.
    pub fn hosts_of(&self, what: &Hosted) -> BTreeSet<&SystemId> {
        self.systems.values().filter(|system| system.hosts.contains(what)).map(|system| &system.id).collect()
    }

    /// All that is said to run somewhere.
    pub fn hosted(&self) -> BTreeSet<&Hosted> {
        self.systems.values().flat_map(|system| &system.hosts).collect()
    }

    /// What of the systems that changes of these targets are about something hangs on: the nearest first, each by the shortest way.
    pub fn hangs_on(&self, what: &Hosted, guarded: &BTreeSet<SystemId>) -> Vec<Hangs> {
        let mut way: BTreeMap<&SystemId, Vec<SystemId>> = BTreeMap::new();
        let mut next: Vec<&SystemId> = self.hosts_of(what).into_iter().collect();
        for host in &next {
            way.insert(host, vec![(*host).clone()]);
        }
        let mut found = Vec::new();
        while !next.is_empty() {
            let mut further = Vec::new();
            for id in next {
                let Some(by) = way.get(id).cloned() else { continue };
                if guarded.contains(id) {
                    found.push(Hangs { what: what.clone(), by: by.clone() });
                }
                for needed in self.systems.get(id).into_iter().flat_map(|system| &system.depends_on) {
                    if !way.contains_key(needed) {
                        let mut by = by.clone();
                        by.push(needed.clone());
                        way.insert(needed, by);
                        further.push(needed);
                    }
                }
            }
            next = further;
        }
        found
    }
}

/// The systems of targets.
pub fn systems_of(targets: &BTreeSet<Target>) -> BTreeSet<SystemId> {
    targets.iter().map(|target| target.system.clone()).collect()
}
