//! One file over HTTP: no wait is without a limit, and what broke off goes on where it stopped.

use super::Event;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

/// How long is waited for what, and how often it is tried again.
pub(super) struct Limits {
    /// For a host's address, and for a connection to it.
    pub connect: Duration,
    /// For an answer, and between two bytes of it.
    pub silence: Duration,
    /// So many tries in a row that get no further end a download.
    pub tries: u32,
    /// Before another try; longer with each that got no further.
    pub pause: Duration,
}

impl Limits {
    pub(super) const USUAL: Limits = Limits {
        connect: Duration::from_secs(5),
        silence: Duration::from_secs(30),
        tries: 3,
        pause: Duration::from_secs(1),
    };
}

#[derive(Debug)]
pub(super) enum Interrupted {
    /// No connection, from the first try on: there is no network, or no way to this host.
    Unreachable(String),
    /// An HTTP status that another try would not change.
    Refused(u16),
    BrokeOff {
        done: u64,
        reason: String,
    },
    File(io::Error),
}

/// How one try failed.
enum Failure {
    Unreachable(String),
    Broken(String),
    Final(Interrupted),
}

/// Downloads into `part`, from where an earlier try broke off, and says how far it is.
pub(super) fn download(
    url: &str,
    part: &Path,
    limits: &Limits,
    say: &mut dyn FnMut(Event),
) -> Result<(), Interrupted> {
    let mut config = ureq::Agent::config_builder();
    // No proxy can reach what is meant by it.
    if is_this_machine(url) {
        config = config.proxy(None);
    }
    let agent: ureq::Agent = config
        .timeout_resolve(Some(limits.connect))
        .timeout_connect(Some(limits.connect))
        .timeout_send_request(Some(limits.silence))
        .timeout_recv_response(Some(limits.silence))
        // A body may take as long as it likes, as long as it comes.
        .timeout_per_read(Some(limits.silence))
        .build()
        .into();
    // Of a server that sends the whole file each time, only what exceeds the longest try so far is progress.
    let mut furthest = length(part);
    let mut answered = false;
    let mut fruitless = 0;
    loop {
        let reason = match attempt(&agent, url, part, limits, say) {
            Ok(()) => return Ok(()),
            Err(Failure::Final(interrupted)) => return Err(interrupted),
            Err(Failure::Unreachable(what)) if !answered => return Err(Interrupted::Unreachable(what)),
            Err(Failure::Unreachable(what)) => what,
            Err(Failure::Broken(what)) => {
                answered = true;
                what
            }
        };
        let done = length(part);
        fruitless = if done > furthest { 0 } else { fruitless + 1 };
        furthest = furthest.max(done);
        if fruitless >= limits.tries {
            return Err(Interrupted::BrokeOff { done, reason });
        }
        say(Event::Again { done, reason: &reason });
        std::thread::sleep(limits.pause * (fruitless + 1));
    }
}

/// Whether a URL's host is the machine that asks.
fn is_this_machine(url: &str) -> bool {
    let host = url.split('/').nth(2).unwrap_or_default();
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn length(part: &Path) -> u64 {
    part.metadata().map_or(0, |metadata| metadata.len())
}

fn attempt(
    agent: &ureq::Agent,
    url: &str,
    part: &Path,
    limits: &Limits,
    say: &mut dyn FnMut(Event),
) -> Result<(), Failure> {
    let file = |error| Failure::Final(Interrupted::File(error));
    let have = length(part);
    let mut request = agent.get(url);
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
    }
    let response = match request.call() {
        // The whole file is there already: only the renaming was missed.
        Err(ureq::Error::StatusCode(416)) if have > 0 => return Ok(()),
        other => other.map_err(|error| failure(error, limits))?,
    };
    let resumed = response.status().as_u16() == 206;
    let mut done = if resumed { have } else { 0 };
    let out = OpenOptions::new().create(true).append(resumed).write(true).truncate(!resumed).open(part);
    let mut out = out.map_err(file)?;
    let total = response.body().content_length().map(|rest| done + rest);
    let mut body = response.into_body().into_reader();
    let mut buffer = vec![0; 1 << 16];
    loop {
        say(Event::Progress { done, total });
        let count = body.read(&mut buffer).map_err(|error| failure(ureq::Error::from(error), limits))?;
        if count == 0 {
            break;
        }
        out.write_all(&buffer[..count]).map_err(file)?;
        done += count as u64;
    }
    if total.is_some_and(|total| done < total) {
        return Err(Failure::Broken("the connection ended".to_owned()));
    }
    out.sync_all().map_err(file)
}

fn failure(error: ureq::Error, limits: &Limits) -> Failure {
    match error {
        // Busy or broken for now; every other status stays.
        ureq::Error::StatusCode(status @ (408 | 429 | 500..)) => Failure::Broken(format!("HTTP status {status}")),
        ureq::Error::StatusCode(status) => Failure::Final(Interrupted::Refused(status)),
        ureq::Error::Timeout(ureq::Timeout::PerRead | ureq::Timeout::RecvResponse) => {
            Failure::Broken(format!("no byte came for {} s", limits.silence.as_secs_f64()))
        }
        ureq::Error::Timeout(_) | ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => {
            Failure::Unreachable(error.to_string())
        }
        ureq::Error::Io(ref cause) => match cause.kind() {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => Failure::Broken(cause.to_string()),
            _ => Failure::Unreachable(error.to_string()),
        },
        _ => Failure::Unreachable(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::is_this_machine;

    #[test]
    fn this_machine_is_told_by_its_host() {
        for url in ["http://127.0.0.1:8000/a", "http://localhost/a", "https://[::1]:80/a", "http://me:x@127.9.9.9"] {
            assert!(is_this_machine(url), "{url}");
        }
        for url in [
            "http://127.0.0.1.example/a",
            "https://10.0.0.1/a",
            "http://localhost.example",
            "https://a/127.0.0.1",
            "",
        ] {
            assert!(!is_this_machine(url), "{url}");
        }
    }
}
