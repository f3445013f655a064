//! Rules: the shipped ones, decisions by them, and what is refused.

mod count;
mod decide;
mod delegated;
mod explain;
mod parse;
mod situations;
mod tools;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::LazyLock,
};

use countersign_core::{
    cases::run_cases,
    catalog::Tier,
    decision::Decision,
    explain::{Explanation, People, Scene},
    ids::{ActorId, GroupId, SystemId},
    kind::{Documents, Kind},
    rules::{Rules, check},
    snapshot::{AiStatus, Builder, Snapshot, TargetView},
};
use countersign_ledger::Time;

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

/// Who is there: ada and grace own checkout, grace and barbara are seniors.
pub(crate) struct Home {
    everybody: BTreeSet<ActorId>,
    seniors: BTreeSet<ActorId>,
    owners: BTreeMap<SystemId, BTreeSet<ActorId>>,
    groups: BTreeMap<GroupId, BTreeSet<ActorId>>,
}

impl Home {
    fn usual() -> Self {
        let owners = BTreeMap::from([("checkout".parse().unwrap(), ids(&["ada", "grace"]))]);
        let everybody = ids(&["ada", "barbara", "grace", "linus"]);
        Self { everybody, seniors: ids(&["barbara", "grace"]), owners, groups: BTreeMap::new() }
    }

    /// What a reader is told of a decision.
    fn explain(&self, rules: &Rules, snapshot: &Snapshot, decision: &Decision) -> Explanation {
        self.scene(rules, snapshot).explain(decision, NOW)
    }

    fn scene<'a>(&'a self, rules: &'a Rules, snapshot: &'a Snapshot) -> Scene<'a> {
        let owners = self.owners.iter().flat_map(|(system, owners)| owners.iter().map(move |owner| (system, owner)));
        let groups = self.groups.iter().map(|(group, members)| (group, members.iter().collect())).collect();
        Scene::bare(rules, snapshot, People::given(&self.everybody, &self.seniors, owners, groups))
    }

    fn approve(&self, snapshot: &mut Snapshot, names: &[&str]) {
        for by in names.iter().map(|name| id(name)) {
            let owned = self.owners.iter().filter(|(_, owners)| owners.contains(&by));
            let owned: Vec<SystemId> = owned.map(|(system, _)| system.clone()).collect();
            snapshot.approve(by.clone(), self.seniors.contains(&by), owned);
        }
    }
}

/// Approvals by people of the usual home.
fn approve(snapshot: &mut Snapshot, names: &[&str]) {
    Home::usual().approve(snapshot, names);
}

/// A documented code change by ada to checkout/production, tier 2; nobody has approved it.
pub(crate) fn snapshot() -> Snapshot {
    Builder::new("9f2c4e6a81d09f2c4e6a81d09f2c4e6a".parse().unwrap(), Kind::Code)
        .target(target("checkout/production", 2))
        .made_by([id("ada")])
        .ai(AiStatus::None, true)
        .documents(Documents { why: 100, risk: 100, rollback: 100, tests: 100, ..Documents::default() })
        .population(4)
        .build()
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
