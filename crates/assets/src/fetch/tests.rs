//! Downloads from a server that runs in the test.

use super::*;

mod content;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const CONTENT: &[u8] = b"weights of a small network";
/// SHA-256 of `CONTENT` begins with this.
const PREFIX: &str = "efa2c3";

fn entry(prefix: &'static str) -> Entry {
    Entry {
        name: "small",
        content: Content::Weights { backbone: "efficientnet_lite0", file: "small.pth" },
        source: Source::Url("https://weights.example/models/small.pth"),
        bytes: CONTENT.len() as u64,
        checksum: Checksum::Sha256Prefix(prefix),
        licence: "none",
    }
}

/// What the server does with a request.
#[derive(Debug, Clone, Copy)]
enum Answer {
    /// Sends what is asked for.
    Serve,
    /// The whole file, whatever part is asked for.
    Whole,
    /// So many bytes of what is asked for, then it closes the connection.
    Cut(usize),
    /// The same, then it says nothing more and keeps the connection open.
    Stall(usize),
    /// Not even a status.
    Silence,
    /// A status without a body.
    Status(u16),
    /// Sends the asker elsewhere on the same server.
    Redirect,
}

/// Requests, as they came.
type Heads = Arc<Mutex<Vec<String>>>;

/// Answers one request after the other, all further ones as the last of `answers`. Returns the base URL and the heads
/// of the requests.
fn serve(answers: &'static [Answer]) -> (String, Heads) {
    serve_content(CONTENT.to_vec(), answers)
}

fn serve_content(content: Vec<u8>, answers: &'static [Answer]) -> (String, Heads) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let heads = Heads::default();
    let said = Arc::clone(&heads);
    thread::spawn(move || {
        let mut open = Vec::new();
        let answers = answers.iter().chain(std::iter::repeat(answers.last().unwrap()));
        for (answer, stream) in answers.zip(listener.incoming()) {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let head = lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n").to_lowercase();
            let asked: usize =
                head.split("bytes=").nth(1).map_or(0, |rest| rest.split('-').next().unwrap().parse().unwrap());
            said.lock().unwrap().push(head);
            let from = if matches!(answer, Answer::Whole) { 0 } else { asked };
            let rest = &content[from.min(content.len())..];
            let status = match answer {
                Answer::Status(status) => format!("{status} As Told"),
                Answer::Redirect => "302 Found\r\nLocation: /elsewhere/small.pth".to_owned(),
                _ if from > 0 => "206 Partial Content".to_owned(),
                _ => "200 OK".to_owned(),
            };
            let length = if matches!(answer, Answer::Status(_) | Answer::Redirect) { 0 } else { rest.len() };
            let body = match answer {
                Answer::Serve | Answer::Whole => rest,
                Answer::Cut(count) | Answer::Stall(count) => &rest[..(*count).min(rest.len())],
                Answer::Silence | Answer::Status(_) | Answer::Redirect => &[],
            };
            if !matches!(answer, Answer::Silence) {
                // A client that gave up has closed its end.
                let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
                let _ = stream.write_all(body);
            }
            if matches!(answer, Answer::Stall(_) | Answer::Silence) {
                open.push(stream);
            }
        }
    });
    (base, heads)
}

/// Limits that a busy machine keeps where a server answers.
const PATIENT: Limits =
    Limits { connect: Duration::from_secs(5), silence: Duration::from_secs(60), tries: 3, pause: Duration::ZERO };

/// Limits for servers that fall silent.
const HASTY: Limits = Limits { silence: Duration::from_millis(200), ..PATIENT };

fn run(entry: &Entry, cache: &Path, mirror: &str) -> Result<PathBuf, FetchError> {
    fetch_into(entry, cache, Some(mirror), &PATIENT, &mut |_| {})
}

/// With what it says when it tries again.
fn run_hastily(cache: &Path, mirror: &str) -> (Result<PathBuf, FetchError>, Vec<String>) {
    let mut said = Vec::new();
    let result = fetch_into(&entry(PREFIX), cache, Some(mirror), &HASTY, &mut |event| {
        if let Event::Again { done, reason } = event {
            said.push(format!("{done}: {reason}"));
        }
    });
    (result, said)
}

fn asks_from(head: &str, start: usize) -> bool {
    head.contains(&format!("range: bytes={start}-"))
}

#[test]
fn a_download_is_verified_and_put_in_place_and_not_repeated() {
    let cache = tempfile::tempdir().unwrap();
    let (base, heads) = serve(&[Answer::Serve]);
    let path = run(&entry(PREFIX), cache.path(), &base).unwrap();
    assert_eq!(fs::read(&path).unwrap(), CONTENT);
    assert!(heads.lock().unwrap()[0].starts_with("get /models/small.pth"));
    assert_eq!(run(&entry(PREFIX), cache.path(), "http://127.0.0.1:1").unwrap(), path, "no second request");
}

#[test]
fn a_download_that_was_cut_goes_on_where_it_stopped() {
    let cache = tempfile::tempdir().unwrap();
    let (base, heads) = serve(&[Answer::Cut(10), Answer::Cut(5), Answer::Serve]);
    let path = run(&entry(PREFIX), cache.path(), &base).unwrap();
    assert_eq!(fs::read(path).unwrap(), CONTENT);
    let heads = heads.lock().unwrap();
    assert!(asks_from(&heads[1], 10) && asks_from(&heads[2], 15), "{heads:?}");
}

#[test]
fn a_download_of_an_earlier_process_goes_on_where_it_stopped() {
    let cache = tempfile::tempdir().unwrap();
    fs::create_dir_all(cache.path().join("weights")).unwrap();
    fs::write(cache.path().join("weights/small.part"), &CONTENT[..7]).unwrap();
    let (base, heads) = serve(&[Answer::Serve]);
    let path = run(&entry(PREFIX), cache.path(), &base).unwrap();
    assert_eq!(fs::read(path).unwrap(), CONTENT);
    assert!(asks_from(&heads.lock().unwrap()[0], 7));
}

#[test]
fn a_server_that_falls_silent_is_asked_for_the_rest() {
    let cache = tempfile::tempdir().unwrap();
    let (base, heads) = serve(&[Answer::Stall(10), Answer::Serve]);
    let (path, said) = run_hastily(cache.path(), &base);
    assert_eq!(fs::read(path.unwrap()).unwrap(), CONTENT);
    assert_eq!(said[0], "10: no byte came for 0.2 s");
    assert!(asks_from(&heads.lock().unwrap()[1], 10));
}

#[test]
fn a_server_that_sends_everything_again_is_taken_at_its_word() {
    let cache = tempfile::tempdir().unwrap();
    let (base, heads) = serve(&[Answer::Cut(10), Answer::Whole]);
    let path = run(&entry(PREFIX), cache.path(), &base).unwrap();
    assert_eq!(fs::read(path).unwrap(), CONTENT, "nothing is there twice");
    assert!(asks_from(&heads.lock().unwrap()[1], 10));
}

#[test]
fn a_download_that_gets_no_further_ends_after_three_tries() {
    let cache = tempfile::tempdir().unwrap();
    let (base, _heads) = serve(&[Answer::Stall(10), Answer::Stall(0)]);
    let (result, said) = run_hastily(cache.path(), &base);
    let error = result.unwrap_err();
    assert!(matches!(error, FetchError::BrokeOff { .. }), "{error}");
    let message = error.to_string();
    let expected = format!(
        "the download of {base}/models/small.pth broke off after 10 bytes: no byte came for 0.2 s, 3 times without \
         getting any further; what is here is kept, so try again later, or download \
         https://weights.example/models/small.pth elsewhere and put it at "
    );
    assert!(message.starts_with(&expected), "{message}");
    assert_eq!(said.len(), 3, "after the first try, which got further, and after two that did not: {said:?}");
    assert_eq!(fs::read(cache.path().join("weights/small.part")).unwrap(), CONTENT[..10]);
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    let cache = tempfile::tempdir().unwrap();
    let (base, _heads) = serve(&[Answer::Silence]);
    let message = run_hastily(cache.path(), &base).0.unwrap_err().to_string();
    assert!(message.contains("broke off after 0 bytes: no byte came for 0.2 s, 3 times"), "{message}");
}

#[test]
fn a_file_that_is_not_there_is_asked_for_once() {
    let cache = tempfile::tempdir().unwrap();
    let (base, heads) = serve(&[Answer::Status(404)]);
    let message = run(&entry(PREFIX), cache.path(), &base).unwrap_err().to_string();
    let expected = format!("{base}/models/small.pth answers with HTTP status 404; download https://weights.example/");
    assert!(message.starts_with(&expected), "{message}");
    assert_eq!(heads.lock().unwrap().len(), 1);
}

#[test]
fn a_busy_server_is_asked_again() {
    let cache = tempfile::tempdir().unwrap();
    let (base, heads) = serve(&[Answer::Status(503), Answer::Serve]);
    let path = run(&entry(PREFIX), cache.path(), &base).unwrap();
    assert_eq!(fs::read(path).unwrap(), CONTENT);
    assert_eq!(heads.lock().unwrap().len(), 2);
}

#[test]
fn a_wrong_file_is_removed_and_named() {
    let cache = tempfile::tempdir().unwrap();
    let (base, _heads) = serve(&[Answer::Serve]);
    let message = run(&entry("123456"), cache.path(), &base).unwrap_err().to_string();
    assert!(message.contains("where SHA-256 123456… was expected: the download was removed"), "{message}");
    assert!(!cache.path().join("weights/small.part").exists() && !cache.path().join("weights/small.pth").exists());
}

#[test]
fn an_unreachable_host_says_how_to_place_the_file_by_hand() {
    let cache = tempfile::tempdir().unwrap();
    let message = run(&entry(PREFIX), cache.path(), "http://127.0.0.1:1").unwrap_err().to_string();
    assert!(message.contains("cannot reach http://127.0.0.1:1/models/small.pth"), "{message}");
    assert!(
        message.contains("download https://weights.example/models/small.pth elsewhere and put it at"),
        "{message}"
    );
}
