//! What is loud is told to one address: as CloudEvents of ids and links, until it takes them.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::world::World;

/// Listens, refuses the first of what comes, and hands on what it took after that.
fn pager() -> (String, mpsc::Receiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for (nth, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut length, mut kind, mut line) = (0, String::new(), String::new());
            while reader.read_line(&mut line).unwrap() > 2 {
                let (name, value) = line.split_once(':').unwrap_or_default();
                match name.to_ascii_lowercase().as_str() {
                    "content-length" => length = value.trim().parse().unwrap(),
                    "content-type" => kind = value.trim().to_owned(),
                    _ => {}
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let status = if nth == 0 { "503 Busy" } else { "204 No Content" };
            write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            // The first is refused, and comes again.
            if nth > 0 && sender.send((kind, serde_json::from_slice(&body).unwrap())).is_err() {
                return;
            }
        }
    });
    (url, receiver)
}

#[test]
fn broken_glass_freezes_and_findings_are_told_to_one_address_until_it_takes_them() {
    let world = World::usual();
    let (url, told) = pager();
    world.server().notify(&url);
    world.edit("fix", "payments/retries", "5\n");
    let change = world.propose("alice", &["payments/production"]);
    world.say("alice", &["break-glass", &change, "--why", "orders fail", "--incident", "INC-4711"]).done();
    world.push(&["HEAD:main"]).passes();
    world.say("bob", &["findings", "--open"]).done();
    world.say("bob", &["freeze", "--all", "--for", "1h", "--why", "wait for the mend"]).done();
    let next = || {
        let (kind, event) = told.recv_timeout(Duration::from_secs(120)).unwrap();
        assert!(kind.starts_with("application/cloudevents+json"), "{kind}");
        // Neither who nor why.
        let text = event.to_string();
        assert!(!["alice", "bob", "orders fail", "INC-4711", "mend"].iter().any(|word| text.contains(word)), "{text}");
        event
    };
    let broken = next();
    assert_eq!((&broken["specversion"], &broken["type"]), (&"1.0".into(), &"x-countersign.break-glass".into()));
    assert_eq!(broken["subject"], format!("change/{change}"));
    assert_eq!(broken["data"]["links"]["change"], format!("/v1/changes/{change}"));
    let raised = next();
    assert_eq!(
        (&raised["type"], &raised["data"]["kind"]),
        (&"x-countersign.finding-raised".into(), &"glass-broken".into())
    );
    assert_eq!(raised["data"]["targets"], serde_json::json!(["payments/production"]));
    let frozen = next();
    assert_eq!(frozen["type"], "x-countersign.freeze");
    assert_ne!(broken["id"], frozen["id"]);
}
