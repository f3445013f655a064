//! Writing it into a catalog's files: whoever changes is taken out of the file where they stood and put into one of its own;
//! every other document stays as somebody wrote it.

use std::collections::BTreeMap;

use countersign_core::{
    catalog::{Catalog, CatalogSettings, SIGNERS},
    ids::ActorId,
};

use super::{DirectoryError, Plan};
use crate::home::documents::{self, About, documents};

/// Where people stand that the directory knows better.
pub const FILE: &str = "directory.yaml";

/// The catalog's files that change, with what they say then.
pub fn edited(
    files: &BTreeMap<String, String>,
    settings: &CatalogSettings,
    plan: &Plan,
) -> Result<BTreeMap<String, String>, DirectoryError> {
    let touched = |id: &ActorId| plan.people.contains_key(id) || plan.leavers.contains(id);
    let mut all = files.clone();
    for (_, text) in all.iter_mut().filter(|(name, _)| *name != SIGNERS) {
        let documents = documents(text);
        let stays = |document: &&String| !matches!(documents::about(document), Some(About::User(id)) if touched(&id));
        let kept: Vec<&String> = documents.iter().filter(stays).collect();
        if kept.len() < documents.len() {
            *text = match kept.is_empty() {
                true => format!("# People of this file stand in {FILE} now.\n"),
                false => kept.into_iter().map(String::as_str).collect::<Vec<_>>().join("---\n"),
            };
        }
    }
    let signers = files.get(SIGNERS).map(String::as_str).unwrap_or_default();
    let mut own = all
        .remove(FILE)
        .unwrap_or_else(|| "# People whom `countersign sync` or `countersign enrol` wrote down.\n".to_owned());
    for actor in plan.people.values() {
        if !own.ends_with('\n') {
            own.push('\n');
        }
        own.push_str("---\n");
        own.push_str(&documents::user(actor, settings, signers));
    }
    if files.contains_key(FILE) || !plan.people.is_empty() {
        all.insert(FILE.to_owned(), own);
    }
    let parsed = Catalog::parse(&all, settings).map_err(|error| DirectoryError::Catalog(error.to_string()))?;
    for actor in plan.people.values() {
        if parsed.actors.get(&actor.id).is_none_or(|found| found.member_of != actor.member_of) {
            return Err(DirectoryError::ListedByGroup { person: actor.id.to_string() });
        }
    }
    Ok(all.into_iter().filter(|(name, text)| files.get(name) != Some(text)).collect())
}
