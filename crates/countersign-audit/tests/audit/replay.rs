//! Who carries the reviews, and what rules would have done, on small made histories.

use std::{collections::BTreeMap, sync::Arc};

use countersign_audit::{
    Audited, Carriers, CommitRecord, LandedChange, People, Reverts, Scope, judge,
    replay::{self, Assumptions, Course, Past, Replay, WaitBasis},
    timeline::timeline,
};
use countersign_core::{
    decision::Outcome,
    facts::{PathChange, PathStatus, git::Ident},
    rules::Rules,
};
use insta::assert_snapshot;

const DAY: i64 = 86_400;
const BEGIN: i64 = 1_700_000_000;

fn who(name: &str) -> Ident {
    Ident { name: name.to_owned(), mail: format!("{}@shop.test", name.to_lowercase()) }
}

/// `(day, author, path, message)`; written a quarter of a day before it landed.
type Line<'a> = (i64, &'a str, &'a str, &'a str);

struct Made {
    changes: Vec<Audited>,
    people: People,
    scope: Scope,
    reverts: Reverts,
}

fn made(lines: &[Line<'_>]) -> Made {
    made_for(lines, Vec::new())
}

fn made_for(lines: &[Line<'_>], rules: Vec<Arc<Rules>>) -> Made {
    let (mut people, mut scope) = (People::default(), Scope { rules, ..Scope::default() });
    let mut changes = Vec::new();
    for (at, (day, author, path, message)) in lines.iter().enumerate() {
        let change = LandedChange {
            commit: CommitRecord {
                id: format!("{:07x}{}", at + 1, "0".repeat(33)).parse().unwrap(),
                parents: Vec::new(),
                author: who(author),
                authored_at: BEGIN + day * DAY - DAY / 4,
                committer: who(author),
                committed_at: BEGIN + day * DAY,
                message: message.as_bytes().to_vec(),
            },
            brought: Vec::new(),
            paths: path
                .split_whitespace()
                .map(|path| PathChange { path: path.to_owned(), status: PathStatus::Modified })
                .collect(),
            notes: Vec::new(),
        };
        changes.push(judge(&change, &mut people, &mut scope));
    }
    people.settle();
    changes.iter_mut().for_each(|change| change.settle(&people));
    let reverts = Reverts::find(&changes);
    Made { changes, people, scope, reverts }
}

impl Made {
    fn carriers(&self) -> Carriers {
        Carriers::find(&self.changes, &self.people)
    }

    fn replay(&self, sets: &[&Rules]) -> (Assumptions, Vec<Replay>) {
        let course = Course::new(self.past(), sets).unwrap();
        course.close(course.stretches().map(|stretch| course.ask(stretch).unwrap()).collect())
    }

    fn past(&self) -> Past<'_> {
        Past { changes: &self.changes, people: &self.people, areas: &self.scope.areas, reverts: &self.reverts }
    }

    /// `id applied stopped reverted: missing`.
    fn told(&self, replay: &Replay) -> String {
        let rule = |rule: &replay::RuleReplay| {
            let missing: Vec<String> = rule.missing.iter().map(|m| format!("{} {}", m.changes, m.what)).collect();
            let on: Vec<String> = rule
                .falls_on
                .iter()
                .map(|part| format!("{} {:.2}", self.people.label(part.person), part.approvals_per_week))
                .collect();
            format!(
                "{} {} {} {}: {} | {:.2}/week on {}; {:.2} h; nobody {}\n",
                rule.id,
                rule.applied,
                rule.stopped,
                rule.stopped_reverted,
                missing.join(", "),
                rule.extra_approvals_per_week,
                on.join(", "),
                rule.added_hours_per_week,
                rule.nobody_could,
            )
        };
        replay.rules.iter().map(rule).collect()
    }
}

fn shipped() -> Rules {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../rules");
    let files: BTreeMap<String, String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "cedar"))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    Rules::parse(&files).unwrap()
}

fn rule(id: &str, requires: &str, mode: &str, unless: &str) -> Rules {
    let text = format!(
        "@id(\"{id}\") @requires(\"{requires}\") @because(\"B.\") @remedy(\"mend {{change}}\") @mode(\"{mode}\")
         @strength(\"waivable\") forbid (principal, action == Countersign::Action::\"apply\", resource)
         when {{ resource.production }} unless {{ {unless} }};"
    );
    Rules::parse(&BTreeMap::from([("r.cedar".to_owned(), text)])).unwrap()
}

fn independent(mode: &str) -> Rules {
    rule("second", "approval:independent:1", mode, "resource.approvals.independent >= 1")
}

const BY_BEA: &str = "x\n\nReviewed-by: Bea <bea@shop.test>";
const BY_CAL: &str = "x\n\nReviewed-by: Cal <cal@shop.test>";
const BY_ADA: &str = "x\n\nReviewed-by: Ada <ada@shop.test>";

#[test]
fn shares_of_reviews_by_area() {
    let made = made(&[
        (0, "Ada", "shop/a", BY_CAL),
        (1, "Ada", "shop/a", BY_BEA),
        (300, "Ada", "shop/a web/b", BY_BEA),
        (301, "Ada", "web/b", "x"),
        (302, "Ada", "web/b", BY_BEA),
        (303, "Ada", "web/b", BY_CAL),
    ]);
    let carriers = made.carriers();
    let told: String = carriers
        .areas
        .iter()
        .map(|(id, area)| (made.scope.areas.name(*id), &area.all))
        .chain([("all", &carriers.all)])
        .map(|(name, area)| {
            let shares: Vec<String> = area
                .reviewers
                .iter()
                .map(|share| format!("{} {} {:.2}", made.people.label(share.person), share.count, share.share))
                .collect();
            let only = area.only_reviewer.map_or("-", |person| made.people.label(person));
            let secs = area.median_secs.zip(area.p90_secs);
            format!(
                "{name} {} [{}] half {} only {only} {secs:?}\n",
                area.landed,
                shares.join(", "),
                area.half_of_reviews
            )
        })
        .collect();
    assert_snapshot!(told, @r"
    shop 3 [Bea 2 0.67, Cal 1 0.33] half 1 only Bea Some((21600, 21600))
    web 4 [Bea 2 0.67, Cal 1 0.33] half 1 only - Some((21600, 21600))
    all 6 [Bea 3 0.60, Cal 2 0.40] half 1 only - Some((21600, 21600))
    ");
}

#[test]
fn pairs_need_both_directions_five_times_and_nobody_else() {
    let pairs = |extra: Option<Line<'_>>| {
        let both = (0..5).flat_map(|day| [(day, "Ada", "a", BY_BEA), (day, "Bea", "a", BY_ADA)]);
        let lines: Vec<Line<'_>> = both.chain(extra).collect();
        made(&lines).carriers().pairs.iter().map(|pair| pair.times).collect::<Vec<_>>()
    };
    assert_eq!(pairs(None), [[5, 5]]);
    assert_eq!(pairs(Some((9, "Ada", "a", "nobody looked"))), [[5, 5]]);
    assert!(pairs(Some((9, "Ada", "a", BY_CAL))).is_empty());
    let four: Vec<Line<'_>> = (0..4).flat_map(|day| [(day, "Ada", "a", BY_BEA), (day, "Bea", "a", BY_ADA)]).collect();
    assert!(made(&four).carriers().pairs.is_empty());
}

#[test]
fn wrong_clocks_neither_forget_nor_keep_everybody() {
    let of = |days: &[i64]| {
        let lines: Vec<Line<'_>> = days.iter().map(|day| (*day, "Ada", "a", "x")).collect();
        timeline(&made(&lines).changes).iter().map(|time| (time - BEGIN) / DAY).collect::<Vec<_>>()
    };
    assert_eq!(of(&[0, 1, 1, 5, 9]), [0, 1, 1, 5, 9]);
    assert_eq!(of(&[0, 1, 40_000, 3, 4]), [0, 1, 3, 3, 4]);
    assert_eq!(of(&[0, 1, -9_000, 3, 4]), [0, 1, 1, 3, 4]);
}

#[test]
fn a_rule_stops_what_lacked_an_approval_and_says_who_could_have_given_it() {
    // Four weeks. Ada's second change has no reviewer and is reverted by her third, which has none either.
    let made = made(&[
        (0, "Ada", "shop/a", BY_BEA),
        (1, "Ada", "shop/a", BY_CAL),
        (2, "Ada", "shop/a", BY_BEA),
        (7, "Ada", "shop/a", "sell\n\nnothing"),
        (8, "Ada", "shop/a", "Revert \"sell\""),
        (28, "Ada", "", "nothing at all"),
    ]);
    let (assumed, replays) = made.replay(&[&independent("enforce"), &independent("watch")]);
    assert_eq!((assumed.weeks, assumed.wait_secs, assumed.without_paths), (4.0, DAY / 4, 1));
    assert_eq!(assumed.wait_basis, WaitBasis::Landing);
    // Bea gave two of three reviews before: two thirds of two approvals in four weeks.
    assert_snapshot!(made.told(&replays[0]), @"second 5 2 1: 2 1 approval by somebody who had no hand in the change | 0.50/week on Bea 0.33, Cal 0.17; 3.00 h; nobody 0");
    let all = replays[0].all;
    assert_eq!((all.judged, all.reverted, all.stopped, all.stopped_reverted), (5, 1, 2, 1));
    assert_eq!((all.denied, all.denied_reverted), (2, 1));
    let curve: Vec<_> = replays[0].curve.iter().map(|point| (point.stopped, point.reverted)).collect();
    assert_eq!(curve, [(2, 1)]);
    // In watch it would have stopped as much and binds nothing; the floor below every set of rules stays.
    let watched = &replays[1];
    assert_eq!(
        watched.rules.iter().map(|rule| (rule.id.as_str(), rule.stopped)).collect::<Vec<_>>(),
        [("second", 2), ("floor", 2)]
    );
    assert_eq!(replays[0].outcomes.last(), Some(&None));
}

#[test]
fn what_changes_verdict() {
    let made =
        made(&[(0, "Ada", "a", BY_BEA), (1, "Ada", "a", "x\n\nA reason of twenty letters."), (2, "Ada", "a", BY_CAL)]);
    let why = rule("why", "document:why:20", "enforce", "resource.documents.why >= 20");
    let (_, replays) = made.replay(&[&independent("enforce"), &why]);
    let found = replay::compare(&replays[0], &replays[1]);
    // The second change has a reason, but the floor asks for a second person whatever the rules say.
    assert_eq!((found.allow_to_deny, found.deny_to_allow), (vec![0, 2], vec![]));
    assert_eq!(replays[1].outcomes, [Some(Outcome::Deny); 3]);
}

#[test]
fn only_what_was_known_at_the_time_counts() {
    let owner = rule("owner", "approval:owner:1", "enforce", "resource.approvals.owner >= 1");
    let made = made(&[
        (0, "Bea", "shop/a", "x"),
        (1, "Bea", "shop/a", "x"),
        // Bea owns nothing yet.
        (2, "Ada", "shop/a", BY_BEA),
        (3, "Bea", "shop/a", "x"),
        // Now she does.
        (4, "Ada", "shop/a", BY_BEA),
        // In the web she does not.
        (5, "Ada", "web/a", BY_BEA),
        // And a year later no longer.
        (366 + 3, "Ada", "shop/a", BY_BEA),
    ]);
    let (_, replays) = made.replay(&[&owner]);
    let denied: Vec<bool> = replays[0].outcomes.iter().map(|outcome| *outcome == Some(Outcome::Deny)).collect();
    assert_eq!(denied, [true, true, true, true, false, true, true]);
}

#[test]
fn the_shipped_rules_over_a_made_history() {
    let made = made(&[
        (0, "Ada", "shop/a.rs", BY_BEA),
        (1, "Ada", "shop/a.rs", "x\n\nBecause it is needed by the shop.\n\nReviewed-by: Bea <bea@shop.test>"),
        (8, "Cal", ".github/workflows/ci.yml", "x\n\nAssisted-by: Claude:opus"),
        (14, "Bea", "shop/a.rs", "x"),
    ]);
    let (assumed, replays) = made.replay(&[&shipped()]);
    assert_eq!((assumed.tier_1, assumed.weeks), (1, 2.0));
    assert_snapshot!(made.told(&replays[0]), @"
    ai-assisted-senior 1 1 0: 1 1 approval by a senior | 0.50/week on Bea 0.50; 3.00 h; nobody 0
    applier-apart 1 0 0:  | 0.00/week on ; 0.00 h; nobody 0
    documented 4 3 0: 2 why, in 20 characters or more (tiers 2 to 4), 1 why, in 40 characters or more (tier 1), 1 the risk, in 20 characters or more (tier 1), 1 how to roll back, in 20 characters or more (tiers 1 to 2), 1 how it was tested, in 20 characters or more (tier 1) | 0.00/week on ; 0.00 h; nobody 0
    fresh-guidance 0 0 0:  | 0.00/week on ; 0.00 h; nobody 0
    owner-approves 4 4 0: 4 1 approval by an owner of the system | 2.00/week on ; 12.00 h; nobody 4
    second-pair-of-eyes 4 2 0: 2 1 approval by somebody who had no hand in the change | 1.00/week on Bea 0.50, Ada 0.25, Cal 0.25; 6.00 h; nobody 0
    tier-1-senior 1 1 0: 1 1 approval by a senior, 1 2 approvals by people who had no hand in the change (where 3 or more people have a key) | 1.00/week on Bea 1.00; 3.00 h; nobody 0
    ");
}

#[test]
fn stretches_add_up_to_the_whole() {
    let lines: Vec<Line<'_>> = (0..23)
        .map(|day| (day * 30, ["Ada", "Bea", "Cal"][day as usize % 3], "shop/a.rs", ["x", BY_BEA][day as usize % 2]))
        .collect();
    let made = made(&lines);
    let rules = shipped();
    let sets = [&rules];
    let course = Course::new(made.past(), &sets).unwrap();
    assert!(course.stretches().count() > 1);
    assert!(course.stretches().flatten().eq(0..lines.len()));
    let whole = course.close(vec![course.ask(0..lines.len()).unwrap()]);
    let parts = made.replay(&sets);
    assert_eq!(parts.0, whole.0);
    assert_eq!((parts.1[0].all, &parts.1[0].outcomes), (whole.1[0].all, &whole.1[0].outcomes));
    assert_eq!(made.told(&parts.1[0]), made.told(&whole.1[0]));
}

#[test]
fn rules_about_paths_are_asked_about_what_a_change_touched() {
    let text = |id: &str, path: &str| {
        let text = format!(
            "@id(\"{id}\") @requires(\"approval:independent:1\") @because(\"B.\") @remedy(\"mend {{change}}\")
             @mode(\"enforce\") @strength(\"waivable\")
             forbid (principal, action == Countersign::Action::\"apply\", resource)
             when {{ resource.production && {path} }} unless {{ resource.approvals.independent >= 1 }};"
        );
        Arc::new(Rules::parse(&BTreeMap::from([("r.cedar".to_owned(), text)])).unwrap())
    };
    let one = text("platform", "resource.paths.touched[\"platform/**\"]");
    let other = text("not-docs", "!resource.paths.only[\"docs/**\"]");
    let made = made_for(
        &[
            (0, "Ada", "platform/a", "x"),
            (1, "Ada", "shop/a", "x"),
            (2, "Ada", "docs/a", "x"),
            (3, "Ada", "docs/a platform/b", BY_BEA),
        ],
        vec![Arc::clone(&one), Arc::clone(&other)],
    );
    let (_, replays) = made.replay(&[&one, &other]);
    let told: Vec<(u64, u64)> =
        replays.iter().map(|replay| (replay.rules[0].applied, replay.rules[0].stopped)).collect();
    assert_eq!(told, [(2, 1), (3, 2)]);
}

#[test]
fn what_a_history_cannot_tell_is_said() {
    let by_group = rule("red", "approval:group:red:1", "watch", "resource.approvals.group[\"red\"] >= 1");
    let by_key = rule("touched", "approval:touch:1", "watch", "resource.approvals.touch >= 1");
    assert_snapshot!(replay::not_judged(&[&by_group, &by_key, &independent("watch")]).unwrap(), @"Not judged, because a repository does not tell: groups (`red`); keys (`touched`). In a replay nobody is in a group or has a key, and nothing is small, so these rules stop whatever they ask that of, and let pass what they only ask about where it is so.");
    assert_snapshot!(replay::not_judged(&[&shipped(), &independent("watch")]).unwrap(), @"Not judged, because a repository does not tell: who applied it (`applier-apart`). In a replay nobody is in a group or has a key, and nothing is small, so these rules stop whatever they ask that of, and let pass what they only ask about where it is so.");
    assert_eq!(replay::not_judged(&[&independent("watch")]), None);
}
