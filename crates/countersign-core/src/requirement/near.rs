//! What somebody probably meant who wrote no requirement: only ever said in a hint.

use super::{InvalidRequirement, MAX_APPROVALS, MAX_DOCUMENT_CHARS, TOKENS, parse_condition, parse_need};

/// How many keystrokes away a form may be.
const MAX_DISTANCE: usize = 3;

/// What would be right in the place of this: the nearest form, those that begin alike, or all of them.
pub fn hint(bad: &InvalidRequirement) -> String {
    let (need, condition) = match bad.0.split_once('@') {
        Some((need, condition)) => (need, Some(condition)),
        None => (bad.0.as_str(), None),
    };
    let (forms, _) = TOKENS.split_once(';').unwrap_or((TOKENS, ""));
    let forms: Vec<&str> = forms.split(", ").collect();
    if parse_need(need).is_some() && condition.is_some_and(|text| parse_condition(text).is_none()) {
        return "a condition is such as @tier<=2, @tier=1 or @people>=3".to_owned();
    }
    let near = forms.iter().map(|form| (distance(need, form), *form)).min().filter(|(away, _)| *away <= MAX_DISTANCE);
    if let Some((_, form)) = near {
        return match distance(need, form) == 0 {
            true => format!("it reads `{form}`.{}", range(form)),
            false => format!("did you mean `{form}`?{}", range(form)),
        };
    }
    let word = |text: &str| text.split(':').next().unwrap_or_default().to_owned();
    let alike: Vec<&str> = forms.into_iter().filter(|form| word(form) == word(need)).collect();
    if alike.is_empty() {
        format!("separate by commas: {TOKENS}")
    } else {
        format!("write one of {}", alike.join(", "))
    }
}

/// Part by part; what stands for something else costs nothing, a part too many or too few two.
fn distance(text: &str, form: &str) -> usize {
    let (texts, forms): (Vec<&str>, Vec<&str>) = (text.split(':').collect(), form.split(':').collect());
    let stands_for = |part: &str| part.contains(|c: char| c.is_ascii_uppercase());
    let each = texts.iter().zip(&forms).map(|(text, form)| match stands_for(form) {
        true => 0,
        false => strsim::damerau_levenshtein(&text.to_lowercase(), form),
    });
    each.sum::<usize>().saturating_add(texts.len().abs_diff(forms.len()).saturating_mul(2))
}

fn range(form: &str) -> String {
    match form.rsplit(':').next() {
        Some("N") => format!(" N is 1 to {MAX_APPROVALS}"),
        Some("CHARS") => format!(" CHARS is 1 to {MAX_DOCUMENT_CHARS}"),
        Some("NAME") => " NAME is of lower-case letters, digits and `-_./`".to_owned(),
        Some("KIND") => " KIND is of lower-case letters, digits and `-`".to_owned(),
        Some("FORM") => " FORM is the word before a title's colon, or how it begins and `*`".to_owned(),
        Some("HOST") => " HOST is a host's name in lower case".to_owned(),
        Some(_) | None => String::new(),
    }
}
