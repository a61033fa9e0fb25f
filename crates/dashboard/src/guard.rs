//! Who may read: what is looked at before a request reaches a page.

use crate::token::same;
use axum::http::header::{COOKIE, HOST};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use std::net::{IpAddr, SocketAddr};

/// The parameter of the printed link.
const TOKEN: &str = "token";

#[derive(Debug, Clone)]
pub(crate) struct Guard {
    token: String,
    address: SocketAddr,
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    /// It has the token in its address: the browser keeps it in a cookie and asks for the clean address.
    Welcome {
        cookie: String,
        place: String,
    },
    Refused(Refusal),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Method,
    /// A page of another host has made the browser ask here (DNS rebinding), or nobody says whom is asked.
    Host,
    /// Another site's page asks.
    Site,
    Token,
}

impl Refusal {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Refusal::Method => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::Host | Refusal::Site => StatusCode::FORBIDDEN,
            Refusal::Token => StatusCode::UNAUTHORIZED,
        }
    }

    pub(crate) fn words(self) -> &'static str {
        match self {
            Refusal::Method => "Only GET and HEAD are answered here: nothing can be changed from a browser.",
            Refusal::Host => {
                "The host that was asked for is not this one: open the link that `frostline serve` printed."
            }
            Refusal::Site => "Another site's page may not ask here: open the link that `frostline serve` printed.",
            Refusal::Token => "The token is missing: open the link that `frostline serve` printed.",
        }
    }
}

impl Guard {
    /// For a server that listens on `address`.
    pub(crate) fn new(token: String, address: SocketAddr) -> Guard {
        Guard { token, address }
    }

    pub(crate) fn judge(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Verdict {
        let refusal = match () {
            () if method != Method::GET && method != Method::HEAD => Refusal::Method,
            () if !self.is_ours(headers) => Refusal::Host,
            () if is_foreign(headers) => Refusal::Site,
            () => {
                let query = uri.query().unwrap_or_default();
                let given = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == TOKEN);
                if given.is_some_and(|(_, token)| same(&self.token, &token)) {
                    return Verdict::Welcome { cookie: self.cookie(), place: clean(uri) };
                }
                if self.has_cookie(headers) {
                    return Verdict::Allowed;
                }
                Refusal::Token
            }
        };
        Verdict::Refused(refusal)
    }

    /// Cookies are a host's and not a port's: the name keeps those of two servers apart.
    fn cookie_name(&self) -> String {
        format!("frostline-{}", self.address.port())
    }

    fn cookie(&self) -> String {
        format!("{}={}; Path=/; HttpOnly; SameSite=Strict", self.cookie_name(), self.token)
    }

    fn has_cookie(&self, headers: &HeaderMap) -> bool {
        let name = self.cookie_name();
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.any(|(known, token)| known == name && same(&self.token, token))
    }

    /// One `Host`, and that names this server. Where other machines may ask, any address does: a name that was rebound is
    /// no address.
    fn is_ours(&self, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
        let Ok(host) = host.to_str() else { return false };
        let port = self.address.port();
        if host == format!("localhost:{port}") {
            return self.is_local();
        }
        let Ok(asked) = host.parse::<SocketAddr>() else { return false };
        let is_this = |ip: IpAddr| if self.is_local() { ip.is_loopback() } else { true };
        asked.port() == port && is_this(asked.ip())
    }

    fn is_local(&self) -> bool {
        self.address.ip().is_loopback()
    }
}

/// Browsers say where a request comes from; others say nothing.
fn is_foreign(headers: &HeaderMap) -> bool {
    let mut sites = headers.get_all("sec-fetch-site").iter();
    sites.any(|site| site != "same-origin" && site != "none")
}

/// The address without the token.
fn clean(uri: &Uri) -> String {
    let mut rest = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        if name != TOKEN {
            rest.append_pair(&name, &value);
        }
    }
    let rest = rest.finish();
    // `//host` would lead elsewhere.
    let path = format!("/{}", uri.path().trim_start_matches('/'));
    if rest.is_empty() { path } else { format!("{path}?{rest}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "00112233445566778899aabbccddeeff";

    fn guard(address: &str) -> Guard {
        Guard::new(SECRET.to_owned(), address.parse().unwrap())
    }

    fn judge(address: &str, method: Method, place: &str, headers: &[(&'static str, &str)]) -> Verdict {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        guard(address).judge(&method, &place.parse().unwrap(), &map)
    }

    const HERE: &str = "127.0.0.1:7878";
    const COOKIE: (&str, &str) = ("cookie", "a=b; frostline-7878=00112233445566778899aabbccddeeff");

    #[test]
    fn a_page_is_for_whoever_has_the_cookie() {
        let host = ("host", HERE);
        assert_eq!(judge(HERE, Method::GET, "/", &[host, COOKIE]), Verdict::Allowed);
        assert_eq!(judge(HERE, Method::HEAD, "/", &[host, COOKIE]), Verdict::Allowed);
        let refused = Verdict::Refused(Refusal::Token);
        assert_eq!(judge(HERE, Method::GET, "/", &[host]), refused);
        assert_eq!(judge(HERE, Method::GET, "/?token=00", &[host]), refused);
        assert_eq!(judge(HERE, Method::GET, "/", &[host, ("cookie", "frostline-7878=00")]), refused);
        let other = ("cookie", "frostline-7879=00112233445566778899aabbccddeeff");
        assert_eq!(judge(HERE, Method::GET, "/", &[host, other]), refused, "another server's cookie");
    }

    #[test]
    fn the_link_becomes_a_cookie_and_a_clean_address() {
        let place = format!("/s/demo?token={SECRET}&where=seed%3D1");
        let Verdict::Welcome { cookie, place } = judge(HERE, Method::GET, &place, &[("host", HERE)]) else {
            panic!()
        };
        assert_eq!(place, "/s/demo?where=seed%3D1");
        assert_eq!(cookie, format!("frostline-7878={SECRET}; Path=/; HttpOnly; SameSite=Strict"));
        let outwards = format!("//evil.example/?token={SECRET}");
        let Verdict::Welcome { place, .. } = judge(HERE, Method::GET, &outwards, &[("host", HERE)]) else { panic!() };
        assert_eq!(place, "/evil.example/");
    }

    #[test]
    fn other_hosts_are_refused() {
        let refused = Verdict::Refused(Refusal::Host);
        for host in [
            "evil.example:7878",
            "127.0.0.1",
            "127.0.0.1:80",
            "localhost",
            "10.0.0.1:7878",
            "127.0.0.1.evil:7878",
            "",
        ] {
            assert_eq!(judge(HERE, Method::GET, "/", &[("host", host), COOKIE]), refused, "{host}");
        }
        assert_eq!(judge(HERE, Method::GET, "/", &[COOKIE]), refused, "no host at all");
        assert_eq!(judge(HERE, Method::GET, "/", &[("host", HERE), ("host", HERE), COOKIE]), refused, "two hosts");
        for host in ["127.0.0.1:7878", "localhost:7878", "[::1]:7878"] {
            assert_eq!(judge(HERE, Method::GET, "/", &[("host", host), COOKIE]), Verdict::Allowed, "{host}");
        }
        let remote = "0.0.0.0:7878";
        assert_eq!(judge(remote, Method::GET, "/", &[("host", "10.0.0.1:7878"), COOKIE]), Verdict::Allowed);
        assert_eq!(judge(remote, Method::GET, "/", &[("host", "rebound.example:7878"), COOKIE]), refused);
    }

    #[test]
    fn other_sites_and_other_verbs_are_refused() {
        for site in ["cross-site", "same-site"] {
            let headers = [("host", HERE), COOKIE, ("sec-fetch-site", site)];
            assert_eq!(judge(HERE, Method::GET, "/", &headers), Verdict::Refused(Refusal::Site));
        }
        for site in ["same-origin", "none"] {
            let headers = [("host", HERE), COOKIE, ("sec-fetch-site", site)];
            assert_eq!(judge(HERE, Method::GET, "/", &headers), Verdict::Allowed);
        }
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            assert_eq!(judge(HERE, method, "/", &[("host", HERE), COOKIE]), Verdict::Refused(Refusal::Method));
        }
    }
}
