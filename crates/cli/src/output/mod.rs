//! What people see: tables, amounts, errors, progress.

mod comparison;
mod download;
mod effects;
pub(crate) mod events;
mod json;
mod pictures;
mod progress;
mod ranking;
mod table;
mod trial;
mod voice;

pub(crate) use comparison::comparison;
pub(crate) use download::Download;
pub(crate) use effects::effects;
pub(crate) use json::print_json;
pub(crate) use pictures::Pictures;
pub(crate) use progress::{Screen, Shown, summary};
pub(crate) use ranking::{column_names, ranking, ranking_csv};
pub(crate) use table::Table;
pub(crate) use trial::trial;
pub(crate) use voice::Voice;

pub(crate) use frostline_view::amount::{bytes, count, duration, seconds};

use anstyle::{AnsiColor, Style};
use frostline_protocol::tools::in_words;
use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();

/// Prints an error with its causes.
pub(crate) fn error(error: &anyhow::Error) {
    if !Voice::get().warns() {
        return;
    }
    let mut err = anstream::stderr().lock();
    let said = fitted(&format!("error: {}", in_words(error.chain())), &std::io::stderr());
    let _ = writeln!(err, "{BAD}error:{BAD:#}{}", said.trim_start_matches("error:"));
}

/// Lines broken between words where `stream` is a terminal, which would break anywhere. What fits stays as it is.
fn fitted(text: &str, stream: &(impl IsTerminal + AsFd)) -> String {
    let Some(width) = width(stream).map(|width| width.max(40)) else { return text.to_owned() };
    let line = |line: &str| match visible(line) > width {
        true => {
            let indent = line.len() - line.trim_start().len();
            " ".repeat(indent) + &wrapped(line, width - indent.min(width / 2), indent + 2)
        }
        false => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Text for standard output, as [`fitted`] has it.
pub(crate) fn said(text: &str) -> String {
    fitted(text, &std::io::stdout())
}

/// Text that stands beside a label of so many characters, as [`fitted`] has it.
pub(crate) fn aside(text: &str, label: usize) -> String {
    match width(&std::io::stdout()) {
        Some(width) if label + visible(text) > width => {
            let beside = format!("\n{}", " ".repeat(label));
            wrapped(text, width.saturating_sub(label).max(20), 0).replace('\n', &beside)
        }
        _ => text.to_owned(),
    }
}

/// How many characters are seen of a text that may have colours.
fn visible(text: &str) -> usize {
    anstream::adapter::strip_str(text).map(|part| part.chars().count()).sum()
}

/// At most so many characters of a line, the last of them a mark where some are missing.
fn cut(line: &str, width: usize) -> String {
    match line.chars().count() > width {
        true => line.chars().take(width.saturating_sub(1)).collect::<String>() + Voice::get().drawn("…", "~"),
        false => line.to_owned(),
    }
}

/// What stands before rows that are not shown.
pub(crate) fn dots() -> &'static str {
    Voice::get().drawn("…", "...")
}

/// A remark on standard error.
pub(crate) fn note(text: &str) {
    if Voice::get().remarks() {
        let _ = writeln!(anstream::stderr().lock(), "{}", fitted(text, &std::io::stderr()));
    }
}

/// What is said to those, too, who want to hear no remarks.
pub(crate) fn warn(text: &str) {
    if Voice::get().warns() {
        let _ = writeln!(anstream::stderr().lock(), "{}", fitted(text, &std::io::stderr()));
    }
}

pub(crate) fn seconds_since_1970() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |now| now.as_secs_f64())
}

/// How long a moment lies back, from seconds since 1970.
pub(crate) fn ago(moment: f64) -> String {
    format!("{} ago", seconds((seconds_since_1970() - moment).max(0.0)))
}

/// How many characters a line of it has; none where it is no terminal.
pub(crate) fn width(stream: &(impl IsTerminal + AsFd)) -> Option<usize> {
    let columns = stream.is_terminal().then(|| rustix::termios::tcgetwinsize(stream).ok()).flatten()?.ws_col;
    (columns > 0).then_some(usize::from(columns))
}

/// Columns for text that is read: 80, or as many as a narrower terminal has.
pub(crate) fn line() -> usize {
    width(&std::io::stdout()).map_or(80, |width| width.clamp(40, 80))
}

/// A sentence below a table on standard output: two columns in, and broken between words where that is a terminal.
pub(crate) fn below(sentence: &str) -> String {
    let width = width(&std::io::stdout()).map_or(usize::MAX, |width| width.saturating_sub(2).max(40));
    format!("  {}", wrapped(sentence, width, 2))
}

/// Breaks a text between words into lines of at most `width` columns; those after the first begin with `indent` spaces.
pub(crate) fn wrapped(text: &str, width: usize, indent: usize) -> String {
    let (mut wrapped, mut column) = (String::new(), 0);
    for word in text.split_whitespace() {
        let length = visible(word);
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
}
