//! Where protected branches stand: what honest pushes, crashes and liars leave behind, and what `gate status` says of it.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
};

use countersign_core::ids::Oid;

use crate::{support::Run, world::World};

const CHECKOUT: &str = "checkout/production";

/// A change of one file on a branch of its own, approved.
fn approved(world: &World, branch: &str, name: &str) -> String {
    world.git(&["fetch", "--quiet"]);
    world.edit(branch, name, "30\n");
    let target = if name.starts_with("checkout") { CHECKOUT } else { "search/production" };
    let change = world.propose("alice", &[target]);
    world.approve("bob", &change);
    change
}

fn status(world: &World) -> Run {
    world.stage.run("gate status shop.git")
}

fn hook(world: &World, name: &str, text: &str) {
    let path = world.stage.write(&format!("shop.git/hooks/{name}"), text);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Nobody went round anything, whatever is missing.
#[track_caller]
fn accuses_nobody(world: &World) {
    let told = world.stage.run("gate status shop.git --format json").json();
    assert_eq!((&told["caught"], &told["unanswered"]), (&serde_json::json!([]), &false.into()), "{told}");
    assert!(told["branches"].as_array().unwrap().iter().all(|branch| branch["expected"].is_null()), "{told}");
}

/// A push as no git would make it: it says itself where the branch stands.
fn claims(world: &World, old: &Oid, new: &Oid, reference: &str) -> String {
    // A pack without objects, with its checksum: gitformat-pack(5).
    const EMPTY: &[u8] = b"PACK\0\0\0\x02\0\0\0\0\x02\x9d\x08\x82;\xd8\xa8\xea\xb5\x10\xadj\xc7\\\x82<\xfd>\xd3\x1e";
    let line = format!("{old} {new} {reference}\0report-status agent=x");
    let mut command: Command = world.stage.command("git");
    let mut push = command
        .args(["receive-pack", "shop.git"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = push.stdin.take().unwrap();
    write!(stdin, "{:04x}{line}0000", line.len() + 4).unwrap();
    stdin.write_all(EMPTY).unwrap();
    drop(stdin);
    let mut said = String::new();
    push.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    push.wait().unwrap();
    said
}

#[test]
fn a_pusher_who_lies_about_the_old_tip_accuses_nobody() {
    let world = World::usual();
    let tip = world.tip("main");
    let claimed = world.edit("change", "checkout/timeout", "30\n");
    world.write("checkout/timeout", "31\n");
    let pushed = world.commit("more");
    world.push(&["HEAD:elsewhere"]).passes();
    let said = claims(&world, &claimed, &pushed, "refs/heads/main");
    assert!(said.contains("[branch-moved]"), "{said}");
    accuses_nobody(&world);
    assert_eq!((status(&world).status, world.tip("main")), (0, tip));
    // What is expected has not moved either: an approved push goes on from where the branch stands.
    approved(&world, "next", "search/limit");
    world.push(&["next:main"]).passes();
    accuses_nobody(&world);
}

#[test]
fn a_push_that_another_one_overtakes_accuses_nobody() {
    let world = World::usual();
    let first = approved(&world, "first", "checkout/timeout");
    let second = approved(&world, "second", "search/limit");
    // Between what the second push is told of the branch and its own update, the first one lands.
    let overtakes = "#!/bin/sh\n[ -n \"$INNER\" ] || INNER=1 git push -q --no-verify origin first:main\n";
    let path = world.stage.write("work/.git/hooks/pre-push", overtakes);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    let push = world.push(&["second:main"]);
    push.is_refused("branch-moved");
    assert_eq!(world.tip("main"), world.id("first"));
    accuses_nobody(&world);
    assert_eq!((world.state(&first), world.state(&second)), ("applied".to_owned(), "proposed".to_owned()));
}

#[test]
fn pushes_to_one_branch_at_once_accuse_nobody() {
    let world = World::usual();
    let branches: Vec<String> = (0..4).map(|n| format!("at-once-{n}")).collect();
    for branch in &branches {
        approved(&world, branch, &format!("search/{branch}"));
    }
    let landed: usize = std::thread::scope(|scope| {
        let world = &world;
        let pushes: Vec<_> = branches
            .iter()
            .map(|branch| scope.spawn(move || world.push(&[&format!("{branch}:main")]).passed))
            .collect();
        pushes.into_iter().map(|push| usize::from(push.join().unwrap())).sum()
    });
    assert_eq!(landed, 1, "all of them begin at the same commit");
    accuses_nobody(&world);
    world.settle();
    assert_eq!(status(&world).status, 0, "{}", status(&world));
}

/// The machine stops after git has moved the branch and before that was written down.
#[test]
fn a_stop_between_move_and_settlement_accuses_nobody_and_reaches_the_log() {
    let world = World::usual();
    let kept = ["reference-transaction", "post-receive"]
        .map(|name| (name, world.stage.read(&format!("shop.git/hooks/{name}"))));
    hook(&world, "post-receive", "#!/bin/sh\n");
    let stops = kept[0].1.replacen('\n', "\n[ \"$1\" = committed ] && exit 0\n", 1);
    hook(&world, "reference-transaction", &stops);
    let first = approved(&world, "first", "checkout/timeout");
    world.push(&["first:main"]).passes();
    for (name, text) in &kept {
        hook(&world, name, text);
    }
    accuses_nobody(&world);
    let told = status(&world);
    assert_eq!(told.status, 3, "{told}");
    assert!(told.stdout.contains("1 outcome not reported yet"), "{told}");
    assert_eq!(world.state(&first), "permitted");
    // The next push finds it out, of whatever branch it is.
    world.push(&["first:refs/heads/elsewhere"]).passes();
    accuses_nobody(&world);
    assert_eq!(world.state(&first), "applied");
    assert_eq!(status(&world).status, 0, "{}", status(&world));
}

#[test]
fn a_reservation_that_a_declined_push_leaves_opens_nothing_from_the_machine() {
    let world = World::usual();
    let change = approved(&world, "change", "checkout/timeout");
    world.push(&["change:refs/heads/reviewed"]).passes();
    let tip = world.tip("main");
    hook(&world, "update", "#!/bin/sh\nexit 1\n");
    assert!(!world.push(&["change:main"]).passed);
    assert_eq!(world.state(&change), "permitted");
    let head = world.id("change");
    for attempt in [&["update-ref", "refs/heads/main", head.as_str()][..], &["fetch", "--quiet", ".", "reviewed:main"]]
    {
        let tried = world.in_bare(attempt);
        assert_eq!((tried.passed, tried.code()), (false, Some("gone-round")), "{attempt:?}: {}", tried.said);
    }
    assert_eq!(world.tip("main"), tip);
    // Past every hook, it is found: nothing was let through.
    fs::write(world.stage.path("shop.git/refs/heads/main"), format!("{head}\n")).unwrap();
    let told = status(&world);
    assert!(told.status == 3 && told.stdout.contains("somebody went round the gate"), "{told}");
}

/// `git branch` moves and copies branches in a bare repository without asking any hook. It is found at the next contact, by
/// whatever push, and stays found until somebody answers for it.
#[test]
fn a_branch_that_git_moved_unasked_is_found_and_answered_for() {
    let world = World::usual();
    world.edit("other", "search/limit", "99\n");
    world.push(&["other:other"]).passes();
    let copied = world.in_bare(&["branch", "-C", "other", "main"]);
    assert_eq!(world.tip("main"), world.id("other"), "git asks by now: {}", copied.said);
    let told = status(&world);
    assert_eq!(told.status, 3, "{told}");
    assert!(told.stdout.contains("somebody went round the gate (its file is "), "{told}");
    world.push(&["other:refs/heads/another"]).passes();
    world.push(&["other:refs/heads/one-more"]).passes();
    let told = world.stage.run("gate status shop.git --format json");
    assert_eq!(told.status, 3);
    let caught = told.json()["caught"].as_array().unwrap().clone();
    assert_eq!(caught.len(), 1, "it is written down once: {told}");
    assert!(caught[0]["what"].as_str().unwrap().contains("where no permit put it; its file is of "), "{told}");
    assert!(caught[0]["account"].as_str().is_some() && caught[0]["at"].as_str().is_some(), "{told}");
    assert!(!told.json()["branches"][0]["expected"].is_null(), "{told}");

    let answered =
        world.stage.run_words(&["gate", "status", "shop.git", "--answer", "carol restored it from the mirror"]);
    assert_eq!(answered.status, 0, "{answered}");
    assert!(answered.stdout.contains("answered: carol restored it from the mirror"), "{answered}");
    assert_eq!(status(&world).status, 0);
    // From then on, another move is another incident.
    fs::write(world.stage.path("shop.git/refs/heads/main"), format!("{}\n", world.tip("release"))).unwrap();
    assert_eq!(status(&world).status, 3);
}

/// What was gone round is a finding in the log, on whoever owns what it reached: once for each incident, however often somebody
/// pushes after it.
#[test]
fn a_move_behind_the_gate_is_one_finding_in_the_log() {
    let world = World::usual();
    world.edit("other", "search/limit", "99\n");
    world.push(&["other:other"]).passes();
    world.in_bare(&["branch", "-C", "other", "main"]);
    let findings = |args: &[&str]| {
        let run = world.say("alice", &[&["findings"], args].concat());
        assert_eq!(run.status, 0, "{run}");
        run.json().as_array().unwrap().clone()
    };
    assert_eq!(findings(&[]).len(), 0);
    for push in ["one", "another", "one-more"] {
        world.push(&[&format!("other:refs/heads/{push}")]).passes();
        world.settle();
    }
    let found = findings(&["--open", "--about", "target/search/production"]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0]["kind"].as_str(), found[0]["open"].as_bool()), (Some("branch-moved"), Some(true)));
    let gate = found[0]["raised_by"].as_str().unwrap().to_owned();
    assert_eq!(found[0]["about"], serde_json::json!([format!("gate/{gate}"), "target/search/production"]));
    assert!(found[0]["who"].as_array().unwrap().contains(&"alice".into()), "{found:?}");
    assert!(found[0]["said"].as_str().unwrap().contains(world.id("other").short()), "{found:?}");
    // What only names somebody lies beside the log.
    let client = countersign::client::Client::new(&world.server().url);
    let text = client.findings(&[("open", "true")]).unwrap().findings[0].text.unwrap();
    let said = client.blob(&text).unwrap();
    assert!(String::from_utf8(said).unwrap().contains("account "));
    assert_eq!(findings(&["--about", "target/checkout/production"]).len(), 0);
    assert_eq!(findings(&["--who", "alice"]).len(), 1);
    // Whoever is asked sees it without asking.
    let mine = world.say("alice", &[]);
    assert_eq!(mine.json()["to_answer"][0]["kind"], "branch-moved", "{mine}");
    let mine = world.stage.run_words(&["--url", &world.server().url, "--key", "alice"]);
    assert!(mine.stdout.contains("branch-moved  due "), "{mine}");
    assert!(mine.stdout.contains("countersign findings --open --who alice"), "{mine}");
    // A list that is empty for a slip would look like good news.
    for (about, meant) in [
        (gate.clone(), format!("gate/{gate}")),
        ("search/production".to_owned(), "target/search/production".to_owned()),
        ("person/alise".to_owned(), "person/alice".to_owned()),
        ("rule/documentd".to_owned(), "rule/documented".to_owned()),
        (format!("gate/{gate}x"), format!("gate/{gate}")),
    ] {
        let run = world.say("alice", &["findings", "--about", &about]);
        assert!(run.status == 1 && run.stderr.contains(&format!("did you mean `{meant}`?")), "{about}: {run}");
    }
    for about in ["target/search", "target/serch/production", "nobody"] {
        assert_eq!(world.say("alice", &["findings", "--about", about]).status, 1, "{about}");
    }

    // Another move is another finding, also where nobody answered for the first.
    fs::write(world.stage.path("shop.git/refs/heads/main"), format!("{}\n", world.tip("release"))).unwrap();
    world.push(&["other:refs/heads/last"]).passes();
    world.settle();
    assert_eq!(findings(&["--open"]).len(), 2);
    let listed = world.stage.run_words(&["--url", &world.server().url, "--key", "alice", "findings", "--open"]);
    assert!(listed.stdout.contains("branch-moved  due "), "{listed}");
    assert!(listed.stderr.contains("countersign review FINDING"), "{listed}");
}

#[test]
fn the_status_ends_with_3_while_hooks_are_not_as_they_were_installed() {
    let world = World::usual();
    let path = |name: &str| world.stage.path(&format!("shop.git/hooks/{name}"));
    let says = |what: &str| {
        let told = status(&world);
        assert_eq!(told.status, 3, "{told}");
        assert!(told.stdout.contains(what), "{told}");
    };
    assert_eq!(status(&world).status, 0, "{}", status(&world));
    for name in ["pre-receive", "reference-transaction", "post-receive"] {
        let kept = fs::read(path(name)).unwrap();
        fs::set_permissions(path(name), fs::Permissions::from_mode(0o644)).unwrap();
        says(&format!("hook {name} may not be run"));
        fs::write(path(name), "#!/bin/sh\nexit 0\n").unwrap();
        fs::set_permissions(path(name), fs::Permissions::from_mode(0o755)).unwrap();
        says(&format!("hook {name} is not what was installed"));
        fs::remove_file(path(name)).unwrap();
        says(&format!("hook {name} is missing"));
        fs::write(path(name), kept).unwrap();
        fs::set_permissions(path(name), fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(status(&world).status, 0, "{}", status(&world));
    }
    let elsewhere = world.stage.path("elsewhere");
    world.in_bare(&["config", "core.hooksPath", elsewhere.to_str().unwrap()]).passes();
    says("git looks for this repository's hooks in ");
    world.in_bare(&["config", "--unset", "core.hooksPath"]).passes();
    assert_eq!(status(&world).status, 0);
}

/// Whoever runs the machine takes the journal away, or empties it, so that nothing says any more where the branch had to stand.
#[test]
fn a_lost_journal_hides_nothing() {
    let world = World::usual();
    approved(&world, "change", "checkout/timeout");
    world.push(&["change:main"]).passes();
    world.git(&["fetch", "--quiet"]);
    world.edit("evil", "checkout/timeout", "666\n");
    world.push(&["evil:refs/heads/aside"]).passes();
    let evil = world.id("evil");
    fs::write(world.stage.path("shop.git/refs/heads/main"), format!("{evil}\n")).unwrap();
    assert_eq!(status(&world).status, 3);
    let (journal, kept) = (world.stage.path("shop.git/countersign/journal"), world.stage.path("kept"));
    fs::rename(&journal, &kept).unwrap();
    for lost in ["gone", "empty"] {
        if lost == "empty" {
            fs::write(&journal, "").unwrap();
        }
        let told = status(&world);
        assert_eq!(told.status, 3, "{lost}: {told}");
        assert!(told.stdout.contains("is gone, or empty"), "{told}");
        // Contact mends nothing, and what would move a protected branch stays out.
        let contact = world.push(&[&format!("evil:refs/heads/contact-{lost}")]);
        contact.passes();
        assert!(contact.said.contains("shop.git --answer"), "{}", contact.said);
        world.push(&["change:release"]).is_refused("gate-journal");
        assert!(!world.in_bare(&["update-ref", "refs/heads/release", evil.as_str()]).passed);
        assert_eq!(status(&world).status, 3, "{lost}");
        // Nor does it take the branch as it stands to install the gate again.
        let run = world.install("");
        assert!(run.status == 1 && run.stderr.contains("is gone, or empty"), "{run}");
        assert_eq!(status(&world).status, 3, "{lost}");
    }
    fs::copy(&kept, &journal).unwrap();
    let told = status(&world);
    assert!(told.status == 3 && told.stdout.contains("somebody went round the gate"), "{told}");

    // Where there is no backup, another begins with that being said.
    fs::remove_file(&journal).unwrap();
    let answered = world.stage.run_words(&["gate", "status", "shop.git", "--answer", "the disk died"]);
    assert_eq!(answered.status, 0, "{answered}");
    assert!(
        answered.stdout.contains("the journal was lost") && answered.stdout.contains("answered: the disk died"),
        "{answered}"
    );
    approved(&world, "next", "search/limit");
    world.push(&["next:main"]).passes();
    assert_eq!(status(&world).status, 0, "{}", status(&world));
    fs::write(world.stage.path("shop.git/refs/heads/main"), format!("{evil}\n")).unwrap();
    assert_eq!(status(&world).status, 3);
}

#[test]
fn an_answer_needs_words() {
    let world = World::usual();
    for answer in ["", "  "] {
        let run = world.stage.run_words(&["gate", "status", "shop.git", "--answer", answer]);
        assert!(run.status == 2 && run.stderr.contains("say what it was"), "{run}");
    }
}
