//! How many decisions a second are taken with so many rules in force, of which few apply to the change: a rule's scope names
//! its system, as thousands of rules would.
//!
//! ```text
//! cargo bench -p countersign-core --bench decide                          10, 100 and 1,000 rules
//! cargo bench -p countersign-core --bench decide -- --fail-above 3        ends with 1 where a decision with the most rules takes
//!                                                                         so many times as long as with the fewest
//! ```

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up measures nothing")]

use std::{
    collections::BTreeMap,
    env,
    process::ExitCode,
    time::{Duration, Instant},
};

use countersign_core::{
    kind::{Documents, Kind},
    rules::{Rules, decide},
    snapshot::{AiStatus, Builder, Snapshot, TargetView},
};
use countersign_ledger::Time;

const SIZES: [usize; 3] = [10, 100, 1_000];
const ROUNDS: usize = 9;
const DECISIONS: u32 = 500;
const NOW: Time = Time::from_unix_secs(1_775_001_600);

/// Every tenth rule is for every system, the others for one each.
fn rules(count: usize) -> Rules {
    let text = |nth: usize| {
        let scope = match nth % 10 {
            0 => "resource".to_owned(),
            _ => format!("resource in Countersign::System::\"system-{nth}\""),
        };
        let tier = nth % 4 + 1;
        format!(
            "@id(\"rule-{nth}\")\n@requires(\"approval:independent:1\")\n@because(\"Because.\")\n@remedy(\"countersign show \
             {{change}}\")\n@mode(\"enforce\")\n@strength(\"waivable\")\nforbid (principal, action == \
             Countersign::Action::\"apply\", {scope})\nwhen {{ resource.production && resource.tier == {tier} }}\nunless {{ \
             resource.approvals.independent >= 1 }};\n"
        )
    };
    Rules::parse(&(0..count).map(|nth| (format!("rule-{nth}.cedar"), text(nth))).collect::<BTreeMap<_, _>>()).unwrap()
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

fn main() -> ExitCode {
    let words: Vec<String> = env::args().collect();
    let limit = words.windows(2).find(|pair| matches!(pair, [flag, _] if flag == "--fail-above"));
    let limit: Option<f64> = limit.and_then(|pair| pair.get(1)).and_then(|text| text.parse().ok());
    let snapshot = snapshot();
    let sets: Vec<Rules> = SIZES.into_iter().map(rules).collect();
    let mut times = vec![Vec::new(); sets.len()];
    // In turns, so that whatever else the machine does falls on all of them.
    for _ in 0..ROUNDS {
        for (set, times) in sets.iter().zip(&mut times) {
            let begun = Instant::now();
            for _ in 0..DECISIONS {
                std::hint::black_box(decide(set, std::hint::black_box(&snapshot), NOW));
            }
            times.push(begun.elapsed());
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times.get(times.len() / 2).copied().unwrap_or_default().as_secs_f64() / f64::from(DECISIONS)
    };
    let each: Vec<f64> = times.iter_mut().map(median).collect();
    let first = each.first().copied().unwrap_or_default();
    for (rules, secs) in SIZES.into_iter().zip(&each) {
        println!("{rules:>5} rules: {:>8.0} decisions a second, x {:.2}", 1.0 / secs, secs / first);
    }
    let worst = each.last().copied().unwrap_or_default() / first;
    if limit.is_some_and(|limit| worst > limit) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
