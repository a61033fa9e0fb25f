//! What is sent back, and what every answer has with it.

use axum::body::{Body, Bytes};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use frostline_store::StoreError;
use frostline_view::ViewError;
use maud::{DOCTYPE, html};
use serde::Serialize;

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
        let tag = format!("\"{}\"", &blake3::hash(&self.body).to_hex()[..32]);
        let is_known = asked.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
        let (status, body) = match self.status {
            StatusCode::OK if is_known => (StatusCode::NOT_MODIFIED, Body::empty()),
            status => (status, Body::from(self.body)),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            response.headers_mut().insert(ETAG, tag);
        }
        response
    }
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
