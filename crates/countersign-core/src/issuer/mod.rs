//! Issuers of OIDC tokens: whose tokens speak for which workload, and by which keys they are signed. Governance pins the keys, so
//! that whoever replays the log checks a token as it was checked when it was taken, and nobody asks an issuer.
//!
//! A token speaks for evidence and for nothing else. It names whom a CI runs for, so that it lies beside the log and can be
//! erased; what then counts by it is nothing.
//!
//! | room | holds |
//! |---|---|
//! | `claims` | patterns over what a token says |
//! | `written` | `issuers/NAME.yaml` and `issuers/NAME.jwks.json`, as people keep them |

mod claims;
pub mod written;

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::{
    Digest, Fingerprint, PublicKey, Time,
    jws::{self, Jws, JwsError},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::claims::{MAX_PATTERN_BYTES, WHERE};
use crate::{
    canonical,
    catalog::{ActorKind, Catalog, near},
    evidence::Scope,
    ids::{ActorId, SystemId, Target},
    refusal::Refusal,
};

/// The folder of the issuers' files.
pub const ISSUERS: &str = "issuers/";
const JSON: &str = ".json";
pub const MAX_ISSUERS: usize = 50;
/// Most entries of one issuer: each says of a workload which tokens speak for it.
pub const MAX_ENTRIES: usize = 2_000;
const MAX_CLAIMS: usize = 20;
const MAX_ISSUER_BYTES: usize = 300;
/// How far the clocks of an issuer and of the log may be apart.
pub const SKEW_SECS: i64 = 60;
/// No token that lasts longer is taken: it is made for one statement.
pub const MAX_TOKEN_SECS: i64 = 24 * 60 * 60;

/// An issuer as a governance file: `issuers/NAME.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerFile {
    /// Just as its tokens say in `iss`.
    pub issuer: String,
    /// By which it signs, by the names that its tokens give them (`kid`).
    pub keys: BTreeMap<String, PublicKey>,
    pub workloads: Vec<SpeaksFor>,
}

/// Which of its tokens speak for a workload: those that say all of this.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeaksFor {
    /// For which targets their word counts, beside what the catalog says of the workload.
    #[serde(default, skip_serializing_if = "Scope::is_everywhere")]
    pub attests_for: Scope,
    /// A claim to a pattern of all that it says.
    pub claims: BTreeMap<String, String>,
    pub workload: ActorId,
}

impl SpeaksFor {
    /// The same tokens for the same workload, and nowhere where they did not count.
    fn is_within(&self, old: &Self) -> bool {
        self.workload == old.workload && self.claims == old.claims && self.attests_for.is_within(&old.attests_for)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    pub name: String,
    pub file: IssuerFile,
}

/// All that are in force, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Issuers(BTreeMap<String, Issuer>);

/// That a token spoke for a statement: what is known of it without the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByToken {
    /// Of the token, which lies beside the log.
    pub digest: Digest,
    pub issuer: String,
    /// What governance said then of which tokens speak for the workload.
    pub under: Digest,
    /// Whoever keeps this never had the token, and so did not check it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unseen: bool,
    /// Two people have erased it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
}

/// Whom a token speaks for, and by which key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub issuer: String,
    pub key: Fingerprint,
    pub under: Digest,
}

/// The name of the issuer whose governance file has this path; `None` for another file.
pub fn name_of(path: &str) -> Option<&str> {
    let name = path.strip_prefix(ISSUERS)?.strip_suffix(JSON)?;
    is_name(name).then_some(name)
}

pub fn is_name(name: &str) -> bool {
    name.parse::<SystemId>().is_ok()
}

/// Where the governance file of this issuer stands.
pub fn path_of(name: &str) -> String {
    format!("{ISSUERS}{name}{JSON}")
}

fn invalid(path: &str, what: impl std::fmt::Display) -> Refusal {
    Refusal::malformed("issuer-invalid", format!("{path}: {what}"))
}

impl IssuerFile {
    pub fn to_bytes(&self) -> Result<Vec<u8>, Refusal> {
        canonical::to_bytes(self)
    }

    /// Whether it is as it should be, whatever the catalog says; `path` is for the message.
    fn holds(&self, path: &str) -> Result<(), Refusal> {
        match self.problem() {
            None => Ok(()),
            Some((what, hint)) => Err(Refusal { hint, ..invalid(path, what) }),
        }
    }

    fn problem(&self) -> Option<(String, Option<String>)> {
        if let Some(what) = url_problem(&self.issuer) {
            let hint = "write it as its tokens say in `iss`, such as https://token.actions.githubusercontent.com";
            return Some((what, Some(hint.to_owned())));
        }
        if self.keys.is_empty() || self.keys.len() > jws::MAX_JWKS {
            return Some((format!("it has {} keys; 1 to {} are taken", self.keys.len(), jws::MAX_JWKS), None));
        }
        for (kid, key) in &self.keys {
            let why = key.unfit().or_else(|| jws::algorithm_of(key).err().map(|error| error.to_string()));
            if let Some(why) = why {
                return Some((format!("key `{kid}`: {why}"), None));
            }
        }
        let distinct: BTreeSet<Fingerprint> = self.keys.values().map(PublicKey::fingerprint).collect();
        if distinct.len() != self.keys.len() {
            return Some(("one key has two names".to_owned(), None));
        }
        if self.workloads.is_empty() || self.workloads.len() > MAX_ENTRIES {
            let what = format!("it speaks for {} workloads; 1 to {MAX_ENTRIES} are taken", self.workloads.len());
            return Some((what, None));
        }
        if !self.workloads.is_sorted_by(|a, b| (&a.workload, &a.claims) < (&b.workload, &b.claims)) {
            return Some(("its workloads are not in order, each entry once".to_owned(), None));
        }
        let mut pairs = self.workloads.iter().zip(self.workloads.iter().skip(1));
        let differ = |(one, next): &(&SpeaksFor, &SpeaksFor)| {
            one.workload == next.workload && one.attests_for != next.attests_for
        };
        if let Some((SpeaksFor { workload, .. }, _)) = pairs.find(differ) {
            let what = format!("its tokens speak for {workload} for some targets and for others");
            return Some((what, Some("make a workload of each: which token spoke is not known later".to_owned())));
        }
        self.workloads.iter().find_map(|entry| {
            let problem = claims::problem(&entry.claims)?;
            Some((format!("workload {}: {}", entry.workload, problem.0), Some(problem.1)))
        })
    }
}

fn url_problem(issuer: &str) -> Option<String> {
    let host = issuer.strip_prefix("https://").map(|rest| rest.split('/').next().unwrap_or_default());
    let visible = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '@' | '\\' | '"');
    match host {
        None | Some("") => Some("the issuer is no https:// address".to_owned()),
        Some(_) if issuer.len() > MAX_ISSUER_BYTES => {
            Some(format!("the issuer is longer than {MAX_ISSUER_BYTES} bytes"))
        }
        Some(_) if !issuer.chars().all(visible) => {
            Some("the issuer has a character that no issuer's address has".to_owned())
        }
        Some(_) => None,
    }
}

impl Issuer {
    /// Reads a governance file strictly.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, Refusal> {
        let path = path_of(name);
        let file: IssuerFile = canonical::from_bytes(bytes, &path)?;
        file.holds(&path)?;
        Ok(Self { name: name.to_owned(), file })
    }

    fn key(&self, fingerprint: &str) -> Option<&PublicKey> {
        self.file.keys.values().find(|key| key.fingerprint().as_str() == fingerprint)
    }

    fn entries(&self, workload: &ActorId) -> impl Iterator<Item = &SpeaksFor> {
        self.file.workloads.iter().filter(move |entry| entry.workload == *workload)
    }

    /// What it says of a workload, as a digest; `None` where none of its tokens speaks for it.
    fn under(&self, workload: &ActorId) -> Option<Digest> {
        let entries: Vec<&SpeaksFor> = self.entries(workload).collect();
        if entries.is_empty() {
            return None;
        }
        canonical::to_bytes(&(&self.file.issuer, entries)).ok().map(Digest::of)
    }
}

impl Issuers {
    /// All of them, if each speaks only for workloads of the catalog, and no two are the same.
    pub fn of(issuers: impl IntoIterator<Item = Issuer>, catalog: &Catalog) -> Result<Self, Refusal> {
        let all = Self::kept(issuers);
        if all.0.len() > MAX_ISSUERS {
            return Err(Refusal::malformed("issuer-invalid", format!("more than {MAX_ISSUERS} issuers")));
        }
        let mut urls: BTreeMap<&str, &str> = BTreeMap::new();
        for issuer in all.iter() {
            if let Some(other) = urls.insert(&issuer.file.issuer, &issuer.name) {
                let what = format!("{} is the issuer of {} already", issuer.file.issuer, path_of(other));
                return Err(invalid(&path_of(&issuer.name), what).hint("one file says all of an issuer"));
            }
            for SpeaksFor { workload, attests_for, .. } in &issuer.file.workloads {
                let path = path_of(&issuer.name);
                if let Some(unknown) = catalog.lacks(attests_for) {
                    let what = format!("there is no `{unknown}`, for which {workload} attests");
                    return Err(invalid(&path, what));
                }
                match catalog.actors.get(workload).map(|actor| actor.kind) {
                    Some(ActorKind::Workload) => {}
                    Some(kind @ (ActorKind::Person | ActorKind::Agent)) => {
                        let what =
                            format!("{workload} is {}; a token speaks for a workload alone", kind.with_article());
                        return Err(invalid(&path, what)
                            .hint("give what runs there an entity of its own, with `countersign/actor: workload`"));
                    }
                    None => {
                        let workloads = catalog.actors.values().filter(|actor| actor.kind == ActorKind::Workload);
                        let meant = near::did_you_mean(workload.as_str(), workloads.map(|actor| actor.id.as_str()));
                        let hint = meant.map(|meant| format!("did you mean `{meant}`?"));
                        return Err(Refusal {
                            hint,
                            ..invalid(&path, format_args!("the catalog has no workload `{workload}`"))
                        });
                    }
                }
            }
        }
        Ok(all)
    }

    /// The same of what was kept of them, which held.
    pub(crate) fn kept(issuers: impl IntoIterator<Item = Issuer>) -> Self {
        Self(issuers.into_iter().map(|issuer| (issuer.name.clone(), issuer)).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Issuer> {
        self.0.values()
    }

    pub fn get(&self, name: &str) -> Option<&Issuer> {
        self.0.get(name)
    }

    /// Whether tokens of any of them speak for a workload.
    pub fn speak_for(&self, workload: &ActorId) -> bool {
        self.iter().any(|issuer| issuer.entries(workload).next().is_some())
    }

    /// Whether what was said by a token counts still: the issuer's key is pinned as ever, and what is asked of its tokens for this
    /// workload is what was asked then.
    pub fn stands(&self, by: &ActorId, key: &Fingerprint, said: &ByToken) -> bool {
        let issuer = self.get(&said.issuer);
        issuer.is_some_and(|issuer| issuer.key(key.as_str()).is_some() && issuer.under(by) == Some(said.under))
    }

    /// For which targets what is said by this issuer's tokens counts.
    pub fn scope(&self, issuer: &str, workload: &ActorId) -> Option<&Scope> {
        self.get(issuer)?.entries(workload).next().map(|entry| &entry.attests_for)
    }

    /// Whether tokens of any of them speak for a workload, and count for this target.
    pub fn speak_of(&self, workload: &ActorId, target: &Target) -> bool {
        self.iter().flat_map(|issuer| issuer.entries(workload)).any(|entry| entry.attests_for.covers(target))
    }

    /// What a statement says of its token (`NAME/FINGERPRINT`), where the token itself is not at hand.
    pub fn named(&self, keyid: &str, by: &ActorId) -> Option<Shown> {
        let (name, fingerprint) = keyid.split_once('/')?;
        let issuer = self.get(name)?;
        let key = issuer.key(fingerprint)?.fingerprint();
        Some(Shown { issuer: issuer.name.clone(), key, under: issuer.under(by)? })
    }

    /// Whether a token speaks for this workload, over the payload with this digest, at this time.
    pub fn check(&self, token: &Jws, payload: &Digest, by: &ActorId, now: Time) -> Result<Shown, Refusal> {
        let claim = |name: &str| token.claims().get(name);
        let iss = claim("iss").and_then(Value::as_str).unwrap_or_default();
        let issuer = self.iter().find(|issuer| issuer.file.issuer == iss).ok_or_else(|| {
            let known: Vec<&str> = self.iter().map(|issuer| issuer.file.issuer.as_str()).collect();
            let hint = match known.is_empty() {
                true => {
                    "no issuer is in force; a home says it in issuers/NAME.yaml, with its keys beside it".to_owned()
                }
                false => format!("what is in force, letter by letter: {}", known.join(", ")),
            };
            Refusal::unauthenticated("unknown-issuer", format!("no issuer `{}` is in force", short(iss))).hint(hint)
        })?;
        let Issuer { name, file } = issuer;
        let key = file.keys.get(token.kid()).ok_or_else(|| {
            let what = format!("issuer {name} has no key `{}` in force", short(token.kid()));
            Refusal::unauthenticated("unknown-issuer-key", what).hint(format!(
                "if it signs by another key now, put its present keys into {ISSUERS}{name}{}, and publish that (countersign amend)",
                written::JWKS
            ))
        })?;
        token.verify(key).map_err(of_token)?;
        for_this(claim("aud"), payload)?;
        in_time(token, now)?;
        if !issuer.entries(by).any(|entry| claims::are_as_asked(&entry.claims, token.claims())) {
            let asked: BTreeSet<&str> =
                issuer.entries(by).flat_map(|entry| entry.claims.keys()).map(String::as_str).collect();
            let what = format!("the token does not say what issuer {name} has to say for {by}");
            return Err(Refusal::forbidden("token-claims", what).hint(match asked.is_empty() {
                true => format!("none of its tokens speaks for {by}: {} says for whom they do", path_of(name)),
                false => format!("looked at: {}", Vec::from_iter(asked).join(", ")),
            }));
        }
        let under = issuer.under(by).ok_or_else(|| invalid(&path_of(name), "it speaks for nobody"))?;
        Ok(Shown { issuer: name.clone(), key: key.fingerprint(), under })
    }
}

impl Shown {
    /// How a statement names it beside the token's digest.
    pub fn keyid(&self) -> String {
        format!("{}/{}", self.issuer, self.key)
    }
}

/// The audience is the digest of the payload, alone: a token that somebody got for something else says nothing here.
fn for_this(aud: Option<&Value>, payload: &Digest) -> Result<(), Refusal> {
    let found = match aud {
        Some(Value::String(one)) => Some(one.as_str()),
        Some(Value::Array(list)) => match list.as_slice() {
            [Value::String(one)] => Some(one.as_str()),
            _ => None,
        },
        _ => None,
    };
    let found = found.unwrap_or("several, or none");
    if found == payload.to_string() {
        return Ok(());
    }
    let what = format!("the token is for `{}`, and the statement is {payload}", short(found));
    Err(Refusal::unauthenticated("token-audience", what).hint(
        "the token has to be asked for when the statement is made, with its digest as the audience; a CI that gives only tokens with \
         a fixed audience attests by an SSH key",
    ))
}

fn in_time(token: &Jws, now: Time) -> Result<(), Refusal> {
    let wrong = |code, what: String| Err(Refusal::unauthenticated(code, what));
    let claim = |name: &str| token.claims().get(name);
    let number = |name: &str| claim(name).and_then(Value::as_i64);
    let (Some(iat), Some(exp)) = (number("iat"), number("exp")) else {
        return wrong(
            "token-time",
            "the token does not say when it was made and until when it holds (`iat`, `exp`)".into(),
        );
    };
    let nbf = match claim("nbf") {
        None => iat,
        Some(_) => match number("nbf") {
            Some(nbf) => nbf,
            None => return wrong("token-time", "the token's `nbf` is no number of seconds".into()),
        },
    };
    let lasts = exp.saturating_sub(iat);
    if lasts <= 0 || lasts > MAX_TOKEN_SECS {
        return wrong("token-time", format!("the token holds for {lasts} s; up to {MAX_TOKEN_SECS} are taken"));
    }
    let now = now.unix_secs();
    if now > exp.saturating_add(SKEW_SECS) {
        return wrong("token-expired", format!("the token held until {}", Time::from_unix_secs(exp)));
    }
    if now < iat.max(nbf).saturating_sub(SKEW_SECS) {
        let what = format!("the token holds from {} on", Time::from_unix_secs(iat.max(nbf)));
        return wrong("token-not-yet", what);
    }
    Ok(())
}

/// A token that cannot be taken, in the words of who reads it.
pub fn of_token(error: JwsError) -> Refusal {
    let code = match &error {
        JwsError::TooLarge(_) => "token-too-large",
        JwsError::Algorithm(_) | JwsError::KeyMismatch { .. } => "token-algorithm",
        JwsError::Signature(_) => "token-signature",
        JwsError::Shape
        | JwsError::Base64(_)
        | JwsError::Json(..)
        | JwsError::NoKeyId
        | JwsError::Type(_)
        | JwsError::Critical => "token-malformed",
    };
    Refusal::unauthenticated(code, error.to_string())
}

fn short(text: &str) -> String {
    text.chars().take(120).collect()
}

/// What of other issuers lets more speak, or lets them speak by other keys. What is not shown to take away counts as giving.
pub fn loosens(before: &Issuers, after: &Issuers) -> Vec<(String, &'static str)> {
    let mut found = Vec::new();
    for new in after.iter() {
        let Some(old) = before.get(&new.name) else {
            found.push((new.name.clone(), "speaks for workloads by its tokens"));
            continue;
        };
        if old.file.issuer != new.file.issuer {
            found.push((new.name.clone(), "is another issuer than before"));
            continue;
        }
        if new.file.keys.values().any(|key| old.key(key.fingerprint().as_str()).is_none()) {
            found.push((new.name.clone(), "signs by another key"));
        }
        if new.file.workloads.iter().any(|entry| !old.file.workloads.iter().any(|old| entry.is_within(old))) {
            found.push((new.name.clone(), "speaks for a workload by other tokens than before"));
        }
    }
    found
}
