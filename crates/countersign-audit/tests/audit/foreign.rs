//! Files of other people's repositories, fed with bytes that were changed on their way: nothing panics, and whoever is named owns.

use countersign_audit::{codeowners::CodeOwners, mailmap::Mailmap};

use crate::edits::{any_of, foreign};

const CODEOWNERS: &str = "# us\n* @org/all\n/docs/ docs@example.com @ada # words\n*.rs @ada\n/a\\ b/[x-z]?/**/c.txt @b\n\n\
    [Databases][2] @org/dba\n^[Optional]\n/db/** @ada @grace\n!/db/x\n/nobody/\n";

const MAILMAP: &str =
    "Ada Lovelace <ada@example.com> <ada@old.example>\nGrace <grace@example.com> G. H. <g@old.example>\n<x@y> # no\n";

fn text(seed: &str) -> Vec<Vec<u8>> {
    vec![seed.as_bytes().to_vec()]
}

foreign! {
    fn foreign_owners_and_mailmaps(
        text in any_of(text(CODEOWNERS)),
        path in any_of(text("db/a b/x/y/c.txt")),
        mailmap in any_of(text(MAILMAP)),
    ) {
        let (text, path) = (String::from_utf8_lossy(&text), String::from_utf8_lossy(&path));
        for read in [CodeOwners::parse(&text), CodeOwners::parse_at(".gitlab/CODEOWNERS", &text)] {
            let owners = read.owners(&path);
            proptest::prop_assert!(owners.is_none_or(|owner| read.entries().contains(owner)));
            drop(read.owners_by_section(&path));
            proptest::prop_assert!(read.problem_count() >= read.problems().len());
        }
        let read = Mailmap::parse(&String::from_utf8_lossy(&mailmap));
        drop(read.proper("G. H.", "g@old.example"));
    }
}

/// The seeds are what they are called, or nothing of this would say much.
#[test]
fn the_foreign_seeds_are_read() {
    assert!(CodeOwners::parse(CODEOWNERS).owners("src/lib.rs").is_some());
    assert!(CodeOwners::parse_at(".gitlab/CODEOWNERS", CODEOWNERS).owners_by_section("db/x").len() > 1);
    assert_eq!(Mailmap::parse(MAILMAP).proper("G. H.", "g@old.example").unwrap().name, "Grace");
}
