//! Requirements: what a rule asks for, in a form that a program can supply, take away and put on a to-do list.
//!
//! A rule's `@requires` lists them beside the Cedar condition that demands them; [`rules::check`](mod@crate::rules::check) tests that the two say
//! the same.

mod near;

use std::{collections::BTreeSet, fmt, str::FromStr};

use thiserror::Error;

use crate::{
    ids::{EvidenceKind, GroupId, Label},
    kind::{Documents, is_form, is_host},
};

pub use self::near::hint;

/// Most approvals that a rule can ask for.
pub const MAX_APPROVALS: u32 = 9;
/// Within how many hours a rule can ask for an approval.
pub const MAX_HOURS: u32 = 8_784;
/// Most characters that a rule can ask of one document.
pub const MAX_DOCUMENT_CHARS: u32 = 10_000;

/// What people can write in `@requires`, for hints.
pub const TOKENS: &str = "approval:independent:N, approval:owner:N, approval:senior:N, approval:group:NAME:N, approval:touch:N, \
                          approval:verified:N, approval:material:N, approval:oncall:N, approval:present:N, approval:recent:HOURSh:N, approval:apart:ROLE:N+ROLE:N, guidance:fresh, \
                          document:why:CHARS, document:risk:CHARS, document:rollback:CHARS, document:tests:CHARS, \
                          evidence:KIND, disclosure, title:FORM, link:HOST, commits:signed, label:NAME, no-label:NAME, applier:apart; each may end in a condition such as @tier<=2, @tier=1 or @people>=3; `a | b` asks \
                          for either, and `a | b@waiting>=8wh` for a, or after 8 working hours also for b";

/// One part of `@requires`: one or more requirements, any one of which suffices. `approval:owner:1 | approval:senior:1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Choice(Vec<Requirement>);

impl Choice {
    /// In the order in which they are written; never none.
    pub fn ways(&self) -> &[Requirement] {
        &self.0
    }

    /// For people: `1 approval by an owner of the system, or 1 approval by a senior`.
    pub fn words(&self) -> String {
        self.0.iter().map(Requirement::words).collect::<Vec<_>>().join(", or ")
    }
}

impl From<Requirement> for Choice {
    fn from(only: Requirement) -> Self {
        Self(vec![only])
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(Requirement::to_string).collect::<Vec<_>>().join(" | "))
    }
}

impl FromStr for Choice {
    type Err = InvalidRequirement;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let ways: Vec<Requirement> = s.split('|').map(|way| way.trim().parse()).collect::<Result<_, _>>()?;
        // What waits is a way beside one that does not: alone it would ask of nobody until then.
        match ways.first().is_some_and(|first| first.waits().is_some()) {
            true => Err(InvalidRequirement(s.chars().take(80).collect())),
            false => Ok(Self(ways)),
        }
    }
}

/// One token of `@requires`: `approval:senior:1`, `document:rollback:20@tier<=2`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Requirement {
    pub need: Need,
    /// Asked only where this holds.
    pub only: Option<Condition>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    Approvals {
        role: Role,
        count: u32,
    },
    /// The same, each of them by somebody else.
    Apart(Vec<Part>),
    /// No guidance that the change cites is past its review.
    FreshGuidance,
    Document {
        document: Document,
        chars: u32,
    },
    /// A workload attests that it passed.
    Evidence(EvidenceKind),
    /// Somebody has said whether AI assisted.
    Disclosure,
    Has(Has),
}

/// Something that a change has or has not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Has {
    /// A title of this form, or, where it ends in `*`, of one that begins so.
    Title(String),
    /// A link to this host.
    Link(String),
    /// A signature over each commit, by a key that somebody here holds.
    SignedCommits,
    /// This label, put on by a person who had no hand in it.
    Label(Label),
    /// Not this label, whoever put it on.
    NoLabel(Label),
    /// An applier whose approval does not count.
    ApplierApart,
    /// A change window that is open, where its targets have any.
    Window,
}

impl Has {
    fn title(form: &str) -> Option<Self> {
        is_form(&Self::sample(form)).then(|| Self::Title(form.to_owned()))
    }

    /// A form that is one of those.
    pub(crate) fn sample(form: &str) -> String {
        match form.strip_suffix('*') {
            Some(start) if start.ends_with(|c: char| c.is_ascii_lowercase()) => format!("{start}x"),
            Some(start) if start.contains('-') => format!("{start}1"),
            Some(start) => format!("{start}X"),
            None => form.to_owned(),
        }
    }

    /// For people.
    pub fn words(&self) -> String {
        match self {
            Self::Title(form) => format!("a title of the form `{form}: …`"),
            Self::Link(host) => format!("a link to {host}"),
            Self::SignedCommits => "a signature over every commit, by a key of somebody here".to_owned(),
            Self::Label(label) => format!("the label `{label}`, put on by somebody who had no hand in the change"),
            Self::NoLabel(label) => format!("that nothing is labelled `{label}`"),
            Self::ApplierApart => "that somebody applies it whose approval does not count".to_owned(),
            Self::Window => "an open change window".to_owned(),
        }
    }
}

impl fmt::Display for Has {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Title(form) => write!(f, "title:{form}"),
            Self::Link(host) => write!(f, "link:{host}"),
            Self::SignedCommits => f.write_str("commits:signed"),
            Self::Label(label) => write!(f, "label:{label}"),
            Self::NoLabel(label) => write!(f, "no-label:{label}"),
            Self::ApplierApart => f.write_str("applier:apart"),
            Self::Window => f.write_str("window:open"),
        }
    }
}

/// What an approving person is to a target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Independent,
    Owner,
    Senior,
    /// In this group of the catalog, or in a group below it.
    Group(GroupId),
    /// Who signed with a hardware key that they touched, or that checked who they are.
    Touch,
    /// Who signed with a key that checked a PIN or a finger.
    Verified,
    /// Who approved at most so many hours ago.
    Recent(u32),
    /// Who had the content at hand, as bytes that were checked or in their own clone.
    Material,
    /// Who is on call for the target.
    OnCall,
    /// Who is not away.
    Present,
}

impl Role {
    /// The group whose members have it.
    pub fn group(&self) -> Option<&GroupId> {
        match self {
            Self::Group(group) => Some(group),
            Self::Independent
            | Self::Owner
            | Self::Senior
            | Self::Touch
            | Self::Verified
            | Self::Recent(_)
            | Self::Material
            | Self::OnCall
            | Self::Present => None,
        }
    }
}

/// The documents of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Document {
    Why,
    Risk,
    Rollback,
    Tests,
}

/// Where a requirement is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Condition {
    pub fact: Fact,
    pub comparison: Comparison,
    pub value: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    Tier,
    /// How many people have a key.
    People,
    /// How many working hours of the owner group have passed since the log took the revision.
    Worked,
}

/// Most working hours that a way waits for.
pub const MAX_WAIT: u32 = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Comparison {
    AtMost,
    Exactly,
    AtLeast,
}

/// Whether an approval of an earlier revision that brought the same counts for a rule: `never`, `delta`, `delta@tier>=2`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Carry {
    #[default]
    Never,
    /// Where this holds.
    Delta(Option<Condition>),
}

impl Carry {
    /// For a target of this tier, in a home where so many people have a key.
    pub fn holds(self, tier: u8, people: u32) -> bool {
        match self {
            Self::Never => false,
            Self::Delta(only) => only.is_none_or(|only| only.holds(tier, people, 0)),
        }
    }
}

impl fmt::Display for Carry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::Delta(None) => f.write_str("delta"),
            Self::Delta(Some(only)) => write!(f, "delta@{only}"),
        }
    }
}

impl FromStr for Carry {
    type Err = InvalidRequirement;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let of_the_home = |only: &Condition| only.fact != Fact::Worked;
        let only = |text| parse_condition(text).filter(of_the_home).map(|only| Self::Delta(Some(only)));
        let carry = match s.split_once('@') {
            Some(("delta", text)) => only(text),
            Some(_) => None,
            None if s == "delta" => Some(Self::Delta(None)),
            None if s == "never" => Some(Self::Never),
            None => None,
        };
        carry.ok_or_else(|| InvalidRequirement(s.chars().take(80).collect()))
    }
}

#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{0}` is no requirement")]
pub struct InvalidRequirement(pub String);

impl Document {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Why => "why",
            Self::Risk => "risk",
            Self::Rollback => "rollback",
            Self::Tests => "tests",
        }
    }

    pub const fn chars(self, documents: &Documents) -> u32 {
        match self {
            Self::Why => documents.why,
            Self::Risk => documents.risk,
            Self::Rollback => documents.rollback,
            Self::Tests => documents.tests,
        }
    }

    pub(crate) const fn chars_mut(self, documents: &mut Documents) -> &mut u32 {
        match self {
            Self::Why => &mut documents.why,
            Self::Risk => &mut documents.risk,
            Self::Rollback => &mut documents.rollback,
            Self::Tests => &mut documents.tests,
        }
    }
}

impl Need {
    /// The roles in which it asks for approvals.
    pub fn roles(&self) -> Vec<&Role> {
        match self {
            Self::Approvals { role, .. } => vec![role],
            Self::Apart(parts) => parts.iter().map(|part| &part.role).collect(),
            Self::FreshGuidance | Self::Document { .. } | Self::Evidence(_) | Self::Disclosure | Self::Has(_) => {
                Vec::new()
            }
        }
    }
}

impl Need {
    /// What it asks the change itself to have.
    pub fn has(&self) -> Option<&Has> {
        match self {
            Self::Has(has) => Some(has),
            Self::Approvals { .. }
            | Self::Apart(_)
            | Self::FreshGuidance
            | Self::Document { .. }
            | Self::Evidence(_)
            | Self::Disclosure => None,
        }
    }
}

impl Condition {
    /// For a target of this tier, in a home where so many people have a key, so many working hours after it was proposed.
    pub const fn holds(self, tier: u8, people: u32, worked: u32) -> bool {
        let fact = match self.fact {
            Fact::Tier => tier as u32,
            Fact::People => people,
            Fact::Worked => worked,
        };
        match self.comparison {
            Comparison::AtMost => fact <= self.value,
            Comparison::Exactly => fact == self.value,
            Comparison::AtLeast => fact >= self.value,
        }
    }

    fn words(self) -> String {
        let value = self.value;
        match (self.fact, self.comparison) {
            (Fact::Tier, Comparison::AtMost) if value <= 1 => "tier 1".to_owned(),
            (Fact::Tier, Comparison::AtMost) => format!("tiers 1 to {value}"),
            (Fact::Tier, Comparison::Exactly) => format!("tier {value}"),
            (Fact::Tier, Comparison::AtLeast) if value >= 4 => "tier 4".to_owned(),
            (Fact::Tier, Comparison::AtLeast) => format!("tiers {value} to 4"),
            (Fact::People, Comparison::AtMost) => format!("where at most {value} people have a key"),
            (Fact::People, Comparison::Exactly) => format!("where {value} people have a key"),
            (Fact::People, Comparison::AtLeast) => format!("where {value} or more people have a key"),
            // It is written so alone.
            (Fact::Worked, _) if value == 1 => "after a working hour".to_owned(),
            (Fact::Worked, _) => format!("after {value} working hours"),
        }
    }
}

impl Requirement {
    /// After how many working hours it is a way, where it waits.
    pub fn waits(&self) -> Option<u32> {
        self.only.filter(|only| only.fact == Fact::Worked).map(|only| only.value)
    }

    /// For people: `2 approvals by people who had no hand in the change`.
    pub fn words(&self) -> String {
        let need = match &self.need {
            Need::Approvals { role, count } => approvals(*count, "", role),
            Need::Apart(parts) => {
                let each: Vec<String> = parts.iter().map(|part| approvals(part.count, "", &part.role)).collect();
                format!("{}, each by somebody else", each.join(" and "))
            }
            Need::FreshGuidance => "no cited guidance past its review".to_owned(),
            Need::Document { document: Document::Why, chars } => format!("why, in {chars} characters or more"),
            Need::Document { document: Document::Risk, chars } => format!("the risk, in {chars} characters or more"),
            Need::Document { document: Document::Rollback, chars } => {
                format!("how to roll back, in {chars} characters or more")
            }
            Need::Document { document: Document::Tests, chars } => {
                format!("how it was tested, in {chars} characters or more")
            }
            Need::Evidence(kind) => format!("evidence that {kind} passed"),
            Need::Disclosure => "a statement of whether AI assisted".to_owned(),
            Need::Has(has) => has.words(),
        };
        match self.only {
            Some(only) => format!("{need} ({})", only.words()),
            None => need,
        }
    }
}

/// `1 more approval by a senior`.
pub(crate) fn approvals(count: u32, more: &str, role: &Role) -> String {
    let noun = if count == 1 { "approval" } else { "approvals" };
    let by = match (role, count) {
        (Role::Group(group), 1) => return format!("{count} {more}{noun} by somebody of group {group}"),
        (Role::Group(group), _) => return format!("{count} {more}{noun} by people of group {group}"),
        (Role::Touch, 1) => "somebody who touches a hardware key",
        (Role::Touch, _) => "people who touch a hardware key",
        (Role::Verified, 1) => "somebody whose key checks a PIN or a finger",
        (Role::Verified, _) => "people whose keys check a PIN or a finger",
        (Role::Recent(hours), _) => return format!("{count} {more}{noun} not older than {hours} hours"),
        (Role::Material, 1) => "somebody with the content at hand",
        (Role::Material, _) => "people with the content at hand",
        (Role::OnCall, 1) => "somebody who is on call for the system",
        (Role::OnCall, _) => "people who are on call for the system",
        (Role::Present, 1) => "somebody who is not away",
        (Role::Present, _) => "people who are not away",
        (Role::Independent, 1) => "somebody who had no hand in the change",
        (Role::Independent, _) => "people who had no hand in the change",
        (Role::Owner, 1) => "an owner of the system",
        (Role::Owner, _) => "owners of the system",
        (Role::Senior, 1) => "a senior",
        (Role::Senior, _) => "seniors",
    };
    format!("{count} {more}{noun} by {by}")
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.need {
            Need::Approvals { role, count } => write!(f, "approval:{role}:{count}")?,
            Need::Apart(parts) => write!(f, "approval:apart:{}", spelled(parts))?,
            Need::FreshGuidance => f.write_str("guidance:fresh")?,
            Need::Document { document, chars } => write!(f, "document:{}:{chars}", document.name())?,
            Need::Evidence(kind) => write!(f, "evidence:{kind}")?,
            Need::Disclosure => f.write_str("disclosure")?,
            Need::Has(has) => write!(f, "{has}")?,
        }
        match self.only {
            Some(only) => write!(f, "@{only}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fact, comparison, value } = self;
        let fact = match fact {
            Fact::Tier => "tier",
            Fact::People => "people",
            Fact::Worked => "waiting",
        };
        let comparison = match comparison {
            Comparison::AtMost => "<=",
            Comparison::Exactly => "=",
            Comparison::AtLeast => ">=",
        };
        let unit = if self.fact == Fact::Worked { "wh" } else { "" };
        write!(f, "{fact}{comparison}{value}{unit}")
    }
}

impl FromStr for Requirement {
    type Err = InvalidRequirement;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (need, only) = match s.split_once('@') {
                Some((need, only)) => (need, Some(parse_condition(only)?)),
                None => (s, None),
            };
            Some(Self { need: parse_need(need)?, only })
        };
        parse().ok_or_else(|| InvalidRequirement(s.chars().take(80).collect()))
    }
}

/// What different people approve, as rules spell it: `group:red:1+group:blue:2`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    pub role: Role,
    pub count: u32,
}

/// The parts in one spelling.
pub fn spelled(parts: &[Part]) -> String {
    parts.iter().map(|part| format!("{}:{}", part.role, part.count)).collect::<Vec<_>>().join("+")
}

/// Reads what [`spelled`] writes: two or more parts, each role once, at most [`MAX_APPROVALS`] people in all.
pub fn parse_parts(s: &str) -> Option<Vec<Part>> {
    let part = |s: &str| {
        let (role, count) = s.rsplit_once(':')?;
        let role = match role.strip_prefix("group:") {
            Some(group) => Role::Group(group.parse().ok()?),
            None => recent(role).or_else(|| plain_role(role))?,
        };
        Some(Part { role, count: number(count, MAX_APPROVALS)? })
    };
    let parts: Vec<Part> = s.split('+').map(part).collect::<Option<_>>()?;
    let roles: BTreeSet<&Role> = parts.iter().map(|part| &part.role).collect();
    let people = parts.iter().map(|part| part.count).sum::<u32>();
    (parts.len() > 1 && roles.len() == parts.len() && people <= MAX_APPROVALS).then_some(parts)
}

/// `recent:24h`.
fn recent(s: &str) -> Option<Role> {
    s.strip_prefix("recent:").and_then(parse_hours).map(Role::Recent)
}

/// `24h`: whole hours, of a year at the most.
pub fn parse_hours(s: &str) -> Option<u32> {
    number(s.strip_suffix('h')?, MAX_HOURS)
}

/// A role that is one word.
fn plain_role(s: &str) -> Option<Role> {
    let plain = [
        Role::Independent,
        Role::Owner,
        Role::Senior,
        Role::Touch,
        Role::Verified,
        Role::Material,
        Role::OnCall,
        Role::Present,
    ];
    plain.into_iter().find(|role| role.to_string() == s)
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Independent => "independent",
            Self::Owner => "owner",
            Self::Senior => "senior",
            Self::Group(group) => return write!(f, "group:{group}"),
            Self::Touch => "touch",
            Self::Verified => "verified",
            Self::Recent(hours) => return write!(f, "recent:{hours}h"),
            Self::Material => "material",
            Self::OnCall => "oncall",
            Self::Present => "present",
        })
    }
}

fn parse_need(s: &str) -> Option<Need> {
    if let Some(parts) = s.strip_prefix("approval:apart:") {
        return parse_parts(parts).map(Need::Apart);
    }
    let mut parts = s.split(':');
    let need = match (parts.next()?, parts.next(), parts.next()) {
        ("approval", Some("group"), Some(group)) => {
            let role = Role::Group(group.parse().ok()?);
            Need::Approvals { role, count: number(parts.next()?, MAX_APPROVALS)? }
        }
        ("approval", Some("recent"), Some(hours)) => {
            let role = Role::Recent(parse_hours(hours)?);
            Need::Approvals { role, count: number(parts.next()?, MAX_APPROVALS)? }
        }
        ("approval", Some(role), Some(count)) => {
            Need::Approvals { role: plain_role(role)?, count: number(count, MAX_APPROVALS)? }
        }
        ("guidance", Some("fresh"), None) => Need::FreshGuidance,
        ("document", Some(document), Some(chars)) => {
            let documents = [Document::Why, Document::Risk, Document::Rollback, Document::Tests];
            let document = documents.into_iter().find(|known| known.name() == document)?;
            Need::Document { document, chars: number(chars, MAX_DOCUMENT_CHARS)? }
        }
        ("evidence", Some(kind), None) => Need::Evidence(kind.parse().ok()?),
        ("disclosure", None, None) => Need::Disclosure,
        ("title", Some(form), None) => Need::Has(Has::title(form)?),
        ("link", Some(host), None) => Need::Has(Has::Link(Some(host.to_owned()).filter(|host| is_host(host))?)),
        ("commits", Some("signed"), None) => Need::Has(Has::SignedCommits),
        ("label", Some(label), None) => Need::Has(Has::Label(label.parse().ok()?)),
        ("applier", Some("apart"), None) => Need::Has(Has::ApplierApart),
        ("no-label", Some(label), None) => Need::Has(Has::NoLabel(label.parse().ok()?)),
        ("window", Some("open"), None) => Need::Has(Has::Window),
        _ => return None,
    };
    parts.next().is_none().then_some(need)
}

fn parse_condition(s: &str) -> Option<Condition> {
    if let Some(hours) = s.strip_prefix("waiting>=").and_then(|rest| rest.strip_suffix("wh")) {
        let value = number(hours, MAX_WAIT)?;
        return Some(Condition { fact: Fact::Worked, comparison: Comparison::AtLeast, value });
    }
    let (fact, rest) = match (s.strip_prefix("tier"), s.strip_prefix("people")) {
        (Some(rest), _) => (Fact::Tier, rest),
        (None, Some(rest)) => (Fact::People, rest),
        (None, None) => return None,
    };
    let comparisons = [("<=", Comparison::AtMost), (">=", Comparison::AtLeast), ("=", Comparison::Exactly)];
    let (comparison, value) =
        comparisons.into_iter().find_map(|(sign, comparison)| Some((comparison, rest.strip_prefix(sign)?)))?;
    let most = match fact {
        Fact::Tier => 4,
        Fact::People => 1_000_000,
        Fact::Worked => MAX_WAIT,
    };
    Some(Condition { fact, comparison, value: number(value, most)? })
}

/// Digits without sign or leading zero, from 1 to `most`: one requirement has one spelling.
fn number(s: &str, most: u32) -> Option<u32> {
    let plain = s.bytes().all(|b| b.is_ascii_digit()) && !s.starts_with('0');
    s.parse().ok().filter(|n| plain && (1..=most).contains(n))
}
