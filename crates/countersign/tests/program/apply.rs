//! The apply gate: exactly the approved bytes, exactly the approved command, once.

mod once;
mod stopped;

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    process::{Child, Command, Stdio},
    thread,
};

use countersign_core::{
    catalog::Level,
    statement::{Approval, Body, RevisionRef, Seen},
    subject::{FilesSubject, Subject},
};
use countersign_ledger::Digest;
use insta::assert_snapshot;
use serde_json::Value;

use crate::{
    support::{Run, until},
    world::World,
};

struct Bench {
    world: World,
    change: String,
}

impl Bench {
    /// A change of `app.yaml` and `deploy.sh`, proposed by alice and approved by bob. The script says what it sees.
    fn new(script: &str) -> Self {
        let world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior)]);
        world.stage.write("app.yaml", "timeout: 30\n");
        world.stage.write("secret.txt", "not part of the change\n");
        let seen = world.stage.path("seen");
        let path = world.stage.write(
            "deploy.sh",
            &format!("#!/bin/sh\n{{ pwd; ls -A; cat app.yaml; }} >> '{}'\n{script}\n", seen.display()),
        );
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        let mut bench = Self { world, change: String::new() };
        bench.change = bench.propose();
        bench.approve();
        bench
    }

    fn propose(&self) -> String {
        let run = self.world.say(
            "alice",
            &[
                "propose",
                "--again",
                "--target",
                "search/production",
                "--kind",
                "config",
                "--title",
                "Raise the timeout",
                "--why",
                "the bank answers within eight seconds",
                "--file",
                "app.yaml",
                "--file",
                "deploy.sh",
                "--command",
                "./deploy.sh now",
            ],
        );
        assert_eq!(run.status, 0, "{run}");
        run.json()["id"].as_str().unwrap().to_owned()
    }

    fn approve(&self) {
        let run = self.world.say("bob", &["approve", &self.change, "--file", "app.yaml", "--file", "deploy.sh"]);
        assert_eq!(run.status, 0, "{run}");
    }

    fn apply(&self, further: &[&str], command: &[&str]) -> Run {
        self.apply_as("alice", further, command)
    }

    fn apply_as(&self, who: &str, further: &[&str], command: &[&str]) -> Run {
        let args = ["apply", &self.change, "--file", "app.yaml", "--file", "deploy.sh"];
        self.world.say(who, &[&args[..], further, &["--"], command].concat())
    }

    /// Lets somebody's `countersign apply` run beside the test, on a machine of this name, with a temporary folder of its own.
    fn begin(&self, machine: &str, further: &[&str]) -> Child {
        self.begin_at(&self.world.server().url, machine, further)
    }

    fn begin_at(&self, url: &str, machine: &str, further: &[&str]) -> Child {
        let mut command = self.begin_command(machine, env!("CARGO_BIN_EXE_countersign").as_ref());
        command.args(["--url", url, "--key", "alice", "--format", "json", "apply", &self.change]);
        command.args(["--file", "app.yaml", "--file", "deploy.sh"]).args(further).arg("--").args(APPROVED);
        command.spawn().unwrap()
    }

    fn begin_command(&self, machine: &str, program: &std::ffi::OsStr) -> Command {
        let temporary = self.world.stage.path("tmp");
        fs::create_dir_all(&temporary).unwrap();
        let mut command = self.world.stage.command(program);
        command.env("XDG_STATE_HOME", self.world.stage.path(machine)).env("TMPDIR", temporary);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// What is left in the temporary folder of what was begun so.
    fn left_over(&self) -> Vec<String> {
        let names = fs::read_dir(self.world.stage.path("tmp")).unwrap();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn wait_for_seen(&self, word: &str) {
        until(word, || self.seen().is_some_and(|seen| seen.lines().any(|line| line == word)));
    }

    /// Asks for a permit and keeps it in a file.
    fn permit(&self) {
        let run = self.world.say("alice", &["permit", &self.change, "--out", "permit"]);
        assert_eq!(run.status, 0, "{run}");
    }

    fn seen(&self) -> Option<String> {
        fs::read_to_string(self.world.stage.path("seen")).ok()
    }

    fn view(&self) -> Value {
        self.world.say("alice", &["show", &self.change]).json()
    }
}

const APPROVED: [&str; 2] = ["./deploy.sh", "now"];

#[track_caller]
fn refused(run: &Run, code: &str) {
    assert_eq!(run.status, 3, "{run}");
    let error: Value = serde_json::from_str(run.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(error["error"]["code"], code, "{run}");
}

#[test]
fn the_approved_command_runs_over_a_private_copy_of_only_the_approved_files() {
    let bench = Bench::new("exit 0");
    let run = bench.apply(&[], &APPROVED);
    assert_eq!(run.status, 0, "{run}");
    let seen = bench.seen().unwrap();
    let (folder, rest) = seen.split_once('\n').unwrap();
    assert_eq!(rest, "app.yaml\ndeploy.sh\ntimeout: 30\n");
    assert_ne!(folder, bench.world.stage.path("").display().to_string());
    assert!(!std::path::Path::new(folder).exists(), "the copy is gone afterwards");
    let view = bench.view();
    assert_eq!((&view["state"], &view["permits"][0]["outcome"]), (&"applied".into(), &"applied".into()));
}

#[test]
fn bytes_that_are_changed_after_they_were_checked_are_not_what_runs() {
    let bench = Bench::new("exit 0");
    bench.permit();
    let permit = fs::read(bench.world.stage.path("permit")).unwrap();
    let pipe = bench.world.stage.path("pipe");
    assert!(bench.world.stage.command("mkfifo").arg(&pipe).status().unwrap().success());
    let run = thread::scope(|scope| {
        scope.spawn(|| {
            // The permit is read after the files were: whoever opens the other end has them already.
            let mut pipe = fs::OpenOptions::new().write(true).open(&pipe).unwrap();
            bench.world.stage.write("app.yaml", "timeout: 0\n");
            pipe.write_all(&permit).unwrap();
        });
        bench.apply(&["--permit", "pipe"], &APPROVED)
    });
    assert_eq!(run.status, 0, "{run}");
    assert!(bench.seen().unwrap().ends_with("timeout: 30\n"));
    assert_eq!(bench.world.stage.read("app.yaml"), "timeout: 0\n");
}

#[test]
fn what_the_command_does_to_the_originals_does_not_reach_its_copies() {
    let bench = Bench::new("exit 0");
    let original = bench.world.stage.path("app.yaml");
    bench.world.stage.write(
        "deploy.sh",
        &format!(
            "#!/bin/sh\necho 'timeout: 0' > '{}'\ncat app.yaml > '{}'\n",
            original.display(),
            bench.world.stage.path("seen").display()
        ),
    );
    let bench = Bench { change: bench.propose(), ..bench };
    bench.approve();
    assert_eq!(bench.apply(&[], &APPROVED).status, 0);
    assert_eq!(bench.seen().unwrap(), "timeout: 30\n");
}

#[test]
fn changed_bytes_are_refused() {
    let bench = Bench::new("exit 0");
    bench.world.stage.write("app.yaml", "timeout: 0\n");
    refused(&bench.apply(&[], &APPROVED), "another-content");
    bench.world.stage.write("app.yaml", "timeout: 30\n");
    bench.permit();
    bench.world.stage.write("app.yaml", "timeout: 0\n");
    refused(&bench.apply(&["--permit", "permit"], &APPROVED), "permit-for-another-transition");
    assert_eq!(bench.seen(), None);
}

#[test]
fn another_command_is_refused() {
    let bench = Bench::new("exit 0");
    for command in
        [&["./deploy.sh", "later"][..], &["./deploy.sh"], &["./deploy.sh", "now", "now"], &["./deploy.sh now"]]
    {
        refused(&bench.apply(&[], command), "another-command");
    }
    bench.permit();
    refused(&bench.apply(&["--permit", "permit"], &["./deploy.sh", "later"]), "permit-for-another-transition");
    assert_eq!(bench.seen(), None);
}

#[test]
fn a_file_that_is_left_out_or_added_is_refused() {
    let bench = Bench::new("exit 0");
    let apply = |files: &[&str]| {
        let files = files.iter().flat_map(|file| ["--file", file]).collect::<Vec<_>>();
        bench.world.say("alice", &[&["apply", &bench.change][..], &files, &["--"], &APPROVED].concat())
    };
    refused(&apply(&["app.yaml"]), "file-missing");
    refused(&apply(&["app.yaml", "deploy.sh", "secret.txt"]), "another-content");
    assert_eq!(bench.seen(), None);
}

#[test]
fn a_change_that_nobody_approved_is_refused_with_the_to_do_list() {
    let bench = Bench::new("exit 0");
    let bench = Bench { change: bench.propose(), ..bench };
    let run = bench.apply(&[], &APPROVED);
    refused(&run, "denied-by-rules");
    assert!(run.stderr.contains("second-pair-of-eyes"), "{run}");
    assert_eq!(bench.seen(), None);
}

#[test]
fn a_replayed_permit_is_refused() {
    let bench = Bench::new("exit 1");
    bench.permit();
    assert_eq!(bench.apply(&["--permit", "permit"], &APPROVED).status, 1);
    let seen = bench.seen();
    refused(&bench.apply(&["--permit", "permit"], &APPROVED), "permit-spent");
    assert_eq!(bench.seen(), seen, "the command ran once");
    // A failed change may be tried again, with a permit of its own.
    assert_eq!(bench.apply(&[], &APPROVED).status, 1);
    assert_ne!(bench.seen(), seen);
}

#[test]
fn somebody_elses_permit_is_refused() {
    let bench = Bench::new("exit 0");
    bench.permit();
    refused(&bench.apply_as("bob", &["--permit", "permit"], &APPROVED), "permit-for-another-gate");
    assert_eq!(bench.seen(), None);
}

#[test]
fn what_is_no_permit_is_refused() {
    let bench = Bench::new("exit 0");
    bench.world.stage.write("permit", "open sesame");
    let run = bench.apply(&["--permit", "permit"], &APPROVED);
    refused(&run, "malformed-permit");
    bench.permit();
    let text = bench.world.stage.read("permit");
    bench.world.stage.write("permit", &text[..text.len() / 2]);
    refused(&bench.apply(&["--permit", "permit"], &APPROVED), "malformed-permit");
    fs::copy(bench.world.stage.path("home/genesis.json"), bench.world.stage.path("permit")).unwrap();
    refused(&bench.apply(&["--permit", "permit"], &APPROVED), "not-a-permit");
    assert_eq!(bench.seen(), None);
}

#[test]
fn a_rejection_after_the_permit_closes_the_gate() {
    let bench = Bench::new("exit 0");
    bench.permit();
    let run = bench.world.say("bob", &["reject", &bench.change, "--why", "on second thought"]);
    assert_eq!(run.status, 0, "{run}");
    let run = bench.apply(&["--permit", "permit"], &APPROVED);
    refused(&run, "denied-by-gate");
    assert_eq!(bench.seen(), None);
}

#[test]
fn a_new_revision_after_the_permit_closes_the_gate() {
    let bench = Bench::new("exit 0");
    bench.permit();
    let run = bench.world.say("alice", &["revise", &bench.change, "--title", "Raise the timeout again"]);
    assert_eq!(run.status, 0, "{run}");
    refused(&bench.apply(&["--permit", "permit"], &APPROVED), "stale-revision");
    assert_eq!(bench.seen(), None);
}

#[test]
fn a_revoked_approver_after_the_permit_closes_the_gate() {
    let bench = Bench::new("exit 0");
    bench.permit();
    let listed = bench.world.stage.command("ssh-keygen").args(["-l", "-f", "bob.pub"]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let key = listed.split(' ').nth(1).unwrap();
    assert_eq!(bench.world.say("bob", &["revoke", key, "--why", "it was stolen"]).status, 0);
    refused(&bench.apply(&["--permit", "permit"], &APPROVED), "denied-by-gate");
    assert_eq!(bench.seen(), None);
}

#[test]
fn a_failed_command_ends_with_its_status_and_the_log_knows() {
    let bench = Bench::new("exit 7");
    let run = bench.apply(&[], &APPROVED);
    assert_eq!(run.status, 7, "{run}");
    let view = bench.view();
    assert_eq!((&view["state"], &view["permits"][0]["outcome"]), (&"failed".into(), &"failed".into()));
}

/// Standard output is the command's, so that what came of it is the last line of the other.
#[test]
fn what_came_of_a_command_is_told_to_programs() {
    for (script, status, result) in [("exit 0", 0, "applied"), ("exit 7", 7, "failed")] {
        let bench = Bench::new(script);
        let run = bench.apply(&[], &APPROVED);
        assert_eq!((run.status, run.stdout.as_str()), (status, ""), "{run}");
        let told: Value = serde_json::from_str(run.stderr.lines().last().unwrap()).unwrap();
        assert_eq!((&told["change"], &told["result"]), (&bench.change.as_str().into(), &result.into()), "{run}");
        assert_eq!(told["exit_status"], status, "{run}");
    }
}

#[test]
fn a_command_that_cannot_be_started_is_an_error_and_recorded() {
    let bench = Bench::new("exit 0");
    bench.world.stage.write("deploy.sh", "#!/nowhere/at/all\n");
    let bench = Bench { change: bench.propose(), ..bench };
    bench.approve();
    let run = bench.apply(&[], &APPROVED);
    assert_eq!(run.status, 1, "{run}");
    assert_snapshot!(run.stderr.lines().last().unwrap(), @r#"{"error":{"code":"command-not-started","message":"cannot run `./deploy.sh now`: No such file or directory (os error 2)","hint":"the permit is spent; when the command can be found, ask again"}}"#);
    assert_eq!(bench.view()["state"], "failed");
}

/// Whether a file can be run is part of what is approved, as its bytes are.
#[test]
fn the_bit_that_lets_a_file_be_run_is_approved_with_it() {
    let bench = Bench::new("exit 0");
    let path = bench.world.stage.path("deploy.sh");
    let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    assert_eq!(bench.view()["subject"]["executable"][0], "deploy.sh");
    mode(0o644);
    refused(&bench.apply(&[], &APPROVED), "another-mode");
    let bench = Bench { change: bench.propose(), ..bench };
    assert_eq!(bench.view()["subject"]["executable"], Value::Null);
    mode(0o755);
    let run = bench.world.say("bob", &["approve", &bench.change, "--file", "app.yaml", "--file", "deploy.sh"]);
    assert_eq!(run.status, 1, "{run}");
    assert!(run.stderr.contains("deploy.sh can be run only here"), "{run}");
    assert_eq!(bench.seen(), None);
}

#[test]
fn files_that_nobody_could_ever_apply_are_not_proposed() {
    let world = World::new(&[("alice", Level::Standard), ("bob", Level::Senior)]);
    world.stage.write("app.yaml", "timeout: 30\n");
    let words = ["--target", "search/production", "--kind", "config", "--title", "T", "--why", "a reason"];
    let run = world.say("alice", &[&["propose", "--again"], &words[..], &["--file", "app.yaml"]].concat());
    assert_eq!(run.status, 2, "{run}");
    assert_snapshot!(run.stderr, @r#"{"error":{"code":"usage","message":"a change of files says by which command they are applied, or nobody could ever apply it","hint":"add --command 'COMMAND', which `countersign apply` will run over a copy of these files"}}"#);
}

#[test]
fn a_change_that_was_applied_is_not_applied_again() {
    let bench = Bench::new("exit 0");
    assert_eq!(bench.apply(&[], &APPROVED).status, 0);
    let run = bench.apply(&[], &APPROVED);
    assert_eq!(run.status, 1, "{run}");
    assert!(run.stderr.contains("change-closed"), "{run}");
    assert_eq!(bench.seen().unwrap().matches("timeout").count(), 1);
}

#[test]
fn a_log_that_is_not_the_pinned_one_opens_nothing() {
    let mut bench = Bench::new("exit 0");
    let mut trust: Value = serde_json::from_str(&bench.world.stage.read("home/trust.json")).unwrap();
    trust["genesis"] = format!("sha256:{}", "0".repeat(64)).into();
    bench.world.stage.write("other-trust.json", &trust.to_string());
    let code = |run: &Run| {
        assert_eq!(run.status, 1, "{run}");
        let error: Value = serde_json::from_str(run.stderr.lines().last().unwrap()).unwrap();
        error["error"]["code"].as_str().unwrap().to_owned()
    };
    // Where the log was seen before, and where it is seen for the first time.
    assert_eq!(code(&bench.apply(&["--trust", "other-trust.json"], &APPROVED)), "log-refounded");
    bench.world.machine = "another".to_owned();
    assert_eq!(code(&bench.apply(&["--trust", "other-trust.json"], &APPROVED)), "wrong-trust-file");
    assert_eq!(bench.seen(), None);
    bench.world.machine = "a-third".to_owned();
    assert_eq!(bench.apply(&["--trust", "home/trust.json"], &APPROVED).status, 0);
}

/// Whatever way a word of the command leads to an original, it is refused; what stays in the copy is not.
#[test]
fn a_command_that_would_read_the_original_instead_is_refused() {
    let bench = Bench::new("exit 0");
    let stage = &bench.world.stage;
    let outside = stage.write("sub/extra.yaml", "a: 1\n").canonicalize().unwrap();
    std::os::unix::fs::symlink(&outside, stage.path("link")).unwrap();
    fs::hard_link(&outside, stage.path("another-name")).unwrap();
    let temporary = stage.path("").parent().unwrap().canonicalize().unwrap();
    let upwards = "../".repeat(temporary.components().count() + 1);
    let folder = outside.parent().unwrap().to_str().unwrap();
    let outside = outside.to_str().unwrap();
    let propose = |file: &str, command: &str| {
        let words = ["--target", "search/production", "--kind", "config", "--title", "T", "--why", "a reason"];
        let run = bench
            .world
            .say("alice", &[&["propose", "--again"], &words[..], &["--file", file, "--command", command]].concat());
        if run.status == 2 {
            assert!(run.stderr.contains("will run over a private copy"), "{run}");
        }
        run.status
    };
    for command in [
        format!("cat {outside}"),
        format!("cat {}", outside.replace('/', "//")),
        format!("cat {folder}/./../sub/extra.yaml"),
        format!("cat {upwards}{}", outside.trim_start_matches('/')),
        format!("curl -T{outside} x:"),
        format!("tool --file={outside}"),
        format!("sh -c 'cat \"{outside}\"'"),
        format!("sh -c 'cd {folder} && cat extra.yaml'"),
        format!("sh -c 'cat {folder}/*.yaml'"),
        format!("cat {}", stage.path("link").display()),
        format!("cat {}", stage.path("another-name").display()),
        "sh -c 'cat $HOME/../sub/extra.yaml'".to_owned(),
        "sh -c 'cat ~/../sub/extra.yaml'".to_owned(),
    ] {
        for file in [outside, "sub/extra.yaml"] {
            assert_eq!(propose(file, &command), 2, "{file}: {command}");
        }
    }
    for command in
        ["cat sub//extra.yaml", "cat ./sub/../sub/extra.yaml", "sh -c 'cat $PWD/sub/extra.yaml'", "ls /usr/bin"]
    {
        assert_eq!(propose("sub/extra.yaml", command), 0, "{command}");
    }
}

/// The check at `propose` is on the proposer's machine: a command that got past it is refused where it would run.
#[test]
fn a_command_that_was_proposed_past_the_check_does_not_read_the_original() {
    let mut bench = Bench::new("exit 0");
    let stage = &bench.world.stage;
    let original = stage.path("app.yaml").canonicalize().unwrap();
    let command = ["cat".to_owned(), original.to_str().unwrap().replace('/', "//")];
    let (deploy, app) = (fs::read(stage.path("deploy.sh")).unwrap(), fs::read(&original).unwrap());
    let (mut body, mut blobs) = crate::api::proposal("Read it");
    let files = [("app.yaml".to_owned(), Digest::of(app)), ("deploy.sh".to_owned(), Digest::of(deploy))].into();
    let executable = ["deploy.sh".to_owned()].into();
    let subject = Subject::Files(FilesSubject { files, executable, command: Some(command.to_vec()) });
    let Body::Proposal(proposal) = &mut body else { unreachable!() };
    blobs.retain(|blob| Digest::of(blob) != proposal.subject.digest);
    blobs.push(subject.to_blob().unwrap());
    (proposal.subject, proposal.targets) =
        (subject.reference().unwrap(), ["search/production".parse().unwrap()].into());
    let said = bench.world.voice("alice").say(body, &blobs).unwrap();
    bench.change = said.change.unwrap().to_string();
    let approval = Body::Approval(Approval {
        change: bench.change.parse().unwrap(),
        reviewed: subject.reference().unwrap(),
        revision: RevisionRef { number: 1, digest: said.statement },
        seen: Seen::Computed,
        targets: ["search/production".parse().unwrap()].into(),
        within: None,
    });
    bench.world.voice("bob").say(approval, &[]).unwrap();
    let run = bench.apply(&[], &[&command[0], &command[1]]);
    assert!(run.stderr.contains("will run over a private copy"), "{run}");
    assert!(run.status != 0 && !run.stdout.contains("timeout: 30"), "{run}");
    // What was asked for opened nothing.
    let view = bench.view();
    assert!(view["permits"].as_array().unwrap().iter().all(|permit| permit["outcome"].is_null()), "{view}");
}
