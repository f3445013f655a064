//! The gate that a home made from a history ends in.

use super::{FOUNDERS, OWNERS, shop, stage};

/// The home ends in the command that watches the repository that it was made from, and that stops nothing whatever is pushed.
#[test]
fn the_gate_that_it_ends_in_stops_nothing() {
    let stage = stage(&shop(OWNERS));
    let run = stage.run(&format!("init home --name log --from shop.git {FOUNDERS}"));
    assert_eq!(run.status, 0, "{run}");
    let (_, next) = run.stdout.split_once("Next\n").unwrap();
    let next = next.replace(" \\\n", "");
    let command = next.lines().find_map(|line| line.trim().strip_prefix("countersign gate install ")).unwrap();
    assert!(command.starts_with("shop.git ") && command.contains("--mode watch"), "{run}");
    assert!(next.contains("countersign gate report shop.git"), "{run}");
    let server = stage.serve();
    let command = command.replace('\'', "").split_whitespace().collect::<Vec<_>>().join(" ");
    let installed = stage.run(&format!("gate install {command} --key ada --url {}", server.url));
    assert!(installed.status == 0 && installed.stdout.contains("it stops nothing"), "{installed}");
    stage.git(&["clone", "--quiet", "shop.git", "work"]);
    let git = |words: &str| stage.git(&[&["-C", "work"], &words.split(' ').collect::<Vec<_>>()[..]].concat());
    git("config user.name Nobody");
    git("config user.email nobody@elsewhere.test");
    stage.write("work/infra/main.tf", "all of it\n");
    stage.write("work/new/one", "of no entry\n");
    git("add .");
    git("commit --quiet -m unasked");
    git("push --quiet origin main");
    git("commit --quiet --amend -m again");
    git("push --quiet --force origin main");
    git("push --quiet origin main:refs/heads/other");
    // Nor where the server is away.
    drop(server);
    git("commit --quiet --allow-empty -m more");
    git("push --quiet origin main");
    let report = stage.run("--format json gate report shop.git").json();
    assert_eq!(report["report"]["pushes"], 3, "{report}");
}
