//! Writing it into a catalog's files: whoever changes is taken out of the file where they stood and put into one of its own;
//! every other document stays as somebody wrote it.

use std::{collections::BTreeMap, fmt::Write as _};

use countersign_core::{
    catalog::{Actor, Catalog, CatalogSettings, SIGNERS},
    ids::ActorId,
};
use serde::Deserialize;

use super::{DirectoryError, Plan};

/// Where people stand that the directory knows better.
pub const FILE: &str = "directory.yaml";

#[derive(Deserialize)]
struct Head {
    kind: Option<String>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    name: Option<String>,
}

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
        let stays = |document: &&String| !user(document).is_some_and(|id| touched(&id));
        let kept: Vec<&String> = documents.iter().filter(stays).collect();
        if kept.len() < documents.len() {
            *text = match kept.is_empty() {
                true => format!("# People of this file stand in {FILE} now.\n"),
                false => kept.into_iter().map(String::as_str).collect::<Vec<_>>().join("---\n"),
            };
        }
    }
    let signers = files.get(SIGNERS).map(String::as_str).unwrap_or_default();
    let mut own =
        all.remove(FILE).unwrap_or_else(|| "# Written by `countersign sync`, from what a directory says.\n".to_owned());
    for actor in plan.people.values() {
        if !own.ends_with('\n') {
            own.push('\n');
        }
        own.push_str("---\n");
        own.push_str(&document(actor, settings, signers));
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

/// The documents of a file, each as it was written.
fn documents(text: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for line in text.split_inclusive('\n') {
        if line.trim_end() == "---" {
            documents.push(String::new());
        } else if let Some(document) = documents.last_mut() {
            document.push_str(line);
        }
    }
    documents
}

/// The person that a document is about.
fn user(document: &str) -> Option<ActorId> {
    let head: Head = serde_saphyr::from_str(document).ok()?;
    let is_user = head.kind.as_deref() == Some("User");
    is_user.then_some(head.metadata?.name?).and_then(|name| name.parse().ok())
}

/// Text in YAML, whatever is in it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn document(actor: &Actor, settings: &CatalogSettings, signers: &str) -> String {
    let mut text = format!(
        "apiVersion: backstage.io/v1alpha1\nkind: User\nmetadata:\n  name: {}\n  annotations:\n    {}: {}\n",
        actor.id,
        settings.level_annotation,
        actor.level.as_str()
    );
    let (first, others) = match actor.mails.iter().collect::<Vec<_>>().as_slice() {
        [] => (None, String::new()),
        [first, others @ ..] => {
            (Some((*first).clone()), others.iter().map(|mail| mail.as_str()).collect::<Vec<_>>().join(", "))
        }
    };
    if !others.is_empty() {
        let _ = writeln!(text, "    {}: {}", settings.mails_annotation, quoted(&others));
    }
    // Those of `allowed_signers` stand there.
    let keys: Vec<String> =
        actor.keys.iter().map(ToString::to_string).filter(|key| !signers.contains(key.as_str())).collect();
    if !keys.is_empty() {
        let _ = writeln!(text, "    {}: |", settings.keys_annotation);
        for key in keys {
            let _ = writeln!(text, "      {key}");
        }
    }
    text.push_str("spec:\n");
    if actor.display_name.is_some() || first.is_some() {
        text.push_str("  profile:\n");
    }
    if let Some(name) = &actor.display_name {
        let _ = writeln!(text, "    displayName: {}", quoted(name));
    }
    if let Some(mail) = first {
        let _ = writeln!(text, "    email: {}", quoted(&mail));
    }
    let groups: Vec<&str> = actor.member_of.iter().map(|group| group.as_str()).collect();
    let _ = writeln!(text, "  memberOf: [{}]", groups.join(", "));
    text
}
