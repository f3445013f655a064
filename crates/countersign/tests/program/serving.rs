//! A server among those who hold on to it: bodies that do not come, names that are not its own, a
//! store that fails, a clock that jumps; and another server.

mod crowded;
mod killed;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use countersign::{
    api::{self, Hosts, Reached},
    bundle::Bundle,
    client::{ChangePrefix, Client, ClientError},
    clock,
    engine::{Engine, EngineError, Setup},
    follower::{Access, Follower, source::Source},
    reading::Reading,
    ring::Ring,
    speaker::{Hand, InFrontOf, Speaker},
    store::{
        self,
        faults::{Faults, Side, Step},
    },
};
use countersign_core::{
    catalog::Level,
    statement::{Body, Disclosure, SeenCheckpoint},
    trust::Trust,
};
use countersign_ledger::Time;
use insta::assert_snapshot;
use serde_json::Value;

use crate::{
    api::proposal,
    support::{Stage, until},
    world::{Voice, World},
};

fn two() -> World {
    World::new(&[("alice", Level::Standard), ("bob", Level::Senior)])
}

/// Somebody in front of the log at this address.
fn voice(world: &World, url: &str, who: &str) -> Voice {
    let client = Client::new(url);
    let log = client.log().unwrap();
    let checkpoint = SeenCheckpoint { root: log.root, size: log.size };
    Voice {
        speaker: Speaker { client, hand: Hand::Gate(world.key(who)), me: who.parse().unwrap() },
        log: InFrontOf { origin: log.origin, checkpoint, epoch: None },
    }
}

/// One request on a connection of its own: all that came back.
fn asked(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn get(address: &str, host: &str) -> String {
    asked(address, &format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
}

/// A server over a home, as somebody starts it in a shell, with what it says of itself.
fn serve_from(stage: &Stage, shell: &str) -> (Alive, String) {
    let words = format!("{shell} exec '{}' serve --home home --listen 127.0.0.1:0", env!("CARGO_BIN_EXE_countersign"));
    let mut child = stage
        .command("sh")
        .args(["-c", &words])
        .stdout(Stdio::piped())
        .stderr(Stdio::from(std::fs::File::create(stage.path("serve.log")).unwrap()))
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.split_whitespace().find_map(|word| word.strip_prefix("http://"));
    let url = url.unwrap_or_else(|| panic!("the server says `{line}`")).to_owned();
    (Alive(child), url)
}

/// A process that ends with the test, however that ends.
struct Alive(Child);

impl Alive {
    fn kill(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        self.0.wait().unwrap();
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.kill();
    }
}

#[test]
fn a_home_is_served_by_one_server() {
    let stage = Stage::with_keys(&["ada", "grace"]);
    stage.home_of_two();
    let (first, _) = serve_from(&stage, "");
    let run = stage.run("serve --home home --listen 127.0.0.1:0 --format json");
    assert_eq!(run.status, 1, "{run}");
    let said = run.stderr.replace(&first.0.id().to_string(), "PROCESS");
    assert_snapshot!(said, @r#"{"error":{"code":"home-in-use","message":"another server runs on home, as process PROCESS","hint":"a home is served once; stop that one first, or ask it"}}"#);
    // A server that was killed keeps nobody out.
    drop(first);
    let (second, address) = serve_from(&stage, "");
    assert!(get(&address, "localhost").starts_with("HTTP/1.1 200 "));
    drop(second);
}

/// Bodies that are begun and not ended hold little, and give way to who sends his.
#[test]
fn bodies_that_are_held_stop_nobody() {
    let world = two();
    let address = world.server().url.strip_prefix("http://").unwrap().to_owned();
    let head = |bytes: usize| {
        format!(
            "POST /v1/statements HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {bytes}\r\n\r\n"
        )
    };
    let held: Vec<TcpStream> = (0..24)
        .map(|_| {
            let mut stream = TcpStream::connect(&address).unwrap();
            stream.write_all(head(16 << 20).as_bytes()).unwrap();
            // What there is no room for stays with the sender.
            stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
            drop(stream.write_all(&vec![b' '; 8 << 20]));
            stream
        })
        .collect();
    let began = clock::now();
    let (body, blobs) = proposal("Turn it on");
    world.voice("alice").say(body, &blobs).unwrap();
    assert!(clock::now().secs_since(began) < 5, "a statement took {} s", clock::now().secs_since(began));
    // A large one gets the room of those who stand still.
    let large = format!("{}{}", head(10 << 20), " ".repeat(10 << 20));
    let answer = asked(&address, &large);
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(clock::now().secs_since(began) < 30, "a large body took {} s", clock::now().secs_since(began));
    drop(held);
}

#[test]
fn a_server_is_asked_by_its_own_names() {
    let world = two();
    let address = world.server().url.strip_prefix("http://").unwrap().to_owned();
    for host in ["127.0.0.1", &address, "localhost:1", "[::1]"] {
        assert!(get(&address, host).starts_with("HTTP/1.1 200 "), "{host}");
    }
    let refused = get(&address, "rebound.example");
    assert!(refused.starts_with("HTTP/1.1 421 "), "{refused}");
    assert_snapshot!(refused.split("\r\n\r\n").nth(1).unwrap(), @r#"{"error":{"code":"another-host","class":"malformed","message":"this server is not `rebound.example`","hint":"if that is one of its names, whoever runs it adds it to `hosts` in countersign.yaml, or passes --host"}}"#);
    // However often, and wherever it is named.
    let head = |line: &str, hosts: &[&str]| {
        let hosts: String = hosts.iter().map(|host| format!("Host: {host}\r\n")).collect();
        let answer = asked(&address, &format!("GET {line} HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n"));
        answer.lines().next().unwrap().trim_end().to_owned()
    };
    assert_eq!(head("/", &["localhost", "rebound.example"]), "HTTP/1.1 421 Misdirected Request");
    assert_eq!(head("/", &["rebound.example", "localhost"]), "HTTP/1.1 421 Misdirected Request");
    assert_eq!(head("/", &["localhost", "localhost"]), "HTTP/1.1 400 Bad Request");
    assert_eq!(head("http://rebound.example/", &["localhost"]), "HTTP/1.1 421 Misdirected Request");
    assert_eq!(head("http://localhost/", &["rebound.example"]), "HTTP/1.1 421 Misdirected Request");
    assert_eq!(head("http://localhost/", &["localhost"]), "HTTP/1.1 200 OK");
    let server = world.server();
    let (engine, listener) =
        (Arc::clone(&server.engine), server.block_on(api::bind(([127, 0, 0, 1], 0).into())).unwrap());
    let other = listener.local_addr().unwrap().to_string();
    let reached = Reached { hosts: Hosts::new(["changes.example".to_owned()]), ..Reached::default() };
    let serving = async move { api::serve_as(reached, engine, listener, std::future::pending()).await };
    server.block_on(async { drop(tokio::spawn(serving)) });
    assert!(get(&other, "changes.example:8080").starts_with("HTTP/1.1 200 "));
    assert!(get(&other, "rebound.example").starts_with("HTTP/1.1 421 "));
}

/// One line a request, with what an operator looks for.
#[test]
fn each_request_is_one_line_of_the_servers_log() {
    let stage = Stage::with_keys(&["ada", "grace"]);
    stage.home_of_two();
    let (server, address) = serve_from(&stage, "");
    let line = |request: &str| {
        let answer = asked(&address, request);
        let id = answer.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap().to_owned();
        let log = stage.read("serve.log");
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(&id)).collect();
        assert_eq!(lines.len(), 1, "{log}");
        let (_, said) = lines[0].split_once("countersign::").unwrap();
        let said = said.replace(&id, "ID");
        said.split(" millis=").next().unwrap().to_owned()
    };
    let get = |path: &str| line(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
    assert_snapshot!(get("/v1/log"), @r#"api::requests: answered http.method=GET http.route="/v1/log" http.status=200 request.id="ID" cause="""#);
    assert_snapshot!(get("/v1/changes/0123456789ab"), @r#"api::requests: answered http.method=GET http.route="/v1/changes/{id}" http.status=404 request.id="ID" cause="unknown-change: there is no change `0123456789ab`""#);
    assert_snapshot!(get("/nowhere"), @r#"api::requests: answered http.method=GET http.route="-" http.status=404 request.id="ID" cause="not-found: there is no page at this address""#);
    drop(server);
}

/// How the next commits fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fails {
    At(Step, Side),
    /// It happened, and from then on nobody can be asked.
    Lost,
    /// Nobody can be asked.
    Silent,
}

type Failing = Arc<Mutex<Option<Fails>>>;

/// A server over a store that fails when it is told to.
fn faulty(world: &World) -> (String, Failing) {
    let failing = Failing::default();
    let faults = Faults::new({
        let failing = Arc::clone(&failing);
        move |step, side| {
            let mut fails = failing.lock().unwrap();
            match *fails {
                Some(Fails::At(at, on)) => (step, side) == (at, on),
                Some(Fails::Lost) if (step, side) == (Step::Commit, Side::After) => {
                    *fails = Some(Fails::Silent);
                    true
                }
                Some(Fails::Silent) => step == Step::Begin,
                Some(Fails::Lost) | None => false,
            }
        }
    });
    (serve_with(world, faults), failing)
}

/// A server over a store with these faults.
fn serve_with(world: &World, faults: Faults) -> String {
    let address = world.stage.path("faulty.db").display().to_string();
    let (home, server) = (&world.home, world.server());
    let setup = async {
        Setup {
            store: store::open_with(&address, &home.store_options(), faults).await.unwrap(),
            keys: Arc::new(Ring::of(home.log_key().unwrap(), home.server_key().unwrap())),
            genesis: home.genesis().clone(),
            genesis_blobs: home.genesis_files().unwrap().blobs(),
            guidance: vec![],
            clock: Arc::new(clock::now),
            uptime: None,
        }
    };
    server.block_on(async {
        let engine = Arc::new(Engine::open(setup.await).await.unwrap());
        let listener = api::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(tokio::spawn(api::serve(engine, listener, std::future::pending())));
        url
    })
}

/// What is told of a write that failed is true, and the server goes on when what failed is over.
#[test]
fn a_store_that_fails_is_told_as_it_is_and_the_server_goes_on() {
    let world = two();
    let (url, failing) = faulty(&world);
    let propose = || {
        let voice = voice(&world, &url, "alice");
        let (body, blobs) = proposal("Turn it on");
        let envelope = voice.sign(body);
        let answer = voice.speaker.client.submit(&envelope, &blobs);
        (answer.map(|receipt| receipt.index).map_err(|error| error.to_string()), envelope, blobs, voice)
    };
    let fails = |how: Option<Fails>| *failing.lock().unwrap() = how;
    let size = || Client::new(&url).log().unwrap().size;
    assert_eq!(propose().0, Ok(1));
    fails(Some(Fails::At(Step::Rows, Side::After)));
    assert_snapshot!(propose().0.unwrap_err(), @"the server's store failed; nothing was written");
    assert_eq!(size(), 2);
    // The commit fails before and after it happened, and the store answers again.
    fails(Some(Fails::At(Step::Commit, Side::Before)));
    assert_snapshot!(propose().0.unwrap_err(), @"the server's store failed; nothing was written");
    assert_eq!(size(), 2);
    fails(Some(Fails::At(Step::Commit, Side::After)));
    assert_eq!(propose().0, Ok(2));
    // Nobody can say what happened, and nobody says that nothing did.
    fails(Some(Fails::Lost));
    let (told, envelope, blobs, voice) = propose();
    assert_snapshot!(told.unwrap_err(), @"the server could not find out whether this was written");
    fails(None);
    let again = voice.speaker.client.submit(&envelope, &blobs).unwrap_err();
    assert!(matches!(&again, ClientError::Refused { code, .. } if code == "replayed"), "{again}");
    assert_eq!(propose().0, Ok(4));
    assert_eq!(size(), 5);
}

/// A disk that is full or read-only: it is said, with what helps, and nothing has to be started anew when it is over.
#[test]
fn a_disk_that_is_full_or_read_only_is_told_as_that_and_the_server_goes_on() {
    for (told, code) in [("pragma max_page_count = 1", "disk-full"), ("pragma query_only = on", "store-read-only")] {
        let world = two();
        let now = Arc::new(Mutex::new(None));
        let faults = Faults::telling({
            let now = Arc::clone(&now);
            move || *now.lock().unwrap()
        });
        let url = serve_with(&world, faults);
        let propose = || {
            let (body, blobs) = proposal("Turn it on");
            let voice = voice(&world, &url, "alice");
            voice.speaker.client.submit(&voice.sign(body), &blobs)
        };
        propose().unwrap();
        *now.lock().unwrap() = Some(told);
        // There may be a little room left in the file.
        let refused = (0..64).find_map(|_| propose().err()).unwrap();
        let ClientError::Refused { code: said, message, hint, .. } = &refused else { panic!("{refused}") };
        assert_eq!(said, code, "{refused}");
        assert!(message.ends_with("nothing was written"), "{message}");
        assert!(hint.as_ref().unwrap().starts_with("tell whoever runs the server"), "{hint:?}");
        let size = Client::new(&url).log().unwrap().size;
        propose().unwrap_err();
        *now.lock().unwrap() = None;
        assert_eq!(propose().unwrap().index, size);
    }
}

/// An engine whose clock and uptime the test sets.
struct Timed {
    engine: Engine,
    secs: Arc<AtomicI64>,
    running: Arc<AtomicU64>,
}

#[test]
fn a_clock_that_jumps_is_noticed_before_a_leaf_is_written_by_it() {
    const NOON: i64 = 1_775_001_600;
    let world = two();
    let server = world.server();
    let timed = server.block_on(async {
        let (secs, running) = (Arc::new(AtomicI64::new(NOON)), Arc::new(AtomicU64::new(100)));
        let (of_clock, of_uptime) = (Arc::clone(&secs), Arc::clone(&running));
        let setup = Setup {
            store: store::open(world.stage.path("timed.db").to_str().unwrap(), &world.home.store_options())
                .await
                .unwrap(),
            keys: Arc::new(Ring::of(world.home.log_key().unwrap(), world.home.server_key().unwrap())),
            genesis: world.home.genesis().clone(),
            genesis_blobs: world.home.genesis_files().unwrap().blobs(),
            guidance: vec![],
            clock: Arc::new(move || Time::from_unix_secs(of_clock.load(Ordering::SeqCst))),
            uptime: Some(Arc::new(move || Duration::from_secs(of_uptime.load(Ordering::SeqCst)))),
        };
        Timed { engine: Engine::open(setup).await.unwrap(), secs, running }
    });
    let propose = || {
        server.block_on(async {
            let head = timed.engine.head().await.unwrap();
            let (body, blobs) = proposal("Turn it on");
            let log = InFrontOf {
                origin: timed.engine.governance().await.unwrap().record.origin.clone(),
                checkpoint: SeenCheckpoint { root: head.root, size: head.size },
                epoch: None,
            };
            let speaker = Speaker {
                client: Client::new("http://localhost"),
                hand: Hand::Gate(world.key("alice")),
                me: "alice".parse().unwrap(),
            };
            let envelope = speaker.sign(&log, body).unwrap();
            match timed.engine.submit(envelope.raw(), blobs).await {
                Ok(receipt) => Ok(receipt.index),
                Err(EngineError::Refused(refusal)) => Err(format!("{}: {refusal}", refusal.code)),
                Err(error) => panic!("{error}"),
            }
        })
    };
    let pass = |clock: i64, machine: u64| {
        timed.secs.fetch_add(clock, Ordering::SeqCst);
        timed.running.fetch_add(machine, Ordering::SeqCst);
    };
    pass(3_600, 3_600);
    assert_eq!(propose(), Ok(1));
    // A little is no jump; it is what keeps clocks right.
    pass(70, 60);
    assert_eq!(propose(), Ok(2));
    pass(86_400 + 60, 60);
    assert_snapshot!(propose().unwrap_err(), @"clock-jumped: the server's clock has jumped forward by 1 d: it says 2026-04-02T01:02:10Z, and 1 min after it said 2026-04-01T01:01:10Z; nothing was written");
    pass(-86_400, 0);
    assert_eq!(propose(), Ok(3), "it was set right");
    pass(-7_200, 60);
    assert_snapshot!(propose().unwrap_err(), @"clock-jumped: the server's clock has jumped back by 2 h 1 min: it says 2026-03-31T23:02:10Z, and 1 min after it said 2026-04-01T01:02:10Z; nothing was written");
    // Who starts it anew believes the clock, but for what the log knows.
    let size = server.block_on(timed.engine.head()).unwrap().size;
    assert_eq!(size, 4);
}

/// A machine whose clock is far behind the log's says so, instead of taking the log for false.
#[test]
fn a_clock_that_is_behind_is_named_and_nobody_is_accused() {
    let world = two();
    let (body, blobs) = proposal("Turn it on");
    let change = world.voice("alice").say(body, &blobs).unwrap().change.unwrap();
    let trust: Trust = serde_json::from_str(&world.stage.read("home/trust.json")).unwrap();
    let client = Client::new(&world.server().url);
    let prefix = ChangePrefix::from(&change);
    let bundle = || Bundle::from_tar("x".as_ref(), &client.bundle(&prefix, None, &[]).unwrap()).unwrap();
    let early = |secs: i64| clock::now().plus_secs(-secs);
    let refused = Reading::of(&trust, &prefix, bundle(), None, early(600)).unwrap_err();
    assert_eq!(refused.code, "clock-behind", "{refused}");
    assert!(refused.to_string().contains("this machine's clock is"), "{refused}");
    Reading::of(&trust, &prefix, bundle(), None, early(120)).unwrap();

    let server = world.server();
    let copy = world.stage.path("copy");
    let mut follower = server.block_on(Follower::open(&copy, &trust, Access::Owner)).unwrap();
    let mut source = Source::Server(client.clone());
    let follow = |follower: &mut Follower, source: &mut Source, now| {
        server.block_on(follower.follow(source, now)).map(|followed| followed.checkpoint.size)
    };
    let error = follow(&mut follower, &mut source, early(600)).unwrap_err();
    assert_eq!(error.code(), "clock-behind", "{error}");
    assert!(std::fs::read_dir(&copy).unwrap().all(|entry| !entry.unwrap().path().to_string_lossy().contains("proof")));
    assert_eq!(follow(&mut follower, &mut source, early(120)).unwrap(), 2);
}

/// Whoever is late waits for those before, instead of being told to try again.
#[test]
fn many_who_write_to_one_change_are_all_taken() {
    let world = two();
    let (body, blobs) = proposal("Turn it on");
    let change = world.voice("alice").say(body, &blobs).unwrap().change.unwrap();
    let server = world.server();
    let envelopes: Vec<_> = (0..60)
        .map(|n| {
            let said = Disclosure {
                change: change.clone(),
                guidance: Default::default(),
                prompted_by: Default::default(),
                revision: server.block_on(server.engine.change(&change)).unwrap().unwrap().current_ref().unwrap(),
                tools: [format!("tool-{n}")].into(),
            };
            world.voice("alice").sign(Body::Disclosure(said))
        })
        .collect();
    let taken = server.block_on(async {
        let said = envelopes.into_iter().map(|envelope| {
            let engine = Arc::clone(&server.engine);
            tokio::spawn(async move { engine.submit(envelope.raw(), vec![]).await })
        });
        let mut taken = 0;
        for one in said.collect::<Vec<_>>() {
            one.await.unwrap().unwrap();
            taken += 1;
        }
        taken
    });
    assert_eq!(taken, 60);
}

/// What was found by reading the whole log, or by writing to it, is told to whoever watches the server; that it could not be read
/// is no damage.
#[test]
fn a_server_whose_log_was_found_damaged_says_so() {
    let healthy = |address: &str| get(address, "localhost").starts_with("HTTP/1.1 200 ");
    let says_so = |address: &str| {
        let answer = get(address, "localhost");
        let body: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert!(answer.starts_with("HTTP/1.1 500 ") && body["error"]["code"] == "store-damaged", "{answer}");
    };
    let damage = |world: &World, text: &'static str| {
        let url = format!("sqlite:{}", world.home.ledger_path().display());
        world.server().block_on(async {
            let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
            assert!(sqlx::raw_sql(text).execute(&pool).await.unwrap().rows_affected() > 0, "{text}");
            pool.close().await;
        });
    };
    let read_again = |world: &World| {
        let server = world.server();
        server.block_on(server.engine.read_again(&world.home.store_options(), Duration::ZERO))
    };

    let world = two();
    let address = world.server().url.strip_prefix("http://").unwrap().to_owned();
    read_again(&world).unwrap();
    damage(&world, "alter table blobs rename to hidden; update log set noted = noted");
    let error = read_again(&world).unwrap_err();
    assert!(!error.is_damage() && healthy(&address), "{error}");
    damage(&world, "alter table hidden rename to blobs; update blobs set bytes = bytes || ' ' where id = 1");
    read_again(&world).unwrap_err();
    says_so(&address);

    let world = two();
    let address = world.server().url.strip_prefix("http://").unwrap().to_owned();
    damage(&world, "update leaves set bytes = zeroblob(9) where idx = 0");
    assert!(healthy(&address));
    let (body, blobs) = proposal("Turn it on");
    world.voice("alice").say(body, &blobs).unwrap_err();
    says_so(&address);
    // Nor does it write any more.
    let run = world.say("alice", &["revoke", &world.key("bob").public().fingerprint().to_string(), "--why", "stolen"]);
    assert!(run.stderr.contains("it writes nothing"), "{run}");
}

/// Somebody has written into its file while it was stopped: before long it says so, and signs nothing over it.
#[test]
fn a_server_over_records_that_its_leaves_do_not_give_finds_out() {
    let stage = Stage::with_keys(&["ada", "grace"]);
    stage.home_of_two();
    let (mut server, address) = serve_from(&stage, "");
    server.kill();
    drop(address);
    let file = stage.path("home/ledger.db");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", file.display())).await.unwrap();
        sqlx::raw_sql("delete from uniques").execute(&pool).await.unwrap();
        pool.close().await;
    });
    let (_server, address) = serve_from(&stage, "");
    until("the server has read its log again", || get(&address, "localhost").starts_with("HTTP/1.1 500 "));
    let log = stage.read("serve.log");
    assert!(log.contains("what is kept of leaf 0 under key") && log.contains("rebuild"), "{log}");
}
