//! Downloads from a server that runs in the test.

use super::*;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::thread;

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

/// Answers one request after the other; `answers` are how many bytes of the rest each sends. Returns the base URL and
/// the request heads.
fn serve(answers: &'static [usize]) -> (String, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let requests = thread::spawn(move || {
        let mut heads = Vec::new();
        for &count in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
            let head = lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n").to_lowercase();
            let from: usize =
                head.split("bytes=").nth(1).map_or(0, |rest| rest.split('-').next().unwrap().parse().unwrap());
            let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
            let rest = &CONTENT[from..];
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", rest.len())
                .unwrap();
            stream.write_all(&rest[..count.min(rest.len())]).unwrap();
            heads.push(head);
        }
        heads
    });
    (base, requests)
}

fn run(entry: &Entry, cache: &Path, mirror: &str) -> Result<PathBuf, FetchError> {
    fetch_into(entry, cache, Some(mirror), &mut |_| {})
}

#[test]
fn a_download_is_verified_and_put_in_place_and_not_repeated() {
    let cache = tempfile::tempdir().unwrap();
    let (base, requests) = serve(&[usize::MAX]);
    let path = run(&entry(PREFIX), cache.path(), &base).unwrap();
    assert_eq!(fs::read(&path).unwrap(), CONTENT);
    assert!(requests.join().unwrap()[0].starts_with("get /models/small.pth"));
    assert_eq!(run(&entry(PREFIX), cache.path(), "http://127.0.0.1:1").unwrap(), path, "no second request");
}

#[test]
fn a_download_that_broke_off_goes_on_where_it_stopped() {
    let cache = tempfile::tempdir().unwrap();
    let (base, requests) = serve(&[10, usize::MAX]);
    let broken = run(&entry(PREFIX), cache.path(), &base).unwrap_err();
    assert!(broken.is_network(), "{broken}");
    let path = run(&entry(PREFIX), cache.path(), &base).unwrap();
    assert_eq!(fs::read(path).unwrap(), CONTENT);
    assert!(requests.join().unwrap()[1].contains("range: bytes=10-"));
}

#[test]
fn a_wrong_file_is_removed_and_named() {
    let cache = tempfile::tempdir().unwrap();
    let (base, _requests) = serve(&[usize::MAX]);
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
