//! Workers' log files: kept short, and read for what a process wrote last.

use frostline_protocol::WorkerId;
use frostline_results::Folder;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A worker's log is put aside once it is longer than this.
const LOG_BYTES: u64 = 1 << 20;
/// How much of a log's end is read for a failure.
const TAIL_BYTES: u64 = 16 << 10;
const TAIL_LINES: usize = 40;

/// Keeps a log short: what there is becomes the older log once it is long. Its process goes on writing to the file, so it
/// is copied and cleared; a line that is written between the two is lost.
pub(super) fn bound(path: &Path) -> io::Result<()> {
    if std::fs::metadata(path).is_ok_and(|log| log.len() > LOG_BYTES) {
        std::fs::copy(path, path.with_extension("old.log"))?;
        OpenOptions::new().write(true).open(path)?.set_len(0)?;
    }
    Ok(())
}

/// Where in its log file a process began to write.
#[derive(Debug, Clone)]
pub(super) struct LogStart {
    pub(super) path: PathBuf,
    pub(super) offset: u64,
}

impl LogStart {
    /// Opens a worker's log for a process that is about to start. Somebody may have tidied up the folder.
    pub(super) fn open(folder: &Folder, worker: WorkerId) -> io::Result<(File, LogStart)> {
        match std::fs::create_dir(folder.logs()) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let path = folder.worker_log(worker.0);
        bound(&path)?;
        let log = OpenOptions::new().create(true).append(true).open(&path)?;
        let offset = log.metadata()?.len();
        Ok((log, LogStart { path, offset }))
    }

    /// The last lines that this process wrote.
    pub(super) fn tail(&self) -> Vec<String> {
        let read = || {
            let mut file = File::open(&self.path)?;
            let length = file.metadata()?.len();
            // A log that was put aside has begun anew.
            let offset = if self.offset > length { 0 } else { self.offset };
            file.seek(SeekFrom::Start(offset.max(length.saturating_sub(TAIL_BYTES))))?;
            let mut bytes = Vec::new();
            file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
            io::Result::Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let text = read().unwrap_or_else(|error| format!("{} could not be read: {error}", self.path.display()));
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].iter().map(|line| line.to_string()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_long_log_is_put_aside_while_its_process_writes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker-1.log");
        let mut log = OpenOptions::new().create(true).append(true).open(&path).unwrap();
        log.write_all(&vec![b'.'; LOG_BYTES as usize]).unwrap();
        bound(&path).unwrap();
        assert!(!path.with_extension("old.log").exists());
        let start = LogStart { offset: LOG_BYTES, path: path.clone() };
        writeln!(log, "\nbefore").unwrap();
        bound(&path).unwrap();
        writeln!(log, "after").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "after\n");
        assert!(std::fs::read_to_string(path.with_extension("old.log")).unwrap().ends_with("\nbefore\n"));
        assert_eq!(start.tail(), ["after"], "it began to write before the log began anew");
    }
}
