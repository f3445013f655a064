//! A log that dates what it takes now by days ago, so that whatever waits has waited: a gate that followed it meanwhile knows better.

use crate::support::{Run, Server, Stage};

const DAY: u64 = 24 * 60 * 60;

/// Somebody of a home of two, at a server.
fn say(stage: &Stage, url: &str, who: &str, words: &[&str]) -> Run {
    let options = ["--url", url, "--trust", "home/trust.json", "--key", who, "--format", "json"];
    stage.run_words(&[&options[..], words].concat())
}

fn done(run: &Run, field: &str) -> String {
    assert_eq!(run.status, 0, "{run}");
    run.json()[field].as_str().unwrap().to_owned()
}

/// Serves at the same address by another clock.
fn again(stage: &Stage, server: Server, ahead: u64) -> Server {
    let address = server.url.trim_start_matches("http://").to_owned();
    server.end();
    stage.is_ahead(ahead);
    stage.serve_on(&address)
}

/// Files of an approved change, and their command run by the gate of whoever runs it.
fn apply(stage: &Stage, url: &str, content: &str) -> Run {
    stage.write("flag.json", content);
    let words = ["propose", "--kind", "config", "--title", "Flag", "--file", "flag.json", "--command", "cat flag.json"];
    let texts = [
        ["--why", "the bank answers within eight seconds at month end"],
        ["--risk", "the page may be slow for a moment"],
        ["--rollback", "apply the flag that was there before"],
        ["--tests", "switched on and off in staging"],
        ["--target", "example/production"],
    ];
    let change = done(&say(stage, url, "ada", &[&words[..], &texts.concat()].concat()), "id");
    assert_eq!(say(stage, url, "ada", &["disclose", &change, "--none"]).status, 0);
    assert_eq!(say(stage, url, "grace", &["approve", &change]).status, 0);
    say(stage, url, "ada", &["apply", &change, "--file", "flag.json", "--", "cat", "flag.json"])
}

#[test]
fn what_a_log_dates_before_a_gate_last_followed_it_has_not_waited() {
    let stage = Stage::with_keys(&["ada", "grace"]);
    let begun =
        stage.run("init home --name log --founder ada=ada@example.com=ada --founder grace=grace@example.com=grace");
    assert_eq!(begun.status, 0, "{begun}");
    let rule = stage.read("home/rules/documented.cedar");
    let server = stage.serve();
    let url = server.url.clone();
    let first = apply(&stage, &url, "{\"a\": 1}");
    assert_eq!(first.status, 0, "{first}");
    // Four days later the gate follows, and nothing is new.
    stage.is_ahead(4 * DAY);
    let listed = say(&stage, &url, "ada", &["list"]).json();
    let change = listed["changes"].as_array().or(listed.as_array()).unwrap()[0]["id"].as_str().unwrap().to_owned();
    let again_words = ["apply", &change, "--file", "flag.json", "--", "cat", "flag.json"];
    say(&stage, &url, "ada", &again_words).is_refused(1, "change-closed");
    stage.is_ahead(0);
    // What loosens is taken afterwards by a clock that stands where the log began, and put in force by the right one: by what its leaves
    // say, days have passed.
    stage.write("home/rules/documented.cedar", &rule.replace("@mode(\"enforce\")", "@mode(\"watch\")"));
    let amended = done(&say(&stage, &url, "ada", &["amend", "home", "--why", "less of it"]), "change");
    assert_eq!(say(&stage, &url, "grace", &["approve", &amended]).status, 0);
    let early = say(&stage, &url, "ada", &["publish", &amended]);
    assert_ne!(early.status, 0, "{early}");
    let server = again(&stage, server, 4 * DAY + 60);
    let published = say(&stage, &url, "ada", &["publish", &amended]);
    assert_eq!(published.status, 0, "{published}");
    let shut = apply(&stage, &url, "{\"a\": 2}");
    shut.is_refused(3, "not-waited");
    // It goes again once it has waited since the gate knew better.
    let server = again(&stage, server, 5 * DAY + 120);
    let waited = apply(&stage, &url, "{\"a\": 3}");
    assert_eq!(waited.status, 0, "{waited}");
    server.end();
}
