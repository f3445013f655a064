//! Words beside statements.

use super::*;

#[test]
fn words_have_their_limits() {
    let salt = || "00112233445566778899aabbccddeeff".parse().unwrap();
    let text = |why: &str, links: usize| {
        let text = ProposalText {
            salt: salt(),
            title: "T".to_owned(),
            why: why.to_owned(),
            risk: String::new(),
            rollback: String::new(),
            tests: String::new(),
            links: vec!["https://x.example".to_owned(); links],
        };
        ProposalText::parse(&text.to_blob().unwrap())
    };
    assert!(text(&"é".repeat(8_000), 50).is_ok());
    assert_snapshot!(told(text(&"é".repeat(8_001), 0)), @"text-too-long: a text of 8001 characters is longer than 8000");
    assert_snapshot!(told(text("", 51)), @"too-many-links: more than 50 links");
    let reason = |why: &str| Reason::parse(&Reason { salt: salt(), why: why.to_owned() }.to_blob().unwrap());
    assert_snapshot!(told(reason(" \n")), @"reason-missing: a reason of 1 to 8000 characters is needed");
    assert_eq!(text(" \t padded \n", 0).unwrap().documents().why, 6, "blanks document nothing");
}
