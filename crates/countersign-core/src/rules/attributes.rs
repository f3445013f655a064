//! What a rule can ask about: one table, from which the Cedar schema, the entity that rules judge and the documentation
//! of the attributes derive. A new attribute is one item here.
//!
//! A rule judges one change for one target: the resource is a `Countersign::Change`, which is *in* its target's system,
//! owner group and environment and in its kind. The principal is always `Countersign::Gate::"any"`: what a rule asks
//! does not depend on which gate will let the change through, and rules that name a principal are refused.
//!
//! Only Longs, Bools, Strings and sets: an expression over them cannot err, so no `forbid` can fail open.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use countersign_ledger::Time;

use super::{
    Literals,
    count::{self, Counts},
};
use crate::{
    catalog::ActorKind,
    facts::{Size, size::UNKNOWN},
    ids::{ActorId, EvidenceKind, GroupId},
    kind::Kind,
    requirement::{Role, parse_parts},
    snapshot::{AiStatus, EvidenceView, PathsView, Snapshot, TargetView},
};

/// What a rule judges: one revision for one target at one time, with what is counted from them.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    pub snapshot: &'a Snapshot,
    pub target: &'a TargetView,
    pub counts: Counts,
    pub stale: usize,
    /// What the rules count by.
    pub literals: &'a Literals,
}

impl<'a> Judged<'a> {
    pub fn new(snapshot: &'a Snapshot, target: &'a TargetView, literals: &'a Literals, now: Time) -> Self {
        let stale = snapshot.guidance.iter().filter(|guidance| guidance.is_stale(now)).count();
        Self { snapshot, target, counts: count::count(snapshot, target), stale, literals }
    }
}

impl Judged<'_> {
    fn paths(&self, of: impl Fn(&PathsView) -> bool) -> Value {
        let view = |text: &String| (text.clone(), self.snapshot.paths.get(text).is_some_and(&of));
        Value::Bools(self.literals.paths.iter().map(view).collect())
    }

    fn evidence(&self, of: fn(&EvidenceView) -> bool) -> Value {
        let here = |view: &EvidenceView| match view.only_for.is_empty() {
            true => of(view),
            false => of(&view.of(&self.target.target)),
        };
        let of = |kind: &EvidenceKind| (kind.to_string(), self.snapshot.evidence.get(kind).is_some_and(here));
        Value::Bools(self.literals.evidence.iter().map(of).collect())
    }

    fn size(&self, of: fn(&Size) -> u32) -> Value {
        Value::Long(i64::from(self.snapshot.size.as_ref().map_or(UNKNOWN, of)))
    }

    fn size_without(&self, of: fn(&Size) -> u32) -> Value {
        let size = |text: &String| self.snapshot.size_without.get(text).map_or(UNKNOWN, of);
        Value::Longs(self.literals.left_out.iter().map(|text| (text.clone(), i64::from(size(text)))).collect())
    }

    fn in_role(&self, role: &Role) -> i64 {
        i64::from(count::in_role(self.snapshot, self.target, role))
    }
}

/// The Cedar type of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Long,
    Bool,
    Text,
    Texts,
    Person,
    People,
    Groups,
    /// A Long for each group that the rules name so: what is not named would be an attribute that is missing.
    ByGroup,
    /// A Long for each span of time that the rules name so.
    ByHours,
    /// A Long for each of the patterns that the rules leave out.
    LeftOut,
    /// A Bool for each that the rules spell so.
    Apart,
    /// A Bool for each of the patterns that the rules name.
    Paths,
    /// A Bool for each kind of evidence that the rules name.
    Evidence,
}

impl Type {
    /// For a reader.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Long => "Long",
            Self::Bool => "Bool",
            Self::Text => "String",
            Self::Texts => "Set<String>",
            Self::Person => "Person",
            Self::People => "Set<Person>",
            Self::Groups => "Set<Group>",
            Self::ByGroup => "Long, by group",
            Self::ByHours => "Long, by hours",
            Self::LeftOut => "Long, by patterns",
            Self::Apart => "Bool, by parts",
            Self::Paths => "Bool, by patterns",
            Self::Evidence => "Bool, by kind",
        }
    }

    fn cedar(self, literals: &Literals) -> String {
        let record = |names: &mut dyn Iterator<Item = &str>, ty: &str| {
            let fields: Vec<String> = names.map(|name| format!("{}: {ty}", serde_json::Value::from(name))).collect();
            format!("{{{}}}", fields.join(", "))
        };
        match self {
            Self::Long | Self::Bool | Self::Text | Self::Texts | Self::Person | Self::People | Self::Groups => {
                self.name().to_owned()
            }
            Self::ByGroup => record(&mut literals.counted.iter().map(GroupId::as_str), "Long"),
            Self::ByHours => {
                let hours: Vec<String> = literals.recent.iter().map(|hours| format!("{hours}h")).collect();
                record(&mut hours.iter().map(String::as_str), "Long")
            }
            Self::LeftOut => record(&mut literals.left_out.iter().map(String::as_str), "Long"),
            Self::Apart => record(&mut literals.apart.iter().map(String::as_str), "Bool"),
            Self::Paths => record(&mut literals.paths.iter().map(String::as_str), "Bool"),
            Self::Evidence => record(&mut literals.evidence.iter().map(EvidenceKind::as_str), "Bool"),
        }
    }
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Long(i64),
    Bool(bool),
    Text(Cow<'static, str>),
    Texts(Vec<String>),
    /// `None` is nobody.
    Person(Option<ActorId>),
    People(Vec<ActorId>),
    Groups(Vec<GroupId>),
    ByGroup(Vec<(GroupId, i64)>),
    /// By how they are spelled.
    Longs(Vec<(String, i64)>),
    Bools(Vec<(String, bool)>),
}

/// One thing that a rule can ask about.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// `tier`, or `approvals.senior`: at most one dot.
    pub name: &'static str,
    pub ty: Type,
    pub doc: &'static str,
    pub of: fn(&Judged<'_>) -> Value,
}

const fn item(name: &'static str, ty: Type, doc: &'static str, of: fn(&Judged<'_>) -> Value) -> Attribute {
    Attribute { name, ty, doc, of }
}

/// Everything that a rule can ask about.
pub const ATTRIBUTES: &[Attribute] = &[
    item("tier", Type::Long, "How much a failure of the target's system matters: 1 is highest, 4 lowest.", |judged| {
        Value::Long(i64::from(u8::from(judged.target.tier)))
    }),
    item("production", Type::Bool, "Whether the target's environment counts as production.", |judged| {
        Value::Bool(judged.target.production)
    }),
    item("revision", Type::Long, "Which revision of the change this is, from 1.", |judged| {
        Value::Long(i64::from(judged.snapshot.revision))
    }),
    item(
        "purpose.restores",
        Type::Bool,
        "Whether its proposer says that it brings back the state of an earlier change.",
        |judged| Value::Bool(judged.snapshot.purpose.restores.is_some()),
    ),
    item("purpose.incident", Type::Bool, "Whether its proposer names an incident that it answers.", |judged| {
        Value::Bool(judged.snapshot.purpose.incident.is_some())
    }),
    item("purpose.security", Type::Bool, "Whether its proposer says that it closes a security hole.", |judged| {
        Value::Bool(judged.snapshot.purpose.security)
    }),
    item(
        "source",
        Type::Text,
        "The branch that its proposer says it comes from, under its short name: `resource.source like \"release/*\"`. Empty where they say nothing.",
        |judged| Value::Text(judged.snapshot.purpose.source.clone().unwrap_or_default().into()),
    ),
    item(
        "branch",
        Type::Text,
        "The branch that it is for, in full: `resource.branch == \"refs/heads/main\"`. Empty for files.",
        |judged| Value::Text(judged.snapshot.branch.clone().unwrap_or_default().into()),
    ),
    item(
        "title.form",
        Type::Text,
        "The word before the colon of its title: `feat` of `feat(api)!: …`, `PAY-12` of `PAY-12: …`. Empty where that is none.",
        |judged| Value::Text(judged.snapshot.documents.form.clone().into()),
    ),
    item("links.count", Type::Long, "How many links it has.", |judged| {
        Value::Long(i64::from(judged.snapshot.documents.links))
    }),
    item("links.hosts", Type::Texts, "Where those lead: the host of each, in lower case.", |judged| {
        Value::Texts(judged.snapshot.documents.hosts.iter().cloned().collect())
    }),
    item(
        "commits.signed",
        Type::Bool,
        "Whether each commit carries an SSH signature that holds, by a key that somebody in the catalog held when the revision came, and holds.",
        |judged| Value::Bool(judged.snapshot.commits.is_some_and(|commits| commits.signed)),
    ),
    item("commits.by_committer", Type::Bool, "Whether each is signed so by whoever committed it.", |judged| {
        Value::Bool(judged.snapshot.commits.is_some_and(|commits| commits.signed && commits.by_committer))
    }),
    item(
        "contributors",
        Type::People,
        "Whoever had a hand in any revision, or is claimed to have had one. Never a second pair of eyes.",
        |judged| Value::People(judged.snapshot.contributors.union(&judged.snapshot.claimed).cloned().collect()),
    ),
    item(
        "contributor_groups.any",
        Type::Groups,
        "Groups that one of the contributors is in, or in a group below. Workloads and agents are in none.",
        |judged| Value::Groups(contributor_groups(judged.snapshot, |made, members| !made.is_disjoint(members))),
    ),
    item(
        "contributor_groups.all",
        Type::Groups,
        "Groups that all contributors are in, or in groups below.",
        |judged| {
            let all =
                |made: &BTreeSet<&ActorId>, members: &BTreeSet<&ActorId>| !made.is_empty() && made.is_subset(members);
            Value::Groups(contributor_groups(judged.snapshot, all))
        },
    ),
    item(
        "proposer",
        Type::Person,
        "Who proposed the change. A person is *in* their groups and those above: `resource.proposer in Countersign::Group::\"payments\"`.",
        |judged| Value::Person(judged.snapshot.proposer.as_ref().map(|proposer| proposer.id.clone())),
    ),
    item("proposer_kind", Type::Text, "`person`, `workload` or `agent`.", |judged| {
        let kind = judged.snapshot.proposer.as_ref().map_or(ActorKind::Person, |proposer| proposer.kind);
        Value::Text(kind.as_str().into())
    }),
    item("approvers", Type::People, "Everybody whose approval of this revision stands, contributors too.", |judged| {
        Value::People(count::approvers(judged.snapshot).into_iter().cloned().collect())
    }),
    item(
        "approvals.independent",
        Type::Long,
        "How many people who had no hand in the change approved this revision.",
        |judged| Value::Long(i64::from(judged.counts.independent)),
    ),
    item("approvals.owner", Type::Long, "How many of those own the target's system.", |judged| {
        Value::Long(i64::from(judged.counts.owner))
    }),
    item("approvals.senior", Type::Long, "How many of those are senior.", |judged| {
        Value::Long(i64::from(judged.counts.senior))
    }),
    item(
        "approvals.touch",
        Type::Long,
        "How many of those signed with a hardware key that they touched, or that checked a PIN or a finger.",
        |judged| Value::Long(judged.in_role(&Role::Touch)),
    ),
    item(
        "approvals.verified",
        Type::Long,
        "How many of those signed with a key that checked a PIN or a finger.",
        |judged| Value::Long(judged.in_role(&Role::Verified)),
    ),
    item(
        "approvals.material",
        Type::Long,
        "How many of those had the content at hand, as bytes that were checked or in their own clone.",
        |judged| Value::Long(judged.in_role(&Role::Material)),
    ),
    item("approvals.oncall", Type::Long, "How many of those are on call for the target's system now.", |judged| {
        Value::Long(judged.in_role(&Role::OnCall))
    }),
    item(
        "approvals.present",
        Type::Long,
        "How many of those are not away now, by a calendar or by their own word.",
        |judged| Value::Long(judged.in_role(&Role::Present)),
    ),
    item(
        "approvals.recent",
        Type::ByHours,
        "How many of those were given at most so many hours ago: `approvals.recent[\"24h\"]`.",
        |judged| {
            let of = |hours: &u32| (format!("{hours}h"), judged.in_role(&Role::Recent(*hours)));
            Value::Longs(judged.literals.recent.iter().map(of).collect())
        },
    ),
    item(
        "approvals.apart",
        Type::Apart,
        "Whether different people gave each of several: `approvals.apart[\"group:red:1+group:blue:1\"]`. Who is in both groups is one of the two.",
        |judged| {
            let of = |text: &String| {
                // What does not parse was refused with its rule.
                let parts = parse_parts(text).unwrap_or_default();
                let met = !parts.is_empty() && count::unfilled(judged.snapshot, judged.target, &parts).is_empty();
                (text.clone(), met)
            };
            Value::Bools(judged.literals.apart.iter().map(of).collect())
        },
    ),
    item(
        "approvals.group",
        Type::ByGroup,
        "How many of those are in a group or in one below it: `approvals.group[\"payments\"]`.",
        |judged| {
            let of = |group: &GroupId| (group.clone(), judged.in_role(&Role::Group(group.clone())));
            Value::ByGroup(judged.literals.counted.iter().map(of).collect())
        },
    ),
    item(
        "paths.touched",
        Type::Paths,
        "Whether it touches a path of these patterns: `paths.touched[\"infra/** | **/*.tf\"]`. A submodule is its path, and whatever \
         could lie below it; a symbolic link also where it leads, and what links lead to also where they lie.",
        |judged| judged.paths(|paths| paths.touched),
    ),
    item(
        "paths.only",
        Type::Paths,
        "Whether it touches no other path, also by symbolic links, and is none of a link or a submodule itself.",
        |judged| judged.paths(|paths| paths.only),
    ),
    item("paths.added", Type::Paths, "Whether a file is new there.", |judged| judged.paths(|paths| paths.added)),
    item("paths.deleted", Type::Paths, "Whether a file goes from there.", |judged| judged.paths(|paths| paths.deleted)),
    item("size.files", Type::Long, "How many files it touches.", |judged| judged.size(|size| size.files)),
    item(
        "size.added",
        Type::Long,
        "How many lines of the new files are not in the old ones, as often as they are there. Of a binary or very large file, a submodule or a change of files nobody counts them: 4294967295.",
        |judged| judged.size(Size::added),
    ),
    item("size.deleted", Type::Long, "How many lines of the old files are not in the new ones.", |judged| {
        judged.size(Size::deleted)
    }),
    item(
        "size.files_without",
        Type::LeftOut,
        "How many files it touches besides those of these patterns: `size.files_without[\"gen/**\"]`. A symbolic link and a submodule are never left out.",
        |judged| judged.size_without(|size| size.files),
    ),
    item("size.added_without", Type::LeftOut, "The lines added in those.", |judged| judged.size_without(Size::added)),
    item("size.deleted_without", Type::LeftOut, "The lines deleted in those.", |judged| {
        judged.size_without(Size::deleted)
    }),
    item(
        "labels.all",
        Type::Texts,
        "The labels that stand, whoever put them on, and at whatever revision: for what asks for more.",
        |judged| Value::Texts(judged.snapshot.labels.all.keys().map(ToString::to_string).collect()),
    ),
    item(
        "labels.by_others",
        Type::Texts,
        "Those that a person who had no hand in the change put on this revision: for what asks for less.",
        |judged| Value::Texts(judged.snapshot.labels.by_others.iter().map(ToString::to_string).collect()),
    ),
    item(
        "applier.apart",
        Type::Bool,
        "Whether whoever applies it, by running its command or by a signed push, is none of those whose approvals count. Of an unsigned push: false; before anybody applies it: true.",
        |judged| Value::Bool(count::applier_is_apart(judged.snapshot)),
    ),
    item(
        "standard",
        Type::Bool,
        "Whether it fits a standard change, so that the two who approved its template are its second pair of eyes.",
        |judged| Value::Bool(judged.snapshot.standard.is_some()),
    ),
    item(
        "evidence.passed",
        Type::Evidence,
        "Whether a workload that may attests that it passed, for this revision, and none that it failed: `evidence.passed[\"tests\"]`. What is \
         missing, skipped or neutral has not passed, nor what the change made itself.",
        |judged| judged.evidence(EvidenceView::passed),
    ),
    item(
        "evidence.self_made",
        Type::Evidence,
        "Whether it passed by nothing but workloads that the change itself steers: it edits their workflow.",
        |judged| judged.evidence(EvidenceView::self_made),
    ),
    item(
        "ai.status",
        Type::Text,
        "`declared`, `inferred` (from a signal), `none` (signed, and no signal contradicts it) or `unknown`.",
        |judged| Value::Text(judged.snapshot.ai.status.as_str().into()),
    ),
    item("ai.assisted", Type::Bool, "Whether AI may have assisted: true unless the status is `none`.", |judged| {
        Value::Bool(match judged.snapshot.ai.status {
            AiStatus::Declared | AiStatus::Inferred | AiStatus::Unknown => true,
            AiStatus::None => false,
        })
    }),
    item("ai.disclosed", Type::Bool, "Whether somebody signed a disclosure for this revision.", |judged| {
        Value::Bool(judged.snapshot.ai.disclosed)
    }),
    item("ai.tools", Type::Texts, "The AI tools that a disclosure or a signal names.", |judged| {
        Value::Texts(judged.snapshot.ai.tools.iter().cloned().collect())
    }),
    item("guidance.cited", Type::Long, "How many documents the change says it was made by.", |judged| {
        Value::Long(long(judged.snapshot.guidance.len()))
    }),
    item("guidance.stale", Type::Long, "How many of those are past their review, or do not say.", |judged| {
        Value::Long(long(judged.stale))
    }),
    item("documents.why", Type::Long, "Characters that say why.", |judged| {
        Value::Long(i64::from(judged.snapshot.documents.why))
    }),
    item("documents.risk", Type::Long, "Characters that say what could go wrong.", |judged| {
        Value::Long(i64::from(judged.snapshot.documents.risk))
    }),
    item("documents.rollback", Type::Long, "Characters that say how to roll back.", |judged| {
        Value::Long(i64::from(judged.snapshot.documents.rollback))
    }),
    item("documents.tests", Type::Long, "Characters that say how it was tested.", |judged| {
        Value::Long(i64::from(judged.snapshot.documents.tests))
    }),
    item(
        "freeze.active",
        Type::Bool,
        "Whether a freeze holds for the target now, also one that the change may pass. What may not is stopped whatever rules say.",
        |judged| Value::Bool(judged.snapshot.is_frozen(&judged.target.target)),
    ),
    item(
        "window.open",
        Type::Bool,
        "Whether one of the target's change windows is open now. A target for which no calendar has any is always open.",
        |judged| Value::Bool(judged.snapshot.is_open(&judged.target.target)),
    ),
    item(
        "time.working_hours",
        Type::Bool,
        "Whether the target's owner group works now, by its working hours and holidays: where no calendar says any, from 9 to 17, Monday to Friday.",
        |judged| Value::Bool(judged.snapshot.works(&judged.target.target)),
    ),
    item("waiting.hours", Type::Long, "How many hours ago the log took this revision, begun ones in full.", |judged| {
        Value::Long(i64::from(judged.snapshot.waiting_hours.unwrap_or(0)))
    }),
    item(
        "waiting.worked_hours",
        Type::Long,
        "How many whole working hours of the target's owner group have passed since the log took this revision: its working hours and \
         holidays, where no calendar says any from 9 to 17, Monday to Friday.",
        |judged| Value::Long(judged.snapshot.worked(&judged.target.target).map_or(0, |worked| i64::from(worked.hours))),
    ),
    item(
        "findings.overdue",
        Type::Long,
        "How many findings about the change's targets nobody has answered in time. Never asked of a rollback.",
        |judged| Value::Long(i64::from(judged.snapshot.findings_overdue.unwrap_or(0))),
    ),
    item(
        "home.people",
        Type::Long,
        "How many people the catalog gives a key to, the contributors among them.",
        |judged| Value::Long(i64::from(judged.snapshot.population)),
    ),
];

/// The groups for which this holds of the contributors and of who is in the group.
fn contributor_groups(
    snapshot: &Snapshot,
    holds: impl Fn(&BTreeSet<&ActorId>, &BTreeSet<&ActorId>) -> bool,
) -> Vec<GroupId> {
    let made: BTreeSet<&ActorId> = snapshot.contributors.union(&snapshot.claimed).collect();
    let groups = snapshot.groups.iter().filter(|(_, members)| holds(&made, &members.iter().collect()));
    groups.map(|(group, _)| group.clone()).collect()
}

fn long(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// The attributes by their first word, in the order of the table: single ones and records.
pub(super) fn tree<T>(leaf: impl Fn(&Attribute) -> T) -> BTreeMap<&'static str, Node<T>> {
    let mut tree = BTreeMap::new();
    for attribute in ATTRIBUTES {
        match attribute.name.split_once('.') {
            None => {
                tree.insert(attribute.name, Node::Single(leaf(attribute)));
            }
            Some((record, field)) => match tree.entry(record).or_insert_with(|| Node::Record(Vec::new())) {
                Node::Record(fields) => fields.push((field, leaf(attribute))),
                Node::Single(_) => {}
            },
        }
    }
    tree
}

pub(super) enum Node<T> {
    Single(T),
    Record(Vec<(&'static str, T)>),
}

/// The Cedar schema that rules are validated against that count by these.
pub fn schema(literals: &Literals) -> String {
    let declare = |name: &str, attribute: &Attribute, indent: &str| {
        format!("{indent}// {}\n{indent}{name}: {},\n", attribute.doc, attribute.ty.cedar(literals))
    };
    let mut attributes = String::new();
    for (name, node) in tree(|attribute| *attribute) {
        match node {
            Node::Single(attribute) => attributes.push_str(&declare(name, &attribute, "    ")),
            Node::Record(fields) => {
                let fields: String =
                    fields.iter().map(|(field, attribute)| declare(field, attribute, "      ")).collect();
                attributes.push_str(&format!("    {name}: {{\n{fields}    }},\n"));
            }
        }
    }
    let kinds = Kind::ALL.map(|kind| format!("\"{kind}\"")).join(", ");
    format!(
        "namespace Countersign {{
  entity Group;
  // In their groups and those above, of which rules name.
  entity Person in [Group];
  entity System;
  entity Environment;
  entity Kind enum [{kinds}];
  // Which gate asks makes no difference to a rule.
  entity Gate enum [\"any\"];
  // One change for one target.
  entity Change in [System, Environment, Kind, Group] = {{
{attributes}  }};
  action apply appliesTo {{ principal: Gate, resource: Change }};
}}
"
    )
}
