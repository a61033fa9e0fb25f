//! The coordinator's log: in the results folder, and on the terminal where that is wanted.

use anyhow::Context;
use frostline_results::Folder;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

/// The log is begun anew once it is longer than this; the one before is kept.
const LOG_BYTES: u64 = 4 << 20;

/// A log file that is put aside once it is long, and begun anew.
struct Log {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Log {
    fn open(path: PathBuf) -> std::io::Result<Log> {
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Log { path, file, bytes })
    }
}

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        if self.bytes > LOG_BYTES {
            std::fs::rename(&self.path, self.path.with_extension("old.log"))?;
            *self = Log::open(std::mem::take(&mut self.path))?;
        }
        self.bytes += line.len() as u64;
        self.file.write(line)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// Logs into the results folder, and with `verbose` to the terminal too.
///
/// # Errors
/// The folder cannot be made, or its log not written.
pub(crate) fn log_to(folder: &Folder, verbose: u8) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder.logs()).map_err(|error| {
        let folder = folder.logs();
        let folder = folder.display();
        anyhow::anyhow!("cannot create `{folder}`: {error}; move it away, or name another folder with --results")
    })?;
    let path = folder.coordinator_log();
    let log = Log::open(path.clone()).with_context(|| format!("cannot write {}", path.display()))?;
    // A disk that is full is no reason to write to a terminal that may be gone.
    let to_file = fmt::layer()
        .with_ansi(false)
        .with_writer(Mutex::new(log))
        .log_internal_errors(false)
        .with_filter(EnvFilter::new("info"));
    let level = match verbose {
        0 => "off",
        1 => "info",
        _ => "debug",
    };
    let to_terminal =
        fmt::layer().with_writer(std::io::stderr).log_internal_errors(false).with_filter(EnvFilter::new(level));
    tracing_subscriber::registry().with(to_file).with(to_terminal).init();
    Ok(())
}
