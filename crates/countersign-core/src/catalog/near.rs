//! Near misses: the name that somebody probably meant. Only ever said in a hint, never acted upon.

/// Names longer than this are not compared.
const MAX_CHARS: usize = 128;

/// The candidate that `text` is probably a slip of: a few keystrokes away, or an abbreviation such as `prod`.
pub fn did_you_mean<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if text.is_empty() || text.len() > MAX_CHARS {
        return None;
    }
    let text = text.to_lowercase();
    let allowed = match text.chars().count() {
        0..=2 => 0,
        3..=4 => 1,
        5..=9 => 2,
        _ => 3,
    };
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= MAX_CHARS)
        .filter_map(|candidate| {
            let lower = candidate.to_lowercase();
            let distance = strsim::damerau_levenshtein(&text, &lower);
            let abbreviated = text.chars().count() >= 3 && lower.starts_with(&text);
            (distance <= allowed || abbreviated).then_some((distance, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// A name without what a hurried reader overlooks: separators, and digits that look like letters.
pub fn skeleton(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '-' | '_' | '.'))
        .map(|c| match c {
            '0' => 'o',
            '1' => 'l',
            c => c.to_ascii_lowercase(),
        })
        .collect()
}

pub(super) fn hint<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    did_you_mean(text, candidates).map(|name| format!("did you mean `{name}`?"))
}
