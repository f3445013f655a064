//! How long it takes to find whose absence closes what, in a home of thousands: every single absence and every two.
//!
//! ```text
//! cargo bench -p countersign-core --bench coverage                                                  5,000 people, 335 systems
//! cargo bench -p countersign-core --bench coverage -- --people 50000 --systems 2000
//! cargo bench -p countersign-core --bench coverage -- --people 5000 --systems 335 --fail-above-s 10
//! ```
//!
//! Made up: every system is of tier 1, and owned by a team of its own; the people are shared out over the teams, and every eighth is
//! a senior. The shipped rules are in force, and one more that asks a group. Apart from that it times what `init` and every
//! publication ask.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up measures nothing")]

use std::{collections::BTreeMap, env, fmt::Write as _, fs, path::Path, process::ExitCode, time::Instant};

use countersign_core::{
    catalog::{Catalog, CatalogSettings},
    coverage::{
        absent::absences, coverage, fewest, gone::Gone, leaves_able, leaves_enough, leaves_governable, supply::supply,
    },
    governance::{Governance, GovernanceRecord},
    semantics::{NEWEST_SEMANTICS, Semantics},
    statement::Founder,
};
use countersign_ledger::{Digest, LogKey, SigningKey, Time};
use rand_core::{CryptoRng, Error, RngCore};

const NOW: Time = Time::from_unix_secs(1_775_001_600);
const TEAM_OF_SENIORS: usize = 8;

/// Numbers that are the same in every run (SplitMix64).
struct FixedRng(u64);

impl RngCore for FixedRng {
    fn next_u32(&mut self) -> u32 {
        u32::try_from(self.next_u64() >> 32).unwrap()
    }

    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        rand_core::impls::fill_bytes_via_next(self, dest);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(dest);
        Ok(())
    }
}

impl CryptoRng for FixedRng {}

fn catalog(people: usize, systems: usize, rng: &mut FixedRng) -> Catalog {
    let mut text = String::new();
    let entity = |text: &mut String, kind: &str, name: &str, annotations: &str, spec: &str| {
        let head = format!("---\napiVersion: backstage.io/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\n");
        write!(text, "{head}  annotations:{annotations}\nspec: {{{spec}}}\n").unwrap();
    };
    entity(&mut text, "Group", "release", " {}", "type: team, children: []");
    for nth in 0..systems {
        entity(&mut text, "Group", &format!("team-{nth}"), " {}", "type: team, children: []");
        let tier = "\n    countersign/tier: \"1\"";
        entity(&mut text, "System", &format!("system-{nth}"), tier, &format!("owner: team-{nth}"));
    }
    for nth in 0..people {
        let level = if (nth / systems).is_multiple_of(TEAM_OF_SENIORS) { "senior" } else { "standard" };
        let key = SigningKey::generate(rng).public();
        let said = format!("\n    countersign/level: {level}\n    countersign/keys: {key}");
        let release = if nth.is_multiple_of(997) { ", release" } else { "" };
        let groups = format!("memberOf: [team-{}{release}]", nth % systems);
        entity(&mut text, "User", &format!("person-{nth}"), &said, &groups);
    }
    let files = BTreeMap::from([("catalog.yaml".to_owned(), text)]);
    Catalog::parse(&files, &CatalogSettings::default()).unwrap()
}

const RELEASE: &str = r#"@id("release")
@requires("approval:group:release:1")
@because("Whoever releases knows of it.")
@remedy("countersign approve {change}")
@mode("enforce")
@strength("mandatory")
forbid (principal, action == Countersign::Action::"apply", resource)
when { resource.production }
unless { resource.approvals.group["release"] >= 1 };
"#;

fn governance(people: usize, systems: usize) -> Governance {
    let mut rng = FixedRng(7);
    let salt = |of: &str| Digest::of(of).hex().get(..32).unwrap().parse().unwrap();
    let mut files = catalog(people, systems, &mut rng).to_files(salt).unwrap();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "cedar") {
            files.insert(format!("rules/{}", path.file_name().unwrap().to_str().unwrap()), fs::read(&path).unwrap());
        }
    }
    files.insert("rules/release.cedar".to_owned(), RELEASE.into());
    let named = files.iter().map(|(path, bytes)| (path.clone(), Digest::of(bytes))).collect();
    let blobs: BTreeMap<Digest, Vec<u8>> = files.into_values().map(|bytes| (Digest::of(&bytes), bytes)).collect();
    let founder = Founder { person: "person-0".parse().unwrap(), key: SigningKey::generate(&mut rng).public() };
    let record = GovernanceRecord {
        origin: "bench/log".to_owned(),
        semantics: Semantics::known(NEWEST_SEMANTICS).unwrap(),
        genesis: Digest::of("genesis"),
        founders: vec![founder],
        threshold: 1,
        recovery_quorum: 1,
        server_key: SigningKey::generate(&mut rng).public(),
        log_key: LogKey::generate("bench/log", &mut rng).unwrap().verifier().to_string(),
        files: named,
        in_force: Digest::of("genesis"),
        standards: BTreeMap::new(),
        epochs: Vec::new(),
        retired: BTreeMap::new(),
        newcomers: BTreeMap::new(),
        replaced_keys: Vec::new(),
        freezes: BTreeMap::new(),
        stale: BTreeMap::new(),
        fetched: BTreeMap::new(),
    };
    Governance::load(record, &|digest| blobs.get(digest).cloned()).unwrap()
}

fn timed<T>(what: &str, of: impl FnOnce() -> T) -> (T, f64) {
    let begun = Instant::now();
    let it = of();
    let secs = begun.elapsed().as_secs_f64();
    println!("{secs:>9.3} s  {what}");
    (it, secs)
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args().collect();
    let option = |name: &str| words.windows(2).find_map(|pair| (pair.first()? == name).then(|| pair.get(1)).flatten());
    let number = |name: &str, usual: usize| option(name).map_or(usual, |text| text.parse().unwrap());
    let (people, systems) = (number("--people", 5_000), number("--systems", 335));
    let limit: Option<f64> = option("--fail-above-s").map(|text| text.parse().unwrap());
    println!("{people} people, {systems} systems of tier 1, each with a team of its own\n");
    let (home, _) = timed("read the catalog and the rules", || governance(people, systems));
    let nobody = Gone::default();
    let (found, secs) = timed("absences: every one, every two", || absences(&home, None, &nobody, NOW));
    let closes =
        |size: usize| found.gates.iter().flat_map(|gate| &gate.closings).filter(|one| one.people() == size).count();
    println!(
        "             {} targets; sets of one {}, of two {}, alike ones counted once",
        found.gates.len(),
        closes(1),
        closes(2)
    );
    assert_eq!(found.unasked, 0, "all of them were looked at");
    let first = home.catalog.systems.values().next().unwrap();
    let production = home.catalog.settings.production.iter().next().unwrap();
    timed("supply, of one system", || supply(&home, first, production, &nobody, NOW));
    println!();
    timed("coverage, as init prints it", || coverage(&home, NOW));
    timed("of that fewest", || fewest(&home, NOW));
    timed("what a publication asks", || {
        leaves_able(&home, &home, NOW).unwrap();
        leaves_enough(&home, &home, NOW).unwrap();
        leaves_governable(&home, NOW).unwrap();
    });
    match limit {
        Some(limit) if secs > limit => {
            println!("\nmore than {limit} s");
            ExitCode::FAILURE
        }
        Some(_) | None => ExitCode::SUCCESS,
    }
}
