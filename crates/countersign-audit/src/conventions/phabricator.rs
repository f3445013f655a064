//! Phabricator: `Reviewed By: a, b`, which is no git trailer, and `Differential Revision:`.

use super::{Convention, Found, Says, lines::review_page, named_people, trailer};

pub const CONVENTION: Convention = Convention {
    name: "phabricator",
    proves: "who accepted the revision (`Reviewed By:`), and who brought an outside request in (`Pulled By:`); \
             `Differential Revision:` alone that there is a page",
    does_not_prove: "that the accepted version is the landed one; `Reviewers:` are people who were asked",
    find: |context| {
        let mut found = Vec::new();
        for line in context.lines().filter(|line| !line.quoted) {
            match line.key {
                "Reviewed By" => trailer::approvals(line, &mut found),
                "Pulled By" => {
                    found.extend(
                        named_people(line.value).into_iter().map(|who| Found::by(Says::Landed, who, line.text)),
                    );
                }
                _ => {}
            }
        }
        if found.is_empty() {
            found.extend(
                review_page(context, |line| line.is("Differential Revision"))
                    .map(|page| Found::nobody(Says::Opaque, page)),
            );
        }
        found
    },
};
