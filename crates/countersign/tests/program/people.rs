//! People and claims: whom commits name, what one person takes away, how approvals see what they sign, and who is no person.

use std::{fs, io::Write as _, process::Stdio};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_core::{canonical, catalog::Level, statement::Body};
use serde_json::Value;

use crate::{
    support::{Run, Stage},
    world::World,
};

const CHECKOUT: &str = "checkout/production";

fn fingerprint(world: &World, who: &str) -> String {
    world.key(who).public().fingerprint().to_string()
}

fn is(run: &Run, status: i32, code_of_it: &str) {
    assert_eq!((run.status, run.code().as_str()), (status, code_of_it), "{run}");
}

/// A change whose one commit has this message.
fn with_message(world: &World, message: &str) -> String {
    world.git(&["checkout", "--quiet", "-B", "change", "origin/main"]);
    world.write("checkout/timeout", "30\n");
    world.commit(message);
    world.propose("alice", &[CHECKOUT])
}

/// Whoever git reads as a co-author is one here: the value may go on in the next line, hold several people, and remarks.
#[test]
fn a_co_author_is_no_second_pair_of_eyes_however_the_trailer_is_folded() {
    for trailer in [
        "Co-authored-by: Bob <bob@example.com>",
        "Co-authored-by:\n Bob <bob@example.com>",
        "Co-authored-by: Carol <carol@example.com>,\n Bob <bob@example.com> (paired)",
        "Co-authored-by: Bob (bob@example.com)",
    ] {
        let world = World::usual();
        let change = with_message(&world, &format!("edit\n\n{trailer}"));
        let names = world.git(&["log", "-1", "--format=%(trailers:key=Co-authored-by,unfold,valueonly)"]);
        assert!(names.contains("bob@example.com"), "{names}");
        is(&world.say("bob", &["approve", &change, "--git", "work"]), 3, "contributor");
        assert_eq!(world.say("dave", &["approve", &change, "--git", "work"]).status, 0, "{trailer}");
    }
}

#[test]
fn who_says_whose_an_unmapped_mail_is_does_not_approve_beside_it() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    world.git(&["commit", "--quiet", "--amend", "--no-edit", "--author", "Kim <kim@elsewhere.example>"]);
    let change = world.propose("alice", &[CHECKOUT]);
    let push = world.push(&["HEAD:main"]);
    assert!(push.said.contains("who Kim <kim@elsewhere.example> ("), "{}", push.said);
    let run = world.say("bob", &["identify", &change, "--identity", "kim@elsewhere.example", "--as", "alice"]);
    assert_eq!(run.status, 0, "{run}");
    is(&world.say("bob", &["approve", &change, "--git", "work"]), 3, "identified-an-author");
    world.approve("carol", &change);
    world.push(&["HEAD:main"]).passes();
}

/// A newcomer's key does not close a home: what one takes away is bounded, and ends unless another confirms it.
#[test]
fn one_person_revokes_for_a_day_and_two_for_good() {
    let (standard, senior) = (Level::Standard, Level::Senior);
    let world = World::new(&[
        ("alice", standard),
        ("bob", senior),
        ("carol", standard),
        ("dave", standard),
        ("erin", standard),
    ]);
    let [alice, bob] = ["alice", "bob"].map(|who| fingerprint(&world, who));
    let run = world.say("dave", &["revoke", &alice, "--why", "I want to be alone"]);
    assert_eq!(run.status, 0, "{run}");
    is(&world.say("alice", &["revoke", &bob, "--why", "in return"]), 1, "key-revoked");
    is(&world.say("dave", &["revoke", &bob, "--why", "and alone"]), 3, "too-many-suspended");
    is(&world.say("erin", &["revoke", &bob, "--why", "me too"]), 3, "too-many-suspended");
    is(&world.say("dave", &["revoke", &alice, "--confirm"]), 3, "third-person");
    is(&world.say("erin", &["revoke", &alice, "--confirm"]), 3, "senior-needed");
    let run = world.say("bob", &["revoke", &alice, "--confirm"]);
    assert_eq!(run.status, 0, "{run}");
    is(&world.say("erin", &["revoke", &alice, "--why", "again"]), 3, "already-revoked");
    // One's own key goes for good, without anybody.
    assert_eq!(world.say("erin", &["revoke", &fingerprint(&world, "erin"), "--why", "lost"]).status, 0);
    is(&world.say("carol", &["revoke", &fingerprint(&world, "erin"), "--confirm"]), 3, "already-revoked");
}

#[test]
fn a_home_of_two_cannot_be_left_to_one() {
    let world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior)]);
    is(&world.say("alice", &["revoke", &fingerprint(&world, "bob"), "--why", "stolen"]), 3, "too-few-left");
}

/// Shaken off neither by a revision nor by proposing the same anew.
#[test]
fn a_rejection_stands_over_revisions_and_follows_its_content() {
    let world = World::governed(&[("alice", Level::Standard), ("bob", Level::Senior), ("carol", Level::Standard)]);
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &[CHECKOUT]);
    assert_eq!(world.say("carol", &["reject", &change, "--why", "not now"]).status, 0);
    let run = world.say("alice", &["revise", &change, "--why", "the bank answers within eight seconds, always"]);
    assert_eq!(run.status, 0, "{run}");
    world.approve("bob", &change);
    assert_eq!(world.state(&change), "rejected");
    assert_eq!(world.say("alice", &["withdraw", &change]).status, 0);
    let again = world.propose("alice", &[CHECKOUT]);
    world.approve("bob", &again);
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
    is(&world.say("bob", &["reject", &again, "--set-aside", "carol", "--why", "it was answered"]), 3, "set-aside");
    // It is lifted where it was said, though that change is withdrawn.
    is(&world.say("carol", &["reject", &again, "--lift"]), 3, "rejected-elsewhere");
    let run = world.say("carol", &["reject", &change, "--lift"]);
    assert_eq!(run.status, 0, "{run}");
    world.push(&["HEAD:main"]).passes();
}

#[test]
fn an_approval_says_how_the_content_was_seen_and_of_which_revision() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &[CHECKOUT]);
    fs::remove_dir_all(world.stage.path("home/material")).unwrap();
    is(&world.say("bob", &["approve", &change]), 3, "unseen");
    is(&world.say("bob", &["approve", &change, "--git", "work", "--revision", "2"]), 1, "another-revision");
    let run = world.say("bob", &["approve", &change, "--git", "work", "--revision", "1"]);
    assert_eq!(run.json()["approvals"][0]["seen"], "computed", "{run}");
    for shown in ["difference: sha256:", "changed checkout/timeout", "seen: computed"] {
        assert!(run.stderr.contains(shown), "{shown}: {run}");
    }
}

/// `script` gives it a terminal, on which somebody answers.
#[test]
fn on_a_terminal_nothing_is_approved_that_is_not_answered_for() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &[CHECKOUT]);
    let url = &world.server().url;
    let program = env!("CARGO_BIN_EXE_countersign");
    let approve = |answer: &str, more: &str| {
        let program = format!("{program} --url {url} --key bob approve {change} --git work {more}");
        let mut script = world.stage.command("script");
        script.env("XDG_STATE_HOME", world.stage.path(&world.machine));
        let mut script = script
            .args(["--quiet", "--return", "--command", &program, "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        script.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
        let output = script.wait_with_output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let approvals = || world.say("alice", &["show", &change]).json()["approvals"].as_array().unwrap().len();
    for answer in ["n\n", "\n", "yes please\n"] {
        let (status, said) = approve(answer, "");
        assert!(status == 1 && said.contains("sign this approval? [y/N]"), "{answer:?}: {status} {said}");
        assert!(said.contains("nothing was signed"), "{answer:?}: {said}");
        assert_eq!(approvals(), 0, "{answer:?}");
    }
    let (status, said) = approve("y\n", "");
    assert!(status == 0 && said.contains("bob approved revision 1"), "{status} {said}");
    assert_eq!(approvals(), 1);
    let again = world.say("alice", &["revise", &change, "--title", "Raise it again"]);
    assert_eq!(again.status, 0, "{again}");
    let (status, said) = approve("", "--yes");
    assert!(status == 0 && !said.contains("[y/N]"), "{status} {said}");
}

#[test]
fn a_home_can_let_approvals_count_that_saw_nothing() {
    let world = World::usual();
    world.publish(|files| {
        let settings = String::from_utf8(files["settings.json"].clone()).unwrap();
        files.insert("settings.json".to_owned(), settings.replace("]}", "],\"unseen_approvals\":true}").into_bytes());
    });
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &[CHECKOUT]);
    fs::remove_dir_all(world.stage.path("home/material")).unwrap();
    let run = world.say("bob", &["approve", &change]);
    assert_eq!((run.status, run.json()["approvals"][0]["seen"].as_str()), (0, Some("none")), "{run}");
    assert_eq!(run.json()["decision"]["outcome"], "allow");
}

#[test]
fn a_claim_of_no_assistance_against_a_trailer_is_answered() {
    let world = World::usual();
    let change = with_message(&world, "edit\n\nCo-authored-by: Claude <noreply@anthropic.com>");
    let run = world.say("alice", &["disclose", &change, "--none"]);
    assert_eq!((run.status, &run.json()["ai"]["status"]), (0, &"declared".into()), "{run}");
    assert!(run.stderr.contains("say otherwise: co-author") && run.stderr.contains("claude"), "{run}");
}

#[test]
fn a_cited_page_that_is_nowhere_says_so_and_can_be_corrected() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &[CHECKOUT]);
    let disclose = |page: &str| world.say("alice", &["disclose", &change, "--none", "--guidance", page]);
    let run = disclose("docs/runbok.md");
    assert_eq!(run.json()["guidance"][0]["found"], Value::Null, "{run}");
    let shown = world.stage.run(&format!("--url {} show {change}", world.server().url));
    assert!(shown.stdout.contains("docs/runbok.md stale, not found where this home reads guidance"), "{shown}");
    assert!(shown.stdout.contains("--guidance PATH"), "{shown}");
    let view = disclose("docs/runbook.md").json();
    assert_eq!(view["guidance"].as_array().unwrap().len(), 1, "{view}");
    assert_eq!(
        (&view["guidance"][0]["path"], &view["guidance"][0]["stale"]),
        (&"docs/runbook.md".into(), &false.into())
    );
}

/// Nobody of a group above owns a system, so that a group which cannot give what a rule asks is told when it becomes so.
#[test]
fn a_publication_that_leaves_a_group_unable_is_refused() {
    let world = World::usual();
    let (proposal, _, blobs) = world.amendment(|files| {
        files.insert("groups/few.json".to_owned(), br#"{"parent":"owners"}"#.to_vec());
        files.insert("systems/checkout.json".to_owned(), br#"{"owner":"few","tier":2}"#.to_vec());
    });
    let alice = world.voice("alice");
    let envelope = alice.sign(Body::Proposal(proposal));
    let error = alice.speaker.client.submit(&envelope, &blobs).unwrap_err().to_string();
    assert!(error.contains("group `few` has 0 who could give it"), "{error}");
}

/// So is a rule that asks a group for more people than it has, or one that is misspelt.
#[test]
fn a_rule_that_asks_a_group_for_more_than_it_has_is_refused() {
    let world = World::usual();
    let refused = |group: &str, count: u32, or: (&str, &str)| {
        let rule = format!(
            "@id(\"team\") @requires(\"approval:group:{group}:{count}{}\") @because(\"B.\") @remedy(\"ask for {{change}}\") \
             @mode(\"enforce\") @strength(\"waivable\") forbid (principal, action == Countersign::Action::\"apply\", \
             resource) unless {{ resource.approvals.group[\"{group}\"] >= {count}{} }};",
            or.0, or.1
        );
        let (proposal, _, blobs) = world.amendment(|files| {
            files.insert("rules/team.cedar".to_owned(), rule.clone().into_bytes());
        });
        let alice = world.voice("alice");
        let envelope = alice.sign(Body::Proposal(proposal));
        alice.speaker.client.submit(&envelope, &blobs).err().map(|error| error.to_string())
    };
    let none = ("", "");
    let error = refused("owners", 9, none).unwrap();
    assert!(
        error.contains("more approvals by people of group owners") && error.contains("who could give it"),
        "{error}"
    );
    let error = refused("ownrs", 1, none).unwrap();
    assert!(error.contains("knows no group `ownrs`"), "{error}");
    // Where there is another way, nobody is shut out.
    let other = (" | approval:senior:1", " || resource.approvals.senior >= 1");
    assert_eq!(refused("owners", 9, other), None);
}

#[test]
fn a_revoked_key_does_not_come_back_by_a_publication() {
    let world = World::usual();
    let people = |world: &World| world.in_force().1.remove("people/owners.json").unwrap();
    let before = people(&world);
    assert_eq!(world.say("dave", &["revoke", &fingerprint(&world, "dave"), "--why", "lost"]).status, 0);
    world.publish(|files| {
        let mut all: Value = serde_json::from_slice(&before).unwrap();
        all["dave"].as_object_mut().unwrap().remove("keys");
        files.insert("people/owners.json".to_owned(), canonical::to_bytes(&all).unwrap());
    });
    let (proposal, _, blobs) = world.amendment(|files| {
        files.insert("people/owners.json".to_owned(), before.clone());
    });
    let alice = world.voice("alice");
    let envelope = alice.sign(Body::Proposal(proposal));
    let error = alice.speaker.client.submit(&envelope, &blobs).unwrap_err().to_string();
    assert!(error.contains("of dave was revoked by dave, and does not come back"), "{error}");
}

// Keys and catalogs.

fn two_founders(stage: &Stage, further: &str) -> Run {
    stage.run(&format!(
        "init home --name log --founder ada=ada@example.com=ada --founder grace=grace@example.com=grace {further}"
    ))
}

#[test]
fn keys_come_from_the_file_beside_a_catalog_and_what_cannot_sign_is_told_with_its_line() {
    let stage = Stage::with_keys(&["ada", "grace", "linus"]);
    let weak =
        stage.command("ssh-keygen").args(["-q", "-t", "rsa", "-b", "1024", "-N", "", "-f", "weak"]).output().unwrap();
    assert!(weak.status.success(), "{weak:?}");
    let user = |name: &str| {
        format!(
            "---\napiVersion: backstage.io/v1alpha1\nkind: User\nmetadata:\n  name: {name}\nspec:\n  profile:\n    email: \
             {name}@example.com\n  memberOf: [all]\n"
        )
    };
    let users: String = ["ada", "grace", "linus", "kim", "release-bot"].map(user).concat();
    stage.write(
        "backstage/catalog.yaml",
        &format!(
            "\u{feff}apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata:\n  name: all\nspec:\n  children: []\n{users}---\n\
             apiVersion: backstage.io/v1alpha1\nkind: System\nmetadata:\n  name: shop\nspec:\n  owner: all\n"
        ),
    );
    let line = |who: &str, file: &str| format!("{who}@example.com {}", stage.read(&format!("{file}.pub")));
    // ssh-keygen makes none of these any more, and old files have them.
    let field = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    let numbers = [128, 20, 128, 128].map(|length| field(&vec![0x7f; length]));
    let dsa = format!("ssh-dss {}", STANDARD.encode([field(b"ssh-dss"), numbers.concat()].concat()));
    let old = format!("kim@example.com {dsa}\n");
    stage.write("signers", &format!("\u{feff}{}{}{old}", line("linus", "linus"), line("kim", "weak")));
    let run = two_founders(&stage, "--catalog backstage --allowed-signers signers");
    assert_eq!(run.status, 0, "{run}");
    assert!(run.stdout.contains("line 2, kim@example.com: it is an RSA key of 1024 bits"), "{run}");
    assert!(run.stdout.contains("line 3, kim@example.com: it is a DSA key"), "{run}");
    assert!(run.stdout.contains("release-bot looks like a robot: a workload"), "{run}");
    assert!(run.stdout.contains("3 people with keys"), "{run}");
    let kept = stage.read("home/catalog/allowed_signers");
    assert!(
        kept.contains("linus@example.com ssh-ed25519") && !kept.contains("ssh-rsa") && !kept.contains("ssh-dss"),
        "{kept}"
    );
    // In the catalog itself such a key is an error, with its place.
    let text = stage.read("home/catalog/allowed_signers");
    fs::write(stage.path("home/catalog/allowed_signers"), format!("{text}{}", line("kim", "weak"))).unwrap();
    let server = stage.serve();
    let run = stage.run(&format!("--url {} --key ada amend home --why more", server.url));
    assert!(run.status == 1 && run.stderr.contains("allowed_signers:5: it is an RSA key of 1024 bits"), "{run}");
}

#[test]
fn robots_in_an_allowed_signers_file_become_workloads() {
    let stage = Stage::with_keys(&["ada", "grace", "ci", "team"]);
    let line = |who: &str, key: &str| format!("{who}@example.com {}", stage.read(&format!("{key}.pub")));
    stage.write("signers", &format!("{}{}", line("deploy-bot", "ci"), line("payments-team", "team")));
    let run = two_founders(&stage, "--allowed-signers signers");
    assert_eq!(run.status, 0, "{run}");
    for said in ["deploy-bot looks like a robot", "payments-team looks like a collective account", "2 people with keys"]
    {
        assert!(run.stdout.contains(said), "{said}: {run}");
    }
}

#[test]
fn what_is_wrong_with_a_key_is_said_in_one_line() {
    let stage = Stage::with_keys(&["ada", "grace", "loose", "short"]);
    stage.home_of_two();
    let server = stage.serve();
    let list =
        |key: &str| stage.run(&format!("--url {} --key {key} --format json revoke SHA256:x --why x", server.url));
    assert!(stage.command("chmod").args(["644", "loose"]).status().unwrap().success());
    let run = list("loose");
    assert!(
        run.stderr.contains("can be read by others (mode 0644)") && run.stderr.contains("chmod 600 loose"),
        "{run}"
    );
    assert!(!run.stderr.contains("@@@"), "{run}");
    let key = stage.read("short");
    fs::write(stage.path("short"), &key[..key.len() / 2]).unwrap();
    // Its public half beside it says whose it is, and signs nothing; ssh-keygen's own words about that help nobody.
    let propose = "propose --target example/production --kind flag --file ada.pub --command true --title T --why w";
    for name in ["grace", "grace.pub"] {
        fs::copy(stage.path(name), stage.path(&name.replace("grace", "cut"))).unwrap();
    }
    let whole = stage.read("cut");
    fs::write(stage.path("cut"), &whole[..whole.len() / 2]).unwrap();
    let run = stage.run(&format!("--url {} --key cut {propose}", server.url));
    assert!(run.stderr.contains("cut begins as a private key, but is damaged or cut off"), "{run}");
    assert!(!run.stderr.contains("Load key") && !run.stderr.contains("libcrypto"), "{run}");
    fs::remove_file(stage.path("short.pub")).unwrap();
    let run = list("short");
    assert!(run.stderr.contains("short begins as a private key, but is damaged or cut off"), "{run}");
    // An ssh-keygen of before 8.2.
    stage.write("old/ssh-keygen", "#!/bin/sh\necho 'unknown option -- Y' >&2\nexit 1\n");
    assert!(stage.command("chmod").args(["755", "old/ssh-keygen"]).status().unwrap().success());
    let path = format!("{}:{}", stage.path("old").display(), std::env::var("PATH").unwrap());
    let args = ["--url", &server.url, "--key", "ada", "--format", "json", "revoke", "SHA256:x", "--why", "x"];
    let propose =
        ["propose", "--target", "example/production", "--kind", "flag", "--file", "short", "--command", "true"];
    let words = ["--title", "T", "--why", "w"];
    let output = stage
        .command(env!("CARGO_BIN_EXE_countersign"))
        .args([&args[..6], &propose, &words].concat())
        .env("PATH", path)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("does not know `-Y sign`, which OpenSSH has since 8.2"), "{said}");
}

#[test]
fn an_address_that_is_none_is_told_as_that() {
    let stage = Stage::new();
    for (url, hint) in [
        ("127.0.0.1:7878", "http://127.0.0.1:7878"),
        ("localhost", "http://localhost"),
        ("http:/localhost", "http://localhost"),
    ] {
        let run = stage.run(&format!("--url {url} --format json list"));
        assert!(
            run.status == 2 && run.stderr.contains("has to begin with http://") && run.stderr.contains(hint),
            "{run}"
        );
    }
    let mut command = stage.command(env!("CARGO_BIN_EXE_countersign"));
    let output = command.env("COUNTERSIGN_URL", "").args(["list"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("COUNTERSIGN_URL"), "{said}");
}
