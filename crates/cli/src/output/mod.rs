//! What people see: tables, amounts, errors, progress.

mod download;
mod effects;
pub(crate) mod events;
mod json;
mod pictures;
mod progress;
mod ranking;
mod table;

pub(crate) use download::Download;
pub(crate) use effects::effects;
pub(crate) use json::print_json;
pub(crate) use pictures::Pictures;
pub(crate) use progress::{Screen, Shown, summary};
pub(crate) use ranking::ranking;
pub(crate) use table::Table;

use anstyle::{AnsiColor, Style};
use frostline_protocol::tools::in_words;
use std::io::{IsTerminal, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();

/// Prints an error with its causes.
pub(crate) fn error(error: &anyhow::Error) {
    let mut err = anstream::stderr().lock();
    let said = fitted(&format!("error: {}", in_words(error.chain())));
    let _ = writeln!(err, "{BAD}error:{BAD:#}{}", said.trim_start_matches("error:"));
}

/// How many characters a line of standard error has; none where it is no terminal.
fn width() -> Option<usize> {
    let (terminal_size::Width(width), _) = terminal_size::terminal_size_of(std::io::stderr())?;
    std::io::stderr().is_terminal().then(|| usize::from(width.max(40)))
}

/// Broken between words where standard error is a terminal, which would break anywhere. What fits stays as it is.
fn fitted(text: &str) -> String {
    let Some(width) = width() else { return text.to_owned() };
    let line = |line: &str| match line.chars().count() > width {
        true => wrapped(line, width, 2),
        false => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// At most so many characters of a line, the last of them a mark where some are missing.
fn cut(line: &str, width: usize) -> String {
    match line.chars().count() > width {
        true => line.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
        false => line.to_owned(),
    }
}

/// A remark on standard error.
pub(crate) fn note(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{}", fitted(text));
}

pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 || value >= 99.95 {
        format!("{value:.0} {}", UNITS[unit])
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

pub(crate) fn seconds(seconds: f64) -> String {
    Duration::try_from_secs_f64(seconds).map_or_else(|_| "?".to_owned(), duration)
}

pub(crate) fn seconds_since_1970() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |now| now.as_secs_f64())
}

/// How long a moment lies back, from seconds since 1970.
pub(crate) fn ago(moment: f64) -> String {
    format!("{} ago", seconds((seconds_since_1970() - moment).max(0.0)))
}

/// Breaks a text between words into lines of at most `width` columns; those after the first begin with `indent` spaces.
pub(crate) fn wrapped(text: &str, width: usize, indent: usize) -> String {
    let (mut wrapped, mut column) = (String::new(), 0);
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            wrapped.push('\n');
            wrapped.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else if column > 0 {
            wrapped.push(' ');
            column += 1;
        }
        wrapped += word;
        column += length;
    }
    wrapped
}

/// "1 trial", "2 trials".
pub(crate) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_with_a_mark() {
        assert_eq!((cut("épochs", 6), cut("épochs", 4), cut("", 4)), ("épochs".into(), "épo…".into(), String::new()));
    }

    #[test]
    fn text_is_broken_between_words() {
        assert_eq!(wrapped("one two three", 80, 2), "one two three");
        assert_eq!(wrapped("one two three four", 9, 2), "one two\n  three\n  four");
        assert_eq!(wrapped("a-word-that-is-too-long b", 5, 1), "a-word-that-is-too-long\n b");
    }

    #[test]
    fn amounts_read_well() {
        let shown: Vec<String> = [0, 999, 1000, 12_345, 999_999, 5_000_000_000].map(bytes).to_vec();
        assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "12.3 kB", "1.0 MB", "5.0 GB"]);
        let shown: Vec<String> = [0.25, 59.9, 61.0, 3720.0, 90_000.0].map(seconds).to_vec();
        assert_eq!(shown, ["0.2 s", "59 s", "1 min 01 s", "1 h 02 min", "1 d 01 h"]);
        assert_eq!(count(1, "trial") + &count(0, "trial"), "1 trial0 trials");
    }
}
