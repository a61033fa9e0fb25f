//! The last lines of a process' log, kept in memory so that a failure can carry them.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// Lines that a failure carries.
pub const LINES: usize = 40;
/// A longer line is cut: one line must not make a report too large to send.
const LINE_BYTES: usize = 500;

/// A writer that passes everything on to standard error and remembers the end of it.
#[derive(Clone, Default)]
pub struct Tail(Arc<Mutex<VecDeque<String>>>);

impl Tail {
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn remember(&self, text: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            if lines.len() == LINES {
                lines.pop_front();
            }
            lines.push_back(shortened(line));
        }
    }
}

/// `line`, without its end where it is too long to carry around.
pub fn shortened(line: &str) -> String {
    let mut end = line.len().min(LINE_BYTES);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line[..end].to_owned()
}

/// Never fails: where nobody reads any more, or the disk is full, whoever logs would have nowhere to say so but the same
/// place, and end by a panic.
impl Write for Tail {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.remember(&String::from_utf8_lossy(bytes));
        let _ = io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = io::stderr().flush();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_kept_and_long_ones_are_cut_between_characters() {
        let tail = Tail::default();
        tail.remember("first\n");
        for number in 0..LINES - 1 {
            tail.remember(&format!("line {number}\n\n"));
        }
        assert_eq!(tail.lines()[0], "first");
        // 500 bytes end within a character of two.
        tail.remember(&format!("x{}", "ü".repeat(LINE_BYTES)));
        let lines = tail.lines();
        assert_eq!((lines.len(), lines[0].as_str()), (LINES, "line 0"));
        assert_eq!(lines[LINES - 1], format!("x{}", "ü".repeat(249)));
    }
}
