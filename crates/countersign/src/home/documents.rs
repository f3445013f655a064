//! The YAML documents of a catalog's files: what each is about, and how one is written. Whatever is not touched stays as somebody
//! wrote it.

use std::fmt::Write as _;

use countersign_core::{
    catalog::{
        ATTESTS_ANNOTATION, ATTESTS_FOR_ANNOTATION, Actor, ActorKind, CatalogSettings, Group, HOSTS_ANNOTATION,
        PATHS_ANNOTATION, System, WORKFLOWS_ANNOTATION, robots,
    },
    ids::{ActorId, GroupId, SystemId},
};
use serde::Deserialize;

use super::quoted as plain;

/// What a document is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    System(SystemId),
    Group(GroupId),
    User(ActorId),
}

#[derive(Deserialize)]
struct Head {
    kind: Option<String>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    name: Option<String>,
}

/// The documents of a file, each as it was written.
pub fn documents(text: &str) -> Vec<String> {
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

/// `None` for one that is about nothing that matters here.
pub fn about(document: &str) -> Option<About> {
    let head: Head = serde_saphyr::from_str(document).ok()?;
    let name = head.metadata?.name?;
    match head.kind.as_deref()? {
        "System" | "Component" => name.parse().ok().map(About::System),
        "Group" => name.parse().ok().map(About::Group),
        "User" => name.parse().ok().map(About::User),
        _ => None,
    }
}

/// Text in YAML, whatever is in it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

const API: &str = "apiVersion: backstage.io/v1alpha1\n";

/// A person, workload or agent. Keys that stand in `signers` are not written again.
pub fn user(actor: &Actor, settings: &CatalogSettings, signers: &str) -> String {
    let mut text = format!("{API}kind: User\nmetadata:\n  name: {}\n  annotations:\n", actor.id);
    // Only a person has a level, and a catalog that gives one to anything else is not read.
    if actor.kind == ActorKind::Person {
        let _ = writeln!(text, "    {}: {}", plain(&settings.level_annotation), actor.level.as_str());
    }
    // Who says nothing and is called like a robot is none.
    let looks_like_none = robots::no_person(actor.id.as_str(), actor.display_name.as_deref(), &actor.mails).is_some();
    if actor.kind != ActorKind::Person || looks_like_none {
        let _ = writeln!(text, "    {}: {}", plain(&settings.actor_annotation), actor.kind.as_str());
    }
    if !actor.attests.kinds.is_empty() {
        let kinds: Vec<&str> = actor.attests.kinds.iter().map(|kind| kind.as_str()).collect();
        let _ = writeln!(text, "    {ATTESTS_ANNOTATION}: {}", quoted(&kinds.join(", ")));
    }
    if !actor.attests.only_for.is_everywhere() {
        let _ = writeln!(text, "    {ATTESTS_FOR_ANNOTATION}: {}", quoted(&actor.attests.only_for.to_string()));
    }
    if let Some(workflows) = &actor.attests.workflows {
        let _ = writeln!(text, "    {WORKFLOWS_ANNOTATION}: {}", quoted(workflows));
    }
    let (first, others) = match actor.mails.iter().collect::<Vec<_>>().as_slice() {
        [] => (None, String::new()),
        [first, others @ ..] => {
            (Some((*first).clone()), others.iter().map(|mail| mail.as_str()).collect::<Vec<_>>().join(", "))
        }
    };
    if !others.is_empty() {
        let _ = writeln!(text, "    {}: {}", plain(&settings.mails_annotation), quoted(&others));
    }
    // Those of `allowed_signers` stand there.
    let keys: Vec<String> =
        actor.keys.iter().map(ToString::to_string).filter(|key| !signers.contains(key.as_str())).collect();
    if !keys.is_empty() {
        let _ = writeln!(text, "    {}: |", plain(&settings.keys_annotation));
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

pub fn group(group: &Group) -> String {
    let mut text = format!("{API}kind: Group\nmetadata:\n  name: {}\nspec:\n  type: team\n", group.id);
    if let Some(parent) = &group.parent {
        let _ = writeln!(text, "  parent: {parent}");
    }
    text.push_str("  children: []\n");
    text
}

/// `old` is the document in whose place it comes: the paths of its source stand nowhere else.
pub fn system(system: &System, settings: &CatalogSettings, old: Option<&str>) -> String {
    let tier = plain(&settings.tier_annotation);
    let mut text = format!(
        "{API}kind: System\nmetadata:\n  name: {}\n  annotations:\n    {tier}: \"{}\"\n",
        system.id,
        u8::from(system.tier)
    );
    let paths = old.unwrap_or_default().lines().find(|line| line.trim_start().starts_with(PATHS_ANNOTATION));
    if let Some((_, paths)) = paths.and_then(|line| line.split_once(':')) {
        let _ = writeln!(text, "    {PATHS_ANNOTATION}:{paths}");
    }
    if !system.hosts.is_empty() {
        let hosts: Vec<String> = system.hosts.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "    {HOSTS_ANNOTATION}: {}", quoted(&hosts.join(", ")));
    }
    let _ = writeln!(text, "spec:\n  owner: {}", system.owner);
    if !system.depends_on.is_empty() {
        let on: Vec<String> = system.depends_on.iter().map(|on| format!("system:{on}")).collect();
        let _ = writeln!(text, "  dependsOn: {}", serde_json::Value::from(on));
    }
    text
}

/// A system's own document with another tier and owner, and everything else that somebody wrote of it.
pub fn retold(system: &System, settings: &CatalogSettings, old: &str) -> String {
    let names = |line: &str, name: &str| {
        let said = line.trim_start().trim_start_matches(['"', '\'']);
        said.strip_prefix(name).is_some_and(|rest| rest.trim_start_matches(['"', '\'']).trim_start().starts_with(':'))
    };
    let mut text = String::new();
    for line in old.split_inclusive('\n') {
        let indent = &line[..line.len() - line.trim_start().len()];
        if names(line, &settings.tier_annotation) {
            let _ = writeln!(text, "{indent}{}: \"{}\"", plain(&settings.tier_annotation), u8::from(system.tier));
        } else if names(line, "owner") {
            let _ = writeln!(text, "{indent}owner: {}", system.owner);
        } else {
            text.push_str(line);
        }
    }
    text
}
