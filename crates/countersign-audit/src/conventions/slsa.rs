//! SLSA's source track: a verification summary in a note.

use super::{Convention, Found, Says, attestation};

const TWO_PARTY: &str = "SLSA_SOURCE_TWO_PARTY_REVIEWED";

pub const CONVENTION: Convention = Convention {
    name: "slsa-source",
    proves: "that a verifier found the revision reviewed by two trusted persons (`SLSA_SOURCE_TWO_PARTY_REVIEWED`)",
    does_not_prove: "who they are, so it counts as a platform's word; the signature is not checked here",
    find: |context| {
        attestation::all(context)
            .filter(|statement| statement.predicate_type.starts_with("https://slsa.dev/verification_summary/"))
            .filter(|statement| {
                let levels = statement.predicate.get("verifiedLevels").and_then(|levels| levels.as_array());
                let passed = statement.predicate.get("verificationResult").and_then(|result| result.as_str());
                passed == Some("PASSED") && levels.into_iter().flatten().any(|level| level.as_str() == Some(TWO_PARTY))
            })
            .map(|_| Found::nobody(Says::Platform, format!("verification summary: {TWO_PARTY}")))
            .collect()
    },
};
