//! `countersign gate install`.

use countersign_core::catalog::Level;
use insta::assert_snapshot;

use crate::{support::Run, world::World};

#[test]
fn installing_says_what_is_protected_and_can_be_repeated() {
    let world = World::usual();
    let again = world.install("");
    assert_snapshot!(again, @"
    status 0
    --- stdout
    ok gate shop-git guards shop.git (known to the log as it is)

    refs/heads/main moves by approved pushes only:
      checkout/** reaches checkout/production
      search/** reaches search/production
      payments/** reaches payments/production
      docs/** reaches search/production

    refs/heads/release moves by approved pushes only:
      checkout/** reaches checkout/production
      search/** reaches search/production
      payments/** reaches payments/production
      docs/** reaches search/production

    next, in a clone: countersign propose --git . --branch BRANCH --range OLD..NEW --target TARGET
    see what it caught: countersign gate status shop.git
    ");
    let foreign = world.stage.path("shop.git/hooks/pre-receive");
    std::fs::write(&foreign, "#!/bin/sh\nexit 0\n").unwrap();
    assert_snapshot!(world.install(""), @"
    status 1
    --- stderr
    error: shop.git/hooks/pre-receive is there already
    hint: move it away; what it does can be done by an `update` or `post-update` hook, which git runs as well
    ");
}

/// What an installed gate says is not lost by leaving it out.
#[test]
fn installing_again_loses_nothing_without_being_asked() {
    let world = World::usual();
    let read = || world.stage.read("shop.git/countersign/gate.yaml");
    let path = world.stage.path("shop.git/countersign/gate.yaml");
    let by_hand =
        format!("# Ask the owners before you change this.\n{}", read().replace("guidance: true", "guidance: false"));
    std::fs::write(&path, &by_hand).unwrap();
    let url = &world.server().url;
    let again = |further: &str| {
        world.stage.run(&format!("--url {url} --key alice gate install shop.git --trust home/trust.json {further}"))
    };
    assert_snapshot!(again("--branch main --map **=checkout/production"), @"
    status 1
    --- stderr
    error: the gate would lose what its gate.yaml says now: checkout/**=checkout/production of main; search/**=search/production of main; payments/**=payments/production of main; docs/**=search/production of main; refs/heads/release, which would move unasked
    hint: name that, too; or leave --branch and --map out, and what is there stays; or pass --replace, if it is to go
    ");
    assert_eq!(read(), by_hand);
    // What is not named stays, to the letter.
    let run = again("");
    assert_eq!((run.status, read()), (0, by_hand.clone()), "{run}");
    // What is added is; the file as it was is kept.
    let run = again("--map-else checkout/staging");
    assert_eq!(run.status, 0, "{run}");
    assert!(run.stdout.contains("  whatever else reaches checkout/staging"), "{run}");
    assert!(read().contains("guidance: false") && read().contains("else: "), "{}", read());
    assert_eq!(world.stage.read("shop.git/countersign/gate.yaml.before"), by_hand);
    // And what is asked for goes.
    let run = again("--replace --branch main --map **=checkout/production");
    assert_eq!(run.status, 0, "{run}");
    assert!(!read().contains("release") && !read().contains("else: "), "{}", read());
}

#[test]
fn a_watching_gate_does_not_say_that_it_refuses_paths_without_an_entry() {
    let world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior)]);
    let url = &world.server().url;
    let run = world.stage.run(&format!(
        "--url {url} --key alice gate install shop.git --name shop-git --trust home/trust.json --branch main --map \
         checkout/**=checkout/production --mode watch"
    ));
    assert_eq!(run.status, 0, "{run}");
    assert!(run.stdout.contains("passes while the branch is only watched"), "{run}");
}

#[test]
fn installing_says_which_files_no_entry_names_and_which_entries_name_none() {
    let world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior)]);
    let install = |map: &str| {
        let url = &world.server().url;
        world.stage.run(&format!(
            "--url {url} --key alice gate install shop.git --name shop-git --trust home/trust.json --branch main {map}"
        ))
    };
    let run = install("--map checkout/**=checkout/production --map chekout/*=checkout/production");
    assert_eq!(run.status, 0, "{run}");
    assert!(run.stdout.contains("no entry names docs/runbook.md, payments/retries, search/limit;"), "{run}");
    assert!(run.stdout.contains("no file of it matches chekout/*"), "{run}");
    let run = install("--map-else search/production");
    assert!(run.status == 0 && !run.stdout.contains("no entry names"), "{run}");
    world.edit("change", "search/limit", "20\n");
    let push = world.push(&["HEAD:main"]);
    push.is_refused("no-change");
    assert!(push.told().contains("it would reach search/production;"), "{}", push.told());
    for pattern in ["core/***", "/core/**", "core/", "./core", "a**b"] {
        let run = install(&format!("--map {pattern}=checkout/production"));
        assert!(run.status == 2 && run.stderr.contains("is not a pattern of paths"), "{run}");
    }
}

#[test]
fn a_repository_elsewhere_is_no_place_for_a_gate() {
    let world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior)]);
    for address in ["https://github.com/a/b", "git@github.com:a/b.git", "ssh://git@example.com/shop.git"] {
        let run = world.stage.run(&format!(
            "--url {} --key alice gate install {address} --name g --trust home/trust.json --branch main --map **=checkout/production",
            world.server().url
        ));
        assert_eq!(run.status, 1, "{run}");
        assert!(run.stderr.contains("is on another machine") && run.stderr.contains("a forge"), "{run}");
    }
}

#[test]
fn a_gate_is_taken_out_when_the_log_has_what_it_did() {
    let mut world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &["checkout/production"]);
    world.approve("bob", &change);
    // Nobody is told what came of it.
    std::fs::write(world.stage.path("shop.git/hooks/post-receive"), "#!/bin/sh\n").unwrap();
    world.push(&["HEAD:main"]).passes();
    let store = world.home.store_address();
    world.stop_server();
    let run = world.stage.run("gate uninstall shop.git");
    assert!(run.status == 1 && run.stderr.contains("does not have 1 of this gate's outcomes yet"), "{run}");
    world.start_server(&store);
    let run = world.install("");
    assert!(run.status == 1 && run.stderr.contains("hooks/post-receive is there already"), "{run}");
    let run = world.stage.run("gate uninstall shop.git");
    assert_eq!(run.status, 0, "{run}");
    assert!(run.stdout.contains("countersign revoke SHA256:"), "{run}");
    assert_eq!(world.state(&change), "applied");
    world.git(&["fetch", "--quiet"]);
    world.edit("next", "checkout/timeout", "31\n");
    world.push(&["HEAD:main"]).passes();
    // From then on there is none, and whoever asks is told so.
    for words in ["gate uninstall shop.git", "gate status shop.git"] {
        let run = world.stage.run(words);
        assert!(run.status == 1 && run.stderr.contains("shop.git has no gate any more: it was taken out at "), "{run}");
        assert!(run.stderr.contains("countersign gate install shop.git"), "{run}");
    }
    // What moved without it is no going round it, and stays to be seen.
    std::fs::remove_file(world.stage.path("shop.git/hooks/post-receive")).unwrap();
    let run = world.install("");
    assert_eq!(run.status, 0, "{run}");
    let status = world.stage.run("gate status shop.git");
    assert!(status.status == 0 && status.stdout.contains("nobody was asked about what moved in between"), "{status}");
    world.git(&["fetch", "--quiet"]);
    world.edit("more", "checkout/timeout", "32\n");
    world.push(&["HEAD:main"]).is_refused("no-change");
}

#[test]
fn an_empty_repository_cannot_be_guarded_yet() {
    let world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior)]);
    std::fs::remove_dir_all(world.stage.path("shop.git")).unwrap();
    assert!(world.stage.command("git").args(["init", "--quiet", "--bare", "shop.git"]).status().unwrap().success());
    assert_snapshot!(world.install(""), @"
    status 1
    --- stderr
    error: shop.git has no branch main
    hint: push the first history, then install: git push REPO main
    ");
}

#[test]
fn installing_without_the_server_leaves_nothing_behind() {
    let world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior)]);
    let before = files(&world);
    let run = world.stage.run(
        "--url http://127.0.0.1:1 --key alice gate install shop.git --name shop-git --trust home/trust.json --branch main \
         --map **=checkout/production",
    );
    assert_eq!(run.status, 1, "{run}");
    let unknown = world.install("--map x=checkout/prod");
    assert_eq!(unknown.status, 3, "{unknown}");
    assert_eq!(files(&world), before);
}

fn files(world: &World) -> Vec<String> {
    let find = world.stage.command("find").args(["shop.git", "-type", "f"]).output().unwrap();
    let mut files: Vec<String> = String::from_utf8(find.stdout).unwrap().lines().map(str::to_owned).collect();
    files.sort();
    files
}

#[test]
fn a_working_tree_and_another_log_are_no_place_for_a_gate() {
    let world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior)]);
    let trust = world.stage.read("home/trust.json").replace("world+", "other+").replace("\"world\"", "\"other\"");
    world.stage.write("other.json", &trust);
    let url = &world.server().url;
    let install = |repository: &str, trust: &str| {
        world.stage.run(&format!(
            "--url {url} --key alice --format json gate install {repository} --name g --trust {trust} --branch main --map \
             **=checkout/production"
        ))
    };
    let code = |run: Run| {
        let error: serde_json::Value = serde_json::from_str(&run.stderr).unwrap();
        error["error"]["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(code(install("work", "home/trust.json")), "not-bare");
    assert_eq!(code(install("shop.git", "other.json")), "another-log");
}

/// An owner's gate before a copy would speak for the real one: it could burn what was approved, and say what ran before. Whoever
/// registered the one may have another, for a mirror.
#[test]
fn a_second_gate_of_the_repository_is_not_installed_by_another_person() {
    let world = World::usual();
    world.must("git", &["clone", "--quiet", "--bare", "shop.git", "copy.git"]);
    let url = &world.server().url;
    let install = |who: &str, repository: &str| {
        world.stage.run(&format!(
            "--url {url} --key {who} --format json gate install copy.git --name copy-git --repository {repository} --trust \
             home/trust.json --branch main --map **=checkout/production"
        ))
    };
    let refused = install("carol", "shop");
    refused.is_refused(3, "anothers-repository");
    assert!(refused.stderr.contains("countersign revoke SHA256:"), "{refused}");
    // It is of no gate yet, and somebody else's where they say so.
    assert_eq!(install("carol", "copy").status, 0);
    assert!(install("carol", "shop").status != 0);
    world.must("rm", &["-r", "copy.git/countersign"]);
    world.must("git", &["clone", "--quiet", "--bare", "shop.git", "mirror.git"]);
    let mirror = world.stage.run(&format!(
        "--url {url} --key alice gate install mirror.git --name mirror-git --repository shop --trust home/trust.json --branch \
         main --map **=checkout/production"
    ));
    assert_eq!(mirror.status, 0, "{mirror}");
}

/// Another account, of the group that shares the repository; a test that does not run as root has none.
struct Account<'a> {
    world: &'a World,
    id: &'static str,
}

const GROUP: &str = "54321";

impl<'a> Account<'a> {
    fn new(world: &'a World, id: &'static str) -> Option<Self> {
        let home = world.stage.path(id);
        std::fs::create_dir_all(&home).unwrap();
        // Git wants to be told that somebody else's repository is meant.
        std::fs::write(home.join(".gitconfig"), "[safe]\n\tdirectory = *\n").unwrap();
        let account = Self { world, id };
        let open = world.stage.command("chmod").args(["755", "."]).status().unwrap().success();
        let mut test = account.command("test");
        let runs = test.args(["-x", env!("CARGO_BIN_EXE_countersign")]).output();
        (open && runs.is_ok_and(|output| output.status.success())).then_some(account)
    }

    fn command(&self, program: &str) -> std::process::Command {
        let mut command = self.world.stage.command("setpriv");
        command.env("HOME", self.world.stage.path(self.id));
        command.args(["--reuid", self.id, "--regid", self.id, "--groups", GROUP, "--", program]);
        command
    }

    fn runs(&self, program: &str, args: &[&str]) -> (bool, String) {
        let output = self.command(program).args(args).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    }
}

/// Each account of the group reads the gate's key and writes its journal; nobody else does either.
#[test]
fn a_repository_that_its_group_shares_is_pushed_to_by_each_account_of_the_group() {
    let world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Standard)]);
    let sh = |words: &str| world.stage.command("sh").args(["-c", words]).status().unwrap().success();
    // Only root gives files to a group that it is not of.
    let given = sh(&format!("chgrp -R {GROUP} shop.git 2>/dev/null"));
    assert!(sh("git -C shop.git config core.sharedRepository group && chmod -R g+rwX shop.git"));
    assert!(sh("find shop.git -type d -exec chmod g+s {} +"));
    let run = world.install("");
    assert_eq!(run.status, 0, "{run}");
    let modes = || {
        let mut find = world.stage.command("find");
        let found = find.args(["shop.git/countersign", "-maxdepth", "1", "-printf", "%P %m\n"]).output();
        let mut lines: Vec<String> =
            String::from_utf8(found.unwrap().stdout).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let expected = [
        " 2770",
        "empty-sha1 2750",
        "gate.key 640",
        "gate.yaml 660",
        "hooks 2750",
        "journal 660",
        "journal.lock 660",
        "trust.json 660",
    ];
    assert_eq!(modes(), expected);

    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &["checkout/production"]);
    world.approve("bob", &change);
    world.edit("other", "search/limit", "20\n");
    let other = world.propose("alice", &["search/production"]);
    world.approve("bob", &other);
    let accounts = ["54322", "54323"].map(|id| Account::new(&world, id));
    let ([Some(one), Some(two)], true) = (accounts, given) else { return };
    let (passed, said) = one.runs("git", &["-C", "work", "push", "--quiet", "origin", "change:main"]);
    assert!(passed, "{said}");
    world.settle();
    assert_eq!(world.state(&change), "applied");
    world.git(&["fetch", "--quiet"]);
    world.git(&["checkout", "--quiet", "other"]);
    let (passed, said) = two.runs("git", &["-C", "work", "push", "--quiet", "origin", "HEAD:refs/heads/reviewed"]);
    assert!(passed, "{said}");
    world.git(&["rebase", "--quiet", "origin/main"]);
    let (passed, said) = two.runs("git", &["-C", "work", "push", "--quiet", "origin", "HEAD:main"]);
    assert!(passed, "{said}");
    world.settle();
    assert_eq!(world.state(&other), "applied");
    assert_eq!(modes(), expected);
    let (_, status) = two.runs(env!("CARGO_BIN_EXE_countersign"), &["gate", "status", "shop.git"]);
    assert!(status.contains("followed to"), "{status}");
}

/// Elsewhere the key is its owner's alone.
#[test]
fn a_gates_key_that_others_can_read_is_refused_where_nobody_shares_the_repository() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    assert!(world.stage.command("chmod").args(["640", "shop.git/countersign/gate.key"]).status().unwrap().success());
    let push = world.push(&["HEAD:main"]);
    assert!(!push.passed && push.said.contains("others can read this secret key (mode 640)"), "{}", push.said);
    assert!(push.said.contains("chmod 600"), "{}", push.said);
}

/// To look at a gate needs no right to write; what cannot be read is said, and nobody is sent to the backups for it.
#[test]
fn the_status_of_a_gate_is_read_without_writing() {
    let world = World::usual();
    let Some(somebody) = Account::new(&world, "54324") else { return };
    let before = files(&world);
    let (passed, said) = somebody.runs(env!("CARGO_BIN_EXE_countersign"), &["gate", "status", "shop.git"]);
    // The copy is in the folder of whoever installed it, which is theirs alone.
    assert!(!passed && said.contains("Permission denied") && !said.contains("backup"), "{said}");
    assert_eq!(files(&world), before);
}

/// Whoever may write to the repository's files can take the hooks away; a group is shared with, a whole machine is not.
#[test]
fn a_repository_that_everybody_may_write_to_is_refused_with_the_way_out() {
    let world = World::usual();
    let git = |args: &[&str]| assert!(world.stage.command("git").args(args).status().unwrap().success(), "{args:?}");
    git(&["clone", "--quiet", "--bare", "shop.git", "plain.git"]);
    for shared in ["0666", "0777"] {
        let name = format!("all-{shared}.git");
        git(&["init", "--quiet", "--bare", &format!("--shared={shared}"), &name]);
        git(&["-C", "plain.git", "push", "--quiet", &format!("../{name}"), "refs/heads/main"]);
        let install = || {
            world.stage.run_words(&[
                "--url",
                &world.server().url,
                "--key",
                "alice",
                "gate",
                "install",
                &name,
                "--trust",
                "home/trust.json",
                "--name",
                &format!("gate-{shared}"),
                "--branch",
                "main",
                "--map-else",
                "checkout/production",
            ])
        };
        let run = install();
        assert_eq!(run.status, 1, "{run}");
        assert!(run.stderr.contains("every account of this machine may write to "), "{run}");
        assert!(run.stderr.contains("config core.sharedRepository group"), "{run}");
        let sh = |script: &str| assert!(world.stage.command("sh").args(["-c", script]).status().unwrap().success());
        // The half of it is not enough.
        sh(&format!("chmod -R g+rwX,o-w {name}"));
        let run = install();
        assert!(run.status == 1 && run.stderr.contains("core.sharedRepository of "), "{run}");
        git(&["-C", &name, "config", "core.sharedRepository", "group"]);
        let run = install();
        assert_eq!(run.status, 0, "{run}");
    }
}

/// What this account may not see, what is not there, and what has no gate are three things.
#[test]
fn a_gate_that_cannot_be_seen_is_not_told_as_none() {
    let world = World::usual();
    let told = |repository: &str| world.stage.run_words(&["gate", "status", repository]).stderr;
    assert!(told("nowhere.git").contains("error: there is no folder `nowhere.git`"), "{}", told("nowhere.git"));
    assert!(told("work").contains("error: work has no gate"), "{}", told("work"));
    let folder = world.stage.path("shop.git/countersign");
    let mode = |mode| std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    mode(0o000);
    // Root may look everywhere.
    if std::fs::metadata(folder.join("gate.yaml")).is_err() {
        let said = told("shop.git");
        assert!(said.contains("this account may not look into ") && !said.contains("has no gate"), "{said}");
        assert!(!world.install("").stderr.contains("has no gate"));
    }
    mode(0o700);
}

#[test]
fn the_page_of_a_forge_is_no_repository_of_this_machine() {
    let world = World::usual();
    for address in ["github.com/shop/shop", "git.example.com/team/shop.git", "https://gitlab.com/a/b", "git@host:a/b"] {
        let run = world.stage.run_words(&["gate", "install", address]);
        assert!(run.stderr.contains(&format!("error: {address} is on another machine")), "{run}");
        assert!(run.stderr.contains("a forge (GitHub, GitLab)"), "{run}");
    }
    let here = world.stage.run_words(&["gate", "install", "shop.git/nowhere/else", "--trust", "home/trust.json"]);
    assert!(!here.stderr.contains("another machine"), "{here}");
}
