//! Who signed the commits of a revision, by the keys that the catalog gave and nobody has revoked.

use countersign_ledger::Fingerprint;

use crate::{
    change::{Change, Revision},
    facts::SignatureFact,
    governance::Governance,
    ids::ActorId,
    refusal::Refusal,
    snapshot::CommitsView,
    statement::IdentityVerdict,
};

/// Who signed the commits of a revision, where a rule asks. `holds`: whether a key is still somebody's.
pub(super) fn commits(
    governance: &Governance,
    change: &Change,
    revision: &Revision,
    holds: impl Fn(&ActorId, &Fingerprint) -> Result<bool, Refusal>,
) -> Result<Option<CommitsView>, Refusal> {
    if !governance.rules.ask_about("commits") || revision.signatures.is_empty() {
        return Ok(None);
    }
    let mut commits = CommitsView { signed: true, by_committer: true };
    for SignatureFact { committer, key } in &revision.signatures {
        let signer = key.as_ref().and_then(|key| Some((key, revision.signers.get(key)?)));
        let Some((key, signer)) = signer else { return Ok(Some(CommitsView::default())) };
        if !holds(signer, key)? {
            return Ok(Some(CommitsView::default()));
        }
        let mail = revision.named.get(committer).map(|who| who.mail.as_str()).unwrap_or_default();
        commits.by_committer &= match governance.catalog.person_by_mail(mail) {
            Some(actor) => actor.id == *signer,
            None => change.identifications.iter().any(|record| {
                record.said.identity == *committer
                    && matches!(&record.said.verdict, IdentityVerdict::Is(actor) if actor == signer)
            }),
        };
    }
    Ok(Some(commits))
}
