//! `countersign amend`.

use insta::assert_snapshot;

use crate::support::{Run, Server, Stage};

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
    error: catalog/ and rules/ are what is in force
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
    assert_snapshot!(first.json()["changed"], @r#"["catalog/systems.yaml"]"#);

    assert_snapshot!(amend(&stage, &server, &format!("--show {file}")), @r#"
    status 0
    --- stdout
    amendment  sha256:[DIGEST]
    why        raised
    signed by  ada

    catalog/systems.yaml
    @@ -5,6 +5,6 @@ kind: System
     metadata:
       name: example
       annotations:
    -    countersign/tier: "2"
    +    countersign/tier: "1"
     spec:
       owner: owners
    "#);
    assert_snapshot!(amend(&stage, &server, &format!("--cosign {file} --key ada")), @r"
    status 1
    --- stderr
    error: this key has already signed the amendment
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
    in force: amendment sha256:[DIGEST] is entry 1 of the log
      changes    catalog/systems.yaml
      second signature by grace
    ");
    assert_snapshot!(amend(&stage, &server, &format!("--cosign {file} --key grace")), @r"
    status 1
    --- stderr
    error: somebody else amended since this was made
    hint: make it again on what is in force now: countersign amend HOME --why …
    ");
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
    assert_snapshot!(amend(&stage, &server, "--cosign home/draft.json --key grace"), @r"
    status 1
    --- stderr
    error: home/draft.json: missing field `envelope` at line 1 column 2
    hint: it is the file that `countersign amend HOME --why …` wrote
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
    error: an amendment takes 2 people, and 1 has a key
    hint: this home cannot grow; make one with two founders: countersign init --help
    ");
}
