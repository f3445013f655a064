//! What a cosigner answers to whoever asks it.

use std::{
    net::TcpListener,
    sync::{Mutex, mpsc},
};

use super::{World, free_address};
use crate::proxy::{Answer, Proxy};

#[test]
fn a_cosigner_answers_as_the_protocol_says_and_never_goes_back() {
    let one = free_address();
    let world = World::new(&[&one]);
    let mut first = world.cosigner("one", &one, &world.url());
    world.trust("trust.json", 1, &mut [&mut first]);
    world.until_cosigned("trust.json");
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let get = |address: &str| agent.get(address).call().unwrap().body_mut().read_to_string().unwrap();
    let early = get(&format!("{}/checkpoint", world.url()));
    world.grow(&world.url(), "more");
    let size = world.until_cosigned("trust.json");
    let note = get(&format!("{}/checkpoint", world.url()));

    let post = |body: &str| {
        let mut answer = agent.post(format!("http://{one}/add-checkpoint")).send(body).unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), kind, answer.body_mut().read_to_string().unwrap())
    };
    let status = |body: &str| post(body).0;
    let from = |old: u64, note: &str| format!("old {old}\n\n{note}");
    assert_eq!(post(&from(0, &note)), (409, "text/x.tlog.size".to_owned(), format!("{size}\n")));
    assert_eq!(status("hello"), 400);
    assert_eq!(status(&"x".repeat(200_000)), 400);
    assert_eq!(status(&from(size, &early)), 400);
    assert_eq!(status(&from(1, &early)), 409);
    let signature = |note: &str| note.lines().last().unwrap().to_owned();
    assert_eq!(status(&from(size, &note.replace(&signature(&note), &signature(&early)))), 403);
    assert_eq!(status(&from(size, &note.replacen("log\n", "another\n", 1))), 404);
    let proof = note.lines().nth(2).unwrap();
    assert_eq!(status(&format!("old {size}\n{proof}\n\n{note}")), 422);
    let (code, _, line) = post(&from(size, &note));
    assert!(code == 200 && line.starts_with("— one.example/f "), "{code} {line}");
    let page = get(&format!("http://{one}/"));
    let path = page.lines().find_map(|line| line.strip_prefix("GET  ")).unwrap();
    assert_eq!(get(&format!("http://{one}{path}")), format!("{note}{line}"));
}

/// Whoever answers in a cosigner's place cannot make the server ask others for something.
#[test]
fn a_cosigner_that_sends_on_leads_nowhere() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let to = format!("http://{}/admin?delete=1", elsewhere.local_addr().unwrap());
    let (asked, was_asked) = mpsc::channel();
    let asked = Mutex::new(asked);
    let sending_on = Proxy::before("127.0.0.1:1", move |method, path| {
        // Nobody counts any more when the test is over.
        drop(asked.lock().unwrap().send(format!("{method} {path}")));
        Answer::SentOn(to.clone())
    });
    let world = World::new(&[sending_on.url.trim_start_matches("http://")]);
    assert_eq!(was_asked.recv().unwrap(), "POST /add-checkpoint");
    world.grow(&world.url(), "more");
    // The first question is over when the second comes.
    assert_eq!(was_asked.recv().unwrap(), "POST /add-checkpoint");
    let came = elsewhere.accept().map(drop).unwrap_err();
    assert_eq!(came.kind(), std::io::ErrorKind::WouldBlock);
}
