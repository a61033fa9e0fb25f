//! When something has changed: one thread looks for all who watch.

use axum::body::Bytes;
use frostline_results::{Folder, RunStatus};
use frostline_store::Reader;
use frostline_view::status::going_on;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::sync::watch;

/// How often the database is asked whether it has changed; that takes microseconds.
const EVERY: Duration = Duration::from_millis(500);

/// What there is to see, by its versions.
#[derive(Debug, Clone, Default, PartialEq)]
struct News {
    /// It grows with every change.
    version: u64,
    /// Of each sweep: when it was changed last, in seconds since 1970, and the version from then on.
    sweeps: BTreeMap<String, (f64, u64)>,
    /// What the running coordinator says of itself.
    run: Option<RunStatus>,
}

impl News {
    /// For who watches all, or one sweep. A sweep's version is 0 before its first look, and where there is none.
    fn told(&self, sweep: Option<&str>) -> String {
        let Some(sweep) = sweep else { return self.version.to_string() };
        let version = self.sweeps.get(sweep).map_or(0, |(_, version)| *version);
        let run = self.run.as_ref().filter(|run| run.sweep == sweep);
        json!({ "version": version, "now": run.map(going_on) }).to_string()
    }
}

#[derive(Clone)]
pub(crate) struct Live(watch::Receiver<Arc<News>>);

impl Live {
    /// Watches a results folder, also one that has no database yet, for as long as somebody may ask.
    pub(crate) fn watch(results: PathBuf) -> std::io::Result<Live> {
        let (sender, receiver) = watch::channel(Arc::default());
        thread::Builder::new().name("live".to_owned()).spawn(move || look(&results, &sender))?;
        Ok(Live(receiver))
    }

    /// The version of all that there is to see.
    pub(crate) fn version(&self) -> u64 {
        self.0.borrow().version
    }

    /// What the coordinator of this sweep says of itself.
    pub(crate) fn now(&self, sweep: &str) -> Option<String> {
        self.0.borrow().run.as_ref().filter(|run| run.sweep == sweep).map(going_on)
    }

    /// What a watcher of everything, or of a sweep, is told.
    pub(crate) fn told(&self, sweep: Option<&str>) -> String {
        self.0.borrow().told(sweep)
    }

    /// The next event for a watcher that was told `known` last: what is told where it is something else, or a comment that
    /// keeps the connection.
    pub(crate) async fn next(&mut self, sweep: Option<&str>, known: String, silence: Duration) -> (String, Bytes) {
        let changed = async {
            loop {
                let told = self.0.borrow_and_update().told(sweep);
                if told != known {
                    return told;
                }
                if self.0.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        match tokio::time::timeout(silence, changed).await {
            Ok(told) => {
                let event = Bytes::from(format!("data: {told}\n\n"));
                (told, event)
            }
            Err(_) => (known, Bytes::from_static(b": still here\n\n")),
        }
    }
}

fn look(results: &Path, sender: &watch::Sender<Arc<News>>) {
    let status = Folder::new(results).status();
    let mut reader = None;
    let mut last = None;
    while !sender.is_closed() {
        if reader.is_none() {
            reader = Reader::open(results).ok();
        }
        let found = reader.as_mut().and_then(|reader| reader.version().ok());
        if found.is_none() {
            // Gone, or being replaced: another look finds out.
            reader = None;
        }
        let updated = if found.is_some() && found != last {
            reader.as_ref().and_then(|reader| reader.updated().ok())
        } else {
            None
        };
        let run = RunStatus::read(&status);
        let known = sender.borrow().clone();
        if updated.is_some() || known.run != run {
            let mut news = News { run, ..(*known).clone() };
            if let Some(updated) = updated {
                last = found;
                news.follow(updated);
            }
            sender.send_replace(Arc::new(news));
        }
        thread::sleep(EVERY);
    }
}

impl News {
    /// The database is another, and these are its sweeps.
    fn follow(&mut self, updated: Vec<(String, f64)>) {
        self.version += 1;
        let of = |(name, at): (String, f64)| {
            let same = self.sweeps.get(&name).filter(|(before, _)| *before == at);
            let version = same.map_or(self.version, |(_, version)| *version);
            (name, (at, version))
        };
        self.sweeps = updated.into_iter().map(of).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watcher_of_a_sweep_hears_of_that_sweep_alone() {
        let updated = |one, other| vec![("one".to_owned(), one), ("other".to_owned(), other)];
        let mut news = News::default();
        news.follow(updated(1.0, 1.0));
        let (one, other) = (news.told(Some("one")), news.told(Some("other")));
        news.follow(updated(2.0, 1.0));
        assert_ne!(news.told(Some("one")), one);
        assert_eq!(news.told(Some("other")), other);
        assert_eq!(news.told(None), "2");
        news.run = Some(RunStatus {
            sweep: "other".to_owned(),
            process: 1,
            host: String::new(),
            at: 1.0,
            seconds_left: Some(58.0),
            draining: false,
            running: Vec::new(),
        });
        assert_eq!(news.told(Some("other")), r#"{"now":"running, 0 tasks, 58 s left","version":1}"#);
        assert_eq!(news.told(Some("one")), r#"{"now":null,"version":2}"#);
    }
}
