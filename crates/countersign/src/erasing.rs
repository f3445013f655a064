//! What a log has of a person: their name and mails in the catalog, past and present, the names in commits that are theirs, and
//! texts that name them. Found by reading every leaf once; nothing of the server's own account has a part in it.
//!
//! What a server hides here stays where it is; what it shows is signed for by two people, who are told what it says.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::{
    catalog::files::{CatalogFile, PROFILES},
    facts::Identities,
    governance::{Replacements, read_manifest},
    ids::{ActorId, ChangeId, Nonce},
    refusal::Refusal,
    statement::{Body, Statement},
    subject::{Subject, SubjectRef},
    text::{ProposalText, Reason},
};
use countersign_ledger::{Digest, Jws, Leaf};

use crate::{
    client::{Client, ClientError},
    publication::InForce,
    wire::Published,
};

/// Shorter names are parts of too many words.
const MIN_NAME_CHARS: usize = 3;

#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// What is to go, by where it stands.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Files of names and mails, and reasons that stand beside no change.
    pub of_person: BTreeSet<Digest>,
    pub of_changes: BTreeMap<ChangeId, BTreeSet<Digest>>,
    /// The files in force that name them, with what takes their place.
    pub replaced: Replacements,
    /// Those.
    pub files: Vec<Vec<u8>>,
}

/// What somebody is called, in lower case.
#[derive(Debug, Default)]
struct Called {
    names: BTreeSet<String>,
    mails: BTreeSet<String>,
}

impl Called {
    fn learn(&mut self, named: countersign_core::catalog::files::Named) {
        self.names.extend(named.name.map(|name| name.to_lowercase()));
        self.mails.extend(named.mails);
    }

    fn is(&self, name: &str, mail: &str) -> bool {
        self.mails.contains(&mail.to_lowercase()) || self.names.contains(&name.to_lowercase())
    }

    fn is_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let names = self.names.iter().filter(|name| name.chars().count() >= MIN_NAME_CHARS);
        names.chain(&self.mails).any(|word| text.contains(word.as_str()))
    }
}

/// Looks for all that a log has of a person. With `words`, whatever they wrote is theirs, too.
pub fn search(
    client: &Client,
    history: &[Published],
    in_force: &InForce,
    person: &ActorId,
    words: bool,
    salt: impl Fn() -> Nonce,
) -> Result<Found, SearchError> {
    let mut found = Found::default();
    let mut called = Called::default();
    for (path, digest) in profiles(history)? {
        let Some(bytes) = there(client, &digest)? else { continue };
        let Some(named) = CatalogFile::profile(&bytes, person) else { continue };
        called.learn(named);
        found.of_person.insert(digest);
        if in_force.files.get(&path) == Some(&digest) {
            let without = CatalogFile::without_profile(&bytes, person, salt())?;
            found.replaced.insert(path, without.as_ref().map(Digest::of));
            found.files.extend(without);
        }
    }
    let mut reader = Reader { client, person, called, words, found };
    let mut from = 0;
    loop {
        let entries = client.entries(from)?;
        let (Some(leaves), Some(blobs)) = (entries.leaves(), entries.blobs()) else {
            return Err(Refusal::malformed("not-base64", "the server sends leaves that are no base64").into());
        };
        if leaves.is_empty() {
            return Ok(reader.found);
        }
        for bytes in &leaves {
            reader.read(bytes, &blobs)?;
        }
        from = from.saturating_add(leaves.len() as u64);
    }
}

/// Every file of names and mails that there ever was.
fn profiles(history: &[Published]) -> Result<BTreeSet<(String, Digest)>, Refusal> {
    let mut all = BTreeSet::new();
    for published in history {
        let Statement { body, .. } = Statement::parse(published.statement.as_bytes())?;
        let Some(list) = body.governance_files() else { continue };
        let files = read_manifest(&list, &|digest| {
            (Digest::of(&published.files) == *digest).then(|| published.files.clone().into_bytes())
        })?;
        let profiles = files.into_iter().filter(|(path, _)| path.starts_with(PROFILES));
        all.extend(profiles.filter_map(|(path, digest)| Some((path, digest?))));
    }
    Ok(all)
}

/// A blob, unless it is gone.
pub fn there(client: &Client, digest: &Digest) -> Result<Option<Vec<u8>>, ClientError> {
    match client.blob(digest) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(ClientError::Refused { code, .. }) if code == "not-found" => Ok(None),
        Err(error) => Err(error),
    }
}

/// What somebody can read in a blob: what a token says lies in it in base64.
fn words_in(bytes: &[u8]) -> String {
    match Jws::parse(bytes) {
        Ok(token) => token.claims().iter().map(|(claim, said)| format!("{claim} {said}\n")).collect(),
        Err(_) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

struct Reader<'a> {
    client: &'a Client,
    person: &'a ActorId,
    called: Called,
    words: bool,
    found: Found,
}

impl Reader<'_> {
    /// Files of names and mails that were only proposed.
    fn read_proposed(&mut self, named: &SubjectRef) -> Result<(), SearchError> {
        let Some(subject) = there(self.client, &named.digest)? else { return Ok(()) };
        let Subject::Governance(subject) = Subject::read(named, &subject)? else { return Ok(()) };
        let Some(list) = there(self.client, &subject.files)? else { return Ok(()) };
        let files = read_manifest(&subject.files, &|digest| (*digest == subject.files).then(|| list.clone()))?;
        for (path, digest) in files {
            let Some(digest) = digest.filter(|_| path.starts_with(PROFILES)) else { continue };
            let Some(bytes) = there(self.client, &digest)? else { continue };
            if CatalogFile::profile(&bytes, self.person).is_some() {
                self.found.of_person.insert(digest);
            }
        }
        Ok(())
    }

    fn read(&mut self, bytes: &[u8], blobs: &BTreeMap<Digest, Vec<u8>>) -> Result<(), SearchError> {
        let leaf = Leaf::parse(bytes).map_err(|e| Refusal::malformed("malformed-leaf", e.to_string()))?;
        let statement = Statement::parse(leaf.envelope.payload())?;
        if let Some(subject) = statement.body.governance_subject() {
            self.read_proposed(subject)?;
        }
        let (texts, identities) = match &statement.body {
            Body::Proposal(b) => (vec![b.text], b.identities),
            Body::NewRevision(b) => (vec![b.text], b.identities),
            Body::Rejection(b) => (vec![b.reason], None),
            Body::RejectionSetAside(b) => (vec![b.reason], None),
            Body::Waiver(b) => (vec![b.reason], None),
            Body::Comment(b) => (vec![b.text], None),
            Body::Evidence(b) => {
                let token = leaf.envelope.token().map(|token| token.digest);
                (b.document.into_iter().chain(b.text).chain(token).collect(), None)
            }
            Body::KeyRevocation(b) => (vec![b.reason], None),
            Body::KeyRotation(b) => (b.reason.into_iter().collect(), None),
            Body::Recovery(b) => (vec![b.reason], None),
            Body::Freeze(b) => (vec![b.reason], None),
            Body::BreakGlass(b) => (vec![b.reason], None),
            Body::Publication(b) => (vec![b.reason], None),
            Body::Erasure(b) => (vec![b.reason], None),
            Body::Epoch(b) => (vec![b.reason], None),
            Body::Finding(b) => (b.text.into_iter().collect(), None),
            Body::FindingAnswer(b) => (vec![b.text], None),
            Body::Genesis(_)
            | Body::RevocationConfirmation(_)
            | Body::FreezeLift(_)
            | Body::CalendarFetched(_)
            | Body::Drill(_)
            | Body::Away(_)
            | Body::Back(_)
            | Body::Delegation(_)
            | Body::DelegationEnd(_)
            | Body::GateRegistration(_)
            | Body::Approval(_)
            | Body::RejectionLift(_)
            | Body::Withdrawal(_)
            | Body::ApprovalWithdrawal(_)
            | Body::Label(_)
            | Body::Schedule(_)
            | Body::Disclosure(_)
            | Body::Identification(_)
            | Body::GuidanceObservation(_)
            | Body::PermitRequest(_)
            | Body::Decided(_)
            | Body::PermitGrant(_)
            | Body::LocalPermit(_)
            | Body::OutcomeReport(_) => return Ok(()),
        };
        let mut gone = BTreeSet::new();
        if let Some(digest) = identities
            && let Some(named) = blobs.get(&digest).and_then(|bytes| Identities::parse(bytes).ok())
            && named.people.values().any(|who| self.called.is(&who.name, &who.mail))
        {
            gone.insert(digest);
        }
        let theirs = self.words && statement.header.by == *self.person;
        for digest in texts {
            let Some(bytes) = there(self.client, &digest)? else { continue };
            if theirs || self.called.is_in(&words_in(&bytes)) {
                gone.insert(digest);
            }
        }
        if gone.is_empty() {
            return Ok(());
        }
        let about = match &statement.body {
            // Its reason goes like that of any other statement that stands in nobody's change.
            Body::Erasure(_) => None,
            _ => statement.change(&leaf.envelope.payload_digest()),
        };
        match about {
            Some(change) => self.found.of_changes.entry(change).or_default().extend(gone),
            None => self.found.of_person.extend(gone),
        }
        Ok(())
    }
}

/// What a blob says that is to go, in words for whoever signs; by its strict form, which no other blob has.
pub fn words(bytes: &[u8], person: Option<&ActorId>) -> String {
    if let Ok(text) = ProposalText::parse(bytes) {
        return format!("the text of a proposal: {}", text.title);
    }
    if let Ok(reason) = Reason::parse(bytes) {
        return format!("a reason: {}", reason.why);
    }
    if let Ok(identities) = Identities::parse(bytes) {
        let people = identities.people.values().map(|who| format!("{} <{}>", who.name, who.mail));
        return format!("whom commits name: {}", people.collect::<Vec<_>>().join(", "));
    }
    match person.and_then(|person| Some((person, CatalogFile::profile(bytes, person)?))) {
        Some((person, named)) => {
            let mails: Vec<&str> = named.mails.iter().map(String::as_str).collect();
            let name = named.name.unwrap_or_else(|| "no name".to_owned());
            format!("a file of names and mails in which {person} is {name} ({})", mails.join(", "))
        }
        None => "something that is no text and no name, which stays".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_known_by_any_of_their_names_and_mails() {
        let called = Called {
            names: BTreeSet::from(["linus roe".to_owned(), "al".to_owned()]),
            mails: BTreeSet::from(["linus@example.com".to_owned()]),
        };
        assert!(called.is("Linus Roe", "") && called.is("x", "Linus@Example.com"));
        assert!(!called.is("Linus", "linus@example.org"));
        assert!(called.is_in("as Linus Roe said") && called.is_in("<LINUS@example.com>"));
        // Two letters are in every other word.
        assert!(!called.is_in("an ALternative"));
    }
}
