//! Pictures that are read and decoded, on standard error: a bar on a terminal, elsewhere a line every ten seconds.

use super::{Voice, note};
use frostline_assets::data::Step;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

/// Between two lines where there is no bar, and before anything is said.
const EVERY: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(crate) struct Pictures {
    step: Option<(Step, ProgressBar)>,
    lines: Lines,
}

impl Pictures {
    pub(crate) fn say(&mut self, step: Step, done: u64, total: u64) {
        if !Voice::get().is_live() {
            self.lines.line(step, done, total, Instant::now()).iter().for_each(|line| note(line));
            return;
        }
        if self.step.as_ref().is_none_or(|(shown, _)| *shown != step) {
            self.finish();
            self.step = Some((step, bar(step, total)));
        }
        if let Some((_, bar)) = &self.step {
            bar.set_position(done);
        }
    }

    fn finish(&mut self) {
        if let Some((_, bar)) = self.step.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Pictures {
    fn drop(&mut self) {
        self.finish();
    }
}

fn bar(step: Step, total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{msg}  {wide_bar:.green}  {pos}/{len}  {eta} left") {
        bar.set_style(style);
    }
    bar.set_message(format!("{} pictures", verb(step)));
    bar
}

fn verb(step: Step) -> &'static str {
    match step {
        Step::Reading => "reading",
        Step::Decoding => "decoding",
    }
}

/// What is said where there is no bar.
#[derive(Default)]
struct Lines {
    said: Option<Instant>,
}

impl Lines {
    fn line(&mut self, step: Step, done: u64, total: u64, now: Instant) -> Option<String> {
        if now.saturating_duration_since(*self.said.get_or_insert(now)) < EVERY {
            return None;
        }
        self.said = Some(now);
        Some(format!("{} pictures: {done} of {total}", verb(step)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_said_every_ten_seconds_and_nothing_of_what_takes_less() {
        let (start, mut lines) = (Instant::now(), Lines::default());
        let mut at = |seconds: u64, done| lines.line(Step::Decoding, done, 90, start + Duration::from_secs(seconds));
        assert_eq!((at(0, 1), at(9, 20)), (None, None));
        assert_eq!(at(10, 30).unwrap(), "decoding pictures: 30 of 90");
        assert_eq!(at(19, 60), None);
        assert_eq!(at(21, 70).unwrap(), "decoding pictures: 70 of 90");
    }
}
