//! Bytes that were changed on their way: what tests of parsers feed them with, beside made-up ones. Shared by the tests of all
//! crates.
//!
//! Each target is fed for ten seconds, or for as many as `COUNTERSIGN_FUZZ_SECS` says; `scripts/fuzz` goes on for an hour. What
//! was found is kept by proptest beside the test, and is tried first from then on.

use std::{
    env,
    time::{Duration, Instant},
};

use proptest::{
    prelude::*,
    test_runner::{TestCaseResult, TestRunner},
};

const SECS: u64 = 10;
/// Cases between two looks at the clock.
const AT_ONCE: u32 = 64;

/// Feeds a target with what the strategy makes until its time is over.
#[expect(clippy::disallowed_methods, reason = "for how long it is fed is no part of what is found")]
pub fn feed<S: Strategy>(
    name: &'static str,
    file: &'static str,
    strategy: &S,
    target: impl Fn(S::Value) -> TestCaseResult,
) {
    let secs = env::var("COUNTERSIGN_FUZZ_SECS").map_or(SECS, |secs| secs.parse().expect("a number of seconds"));
    let until = Instant::now() + Duration::from_secs(secs);
    loop {
        let config = ProptestConfig {
            cases: AT_ONCE,
            max_global_rejects: u32::MAX,
            source_file: Some(file),
            test_name: Some(name),
            ..ProptestConfig::default()
        };
        // Another one each time: a runner counts the cases of all its runs.
        if let Err(error) = TestRunner::new(config).run(strategy, &target) {
            panic!("{name}: {error}");
        }
        if Instant::now() >= until {
            return;
        }
    }
}

/// Fuzz targets, written as `proptest!` has them, and fed by time.
macro_rules! foreign {
    ($($(#[$meta:meta])* fn $name:ident($($argument:ident in $strategy:expr),+ $(,)?) $body:block)+) => {$(
        $(#[$meta])*
        #[test]
        fn $name() {
            let name = concat!(module_path!(), "::", stringify!($name));
            $crate::edits::feed(name, file!(), &($($strategy,)+), |($($argument,)+)| {
                $body
                Ok(())
            });
        }
    )+};
}
pub(crate) use foreign;

/// One change of some bytes. Places are fractions of their length.
#[derive(Clone, Debug)]
pub enum Edit {
    Flip(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, usize),
    /// A piece that is there once more, elsewhere.
    Repeat(prop::sample::Index, prop::sample::Index, usize),
    Cut(prop::sample::Index),
}

/// Up to four changes.
pub fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let place = any::<prop::sample::Index>;
    let words = prop::sample::select(vec![
        &b"\n"[..],
        b" ",
        b"\0",
        b"\"",
        b"{",
        b"]",
        b"-1",
        b"18446744073709551616",
        b"\xff\xff\xff\xff",
        b"\xe2\x80\xae",
        b"../",
    ]);
    let edit = prop_oneof![
        (place(), any::<u8>()).prop_map(|(at, by)| Edit::Flip(at, by)),
        (place(), words).prop_map(|(at, word)| Edit::Insert(at, word.to_vec())),
        (place(), prop::collection::vec(any::<u8>(), 1..6)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        (place(), 1..9_usize).prop_map(|(at, length)| Edit::Remove(at, length)),
        (place(), place(), 1..40_usize).prop_map(|(from, to, length)| Edit::Repeat(from, to, length)),
        place().prop_map(Edit::Cut),
    ];
    prop::collection::vec(edit, 0..4)
}

/// The bytes as they arrive.
pub fn edited(bytes: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for edit in edits {
        let at = |place: &prop::sample::Index, bytes: &[u8]| place.index(bytes.len() + 1);
        match edit {
            Edit::Flip(place, by) => {
                let at = at(place, &bytes);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= by;
                }
            }
            Edit::Insert(place, more) => {
                let at = at(place, &bytes);
                bytes.splice(at..at, more.iter().copied());
            }
            Edit::Remove(place, length) => {
                let at = at(place, &bytes);
                bytes.drain(at..bytes.len().min(at + length));
            }
            Edit::Repeat(from, to, length) => {
                let (from, to) = (at(from, &bytes), at(to, &bytes));
                let piece = bytes[from..bytes.len().min(from + length)].to_vec();
                bytes.splice(to..to, piece);
            }
            Edit::Cut(place) => bytes.truncate(at(place, &bytes)),
        }
    }
    bytes
}

/// Changed bytes of one of these.
pub fn any_of(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (prop::sample::select(seeds), edits()).prop_map(|(seed, edits)| edited(&seed, &edits))
}
