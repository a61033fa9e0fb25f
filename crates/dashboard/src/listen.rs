//! The server: connections, bounded in number, size and time, and which request goes where.

use crate::answer::{Answer, protected};
use crate::guard::{Guard, Refusal, Verdict};
use crate::live::Live;
use crate::question::Question;
use crate::token::token;
use crate::{Classes, Galleries, Site, api, assets, pages};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use frostline_store::Reader;
use frostline_view::ViewError;
use futures_util::stream::unfold;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{sleep, timeout};

/// The first port that is tried where none is named, and how many after it.
const PORT: u16 = 7878;
const TRIED: u16 = 20;
/// Of all connections, how many in a hundred may wait for news.
const WATCHERS: usize = 50;
/// Bytes of a request's line and headers; the least that hyper takes.
const HEADER: usize = 8 << 10;
/// Of one connection; a browser makes another by itself.
const LIFETIME: Duration = Duration::from_secs(300);
/// How long a watcher hears nothing at most.
const SILENCE: Duration = Duration::from_secs(15);
/// Between two events of one watcher.
const PAUSE: Duration = Duration::from_millis(500);
/// Threads that read the database.
const READERS: usize = 2;

/// How much is listened to at a time.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Further ones wait until one of these ends.
    pub connections: usize,
    /// To say what is asked for, and between two questions.
    pub header_time: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { connections: 64, header_time: Duration::from_secs(10) }
    }
}

/// What to serve, and where.
pub struct Options {
    pub results: PathBuf,
    pub host: IpAddr,
    /// 0 for any; none for the first that is free from 7878 on.
    pub port: Option<u16>,
    /// Whether others than this machine may be listened to.
    pub allow_remote: bool,
    pub classes: Classes,
    pub images: Galleries,
    /// The program and its version.
    pub made_by: String,
    pub limits: Limits,
}

/// Where it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub address: SocketAddr,
    /// With the token.
    pub link: String,
}

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(
        "{0} can be reached from other machines, and whoever has the link can read everything: give --allow-remote to mean it, or reach this machine by `ssh -L`"
    )]
    Remote(IpAddr),
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("cannot start the server: {0}")]
    Start(#[from] std::io::Error),
}

/// Serves until the process is told to end. `ready` hears where.
///
/// # Errors
/// An address that is not allowed or not free.
pub fn serve(options: Options, ready: impl FnOnce(&Address)) -> Result<(), ServeError> {
    let told = async {
        // Without it, the process ends as it does anyway.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    serve_until(options, ready, told)
}

/// A server on a thread of its own, until it is dropped.
pub struct Beside {
    pub address: Address,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
}

impl Beside {
    /// # Errors
    /// An address that is not allowed or not free.
    pub fn start(options: Options) -> Result<Beside, ServeError> {
        let (stop, stopped) = oneshot::channel();
        let (sender, ready) = mpsc::channel();
        let serving = move || {
            let told = async {
                // Also where who started it is gone.
                let _ = stopped.await;
            };
            serve_until(options, |address| drop(sender.send(address.clone())), told)
        };
        let thread = thread::Builder::new().name("pages".to_owned()).spawn(serving)?;
        match ready.recv() {
            Ok(address) => Ok(Beside { address, stop: Some(stop), thread: Some(thread) }),
            // It has ended before it was ready.
            Err(_) => match thread.join() {
                Ok(Err(error)) => Err(error),
                _ => Err(ServeError::Start(std::io::Error::other("its thread has ended"))),
            },
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take()
            && !matches!(thread.join(), Ok(Ok(())))
        {
            tracing::warn!("the server has ended before it was told to");
        }
    }
}

fn serve_until(
    options: Options,
    ready: impl FnOnce(&Address),
    told: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    if !options.host.is_loopback() && !options.allow_remote {
        return Err(ServeError::Remote(options.host));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(READERS)
        .build()
        .map_err(ServeError::Start)?;
    let served = runtime.block_on(async {
        let listener = listen(&options).await?;
        let address = listener.local_addr()?;
        let token = token()?;
        let link = format!("http://{address}/?token={token}");
        let live = Live::watch(options.results.clone())?;
        let site = Site {
            results: options.results,
            classes: options.classes,
            images: options.images,
            made_by: options.made_by,
            live,
            cache: Arc::default(),
            held: Arc::default(),
        };
        let limits = options.limits;
        let router = router(site, Guard::new(token, address), limits);
        ready(&Address { address, link });
        tokio::select! {
            () = accept(listener, router, limits) => {}
            () = told => {}
        }
        Ok(())
    });
    // A page that is still being made is nobody's any more.
    runtime.shutdown_background();
    served
}

async fn listen(options: &Options) -> Result<TcpListener, ServeError> {
    let ports = match options.port {
        Some(port) => port..=port,
        None => PORT..=PORT + TRIED,
    };
    let last = *ports.end();
    for port in ports {
        let address = SocketAddr::new(options.host, port);
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && port < last => {}
            Err(source) => return Err(ServeError::Listen { address, source }),
        }
    }
    unreachable!("the last port is bound or an error");
}

async fn accept(listener: TcpListener, router: Router, limits: Limits) {
    let seats = Arc::new(Semaphore::new(limits.connections));
    loop {
        let Ok(seat) = seats.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let router = router.clone();
                tokio::spawn(async move {
                    let _ = timeout(LIFETIME, converse(stream, router, limits)).await;
                    drop(seat);
                });
            }
            // Out of descriptors, most likely: what is open has to end first.
            Err(error) => {
                tracing::warn!("a connection could not be accepted: {error}");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, router: Router, limits: Limits) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(HEADER)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = connection.await {
        tracing::debug!("a connection ended: {error}");
    }
}

#[derive(Clone)]
struct Server {
    site: Arc<Site>,
    watchers: Arc<Semaphore>,
}

fn router(site: Site, guard: Guard, limits: Limits) -> Router {
    let watchers = (limits.connections * WATCHERS / 100).max(1);
    let server = Server { site: Arc::new(site), watchers: Arc::new(Semaphore::new(watchers)) };
    Router::new()
        .route("/events", get(events))
        .route("/assets/{file}", get(asset))
        .fallback(answer)
        .with_state(server)
        .layer(from_fn_with_state(Arc::new(guard), guarded))
}

async fn guarded(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let verdict = guard.judge(request.method(), request.uri(), request.headers());
    protected(match verdict {
        Verdict::Allowed => next.run(request).await,
        Verdict::Welcome { cookie, place } => welcome(&cookie, &place),
        Verdict::Refused(refusal) => refused(refusal, &request),
    })
}

fn welcome(cookie: &str, place: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    for (name, value) in [(SET_COOKIE, cookie), (LOCATION, place)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn refused(refusal: Refusal, request: &Request) -> Response {
    let answer = Answer::wrong(refusal.status(), refusal.words(), is_api(request.uri().path()));
    answer.response(request.headers())
}

fn is_api(path: &str) -> bool {
    path.starts_with("/api/")
}

/// Pages and answers, made by a thread that may wait for the database.
async fn answer(State(server): State<Server>, request: Request) -> Response {
    let (site, uri) = (server.site.clone(), request.uri().clone());
    let made = tokio::task::spawn_blocking(move || kept_or_made(&site, &uri)).await;
    let answer = made.unwrap_or_else(|_| {
        let message = "This page could not be made: that is a mistake in Frostline.";
        Answer::wrong(StatusCode::INTERNAL_SERVER_ERROR, message, is_api(request.uri().path()))
    });
    answer.response(request.headers())
}

fn kept_or_made(site: &Site, uri: &Uri) -> Answer {
    let (path, query) = (uri.path(), uri.query().unwrap_or_default());
    // These say more than the database: how long ago something has changed, how far a running epoch is.
    if path == "/" || is_api(path) {
        return made(site, path, query);
    }
    site.cache.answer(site.live.version(), &uri.to_string(), || made(site, path, query))
}

fn made(site: &Site, path: &str, query: &str) -> Answer {
    let for_programs = is_api(path);
    let parts: Option<Vec<String>> = path.split('/').skip(1).map(decoded).collect();
    let Some(parts) = parts else {
        return Answer::wrong(StatusCode::BAD_REQUEST, "The address is not UTF-8.", for_programs);
    };
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let question = match Question::parse(query) {
        Ok(question) => question,
        Err(message) => return Answer::wrong(StatusCode::BAD_REQUEST, &message, for_programs),
    };
    let answered = Reader::open(&site.results).map_err(ViewError::from).and_then(|reader| match &parts[..] {
        ["api", "v1", rest @ ..] => api::answer(site, &reader, rest, &question),
        parts => pages::answer(site, &reader, parts, &question),
    });
    answered.unwrap_or_else(|error| Answer::failed(&error, for_programs))
}

/// A part of a path, `%2F` and its like undone; none where that is not UTF-8.
fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let pair = after.get(..2).filter(|pair| first == b'%' && pair.iter().all(u8::is_ascii_hexdigit));
        let pair = pair.and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

async fn asset(request: Request) -> Response {
    let Some(asset) = assets::find(request.uri().path()) else {
        return Answer::wrong(StatusCode::NOT_FOUND, "There is no such file.", false).response(request.headers());
    };
    let mut response = Response::new(Body::from(asset.content));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=31536000, immutable"));
    response
}

/// Tells a version whenever it changes, of all or of one sweep: whoever watches asks again for what is shown.
async fn events(State(server): State<Server>, request: Request) -> Response {
    let Ok(seat) = server.watchers.clone().try_acquire_owned() else {
        let message = "Too many pages wait for news already.";
        return Answer::wrong(StatusCode::SERVICE_UNAVAILABLE, message, false).response(request.headers());
    };
    let query = request.uri().query().unwrap_or_default();
    let sweep =
        form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "sweep").map(|(_, it)| it.into_owned());
    let live = server.site.live.clone();
    let first = live.told(sweep.as_deref());
    let greeting = format!("retry: 2000\ndata: {first}\n\n").into_bytes();
    let begin = (live, sweep, first, Some(greeting), seat);
    let told = unfold(begin, |(mut live, sweep, known, greeting, seat)| async move {
        if let Some(greeting) = greeting {
            return Some((Ok::<_, std::io::Error>(greeting.into()), (live, sweep, known, None, seat)));
        }
        sleep(PAUSE).await;
        let (known, event) = live.next(sweep.as_deref(), known, SILENCE).await;
        Some((Ok(event), (live, sweep, known, None, seat)))
    });
    let mut response = Response::new(Body::from_stream(told));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_path_are_decoded_once() {
        assert_eq!(decoded("a%2Fb%252F").as_deref(), Some("a/b%2F"));
        assert_eq!(decoded("100%").as_deref(), Some("100%"));
        assert_eq!(decoded("%zz%4").as_deref(), Some("%zz%4"));
        assert_eq!(decoded("%ff"), None);
    }
}
