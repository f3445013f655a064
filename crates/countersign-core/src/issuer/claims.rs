//! Patterns over what a token says. A pattern is of all that a claim says, never of a part of it: `*` stands for anything within
//! one part of a name (no `/`, `:` or `@`), `**` for anything at all, every other character for itself.

use std::collections::BTreeMap;

use serde_json::Value;

use super::MAX_CLAIMS;

pub const MAX_PATTERN_BYTES: usize = 300;
/// What a claim says is longer in no token that is taken.
const MAX_VALUE_CHARS: usize = 1_024;

/// The claims that say where a token is from. Without one of them any customer of an issuer would do, who only calls an environment
/// or a branch the same.
pub const WHERE: [&str; 12] = [
    "sub",
    "repository",
    "repository_id",
    "job_workflow_ref",
    "workflow_ref",
    "project_path",
    "project_id",
    "ci_config_ref_uri",
    "email",
    "pipeline_slug",
    "pipeline_id",
    "oidc.circleci.com/project-id",
];

enum Part {
    Char(char),
    /// Within one part of a name.
    Within,
    Anything,
}

fn parts(pattern: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '*' {
            parts.push(Part::Char(c));
            continue;
        }
        let two = chars.next_if_eq(&'*').is_some();
        if chars.peek() == Some(&'*') {
            return None;
        }
        parts.push(if two { Part::Anything } else { Part::Within });
    }
    Some(parts)
}

/// Whether a pattern is of all of this text. Each place of the pattern is tried at each place of the text once.
pub fn matches(pattern: &str, text: &str) -> bool {
    let Some(parts) = parts(pattern) else { return false };
    let text: Vec<char> = text.chars().collect();
    if text.len() > MAX_VALUE_CHARS {
        return false;
    }
    // Behind how many characters of the text the pattern can have come so far.
    let mut reached = vec![false; text.len().saturating_add(1)];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    for part in parts {
        let mut next = vec![false; reached.len()];
        let mut goes_on = false;
        for (place, here) in reached.iter().enumerate() {
            let before = place.checked_sub(1).and_then(|before| text.get(before));
            let is_there = match &part {
                Part::Char(c) => {
                    before == Some(c) && place.checked_sub(1).and_then(|before| reached.get(before)) == Some(&true)
                }
                Part::Anything => goes_on || *here,
                Part::Within => *here || goes_on && before.is_some_and(|c| !matches!(c, '/' | ':' | '@')),
            };
            goes_on = is_there;
            if let Some(slot) = next.get_mut(place) {
                *slot = is_there;
            }
        }
        reached = next;
    }
    reached.last() == Some(&true)
}

/// What is wrong with what is asked of a token, and what would be right.
pub(super) fn problem(claims: &BTreeMap<String, String>) -> Option<(String, String)> {
    let example = "for example `sub: repo:acme/checkout:ref:refs/heads/*`".to_owned();
    if claims.is_empty() || claims.len() > MAX_CLAIMS {
        return Some((format!("it asks for {} claims; 1 to {MAX_CLAIMS} are taken", claims.len()), example));
    }
    for (claim, pattern) in claims {
        if claim.is_empty() || claim.len() > MAX_PATTERN_BYTES || claim.chars().any(char::is_control) {
            return Some(("a claim has no proper name".to_owned(), example));
        }
        if ["iss", "aud", "exp", "nbf", "iat", "jti"].contains(&claim.as_str()) {
            return Some((format!("`{claim}` is looked at anyway, and cannot be asked for"), example));
        }
        let fits = !pattern.is_empty() && pattern.len() <= MAX_PATTERN_BYTES && !pattern.chars().any(char::is_control);
        let says = pattern.chars().any(|c| c != '*') && parts(pattern).is_some();
        if !fits || !says {
            return Some((format!("`{claim}` has a pattern that says nothing: `{pattern}`"), example));
        }
    }
    let from = |(claim, pattern): (&String, &String)| WHERE.contains(&claim.as_str()) && !pattern.starts_with('*');
    if claims.iter().any(from) {
        return None;
    }
    let what = "nothing that it asks for says where a token is from, so that others' would do".to_owned();
    Some((what, format!("name one of {}, and how it begins", WHERE.join(", "))))
}

/// Whether a token says all that is asked. A claim that is not there, or that is a list, says nothing.
pub(super) fn are_as_asked(asked: &BTreeMap<String, String>, said: &BTreeMap<String, Value>) -> bool {
    !asked.is_empty()
        && asked.iter().all(|(claim, pattern)| match said.get(claim) {
            Some(Value::String(text)) => matches(pattern, text),
            Some(Value::Number(number)) => matches(pattern, &number.to_string()),
            Some(Value::Bool(is)) => matches(pattern, if *is { "true" } else { "false" }),
            Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => false,
        })
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_pattern_is_of_all_that_is_said() {
        let sub = "repo:acme/checkout:ref:refs/heads/main";
        for (pattern, fits) in [
            (sub, true),
            ("repo:acme/checkout:ref:refs/heads/*", true),
            ("repo:acme/checkout:**", true),
            ("repo:acme/*:ref:refs/heads/main", true),
            ("repo:*/checkout:ref:refs/heads/main", true),
            // No part of it, and no other's.
            ("repo:acme/checkout", false),
            ("acme/checkout", false),
            ("repo:acme/check", false),
            ("repo:acme/checkout:*", false),
            ("repo:acme/*", false),
            ("repo:*", false),
            ("REPO:acme/checkout:**", false),
            ("repo.acme/checkout:**", false),
        ] {
            assert_eq!(matches(pattern, sub), fits, "{pattern}");
        }
        assert!(!matches("repo:acme/*:ref:refs/heads/main", "repo:acme/x:y:ref:refs/heads/main"));
        assert!(!matches("refs/heads/*", "refs/heads/team/topic") && matches("refs/heads/**", "refs/heads/team/topic"));
        assert!(matches("a*b*c", "a1b2b3c") && !matches("a*b", "a") && matches("*", "") && !matches("***", "x"));
        // Long ones take no longer than they are.
        assert!(!matches(&"*a".repeat(100), &"a".repeat(1_000).replace("aaaaaaaaaa", "aaaaaaaaa/")));
    }
}
