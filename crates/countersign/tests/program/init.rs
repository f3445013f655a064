//! `countersign init`.

use std::{fs, os::unix::fs::PermissionsExt as _};

use insta::assert_snapshot;

use crate::support::Stage;

const ADA: &str = "--founder ada=ada@example.com=ada";
const GRACE: &str = "--founder grace=grace@example.com=grace";

#[test]
fn a_home_of_one_says_what_it_cannot_do() {
    let stage = Stage::with_keys(&["ada"]);
    assert_snapshot!(stage.run(&format!("init home --name log {ADA}")), @"
    status 0
    --- stdout
    made home home
      log        log
      founder    ada SHA256:[KEY]: signed
      catalog    1 system, 2 groups, 1 person with keys
      rules      ai-assisted-senior, applier-apart, documented, fresh-guidance, owner-approves,
                 second-pair-of-eyes and tier-1-senior

    Pinned by trust.json: give it to whoever verifies, and to every gate
      genesis    sha256:[DIGEST]
      log key    log+[LOG KEY]
      threshold  1 of 1 founder to begin
      recovery   1 of 1 founder when keys are lost

    Coverage: can every change to production find its approvals?
      with one person nothing can be approved: ada is never the second pair of eyes for ada.
        Nor can rules, catalog or people be amended, since that takes two signatures. To try things out it is
        enough; before anything depends on it, make a home with two founders: countersign init --help

    Next
      countersign serve --home home
      edit home/catalog and home/rules, then: countersign amend home --why …
      keep a copy of home/keys somewhere safe: whoever has them can speak as this server
    ");
}

#[test]
fn a_home_of_two_is_not_locked_out() {
    let stage = Stage::with_keys(&["ada", "grace"]);
    assert_snapshot!(stage.home_of_two(), @"
    status 0
    --- stdout
    made home home
      log        log
      founder    ada SHA256:[KEY]: signed
      founder    grace SHA256:[KEY]: signed
      catalog    1 system, 2 groups, 2 people with keys
      rules      ai-assisted-senior, applier-apart, documented, fresh-guidance, owner-approves,
                 second-pair-of-eyes and tier-1-senior

    Pinned by trust.json: give it to whoever verifies, and to every gate
      genesis    sha256:[DIGEST]
      log key    log+[LOG KEY]
      threshold  2 of 2 founders to begin
      recovery   2 of 2 founders when keys are lost

    Coverage: can every change to production find its approvals?
      2 of 2 pairs of production target and proposer are open

    Next
      countersign serve --home home
      edit home/catalog and home/rules, then: countersign amend home --why …
      keep a copy of home/keys somewhere safe: whoever has them can speak as this server
    ");
    assert_eq!(fs::metadata(stage.path("home/keys/server.key")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(stage.path("home/keys/log.key")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_snapshot!(stage.run("rules test home/rules").status, @"0");
}

#[test]
fn git_says_who_the_founder_is() {
    let stage = Stage::with_keys(&["user/.ssh/id_ed25519"]);
    stage.write("user/.gitconfig", "[user]\n  name = Ada Lovelace\n  email = Ada@Example.com\n");
    let run = stage.run("init home --name log --format json");
    assert_eq!(run.status, 0, "{run}");
    assert_eq!(run.json()["founders"][0]["person"], "ada-lovelace");
    assert!(stage.read("home/catalog/org.yaml").contains("displayName: \"Ada Lovelace\"\n    email: ada@example.com"));
    stage.write("user/.gitconfig", "");
    assert_snapshot!(stage.run("init other"), @r"
    status 1
    --- stderr
    error: git does not know your user.name
    hint: name the founders: --founder NAME=MAIL=KEYFILE
    ");
}

#[test]
fn git_says_which_key_signs() {
    let stage = Stage::with_keys(&["user/signing", "other"]);
    let config = |key: &str| {
        let text = format!("[user]\n name = Ada\n email = a@b.c\n signingkey = {key}\n[gpg]\n format = ssh\n");
        stage.write("user/.gitconfig", &text);
    };
    config("~/signing");
    assert_eq!(stage.run("init a --name log").status, 0);
    config("key::ssh-ed25519 nonsense");
    assert_snapshot!(stage.run("init b --name log"), @r"
    status 1
    --- stderr
    error: `git config user.signingkey` is `key::ssh-ed25519 nonsense`, which is no OpenSSH public key
    hint: set it to a key file, or to `key::ssh-ed25519 AAAA[KEY]…`; or pass --key
    ");
    assert_eq!(stage.run("init b --name log --key other").status, 0);
}

#[test]
fn founders_sign_one_after_the_other() {
    let stage = Stage::with_keys(&["ada", "grace", "linus"]);
    fs::rename(stage.path("grace"), stage.path("elsewhere")).unwrap();
    let linus = "--founder linus=linus@example.com=linus.pub";
    let ours = format!("init home --name log {ADA} {GRACE}.pub {linus} --format json --threshold 3");
    let made = stage.run(&ours);
    assert_eq!((made.status, &made.json()["complete"]), (0, &serde_json::json!(false)), "{made}");
    let trust = stage.read("home/trust.json");

    assert_snapshot!(stage.run("init home --cosign --key ada"), @r"
    status 1
    --- stderr
    error: ada has already signed this genesis
    ");
    assert_snapshot!(stage.run("init home --cosign --key elsewhere"), @"
    status 0
    --- stdout
    grace signed genesis sha256:[DIGEST]

    Next
      countersign serve --home home
      edit home/catalog and home/rules, then: countersign amend home --why …
      keep a copy of home/keys somewhere safe: whoever has them can speak as this server
    --- stderr
    signing as grace with key SHA256:[KEY]:
      genesis sha256:[DIGEST]
      log        log
      founder    ada SHA256:[KEY]: signed
      founder    grace SHA256:[KEY]: has not signed yet
      founder    linus SHA256:[KEY]: signed
      catalog    1 system, 2 groups, 3 people with keys
      rules      ai-assisted-senior, applier-apart, documented, fresh-guidance, owner-approves,
                 second-pair-of-eyes and tier-1-senior
    ");
    assert_eq!(stage.read("home/trust.json"), trust, "a signature does not change what is pinned");
}

#[test]
fn only_founders_cosign() {
    let stage = Stage::with_keys(&["ada", "grace", "mallory"]);
    fs::rename(stage.path("grace"), stage.path("elsewhere")).unwrap();
    assert_eq!(stage.run(&format!("init home --name log {ADA} {GRACE}.pub")).status, 0);
    assert_snapshot!(stage.run("init home --cosign --key mallory"), @r"
    status 1
    --- stderr
    error: key SHA256:[KEY] is no founder's
    hint: the founders are ada with SHA256:[KEY] and grace with SHA256:[KEY]; pass --key
    ");
    assert_snapshot!(stage.run("init nowhere --cosign --key ada"), @"
    status 1
    --- stderr
    error: nowhere is no copy of the home whose genesis you sign: there is no such folder
    hint: ask who made the home for a copy of its folder without keys/, sign in that copy, and send its genesis.json back; `countersign init` without --cosign would found another log
    ");
}

#[test]
fn a_key_in_the_agent_signs() {
    let stage = Stage::with_keys(&["ada"]);
    let script =
        "ssh-add -q ada && mv ada elsewhere && \"$0\" init home --name log --founder ada=a@example.com=ada.pub";
    let run =
        stage.command("ssh-agent").args(["sh", "-c", script, env!("CARGO_BIN_EXE_countersign")]).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    assert!(stage.path("home/genesis.json").exists());
}

#[test]
fn nothing_is_written_where_nobody_can_sign() {
    let stage = Stage::with_keys(&["ada"]);
    fs::remove_file(stage.path("ada")).unwrap();
    assert_snapshot!(stage.run(&format!("init home --name log {ADA}")), @r"
    status 1
    --- stderr
    error: no founder's private key is here, so nobody can sign the genesis
    hint: make the home where at least one founder can sign, or load the key into the agent: ssh-add KEY
    ");
    assert_eq!(left_behind(&stage), ["ada.pub", "user"]);
}

#[test]
fn what_is_there_is_not_touched() {
    let stage = Stage::with_keys(&["ada"]);
    stage.write("home/precious", "");
    assert_snapshot!(stage.run(&format!("init home {ADA}")), @r"
    status 1
    --- stderr
    error: home is already there
    hint: name a folder that is not there yet: a home is made whole or not at all
    ");
    assert_snapshot!(stage.run(&format!("init no/such/folder --name log {ADA}")), @r"
    status 1
    --- stderr
    error: cannot make no/such/folder: entity not found
    hint: make the folder above it first
    ");
    assert_eq!(left_behind(&stage), ["ada", "ada.pub", "home", "user"]);
}

#[test]
fn bad_keys_are_named() {
    let stage = Stage::with_keys(&["ada", "grace"]);
    stage.write("ada.pub", "no key\n");
    assert_snapshot!(stage.run(&format!("init home {ADA}")), @r"
    status 1
    --- stderr
    error: ada.pub does not hold an OpenSSH public key
    hint: it reads `ssh-ed25519 AAAA[KEY]… comment`, on one line, as `ssh-keygen -y -f KEY` prints it
    ");
    fs::remove_file(stage.path("ada.pub")).unwrap();
    stage.write("ada", "no key\n");
    assert_snapshot!(stage.run(&format!("init home {ADA}")).stderr.lines().skip_while(|l| !l.starts_with("error")).collect::<Vec<_>>().join("\n"), @"
    error: ada is no private key: it does not begin as one
    hint: a private SSH key begins with `-----BEGIN OPENSSH PRIVATE KEY-----`; a public one, whose private half is in your agent, is named KEY.pub. Make one: ssh-keygen -t ed25519
    ");
    fs::copy(stage.path("grace.pub"), stage.path("ada.pub")).unwrap();
    assert_snapshot!(stage.run(&format!("init home {ADA} {GRACE}")), @r"
    status 2
    --- stderr
    error: ada and grace have the same key
    hint: every founder signs with a key of their own
    ");
    assert_snapshot!(stage.run("init home --founder ada=ada@example.com=missing"), @r"
    status 1
    --- stderr
    error: there is no key at missing
    hint: pass --key with an SSH key, or make one: ssh-keygen -t ed25519
    ");
    assert_snapshot!(stage.run("init home --founder ada"), @r"
    status 2
    --- stderr
    error: invalid value 'ada' for '--founder <NAME=MAIL=KEYFILE>': it reads NAME=MAIL=KEYFILE, for example ada=ada@example.com=ada.pub

    For more information, try '--help'.
    ");
    assert_eq!(left_behind(&stage), ["ada", "ada.pub", "grace", "grace.pub", "user"]);
}

#[test]
fn allowed_signers_become_people() {
    let stage = Stage::with_keys(&["ada", "grace", "linus", "bot"]);
    let key = |name: &str| stage.read(&format!("{name}.pub"));
    let signers = format!(
        "# as git has it\n\
         ada@example.com {}\
         grace@example.com,grace@home.example namespaces=\"git,countersign\" {}\
         *@example.com cert-authority {}\
         linus@example.com namespaces=\"git\" {}\
         bot@example.com valid-before=\"20300101\" {}",
        key("ada"),
        key("grace"),
        key("bot"),
        key("linus"),
        key("bot"),
    );
    stage.write("signers", &signers);
    assert_snapshot!(stage.run(&format!("init home --name log {ADA} --allowed-signers signers")), @"
    status 0
    --- stdout
    made home home
      log        log
      founder    ada SHA256:[KEY]: signed
      catalog    1 system, 2 groups, 2 people with keys
      rules      ai-assisted-senior, applier-apart, documented, fresh-guidance, owner-approves,
                 second-pair-of-eyes and tier-1-senior
      left out   *@example.com: a certificate authority is not a person's key
      left out   linus@example.com: its namespaces do not include `countersign`
      left out   bot@example.com: a key here is good until it is revoked, and this one is for a time

    Pinned by trust.json: give it to whoever verifies, and to every gate
      genesis    sha256:[DIGEST]
      log key    log+[LOG KEY]
      threshold  1 of 1 founder to begin
      recovery   1 of 1 founder when keys are lost

    Coverage: can every change to production find its approvals?
      2 of 2 pairs of production target and proposer are open

    Next
      countersign serve --home home
      edit home/catalog and home/rules, then: countersign amend home --why …
      keep a copy of home/keys somewhere safe: whoever has them can speak as this server
    ");
    let org = stage.read("home/catalog/org.yaml");
    assert!(org.contains("name: grace\n  annotations:\n    countersign/level: standard"), "{org}");
    assert!(org.contains("countersign/mails: grace@home.example"), "{org}");

    stage.write("signers", "ada@example.com ssh-ed25519 AAAA\n");
    assert_snapshot!(stage.run(&format!("init other --name log {ADA} --allowed-signers signers")), @r"
    status 1
    --- stderr
    error: signers: allowed signers, line 1: `ssh-ed25519 AAAA[KEY]` is not an OpenSSH public key
    hint: a line reads: ada@example.com ssh-ed25519 AAAA[KEY]…
    ");
}

#[test]
fn a_catalog_that_is_there_is_taken() {
    let stage = Stage::with_keys(&["ada", "grace"]);
    let catalog = |owner: &str| {
        let text = format!(
            "apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata:\n  name: payments\nspec:\n  children: []\n---\n\
             apiVersion: backstage.io/v1alpha1\nkind: User\nmetadata:\n  name: grace\n  annotations:\n    \
             example.com/ssh: {}spec:\n  profile:\n    email: grace@example.com\n  memberOf: [payments]\n---\n\
             apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: checkout\n  annotations:\n    \
             countersign/tier: tier_1\nspec:\n  owner: {owner}\n",
            stage.read("grace.pub")
        );
        stage.write("backstage/all/catalog-info.yaml", &text);
    };
    let init = format!("init home --name log --catalog backstage {ADA} {GRACE}");
    catalog("paiments");
    assert_snapshot!(stage.run(&init), @r"
    status 1
    --- stderr
    error: the catalog in backstage does not hold:
    all/catalog-info.yaml:26: owner `paiments` is not in the catalog
      hint: did you mean `payments`?
    ");
    catalog("payments");
    assert_snapshot!(stage.run(&format!("{init} --annotation keys=example.com/keys")), @r"
    status 1
    --- stderr
    error: the catalog in backstage lacks keys of its people:
      User grace: ssh-ed25519 AAAA[KEY]
    hint: add each to its User, one a line, under the annotation example.com/keys; or have them taken from a file: --allowed-signers FILE
    ");
    assert_snapshot!(stage.run(&format!("{init} --annotation keys=example.com/ssh")), @"
    status 0
    --- stdout
    made home home
      log        log
      founder    ada SHA256:[KEY]: signed
      founder    grace SHA256:[KEY]: signed
      catalog    1 system, 1 group, 2 people with keys
      rules      ai-assisted-senior, applier-apart, documented, fresh-guidance, owner-approves,
                 second-pair-of-eyes and tier-1-senior

    Pinned by trust.json: give it to whoever verifies, and to every gate
      genesis    sha256:[DIGEST]
      log key    log+[LOG KEY]
      threshold  2 of 2 founders to begin
      recovery   2 of 2 founders when keys are lost

    Coverage: can every change to production find its approvals?
      if ada proposes a change of checkout/production, nobody can let it through; missing: 1 approval by a senior (tier-1-senior)
      if grace proposes a change of checkout/production, nobody can let it through; missing: 1 approval by an owner of the system (checkout) (owner-approves)
      0 of 2 pairs of production target and proposer are open

    Next
      countersign serve --home home
      edit home/catalog and home/rules, then: countersign amend home --why …
      keep a copy of home/keys somewhere safe: whoever has them can speak as this server
    ");
    assert!(stage.read("home/catalog/countersign-people.yaml").contains("name: ada\n"));
    assert!(stage.read("home/countersign.yaml").contains("keys_annotation: example.com/ssh"));
}

#[test]
fn a_bomb_in_the_catalog_is_refused() {
    let stage = Stage::with_keys(&["ada"]);
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    stage.write("backstage/bomb.yaml", &format!("kind: User\nmetadata: {{ name: x }}\nspec: {{}}\n{bomb}"));
    let run = stage.run(&format!("init home --name log --catalog backstage {ADA}"));
    assert_eq!(run.status, 1, "{run}");
    assert!(run.stderr.contains("bomb.yaml"), "{run}");
}

#[test]
fn wrong_numbers_and_names() {
    let stage = Stage::with_keys(&["ada", "grace"]);
    assert_snapshot!(stage.run(&format!("init home --threshold 3 {ADA} {GRACE}")), @r"
    status 2
    --- stderr
    error: --threshold 3 of 2 founders
    hint: give a number from 1 to 2, or add founders: --founder NAME=MAIL=KEYFILE
    ");
    assert_snapshot!(stage.run(&format!("init home --production live {ADA}")), @r"
    status 2
    --- stderr
    error: `live` counts as production, but is no environment
    hint: add --environment live, or say what counts: --production NAME
    ");
    assert_snapshot!(stage.run(&format!("init home --name a+b {ADA}")), @r"
    status 1
    --- stderr
    error: home: `a+b` cannot name a log: it must not be empty nor hold white space or `+`
    hint: pass another --name
    ");
    assert_snapshot!(stage.run("init --format json"), @r#"
    status 2
    --- stderr
    {"error":{"code":"usage","message":"the following required arguments were not provided: <HOME>","hint":"see countersign --help"}}
    "#);
}

#[test]
fn a_home_that_does_not_hold_is_not_opened() {
    let stage = Stage::with_keys(&["ada", "grace"]);
    stage.home_of_two();
    let config = stage.read("home/countersign.yaml");
    let open = || stage.run("init home --cosign --key ada");
    let with = |text: String| {
        stage.write("home/countersign.yaml", &text);
        open()
    };
    assert_snapshot!(with(config.replace("version: 1", "version: 2\nnovelty: 3")), @r"
    status 1
    --- stderr
    error: home/countersign.yaml: written by a newer version of countersign (format 2, this program knows 1)
    hint: install that version, or a later one
    ");
    assert_snapshot!(with(config.replace("listen:", "lisen:")), @"
    status 1
    --- stderr
    error: home/countersign.yaml:7: unknown field `lisen`, expected one of version, origin, listen, hosts, guidance, cosigners, material, catalog
    hint: it reads `version: 1`, `origin: NAME`, `listen: ADDRESS:PORT`, `hosts: [NAME]`, `guidance: [{repository, path, branch}]`, `cosigners: [ADDRESS]`, `material: {keep_days, limit_mib}` and `catalog: {…}`, as `countersign init` writes it
    ");
    assert_snapshot!(with(config.replace("127.0.0.1:7878", "nowhere")), @"
    status 1
    --- stderr
    error: home/countersign.yaml:7: invalid socket address syntax
    hint: it reads `version: 1`, `origin: NAME`, `listen: ADDRESS:PORT`, `hosts: [NAME]`, `guidance: [{repository, path, branch}]`, `cosigners: [ADDRESS]`, `material: {keep_days, limit_mib}` and `catalog: {…}`, as `countersign init` writes it
    ");
    assert_snapshot!(with(config.replace("origin: log", "origin: gol")), @r"
    status 1
    --- stderr
    error: home/countersign.yaml: origin is `gol`, but the genesis founds `log`
    hint: a log keeps its name; write the one that the genesis has
    ");
    stage.write("home/countersign.yaml", &config);

    let trust = stage.read("home/trust.json");
    stage.write("home/trust.json", &trust.replace("\"recovery_quorum\": 2", "\"recovery_quorum\": 1"));
    assert_snapshot!(open(), @r"
    status 1
    --- stderr
    error: home/trust.json: it does not pin the genesis of this home
    hint: put back the trust.json that `countersign init` wrote; gates and verifiers have a copy
    ");
    stage.write("home/trust.json", &trust);
    // One letter of one file, a file less, a file more.
    let files = stage.read("home/genesis-files.json");
    let mut fewer: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&files).unwrap();
    fewer.remove("groups/owners.json").unwrap();
    let mut more = fewer.clone();
    more.insert("groups/intruders.json".to_owned(), "{}".into());
    for changed in [
        files.replace("\\\"tier\\\":2", "\\\"tier\\\":3"),
        serde_json::to_string(&fewer).unwrap(),
        serde_json::to_string(&more).unwrap(),
    ] {
        assert_ne!(changed, files);
        stage.write("home/genesis-files.json", &changed);
        let run = open();
        assert_eq!(run.status, 1, "{run}");
        assert!(run.stderr.contains("genesis-files.json: its files are not those that the genesis names"), "{run}");
    }
    stage.write("home/genesis-files.json", &files);
    fs::remove_file(stage.path("home/countersign.yaml")).unwrap();
    assert_snapshot!(open(), @"
    status 1
    --- stderr
    error: home is no copy of the home whose genesis you sign: it lacks countersign.yaml
    hint: ask who made the home for a copy of its folder without keys/, sign in that copy, and send its genesis.json back; `countersign init` without --cosign would found another log
    ");
}

/// What is in the stage's folder: no half of a home may be among it.
fn left_behind(stage: &Stage) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(stage.path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A ledger that was lost is not begun anew under the same name and keys without a word; and a server that has ended has left all
/// of it in its file.
#[test]
fn a_lost_ledger_is_not_founded_anew() {
    let stage = Stage::with_keys(&["ada", "grace"]);
    stage.home_of_two();
    let server = stage.serve();
    let run = stage.run(&format!(
        "--url {} --key ada propose --target example/production --kind config --file ada.pub --command true --title Key --why because",
        server.url
    ));
    assert_eq!(run.status, 0, "{run}");
    server.end();
    assert!(std::fs::metadata(stage.path("home/ledger.db")).unwrap().len() > 8192, "all of it is in the file");
    std::fs::rename(stage.path("home/ledger.db"), stage.path("aside.db")).unwrap();
    for rest in ["home/ledger.db-wal", "home/ledger.db-shm"] {
        drop(std::fs::remove_file(stage.path(rest)));
    }
    let run = stage.run("serve --home home --listen 127.0.0.1:0");
    assert_eq!(run.status, 1, "{run}");
    assert!(run.stderr.contains("its log was founded before") && run.stderr.contains("put the newest copy"), "{run}");
    std::fs::rename(stage.path("aside.db"), stage.path("home/ledger.db")).unwrap();
    let again = stage.serve();
    let run = stage.run(&format!("--url {} log", again.url));
    assert!(run.stdout.contains("leaves     2"), "{run}");
}
