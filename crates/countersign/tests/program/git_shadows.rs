//! References that would be taken for a protected branch, and trees that would be taken for others.

use std::fs;

use crate::{support::Run, world::World};

const CHECKOUT: &str = "checkout/production";

const SHADOWS: [&str; 8] = [
    "refs/tags/main",
    "refs/tags/heads/main",
    "refs/tags/refs/heads/main",
    "refs/heads/refs/heads/main",
    "refs/heads/heads/main",
    "refs/remotes/origin/main",
    "refs/tags/origin/main",
    "refs/remotes/main/HEAD",
];

/// `propose` as people run it.
fn propose(world: &World, further: &[&str]) -> Run {
    let url = &world.server().url;
    let words = ["--url", url, "--key", "alice", "propose", "--kind", "code", "--title", "T", "--git", "work"];
    let more =
        ["--repository", "shop", "--target", CHECKOUT, "--why", "the bank answers within eight seconds at month end"];
    let rest = ["--risk", "slow requests could pile up", "--rollback", "git revert, then deploy again"];
    world.stage.run_words(&[&words[..], &more, &rest, &["--tests", "load test 4711 in staging"], further].concat())
}

#[test]
fn references_that_shadow_a_protected_branch_are_refused() {
    let world = World::usual();
    world.edit("evil", "checkout/timeout", "666\n");
    world.push(&["evil:refs/heads/aside"]).passes();
    let (evil, tip) = (world.id("evil"), world.tip("refs/heads/main"));
    let replacement = format!("refs/replace/{tip}");
    for reference in SHADOWS.iter().copied().chain([replacement.as_str()]) {
        let push = world.push(&[&format!("evil:{reference}")]);
        push.is_refused("shadows");
        let tried = world.in_bare(&["update-ref", reference, evil.as_str()]);
        assert_eq!((tried.passed, tried.code()), (false, Some("shadows")), "{reference}: {}", tried.said);
    }
    // One among others takes all of the push with it.
    world.push(&["evil:refs/heads/fine", "evil:refs/tags/main"]).is_refused("shadows");
    let replaced = world.in_bare(&["replace", tip.as_str(), evil.as_str()]);
    assert!(!replaced.passed, "{}", replaced.said);
    assert_eq!(world.git(&["ls-remote", "origin", "refs/replace/*", "refs/tags/*"]), "");
    world.push(&["evil:refs/tags/v1", "evil:refs/heads/topic/maintenance"]).passes();
}

#[test]
fn shadows_that_are_there_are_said_and_can_be_taken_away() {
    let world = World::usual();
    let tag = world.stage.path("shop.git/refs/tags/main");
    fs::create_dir_all(tag.parent().unwrap()).unwrap();
    fs::write(&tag, format!("{}\n", world.tip("refs/heads/main"))).unwrap();
    let said = "refs/tags/main: who asks git for the protected refs/heads/main by a short name can be given it instead";
    let installed = world.install("");
    assert!(installed.status == 0 && installed.stdout.contains(said), "{installed}");
    let status = world.stage.run("gate status shop.git");
    assert!(status.status == 3 && status.stdout.contains(said), "{status}");
    // Housekeeping rewrites it as it is.
    world.in_bare(&["pack-refs", "--all"]).passes();
    world.in_bare(&["gc", "--quiet"]).passes();
    world.push(&[":refs/tags/main"]).passes();
    assert_eq!(world.stage.run("gate status shop.git").status, 0);
}

/// No checkout can have such a path, or it would write into git's own folder: who reviews sees another tree than who deploys.
#[test]
fn a_tree_that_no_checkout_can_have_is_refused() {
    let world = World::usual();
    for name in ["..", ".git", ".GIT"] {
        world.edit("change", "checkout/timeout", "30\n");
        // Written as bytes: git itself makes no such tree.
        let script = format!(
            "( printf '100644 {name}\\0'; printf \"$(git rev-parse HEAD:checkout/timeout | sed 's/../\\\\x&/g')\"; \
             git cat-file tree 'HEAD^{{tree}}' ) | git hash-object -t tree -w --literally --stdin"
        );
        let made =
            world.stage.command("bash").current_dir(world.stage.path("work")).args(["-c", &script]).output().unwrap();
        let tree = String::from_utf8(made.stdout).unwrap();
        assert!(world.git(&["cat-file", "-p", tree.trim()]).contains(&format!("\t{name}\n")), "{tree}");
        let commit = world.git(&["commit-tree", "-p", "HEAD", "-m", "odd", tree.trim()]);
        world.push(&[&format!("{commit}:main")]).is_refused("malformed-tree");
        let run = propose(&world, &["--range", &format!("refs/remotes/origin/main..{commit}")]);
        assert!(run.status != 0 && run.stderr.contains("no checkout can have a"), "{run}");
    }
}

/// A tree with two entries of one name is read in two ways.
#[test]
fn a_tree_with_an_entry_twice_is_refused() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    let script = "entry() { printf '%s %s\\0' \"$1\" \"$2\"; printf \"$(printf %s \"$3\" | sed 's/../\\\\x&/g')\"; }\n\
                  blob=$(git rev-parse HEAD:checkout/timeout) other=$(echo 666 | git hash-object -w --stdin)\n\
                  sub=$( (entry 100644 timeout $blob; entry 100644 timeout $other) | git hash-object -t tree -w --literally --stdin)\n\
                  (git ls-tree HEAD | grep -v checkout; printf '040000 tree %s\\tcheckout\\n' $sub) | git mktree --missing";
    let made = world.stage.command("bash").current_dir(world.stage.path("work")).args(["-c", script]).output().unwrap();
    let tree = String::from_utf8(made.stdout).unwrap();
    let commit = world.git(&["commit-tree", "-p", "HEAD", "-m", "odd", tree.trim()]);
    let push = world.push(&[&format!("{commit}:main")]);
    push.is_refused("malformed-tree");
    assert!(push.said.contains("out of order, or there twice"), "{}", push.said);
    let run = propose(&world, &["--range", &format!("refs/remotes/origin/main..{commit}")]);
    assert!(run.status != 0 && run.stderr.contains("out of order, or there twice"), "{run}");
}

/// What a proposal begins from is named in full, and a name that may mean two things means neither.
#[test]
fn a_tag_does_not_become_the_base_of_a_proposal() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    world.git(&["tag", "origin/main", "HEAD"]);
    let propose = |further: &[&str]| propose(&world, further);
    let ambiguous = propose(&["--range", "origin/main..HEAD"]);
    assert_eq!(ambiguous.status, 1, "{ambiguous}");
    assert!(
        ambiguous.stderr.contains("`origin/main` may mean refs/remotes/origin/main or refs/tags/origin/main"),
        "{ambiguous}"
    );
    let whole = propose(&["--range", "refs/remotes/origin/main..HEAD"]);
    assert_eq!(whole.status, 0, "{whole}");
    let default = propose(&["--again"]);
    assert_eq!(default.status, 0, "{default}");
}

/// What is in a submodule comes with its commit: it reaches what its folder reaches, and whoever signs sees which.
#[test]
fn a_submodule_reaches_what_its_folder_reaches_and_is_shown() {
    let world = World::usual();
    world.git(&["checkout", "--quiet", "-B", "change", "origin/main"]);
    let (one, two) = ("1".repeat(40), "2".repeat(40));
    world.git(&["rm", "--quiet", "-r", "checkout"]);
    world.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{one},checkout")]);
    world.git(&["commit", "--quiet", "-m", "a library"]);
    let push = world.push(&["HEAD:main"]);
    push.is_refused("no-change");
    assert!(push.told().contains("it would reach checkout/production"), "{}", push.told());

    world.write(".gitmodules", "[submodule \"lib\"]\n\tpath = checkout\n\turl = https://example.com/lib.git\n");
    world.git(&["add", ".gitmodules"]);
    world.git(&["update-index", "--cacheinfo", &format!("160000,{two},checkout")]);
    world.git(&["commit", "--quiet", "-m", "a newer one"]);
    let run = propose(&world, &["--range", "HEAD~1..HEAD"]);
    assert_eq!(run.status, 0, "{run}");
    let said = format!("{}{}", run.stdout, run.stderr);
    assert!(said.contains(&format!("submodule checkout: {one} -> {two}")), "{run}");
    assert!(said.contains("checkout is fetched from https://example.com/lib.git; before: no address"), "{run}");
}

/// Git lists no reference beside `refs/`, and lets nobody delete one; to whoever asks for `main` it shows that.
#[test]
fn a_shadow_beside_refs_is_said() {
    let world = World::usual();
    assert_eq!(world.stage.run("gate status shop.git").status, 0);
    let tip = world.tip("refs/heads/main");
    for name in ["main", "heads/release"] {
        let path = world.stage.write(&format!("shop.git/{name}"), &format!("{tip}\n"));
        let status = world.stage.run("gate status shop.git");
        assert!(
            status.status == 3 && status.stdout.contains(&format!("{name}: who asks git for the protected")),
            "{status}"
        );
        assert!(status.stdout.contains("Take it away: rm shop.git/"), "{status}");
        fs::remove_file(path).unwrap();
        assert_eq!(world.stage.run("gate status shop.git").status, 0);
    }
}

/// Git takes the first of two authors, and some reader the last: who made it would be a matter of who asks.
#[test]
fn a_commit_that_is_read_in_two_ways_is_refused() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    for edit in ["/^author /p", "/^committer /p", "/^tree /p", "/^tree /{h;d};/^parent /G"] {
        let script =
            format!("git cat-file commit HEAD | sed '{edit}' | git hash-object -t commit -w --literally --stdin");
        let made =
            world.stage.command("sh").current_dir(world.stage.path("work")).args(["-c", &script]).output().unwrap();
        let commit = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        let push = world.push(&[&format!("{commit}:main")]);
        assert!(!push.passed, "{edit}: {}", push.said);
        // Some of them git itself does not read as far as the gate.
        if edit.contains("author") || edit.contains("committer") {
            push.is_refused("malformed-commit");
            assert!(push.said.contains("make the commit anew with git"), "{}", push.said);
        }
    }
}
