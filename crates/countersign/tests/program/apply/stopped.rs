//! An `apply` that is asked to stop, or is cut off: what became of the change is recorded, and nothing is left behind.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::*;
use crate::{
    lying::{Liar, Log},
    proxy::{Answer, Proxy},
};

/// Sends a signal as a supervisor does: to `apply` alone.
fn tell(child: &Child, signal: &str) {
    let told = Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())]).status().unwrap();
    assert!(told.success());
}

/// Runs until it is told to end, and says what it sees.
fn waiting(trap: &str) -> Bench {
    let world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior)]);
    let seen = world.stage.path("seen");
    let bench = Bench { world, change: String::new() };
    bench.world.stage.write("app.yaml", "timeout: 30\n");
    let script = format!("#!/bin/sh\n{trap}\necho began >> '{}'\nwhile :; do sleep 0.05; done\n", seen.display());
    let script = script.replace("SEEN", &seen.display().to_string());
    let path = bench.world.stage.write("deploy.sh", &script);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    let bench = Bench { change: bench.propose(), ..bench };
    bench.approve();
    bench
}

#[test]
fn a_signal_is_passed_on_and_what_the_command_ends_with_is_recorded() {
    for signal in ["TERM", "INT", "HUP"] {
        let bench = waiting(&format!("trap 'echo cleaned >> SEEN; exit 7' {signal}"));
        let mut apply = bench.begin("user/.local/state", &[]);
        bench.wait_for_seen("began");
        tell(&apply, signal);
        assert_eq!(apply.wait().unwrap().code(), Some(7), "{signal}");
        assert_eq!(bench.seen().unwrap().lines().last(), Some("cleaned"), "{signal}");
        assert_eq!(bench.view()["permits"][0]["outcome"], "failed", "{signal}");
        assert_eq!(bench.left_over(), Vec::<String>::new(), "{signal}");
    }
}

#[test]
fn a_command_that_a_signal_ends_is_reported_as_shells_do() {
    let bench = waiting("");
    let mut apply = bench.begin("user/.local/state", &[]);
    bench.wait_for_seen("began");
    tell(&apply, "TERM");
    assert_eq!(apply.wait().unwrap().code(), Some(128 + 15));
    assert_eq!(bench.view()["state"], "failed");
    assert_eq!(bench.left_over(), Vec::<String>::new());
}

/// The program is killed while the command runs: what it left `applying` is settled by whoever runs it, once it is over.
#[test]
fn what_a_crash_left_applying_is_settled() {
    let bench = waiting("echo $$ > SEEN.process");
    let mut apply = bench.begin("user/.local/state", &[]);
    bench.wait_for_seen("began");
    let resume = |who: &str, further: &[&str]| {
        let run = bench.world.say(who, &[&["apply", "--resume", &bench.change], further].concat());
        let error = run.stderr.lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok());
        (run.status, error.map(|error| error["error"]["code"].as_str().unwrap().to_owned()))
    };
    assert_eq!(resume("alice", &[]), (1, Some("still-running".to_owned())));
    apply.kill().unwrap();
    apply.wait().unwrap();
    assert_eq!(bench.view()["state"], "applying");
    assert_eq!(bench.left_over().len(), 1);
    // The command is not over because the program is.
    assert_eq!(resume("alice", &[]), (1, Some("still-running".to_owned())));
    let process = bench.world.stage.read("seen.process");
    assert!(Command::new("sh").args(["-c", &format!("kill -9 {process}")]).status().unwrap().success());
    until("it has ended", || resume("alice", &[]).0 == 0);
    assert_eq!(bench.view()["state"], "failed");
    assert_eq!(bench.left_over(), Vec::<String>::new());
    assert_eq!(resume("alice", &[]), (1, Some("nothing-to-resume".to_owned())));
    assert_eq!(resume("bob", &["--lost"]), (1, Some("nothing-to-resume".to_owned())));
}

#[test]
fn what_a_lost_machine_left_applying_is_settled_elsewhere() {
    let bench = waiting("");
    let mut apply = bench.begin("lost", &[]);
    bench.wait_for_seen("began");
    let run = bench.apply(&[], &APPROVED);
    assert_eq!(run.status, 1, "{run}");
    assert!(run.stderr.contains("\"already-applying\""), "{run}");
    let resume =
        |further: &[&str]| bench.world.say("alice", &[&["apply", "--resume", &bench.change], further].concat());
    assert_eq!(resume(&[]).status, 1);
    assert_eq!(resume(&["--lost"]).status, 0);
    assert_eq!(bench.view()["state"], "failed");
    // That it was not lost, and ended, is no longer taken.
    tell(&apply, "TERM");
    assert_eq!(apply.wait().unwrap().code(), Some(128 + 15));
    assert_eq!(bench.view()["permits"].as_array().unwrap().len(), 1);
}

/// The server takes its time, and whoever waits for it gives up.
#[test]
fn what_is_stopped_before_it_begins_leaves_no_copy() {
    for signal in ["INT", "TERM", "KILL"] {
        let bench = Bench::new("exit 0");
        let asked = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&asked);
        let slow = Proxy::before(&bench.world.server().url, move |method, path| {
            if method == "POST" {
                seen.store(true, Ordering::SeqCst);
                loop {
                    thread::park();
                }
            }
            Answer::Of(path.to_owned())
        });
        let mut apply = bench.begin_at(&slow.url, "user/.local/state", &[]);
        until("a permit is asked for", || asked.load(Ordering::SeqCst));
        tell(&apply, signal);
        assert!(!apply.wait().unwrap().success(), "{signal}");
        assert_eq!(bench.left_over(), Vec::<String>::new(), "{signal}");
        assert_eq!(bench.seen(), None);
    }
}

/// What a server shows of a change may leave out its newest leaves, the permit among them: an outcome is not forgotten for that.
#[test]
fn a_server_that_leaves_out_the_permit_has_no_outcome_forgotten() {
    let bench = Bench::new("exit 0");
    bench.permit();
    let deaf = {
        let posts = std::sync::atomic::AtomicUsize::new(0);
        Proxy::before(&bench.world.server().url, move |method, path| match method {
            // The start is taken, and then nothing more.
            "POST" if posts.fetch_add(1, Ordering::SeqCst) > 0 => Answer::Silence,
            _ => Answer::Of(path.to_owned()),
        })
    };
    let size = usize::try_from(Log::of(&bench.world).size()).unwrap() - 3;
    let args = ["apply", &bench.change, "--file", "app.yaml", "--file", "deploy.sh", "--permit", "permit", "--"];
    let run = bench.world.say_to(&deaf.url, "alice", &[&args[..], &APPROVED].concat());
    assert_eq!(run.status, 0, "{run}");
    assert_eq!(bench.view()["state"], "applying");
    let mut log = Log::of(&bench.world);
    log.unshown = (size..log.leaves.len()).collect();
    let liar = Liar::takes(&bench.world, log, |_, _, _| Answer::Silence);
    let run = bench.world.say_to(&liar.url, "alice", &["apply", "--resume"]);
    assert_eq!(run.status, 1, "{run}");
    let run = bench.world.say("alice", &["apply", "--resume"]);
    assert_eq!(run.status, 0, "{run}");
    assert_eq!(run.json()["settled"][0]["result"], "applied", "{run}");
    assert_eq!(bench.view()["state"], "applied");
}

/// The journal of this machine's apply gate.
fn journal(bench: &Bench) -> std::path::PathBuf {
    let mut folders: Vec<_> = vec![bench.world.stage.path("user/.local/state/countersign")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "jsonl") {
                return path;
            }
        }
    }
    panic!("there is no journal");
}

/// Lets a command run on alone.
fn orphaned(bench: &Bench) -> String {
    let mut apply = bench.begin("user/.local/state", &[]);
    let process = bench.world.stage.path("seen.process");
    until("it began", || fs::read_to_string(&process).is_ok_and(|text| text.ends_with('\n')));
    until("its process is written down", || fs::read_to_string(journal(bench)).unwrap().contains("\"running\""));
    apply.kill().unwrap();
    apply.wait().unwrap();
    let text = fs::read_to_string(&process).unwrap().trim().to_owned();
    fs::remove_file(process).unwrap();
    text
}

fn end(process: &str) {
    assert!(Command::new("sh").args(["-c", &format!("kill -9 {process}")]).status().unwrap().success());
}

fn edit_journal(bench: &Bench, edit: impl Fn(&mut Value) -> bool) {
    let path = journal(bench);
    let text = fs::read_to_string(&path).unwrap();
    let mut kept = String::new();
    for line in text.lines() {
        let mut event: Value = serde_json::from_str(line).unwrap();
        if edit(&mut event) {
            kept += &format!("{event}\n");
        }
    }
    fs::write(path, kept).unwrap();
}

fn waiting_with_process() -> Bench {
    waiting("echo $$ > SEEN.process")
}

/// Numbers of processes are given out again.
#[test]
fn a_process_of_the_same_number_holds_up_no_resume() {
    let bench = waiting_with_process();
    end(&orphaned(&bench));
    edit_journal(&bench, |event| {
        if event["event"] == "running" {
            // This one runs as long as the test does.
            event["process"]["id"] = std::process::id().into();
        }
        true
    });
    until("it is settled", || bench.world.say("alice", &["apply", "--resume"]).status == 0);
    assert_eq!(bench.view()["state"], "failed");
    assert_eq!(bench.left_over(), Vec::<String>::new());
}

/// The program was killed before it could write down which process its command runs in.
#[test]
fn a_command_whose_process_nobody_wrote_down_is_known_to_run() {
    let bench = waiting_with_process();
    let process = orphaned(&bench);
    edit_journal(&bench, |event| event["event"] != "running");
    let run = bench.world.say("alice", &["apply", "--resume"]);
    assert!(run.status == 1 && run.stderr.contains("\"still-running\""), "{run}");
    assert_eq!(run.json()["running"][0], bench.change.as_str(), "{run}");
    assert_eq!(bench.view()["state"], "applying");
    end(&process);
    until("it is settled", || bench.world.say("alice", &["apply", "--resume"]).status == 0);
    assert_eq!(bench.view()["state"], "failed");
}

/// What runs on alone keeps its copy, and keeps nothing else from being settled.
#[test]
fn a_command_that_runs_on_holds_up_nothing_but_itself() {
    let mut bench = waiting_with_process();
    let (first, running) = (bench.change.clone(), orphaned(&bench));
    let mut others = Vec::new();
    for _ in 0..3 {
        bench.change = bench.propose();
        bench.approve();
        end(&orphaned(&bench));
        others.push(bench.change.clone());
    }
    let state = |change: &str| bench.world.state(change);
    until("the others are settled", || {
        let run = bench.world.say("alice", &["apply", "--resume"]);
        assert!(run.status == 1 && run.stderr.contains("\"still-running\""), "{run}");
        others.iter().all(|change| state(change) == "failed")
    });
    assert_eq!(state(&first), "applying");
    assert_eq!(bench.left_over().len(), 1, "the copy that the first one runs over");
    end(&running);
    until("it is settled", || bench.world.say("alice", &["apply", "--resume"]).status == 0);
    assert_eq!((state(&first).as_str(), bench.left_over().len()), ("failed", 0));
}
