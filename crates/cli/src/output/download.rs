//! A download on standard error: a bar on a terminal, elsewhere a line at its start, at its end and every ten seconds.

use super::{Voice, bytes, duration, note};
use frostline_assets::fetch::Event;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

/// Between two lines where there is no bar.
const EVERY: Duration = Duration::from_secs(10);

pub(crate) struct Download {
    lines: Lines,
    bar: Option<ProgressBar>,
}

impl Download {
    /// `size` in bytes, 0 where it is not known.
    pub(crate) fn new(name: &str, size: u64) -> Download {
        let bar = Voice::get().is_live().then(|| bar(name, size));
        Download { lines: Lines::new(name, size), bar }
    }

    pub(crate) fn say(&mut self, event: Event) {
        let line = self.lines.line(event, Instant::now());
        let Some(bar) = &self.bar else {
            line.iter().for_each(|line| note(line));
            return;
        };
        match event {
            Event::Started => {}
            Event::Progress { done, total } => {
                if let Some(total) = total {
                    bar.set_length(total);
                }
                bar.set_position(done);
            }
            Event::Again { .. } => bar.suspend(|| line.iter().for_each(|line| note(line))),
        }
    }

    /// The file is in its place.
    pub(crate) fn finished(&self) {
        if let (None, Some(line)) = (&self.bar, self.lines.last(Instant::now())) {
            note(&line);
        }
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(name: &str, size: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target((size > 0).then_some(size), ProgressDrawTarget::stderr());
    let template = "{msg}  {wide_bar:.green}  {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(name.to_owned());
    bar
}

/// What is said where there is no bar.
struct Lines {
    name: String,
    size: u64,
    /// When it began, and when the last line was said.
    times: Option<(Instant, Instant)>,
}

impl Lines {
    fn new(name: &str, size: u64) -> Lines {
        Lines { name: name.to_owned(), size, times: None }
    }

    fn line(&mut self, event: Event, now: Instant) -> Option<String> {
        let name = &self.name;
        let (started, said) = self.times.unwrap_or((now, now));
        let line = match event {
            Event::Started if self.size > 0 => format!("downloading `{name}`, {}", bytes(self.size)),
            Event::Started => format!("downloading `{name}`"),
            Event::Progress { .. } if now.saturating_duration_since(said) < EVERY => return None,
            Event::Progress { done, total } => match total.or((self.size > 0).then_some(self.size)) {
                Some(total) => format!("`{name}`: {} of {}", bytes(done), bytes(total)),
                None => format!("`{name}`: {}", bytes(done)),
            },
            Event::Again { done, reason } => format!("`{name}`: {reason} after {}; trying again", bytes(done)),
        };
        self.times = Some((started, now));
        Some(line)
    }

    /// None where nothing had to be downloaded.
    fn last(&self, now: Instant) -> Option<String> {
        let (started, _) = self.times?;
        Some(format!("downloaded `{}` in {}", self.name, duration(now.saturating_duration_since(started))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_said_every_ten_seconds_and_whenever_it_is_tried_again() {
        let start = Instant::now();
        let mut lines = Lines::new("small", 4_000_000);
        let mut at = |seconds: u64, event: Event| lines.line(event, start + Duration::from_secs(seconds));
        let progress = |done| Event::Progress { done, total: None };
        assert_eq!(at(0, Event::Started).unwrap(), "downloading `small`, 4.0 MB");
        assert_eq!(at(9, progress(900_000)), None);
        assert_eq!(at(10, progress(1_000_000)).unwrap(), "`small`: 1.0 MB of 4.0 MB");
        assert_eq!(at(19, progress(1_900_000)), None);
        let again = Event::Again { done: 2_000_000, reason: "no byte came for 30 s" };
        assert_eq!(at(50, again).unwrap(), "`small`: no byte came for 30 s after 2.0 MB; trying again");
        assert_eq!(at(59, Event::Progress { done: 3_000_000, total: Some(4_000_000) }), None);
        assert_eq!(lines.last(start + Duration::from_secs(61)).unwrap(), "downloaded `small` in 1 min 01 s");
    }

    #[test]
    fn nothing_is_said_of_what_is_here_already() {
        assert_eq!(Lines::new("small", 0).last(Instant::now()), None);
    }
}
