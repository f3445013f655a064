//! What is missing, in words.

use crate::{
    decision::{Missing, Token},
    ids::{ChangeId, EvidenceKind, Target},
    requirement::{Document, Has, Need, Requirement, Role, approvals},
    rules::Rule,
};

/// For a reader: `1 more approval by a senior`, and the other ways. `rule` is the one that misses it, if it is still there.
pub fn words(missing: &Missing, rule: Option<&Rule>) -> String {
    missing.ways().map(|way| way_in_words(way, rule)).collect::<Vec<_>>().join(", or ")
}

/// The same of one way alone.
pub(super) fn way_in_words(missing: &Missing, rule: Option<&Rule>) -> String {
    match &missing.token {
        Token::Requirement(requirement) => required(requirement, missing),
        Token::Remedy => rule.map_or_else(|| "what its condition asks for".to_owned(), Rule::words),
        Token::Contributor => "anybody who made the change".to_owned(),
        Token::Identity => format!("who {} is", names(missing)),
        Token::Sponsor => "the word of who answers for what a machine proposed".to_owned(),
        Token::Driver => "who drove the AI tool that wrote it".to_owned(),
        Token::Lift => format!("that {} lifts the rejection", names(missing)),
        Token::Target if missing.of.is_empty() => "at least one target".to_owned(),
        Token::Target => format!("{}, which the catalog no longer has", names(missing)),
        Token::Rules => "rules: none are in force".to_owned(),
        Token::Thaw => format!("the end of freeze {}", names(missing)),
        Token::Opens => format!("the time from {} on, when its window opens", names(missing)),
        Token::Reschedule => format!("another window: that one was over at {}", names(missing)),
        Token::Revive => format!("a revision: nobody touched it, and it expired at {}", names(missing)),
        Token::Wait => format!("the time until {}, in which anybody can still reject it", names(missing)),
    }
}

fn required(requirement: &Requirement, missing: &Missing) -> String {
    match &requirement.need {
        Need::Approvals { role, count } => {
            let more = if missing.count == *count { "" } else { "more " };
            let text = approvals(missing.count, more, role);
            match role {
                // What governs has no owner group.
                Role::Owner if missing.of == [Target::governance().system.as_str()] => {
                    let (noun, who) =
                        if missing.count == 1 { ("approval", "somebody") } else { ("approvals", "people") };
                    format!(
                        "{} {more}{noun} from the policy group, by {who} who had no hand in the change",
                        missing.count
                    )
                }
                Role::Owner | Role::OnCall => format!("{text} ({})", missing.of.join(", ")),
                Role::Independent
                | Role::Senior
                | Role::Group(_)
                | Role::Touch
                | Role::Verified
                | Role::Recent(_)
                | Role::Material
                | Role::Present => text,
            }
        }
        Need::Apart(parts) => {
            let places = parts.iter().map(|part| {
                let open = missing.of.iter().filter(|role| **role == part.role.to_string()).count();
                (u32::try_from(open).unwrap_or(u32::MAX), &part.role)
            });
            let open = places.filter(|(open, _)| *open > 0).map(|(open, role)| approvals(open, "more ", role));
            format!("{}, by people who count for nothing else of it", open.collect::<Vec<_>>().join(" and "))
        }
        Need::FreshGuidance => format!("a review of {}", names(missing)),
        Need::Document { document, chars } => {
            let what = match document {
                Document::Why => "why",
                Document::Risk => "the risk",
                Document::Rollback => "how to roll back",
                Document::Tests => "how it was tested",
            };
            format!("{what}, in {chars} characters or more ({} so far)", chars.saturating_sub(missing.count))
        }
        Need::Evidence(kind) if missing.of.is_empty() => format!("evidence that {kind} passed"),
        Need::Evidence(kind) => format!("evidence that {kind} passed ({})", missing.of.join(", ")),
        Need::Disclosure => "a statement of whether AI assisted".to_owned(),
        Need::Has(Has::NoLabel(label)) if !missing.of.is_empty() => {
            format!("that the label `{label}` comes off, which {} put on", names(missing))
        }
        Need::Has(Has::ApplierApart) if missing.of.is_empty() => {
            "to know who pushes it, whose approval may not count".to_owned()
        }
        Need::Has(Has::ApplierApart) => {
            format!("that another applies it than {}, whose approval counts", names(missing))
        }
        Need::Has(has) => has.words(),
    }
}

/// The names of what is missing, and how many more there are.
fn names(missing: &Missing) -> String {
    let named = missing.of.join(", ");
    match missing.count.saturating_sub(u32::try_from(missing.of.len()).unwrap_or(u32::MAX)) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// Whoever is asked to look is told the one verb that shows it and then asks, whatever it is made of.
pub(super) fn how_to_approve(change: &ChangeId) -> String {
    format!("countersign review {change}")
}

/// By the key of what ran it.
pub(super) fn how_to_attest(change: &ChangeId, kind: &EvidenceKind) -> String {
    format!("countersign attest {change} --kind {kind} --result passed")
}

/// Two commands in full: a line that is half one of them is pasted as it stands.
pub(super) fn how_to_disclose(change: &ChangeId) -> String {
    format!("countersign disclose {change} --tool NAME, or, without AI: countersign disclose {change} --none")
}
