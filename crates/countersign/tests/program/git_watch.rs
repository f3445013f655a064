//! A gate that only watches: it stops nothing, and shows what it would have stopped; part by part it enforces; back takes two.

use std::fs;

use countersign_core::catalog::Level;

use crate::{support::Run, world::World};

const ALL: [&str; 3] = ["checkout/production", "search/production", "payments/production"];

fn people() -> [(&'static str, Level); 3] {
    [("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Standard)]
}

fn watching() -> World {
    let world = World::new(&people());
    let run = world.install("--mode watch");
    assert_eq!(run.status, 0, "{run}");
    assert!(run.stdout.contains("it stops nothing"), "{run}");
    world
}

fn report(world: &World) -> serde_json::Value {
    let run = world.stage.run("--format json gate report shop.git");
    assert_eq!(run.status, 0, "{run}");
    run.json()
}

fn status(world: &World) -> Run {
    world.stage.run("gate status shop.git")
}

fn gate(world: &World, who: &str, words: &str) -> Run {
    world.stage.run(&format!("--key {who} gate {words}"))
}

#[test]
fn a_watching_gate_stops_nothing_and_shows_what_it_would_have_stopped() {
    let world = watching();
    // Nobody was asked.
    world.edit("main", "checkout/timeout", "30\n");
    let push = world.push(&["main"]);
    push.passes();
    assert!(push.said.contains("this gate only watches, and lets it pass"), "{}", push.said);
    // What no approval could make right.
    world.git(&["checkout", "--quiet", "-B", "other", "main~1"]);
    world.write("search/limit", "20\n");
    world.commit("force");
    world.push(&["--force", "other:main"]).passes();
    world.push(&["main", "other:release", "--force"]).passes();
    world.push(&[":release"]).passes();
    world.push(&["main:release"]).passes();
    world.push(&["main:refs/tags/main"]).passes();
    // Going round it is going nowhere.
    assert!(world.in_bare(&["update-ref", "refs/heads/main", "refs/heads/main~1"]).passed);
    let said = report(&world);
    let codes: Vec<&str> =
        said["pushes"].as_array().unwrap().iter().map(|push| push["code"].as_str().unwrap()).collect();
    assert_eq!(
        codes,
        ["no-change", "not-fast-forward", "several-branches", "several-branches", "deletion", "creation"],
        "{said}"
    );
    let told = world.stage.run("gate report shop.git");
    assert!(told.stdout.contains("let 6 pushes pass"), "{told}");
    let first = &said["pushes"][0];
    assert_eq!(
        (&first["by"], &first["targets"]),
        (&"alice".into(), &serde_json::json!(["checkout/production"])),
        "{said}"
    );
    // By which rule, and on whom it would fall.
    let rules: Vec<&str> =
        first["rules"].as_array().unwrap().iter().map(|rule| rule["rule"].as_str().unwrap()).collect();
    assert!(rules.contains(&"second-pair-of-eyes"), "{said}");
    let rule = said["report"]["rules"].as_array().unwrap().iter().find(|rule| rule["rule"] == "second-pair-of-eyes");
    assert!(rule.unwrap()["who"].as_object().unwrap().contains_key("bob"), "{said}");
    assert!(!rule.unwrap()["who"].as_object().unwrap().contains_key("alice"), "who made it is asked: {said}");
    let status = status(&world);
    assert_eq!(status.status, 0, "{status}");
    let text = world.stage.run("gate report shop.git");
    assert!(text.stdout.contains("would fall on: "), "{text}");
}

/// A week as somebody reads it: what, by which rule, on whom, and what the map lacks.
#[test]
fn a_week_is_read_in_one_screen() {
    let world = World::new(&people());
    let url = &world.server().url;
    let run = world.stage.run(&format!(
        "--url {url} --key alice gate install shop.git --name shop-git --trust home/trust.json --branch main --branch release \
         --map checkout/**=checkout/production --mode watch"
    ));
    assert_eq!(run.status, 0, "{run}");
    world.edit("main", "checkout/timeout", "30\n");
    world.push(&["main"]).passes();
    world.write("docs/guide.md", "more\n");
    world.write("NOTES", "more\n");
    world.commit("not mapped");
    world.push(&["main"]).passes();
    world.push(&["main:release"]).passes();
    world.push(&[":release"]).passes();
    let report = report(&world);
    assert_eq!((&report["report"]["pushes"], &report["report"]["deleted"]), (&4.into(), &1.into()), "{report}");
    let text = world.stage.run("gate report shop.git").stdout;
    // When each was, and by which commits, is no part of it.
    let told: Vec<&str> = text.lines().skip(1).take_while(|line| *line != "Pushes").collect();
    insta::assert_snapshot!(told.join("\n"), @"

    Why
          1  deletion
          1  no-change
          2  unmapped-path

    By rule
          2  documented
             2 x how to roll back, in 20 characters or more (0 so far)
             1 x why, in 20 characters or more (10 so far)
             would fall on: alice (2)
          2  owner-approves
             2 x 1 approval by an owner of the system (checkout)
             would fall on: bob (2), carol (2)
          2  second-pair-of-eyes
             2 x 1 approval by somebody who had no hand in the change
             would fall on: bob (2), carol (2)
          1  targets-known
             1 x at least one target
             would fall on: alice (1)

    By author, and on whom it would fall
      author          pushes  proposed  on
      alice                3         0  alice (3), bob (2), carol (2)
      (nobody known)       1         0  nobody else

    Paths that no entry of the map names
          2  NOTES
          2  docs/**  for example docs/guide.md
             -> countersign gate install shop.git --map 'NOTES=SYSTEM/ENVIRONMENT' --map 'docs/**=SYSTEM/ENVIRONMENT'
             or one target for whatever no entry names: --map-else SYSTEM/ENVIRONMENT
    ");
    assert!(text.contains("release deleted at "), "{text}");
}

#[test]
fn a_watching_gate_passes_whatever_is_broken() {
    let mut world = watching();
    world.edit("main", "checkout/timeout", "30\n");
    world.stop_server();
    world.push(&["main"]).passes();
    world.write("checkout/timeout", "31\n");
    world.commit("again");
    fs::rename(world.stage.path("shop.git/countersign/journal"), world.stage.path("shop.git/countersign/gone"))
        .unwrap();
    world.push(&["main"]).passes();
    world.write("checkout/timeout", "32\n");
    world.commit("and again");
    fs::write(world.stage.path("shop.git/countersign/gate.yaml"), "nonsense").unwrap();
    world.push(&["main"]).passes();
    assert_eq!(world.tip("main"), world.id("main"));
}

#[test]
fn a_change_that_may_go_lands_by_permit_at_a_watching_gate_too() {
    let world = watching();
    world.git(&["fetch", "--quiet"]);
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &["checkout/production"]);
    world.approve("bob", &change);
    world.push(&["change:main"]).passes();
    world.settle();
    assert_eq!(world.state(&change), "applied");
    assert_eq!(report(&world)["pushes"], serde_json::json!([]));
}

#[test]
fn a_path_is_enforced_then_all_and_what_was_watched_accuses_nobody() {
    let world = watching();
    // Whoever else tries signs nothing, and is told what to ask for.
    let run = gate(&world, "bob", "enforce shop.git --path checkout/** --branch main");
    let command = "countersign gate enforce shop.git --branch main --path 'checkout/**' --key KEYFILE";
    assert!(run.stderr.contains(&format!("hint: with a key of alice's: {command}")), "{run}");
    let run = gate(&world, "alice", "enforce shop.git --path checkout/** --branch main");
    assert_eq!(run.status, 0, "{run}");
    world.edit("main", "checkout/timeout", "30\n");
    world.push(&["main"]).is_refused("no-change");
    world.push(&["main:release"]).passes();
    // A push that reaches what is enforced is enforced whole.
    world.write("search/limit", "20\n");
    world.commit("both");
    world.push(&["main"]).is_refused("no-change");
    world.git(&["reset", "--quiet", "--hard", "origin/main"]);
    world.write("search/limit", "20\n");
    world.commit("one");
    world.push(&["main"]).passes();
    assert_eq!(status(&world).status, 0, "{}", status(&world));
    let run = gate(&world, "alice", "enforce shop.git");
    assert_eq!(run.status, 0, "{run}");
    assert_eq!(status(&world).status, 0, "{}", status(&world));
    world.write("search/limit", "30\n");
    world.commit("more");
    world.push(&["main"]).is_refused("no-change");
    assert!(!world.in_bare(&["update-ref", "refs/heads/main", "refs/heads/main~1"]).passed);
}

#[test]
fn who_edits_the_file_alone_has_a_gate_watch_nothing() {
    let world = World::governed(&people());
    world.push(&["main:elsewhere"]).passes();
    let path = world.stage.path("shop.git/countersign/gate.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let line = text.lines().find(|line| line.contains("branch:") && line.contains("refs/heads/main")).unwrap();
    let text = text.replace(line, &format!("{line}\n    watch: [{}]", ALL.join(", ")));
    fs::write(&path, text).unwrap();
    let told = status(&world);
    assert_eq!(told.status, 3, "{told}");
    assert!(told.stdout.contains("the log has it enforced"), "{told}");
    world.edit("main", "checkout/timeout", "30\n");
    world.push(&["main"]).is_refused("no-change");
    world.in_bare(&["update-ref", "-d", "refs/heads/main"]).is_refused("gone-round");
}

#[test]
fn back_to_watching_takes_two_people() {
    let world = World::governed(&people());
    let run = gate(&world, "alice", "watch shop.git --path docs/** --branch main");
    assert_eq!(run.status, 2, "a reason is asked for: {run}");
    let run =
        gate(&world, "alice", "watch shop.git --target search/production --branch main --why mistake --out f.json");
    assert_eq!(run.status, 0, "{run}");
    world.edit("main", "search/limit", "20\n");
    world.push(&["main"]).is_refused("no-change");
    let url = world.server().url.clone();
    let again = world.stage.run(&format!("--url {url} --key alice gate watch --cosign f.json"));
    assert_eq!(again.status, 3, "{again}");
    let shown = world.stage.run(&format!("--url {url} gate watch --show f.json"));
    assert!(shown.stdout.contains("what reaches search/production on refs/heads/main passes unasked"), "{shown}");
    let run = world.stage.run(&format!("--url {url} --key bob gate watch --cosign f.json"));
    assert_eq!(run.status, 0, "{run}");
    let run = gate(&world, "alice", "watch shop.git --target search/production --branch main");
    assert_eq!(run.status, 0, "{run}");
    world.push(&["main"]).passes();
    assert_eq!(status(&world).status, 0, "{}", status(&world));
    let run = world.install("--mode watch");
    assert_eq!(run.status, 1, "what is enforced is not watched by installing again: {run}");
}

/// Watching in part, of which the first path is enforced.
fn partly(further: &str, path: &str) -> World {
    let world = World::new(&people());
    let run = world.install(&format!("--mode watch {further}"));
    assert_eq!(run.status, 0, "{run}");
    let run = gate(&world, "alice", &format!("enforce shop.git --path {path}"));
    assert_eq!(run.status, 0, "{run}");
    world
}

/// What is on a branch stays in its history: a commit that touches what is enforced is no less there for the next one taking it back.
#[test]
fn history_that_touches_what_is_enforced_does_not_pass_by_touching_nothing_in_the_end() {
    let world = partly("", "checkout/**");
    world.edit("main", "checkout/timeout", "666\n");
    world.write("checkout/timeout", "5\n");
    world.write("search/limit", "20\n");
    world.commit("back, and more");
    world.push(&["main"]).is_refused("no-change");
    // Nor is the branch begun anew with what it has.
    let orphan = world.git(&["commit-tree", "origin/main^{tree}", "-m", "anew"]);
    world.push(&["--force", &format!("{}:main", orphan.trim())]).is_refused("not-fast-forward");
    world.push(&["--force", "origin/main~0:main"]).passes();
    assert_eq!(status(&world).status, 0, "{}", status(&world));
    // A merge of what is only watched is.
    world.git(&["reset", "--quiet", "--hard", "origin/main"]);
    world.edit("side", "search/limit", "30\n");
    world.git(&["checkout", "--quiet", "main"]);
    world.write("docs/more.md", "more\n");
    world.commit("more");
    world.git(&["merge", "--quiet", "--no-ff", "-m", "merge", "side"]);
    world.push(&["main"]).passes();
}

/// Where a link stands in place of a folder, what it leads to is what the folder would be.
#[test]
fn a_link_reaches_what_its_folder_reaches() {
    let world = partly("--map infra/**=checkout/production", "infra/**");
    world.git(&["checkout", "--quiet", "-B", "main", "origin/main"]);
    world.write("docs/infra/main.tf", "all of it\n");
    std::os::unix::fs::symlink("docs/infra", world.stage.path("work/infra")).unwrap();
    world.commit("a link");
    world.push(&["main"]).is_refused("no-change");
}

#[test]
fn another_map_has_a_gate_watch_nothing() {
    let world = partly("", "checkout/**");
    let path = world.stage.path("shop.git/countersign/gate.yaml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("target: checkout/production"), "{text}");
    for other in ["search/production", "elsewhere/production"] {
        let mut edited = text.replace("target: checkout/production", &format!("target: {other}"));
        if other.starts_with("elsewhere") {
            edited = edited.replace("    watch:\n", "    watch:\n      - elsewhere/production\n");
        }
        fs::write(&path, edited).unwrap();
        let told = status(&world);
        assert!(told.status == 3 && told.stdout.contains("maps paths otherwise"), "{told}");
        world.edit("main", "checkout/timeout", "30\n");
        let push = world.push(&["main"]);
        assert!(!push.passed, "{other}: {}", push.said);
    }
    // Registering the other map loosens, too.
    let run = world.stage.run("--key alice gate install shop.git");
    assert!(run.status == 3 && run.stderr.contains("needs 2 people"), "{run}");
}
