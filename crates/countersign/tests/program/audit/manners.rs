//! How the audit behaves on somebody else's machine.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    process::{Command, Stdio},
};

use super::shop;
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
