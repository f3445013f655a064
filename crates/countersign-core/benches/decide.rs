//! How many decisions a second are taken with so many rules in force, beside what plain Cedar needs to answer the same
//! policies, and OPA where it is installed.
//!
//! ```text
//! cargo bench -p countersign-core --bench decide                          10, 100 and 1,000 rules
//! cargo bench -p countersign-core --bench decide -- --opa PROGRAM         with this `opa` instead of that on the PATH
//! cargo bench -p countersign-core --bench decide -- --fail-above 3        ends with 1 where a decision with the most rules takes
//!                                                                         so many times as long as with the fewest
//! ```
//!
//! *Scoped*: nine of ten rules name one system each in their scope, as thousands of rules would. *Unscoped*: every rule is for
//! every system, and its condition is looked at each time.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up measures nothing")]

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    env, fs,
    hint::black_box,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityUid, Policy, PolicyId, PolicySet, Request,
    RestrictedExpression,
};
use countersign_core::{
    kind::{Documents, Kind},
    rules::{Rules, decide},
    snapshot::{AiStatus, Builder, Snapshot, TargetView},
};
use countersign_ledger::Time;

const SIZES: [usize; 3] = [10, 100, 1_000];
const ROUNDS: usize = 9;
const DECISIONS: u32 = 200;
const NOW: Time = Time::from_unix_secs(1_775_001_600);

/// Where rules apply.
#[derive(Clone, Copy, PartialEq)]
enum Scope {
    /// Nine of ten to one system each.
    Scoped,
    /// All of them everywhere.
    Unscoped,
}

impl Scope {
    fn system(self, nth: usize) -> Option<String> {
        (self == Self::Scoped && !nth.is_multiple_of(10)).then(|| format!("system-{nth}"))
    }
}

fn tier(nth: usize) -> usize {
    nth % 4 + 1
}

fn rule(scope: Scope, nth: usize) -> String {
    let scope = match scope.system(nth) {
        Some(system) => format!("resource in Countersign::System::\"{system}\""),
        None => "resource".to_owned(),
    };
    let tier = tier(nth);
    format!(
        "@id(\"rule-{nth}\")\n@requires(\"approval:independent:1\")\n@because(\"Because.\")\n@remedy(\"countersign show \
         {{change}}\")\n@mode(\"enforce\")\n@strength(\"waivable\")\nforbid (principal, action == \
         Countersign::Action::\"apply\", {scope})\nwhen {{ resource.production && resource.tier == {tier} }}\nunless {{ \
         resource.approvals.independent >= 1 }};\n"
    )
}

fn rules(scope: Scope, count: usize) -> Rules {
    let files = (0..count).map(|nth| (format!("rule-{nth}.cedar"), rule(scope, nth)));
    Rules::parse(&files.collect::<BTreeMap<_, _>>()).unwrap()
}

/// The same policies as somebody would hand them to Cedar, who wrote an authorizer: all of them, with one that permits, and
/// one entity that has what they ask about.
struct Plain {
    policies: PolicySet,
    entities: Entities,
    request: Request,
}

fn uid(of: &str, id: &str) -> EntityUid {
    format!("Countersign::{of}::\"{id}\"").parse().unwrap()
}

fn question() -> (Entities, Request) {
    let approvals =
        RestrictedExpression::new_record([("independent".to_owned(), RestrictedExpression::new_long(0))]).unwrap();
    let attributes = HashMap::from([
        ("production".to_owned(), RestrictedExpression::new_bool(true)),
        ("tier".to_owned(), RestrictedExpression::new_long(2)),
        ("approvals".to_owned(), approvals),
    ]);
    let change = uid("Change", "9f2c4e6a81d0");
    let entity = Entity::new(change.clone(), attributes, HashSet::from([uid("System", "system-1")])).unwrap();
    let system = Entity::new_no_attrs(uid("System", "system-1"), HashSet::new());
    let entities = Entities::from_entities([entity, system], None).unwrap();
    let request = Request::new(uid("Gate", "any"), uid("Action", "apply"), change, Context::empty(), None).unwrap();
    (entities, request)
}

impl Plain {
    fn new(scope: Scope, count: usize) -> Self {
        let mut policies = PolicySet::new();
        policies
            .add(Policy::parse(Some(PolicyId::new("base")), "permit (principal, action, resource);").unwrap())
            .unwrap();
        for nth in 0..count {
            policies.add(Policy::parse(Some(PolicyId::new(format!("rule-{nth}"))), rule(scope, nth)).unwrap()).unwrap();
        }
        let (entities, request) = question();
        Self { policies, entities, request }
    }

    /// The answer alone, to a question that was put before.
    fn asked(&self) {
        let answer = Authorizer::new().is_authorized(black_box(&self.request), &self.policies, &self.entities);
        assert_eq!(black_box(answer).decision(), Decision::Deny, "nobody approved");
    }

    /// The question, too, as each change is another one.
    fn whole(&self) {
        let (entities, request) = question();
        let answer = Authorizer::new().is_authorized(&request, &self.policies, &entities);
        assert_eq!(black_box(answer).decision(), Decision::Deny, "nobody approved");
    }
}

/// The same rules in Rego.
fn rego(scope: Scope, count: usize) -> String {
    let mut text = "package countersign\nimport rego.v1\n".to_owned();
    for nth in 0..count {
        let system = scope.system(nth).map(|system| format!("\tinput.system == \"{system}\"\n")).unwrap_or_default();
        text += &format!(
            "deny contains \"rule-{nth}\" if {{\n{system}\tinput.production\n\tinput.tier == {}\n\tinput.approvals.independent < \
             1\n}}\n",
            tier(nth)
        );
    }
    text
}

/// Seconds a decision takes with OPA's own benchmark of a prepared query.
fn opa(program: &str, scope: Scope, count: usize) -> Result<f64, String> {
    let folder = env::temp_dir().join(format!("countersign-decide-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let (policy, input) = (folder.join("rules.rego"), folder.join("input.json"));
    let written = fs::write(&policy, rego(scope, count)).and_then(|()| {
        fs::write(&input, r#"{"system": "system-1", "production": true, "tier": 2, "approvals": {"independent": 0}}"#)
    });
    written.map_err(|error| error.to_string())?;
    let mut run = Command::new(program);
    run.args(["bench", "--format", "json", "--data"]).arg(&policy).arg("--input").arg(&input);
    let answer = run.arg("data.countersign.deny").output().map_err(|error| error.to_string());
    fs::remove_dir_all(&folder).map_err(|error| error.to_string())?;
    let answer = answer?;
    if !answer.status.success() {
        return Err(String::from_utf8_lossy(&answer.stderr).trim().to_owned());
    }
    // Go's `testing.BenchmarkResult`: so many runs, in so many nanoseconds.
    let read: serde_json::Value = serde_json::from_slice(&answer.stdout).map_err(|error| error.to_string())?;
    match (read.get("T").and_then(serde_json::Value::as_f64), read.get("N").and_then(serde_json::Value::as_f64)) {
        (Some(nanoseconds), Some(runs)) if runs > 0.0 => Ok(nanoseconds / 1e9 / runs),
        _ => Err("it printed no `T` and `N`".to_owned()),
    }
}

fn snapshot() -> Snapshot {
    Builder::new("9f2c4e6a81d09f2c4e6a81d09f2c4e6a".parse().unwrap(), Kind::Code)
        .target(TargetView {
            target: "system-1/production".parse().unwrap(),
            production: true,
            tier: 2.try_into().unwrap(),
            owner: "owners".parse().unwrap(),
        })
        .made_by(["ada".parse().unwrap()])
        .ai(AiStatus::None, true)
        .documents(Documents { why: 100, risk: 100, rollback: 100, tests: 100, ..Documents::default() })
        .population(5_000)
        .build()
}

/// Seconds each of them takes, in turns, so that whatever else the machine does falls on all of them.
fn seconds(contenders: &[&dyn Fn()]) -> Vec<f64> {
    let mut times = vec![Vec::new(); contenders.len()];
    for _ in 0..ROUNDS {
        for (contender, times) in contenders.iter().zip(&mut times) {
            let begun = Instant::now();
            for _ in 0..DECISIONS {
                contender();
            }
            times.push(begun.elapsed());
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times.get(times.len() / 2).copied().unwrap_or_default().as_secs_f64() / f64::from(DECISIONS)
    };
    times.iter_mut().map(median).collect()
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args().collect();
    let option = |name: &str| words.windows(2).find_map(|pair| (pair.first()? == name).then(|| pair.get(1)).flatten());
    let limit: Option<f64> = option("--fail-above").and_then(|text| text.parse().ok());
    let program = option("--opa").map_or("opa", String::as_str);
    let version = Command::new(program).arg("version").output();
    let opa_is_there = version.is_ok_and(|output| output.status.success());
    if !opa_is_there {
        println!("OPA is not measured: no `{program}` runs here; `-- --opa PROGRAM` names another.\n");
    }
    let snapshot = snapshot();
    let mut worst: f64 = 1.0;
    for (scope, named) in [(Scope::Scoped, "scoped"), (Scope::Unscoped, "unscoped")] {
        let sets: Vec<Rules> = SIZES.into_iter().map(|count| rules(scope, count)).collect();
        let plains: Vec<Plain> = SIZES.into_iter().map(|count| Plain::new(scope, count)).collect();
        let decides: Vec<_> =
            sets.iter().map(|set| || drop(black_box(decide(set, black_box(&snapshot), NOW)))).collect();
        let asked: Vec<_> = plains.iter().map(|plain| || plain.asked()).collect();
        let whole: Vec<_> = plains.iter().map(|plain| || plain.whole()).collect();
        let mut contenders: Vec<&dyn Fn()> = Vec::new();
        contenders.extend(decides.iter().map(|each| each as &dyn Fn()));
        contenders.extend(whole.iter().map(|each| each as &dyn Fn()));
        contenders.extend(asked.iter().map(|each| each as &dyn Fn()));
        let all = seconds(&contenders);
        let mut columns = all.chunks(SIZES.len());
        let (ours, whole, asked) = (columns.next().unwrap(), columns.next().unwrap(), columns.next().unwrap());
        println!("decisions a second, one core, {named} rules; in brackets how many times as fast this is");
        for (nth, count) in SIZES.into_iter().enumerate() {
            let mine = ours.get(nth).copied().unwrap();
            let beside = |secs: f64| format!("{:>8.0} (x {:.2})", 1.0 / secs, secs / mine);
            print!("{count:>5} rules: {:>8.0}   Cedar {}", 1.0 / mine, beside(whole.get(nth).copied().unwrap()));
            print!("   Cedar, question at hand {}", beside(asked.get(nth).copied().unwrap()));
            match opa_is_there.then(|| opa(program, scope, count)) {
                Some(Ok(secs)) => println!("   OPA {}", beside(secs)),
                Some(Err(why)) => println!("   OPA: {why}"),
                None => println!(),
            }
        }
        println!();
        if scope == Scope::Scoped {
            worst = ours.last().copied().unwrap_or_default() / ours.first().copied().unwrap_or_default();
            println!("with {} scoped rules a decision takes {worst:.2} times as long as with {}\n", SIZES[2], SIZES[0]);
        }
    }
    if limit.is_some_and(|limit| worst > limit) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
