//! Changes of what governs.

use countersign_core::{
    calendar::written,
    canonical,
    governance::Replacements,
    ids::ChangeId,
    kind::Kind,
    refusal::Refusal,
    statement::{Body, Proposal, Publication, PublishedChange},
    subject::{GovernanceSubject, Subject},
};
use countersign_ledger::Digest;

use super::World;

impl World {
    /// What would replace these governance files, and take away those without content, on what is in force.
    pub fn replacing(&mut self, files: &[(&str, Option<&[u8]>)]) -> Subject {
        let named =
            files.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.map(|bytes| self.blob(bytes.to_vec()))));
        let named: Replacements = named.collect();
        let (files, parent) = (self.blob(canonical::to_bytes(&named).unwrap()), self.state.governance.record.in_force);
        Subject::Governance(GovernanceSubject { files, parent, semantics: None })
    }

    pub fn amendment(&mut self, files: &[(&str, Option<&[u8]>)]) -> Proposal {
        let subject = self.replacing(files);
        Proposal { kind: Kind::Rules, ..self.proposal("governance/log", &subject, None) }
    }

    /// Puts a calendar `team` in force that says this.
    pub fn subscribe(&mut self, says: &str) {
        let files = [("team.yaml".to_owned(), says.as_bytes().to_vec())].into();
        let calendars = written::calendars(&files, &self.state.governance.catalog).unwrap();
        let bytes = calendars["team"].to_bytes().unwrap();
        let amended = self.amend("ada", &[("calendars/team.json", Some(&bytes))]);
        self.approve("grace", &amended).unwrap();
        self.put_in_force("ada", &amended).unwrap();
    }

    pub fn amend(&mut self, by: &str, files: &[(&str, Option<&[u8]>)]) -> ChangeId {
        let proposal = self.amendment(files);
        self.begin(by, proposal)
    }

    /// A change that would put in force what a publication says.
    pub fn amend_as(&mut self, by: &str, publication: &Publication) -> Result<ChangeId, Refusal> {
        let Publication { files, parent, semantics, reason, .. } = *publication;
        // The change says why.
        self.blobs.remove(&reason);
        let subject = Subject::Governance(GovernanceSubject { files, parent, semantics });
        let proposal = Proposal { kind: Kind::Rules, ..self.proposal("governance/log", &subject, None) };
        Ok(ChangeId::of_proposal(&self.say(by, Body::Proposal(proposal))?))
    }

    /// The publication that puts a change in force as it stands.
    pub fn publication_of(&self, change: &ChangeId) -> Publication {
        let revision = self.change(change).current().unwrap();
        let Subject::Governance(subject) = &revision.subject else { panic!("no change of what governs") };
        Publication {
            change: Some(PublishedChange { id: change.clone(), revision: revision.reference }),
            files: subject.files,
            parent: subject.parent,
            reason: revision.text,
            semantics: subject.semantics,
        }
    }

    pub fn put_in_force(&mut self, by: &str, change: &ChangeId) -> Result<Digest, Refusal> {
        let body = Body::Publication(self.publication_of(change));
        self.say(by, body)
    }
}
