use countersign_ledger::{
    Hash, Leaf, StreamHead, Time,
    dsse::{self, Envelope},
    leaf::LeafError,
};
use proptest::prelude::*;

use crate::support::{envelope, key, stream};

fn leaf() -> Leaf {
    Leaf {
        stream: stream("change/9f2c4e6a81d0"),
        seq: 3,
        prev: Hash::leaf(b"the leaf before"),
        admitted_at: Time::from_unix_secs(1_774_000_000),
        envelope: envelope(br#"{"_type":"https://in-toto.io/Statement/v1"}"#),
    }
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
        change/9f2c4e6a81d0
        3
        f339f26d9cfa3df72c2631ff7324b50c4cb2bc646babac0627a90ff97b2b5dbc
        1774000000000

        {"payloadType":"application/vnd.in-toto+json","payload":"eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEifQ==","signatures":[{"keyid":"SHA256:nobody","sig":"bm90IGEgc2lnbmF0dXJl"}]}
        "#);
    insta::assert_snapshot!(leaf().hash(), @"8c5353fcb7685165c31a66a086581a9ab6f2f083d85d0d4ba99887d3c04587fa");
}

#[test]
fn a_leaf_has_one_spelling() {
    let text = String::from_utf8(leaf().to_bytes()).unwrap();
    assert_eq!(Leaf::parse(text.as_bytes()).unwrap(), leaf());
    let check = |from: &str, to: &str| {
        let altered = text.replacen(from, to, 1);
        assert_ne!(altered, text);
        assert!(matches!(Leaf::parse(altered.as_bytes()), Err(LeafError::Header(_) | LeafError::Stream(_))), "{to}");
    };
    check("leaf/v1", "leaf/v2");
    check("change/", "Change/");
    check("\n3\n", "\n03\n");
    check("\n3\n", "\n+3\n");
    check("\n3\n", "\n3\r\n");
    check("\n1774000000000\n", "\n1774000000000 \n");
    check("\n1774000000000\n", "\n-0\n");
    check("\n\n{", "\nx\n{");
    check(&leaf().prev.to_string(), &leaf().prev.to_string().to_uppercase());
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
    ("[a-z0-9./-]{1,128}", any::<u64>(), any::<[u8; 32]>(), any::<i64>(), payload).prop_map(
        |(name, seq, prev, at, payload)| Leaf {
            stream: stream(&name),
            seq,
            prev: Hash::from_bytes(prev),
            admitted_at: Time::from_unix_millis(at),
            envelope: envelope(&payload),
        },
    )
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
        let mut all = if header { b"countersign-leaf/v1\ngovernance\n0\n".to_vec() } else { Vec::new() };
        all.extend(bytes);
        let _ = Leaf::parse(&all);
    }
}

#[test]
fn an_empty_stream_has_no_last_leaf() {
    assert_eq!(StreamHead::EMPTY.last.to_string(), "0".repeat(64));
}
