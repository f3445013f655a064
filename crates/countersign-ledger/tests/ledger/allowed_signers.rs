use countersign_ledger::sshsig::parse_allowed_signers;

use crate::support::key;

/// Reads a file in which `KEY` stands for a key, and shows all but the key.
fn read(text: &str) -> String {
    match parse_allowed_signers(&text.replace("KEY", &key().public().to_string())) {
        Ok(signers) => signers
            .iter()
            .map(|s| {
                assert_eq!(s.key, key().public());
                format!(
                    "{:?} ns={:?} ca={} after={:?} before={:?} {:?}\n",
                    s.principals, s.namespaces, s.cert_authority, s.valid_after, s.valid_before, s.comment
                )
            })
            .collect(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn lines_are_read_as_ssh_keygen_reads_them() {
    insta::assert_snapshot!(read(
        "# people\n\
         \n\
         alice@example.com KEY\n\
         bob@example.com,b* KEY bob at work\n\
         \"eve@example.com,f\" namespaces=\"git,countersign\" KEY\r\n\
         *@example.com cert-authority,Valid-After=\"20260101\",valid-before=\"202701010000Z\" KEY\n\
         \t dan \t namespaces=\"a b,c\\\"d\" \t KEY"
    ), @r#"
        ["alice@example.com"] ns=None ca=false after=None before=None ""
        ["bob@example.com", "b*"] ns=None ca=false after=None before=None "bob at work"
        ["eve@example.com", "f"] ns=Some(["git", "countersign"]) ca=false after=None before=None ""
        ["*@example.com"] ns=None ca=true after=Some("20260101") before=Some("202701010000Z") ""
        ["dan"] ns=Some(["a b", "c\"d"]) ca=false after=None before=None ""
        "#);
}

#[test]
fn errors_name_their_line() {
    insta::assert_snapshot!(read("# one\nalice KEY\nbob"), @"allowed signers, line 3: the key is missing");
    insta::assert_snapshot!(read("alice"), @"allowed signers, line 1: the key is missing");
    insta::assert_snapshot!(read("alice, KEY"), @"allowed signers, line 1: the principals are missing or empty; it reads `principals [options] type key [comment]`");
    insta::assert_snapshot!(read("\"alice KEY"), @"allowed signers, line 1: a double quote is not closed");
    insta::assert_snapshot!(read("alice ssh-ed25519 AAAA"), @"allowed signers, line 1: `ssh-ed25519 AAAA` is not an OpenSSH public key");
    insta::assert_snapshot!(read("alice no-touch-required KEY"), @"allowed signers, line 1: `no-touch-required` is not an option; it knows `cert-authority`, `namespaces`, `valid-after` and `valid-before`");
    insta::assert_snapshot!(read("alice namespaces=git KEY"), @"allowed signers, line 1: the option `namespaces` takes a value in double quotes");
    insta::assert_snapshot!(read("alice namespaces=\"git KEY"), @"allowed signers, line 1: a double quote is not closed");
    insta::assert_snapshot!(read("alice namespaces=\"\" KEY"), @"allowed signers, line 1: the option `namespaces` takes a value in double quotes");
    insta::assert_snapshot!(read("alice namespaces=\"a\",namespaces=\"b\" KEY"), @"allowed signers, line 1: the option `namespaces` is given twice");
    insta::assert_snapshot!(read("alice valid-after=\"2026\" KEY"), @"allowed signers, line 1: `2026` is not a time; it reads YYYYMMDD[Z] or YYYYMMDDHHMM[SS][Z]");
    insta::assert_snapshot!(read("alice cert-authority=\"yes\" KEY"), @r#"allowed signers, line 1: `cert-authority="yes"` is not an option; it knows `cert-authority`, `namespaces`, `valid-after` and `valid-before`"#);
    insta::assert_snapshot!(read("alice cert-authority, KEY"), @"allowed signers, line 1: `` is not an option; it knows `cert-authority`, `namespaces`, `valid-after` and `valid-before`");
}

proptest::proptest! {
    #[test]
    fn reading_never_panics(text in "\\PC{0,200}", line in "[a-z\", =\\\\-]{0,60}") {
        let _ = parse_allowed_signers(&text);
        let _ = read(&format!("{line} KEY"));
    }
}
