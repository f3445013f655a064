//! A catalog as it is in force, written into files that somebody keeps: only what differs is written, each document where it stood.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::{
    catalog::{Catalog, CatalogSettings, SIGNERS, System},
    ids::Nonce,
    refusal::Refusal,
};

use super::documents::{self, About, documents};

/// Where systems, and groups and people, are written that stand nowhere yet.
const SYSTEMS: &str = "systems.yaml";
const ORG: &str = "org.yaml";

/// What is to be written into `catalog/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// By their names, where they are not as they were.
    pub files: BTreeMap<String, String>,
    /// Files that say it in a way in which it cannot be put right where it stands: they are kept beside, and all is written anew.
    pub aside: BTreeSet<String>,
}

/// `files` are those that are there, none in a new folder.
pub fn written(
    files: &BTreeMap<String, String>,
    settings: &CatalogSettings,
    wanted: &Catalog,
) -> Result<Written, Refusal> {
    let invalid = |error| Refusal::malformed("catalog-invalid", format!("the catalog does not hold: {error}"));
    if !files.is_empty() {
        let now = Catalog::parse(files, settings).map_err(invalid)?;
        let edited = in_place(files, settings, &now, wanted);
        let is_it = |read: &Catalog| -> Result<bool, Refusal> { Ok(said(read)? == said(wanted)?) };
        if let Ok(read) = Catalog::parse(&edited, settings)
            && is_it(&read)?
        {
            let changed = edited.into_iter().filter(|(name, text)| files.get(name) != Some(text));
            return Ok(Written { files: changed.collect(), aside: BTreeSet::new() });
        }
    }
    let everything = in_place(&BTreeMap::new(), settings, wanted, wanted);
    Ok(Written { aside: files.keys().cloned().collect(), files: everything })
}

/// A catalog as the log has it, whatever salts it has there.
fn said(catalog: &Catalog) -> Result<BTreeMap<String, Vec<u8>>, Refusal> {
    let salt: Nonce = Nonce::from_bytes([0; 16]);
    catalog.to_files(|_| salt.clone())
}

fn same_system(one: &System, other: &System) -> bool {
    let said = |system: &System| (system.owner.clone(), system.tier, system.depends_on.clone(), system.hosts.clone());
    said(one) == said(other)
}

fn in_place(
    files: &BTreeMap<String, String>,
    settings: &CatalogSettings,
    now: &Catalog,
    wanted: &Catalog,
) -> BTreeMap<String, String> {
    let signers = files.get(SIGNERS).map(String::as_str).unwrap_or_default();
    let mut there = BTreeSet::new();
    let mut edited = files.clone();
    for (_, text) in edited.iter_mut().filter(|(name, _)| *name != SIGNERS) {
        let before = documents(text);
        let mut after = Vec::new();
        for document in &before {
            let Some(about) = documents::about(document) else {
                after.push(document.clone());
                continue;
            };
            let new = match &about {
                About::System(id) => wanted.systems.get(id).map(|system| match now.systems.get(id) {
                    Some(old) if same_system(old, system) => document.clone(),
                    Some(old) if (&old.depends_on, &old.hosts) == (&system.depends_on, &system.hosts) => {
                        documents::retold(system, settings, document)
                    }
                    Some(_) | None => with_remarks(document, documents::system(system, settings, Some(document))),
                }),
                About::Group(id) => wanted.groups.get(id).map(|group| match now.groups.get(id) {
                    Some(old) if old.parent == group.parent => document.clone(),
                    Some(_) | None => with_remarks(document, documents::group(group)),
                }),
                About::User(id) => wanted.actors.get(id).map(|actor| match now.actors.get(id) {
                    Some(old) if old == actor => document.clone(),
                    Some(_) | None => with_remarks(document, documents::user(actor, settings, signers)),
                }),
            };
            there.insert(about);
            after.extend(new);
        }
        if after != before {
            *text = match after.is_empty() {
                true => "# Nothing of this file is in force any more.\n".to_owned(),
                false => joined(&after),
            };
        }
    }
    let systems = wanted.systems.values().filter(|system| !there.contains(&About::System(system.id.clone())));
    add(&mut edited, SYSTEMS, systems.map(|system| documents::system(system, settings, None)).collect());
    let groups = wanted.groups.values().filter(|group| !there.contains(&About::Group(group.id.clone())));
    let mut org: Vec<String> = groups.map(documents::group).collect();
    let actors = wanted.actors.values().filter(|actor| !there.contains(&About::User(actor.id.clone())));
    org.extend(actors.map(|actor| documents::user(actor, settings, signers)));
    add(&mut edited, ORG, org);
    edited
}

/// What stands above a document in remarks stays there.
fn with_remarks(old: &str, new: String) -> String {
    let remarks = old.split_inclusive('\n').take_while(|line| line.starts_with('#') || line.trim().is_empty());
    remarks.collect::<String>() + &new
}

fn joined(documents: &[String]) -> String {
    let mut text = String::new();
    for (number, document) in documents.iter().enumerate() {
        if number > 0 {
            text.push_str("---\n");
        }
        text.push_str(document);
        if !document.is_empty() && !document.ends_with('\n') {
            text.push('\n');
        }
    }
    text
}

fn add(files: &mut BTreeMap<String, String>, name: &str, documents: Vec<String>) {
    if documents.is_empty() {
        return;
    }
    let text = files.entry(name.to_owned()).or_default();
    let before = (!text.is_empty()).then(|| text.clone());
    *text = joined(&before.into_iter().chain(documents).collect::<Vec<_>>());
}
