//! Rules: the shipped ones, decisions by them, and what is refused.

mod count;
mod decide;
mod parse;
mod tools;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::LazyLock,
};

use countersign_core::{
    catalog::{Level, Tier},
    ids::ActorId,
    rules::{Rules, check, run_cases},
    snapshot::{Ai, AiStatus, ApprovalView, Documents, Kind, Material, PersonView, Snapshot, TargetView},
};
use countersign_ledger::{Time, sshsig::Assurance};

const NOW: Time = Time::from_unix_secs(1_775_001_600);

fn id(name: &str) -> ActorId {
    name.parse().unwrap()
}

fn ids(names: &[&str]) -> BTreeSet<ActorId> {
    names.iter().map(|name| id(name)).collect()
}

fn target(text: &str, tier: u8) -> TargetView {
    let target: countersign_core::ids::Target = text.parse().unwrap();
    let production = target.environment.as_str() == "production";
    TargetView { target, production, tier: Tier::try_from(tier).unwrap(), owner: "payments".parse().unwrap() }
}

fn person(level: Level, owns: &[&str]) -> PersonView {
    PersonView { level, owns: owns.iter().map(|system| system.parse().unwrap()).collect() }
}

fn approve(snapshot: &mut Snapshot, names: &[&str]) {
    let approvals = names.iter().map(|name| ApprovalView { by: id(name), assurance: Assurance::SoftwareKey });
    snapshot.approvals.extend(approvals);
}

/// A documented code change by ada to checkout/production, tier 2; nobody has approved it.
pub(crate) fn snapshot() -> Snapshot {
    Snapshot {
        change: "9f2c4e6a81d0".parse().unwrap(),
        revision: 1,
        kind: Kind::Code,
        material: Material::Commits,
        targets: vec![target("checkout/production", 2)],
        unknown_targets: BTreeSet::new(),
        contributors: ids(&["ada"]),
        unmapped: BTreeSet::new(),
        unconfirmed: BTreeSet::new(),
        claimed: BTreeSet::new(),
        approvals: Vec::new(),
        rejected_by: BTreeSet::new(),
        ai: Ai { status: AiStatus::None, tools: BTreeSet::new(), signals: BTreeSet::new(), disclosed: true },
        guidance: Vec::new(),
        documents: Documents { why: 100, risk: 100, rollback: 100, tests: 100 },
        waivers: Vec::new(),
        population: 4,
        people: BTreeMap::from([
            (id("ada"), person(Level::Standard, &["checkout"])),
            (id("barbara"), person(Level::Senior, &[])),
            (id("grace"), person(Level::Senior, &["checkout"])),
            (id("linus"), person(Level::Standard, &[])),
        ]),
    }
}

/// One rule of one file, with everything but its `@id` and its body fixed, and `extra` in place of some annotations.
fn rule_file(id: &str, mode: &str, strength: &str, requires: &str, body: &str) -> String {
    format!(
        "@id(\"{id}\")\n@requires(\"{requires}\")\n@because(\"Because.\")\n@remedy(\"countersign mend {{change}}\")\n\
         @mode(\"{mode}\")\n@strength(\"{strength}\")\n{body}\n"
    )
}

const SCOPE: &str = "forbid (principal, action == Countersign::Action::\"apply\", resource)";

fn one(file: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("a.cedar".to_owned(), file.to_owned())])
}

fn parsed(file: &str) -> Rules {
    Rules::parse(&one(file)).unwrap_or_else(|error| panic!("{error}"))
}

/// The files of the top-level folder `rules` that end so.
fn shipped(suffix: &str) -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules");
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(suffix))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
        .collect()
}

/// Parsed once: property tests ask them hundreds of times.
fn shipped_rules() -> &'static Rules {
    static RULES: LazyLock<Rules> =
        LazyLock::new(|| Rules::parse(&shipped(".cedar")).unwrap_or_else(|error| panic!("{error}")));
    &RULES
}

#[test]
fn shipped_rules_answer_their_cases() {
    let cases = shipped(".cases.yaml");
    let results = run_cases(shipped_rules(), &cases).unwrap_or_else(|error| panic!("{error}"));
    let failed: Vec<String> = results.iter().filter(|result| !result.passed()).map(ToString::to_string).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    for rule in shipped_rules().iter() {
        assert!(results.iter().any(|result| result.rule == rule.id), "{} has no cases", rule.id);
    }
}

#[test]
fn shipped_rules_ask_for_what_they_say() {
    let findings = check(shipped_rules());
    assert!(findings.is_empty(), "{}", findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
}
