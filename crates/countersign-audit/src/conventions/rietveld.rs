//! Rietveld, before Gerrit: `LGTM=alice, bob` in Go's repositories, `Review URL:` in Chromium's.

use super::{
    Convention, Found, Line, Says,
    lines::{handle, review_page, split_reviewers},
};

/// What stands after `LGTM:` and is nobody.
const SAID: &[&str] =
    &["thanks", "ship", "ok", "done", "great", "good", "nice", "fine", "merge", "merging", "approved", "true"];

pub const CONVENTION: Convention = Convention {
    name: "rietveld",
    proves: "who approved (`LGTM=alice, bob`, as the tool collected them; `LGTM: alice`); a review's page alone that there is one",
    does_not_prove: "that `R=` looked: they were asked, as `TBR=` were to look later",
    find: |context| {
        let mut found = Vec::new();
        for line in context.lines().filter(|line| !line.quoted) {
            // By hand, `LGTM: looks fine` is a sentence, and `LGTM: thanks` another.
            if line.is("LGTM") && line.in_trailers && !line.value.contains(' ') && !SAID.contains(&line.value) {
                found.extend(handle(line.value).map(|who| Found::by(Says::Approved, who, line.text)));
            }
            let Some(names) = line.text.strip_prefix("LGTM=") else { continue };
            found.extend(split_reviewers(names).map(|who| Found::by(Says::Approved, who, line.text)));
        }
        if found.is_empty() {
            found.extend(review_page(context, is_page).map(|page| Found::nobody(Says::Opaque, page)));
        }
        found
    },
};

/// `Review URL: https://codereview.example/1`, and the bare link that Go's tool wrote.
fn is_page(line: &Line<'_>) -> bool {
    const LINKS: &[&str] =
        &["https://golang.org/cl/", "http://codereview.appspot.com/", "https://codereview.appspot.com/"];
    line.is_any(&["Review URL", "Review-Url", "Review"]) && line.value.contains("://codereview")
        || LINKS.iter().any(|link| line.text.starts_with(link)) && !line.text.contains(' ')
}
