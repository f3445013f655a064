//! A witness that others wrote as the other side, `litewitness` (of Torchwood): what it answered once is kept here, and
//! where the program is at hand it is asked again.
//!
//! The log is that of `support::numbered`; the witness's key is that of [`WITNESS_SEED`], given to it by `ssh-agent`.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use countersign_ledger::{
    Checkpoint, CosignerKey, LogKey, MemoryNodes, SignedCheckpoint, SigningKey, Time,
    witness::{AddCheckpoint, Answer, Refusal},
};

use crate::support::{FixedRng, numbered};

/// The path of the program, as in the Debian package `torchwood`. `witnessctl`, which tells it its logs, lies beside it.
const PROGRAM: &str = "COUNTERSIGN_LITEWITNESS";

const ORIGIN: &str = "countersign.example/log";
const WITNESS: &str = "witness.example/lite";
const WITNESS_SEED: u64 = 5;

/// Version 0.9.0 to [`request`] of 5 leaves after 3.
const ANSWER: &str = "— witness.example/lite NNzbJAAAAABrB9gWuZ7ssVz8OAcIlR4HcCEpMaYFTYha0GLBmvzorJVOpLXCZwKc9VpCtfAEXb8BuoOvRpWLyfVpd5zXVWIo2eocDA==\n";
const ANSWERED_AT: Time = Time::from_unix_secs(1_795_676_182);
/// As it prints it.
const VERIFIER: &str = "witness.example/lite+34dcdb24+BLshGCE50rARes0o4nBeQVN+2g8Bj54MdEV1P2bU4EOV";

fn log_key() -> LogKey {
    LogKey::generate(ORIGIN, &mut FixedRng(1)).unwrap()
}

fn witness_key() -> CosignerKey {
    CosignerKey::generate(WITNESS, &mut FixedRng(WITNESS_SEED)).unwrap()
}

fn nodes(size: u64) -> MemoryNodes {
    MemoryNodes::from_leaf_hashes(numbered(size))
}

fn checkpoint(size: u64) -> SignedCheckpoint {
    let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size, root: nodes(size).root() };
    SignedCheckpoint::open(&log_key().sign(&checkpoint).unwrap(), &log_key().verifier()).unwrap()
}

fn request(old: u64, size: u64) -> AddCheckpoint {
    AddCheckpoint::new(&checkpoint(size), old, &nodes(size)).unwrap()
}

/// The line is valid, and the same that we would have made at that second, byte for byte.
fn check_cosigned(size: u64, lines: &str, now: Time) {
    let mut note = checkpoint(size);
    let added = note.add_cosignatures(lines, &[witness_key().verifier().clone()], now).unwrap();
    let time = Time::from_unix_secs(added[0].time_secs().try_into().unwrap());
    assert!(now.secs_since(time).abs() <= 60);
    assert_eq!(witness_key().cosign(&checkpoint(size), time).unwrap().line(), lines);
    assert_eq!(note.to_note(), checkpoint(size).to_note() + lines);
}

#[test]
fn what_it_answered_once_holds() {
    assert_eq!(witness_key().verifier().to_string(), VERIFIER);
    let Answer::Cosigned(lines) = Answer::parse(200, None, ANSWER.as_bytes()).unwrap() else { panic!("{ANSWER}") };
    check_cosigned(5, &lines, ANSWERED_AT);
}

#[test]
fn it_takes_our_requests_and_answers_as_we_would() {
    let Some(program) = std::env::var_os(PROGRAM) else {
        eprintln!("skipped: {PROGRAM} does not name the program `litewitness`");
        return;
    };
    let running = Running::start(PathBuf::from(program));
    let mut last: Option<Checkpoint> = None;
    let mut ask = |request: &AddCheckpoint, expected: Result<(), Refusal>| {
        let size = request.note.lines().nth(1).unwrap().parse().unwrap();
        let theirs = running.post(&request.to_body());
        let ours = request.check(Some(&log_key().verifier()), last.as_ref());
        match (theirs, ours) {
            (Answer::Cosigned(lines), Ok(signed)) => {
                assert_eq!(expected, Ok(()));
                check_cosigned(size, &lines, now());
                last = Some(signed.into_checkpoint());
            }
            (Answer::Refused(theirs), Err(ours)) => assert_eq!((Err(theirs), Err(ours)), (expected, expected)),
            (theirs, ours) => panic!("{request:?}: {theirs:?}, and we {ours:?}"),
        }
    };
    ask(&request(1, 3), Err(Refusal::OtherSize { known: 0 }));
    ask(&request(0, 3), Ok(()));
    ask(&request(0, 5), Err(Refusal::OtherSize { known: 3 }));
    ask(&AddCheckpoint { proof: request(2, 5).proof, ..request(3, 5) }, Err(Refusal::Inconsistent));
    ask(&AddCheckpoint { proof: Vec::new(), ..request(3, 5) }, Err(Refusal::Inconsistent));
    ask(&AddCheckpoint { old_size: 6, ..request(3, 5) }, Err(Refusal::Malformed));
    let altered = request(3, 5).note.replace("— countersign.example/log KB5HR", "— countersign.example/log KB5HS");
    assert_ne!(altered, request(3, 5).note);
    ask(&AddCheckpoint { note: altered, ..request(3, 5) }, Err(Refusal::NotSigned));
    ask(&request(3, 5), Ok(()));
    // Nothing new: the time is.
    ask(&request(5, 5), Ok(()));
    ask(&request(5, 1_000), Ok(()));
    let unknown = request(0, 3).to_body().replace(ORIGIN, "elsewhere.example/log");
    assert_eq!(running.post(&unknown), Answer::Refused(Refusal::UnknownLog));
}

#[expect(clippy::disallowed_methods, reason = "a real witness reads the real clock")]
fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Time::from_unix_secs(since.as_secs().try_into().unwrap())
}

/// An agent and a witness, stopped at the end.
struct Running {
    address: SocketAddr,
    children: Vec<Child>,
    _folder: tempfile::TempDir,
}

impl Running {
    fn start(program: PathBuf) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).into_os_string().into_string().unwrap();
        let (agent, db, key) = (at("agent"), at("db"), at("key"));

        std::fs::write(&key, &*SigningKey::generate(&mut FixedRng(WITNESS_SEED)).to_openssh()).unwrap();
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let mut children = vec![quiet("ssh-agent").args(["-D", "-a", &agent]).spawn().unwrap()];
        let add = || quiet("ssh-add").arg(&key).env("SSH_AUTH_SOCK", &agent).status().unwrap().success();
        wait_for("the agent takes the key", add);

        let control = program.with_file_name("witnessctl");
        for arguments in [
            vec!["add-log", "-db", &db, "-origin", ORIGIN],
            vec!["add-key", "-db", &db, "-origin", ORIGIN, "-key", &log_key().verifier()],
        ] {
            assert!(quiet(control.to_str().unwrap()).args(arguments).status().unwrap().success());
        }

        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let fingerprint = SigningKey::generate(&mut FixedRng(WITNESS_SEED)).public().fingerprint().to_string();
        let witness = quiet(program.to_str().unwrap())
            .args(["-db", &db, "-key", &fingerprint, "-name", WITNESS, "-ssh-agent", &agent])
            .args(["-listen", &address.to_string()])
            .spawn()
            .unwrap();
        children.push(witness);
        let running = Self { address, children, _folder: folder };
        wait_for("the witness listens", || TcpStream::connect(address).is_ok());
        running
    }

    fn post(&self, body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let length = body.len();
        write!(
            stream,
            "POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let content_type = head.lines().find_map(|line| line.strip_prefix("Content-Type: "));
        Answer::parse(status, content_type, body.as_bytes()).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[expect(clippy::disallowed_methods, reason = "a program that starts takes real time")]
fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(10), "{what}: not within 10 s");
        thread::sleep(Duration::from_millis(20));
    }
}
