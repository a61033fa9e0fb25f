//! What is sent back, and what every answer has with it.

use axum::body::{Body, Bytes};
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use frostline_store::StoreError;
use frostline_view::ViewError;
use maud::{DOCTYPE, html};
use serde::Serialize;
use std::io::Write;

/// A page, or an answer for programs.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: StatusCode,
    kind: &'static str,
    body: Bytes,
}

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const CSV: &str = "text/csv; charset=utf-8";
const PNG: &str = "image/png";

/// Nothing is loaded but from here, and nothing is framed.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Shorter answers are not worth the work.
const LONG: usize = 4 << 10;

impl Answer {
    pub(crate) fn html(page: String) -> Answer {
        Answer { status: StatusCode::OK, kind: HTML, body: page.into() }
    }

    /// As `--json` prints it.
    pub(crate) fn json(value: &impl Serialize) -> Answer {
        match serde_json::to_vec_pretty(value) {
            Ok(mut body) => {
                body.push(b'\n');
                Answer { status: StatusCode::OK, kind: JSON, body: body.into() }
            }
            Err(error) => Answer::wrong(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string(), true),
        }
    }

    pub(crate) fn csv(lines: Vec<u8>) -> Answer {
        Answer { status: StatusCode::OK, kind: CSV, body: lines.into() }
    }

    pub(crate) fn png(image: Vec<u8>) -> Answer {
        Answer { status: StatusCode::OK, kind: PNG, body: image.into() }
    }

    /// What is wrong, for people or for programs.
    pub(crate) fn wrong(status: StatusCode, message: &str, for_programs: bool) -> Answer {
        if for_programs {
            let body = serde_json::json!({ "error": message }).to_string().into();
            return Answer { status, kind: JSON, body };
        }
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head { meta charset="utf-8"; title { (status.as_u16()) " · frostline" } }
                body { h1 { (status.canonical_reason().unwrap_or("Refused")) } p { (message) } p { a href="/" { "All sweeps" } } }
            }
        };
        Answer { status, kind: HTML, body: page.into_string().into() }
    }

    /// Why there is no answer.
    pub(crate) fn failed(error: &ViewError, for_programs: bool) -> Answer {
        let status = match error {
            ViewError::Store(
                StoreError::UnknownSweep { .. } | StoreError::UnknownTrial { .. } | StoreError::Missing { .. },
            ) => StatusCode::NOT_FOUND,
            ViewError::Store(StoreError::AmbiguousTrial { .. }) => StatusCode::MULTIPLE_CHOICES,
            ViewError::Store(StoreError::Held { .. }) => StatusCode::SERVICE_UNAVAILABLE,
            ViewError::NoEffects { .. } => StatusCode::CONFLICT,
            ViewError::ByResult { .. } => StatusCode::BAD_REQUEST,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Answer::wrong(status, &error.to_string(), for_programs)
    }

    /// Whether it is one, and no larger than `most` bytes.
    pub(crate) fn is_worth_keeping(&self, most: usize) -> bool {
        self.status == StatusCode::OK && self.body.len() <= most
    }

    /// Nothing is sent where the browser has the same already.
    pub(crate) fn response(self, asked: &HeaderMap) -> Response {
        let packs = self.kind != PNG && self.body.len() >= LONG && takes_gzip(asked);
        // Of what is sent: the packed form is another.
        let form = if packs { "-gzip" } else { "" };
        let tag = format!("\"{}{form}\"", &blake3::hash(&self.body).to_hex()[..32]);
        let is_known = asked.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
        let packed = if packs && !is_known { gzip(&self.body) } else { None };
        let is_packed = packed.is_some();
        let (status, body) = match self.status {
            StatusCode::OK if is_known => (StatusCode::NOT_MODIFIED, Body::empty()),
            status => (status, packed.map_or_else(|| Body::from(self.body), Body::from)),
        };
        let mut response = Response::new(body);
        if is_packed {
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            response.headers_mut().insert(ETAG, tag);
        }
        response
    }
}

/// Whether the browser says that it takes answers packed: over ssh a page is there ten times as fast.
fn takes_gzip(asked: &HeaderMap) -> bool {
    let said = asked.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut ways = said.flat_map(|value| value.split(',')).map(|way| way.split(';').map(str::trim));
    ways.any(|mut way| {
        way.next() == Some("gzip")
            && !way.any(|weight| weight.starts_with("q=0") && weight.trim_end_matches(['0', '.']) == "q=")
    })
}

/// From here on a page of a thousand rows takes twice as long for a hundredth less; at the fastest it is half as large again.
const PACKING: Compression = Compression::new(5);

fn gzip(body: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 8), PACKING);
    encoder.write_all(body).and_then(|()| encoder.finish()).ok()
}

/// What every answer has with it.
pub(crate) fn protected(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // A page is asked for anew each time, and may be told that nothing has changed.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache, private"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_takes_packed_answers_gets_them() {
        let takes = |said: &'static str| {
            takes_gzip(&HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(said))]))
        };
        for said in ["gzip", "gzip, deflate, br", "br;q=1.0, gzip;q=0.8, *;q=0.1"] {
            assert!(takes(said), "{said}");
        }
        for said in ["", "identity", "br", "gzip;q=0", "gzip;q=0.0", "x-gzip"] {
            assert!(!takes(said), "{said}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
