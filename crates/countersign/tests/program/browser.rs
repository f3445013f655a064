//! What a browser makes of a page: Debian's chromium without a window, a profile of its own, and every way to a network
//! leading to a listener of ours, so that nothing leaves the machine and whatever a page asks for is seen.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{Sender, channel},
    },
    time::Duration,
};

use crate::support::Stage;

const BROWSER: &str = "chromium";
/// It is ended after this time.
const LONGEST: Duration = Duration::from_secs(60);
/// Of the browser's own clock, which runs as fast as the page lets it.
const VIRTUAL_MS: u32 = 20_000;

/// The browser's own: the time, its updates, its user's account, its search engine. No flag keeps it from all of them.
const ITS_OWN: [&str; 4] = ["clients2.google.com", "update.googleapis.com", "accounts.google.com", "www.google.com"];

pub struct Shown {
    /// The document after its scripts ran.
    pub dom: String,
    /// What the page complained about: errors, refused elements, requests.
    pub complaints: Vec<String>,
}

impl Shown {
    /// Shows a file of the stage, at an address within it (`#changes`).
    pub fn page(stage: &Stage, file: &str, at: &str) -> Self {
        let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = proxy.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in proxy.incoming() {
                heard.lock().unwrap().push(first_line(stream.unwrap()));
            }
        });
        let profile = tempfile::tempdir().unwrap();
        let mut browser = stage.command(BROWSER);
        browser
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--enable-logging=stderr", "--dump-dom"])
            .arg(format!("--proxy-server=http://127.0.0.1:{port}"))
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("--virtual-time-budget={VIRTUAL_MS}"))
            .arg(format!("file://{}{at}", stage.path(file).display()));
        let (dom, log) = run(&mut browser);
        let mut complaints: Vec<String> =
            log.lines().filter(|line| line.contains(":CONSOLE")).map(str::to_owned).collect();
        let asked = asked.lock().unwrap();
        let of_the_page = asked.iter().filter(|line| !ITS_OWN.iter().any(|host| names_host(line, host)));
        complaints.extend(of_the_page.map(|line| format!("it asks for: {line}")));
        Self { dom, complaints }
    }

    /// An element by its id, with all that is in it; elements of its own kind it may hold.
    pub fn element(&self, tag: &str, id: &str) -> String {
        let (open, close) = (format!("<{tag}"), format!("</{tag}>"));
        let mark = format!("id=\"{id}\"");
        let from = self
            .dom
            .match_indices(&open)
            .map(|(at, _)| at)
            .find(|at| self.dom[*at..].split('>').next().is_some_and(|head| head.contains(&mark)));
        let from = from.unwrap_or_else(|| panic!("there is no {tag} of the id {id}: {}", self.dom));
        let rest = &self.dom[from..];
        let mut depth = 0_usize;
        let mut at = 0;
        while at < rest.len() {
            if rest[at..].starts_with(&close) {
                depth -= 1;
                if depth == 0 {
                    return rest[..at].to_owned();
                }
            } else if rest[at..].starts_with(&open) {
                depth += 1;
            }
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
        panic!("{tag} {id} does not end: {rest}");
    }

    /// The words of a paragraph.
    pub fn text(&self, id: &str) -> String {
        self.element("p", id).split_once('>').unwrap().1.to_owned()
    }
}

/// Of a request to a proxy: `CONNECT host:443 HTTP/1.1`.
fn first_line(stream: TcpStream) -> String {
    let mut line = String::new();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    match BufReader::new(stream).read_line(&mut line) {
        Ok(_) => line.trim().to_owned(),
        Err(error) => error.to_string(),
    }
}

fn names_host(line: &str, host: &str) -> bool {
    let address = line.split(' ').nth(1).unwrap_or_default().trim_start_matches("http://");
    address.split(['/', ':', '?']).next() == Some(host)
}

fn run(browser: &mut Command) -> (String, String) {
    let spawned = browser.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.unwrap_or_else(|error| {
        panic!(
            "`{BROWSER}` cannot be run ({error}): install it, for example by scripts/test, or apt-get install {BROWSER}"
        )
    });
    let (ended, end) = channel();
    let read = |mut from: Box<dyn std::io::Read + Send>, ended: Sender<()>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            from.read_to_end(&mut bytes).unwrap();
            // Whoever waited for the end may have given up.
            let _ = ended.send(());
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let dom = read(Box::new(child.stdout.take().unwrap()), ended.clone());
    let log = read(Box::new(child.stderr.take().unwrap()), ended);
    // It has ended when both of its outputs have.
    if (0..2).any(|_| end.recv_timeout(LONGEST).is_err()) {
        child.kill().unwrap();
        child.wait().unwrap();
        panic!("the browser did not end: {}", log.join().unwrap());
    }
    child.wait().unwrap();
    (dom.join().unwrap(), log.join().unwrap())
}
