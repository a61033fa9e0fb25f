//! To whom nothing is said.

use crate::browser::Server;
use crate::made::Made;
use frostline_dashboard::{Limits, Options, ServeError, serve};
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

#[test]
fn the_link_becomes_a_cookie_that_scripts_cannot_read() {
    let made = Made::new();
    let server = made.server();
    let asked = format!("GET /s/made?token={} HTTP/1.1\r\n{}Connection: close\r\n\r\n", server.token, server.host());
    let welcome = server.say(&asked);
    assert_eq!((welcome.status, welcome.header("location")), (303, Some("/s/made")));
    let cookie = welcome.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let (pair, _) = cookie.split_once(';').unwrap();
    let page =
        server.say(&format!("GET /s/made HTTP/1.1\r\n{}Cookie: {pair}\r\nConnection: close\r\n\r\n", server.host()));
    assert_eq!(page.status, 200);
}

#[test]
fn without_the_token_there_is_nothing() {
    let made = Made::new();
    let server = made.server();
    let host = server.host();
    for place in ["/", "/s/made", "/api/v1/sweeps", "/events", "/assets/x.css", "/nothing"] {
        let asked =
            |more: &str| server.say(&format!("GET {place}{more} HTTP/1.1\r\n{host}Connection: close\r\n\r\n"));
        assert_eq!(asked("").status, 401, "{place}");
        assert_eq!(asked("?token=0123").status, 401, "{place}");
        let wrong = format!("Cookie: frostline-{}={}\r\n", server.address.port(), "0".repeat(32));
        let answer = server.say(&format!("GET {place} HTTP/1.1\r\n{host}{wrong}Connection: close\r\n\r\n"));
        assert_eq!(answer.status, 401, "{place}");
        assert!(!answer.body.contains("made"), "{place}");
    }
}

#[test]
fn a_rebound_name_and_another_sites_page_are_refused() {
    let made = Made::new();
    let server = made.server();
    let (host, cookie, port) = (server.host(), server.cookie(), server.address.port());
    for foreign in
        [format!("Host: rebound.example:{port}\r\n"), "Host: 127.0.0.1\r\n".to_owned(), format!("{host}{host}")]
    {
        let answer = server.say(&format!("GET /s/made HTTP/1.1\r\n{foreign}{cookie}Connection: close\r\n\r\n"));
        assert!(matches!(answer.status, 400 | 403), "{foreign}: {}", answer.head);
        assert!(!answer.body.contains("Leaderboard"));
    }
    assert_eq!(server.say(&format!("GET /s/made HTTP/1.0\r\n{cookie}\r\n")).status, 403, "no host at all");
    assert_eq!(server.get_with("/s/made", "Sec-Fetch-Site: cross-site\r\n").status, 403);
    assert_eq!(server.get_with("/s/made", "Sec-Fetch-Site: same-site\r\n").status, 403);
    let allowed = server.get_with("/s/made", "Sec-Fetch-Site: same-origin\r\nOrigin: http://x\r\n");
    assert_eq!((allowed.status, allowed.header("access-control-allow-origin")), (200, None));
    let localhost = format!("Host: localhost:{port}\r\n");
    assert_eq!(server.say(&format!("GET / HTTP/1.1\r\n{localhost}{cookie}Connection: close\r\n\r\n")).status, 200);
}

#[test]
fn only_get_and_head_are_answered() {
    let made = Made::new();
    let server = made.server();
    let (host, cookie) = (server.host(), server.cookie());
    let asked = |verb: &str, place: &str| {
        server
            .say(&format!("{verb} {place} HTTP/1.1\r\n{host}{cookie}Content-Length: 0\r\nConnection: close\r\n\r\n"))
    };
    for verb in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
        for place in ["/", "/s/made", "/events", "/api/v1/sweeps"] {
            assert_eq!(asked(verb, place).status, 405, "{verb} {place}");
        }
    }
    let head = asked("HEAD", "/s/made");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[test]
fn large_and_slow_headers_end_and_the_server_goes_on() {
    let made = Made::new();
    let limits = Limits { header_time: Duration::from_millis(300), ..Limits::default() };
    let server = Server::limited(made.folder.path(), limits);
    let large = format!("X-Large: {}\r\n", "x".repeat(20_000));
    let answer = server.get_with("/", &large);
    assert_ne!(answer.status, 200, "{}", answer.head);
    let mut slow = server.connect();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: ").unwrap();
    let mut rest = Vec::new();
    // It ends although we say no more: nothing, or that it took too long.
    let _ = slow.read_to_end(&mut rest);
    assert!(!rest.starts_with(b"HTTP/1.1 200"));
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn connections_are_bounded_and_idle_ones_make_room() {
    let made = Made::new();
    let limits = Limits { connections: 4, header_time: Duration::from_millis(300) };
    let server = Server::limited(made.folder.path(), limits);
    let idle: Vec<_> = (0..40).map(|_| server.connect()).collect();
    // Behind all of them in the line.
    assert_eq!(server.get("/").status, 200);
    drop(idle);
    // Two of four may wait for news; a third is told so.
    let mut watchers = [server.events(""), server.events("?sweep=made")];
    for watcher in &mut watchers {
        watcher.next().unwrap();
    }
    assert_eq!(server.get("/events").status, 503);
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn other_machines_are_not_listened_to_unless_that_is_said() {
    let made = Made::new();
    let options = Options {
        results: made.folder.path().to_owned(),
        host: [0, 0, 0, 0].into(),
        port: Some(0),
        allow_remote: false,
        classes: Arc::new(|_| Vec::new()),
        images: Arc::new(|_| Err(String::new())),
        made_by: String::new(),
        limits: Limits::default(),
    };
    let refused = serve(options, |_| panic!("it listens")).unwrap_err();
    assert!(matches!(refused, ServeError::Remote(_)));
    assert!(refused.to_string().contains("--allow-remote"), "{refused}");
}
