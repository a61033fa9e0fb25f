//! `watch`: a sweep, live; or one look at it where nobody sits before a terminal.

use crate::args::{self, Color, Common};
use crate::exit::Exit;
use crate::output::{self, ranking};
use crate::record;
use crate::watch::{Look, Viewer, lines, plain, was_told_to_end};
use frostline_results::Folder;
use frostline_view::best::{Question, best};
use std::io::{IsTerminal, Write};
use std::time::Duration;

/// A look at a sweep has as many lines where there is no terminal.
const LINES: usize = 24;
const WIDTH: usize = 100;

pub(crate) fn run(common: &Common, arguments: &args::Watch) -> anyhow::Result<Exit> {
    let sweep = &arguments.sweep;
    let reader = record::open(common)?;
    reader.sweep(sweep)?;
    let is_terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    let is_dumb = std::env::var_os("TERM").is_some_and(|name| name == "dumb");
    let look = Look { unicode: !arguments.ascii && speaks_unicode(), colour: coloured(common.color) };
    let mut viewer = Viewer::new(reader, Folder::new(&common.results), sweep, look);
    if is_terminal && !is_dumb && arguments.every.is_none() {
        viewer.run()?;
        if was_told_to_end() {
            return Ok(Exit::Interrupted);
        }
        let reader = record::open(common)?;
        let best = best(&reader, Question::of(sweep, 5))?;
        writeln!(anstream::stdout().lock(), "`{sweep}`  {}", output::summary(&reader.counts(sweep)?))?;
        if best.ranking.total > 0 {
            ranking(&best, None)?;
        }
        return Ok(Exit::Done);
    }
    loop {
        let model = viewer.read()?;
        let width = output::width(&std::io::stdout()).unwrap_or(WIDTH);
        let shown = lines(&model, (width, LINES + model.workers.len()), Look { colour: false, ..look }, None);
        // Without the keys, which nobody can press.
        let shown = &shown[..shown.len().saturating_sub(1)];
        writeln!(std::io::stdout().lock(), "{}", plain(shown).trim_end())?;
        match arguments.every {
            Some(seconds) if model.is_running => std::thread::sleep(Duration::from_secs_f64(seconds)),
            _ => return Ok(Exit::Done),
        }
    }
}

/// By the locale, as terminals are told it.
fn speaks_unicode() -> bool {
    let mut named = ["LC_ALL", "LC_CTYPE", "LANG"].iter().filter_map(|name| std::env::var(name).ok());
    named.find(|value| !value.is_empty()).is_none_or(|value| {
        let value = value.to_lowercase();
        value.contains("utf-8") || value.contains("utf8")
    })
}

/// <https://no-color.org>
fn coloured(color: Color) -> bool {
    match color {
        Color::Auto => std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        Color::Always => true,
        Color::Never => false,
    }
}
