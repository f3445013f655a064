//! From YAML documents to entities as they are written, with the line of everything that may have to be mended.
//!
//! The parser's budgets bound what a hostile file can cost: aliases, nesting, nodes. Duplicate keys are an error, because
//! which of two `owner:` lines counts would be the parser's choice.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{
    ATTESTS_ANNOTATION, ATTESTS_FOR_ANNOTATION, CatalogSettings, HOSTS_ANNOTATION, PATHS_ANNOTATION,
    WORKFLOWS_ANNOTATION,
    near::did_you_mean,
    problem::{Place, Problems},
};

pub const MAX_FILES: usize = 5_000;
pub const MAX_FILE_BYTES: usize = 4 * 1024 * 1024;
pub const MAX_TOTAL_BYTES: usize = 32 * 1024 * 1024;
pub const MAX_ENTITIES: usize = 50_000;

/// Every annotation of ours begins with it; one that we do not know is a slip.
const OUR_PREFIX: &str = "countersign/";
const API_VERSIONS: [&str; 2] = ["backstage.io/v1alpha1", "backstage.io/v1beta1"];
const KINDS: [&str; 4] = ["Component", "System", "Group", "User"];

/// A piece of text and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub value: String,
    pub at: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntityKind {
    System,
    Group,
    User,
}

/// An entity of a kind that matters, with its references unresolved.
#[derive(Debug)]
pub(super) struct Entity {
    pub kind: EntityKind,
    pub name: Text,
    pub annotations: BTreeMap<String, Text>,
    pub owner: Option<Text>,
    pub parent: Option<Text>,
    pub children: Vec<Text>,
    pub members: Vec<Text>,
    pub member_of: Vec<Text>,
    pub depends_on: Vec<Text>,
    pub mail: Option<Text>,
    pub display_name: Option<String>,
}

type Words = Option<Vec<Spanned<String>>>;

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "apiVersion")]
    api_version: Option<Spanned<String>>,
    kind: Option<Spanned<String>>,
    metadata: Option<Metadata>,
    spec: Option<Spec>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    name: Option<Spanned<String>>,
    namespace: Option<Spanned<String>>,
    annotations: Option<BTreeMap<String, Option<Spanned<String>>>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    owner: Option<Spanned<String>>,
    parent: Option<Spanned<String>>,
    children: Words,
    members: Words,
    member_of: Words,
    depends_on: Words,
    profile: Option<Profile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    email: Option<Spanned<String>>,
    display_name: Option<String>,
}

pub(super) fn entities(
    files: &BTreeMap<String, String>,
    settings: &CatalogSettings,
    problems: &mut Problems,
) -> Vec<Entity> {
    let mut entities = Vec::new();
    let total = files.values().fold(0_usize, |sum, text| sum.saturating_add(text.len()));
    if files.len() > MAX_FILES || total > MAX_TOTAL_BYTES {
        let at = Place { file: "catalog".to_owned(), line: None };
        let what = format!(
            "{} files of {total} bytes are more than {MAX_FILES} files or {MAX_TOTAL_BYTES} bytes",
            files.len()
        );
        problems.unread(&at, what, None);
        return entities;
    }
    for (file, text) in files {
        let whole = Place { file: file.clone(), line: None };
        if text.len() > MAX_FILE_BYTES {
            let what = format!("{} bytes are more than {MAX_FILE_BYTES}", text.len());
            problems.unread(&whole, what, Some("split the file".to_owned()));
            continue;
        }
        match serde_saphyr::from_multiple_with_options::<Document>(text, options()) {
            Ok(documents) => entities
                .extend(documents.into_iter().filter_map(|document| entity(document, &whole, settings, problems))),
            Err(error) => {
                let line = error.location().map(|at| at.line()).filter(|line| *line > 0);
                let at = Place { file: file.clone(), line };
                problems.unread(&at, first_line(&error.to_string()), None);
            }
        }
        if entities.len() > MAX_ENTITIES {
            problems.unread(&whole, format!("the catalog has more than {MAX_ENTITIES} entities"), None);
            return Vec::new();
        }
    }
    entities
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 32,
            max_documents: 50_000,
            max_events: 2_000_000,
            max_nodes: 1_000_000,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_merge_keys: 1_000,
            max_total_scalar_bytes: MAX_FILE_BYTES,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 20_000,
            max_replay_stack_depth: 8,
            max_alias_expansions_per_anchor: 1_000,
        },
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::Error,
        with_snippet: false,
    }
}

/// The parser's message without the place, which is said already, and without what only its own callers could act upon.
fn first_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or("is no valid YAML");
    let line = line.split_once(" at line ").map_or(line, |(what, _)| what);
    let line = line.split_once(", set DuplicateKeyPolicy").map_or(line, |(what, _)| what);
    line.chars().take(300).collect()
}

fn entity(document: Document, file: &Place, settings: &CatalogSettings, problems: &mut Problems) -> Option<Entity> {
    let Some(kind) = document.kind.map(|kind| text(kind, file)) else {
        problems.unread(file, "an entity has no `kind`".to_owned(), Some(format!("one of {}", KINDS.join(", "))));
        return None;
    };
    let entity_kind = match kind.value.as_str() {
        "Component" | "System" => EntityKind::System,
        "Group" => EntityKind::Group,
        "User" => EntityKind::User,
        other => {
            // Other kinds are skipped, but a slip of one of ours would silently take it out of governance.
            if let Some(meant) = did_you_mean(other, KINDS) {
                problems.unread(&kind.at, format!("unknown kind `{other}`"), Some(format!("did you mean `{meant}`?")));
            }
            return None;
        }
    };
    let version = document.api_version.map(|version| text(version, file));
    if !version.as_ref().is_some_and(|version| API_VERSIONS.contains(&version.value.as_str())) {
        let found = version.as_ref().map_or("none", |version| version.value.as_str());
        let at = version.as_ref().map_or(&kind.at, |version| &version.at);
        let what = format!("`apiVersion` of a {} is `{found}`", kind.value);
        problems.unread(at, what, Some(format!("write `{}`", API_VERSIONS.join("` or `"))));
    }
    let metadata = document.metadata.unwrap_or_default();
    let Some(name) = metadata.name.map(|name| text(name, file)) else {
        problems.unread(&kind.at, format!("a {} has no `metadata.name`", kind.value), None);
        return None;
    };
    if let Some(namespace) = metadata.namespace.map(|namespace| text(namespace, file))
        && !namespace.value.eq_ignore_ascii_case("default")
    {
        let what = format!("`{}` is in namespace `{}`", name.value, namespace.value);
        problems.unread(&namespace.at, what, Some("only the namespace `default` is supported".to_owned()));
    }
    let annotations: BTreeMap<String, Text> = metadata
        .annotations
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(key, value)| Some((key, text(value?, file))))
        .collect();
    check_annotations(&annotations, settings, problems);

    let spec = document.spec.unwrap_or_default();
    let words = |list: Words| list.unwrap_or_default().into_iter().map(|word| text(word, file)).collect();
    let (mail, display_name) = spec.profile.map_or((None, None), |profile| (profile.email, profile.display_name));
    Some(Entity {
        kind: entity_kind,
        name,
        annotations,
        owner: spec.owner.map(|owner| text(owner, file)),
        parent: spec.parent.map(|parent| text(parent, file)),
        children: words(spec.children),
        members: words(spec.members),
        member_of: words(spec.member_of),
        depends_on: words(spec.depends_on),
        mail: mail.map(|mail| text(mail, file)),
        display_name,
    })
}

/// An annotation that nobody reads, though it looks like one of those that are read, is a slip.
fn check_annotations(annotations: &BTreeMap<String, Text>, settings: &CatalogSettings, problems: &mut Problems) {
    let known = [
        settings.tier_annotation.as_str(),
        settings.level_annotation.as_str(),
        settings.keys_annotation.as_str(),
        settings.mails_annotation.as_str(),
        settings.actor_annotation.as_str(),
        PATHS_ANNOTATION,
        HOSTS_ANNOTATION,
        ATTESTS_ANNOTATION,
        ATTESTS_FOR_ANNOTATION,
        WORKFLOWS_ANNOTATION,
    ];
    for (name, value) in annotations.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
        match did_you_mean(name, known) {
            Some(meant) => {
                problems.add(
                    &value.at,
                    format!("unknown annotation `{name}`"),
                    Some(format!("did you mean `{meant}`?")),
                );
            }
            None if name.starts_with(OUR_PREFIX) => {
                let hint = format!("known are `{}`", known.join("`, `"));
                problems.add(&value.at, format!("unknown annotation `{name}`"), Some(hint));
            }
            None => {}
        }
    }
}

fn text(spanned: Spanned<String>, file: &Place) -> Text {
    let line = Some(spanned.referenced.line()).filter(|line| *line > 0);
    Text { value: spanned.value, at: Place { file: file.file.clone(), line } }
}
