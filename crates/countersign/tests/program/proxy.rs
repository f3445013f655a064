//! A server that was taken over, from the outside: it stands before an honest one and answers as it likes.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
};

/// What comes of a request.
pub enum Answer {
    /// The honest server's answer to the request for this path.
    Of(String),
    /// A made-up answer, in JSON.
    Lie(String),
    /// A made-up answer of bytes.
    Bytes(Vec<u8>),
    NotFound,
    /// Another address, to which whoever asks is sent on.
    SentOn(String),
    /// None: the connection ends.
    Silence,
}

/// What was asked.
pub struct Request<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub body: &'a [u8],
}

/// Stands before the server until the test's process ends.
pub struct Proxy {
    pub url: String,
}

impl Proxy {
    /// `answer` is asked with method and path.
    pub fn before(server: &str, answer: impl Fn(&str, &str) -> Answer + Send + Sync + 'static) -> Self {
        Self::reading(server, move |request| answer(request.method, request.path))
    }

    /// The same, with what was sent.
    pub fn reading(server: &str, answer: impl Fn(&Request<'_>) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (upstream, answer) = (server.trim_start_matches("http://").to_owned(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (upstream, answer) = (upstream.clone(), Arc::clone(&answer));
                // Whoever asked may go away at any time.
                thread::spawn(move || drop(serve(stream.unwrap(), &upstream, &*answer)));
            }
        });
        Self { url }
    }
}

fn serve(
    mut stream: TcpStream,
    upstream: &str,
    answer: &(dyn Fn(&Request<'_>) -> Answer + Send + Sync),
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ');
    let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        if header.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut say = |status: &str, kind: &str, bytes: &[u8]| {
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            bytes.len()
        )?;
        stream.write_all(bytes)
    };
    match answer(&Request { method: &method, path: &path, body: &body }) {
        Answer::Silence => Ok(()),
        Answer::Lie(text) => say("200 OK", "application/json", text.as_bytes()),
        Answer::Bytes(bytes) => say("200 OK", "application/octet-stream", &bytes),
        Answer::NotFound => say(
            "404 Not Found",
            "application/json",
            br#"{"error":{"code":"not-found","class":"unknown","message":"there is no such thing"}}"#,
        ),
        Answer::SentOn(to) => {
            write!(stream, "HTTP/1.1 302 Found\r\nLocation: {to}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        }
        Answer::Of(path) => {
            let mut honest = TcpStream::connect(upstream)?;
            write!(
                honest,
                "{method} {path} HTTP/1.1\r\nHost: {upstream}\r\nConnection: close\r\nContent-Type: application/json\r\n\
                 Content-Length: {length}\r\n\r\n"
            )?;
            honest.write_all(&body)?;
            let mut whole = Vec::new();
            honest.read_to_end(&mut whole)?;
            stream.write_all(&whole)
        }
    }
}
