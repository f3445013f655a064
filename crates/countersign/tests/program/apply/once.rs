//! One permit runs once, on whichever machine; and nobody waits for a command that runs.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::proxy::{Answer, Proxy};

/// Says that it began, and ends when it is let.
const HELD: &str = "echo began >> SEEN; until [ -e SEEN.go ]; do sleep 0.05; done";

fn held() -> Bench {
    let world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior)]);
    let seen = world.stage.path("seen").display().to_string();
    world.stage.write("app.yaml", "timeout: 30\n");
    let path = world.stage.write("deploy.sh", &format!("#!/bin/sh\n{}\n", HELD.replace("SEEN", &seen)));
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    let mut bench = Bench { world, change: String::new() };
    bench.change = bench.propose();
    bench.approve();
    bench
}

#[test]
fn an_approved_command_runs_on_one_machine_at_a_time() {
    let bench = held();
    let mut first = bench.begin("machine-1", &[]);
    bench.wait_for_seen("began");
    assert_eq!(bench.view()["state"], "applying");
    let second = bench.begin("machine-2", &[]).wait().unwrap();
    assert_eq!(second.code(), Some(1));
    bench.world.stage.write("seen.go", "");
    assert!(first.wait().unwrap().success());
    assert_eq!(bench.seen().unwrap().matches("began").count(), 1);
    assert_eq!(bench.view()["state"], "applied");
}

/// Both machines have the permit before either starts.
#[test]
fn a_permit_that_two_machines_have_runs_on_one() {
    let bench = held();
    bench.permit();
    let machines = ["machine-1", "machine-2", "machine-3"];
    let runs: Vec<Child> = machines.iter().map(|machine| bench.begin(machine, &["--permit", "permit"])).collect();
    bench.wait_for_seen("began");
    bench.world.stage.write("seen.go", "");
    let ended = runs.into_iter().map(|mut run| run.wait().unwrap().code());
    assert_eq!(ended.filter(|code| *code == Some(0)).count(), 1);
    assert_eq!(bench.seen().unwrap().matches("began").count(), 1);
    assert_eq!(bench.view()["state"], "applied");
}

#[test]
fn another_change_is_applied_while_a_command_runs() {
    let bench = held();
    let mut first = bench.begin("user/.local/state", &[]);
    bench.wait_for_seen("began");
    bench.world.stage.write("deploy.sh", "#!/bin/sh\nexit 0\n");
    let other = Bench { change: bench.propose(), ..bench };
    other.approve();
    let run = other.apply(&[], &APPROVED);
    assert_eq!(run.status, 0, "{run}");
    other.world.stage.write("seen.go", "");
    assert!(first.wait().unwrap().success());
}

/// The log is told first. Where it cannot be, or where what it says is not to be seen in it, nothing runs.
#[test]
fn what_the_log_has_not_taken_does_not_run() {
    let bench = Bench::new("exit 0");
    bench.permit();
    let server = bench.world.server().url.clone();
    let posts = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&posts);
    let silent = Proxy::before(&server, move |method, path| match method {
        "POST" => {
            counted.fetch_add(1, Ordering::SeqCst);
            Answer::Silence
        }
        _ => Answer::Of(path.to_owned()),
    });
    let lying = Proxy::before(&server, |method, path| match method {
        "POST" => Answer::Lie(format!(r#"{{"index":1,"statement":"sha256:{}"}}"#, "0".repeat(64))),
        _ => Answer::Of(path.to_owned()),
    });
    let apply = |url: &str| {
        let args = ["apply", &bench.change, "--file", "app.yaml", "--file", "deploy.sh", "--permit", "permit", "--"];
        bench.world.say_to(url, "alice", &[&args[..], &APPROVED].concat())
    };
    let run = apply(&silent.url);
    assert_eq!(run.status, 1, "{run}");
    let said = run.stderr.lines().last().unwrap().replace(&silent.url, "URL").replace(&bench.change[..12], "CHANGE");
    assert_snapshot!(said, @r#"{"error":{"code":"start-unknown","message":"whether the log took the start is unknown, so nothing was run: cannot reach the server at URL: io: Peer disconnected","hint":"when the server is there: countersign apply --resume CHANGE"}}"#);
    assert_eq!(posts.load(Ordering::SeqCst), 1);
    refused(&apply(&lying.url), "not-started");
    assert_eq!(bench.seen(), None);
    // With the server itself, what was begun is settled, and the change can be applied.
    let run = bench.world.say("alice", &["apply", "--resume"]);
    assert_eq!(run.status, 0, "{run}");
    assert_eq!(bench.apply(&[], &APPROVED).status, 0);
}

#[test]
fn the_copy_is_its_owners_alone_whatever_the_umask() {
    let bench = Bench::new("exit 0");
    let path = bench.world.stage.path("deploy.sh");
    let script =
        format!("#!/bin/sh\nstat -c '%a' . app.yaml deploy.sh > '{}'\n", bench.world.stage.path("seen").display());
    bench.world.stage.write("deploy.sh", &script);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    let bench = Bench { change: bench.propose(), ..bench };
    bench.approve();
    let mut shell = bench.begin_command("user/.local/state", "sh".as_ref());
    let words = format!(
        "umask 002; exec '{}' --url {} --key alice apply {} --file app.yaml --file deploy.sh -- ./deploy.sh now",
        env!("CARGO_BIN_EXE_countersign"),
        bench.world.server().url,
        bench.change
    );
    assert!(shell.args(["-c", &words]).status().unwrap().success());
    assert_eq!(bench.seen().unwrap(), "700\n600\n700\n");
}
