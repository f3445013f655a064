//! `rules simulate`: what other rules would have said of what was decided.

use serde_json::json;

use crate::world::World;

const TWO: &str = r#"@id("two-people")
@requires("approval:independent:2")
@because("Four eyes see more than two.")
@remedy("countersign approve {change}")
@mode("enforce")
@strength("mandatory")
forbid (principal, action == Countersign::Action::"apply", resource)
when { resource.production && resource.paths.touched["search/**"] && resource.size.added <= 1 }
unless { resource.approvals.independent >= 2 };
"#;

#[test]
fn verdicts_of_the_past_change_by_other_rules() {
    let world = World::usual();
    world.edit("small", "search/limit", "11\n");
    let change = world.propose("alice", &["search/production"]);
    world.approve("bob", &change);
    world.push(&["HEAD:main"]).passes();
    world.stage.write("other/two-people.cedar", TWO);
    let simulate = |further: &[&str]| {
        let url = &world.server().url;
        let trust = ["--trust", "home/trust.json"];
        world.stage.run_words(&[&["--url", url, "rules", "simulate", "other"][..], &trust, further].concat())
    };
    let told = simulate(&["--format", "json", "--git", "work"]);
    assert_eq!(told.status, 0, "{told}");
    let told = told.json();
    let log = &told["log"];
    assert_eq!((&log["decided"], &log["unread"]), (&json!(1), &json!(0)), "{told}");
    assert_eq!(log["allow_to_deny"], json!([{ "change": change, "by": ["two-people"] }]));
    assert_eq!(log["deny_to_allow"], json!([]));
    let rule = |id: &str| log["rules"].as_array().unwrap().iter().find(|rule| rule["id"] == id).unwrap().clone();
    let two = rule("two-people");
    assert_eq!((&two["unmet"], &two["other_unmet"]), (&json!(null), &json!(1)));
    assert_eq!(two["extra_approvals_per_week"], json!(1.0));
    assert_eq!(two["falls_on"], json!({ "carol": 0.5, "dave": 0.5 }));
    assert_eq!(rule("documented")["other_unmet"], json!(null));
    assert!(told["repository"]["compare"]["each"].as_array().unwrap().len() > 1, "{told}");
    let text = simulate(&[]);
    assert!(text.stdout.contains("would have been denied: 1 change"), "{text}");
    assert!(text.stdout.contains("new; not met by 1 change"), "{text}");
    assert!(text.stdout.contains("1 more approvals a week, by carol (0.5) and dave (0.5)"), "{text}");
    // The same rules as are in force change nothing.
    let same = world.stage.run_words(&[
        "--url",
        &world.server().url,
        "--trust",
        "home/trust.json",
        "rules",
        "simulate",
        "home/rules",
    ]);
    assert!(same.stdout.contains("no verdict changes"), "{same}");
}
