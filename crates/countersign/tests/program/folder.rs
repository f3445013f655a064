//! `countersign amend` from folders that are not the newest, and bringing one up to date.

use serde_json::json;

use crate::support::{Run, Server, Stage};

fn say(stage: &Stage, server: &Server, words: &str) -> Run {
    stage.run(&format!("--url {} {words}", server.url))
}

fn copied(stage: &Stage, from: &str, to: &str) {
    assert!(stage.command("cp").args(["-r", from, to]).status().unwrap().success());
}

/// A rule of its own, which stops more.
fn rule(stage: &Stage, folder: &str, name: &str) {
    let text = stage.read("home/rules/documented.cedar").replace("@id(\"documented\")", &format!("@id(\"{name}\")"));
    stage.write(&format!("{folder}/rules/{name}.cedar"), &text);
}

fn tier(stage: &Stage, folder: &str, tier: u8) {
    let path = format!("{folder}/catalog/systems.yaml");
    let systems = stage.read(&path);
    let (before, after) = systems.split_once("countersign/tier: \"").unwrap();
    stage.write(&path, &format!("{before}countersign/tier: \"{tier}{}", &after[1..]));
}

fn user(stage: &Stage, name: &str) -> String {
    let key = stage.read(&format!("{name}.pub"));
    format!(
        "---\napiVersion: backstage.io/v1alpha1\nkind: User\nmetadata:\n  name: {name}\n  annotations:\n    \
         countersign/keys: {}\nspec:\n  profile:\n    email: {name}@example.com\n  memberOf: [owners]\n",
        key.trim()
    )
}

fn joins(stage: &Stage, folder: &str, name: &str) {
    let path = format!("{folder}/catalog/org.yaml");
    stage.write(&path, &format!("{}{}", stage.read(&path), user(stage, name)));
}

/// Proposes what a folder has, and says what is in it.
fn amended(stage: &Stage, server: &Server, words: &str) -> (String, serde_json::Value) {
    let run = say(stage, server, &format!("amend {words} --format json"));
    let told = run.json();
    (told["change"].as_str().unwrap_or_else(|| panic!("{run}")).to_owned(), told)
}

fn published(stage: &Stage, server: &Server, id: &str, by: &str) {
    let run = say(stage, server, &format!("approve {id} --key {by} --publish"));
    assert!(run.status == 0 && run.stdout.contains("in force"), "{run}");
}

fn two() -> (Stage, Server) {
    let stage = Stage::with_keys(&["ada", "grace", "linus"]);
    stage.home_of_two();
    copied(&stage, "home", "hers");
    let server = stage.serve();
    (stage, server)
}

/// Two copies of the same folder, a rule in each: the second takes nothing back that the first has published.
#[test]
fn an_amendment_takes_nothing_back_that_others_published() {
    let (stage, server) = two();
    rule(&stage, "home", "r-one");
    rule(&stage, "hers", "r-two");
    let (first, _) = amended(&stage, &server, "home --why one --key ada");
    let (second, _) = amended(&stage, &server, "hers --why two --key grace");
    published(&stage, &server, &first, "grace");
    let run = say(&stage, &server, &format!("approve {second} --key ada --publish"));
    assert!(!run.stdout.contains("in force"), "{run}");
    let (_, told) = amended(&stage, &server, &format!("hers --revise {second} --key grace"));
    assert_eq!(
        (&told["changed"], &told["taken"]),
        (&json!(["rules/r-two.cedar"]), &json!(["rules/r-one.cedar"])),
        "{told}"
    );
    published(&stage, &server, &second, "ada");
    // Either goes on from there, with what the other published and what they themselves did.
    tier(&stage, "home", 1);
    let run = say(&stage, &server, "amend home --why raised --key ada");
    assert!(run.stderr.contains("your folder is older: takes 1 of what others changed"), "{run}");
    assert!(run.stderr.contains("system example: tier 1, was 2") && !run.stderr.contains("removed"), "{run}");
    // What one published oneself and edits again is an edit.
    let text = stage.read("hers/rules/r-two.cedar");
    stage.write("hers/rules/r-two.cedar", &text.replace("at night", "by day"));
    let (_, told) = amended(&stage, &server, "hers --why again --key grace");
    assert_eq!(told["changed"], json!(["rules/r-two.cedar"]), "{told}");
}

/// An older copy that proposes a rule leaves the newcomer their keys.
#[test]
fn an_older_folder_takes_no_newcomer_away() {
    let (stage, server) = two();
    joins(&stage, "home", "linus");
    let (id, _) = amended(&stage, &server, "home --why joins --key ada");
    published(&stage, &server, &id, "grace");
    let run = say(&stage, &server, "amend hers --why none --key grace");
    assert!(run.stderr.contains("you changed nothing") && run.stderr.contains("--pull"), "{run}");
    rule(&stage, "hers", "r-two");
    let (_, told) = amended(&stage, &server, "hers --why two --key grace");
    assert_eq!(told["changed"], json!(["rules/r-two.cedar"]), "{told}");
    // And so does one with another newcomer in the same group: people are files together, and yet each is their own.
    stage.key("margaret");
    joins(&stage, "hers", "margaret");
    let (_, told) = amended(&stage, &server, "hers --why joins --key grace");
    let words = told["words"].to_string();
    assert!(words.contains("person margaret: added") && !words.contains("linus"), "{words}");
}

/// The server's folder is older than what somebody published from elsewhere, and somebody has begun to edit it.
#[test]
fn new_keys_for_the_server_propose_nothing_else() {
    let (stage, server) = two();
    rule(&stage, "hers", "r-two");
    let (id, _) = amended(&stage, &server, "hers --why two --key grace");
    published(&stage, &server, &id, "ada");
    tier(&stage, "home", 1);
    let run = say(&stage, &server, "rotate-key --home home --why yearly --key ada --format json");
    assert_eq!(run.json()["changed"], json!(["server.json"]), "{run}");
}

/// Whatever else somebody has begun in the folder is not in what `enrol` and `sync` propose.
#[test]
fn nobodys_unfinished_edits_travel_with_a_newcomer() {
    let (stage, server) = two();
    rule(&stage, "home", "unfinished");
    tier(&stage, "home", 1);
    let asked = stage.run("enrol --id linus --mail linus@example.com --key linus --format json");
    let word = asked.json()["word"].as_str().unwrap().to_owned();
    let run = say(
        &stage,
        &server,
        &format!("enrol --confirm enrol-linus.json --word {word} --home home --group owners --key ada --format json"),
    );
    assert_eq!(run.json()["changed"], json!(["people/owners.json", "profiles/owners.json"]), "{run}");
    stage.write("people.csv", "id,mail,groups,active\nada,ada@example.com,owners,true\ngrace,grace@example.com,owners,true\nlinus,linus@example.com,owners,true\nmargaret,margaret@example.com,owners,true\n");
    let run = say(&stage, &server, "sync people.csv home --why July --key ada --format json");
    let words = run.json()["words"].to_string();
    assert!(words.contains("person margaret: added"), "{run}");
    assert!(!words.contains("rule") && !words.contains("system") && !words.contains("linus"), "{run}");
}

#[test]
fn a_folder_is_brought_up_to_date_and_edits_stay() {
    let (stage, server) = two();
    joins(&stage, "home", "linus");
    tier(&stage, "home", 1);
    rule(&stage, "home", "r-one");
    std::fs::remove_file(stage.path("home/rules/fresh-guidance.cedar")).unwrap();
    let (id, _) = amended(&stage, &server, "home --why much --key ada");
    published(&stage, &server, &id, "grace");
    rule(&stage, "hers", "r-two");
    let remark = stage.read("hers/catalog/systems.yaml");
    let run = say(&stage, &server, "amend hers --pull");
    assert!(run.status == 0 && run.stdout.contains("your edits are there as before: rules/r-two.cedar"), "{run}");
    // A system's document is changed where it stands, with the remarks above it.
    assert_eq!(stage.read("hers/catalog/systems.yaml"), remark.replace("\"2\"", "\"1\""));
    assert!(stage.read("hers/catalog/org.yaml").contains("name: linus"));
    assert!(stage.path("hers/rules/r-one.cedar").exists() && !stage.path("hers/rules/fresh-guidance.cedar").exists());
    let run = say(&stage, &server, "amend hers --pull --format json");
    assert_eq!(run.json(), json!({"written": [], "edits": ["rules/r-two.cedar"], "aside": []}));
    let (_, told) = amended(&stage, &server, "hers --why two --key grace");
    assert_eq!((&told["changed"], &told["taken"]), (&json!(["rules/r-two.cedar"]), &json!([])), "{told}");
}

#[test]
fn what_both_changed_is_refused_until_somebody_says_whose_it_is() {
    let (stage, server) = two();
    tier(&stage, "home", 1);
    let (id, _) = amended(&stage, &server, "home --why raised --key ada");
    published(&stage, &server, &id, "grace");
    tier(&stage, "hers", 3);
    copied(&stage, "hers", "again");
    for words in ["--why lowered --key grace", "--pull"] {
        let run = say(&stage, &server, &format!("amend hers {words}"));
        assert!(run.status == 1 && run.stderr.contains("system example: here sha256:"), "{run}");
        assert!(run.stderr.contains("countersign amend hers --pull --keep theirs"), "{run}");
    }
    assert!(stage.read("hers/catalog/systems.yaml").contains("\"3\""), "nothing was written");
    let run = say(&stage, &server, "amend hers --pull --keep theirs");
    assert!(run.status == 0 && stage.read("hers/catalog/systems.yaml").contains("\"1\""), "{run}");
    let run = say(&stage, &server, "amend again --pull --keep mine");
    assert_eq!(run.status, 0, "{run}");
    let (_, told) = amended(&stage, &server, "again --why lowered --key grace");
    assert!(told["words"].to_string().contains("system example: tier 3, was 1"), "{told}");
}

/// Where nobody knows what the edits began from, they cannot be told from what is older.
#[test]
fn a_folder_of_unknown_age_proposes_nothing() {
    let (stage, server) = two();
    std::fs::remove_file(stage.path("hers/base.json")).unwrap();
    rule(&stage, "hers", "r-two");
    for words in ["--why two --key grace", "--pull"] {
        let run = say(&stage, &server, &format!("amend hers {words}"));
        assert!(run.status == 1 && run.stderr.contains("--pull --keep mine"), "{run}");
    }
    assert_eq!(say(&stage, &server, "amend hers --pull --keep mine").status, 0);
    let (_, told) = amended(&stage, &server, "hers --why two --key grace");
    assert_eq!(told["changed"], json!(["rules/r-two.cedar"]), "{told}");
}

/// An issuer is written as two files, and comes from the log as the one that it has; the two go aside where they would contradict it.
#[test]
fn an_issuer_is_pulled_as_the_log_has_it() {
    let (stage, server) = two();
    let path = "home/catalog/org.yaml";
    let ci = "---\napiVersion: backstage.io/v1alpha1\nkind: User\nmetadata:\n  name: ci\n  annotations:\n    countersign/actor: workload\n    countersign/attests: tests\nspec:\n  memberOf: [owners]\n";
    stage.write(path, &format!("{}{ci}", stage.read(path)));
    let yaml =
        "issuer: https://token.example.com\nworkloads:\n  - workload: ci\n    claims:\n      repository: shop/search\n";
    let n = format!("{}Q", "u".repeat(341));
    let jwks = json!({ "keys": [{ "kty": "RSA", "alg": "RS256", "use": "sig", "kid": "2026", "n": n, "e": "AQAB" }] });
    stage.write("home/issuers/ci.yaml", yaml);
    stage.write("home/issuers/ci.jwks.json", &jwks.to_string());
    let (id, told) = amended(&stage, &server, "home --why tokens --key ada");
    assert!(told["changed"].to_string().contains("issuers/ci.json"), "{told}");
    published(&stage, &server, &id, "grace");
    let run = say(&stage, &server, "amend hers --pull");
    assert!(run.status == 0 && run.stdout.contains("issuers/ci.json"), "{run}");
    let pulled = stage.read("hers/issuers/ci.json");
    assert!(pulled.contains("shop/search") && pulled.contains("\"2026\":\"ssh-rsa "), "{pulled}");
    // It says the same, there and where it was written.
    for folder in ["hers", "home"] {
        let run = say(&stage, &server, &format!("amend {folder} --pull --format json"));
        assert_eq!(run.json(), json!({"written": [], "edits": [], "aside": []}), "{run}");
    }
    stage.write("hers/issuers/ci.json", &pulled.replace("shop/search", "shop/other"));
    let (id, told) = amended(&stage, &server, "hers --why other --key grace");
    assert_eq!(told["changed"], json!(["issuers/ci.json"]), "{told}");
    published(&stage, &server, &id, "ada");
    // What was written as two files is older now.
    let run = say(&stage, &server, "amend home --pull --format json");
    let told = run.json();
    assert_eq!((&told["written"], &told["edits"]), (&json!(["issuers/ci.json"]), &json!([])), "{run}");
    assert_eq!(told["aside"].as_array().map(Vec::len), Some(2), "{run}");
    assert!(stage.read("home/issuers/ci.json").contains("shop/other"), "{run}");
    assert!(!stage.path("home/issuers/ci.yaml").exists() && !stage.path("home/issuers/ci.jwks.json").exists(), "{run}");
    let run = say(&stage, &server, "amend home --why none --key ada");
    assert!(run.status != 0 && run.stderr.contains("nothing"), "{run}");
    // What one side took away goes on the other.
    std::fs::remove_file(stage.path("home/issuers/ci.json")).unwrap();
    let (id, _) = amended(&stage, &server, "home --why gone --key ada");
    published(&stage, &server, &id, "grace");
    let run = say(&stage, &server, "amend hers --pull");
    assert!(run.status == 0 && !stage.path("hers/issuers/ci.json").exists(), "{run}");
}

/// Nobody needs the server's folder to amend: the log has all of it.
#[test]
fn somebody_who_joined_amends_from_a_folder_of_their_own() {
    let (stage, server) = two();
    stage.write("home/calendars/yearend.yaml", "use: freeze\nbecause: Most orders of the year.\n");
    let event = "BEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20301220T000000Z\r\nDTEND:20310102T000000Z\r\nEND:VEVENT\r\n";
    let ics = format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\n{event}END:VCALENDAR\r\n");
    stage.write("home/calendars/yearend.ics", &ics);
    let (id, _) = amended(&stage, &server, "home --why freeze --key ada");
    published(&stage, &server, &id, "grace");
    assert_eq!(say(&stage, &server, &format!("join {} --trust home/trust.json --key grace", server.url)).status, 0);
    let run = stage.run("amend mine --pull");
    assert!(run.status == 0 && !stage.path("mine/genesis.json").exists(), "{run}");
    let run = stage.run("amend mine --why none");
    assert!(run.status == 1 && run.stderr.contains("nothing changes"), "{run}");
    tier(&stage, "mine", 1);
    let run = stage.run("amend mine --why raised --format json");
    assert_eq!(run.json()["changed"], json!(["systems/example.json"]), "{run}");
    // A folder of something else is left alone.
    stage.write("other/notes.txt", "mine\n");
    let run = stage.run("amend other --pull");
    assert!(run.status == 1 && !stage.path("other/countersign.yaml").exists(), "{run}");
}
