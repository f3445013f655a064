//! What a publication changes, in words: worked out from the blobs that its signed statement names and from the files that it
//! replaces. Pure; whoever signs second is shown this and no summary by the server.
//!
//! Which files are in force is worked out too: each publication names the one before it by the digest of its statement, down
//! to the pinned genesis, so that a list of them is either the true one or fits no publication that could come into force.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::{
    calendar::{self, Calendar, CalendarFile, Use},
    catalog::files::{CatalogFile, PROFILES},
    governance::{RULES, Replacements, SERVER_KEYS, ServerKeys, read_manifest},
    issuer::{self, Issuer, IssuerFile, SpeaksFor},
    refusal::Refusal,
    requirement::Carry,
    rules::{Rule, Rules},
    standard::{self, Standard},
    statement::{Body, PublishedChange, Statement, governance_stream},
};
use countersign_ledger::{Digest, PublicKey};
use serde_json::Value;

use crate::wire::Published;

/// The files in force, with the genesis or publication that put the last of them there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    pub by: Digest,
    pub files: BTreeMap<String, Digest>,
}

/// A genesis or a publication, as it came into force.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Of a publication: the change that it put in force.
    pub change: Option<&'a PublishedChange>,
    /// The files that it replaced, as they were before.
    pub before: &'a Replacements,
    pub now: &'a InForce,
}

impl InForce {
    /// Follows the publications from the pinned genesis on.
    pub fn of(history: &[Published], genesis: &Digest) -> Result<Self, Refusal> {
        Self::follow(history, genesis, None, |_| {})
    }

    /// The same up to one that was in force once.
    pub fn up_to(history: &[Published], genesis: &Digest, last: &Digest) -> Result<Self, Refusal> {
        Self::follow(history, genesis, Some(last), |_| {})
    }

    /// Follows them all, and tells each.
    pub fn told(history: &[Published], genesis: &Digest, each: impl FnMut(Step<'_>)) -> Result<Self, Refusal> {
        Self::follow(history, genesis, None, each)
    }

    fn follow(
        history: &[Published],
        genesis: &Digest,
        last: Option<&Digest>,
        mut each: impl FnMut(Step<'_>),
    ) -> Result<Self, Refusal> {
        let broken = |why: String| {
            Refusal::malformed("history-broken", format!("what the server says was published does not hold: {why}"))
                .hint("nothing was signed; tell whoever runs the server")
        };
        let mut found: Option<Self> = None;
        for published in history {
            let by = Digest::of(&published.statement);
            let statement = Statement::parse(published.statement.as_bytes())?;
            let (parent, files, change) = match &statement.body {
                Body::Genesis(genesis) => (None, genesis.files, None),
                Body::Publication(publication) => {
                    (Some(publication.parent), publication.files, publication.change.as_ref())
                }
                // What else stands in the stream replaces nothing.
                _ if statement.streams(&by)?.first() == Some(&governance_stream()?) => continue,
                other => return Err(broken(format!("a {} statement is among it", other.kind()))),
            };
            if parent != found.as_ref().map(|before| before.by) || (parent.is_none() && by != *genesis) {
                return Err(broken(format!("{by} does not follow the one before it")));
            }
            let list = |digest: &Digest| {
                (Digest::of(&published.files) == *digest).then(|| published.files.clone().into_bytes())
            };
            let mut now = found.take().map(|before| before.files).unwrap_or_default();
            let mut before = Replacements::new();
            for (path, digest) in read_manifest(&files, &list)? {
                let old = match digest {
                    Some(digest) => now.insert(path.clone(), digest),
                    None => now.remove(&path),
                };
                before.insert(path, old);
            }
            let now = Self { by, files: now };
            each(Step { change, before: &before, now: &now });
            found = Some(now);
            if last == Some(&by) {
                return Ok(found.unwrap_or(Self { by, files: BTreeMap::new() }));
            }
        }
        match last {
            Some(last) => Err(broken(format!("{last} is not among it, which was in force once"))),
            None => found.ok_or_else(|| broken("there is not even a genesis".to_owned())),
        }
    }
}

/// A file before or after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// There is no such file.
    None,
    /// Names and mails that were erased.
    Erased,
    Text(String),
}

impl Content {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::None | Self::Erased => None,
        }
    }
}

/// A file that is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    pub path: String,
    pub old: Content,
    pub new: Content,
}

/// The files that a publication replaces, before and after. `blob` finds the bytes under a digest.
pub fn edits(
    in_force: &InForce,
    replaced: &Replacements,
    blob: impl Fn(&Digest) -> Option<Vec<u8>>,
) -> Result<Vec<Edit>, Refusal> {
    let content = |path: &str, digest: Option<&Digest>| -> Result<Content, Refusal> {
        let Some(digest) = digest else { return Ok(Content::None) };
        match blob(digest) {
            Some(bytes) if Digest::of(&bytes) == *digest => String::from_utf8(bytes)
                .map(Content::Text)
                .map_err(|_| Refusal::malformed("not-text", format!("`{path}` is no UTF-8 text"))),
            Some(_) | None if path.starts_with(PROFILES) => Ok(Content::Erased),
            Some(_) | None => Err(Refusal::unknown("blob-missing", format!("`{path}`, {digest}, is missing"))),
        }
    };
    let edit = |(path, new): (&String, &Option<Digest>)| {
        Ok(Edit {
            path: path.clone(),
            old: content(path, in_force.files.get(path))?,
            new: content(path, new.as_ref())?,
        })
    };
    replaced.iter().map(edit).collect()
}

/// What the edits mean, one line each: every field of every entity that is not as it was.
pub fn words(edits: &[Edit]) -> Result<Vec<String>, Refusal> {
    let mut before = Entities::new();
    let mut after = Entities::new();
    let mut erased = BTreeSet::new();
    for edit in edits {
        read(&edit.path, &edit.old, &mut before)?;
        read(&edit.path, &edit.new, &mut after)?;
        if edit.old == Content::Erased {
            erased.insert(edit.path.as_str());
        }
    }
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut lines = Vec::new();
    for name in names {
        match (before.get(name), after.get(name)) {
            (None, Some(fields)) => lines.push(format!("{name}: added ({})", all(fields))),
            (Some(_), None) => lines.push(format!("{name}: removed")),
            (Some(old), Some(new)) => lines.extend(differing(name, old, new)),
            (None, None) => {}
        }
    }
    lines.extend(
        erased.into_iter().map(|path| format!("{path}: what was there was erased, so that it cannot be compared")),
    );
    Ok(lines)
}

/// `system checkout` to its fields; each field is a set of texts, most of them of one.
type Entities = BTreeMap<String, Fields>;
type Fields = BTreeMap<String, BTreeSet<String>>;

fn read(path: &str, content: &Content, found: &mut Entities) -> Result<(), Refusal> {
    let Some(text) = content.text() else { return Ok(()) };
    let mut add = |name: String, fields: Fields| {
        found.insert(name, fields);
    };
    if let Some(file) = path.strip_prefix(RULES) {
        let rules = Rules::parse(&BTreeMap::from([(file.to_owned(), text.to_owned())]))
            .map_err(|error| Refusal::malformed("rules-invalid", format!("the rules do not hold: {error}")))?;
        rules.iter().for_each(|rule| add(format!("rule {}", rule.id), fields_of_rule(rule, file, text)));
        return Ok(());
    }
    if let Some(name) = standard::name_of(path) {
        add(format!("standard change {name}"), fields_of_standard(&Standard::parse(name, text)?));
        return Ok(());
    }
    if path == SERVER_KEYS {
        ServerKeys::parse(text.as_bytes())?;
        let value: Value = serde_json::from_str(text)
            .map_err(|error| Refusal::malformed("malformed-blob", format!("`{path}` is malformed: {error}")))?;
        add("the server's keys".to_owned(), fields(&value));
        return Ok(());
    }
    if let Some(name) = calendar::name_of(path) {
        let calendar = Calendar::parse(name, text.as_bytes())?;
        let what = match calendar.file.used {
            Use::Freeze => "freeze",
            Use::Window => "change window",
            Use::Holiday => "holidays",
            Use::OnCall => "on-call rota",
            Use::Absence => "absences",
        };
        add(format!("{what} {name}"), fields_of_calendar(&calendar.file));
        return Ok(());
    }
    if let Some(name) = issuer::name_of(path) {
        add(format!("issuer {name}"), fields_of_issuer(&Issuer::parse(name, text.as_bytes())?.file));
        return Ok(());
    }
    CatalogFile::parse(path, text.as_bytes())
        .ok_or_else(|| Refusal::malformed("governance-path", format!("no governance file has the path `{path}`")))??;
    let value: Value = serde_json::from_str(text)
        .map_err(|error| Refusal::malformed("malformed-blob", format!("`{path}` is malformed: {error}")))?;
    let (folder, name) = path.split_once('/').unwrap_or(("", path));
    let name = name.trim_end_matches(".json");
    match folder {
        "systems" => add(format!("system {name}"), fields(&value)),
        "groups" => add(format!("group {name}"), fields(&value)),
        "people" => entries(&value).for_each(|(id, person)| add(format!("person {id}"), fields(person))),
        "profiles" => entries(value.get("people").unwrap_or(&Value::Null))
            .for_each(|(id, profile)| add(format!("names and mails of {id}"), fields(profile))),
        _ => add(path.trim_end_matches(".json").to_owned(), fields(&value)),
    }
    Ok(())
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn fields(value: &Value) -> Fields {
    entries(value).map(|(name, value)| (name.replace('_', " "), texts(name, value))).collect()
}

fn texts(name: &str, value: &Value) -> BTreeSet<String> {
    let one = |value: &Value| match value {
        Value::String(text) if name == "keys" => {
            text.parse::<PublicKey>().map_or_else(|_| text.clone(), |key| key.fingerprint().to_string())
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match value {
        Value::Array(items) => items.iter().map(one).collect(),
        value => BTreeSet::from([one(value)]),
    }
}

fn fields_of_rule(rule: &Rule, file: &str, text: &str) -> Fields {
    let one = |text: String| BTreeSet::from([text]);
    let carried = Some(rule.carry).into_iter().filter(|carry| *carry != Carry::Never);
    BTreeMap::from([
        ("mode".to_owned(), one(rule.mode.to_string())),
        ("strength".to_owned(), one(rule.strength.to_string())),
        ("asks for".to_owned(), one(rule.words())),
        ("approvals carry over".to_owned(), carried.map(|carry| carry.to_string()).collect()),
        ("waived by".to_owned(), rule.waivers.iter().map(|group| format!("group {group}")).collect()),
        // What the words leave out is still not as it was.
        ("text".to_owned(), one(format!("{file} {}", Digest::of(text)))),
    ])
}

fn fields_of_standard(standard: &Standard) -> Fields {
    let one = |text: String| BTreeSet::from([text]);
    let places = standard.targets.iter().map(ToString::to_string);
    let places = places.chain(standard.systems.iter().map(|system| format!("system {system}")));
    BTreeMap::from([
        ("proposers".to_owned(), standard.proposers.iter().map(ToString::to_string).collect()),
        ("answered for by".to_owned(), standard.sponsor.iter().map(ToString::to_string).collect()),
        ("targets".to_owned(), places.collect()),
        ("kinds".to_owned(), standard.kinds.iter().map(ToString::to_string).collect()),
        ("paths".to_owned(), one(standard.paths.clone())),
        ("files at the most".to_owned(), one(standard.files.to_string())),
        ("lines added at the most".to_owned(), one(standard.added.to_string())),
        ("lines deleted at the most".to_owned(), one(standard.deleted.to_string())),
        ("evidence".to_owned(), standard.evidence.iter().map(ToString::to_string).collect()),
        ("a day on each target".to_owned(), one(standard.per_day.to_string())),
        ("until".to_owned(), one(standard.last_day())),
        ("because".to_owned(), one(standard.because.clone())),
    ])
}

fn fields_of_calendar(file: &CalendarFile) -> Fields {
    let CalendarFile { because, events, from, groups, hours, may_pass, scope, used, zone } = file;
    let one = |text: String| BTreeSet::from([text]);
    let about = match used {
        Use::Freeze | Use::Window => one(scope.words()),
        Use::Holiday | Use::OnCall | Use::Absence => BTreeSet::new(),
    };
    let passing = may_pass.iter().map(ToString::to_string);
    BTreeMap::from([
        ("about".to_owned(), about),
        ("because".to_owned(), because.iter().cloned().collect()),
        ("from".to_owned(), from.iter().cloned().collect()),
        ("group".to_owned(), groups.iter().map(ToString::to_string).collect()),
        ("may pass".to_owned(), passing.collect()),
        ("times".to_owned(), events.iter().map(ToString::to_string).collect()),
        ("working hours".to_owned(), hours.iter().map(ToString::to_string).collect()),
        ("zone".to_owned(), one(zone.to_string())),
    ])
}

fn fields_of_issuer(file: &IssuerFile) -> Fields {
    let IssuerFile { issuer, keys, workloads } = file;
    let key = |(kid, key): (&String, &PublicKey)| format!("{kid} ({} {})", key.algorithm(), key.fingerprint());
    let speaks = |entry: &SpeaksFor| {
        let claims: Vec<String> = entry.claims.iter().map(|(claim, pattern)| format!("{claim} {pattern}")).collect();
        format!("for {} where {}", entry.workload, claims.join(" and "))
    };
    BTreeMap::from([
        ("address".to_owned(), BTreeSet::from([issuer.clone()])),
        ("keys".to_owned(), keys.iter().map(key).collect()),
        ("tokens speak".to_owned(), workloads.iter().map(speaks).collect()),
    ])
}

fn all(fields: &Fields) -> String {
    let shown = fields.iter().filter(|(name, values)| *name != "text" && !values.is_empty());
    let shown: Vec<String> = shown.map(|(name, values)| format!("{name} {}", joined(values))).collect();
    shown.join("; ")
}

fn joined<'a>(values: impl IntoIterator<Item = &'a String>) -> String {
    values.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn differing(name: &str, old: &Fields, new: &Fields) -> Vec<String> {
    let none = BTreeSet::new();
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut lines = Vec::new();
    for field in names {
        let (old, new) = (old.get(field).unwrap_or(&none), new.get(field).unwrap_or(&none));
        if old == new {
            continue;
        }
        if field == "text" {
            lines.push(format!("{name}: its text, see the difference"));
            continue;
        }
        lines.push(match (old.len(), new.len()) {
            (1, 1) => format!("{name}: {field} {}, was {}", joined(new), joined(old)),
            _ => {
                let added = new.difference(old).collect::<Vec<_>>();
                let removed = old.difference(new).collect::<Vec<_>>();
                let mut parts = Vec::new();
                if !added.is_empty() {
                    parts.push(format!("{} added", joined(added)));
                }
                if !removed.is_empty() {
                    parts.push(format!("{} removed", joined(removed)));
                }
                format!("{name}: {field} {}", parts.join(", "))
            }
        });
    }
    lines
}

#[cfg(test)]
mod tests {
    use countersign_core::{
        governance::manifest_of,
        ids::Nonce,
        statement::{Genesis, Header, Publication, SeenCheckpoint},
    };
    use countersign_ledger::{Hash, SigningKey};

    use super::*;

    fn said(body: Body) -> String {
        let header = Header {
            by: "ada".parse().unwrap(),
            checkpoint: SeenCheckpoint { root: Hash::empty_tree(), size: 0 },
            epoch: None,
            log: "shop/log".to_owned(),
            nonce: Nonce::from_bytes([7; 16]),
        };
        String::from_utf8(Statement { header, body }.encode().unwrap()).unwrap()
    }

    fn genesis(files: &[(&str, &str)]) -> Published {
        let files: BTreeMap<String, Vec<u8>> =
            files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
        let manifest = manifest_of(&files).unwrap();
        let body = Genesis {
            files: Digest::of(&manifest),
            founders: vec![],
            log_key: "log+key".to_owned(),
            recovery_quorum: 1,
            semantics: 1,
            server_key: SigningKey::generate(&mut rand_core::OsRng).public(),
            threshold: 1,
        };
        Published { statement: said(Body::Genesis(body)), files: String::from_utf8(manifest).unwrap() }
    }

    fn publication(parent: Digest, files: &str) -> Published {
        let reason = Digest::of("why");
        let body = Publication { change: None, files: Digest::of(files), parent, reason, semantics: None };
        Published { statement: said(Body::Publication(body)), files: files.to_owned() }
    }

    #[test]
    fn the_files_in_force_follow_from_the_pinned_genesis() {
        let first = genesis(&[("groups/a.json", "{}"), ("groups/b.json", "{}")]);
        let pinned = Digest::of(&first.statement);
        let second = publication(pinned, r#"{"groups/a.json":null}"#);
        let third =
            publication(Digest::of(&second.statement), &format!(r#"{{"groups/c.json":"{}"}}"#, Digest::of("c")));
        let last = Digest::of(&third.statement);
        let history = vec![first, second, third];
        let found = InForce::of(&history, &pinned).unwrap();
        let files: Vec<&str> = found.files.keys().map(String::as_str).collect();
        assert_eq!((found.by, files), (last, vec!["groups/b.json", "groups/c.json"]));

        let before = InForce::up_to(&history, &pinned, &pinned).unwrap();
        assert_eq!(before.files.keys().collect::<Vec<_>>(), ["groups/a.json", "groups/b.json"]);
        assert_eq!(InForce::up_to(&history, &pinned, &Digest::of("never")).unwrap_err().code, "history-broken");

        let code = |history: &[Published], pinned: &Digest| InForce::of(history, pinned).unwrap_err().code;
        assert_eq!(code(&history, &Digest::of("another genesis")), "history-broken");
        assert_eq!(code(&[], &pinned), "history-broken");
        let mut left_out = history;
        left_out.remove(1);
        assert_eq!(code(&left_out, &pinned), "history-broken");
        // A list of files that the statement does not name.
        left_out[1] = publication(pinned, "{}");
        left_out[1].files = r#"{"groups/a.json":null}"#.to_owned();
        assert_eq!(code(&left_out, &pinned), "blob-missing");
    }

    #[track_caller]
    fn edit(path: &str, old: Option<&str>, new: Option<&str>) -> Edit {
        let content = |text: Option<&str>| text.map_or(Content::None, |text| Content::Text(text.to_owned()));
        Edit { path: path.to_owned(), old: content(old), new: content(new) }
    }

    #[test]
    fn every_field_that_changes_is_said() {
        let key = SigningKey::generate(&mut rand_core::OsRng).public();
        let linus = format!(r#"{{"groups":["payments"],"keys":["{key}"],"kind":"person","level":"senior"}}"#);
        let old = r#"{"linus":{"groups":["owners","payments"],"kind":"person","level":"standard"}}"#;
        let edits = [
            edit("groups/owners.json", Some("{}"), None),
            edit("groups/web.json", None, Some(r#"{"parent":"payments"}"#)),
            edit("people/owners.json", Some(old), None),
            edit("people/payments.json", None, Some(&format!(r#"{{"linus":{linus}}}"#))),
            edit(
                "settings.json",
                Some(r#"{"environments":["production"],"production":["production"]}"#),
                Some(r#"{"environments":["production","staging"],"production":["production"]}"#),
            ),
            edit(
                "systems/checkout.json",
                Some(r#"{"owner":"payments","tier":2}"#),
                Some(r#"{"depends_on":["search"],"owner":"web","tier":1}"#),
            ),
        ];
        let said = words(&edits).unwrap().join("\n").replace(key.fingerprint().as_str(), "KEY");
        insta::assert_snapshot!(said, @r"
        group owners: removed
        group web: added (parent payments)
        person linus: groups owners removed
        person linus: keys KEY added
        person linus: level senior, was standard
        settings: environments staging added
        system checkout: depends on search added
        system checkout: owner web, was payments
        system checkout: tier 1, was 2
        ");
    }

    #[test]
    fn who_waives_a_rule_and_what_carries_over_is_said() {
        let rule = |annotations: &str| {
            format!(
                "@id(\"r\") @requires(\"disclosure\") @because(\"B.\") @remedy(\"mend {{change}}\") @mode(\"enforce\") \
                 @strength(\"waivable\") {annotations} forbid (principal, action == Countersign::Action::\"apply\", \
                 resource) unless {{ resource.ai.disclosed }};"
            )
        };
        let (old, new) = (rule(""), rule("@carry(\"delta@tier>=2\") @waivers(\"group:duty\")"));
        let said = words(&[edit("rules/r.cedar", Some(&old), Some(&new))]).unwrap().join("\n");
        insta::assert_snapshot!(said, @"
        rule r: approvals carry over delta@tier>=2 added
        rule r: its text, see the difference
        rule r: waived by group duty added
        ");
    }

    #[test]
    fn what_is_no_governance_file_is_refused() {
        for (path, text) in [
            ("systems/checkout.json", r#"{"owner":"web","tier":9}"#),
            ("systems/checkout.json", r#"{"tier":1,"owner":"web"}"#),
            ("systems/checkout.json", r#"{"owner":"web","tier":1,"tier":2}"#),
            ("../systems/checkout.json", r#"{"owner":"web","tier":1}"#),
            ("rules/open.cedar", "permit (principal, action, resource);"),
        ] {
            assert!(words(&[edit(path, None, Some(text))]).is_err(), "{path}: {text}");
        }
    }
}
