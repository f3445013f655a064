//! `countersign amend`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use insta::assert_snapshot;
use serde_json::json;

use crate::{
    proxy::{Answer, Proxy},
    support::{Run, Server, Stage},
};

fn amend(stage: &Stage, server: &Server, words: &str) -> Run {
    stage.run(&format!("--url {} amend home {words}", server.url))
}

#[test]
fn two_people_put_an_edit_into_force() {
    let stage = Stage::with_keys(&["ada", "grace", "mallory"]);
    stage.home_of_two();
    let server = stage.serve();
    assert_snapshot!(amend(&stage, &server, "--why none --key ada"), @r"
    status 1
    --- stderr
    error: nothing changes: catalog/ and rules/ are what is in force
    hint: edit home/catalog or home/rules first
    ");

    let systems = stage.read("home/catalog/systems.yaml");
    stage.write("home/catalog/systems.yaml", &systems.replace("\"2\"", "\"1\""));
    assert_snapshot!(amend(&stage, &server, "--why stranger --key mallory"), @r"
    status 1
    --- stderr
    error: key SHA256:[KEY] belongs to nobody in the catalog
    hint: pass --key with a key that the catalog lists for you
    ");
    let first = amend(&stage, &server, "--why raised --key ada --format json");
    let file = first.json()["file"].as_str().unwrap_or_else(|| panic!("{first}")).to_owned();
    assert_snapshot!(first.json()["changed"], @r#"["systems/example.json"]"#);

    assert_snapshot!(amend(&stage, &server, &format!("--show {file}")), @r"
    status 0
    --- stdout
    publication  sha256:[DIGEST]
    why          raised
    signed by    ada
      changes    system example: tier 1, was 2
    ");
    assert_snapshot!(amend(&stage, &server, &format!("--cosign {file} --key ada")), @r"
    status 1
    --- stderr
    error: this key has already signed the publication
    hint: a second person signs it: pass their --key
    ");
    assert_snapshot!(amend(&stage, &server, &format!("--cosign {file} --key mallory")), @r"
    status 1
    --- stderr
    error: key SHA256:[KEY] belongs to nobody in the catalog
    hint: pass --key with a key that the catalog lists for you
    ");
    assert_snapshot!(amend(&stage, &server, &format!("--cosign {file} --key grace")), @r"
    status 0
    --- stdout
    in force: publication sha256:[DIGEST] is entry 1 of the log
      changes    system example: tier 1, was 2
      second signature by grace
    --- stderr
    signing as grace with key SHA256:[KEY]:
      publication: raised
      system example: tier 1, was 2
    ");
    assert_snapshot!(amend(&stage, &server, &format!("--cosign {file} --key grace")), @"
    status 1
    --- stderr
    error: publication sha256:[DIGEST] was put in force
    hint: nothing is left to sign
    ");
    // What is in force now is what the next one is compared with.
    assert_snapshot!(amend(&stage, &server, "--why none --key ada"), @r"
    status 1
    --- stderr
    error: nothing changes: catalog/ and rules/ are what is in force
    hint: edit home/catalog or home/rules first
    ");
}

#[test]
fn people_and_rules_are_told_in_words() {
    let stage = Stage::with_keys(&["ada", "grace", "linus"]);
    stage.home_of_two();
    let server = stage.serve();
    let org = stage.read("home/catalog/org.yaml");
    let key = stage.read("linus.pub");
    let linus = format!(
        "---\napiVersion: backstage.io/v1alpha1\nkind: User\nmetadata:\n  name: linus\n  annotations:\n    \
         countersign/keys: {}\nspec:\n  profile:\n    email: linus@example.com\n  memberOf: [owners]\n",
        key.trim()
    );
    stage.write("home/catalog/org.yaml", &format!("{org}{linus}"));
    let rule = stage.read("home/rules/documented.cedar");
    stage.write("home/rules/documented.cedar", &rule.replace("@mode(\"enforce\")", "@mode(\"watch\")"));
    std::fs::remove_file(stage.path("home/rules/fresh-guidance.cedar")).unwrap();
    let first = amend(&stage, &server, "--why joins --key ada --format json");
    let file = first.json()["file"].as_str().unwrap_or_else(|| panic!("{first}")).to_owned();
    let shown = amend(&stage, &server, &format!("--show {file}"));
    // The removed rule's text follows, which is shipped.
    assert_snapshot!(shown.stdout.split("\nrules/fresh-guidance").next().unwrap(), @r#"
    publication  sha256:[DIGEST]
    why          joins
    signed by    ada
      changes    names and mails of linus: added (mails linus@example.com)
                 person linus: added (groups owners; keys SHA256:[KEY]; kind person; level standard)
                 rule documented: mode watch, was enforce
                 rule documented: its text, see the difference
                 rule fresh-guidance: removed

    rules/documented.cedar
    @@ -11,7 +11,7 @@
     @requires("document:why:40@tier=1, document:why:20@tier>=2, document:risk:20@tier=1, document:rollback:20@tier<=2, document:tests:20@tier=1")
     @because("Whoever looks at this change at night, in an outage, finds why it was made and how to undo it.")
     @remedy("countersign revise {change} --why TEXT --risk TEXT --rollback TEXT --tests TEXT")
    -@mode("enforce")
    +@mode("watch")
     @strength("waivable")
     forbid (
       principal,
    "#);
    let second = amend(&stage, &server, &format!("--cosign {file} --key grace"));
    assert_eq!(second.status, 0, "{second}");
    assert!(second.stderr.contains("person linus: added"), "told before it is signed: {second}");
    let run = stage.run(&format!("--url {} --key linus list", server.url));
    assert_eq!(run.status, 0, "{run}");
}

/// A server that was taken over cannot have somebody sign another thing than they looked at.
#[test]
fn what_is_in_force_is_worked_out_and_not_believed() {
    let stage = Stage::with_keys(&["ada", "grace"]);
    stage.home_of_two();
    let server = stage.serve();
    let systems = stage.read("home/catalog/systems.yaml");
    stage.write("home/catalog/systems.yaml", &systems.replace("\"2\"", "\"1\""));
    let first = amend(&stage, &server, "--why raised --key ada --format json");
    let file = first.json()["file"].as_str().unwrap_or_else(|| panic!("{first}")).to_owned();
    let lie = |history: &str| {
        let history = history.to_owned();
        Proxy::before(&server.url, move |_, path| match path {
            "/v1/governance/history?from=0" => Answer::Lie(history.clone()),
            path if path.starts_with("/v1/governance/history") => Answer::Lie("[]".to_owned()),
            path => Answer::Of(path.to_owned()),
        })
    };
    let genesis: serde_json::Value = serde_json::from_str(&stage.read("home/genesis.json")).unwrap();
    let payload = STANDARD.decode(genesis["payload"].as_str().unwrap()).unwrap();
    let statement = String::from_utf8(payload).unwrap();
    for history in [
        "[]".to_owned(),
        // The genesis, with another list of files.
        json!([{"statement": statement, "files": "{}"}]).to_string(),
        // Another genesis.
        json!([{"statement": statement.replace("\"threshold\":2", "\"threshold\":1"), "files": "{}"}]).to_string(),
    ] {
        let proxy = lie(&history);
        for words in [format!("--cosign {file} --key grace"), "--why again --key ada".to_owned()] {
            let run = stage.run(&format!("--url {} amend home {words}", proxy.url));
            assert_eq!(run.status, 1, "{run}");
            assert!(!run.stderr.contains("signing as"), "{run}");
        }
    }
}

#[test]
fn what_does_not_hold_is_not_signed() {
    let stage = Stage::with_keys(&["ada", "grace"]);
    stage.home_of_two();
    let server = stage.serve();
    let systems = stage.read("home/catalog/systems.yaml");
    stage.write("home/catalog/systems.yaml", &systems.replace("owner: owners", "owner: nobody"));
    assert_snapshot!(amend(&stage, &server, "--why wrong --key ada"), @r"
    status 1
    --- stderr
    error: the catalog does not hold: systems.yaml:10: owner `nobody` is not in the catalog
    ");
    stage.write("home/catalog/systems.yaml", &systems);
    let rule = stage.read("home/rules/tier-1-senior.cedar");
    stage.write("home/rules/tier-1-senior.cedar", &rule.replace("resource.tier == 1", "resource.tier == 9"));
    assert_snapshot!(amend(&stage, &server, "--why wrong --key ada"), @r"
    status 1
    --- stderr
    error: the rules do not hold:
      tier-1-senior.cedar:7: rule tier-1-senior: it applies to no sample change, of any tier, kind or AI status: its condition contradicts itself, or compares with a name or number that does not occur
    hint: see also: countersign rules check home/rules
    ");
    stage.write("home/draft.json", "{}");
    assert_snapshot!(amend(&stage, &server, "--cosign home/draft.json --key grace"), @"
    status 1
    --- stderr
    error: home/draft.json: missing field `envelope` at line 1 column 2
    hint: it is the file that `countersign amend` wrote when somebody gave it --why
    ");
}

#[test]
fn a_home_of_one_cannot_amend() {
    let stage = Stage::with_keys(&["ada"]);
    assert_eq!(stage.run("init home --name log --founder ada=ada@example.com=ada").status, 0);
    let server = stage.serve();
    assert_snapshot!(amend(&stage, &server, "--why alone --key ada"), @r"
    status 1
    --- stderr
    error: a publication takes 2 people, and 1 has a key
    hint: this home cannot grow; make one with two founders: countersign init --help
    ");
}
