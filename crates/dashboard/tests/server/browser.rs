//! A client that says exactly what it is told to.

use flate2::read::GzDecoder;
use frostline_dashboard::{Gallery, Limits, Options, serve};
use frostline_view::wrong::Split;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

/// How long an answer may take that has to come: far longer than it does on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// 200 and 20 images, cats and dogs in turn.
pub struct Drawn {
    classes: Vec<String>,
    labels: Vec<u16>,
}

impl Default for Drawn {
    fn default() -> Drawn {
        Drawn { classes: ["cat", "dog"].map(str::to_owned).into(), labels: (0..200).map(|image| image % 2).collect() }
    }
}

impl Gallery for Drawn {
    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn labels(&self, split: Split) -> &[u16] {
        match split {
            Split::Validation => &self.labels,
            Split::Test => &self.labels[..20],
        }
    }

    fn png(&self, split: Split, image: usize) -> Option<Vec<u8>> {
        (image < self.labels(split).len()).then(|| format!("PNG {} {image}", split.name()).into_bytes())
    }
}

pub struct Server {
    pub address: SocketAddr,
    pub token: String,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
    /// Bytes that the body took on its way.
    pub sent: usize,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

impl Server {
    pub fn of(results: &Path) -> Server {
        Server::limited(results, Limits::default())
    }

    pub fn limited(results: &Path, limits: Limits) -> Server {
        let options = Options {
            results: results.to_owned(),
            host: [127, 0, 0, 1].into(),
            port: Some(0),
            allow_remote: false,
            classes: Arc::new(|_| ["cat", "dog"].map(str::to_owned).into()),
            images: Arc::new(|_| Ok(Arc::new(Drawn::default()))),
            made_by: "Frostline test".to_owned(),
            limits,
        };
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || serve(options, |address| sender.send(address.clone()).unwrap()).unwrap());
        let found = receiver.recv_timeout(PATIENCE).unwrap();
        let token = found.link.split_once("?token=").unwrap().1.to_owned();
        assert_eq!(found.link, format!("http://{}/?token={token}", found.address));
        Server { address: found.address, token }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends this and reads all that comes back.
    pub fn say(&self, text: &str) -> Answer {
        let mut stream = self.connect();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // What is refused early may be cut off by a reset.
        let _ = stream.read_to_end(&mut answer);
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap_or(answer.len());
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let sent = answer.get(end + 4..).unwrap_or_default();
        let mut body = String::new();
        match head.contains("content-encoding: gzip") {
            true => GzDecoder::new(sent).read_to_string(&mut body).unwrap(),
            false => { sent }.read_to_string(&mut body).unwrap(),
        };
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Answer { status, head, body, sent: sent.len() }
    }

    pub fn host(&self) -> String {
        format!("Host: {}\r\n", self.address)
    }

    pub fn cookie(&self) -> String {
        format!("Cookie: frostline-{}={}\r\n", self.address.port(), self.token)
    }

    /// As a browser asks that has opened the link.
    pub fn get(&self, place: &str) -> Answer {
        self.get_with(place, "")
    }

    pub fn get_with(&self, place: &str, headers: &str) -> Answer {
        let (host, cookie) = (self.host(), self.cookie());
        self.say(&format!("GET {place} HTTP/1.1\r\n{host}{cookie}{headers}Connection: close\r\n\r\n"))
    }

    /// A stream of events, behind its head.
    pub fn events(&self, query: &str) -> impl Iterator<Item = String> {
        let mut stream = self.connect();
        let (host, cookie) = (self.host(), self.cookie());
        stream.write_all(format!("GET /events{query} HTTP/1.1\r\n{host}{cookie}\r\n").as_bytes()).unwrap();
        let lines = BufReader::new(stream).lines().map(|line| line.unwrap());
        lines.filter_map(|line| line.strip_prefix("data: ").map(str::to_owned))
    }
}
