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

/// Proposes what was edited, and gives the change's id.
fn amended(stage: &Stage, server: &Server, words: &str) -> String {
    let run = amend(stage, server, &format!("{words} --format json"));
    run.json()["change"].as_str().unwrap_or_else(|| panic!("{run}")).to_owned()
}

fn say(stage: &Stage, server: &Server, words: &str) -> Run {
    stage.run(&format!("--url {} {words}", server.url))
}

/// `example` is of another tier from now on, once that is in force.
fn raise(stage: &Stage, tier: u8) {
    let systems = stage.read("home/catalog/systems.yaml");
    let (before, after) = systems.split_once("countersign/tier: \"").unwrap();
    stage.write("home/catalog/systems.yaml", &format!("{before}countersign/tier: \"{tier}{}", &after[1..]));
}

#[test]
fn an_edit_is_a_change_that_another_approves() {
    let stage = Stage::with_keys(&["ada", "grace", "mallory"]);
    stage.home_of_two();
    let server = stage.serve();
    assert_snapshot!(amend(&stage, &server, "--why none --key ada"), @"
    status 1
    --- stderr
    error: nothing changes: catalog/ and rules/ are what is in force
    hint: edit home/catalog or home/rules first
    ");
    raise(&stage, 1);
    assert_snapshot!(amend(&stage, &server, "--why stranger --key mallory"), @"
    status 1
    --- stderr
    error: key SHA256:[KEY] belongs to nobody in the catalog
    hint: pass --key with a key that the catalog lists for you
    ");
    let proposed = amend(&stage, &server, "--why raised --key ada");
    let list = say(&stage, &server, "list --format json").json();
    let id = list[0]["id"].as_str().unwrap().to_owned();
    let told = |run: Run| run.to_string().replace(&id, "CHANGE").replace(&id[..12], "CHANGE");
    assert_snapshot!(told(proposed), @"
    status 0
    --- stdout
    proposed change CHANGE (leaf 1)
    changes   system example: tier 1, was 2
              coverage: 2 of 2 pairs of production target and proposer are open
    deny: something is missing
      policy-group           unsatisfied
        missing: 1 approval from the policy group, by somebody who had no hand in the change
        who:     grace
        how:     countersign review CHANGE
        because: Who may act and by which rules is not changed on one person's word, whatever the rules say.
      0 rules are met
      7 rules do not apply

    Next
      a second person reviews it: countersign review CHANGE
      anybody puts it in force:   countersign publish CHANGE
      ada takes it back so:       countersign withdraw CHANGE
    --- stderr
    signing as ada with key SHA256:[KEY]:
      proposal: raised
      system example: tier 1, was 2
      coverage: 2 of 2 pairs of production target and proposer are open
    ");
    assert_eq!((&list[0]["kind"], &list[0]["targets"]), (&json!("rules"), &json!(["governance/log"])));
    assert_snapshot!(told(say(&stage, &server, &format!("publish {id} --key ada"))), @"
    status 3
    --- stderr
    error: the rules in force do not allow change CHANGE:
      policy-group
        missing: 1 approval from the policy group, by somebody who had no hand in the change
        who:     grace
        how:     countersign review CHANGE
        because: Who may act and by which rules is not changed on one person's word, whatever the rules say.
    ");
    assert_snapshot!(told(say(&stage, &server, &format!("approve {id} --key ada"))), @"
    status 3
    --- stderr
    signing as ada with key SHA256:[KEY]:
      approval of revision 1 of change CHANGE: raised
      targets: governance/log
      made by: ada
      why: raised
      system example: tier 1, was 2
      coverage: 2 of 2 pairs of production target and proposer are open
      seen: material, the bytes that its statements name, checked here
    error: ada cannot approve change CHANGE: they had a hand in it
    hint: the second pair of eyes is somebody who is no contributor; see who in: countersign show CHANGE
    ");
    assert_snapshot!(told(say(&stage, &server, &format!("approve {id} --key grace --file home/countersign.yaml"))), @"
    status 2
    --- stderr
    error: this change is about governance files, which come with it: pass neither --git nor --file
    ");
    assert_snapshot!(told(say(&stage, &server, &format!("approve {id} --key grace"))), @"
    status 0
    --- stdout
    grace approved revision 1 of CHANGE (leaf 2)
    allow: no rule of this home applies to it
      7 rules do not apply
      anybody puts it in force: countersign publish CHANGE
    --- stderr
    signing as grace with key SHA256:[KEY]:
      approval of revision 1 of change CHANGE: raised
      targets: governance/log
      made by: ada
      why: raised
      system example: tier 1, was 2
      coverage: 2 of 2 pairs of production target and proposer are open
      seen: material, the bytes that its statements name, checked here
    ");
    let shown = say(&stage, &server, &format!("show {id}"));
    let (_, meaning) = shown
        .stdout
        .split_once(
            "
changes",
        )
        .unwrap();
    assert_snapshot!(meaning.replace(&id[..12], "CHANGE"), @"
       system example: tier 1, was 2
              coverage: 2 of 2 pairs of production target and proposer are open
    anybody puts it in force: countersign publish CHANGE
    ");
    assert_snapshot!(told(say(&stage, &server, &format!("publish {id} --key ada"))), @"
    status 0
    --- stdout
    in force: publication sha256:[DIGEST] of change CHANGE is entry 3 of the log
    changes   system example: tier 1, was 2
              coverage: 2 of 2 pairs of production target and proposer are open
    published by ada
    --- stderr
    signing as ada with key SHA256:[KEY]:
      publication of revision 1 of change CHANGE: raised
      targets: governance/log
      made by: ada
      why: raised
      system example: tier 1, was 2
      coverage: 2 of 2 pairs of production target and proposer are open
    ");
    assert_snapshot!(told(say(&stage, &server, &format!("publish {id} --key ada"))), @"
    status 1
    --- stderr
    error: change CHANGE is applied
    hint: there is nothing left to put in force
    ");
    // Looked at later it is still what it replaced.
    let looked = say(&stage, &server, &format!("diff {id} --key ada"));
    let both = ["-{\"owner\":\"owners\",\"tier\":2}", "+{\"owner\":\"owners\",\"tier\":1}"];
    assert!(both.iter().all(|line| looked.stdout.contains(line)), "{looked}");
    // What is in force now is what the next one is compared with.
    assert_snapshot!(amend(&stage, &server, "--why none --key ada"), @"
    status 1
    --- stderr
    error: nothing changes: catalog/ and rules/ are what is in force
    hint: edit home/catalog or home/rules first
    ");
    let run = say(&stage, &server, &format!("bundle {id} --out it.bundle"));
    assert_eq!(run.status, 0, "{run}");
    let run = stage.run("verify it.bundle --trust home/trust.json");
    assert_eq!(run.status, 0, "{run}");
}

/// Two that were made on the same: the second is made again, and neither carries what the other edits.
#[test]
fn what_was_overtaken_is_made_again() {
    let stage = Stage::with_keys(&["ada", "grace"]);
    stage.home_of_two();
    let server = stage.serve();
    let rule = stage.read("home/rules/documented.cedar");
    raise(&stage, 1);
    let first = amended(&stage, &server, "--why raised --key ada");
    raise(&stage, 2);
    stage.write("home/rules/documented.cedar", &rule.replace("@mode(\"enforce\")", "@mode(\"watch\")"));
    let second = amended(&stage, &server, "--why calmer --key grace");
    let both = say(&stage, &server, &format!("approve {first} --key grace --publish"));
    assert_eq!(both.status, 0, "{both}");
    assert!(both.stdout.contains("in force: publication"), "{both}");
    let run = say(&stage, &server, &format!("publish {second} --key ada"));
    assert!(run.stderr.contains(&format!("countersign amend HOME --revise {}", &second[..12])), "{run}");
    let shown = say(&stage, &server, &format!("show {second}"));
    assert!(shown.stderr.contains(&format!("countersign amend HOME --revise {}", &second[..12])), "{shown}");
    assert!(shown.stderr.contains("overtaken") && shown.stdout.contains("rule documented"), "{shown}");
    assert!(!shown.stdout.contains("tier 2"), "{shown}");
    // Here the home's own catalog is behind what is in force now.
    raise(&stage, 1);
    let run = amend(&stage, &server, &format!("--revise {second} --key grace --format json"));
    assert_snapshot!(run.json()["words"], @r#"["rule documented: mode watch, was enforce","rule documented: its text, see the difference"]"#);
    let both = say(&stage, &server, &format!("approve {second} --key ada --publish --format json"));
    assert_eq!(both.json()["changed"], json!(["rules/documented.cedar"]), "{both}");
    let list = say(&stage, &server, "list --format json").json();
    assert!(list.as_array().unwrap().iter().all(|change| change["state"] == "applied"), "{list}");
    let run = say(&stage, &server, "export copy");
    assert_eq!(run.status, 0, "{run}");
    let run = stage.run("verify copy --trust home/trust.json");
    assert_eq!(run.status, 0, "{run}");
}

/// Each proposes what their own copy of the home has; what is open is listed, and each is put in force on its own.
#[test]
fn nobodys_unfinished_edits_travel_in_anothers() {
    let stage = Stage::with_keys(&["ada", "grace"]);
    stage.home_of_two();
    assert!(stage.command("cp").args(["-r", "home", "hers"]).status().unwrap().success());
    let server = stage.serve();
    raise(&stage, 1);
    let rule = stage.read("hers/rules/documented.cedar");
    stage.write("hers/rules/documented.cedar", &rule.replace("@mode(\"enforce\")", "@mode(\"watch\")"));
    let his = amended(&stage, &server, "--why raised --key ada");
    let run = say(&stage, &server, "amend hers --why calmer --key grace --format json");
    let hers = run.json()["change"].as_str().unwrap_or_else(|| panic!("{run}")).to_owned();
    assert_eq!(run.json()["changed"], json!(["rules/documented.cedar"]), "{run}");
    let open = say(&stage, &server, "list --state open --format json").json();
    let mut ids: Vec<&str> = open.as_array().unwrap().iter().map(|change| change["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    let mut both = [his.as_str(), hers.as_str()];
    both.sort_unstable();
    assert_eq!(ids, both);
    let run = say(&stage, &server, &format!("approve {hers} --key ada --publish --format json"));
    assert_eq!(run.json()["changed"], json!(["rules/documented.cedar"]), "{run}");
    // What was made on something else is made again, and takes nothing back that came into force meanwhile.
    let run = say(&stage, &server, &format!("publish {his} --key grace"));
    assert!(run.status != 0 && run.stderr.contains("something else"), "{run}");
}

#[test]
fn a_rejected_amendment_is_not_put_in_force() {
    let stage = Stage::with_keys(&["ada", "grace"]);
    stage.home_of_two();
    let server = stage.serve();
    raise(&stage, 1);
    let id = amended(&stage, &server, "--why raised --key ada");
    assert_eq!(say(&stage, &server, &format!("approve {id} --key grace")).status, 0);
    assert_eq!(say(&stage, &server, &format!("reject {id} --key grace --why no")).status, 0);
    let run = say(&stage, &server, &format!("publish {id} --key ada"));
    assert!(run.status != 0 && run.stderr.contains("no-rejection"), "{run}");
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
    let id = amended(&stage, &server, "--why joins --key ada");
    let shown = say(&stage, &server, &format!("show {id}"));
    // The removed rule's text follows, which is shipped.
    let shown = shown.stdout.split("\nrules/fresh-guidance").next().unwrap();
    assert_snapshot!(shown.split("\nchanges").nth(1).unwrap(), @r#"
       loosens: rule documented stops nothing any more: it is only watched
              loosens: takes rule fresh-guidance away
              loosens: lets linus answer for system example, as owners
              so two of the policy group, one of them a senior, stand behind it
              names and mails of linus: added (mails linus@example.com)
              person linus: added (groups owners; keys SHA256:[KEY]; kind person; level standard)
              rule documented: mode watch, was enforce
              rule documented: its text, see the difference
              rule fresh-guidance: removed
              coverage: 3 of 3 pairs of production target and proposer are open, before 2 of 2

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
    let second = say(&stage, &server, &format!("approve {id} --key grace --publish"));
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
        let run = stage.run(&format!("--url {} amend home --why again --key ada", proxy.url));
        assert_eq!(run.status, 1, "{run}");
        assert!(!run.stderr.contains("signing as"), "{run}");
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
}

#[test]
fn a_home_of_one_cannot_amend() {
    let stage = Stage::with_keys(&["ada"]);
    assert_eq!(stage.run("init home --name log --founder ada=ada@example.com=ada").status, 0);
    let server = stage.serve();
    assert_snapshot!(amend(&stage, &server, "--why alone --key ada"), @"
    status 1
    --- stderr
    error: an amendment takes 2 people, and 1 has a key
    hint: this home cannot grow; make one with two founders: countersign init --help
    ");
}
