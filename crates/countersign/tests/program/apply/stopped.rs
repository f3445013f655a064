//! An `apply` that is asked to stop, or is cut off: what became of the change is recorded, and nothing is left behind.

use super::*;

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
