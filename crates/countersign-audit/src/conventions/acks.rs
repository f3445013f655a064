//! Bitcoin Core's merge script: `ACKs for top commit:` with a name and a line for each, or `Top commit has no ACKs.`

use super::{Convention, Found, Says, lines::handle};

pub const CONVENTION: Convention = Convention {
    name: "ack-list",
    proves: "who wrote an ACK of the merged head, as the maintainer's script collected them; or that nobody did",
    does_not_prove: "that the ACKs are of equal weight; a `Concept ACK`, an `Approach ACK` or a `NACK` is no approval",
    find: |context| {
        let mut found = Vec::new();
        for commit in context.commits() {
            let mut listed = false;
            let mut name = "";
            // The request's description stands indented above the list, so that it cannot begin one.
            for line in &commit.lines {
                let indented = line.raw.starts_with(' ');
                if !indented {
                    // Until 2019 the script named the commit: `ACKs for commit 1a2b3c:`.
                    let list = line.text.strip_prefix("ACKs for ").and_then(|rest| rest.strip_suffix(':'));
                    listed = list.is_some_and(|of| of == "top commit" || of.starts_with("commit "));
                    if line.text == "Top commit has no ACKs." {
                        found.push(Found::nobody(Says::NobodyApproved, line.text));
                    }
                } else if listed && !line.raw.starts_with("   ") && line.text.ends_with(':') {
                    name = line.text.trim_end_matches(':');
                } else if listed && is_ack(line.text) {
                    let signal = format!("ACKs for top commit: {name}: {}", line.text);
                    found.extend(handle(name).map(|who| Found::by(Says::Approved, who, signal)));
                    name = "";
                }
            }
        }
        found
    },
};

/// `ACK`, `utACK`, `tACK`, `re-ACK`, `crACK`, `Code review ACK`; neither `Concept ACK` and `Approach ACK`, which are about
/// the idea, nor any line with a `NACK`.
fn is_ack(text: &str) -> bool {
    const NOT: &[&str] = &["concept", "approach", "no", "not"];
    let words = || text.split(|c: char| !c.is_alphanumeric() && c != '-').filter(|word| !word.is_empty());
    let before = std::iter::once("").chain(words());
    !text.contains("NACK")
        && before.zip(words()).any(|(before, word)| {
            let word = word.trim_end_matches("ed").trim_end_matches('s');
            let how = word.strip_suffix("ACK").map(str::to_lowercase);
            // The rest is a word such as `BACK`, or `conceptACK`.
            let is_how = how.is_some_and(|how| {
                let how = how.trim_end_matches('-');
                let known =
                    ["", "re", "ut", "t", "cr", "scr", "tested", "untested", "code-review", "review", "post-merge"];
                known.contains(&how) || known.contains(&how.trim_start_matches("re").trim_start_matches('-'))
            });
            is_how && !NOT.contains(&before.to_lowercase().as_str())
        })
}
