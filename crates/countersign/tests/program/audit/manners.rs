//! How the audit behaves on somebody else's machine.

use std::{
    fs,
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _, symlink},
        process::CommandExt as _,
    },
    process::{Command, Stdio},
};

use insta::assert_snapshot;

use super::{
    history::{Commit, EPOCH, History},
    shop,
};
use crate::support::Stage;

/// A `git` that says that it was asked for contents, and then never answers.
fn stuck_git(stage: &Stage, path: &str) {
    let real = path.split(':').map(|folder| format!("{folder}/git")).find(|git| fs::metadata(git).is_ok()).unwrap();
    let started = stage.path("started");
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *' diff-tree '*) : >'{}'; exec sleep 60 ;; esac\nexec '{real}' \"$@\"\n",
        started.display()
    );
    let git = stage.write("bin/git", &script);
    fs::set_permissions(git, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn ctrl_c_leaves_nothing_behind() {
    let stage = Stage::new();
    stage.bare("shop.git", &shop());
    for folder in ["tmp", "out", "bin"] {
        fs::create_dir(stage.path(folder)).unwrap();
    }
    let path = std::env::var("PATH").unwrap();
    stuck_git(&stage, &path);
    for signal in ["INT", "TERM", "HUP"] {
        let started = stage.path("started");
        let mut audit = stage
            .command(env!("CARGO_BIN_EXE_countersign"))
            .args(["audit", "shop.git", "--out", "out/report.txt"])
            .env("PATH", format!("{}:{path}", stage.path("bin").display()))
            .env("TMPDIR", stage.path("tmp"))
            // As in a terminal, where Ctrl-C reaches a whole group of processes.
            .process_group(0)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        while !started.exists() {
            assert!(audit.try_wait().unwrap().is_none(), "it ended, and git was never asked for contents");
            std::thread::yield_now();
        }
        let group = format!("-{}", audit.id());
        let kill = |signal: &str| {
            Command::new("kill").args([signal, "--", &group]).stderr(Stdio::null()).status().unwrap().success()
        };
        assert!(kill(&format!("-{signal}")));
        let output = audit.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), said.as_ref()), (Some(130), "error: interrupted\n"), "{signal}");
        assert_eq!(fs::read_dir(stage.path("tmp")).unwrap().count(), 0);
        assert_eq!(fs::read_dir(stage.path("out")).unwrap().count(), 0);
        // One that was started in that very moment, and that would wait for a reader who has gone.
        kill("-KILL");
        fs::remove_file(&started).unwrap();
    }
}

/// A pipe's reader gets the report, a link stays a link, and a file keeps its mode.
#[test]
fn what_out_names_is_not_replaced_by_something_else() {
    let stage = Stage::new();
    stage.bare("shop.git", &shop());
    let told = stage.run("audit shop.git").stdout;
    stage.write("real.txt", "old");
    fs::set_permissions(stage.path("real.txt"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("real.txt", stage.path("link.txt")).unwrap();
    symlink("nowhere.txt", stage.path("dangling.txt")).unwrap();
    assert_eq!(stage.run("audit shop.git --out link.txt").status, 0);
    assert_eq!(stage.run("audit shop.git --out dangling.txt").status, 0);
    assert!(stage.path("link.txt").is_symlink() && stage.path("dangling.txt").is_symlink());
    assert_eq!((stage.read("real.txt"), stage.read("nowhere.txt")), (told.clone(), told.clone()));
    assert_eq!(fs::metadata(stage.path("real.txt")).unwrap().permissions().mode() & 0o777, 0o640);
    let made = stage.command("mkfifo").arg("pipe").status().unwrap();
    assert!(made.success());
    let pipe = stage.path("pipe");
    let reader = std::thread::spawn(move || fs::read_to_string(pipe).unwrap());
    assert_eq!(stage.run("audit shop.git --out pipe").status, 0);
    assert_eq!(reader.join().unwrap(), told);
    assert!(fs::metadata(stage.path("pipe")).unwrap().file_type().is_fifo());
    assert_snapshot!(stage.run("audit shop.git --out ."), @r"
    status 1
    --- stderr
    error: cannot write .: it is a folder
    hint: name a file in a folder that exists and that you may write to
    ");
}

#[test]
fn minutes_are_minutes() {
    let stage = Stage::new();
    let mut history = History::default();
    for at in 0..6_usize {
        let parents: Vec<usize> = (at > 0).then_some(at).into_iter().collect();
        let landed = EPOCH + i64::try_from(at).unwrap() * 86_400;
        history.commit(&Commit { parents: &parents, written_before: 300, at: landed, ..Commit::default() });
    }
    stage.bare("five.git", &history);
    let run = stage.run("audit five.git");
    assert!(run.stdout.contains("half within 5 minutes, nine of ten within 5 minutes"), "{run}");
    let median = stage.audit("five.git")["carrying"]["median_days"].as_f64().unwrap();
    assert!((median * 1440.0 - 5.0).abs() < 0.01, "{median}");
}
