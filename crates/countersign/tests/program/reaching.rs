//! How a server is reached: redirects, and proxies that nobody asked for.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use countersign_core::catalog::Level;

use crate::{
    proxy::{Answer, Proxy},
    world::World,
};

fn world() -> World {
    World::governed(&[("alice", Level::Standard), ("bob", Level::Senior)])
}

#[test]
fn a_question_is_sent_on_within_the_server_and_nowhere_else() {
    let world = world();
    let honest = world.server().url.clone();
    let within = Proxy::before(&honest, |_, path| match path.strip_prefix("/moved") {
        Some(path) => Answer::Of(path.to_owned()),
        None => Answer::SentOn(format!("/moved{path}")),
    });
    let run = world.say_to(&within.url, "alice", &["list"]);
    assert_eq!(run.status, 0, "{run}");
    let asked = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&asked);
    let elsewhere = Proxy::before(&honest, move |_, path| {
        counts.fetch_add(1, Ordering::SeqCst);
        Answer::Of(path.to_owned())
    });
    let other = elsewhere.url.clone();
    let sends_away = Proxy::before(&honest, move |_, path| Answer::SentOn(format!("{other}{path}")));
    let run = world.say_to(&sends_away.url, "alice", &["list"]);
    assert_eq!(run.status, 1, "{run}");
    assert!(run.stderr.contains("\"code\":\"redirected\"") && run.stderr.contains(&elsewhere.url), "{run}");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[test]
fn a_statement_is_sent_on_to_nobody() {
    let world = world();
    world.edit("change", "checkout/timeout", "30\n");
    let change = world.propose("alice", &["checkout/production"]);
    let sends_on = Proxy::before(&world.server().url, |method, path| match method {
        "POST" => Answer::SentOn("/v1/statements/".to_owned()),
        _ => Answer::Of(path.to_owned()),
    });
    let run = world.say_to(&sends_on.url, "bob", &["approve", &change, "--git", "work"]);
    assert!(run.status != 0, "{run}");
    assert!(run.stderr.contains(&format!("{}/v1/statements/", sends_on.url)), "{run}");
    world.push(&["HEAD:main"]).is_refused("denied-by-rules");
}

/// A machine's own addresses are never asked through a proxy, and a gate's hooks take none from their environment.
#[test]
fn no_variable_steers_what_a_gate_asks() {
    let world = world();
    let asked = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&asked);
    let proxy = Proxy::before(&world.server().url, move |_, _| {
        counts.fetch_add(1, Ordering::SeqCst);
        Answer::Silence
    });
    let everywhere = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    let url = world.server().url.clone();
    let mut list = world.stage.command(env!("CARGO_BIN_EXE_countersign"));
    let run =
        list.envs(everywhere.map(|name| (name, &proxy.url))).args(["--url", &url, "--key", "alice", "list"]).output();
    assert!(run.as_ref().unwrap().status.success(), "{run:?}");

    world.edit("change", "checkout/timeout", "30\n");
    let push = |world: &World| {
        let mut push = world.stage.command("git");
        let push = push.current_dir(world.stage.path("work")).envs(everywhere.map(|name| (name, &proxy.url)));
        let output = push.args(["push", "origin", "HEAD:main"]).output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(push(&world).contains("[no-change]"));
    // This name is of no machine, and the proxy would be asked for it.
    world.tell_the_gate("http://log.invalid:7878");
    assert!(push(&world).contains("[server-unreachable]"));
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}
