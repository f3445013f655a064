//! More connections than a server can have: that ask nothing, that trickle, and files that ran out.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use countersign::{
    api::{self, Patience, Reached},
    clock,
};

use super::{get, serve_from};
use crate::support::Stage;

/// As many connections as there can be, all of them idle: who comes is served, and at once.
#[test]
fn connections_that_ask_nothing_stop_nobody() {
    let stage = Stage::with_keys(&["ada", "grace"]);
    stage.home_of_two();
    let (server, address) = serve_from(&stage, "ulimit -n 128;");
    let mut idle = Vec::new();
    for n in 0..300 {
        let mut stream = TcpStream::connect(&address).unwrap();
        // Some have asked before, some have begun to.
        match n % 3 {
            0 => stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap(),
            1 => stream.write_all(b"POST /v1/statements HTTP/1.1\r\nHos").unwrap(),
            _ => {}
        }
        idle.push(stream);
    }
    let began = clock::now();
    for _ in 0..20 {
        assert!(get(&address, "localhost").starts_with("HTTP/1.1 200 "));
    }
    assert!(clock::now().secs_since(began) < 10, "{} s", clock::now().secs_since(began));
    drop(idle);
    drop(server);
}

/// Somebody who begins to send a statement.
fn begin(address: &str) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address).ok()?;
    let head = "POST /v1/statements HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n{";
    stream.write_all(head.as_bytes()).ok()?;
    stream.set_nonblocking(true).ok()?;
    Some(stream)
}

/// They never stand still, and come back when they are closed: who asks in one piece is answered all the same.
#[test]
fn connections_that_trickle_stop_nobody() {
    let stage = Stage::with_keys(&["ada", "grace"]);
    stage.home_of_two();
    // Room for 40.
    let (server, address) = serve_from(&stage, "ulimit -n 104;");
    let asked = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut trickling: Vec<TcpStream> = Vec::new();
            while !asked.load(Ordering::SeqCst) {
                trickling.retain_mut(|stream| match stream.write(b" ") {
                    Ok(_) => true,
                    Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
                });
                while trickling.len() < 100 {
                    trickling.extend(begin(&address));
                }
                thread::sleep(Duration::from_millis(300));
            }
        });
        let all_came = || std::fs::read_dir(format!("/proc/{}/fd", server.0.id())).map_or(true, |fds| fds.count() > 40);
        crate::support::until("it is crowded", all_came);
        let answers: Vec<String> = (0..3).map(|_| get(&address, "localhost")).collect();
        asked.store(true, Ordering::SeqCst);
        for answer in answers {
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
    });
    let log = stage.read("serve.log");
    assert!(!log.contains("cannot be taken"), "it had files left for itself: {log}");
    drop(server);
}

/// It says so, takes what room it can make, and goes on.
#[cfg(target_os = "linux")]
#[test]
fn a_server_that_runs_out_of_files_goes_on() {
    use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
    let stage = Stage::with_keys(&["ada", "grace"]);
    stage.home_of_two();
    let (server, address) = serve_from(&stage, "");
    let healthy = || get(&address, "localhost").starts_with("HTTP/1.1 200 ");
    assert!(healthy());
    let id = server.0.id();
    let files = || std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().count();
    let limit = |files: u64| {
        let pid = Pid::from_raw(i32::try_from(id).unwrap());
        prlimit(pid, Resource::Nofile, Rlimit { current: Some(files), ..getrlimit(Resource::Nofile) }).unwrap();
    };
    // Some are open for a moment only, as where the log stands is written down.
    limit(files() as u64 + 4);
    let idle: Vec<TcpStream> = (0..12).map(|_| TcpStream::connect(&address).unwrap()).collect();
    crate::support::until("it says so", || stage.read("serve.log").contains("connections cannot be taken"));
    assert!(healthy(), "who asks nothing gave way");
    limit(1_024);
    assert!(healthy() && healthy());
    drop(idle);
    drop(server);
}

/// Who is slow is waited for, and not for ever: for a first request, for the rest of a head, for another request, for the rest of a
/// body, and for a reader. Those who ask meanwhile are answered.
#[test]
fn nobody_is_waited_for_beyond_the_patience_that_is_set() {
    let world = super::two();
    let server = world.server();
    let listener = server.block_on(api::bind(([127, 0, 0, 1], 0).into())).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (short, engine) = (Duration::from_millis(300), Arc::clone(&server.engine));
    let reached = Reached { patience: Patience { head: short, stalled: short }, ..Reached::default() };
    let serving = async move { api::serve_as(reached, engine, listener, std::future::pending()).await };
    server.block_on(async { drop(tokio::spawn(serving)) });
    for (waits_for, sent) in [
        ("a first request", ""),
        ("the rest of a head", "GET /healthz HTTP/1.1\r\nHos"),
        ("another request", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ("the rest of a body", "POST /v1/statements HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n{"),
    ] {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(sent.as_bytes()).unwrap();
        // It ends because the server ends it: nothing more is sent, and nobody here gives up before a minute.
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let was_ended = read.as_ref().is_ok() || read.as_ref().is_err_and(|e| e.kind() == ErrorKind::ConnectionReset);
        assert!(was_ended, "{waits_for}: {read:?}");
        let answer = String::from_utf8(answer).unwrap();
        assert_eq!(answer.contains(" 200 OK"), waits_for == "another request", "{waits_for}: {answer}");
        assert!(get(&address, "localhost").starts_with("HTTP/1.1 200 "), "{waits_for}");
    }
}
