//! Calendars that are subscribed to: fetched by the server from an address on this machine, and what becomes of it where the address
//! answers otherwise.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
};

use countersign::{clock, subscriptions, wire::rfc3339};

use crate::world::World;

/// Answers everybody with what it has now.
fn address(answer: &Arc<Mutex<String>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = Arc::clone(answer);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut asked = [0_u8; 4_096];
            let _ = stream.read(&mut asked);
            let _ = stream.write_all(answer.lock().unwrap().as_bytes());
        }
    });
    format!("http://127.0.0.1:{port}/team.ics")
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn ics(now: &str) -> String {
    let day = now.split('T').next().unwrap().replace('-', "");
    ok(&format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nX-WR-TIMEZONE:UTC\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Nobody reads this\r\n\
         DTSTART;VALUE=DATE:{day}\r\nDURATION:P3D\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    ))
}

#[test]
fn a_server_fetches_what_is_subscribed_to_and_a_gate_obeys() {
    let world = World::usual();
    let answer = Arc::new(Mutex::new(
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".to_owned(),
    ));
    let from = address(&answer);
    world.stage.write(
        "home/calendars/team.yaml",
        &format!("use: freeze\nsystems: [search]\nfrom: {from}\nbecause: The fair\n"),
    );
    let amended = world.say("alice", &["amend", "home", "--why", "the fair's calendar"]).done();
    let amended = amended["change"].as_str().unwrap().to_owned();
    world.say("bob", &["approve", &amended]).done();
    world.say("bob", &["publish", &amended]).done();
    world.edit("faster", "search/limit", "11\n");
    let change = world.propose("alice", &["search/production"]);
    world.approve("bob", &change);
    let server = world.server();
    let looked = || server.block_on(subscriptions::once(&server.engine)).unwrap();
    // It points elsewhere: nobody goes there, and nothing is taken away.
    looked();
    let said = world.say("dave", &["calendar"]).done();
    assert_eq!((&said["subscribed"][0]["stale"], &said["now"].as_array().unwrap().len()), (&true.into(), &0), "{said}");
    *answer.lock().unwrap() = ics(&rfc3339(clock::now()));
    looked();
    let said = world.say("dave", &["calendar"]).done();
    assert_eq!((&said["subscribed"][0]["events"], &said["now"][0]["calendar"]), (&1.into(), &"team".into()), "{said}");
    let push = world.push(&["HEAD:main"]);
    push.is_refused("denied-by-rules");
    assert!(push.raw.contains("the end of freeze team"), "{}", push.said);
    // An address that answers is looked after by nobody.
    let raise = |days: i64| {
        let since = clock::now().plus_secs(-days * 24 * 60 * 60);
        server.block_on(server.engine.raise_stale("team", since)).unwrap()
    };
    assert_eq!(raise(7), 0);
    // Broken, or gone: what was heard holds.
    *answer.lock().unwrap() = ok("<html>");
    looked();
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
    // It is taken out again like any file that governs.
    std::fs::remove_file(world.stage.path("home/calendars/team.yaml")).unwrap();
    world.say("alice", &["amend", "home", "--why", "the fair is over"]).done();
}

#[test]
fn the_policy_group_is_asked_about_an_address_that_was_never_fetched_and_doctor_says_whom_one_names_in_vain() {
    let world = World::usual();
    let answer = Arc::new(Mutex::new("HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned()));
    let from = address(&answer);
    world.stage.write("home/calendars/away.yaml", &format!("use: absence\nfrom: {from}\n"));
    let amended = world.say("alice", &["amend", "home", "--why", "who is away"]).done();
    let amended = amended["change"].as_str().unwrap().to_owned();
    world.say("bob", &["approve", &amended]).done();
    world.say("bob", &["publish", &amended]).done();
    let server = world.server();
    let raise = |minutes: i64| {
        let since = clock::now().plus_secs(-minutes * 60);
        server.block_on(server.engine.raise_stale("away", since)).unwrap()
    };
    assert_eq!((raise(10), raise(61), raise(61)), (0, 1, 0));
    let found = world.say("dave", &["findings", "--open"]).done();
    assert_eq!((&found[0]["kind"], &found[0]["who"]), (&"calendar-stale".into(), &serde_json::json!(["alice", "bob"])));
    let words = "nothing was ever fetched for calendar away from its address, so that it takes nothing away";
    assert_eq!(found[0]["said"], words);
    let doctor = || world.stage.run("--format json doctor --home home").json();
    let said = |run: &serde_json::Value| {
        let found = run["findings"].as_array().unwrap().iter().find(|found| found["check"] == "subscribed").unwrap();
        format!("{}: {}", found["state"].as_str().unwrap(), found["said"].as_str().unwrap())
    };
    let gone = said(&doctor());
    assert!(
        gone.starts_with("wrong: calendar away cannot be fetched from") && gone.ends_with("it answers with 500"),
        "{gone}"
    );
    *answer.lock().unwrap() = ics(&rfc3339(clock::now()));
    let unknown = said(&doctor());
    assert_eq!(
        unknown,
        "doubtful: calendar away says when these are away, and nobody here is called so: `Nobody reads this`"
    );
    let id = found[0]["id"].as_str().unwrap();
    world.say("alice", &["review", id, "--answer", "the provider had moved it"]).done();
}
