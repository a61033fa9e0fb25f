//! When something has changed: one thread looks for all who watch.

use axum::body::Bytes;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;
use tokio::sync::watch;

/// How often the database is asked whether it has changed; that takes microseconds.
const EVERY: Duration = Duration::from_millis(500);

/// The version of what there is to see; it grows with every change.
#[derive(Clone)]
pub(crate) struct Live(watch::Receiver<u64>);

impl Live {
    /// Watches a results folder, also one that has no database yet, for as long as somebody may ask.
    pub(crate) fn watch(results: PathBuf) -> std::io::Result<Live> {
        let (sender, receiver) = watch::channel(0);
        thread::Builder::new().name("live".to_owned()).spawn(move || look(&results, &sender))?;
        Ok(Live(receiver))
    }

    pub(crate) fn version(&self) -> u64 {
        *self.0.borrow()
    }

    /// The next event for a watcher that was told `known` last: the version where it is another, or a comment that keeps
    /// the connection.
    pub(crate) async fn next(&mut self, known: u64, silence: Duration) -> (u64, Bytes) {
        let changed = async {
            loop {
                let version = *self.0.borrow_and_update();
                if version != known {
                    return version;
                }
                if self.0.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        match tokio::time::timeout(silence, changed).await {
            Ok(version) => (version, Bytes::from(format!("data: {version}\n\n"))),
            Err(_) => (known, Bytes::from_static(b": still here\n\n")),
        }
    }
}

fn look(results: &Path, sender: &watch::Sender<u64>) {
    let mut reader = None;
    let mut last = None;
    while !sender.is_closed() {
        if reader.is_none() {
            reader = frostline_store::Reader::open(results).ok();
        }
        let found = reader.as_ref().and_then(|reader| reader.version().ok());
        if found.is_none() {
            // Gone, or being replaced: another look finds out.
            reader = None;
        }
        if found.is_some() && found != last {
            last = found;
            sender.send_modify(|version| *version += 1);
        }
        thread::sleep(EVERY);
    }
}
