//! bors-ng: `Merge #12 #13`, with a line `12: Title r=reviewer a=author` for each.

use countersign_core::facts::git::Ident;

use super::{
    Context, Convention, Found, Says,
    lines::{handle, split_reviewers},
};

pub const CONVENTION: Convention = Convention {
    name: "bors-ng",
    proves: "whose word merged each request (`r=`) and whose it was (`a=`); `r=` the author is self-approved",
    does_not_prove: "that every request of a batch had another reviewer: one is enough for the batch's grade",
    find: |context| {
        let mut found = Vec::new();
        for commit in context.commits() {
            let batch = commit.subject.starts_with("Merge #") || commit.subject.starts_with("Try #");
            if !batch {
                continue;
            }
            for line in commit.lines.iter().filter(|line| !line.quoted) {
                let Some((title, author)) = line.text.rsplit_once(" a=") else { continue };
                // A title that ends in a line break leaves `r=reviewer a=author` to the next line.
                let rest = title.strip_prefix("r=");
                let on_the_line = || title.starts_with(|c: char| c.is_ascii_digit()).then(|| title.rsplit_once(" r="));
                let Some(reviewers) = rest.or_else(|| Some(on_the_line()??.1)) else { continue };
                found.extend(handle(author).map(|who| Found::by(Says::Contributed, who, line.text)));
                found.extend(split_reviewers(reviewers).map(|who| Found::by(Says::Approved, who, line.text)));
                found.push(Found::nobody(Says::Platform, line.text));
            }
        }
        found
    },
};

/// Whose the request was, of a landed merge of a single one.
pub fn owner_of_single(context: &Context<'_>) -> Option<Ident> {
    context.landed.subject.strip_prefix("Merge #")?.parse::<u64>().ok()?;
    let mut owners = context.landed.lines.iter().filter(|line| !line.quoted).filter_map(|line| {
        let (title, author) = line.text.rsplit_once(" a=")?;
        (title.starts_with("r=") || title.contains(" r=")).then_some(author)
    });
    let owner = owners.next()?;
    owners.next().is_none().then(|| handle(owner)).flatten()
}
