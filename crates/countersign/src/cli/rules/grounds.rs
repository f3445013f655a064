//! By which rules, of which people and systems, it is said what would be asked: those in force in a log, or of folders that
//! nobody has signed.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use countersign_core::{
    catalog::Catalog,
    governance::{Governance, GovernanceRecord},
    refusal::Refusal,
    semantics::{NEWEST_SEMANTICS, Semantics},
    state::State,
};
use countersign_ledger::{Digest, SigningKey};
use rand_core::OsRng;

use crate::{
    cli::{Global, error::CliError},
    clock, home, random,
};

#[derive(Debug, clap::Args)]
pub struct Grounds {
    /// The rules of this folder, in place of those in force.
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    /// The systems and people of this folder (Backstage YAML, or a home): no log is asked.
    #[arg(long, value_name = "DIR", requires = "rules")]
    catalog: Option<PathBuf>,
}

impl Grounds {
    /// The state in which something would be decided now.
    pub fn state(&self, global: &Global) -> Result<State, CliError> {
        let rules = self.rules.as_deref().map(super::load).transpose()?;
        let (Some(folder), Some(dir)) = (&self.catalog, &self.rules) else {
            let mut state = global.log()?.standing(None, clock::now())?;
            if let Some(rules) = rules {
                Arc::make_mut(&mut state.governance).rules = Arc::new(rules);
            }
            return Ok(state);
        };
        let (texts, settings) =
            home::catalog_at(folder).map_err(|e| e.expecting("it is a folder of Backstage YAML, or a home"))?;
        let catalog = Catalog::parse(&texts, &settings).map_err(|error| {
            CliError::from(Refusal::malformed(
                "catalog-invalid",
                format!("the catalog in {} does not hold: {error}", folder.display()),
            ))
        })?;
        let salt = random::nonce();
        let files = home::governance_files(&catalog, &home::files::rule_files(dir)?, |_| salt.clone())?;
        Ok(State::part(Arc::new(unsigned(&files)?)).confined([].into()))
    }
}

/// What files would make govern that stand in no log.
fn unsigned(files: &home::GovernanceFiles) -> Result<Governance, Refusal> {
    let record = GovernanceRecord {
        standards: std::collections::BTreeMap::new(),
        origin: String::new(),
        semantics: Semantics::known(NEWEST_SEMANTICS)?,
        genesis: Digest::of(b""),
        founders: Vec::new(),
        threshold: 0,
        recovery_quorum: 0,
        // Nothing is signed, and so nothing checked by it.
        server_key: SigningKey::generate(&mut OsRng).public(),
        log_key: String::new(),
        files: files.iter().map(|(path, bytes)| (path.clone(), Digest::of(bytes))).collect(),
        in_force: Digest::of(b""),
        epochs: Vec::new(),
        retired: BTreeMap::new(),
        newcomers: BTreeMap::new(),
        replaced_keys: Vec::new(),
        freezes: BTreeMap::new(),
        stale: BTreeMap::new(),
        fetched: std::collections::BTreeMap::new(),
    };
    let find = |digest: &Digest| files.values().find(|bytes| Digest::of(bytes) == *digest).cloned();
    Governance::load(record, &find)
}
