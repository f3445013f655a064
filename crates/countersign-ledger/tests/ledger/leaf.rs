use countersign_ledger::{
    Hash, Leaf, Line, StreamHead, StreamId, Time,
    dsse::{self, Envelope, EnvelopeError},
    leaf::LeafError,
};
use proptest::prelude::*;

use crate::support::{envelope, key, stream};

fn leaf() -> Leaf {
    Leaf::new(
        vec![
            line("change/9f2c4e6a81d09f2c4e6a81d09f2c4e6a", 3, b"the leaf before"),
            line("target/my_shop/production", 41, b"what landed before"),
        ],
        Time::from_unix_secs(1_774_000_000),
        envelope(br#"{"_type":"https://in-toto.io/Statement/v1"}"#),
    )
    .unwrap()
}

fn line(name: &str, seq: u64, before: &[u8]) -> Line {
    Line { stream: stream(name), seq, prev: Hash::leaf(before) }
}

/// DSSE's own test vector (secure-systems-lab/dsse, `protocol.md`, "Test Vectors").
#[test]
fn published_pre_authentication_encoding() {
    let pae = dsse::pae("http://example.com/HelloWorld", b"hello world");
    assert_eq!(pae, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
}

#[test]
fn golden_leaf() {
    insta::assert_snapshot!(String::from_utf8(leaf().to_bytes()).unwrap(), @r#"
        countersign-leaf/v1
        change/9f2c4e6a81d09f2c4e6a81d09f2c4e6a 3 f339f26d9cfa3df72c2631ff7324b50c4cb2bc646babac0627a90ff97b2b5dbc
        target/my_shop/production 41 77d8a8618aee0a76a5f90aa1aa07bb6f324afcfb051fcf3fb496136516c6680c
        1774000000000

        {"payloadType":"application/vnd.in-toto+json","payload":"eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEifQ==","signatures":[{"keyid":"SHA256:nobody","sig":"bm90IGEgc2lnbmF0dXJl"}]}
        "#);
    insta::assert_snapshot!(leaf().hash(), @"d7b462ab14ab9a3fdec01cd3173472935c710f32b066dde26d29817c92638b68");
}

#[test]
fn a_leaf_has_one_spelling() {
    let text = String::from_utf8(leaf().to_bytes()).unwrap();
    assert_eq!(Leaf::parse(text.as_bytes()).unwrap(), leaf());
    let check = |from: &str, to: &str| {
        let altered = text.replacen(from, to, 1);
        assert_ne!(altered, text);
        assert!(
            matches!(Leaf::parse(altered.as_bytes()), Err(LeafError::Header(_) | LeafError::Stream { .. })),
            "{to}"
        );
    };
    check("leaf/v1", "leaf/v2");
    check("change/", "Change/");
    check("change/", "changes/");
    check(" 3 ", " 03 ");
    check(" 3 ", " +3 ");
    check(" 3 ", "  3 ");
    check(" 3 ", " ");
    check("production 41", "production\t41");
    check("\n1774000000000\n", "\n1774000000000 \n");
    check("\n1774000000000\n", "\n-0\n");
    check("\n\n{", "\nx\n{");
    let prev = leaf().lines()[0].prev.to_string();
    check(&prev, &prev.to_uppercase());
}

#[test]
fn a_leaf_stands_in_each_of_its_streams_once_and_they_have_one_order() {
    let of = |names: &[&str]| {
        let lines = names.iter().map(|name| line(name, 0, b"")).collect();
        Leaf::new(lines, Time::from_unix_secs(1), envelope(b"x")).map(|leaf| leaf.lines().len())
    };
    assert_eq!(of(&["target/b/production", "change/a", "person/ada"]), Ok(3));
    assert_eq!(
        of(&["change/a", "target/b/production", "person/ada"]),
        Err(LeafError::Header("the streams after the first stand in the order of their names"))
    );
    assert_eq!(of(&[]), Err(LeafError::Lines(0)));
    assert_eq!(of(&["change/a", "target/b/production", "change/a"]), Err(LeafError::Lines(3)));
    let many: Vec<String> = (100..200).map(|n| format!("target/{n}/production")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(of(&many[..64]), Ok(64));
    assert_eq!(of(&many[..65]), Err(LeafError::Lines(65)));
    let mut text =
        Leaf::new(many[..64].iter().map(|name| line(name, 0, b"")).collect(), Time::from_unix_secs(1), envelope(b"x"))
            .unwrap()
            .to_bytes();
    let at = text.windows(2).position(|two| two == b"\n1").unwrap();
    text.splice(at..at, format!("\n{} 0 {}", many[64], Hash::leaf(b"")).into_bytes());
    assert_eq!(Leaf::parse(&text), Err(LeafError::Lines(65)));
}

/// Frozen: a name that was good stays good, and its first word is one of nine.
#[test]
fn the_grammar_of_stream_names() {
    let long = format!("target/{}/{}", "s".repeat(63), "e".repeat(63));
    for good in [
        "governance",
        "change/9f",
        "target/my_shop/production",
        "person/ada.b-c_d",
        "gate/g1",
        "finding/0",
        "unit/u",
        "campaign/c",
        "incident/inc-1",
        &long,
    ] {
        assert_eq!(good.parse::<StreamId>().map(|stream| stream.to_string()), Ok(good.to_owned()));
    }
    for bad in [
        "",
        "governance/x",
        "change",
        "change/",
        "change//a",
        "/change/a",
        "other/a",
        "change/A",
        "change/a b",
        "change/..",
        "change/.",
        "change/-a",
        "change/a\n",
        "person/ä",
        &format!("change/{}", "a".repeat(200)),
    ] {
        assert!(bad.parse::<StreamId>().is_err(), "{bad:?}");
    }
}

#[test]
fn a_signature_of_a_type_that_nobody_knows_is_refused() {
    let with = |sort: &str| {
        let raw = format!(
            r#"{{"payloadType":"application/vnd.in-toto+json","payload":"aGk","signatures":[{{"sig":"eA"{sort}}}]}}"#
        );
        Envelope::parse(raw.as_bytes()).map(|envelope| envelope.signatures().len())
    };
    assert_eq!(with(""), Ok(1));
    assert_eq!(with(r#","type":"sshsig""#), Ok(1));
    let found = "minisign".to_owned();
    assert_eq!(with(r#","type":"minisign""#), Err(EnvelopeError::SignatureType { place: 0, found }));
    // Where a token speaks, what stands there is its digest.
    assert_eq!(with(r#","type":"oidc-jwt""#), Err(EnvelopeError::TokenDigest));
}

#[test]
fn an_envelope_keeps_its_bytes() {
    let raw = br#"{ "payload" : "aGk", "payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"eA"}] }"#;
    let parsed = Envelope::parse(raw).unwrap();
    assert_eq!((parsed.raw(), parsed.payload()), (raw.as_slice(), b"hi".as_slice()));
}

#[test]
fn verify_all_answers_for_each_signature() {
    let payload = br#"{"_type":"https://in-toto.io/Statement/v1"}"#;
    let good = key().sign(payload).unwrap();
    let other = key().sign(b"another payload").unwrap();
    let verified = Envelope::new(payload, vec![good, other]).unwrap().verify_all();
    insta::assert_debug_snapshot!(verified.iter().map(|v| v.as_ref().map(|v| v.assurance)).collect::<Vec<_>>(), @r#"
        [
            Ok(
                SoftwareKey,
            ),
            Err(
                Invalid,
            ),
        ]
        "#);
    assert_eq!(verified[0].as_ref().unwrap().key, key().public());
}

fn leaves() -> impl Strategy<Value = Leaf> {
    let payload = proptest::collection::vec(any::<u8>(), 0..200);
    let lines = proptest::collection::btree_map(
        "(change|target|person)(/[a-z0-9][a-z0-9._-]{0,20}){1,3}",
        any::<(u64, [u8; 32])>(),
        1..6,
    );
    (lines, any::<prop::sample::Index>(), any::<i64>(), payload).prop_map(|(lines, home, at, payload)| {
        let mut lines: Vec<Line> = lines
            .into_iter()
            .map(|(name, (seq, prev))| Line { stream: stream(&name), seq, prev: Hash::from_bytes(prev) })
            .collect();
        let home = lines.remove(home.index(lines.len()));
        lines.insert(0, home);
        Leaf::new(lines, Time::from_unix_millis(at), envelope(&payload)).unwrap()
    })
}

proptest! {
    #[test]
    fn parse_is_the_inverse_of_to_bytes(leaf in leaves()) {
        let bytes = leaf.to_bytes();
        let parsed = Leaf::parse(&bytes).unwrap();
        prop_assert_eq!(parsed.hash(), Hash::leaf(&bytes));
        prop_assert_eq!(parsed, leaf);
    }

    #[test]
    fn what_parses_is_written_the_same(leaf in leaves(), place: prop::sample::Index, byte: u8) {
        let mut bytes = leaf.to_bytes();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(parsed) = Leaf::parse(&bytes) {
            prop_assert_eq!(parsed.to_bytes(), bytes);
        }
    }

    #[test]
    fn parse_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), header: bool) {
        let mut all = if header { b"countersign-leaf/v1\ngovernance 0 ".to_vec() } else { Vec::new() };
        all.extend(bytes);
        let _ = Leaf::parse(&all);
    }
}

#[test]
fn an_empty_stream_has_no_last_leaf() {
    assert_eq!(StreamHead::EMPTY.last.to_string(), "0".repeat(64));
}
