//! A sweep as lines of text for a terminal of any size. What matters least goes first where there is no room.
//!
//! Only the default colours, bold, dim and the 16 colours of the palette are used, and nothing is told by colour alone: it
//! reads on light and dark terminals, and without colours.

use super::model::{Depth, Model, Row, Worker};
use frostline_view::amount::{count, seconds};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

/// Workers that are shown at most.
const MOST_WORKERS: usize = 8;

/// What the terminal can show.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) unicode: bool,
    pub(crate) colour: bool,
}

impl Look {
    fn style(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    /// At most `width` characters, with a mark where some are left out.
    fn cut(self, text: &str, width: usize) -> String {
        if text.chars().count() <= width {
            return text.to_owned();
        }
        let kept: String = text.chars().take(width.saturating_sub(1)).collect();
        let mark = if self.unicode { "…" } else { "~" };
        if width == 0 { kept } else { kept + mark }
    }

    /// A bar of so many characters.
    fn bar(self, share: f64, width: usize) -> (String, String) {
        let full = (share.clamp(0.0, 1.0) * width as f64).round() as usize;
        let (done, left) = if self.unicode { ("━", "─") } else { ("#", "-") };
        (done.repeat(full), left.repeat(width - full))
    }

    /// The part of a network that is frozen.
    fn strip(self, share: f64) -> String {
        // Full where nothing but the head trains.
        let full = (4.0 * share.clamp(0.0, 1.0)).floor() as usize;
        let (frozen, trained) = if self.unicode { ("▓", "░") } else { ("#", ".") };
        frozen.repeat(full) + &trained.repeat(4 - full)
    }

    /// An interval on a scale from `least` to `most`.
    fn interval(self, (low, high): (f64, f64), at: f64, (least, most): (f64, f64), width: usize) -> String {
        let place = |value: f64| {
            let share = if most > least { (value - least) / (most - least) } else { 0.5 };
            (share.clamp(0.0, 1.0) * (width - 1) as f64).round() as usize
        };
        let (from, to, middle) = (place(low), place(high), place(at));
        let marks = if self.unicode { ['├', '─', '┤', '●'] } else { ['|', '-', '|', 'o'] };
        let mark = |column: usize| match column {
            column if column == middle => marks[3],
            column if column == from => marks[0],
            column if column == to => marks[2],
            column if (from..to).contains(&column) => marks[1],
            _ => ' ',
        };
        (0..width).map(mark).collect()
    }

    /// Bars of lengths from 0 to `width`.
    fn column(self, share: f64, width: usize) -> String {
        let full = (share.clamp(0.0, 1.0) * width as f64).round() as usize;
        if self.unicode { "█".repeat(full.max(1)) } else { "=".repeat(full.max(1)) }
    }
}

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const DIM: Style = Style::new().add_modifier(Modifier::DIM);
const SELECTED: Style = Style::new().add_modifier(Modifier::REVERSED);

/// As many lines as `height` at most, none longer than `width`. `selected` is a row of the ranking, `above` how many rows
/// above it are not shown.
pub(crate) fn lines(
    model: &Model,
    (width, height): (usize, usize),
    look: Look,
    selected: Option<usize>,
) -> Vec<Line<'static>> {
    if width < 60 || height < 12 {
        return small(model, width, look).into_iter().take(height).collect();
    }
    let mut room = height.saturating_sub(4 + 2);
    let mut take = |wanted: usize| {
        let taken = wanted.min(room);
        room -= taken;
        taken
    };
    let (all_workers, all_best) = (model.workers.len().min(MOST_WORKERS), model.best.len());
    // Each part has a heading and an empty line below it.
    let mut best = take(3 + 2).saturating_sub(2).min(all_best);
    let mut workers = if all_workers > 0 { take(all_workers.min(2) + 2).saturating_sub(2) } else { 0 };
    best += take(all_best.saturating_sub(best).min(5));
    workers += take(all_workers - workers);
    let mut events = if model.events.is_empty() { 0 } else { take(model.events.len().min(3) + 1).saturating_sub(1) };
    let depths = if model.depths.len() > 1 { take(model.depths.len().min(8) + 2).saturating_sub(2) } else { 0 };
    best += take(all_best - best);
    events += take(model.events.len() - events);

    let mut lines = vec![title(model, width, look), bar(model, width, look), counts(model, look), Line::default()];
    if workers > 0 {
        lines.push(heading("WORKERS", &workers_note(model, workers), width, look));
        lines.extend(model.workers.iter().take(workers).map(|it| worker(it, width, look)));
        lines.push(Line::default());
    }
    if best > 0 {
        let first = selected.map_or(0, |selected| (selected + 1).saturating_sub(best));
        lines.push(heading("BEST SO FAR", &format!("{} of {}", best, model.total), width, look));
        let shown = model.best.iter().enumerate().skip(first).take(best);
        let scale = scale(&model.best);
        lines.extend(shown.map(|(place, it)| row(it, model, scale, width, look, selected == Some(place))));
        lines.push(Line::default());
    }
    if depths > 0 {
        let note = format!("{} by layers that stay frozen, of the rows above; seconds a trial", model.objective);
        lines.push(heading("FROST LINE", &note, width, look));
        lines.extend(model.depths.iter().take(depths).map(|it| depth(it, model, width, look)));
        lines.push(Line::default());
    }
    lines.extend(model.events.iter().take(events).map(|it| Line::styled(look.cut(it, width), DIM)));
    lines.truncate(height.saturating_sub(1));
    lines.resize(height.saturating_sub(1), Line::default());
    lines.push(Line::styled(look.cut("q quit   up/down, enter: a trial   g trials or configurations", width), DIM));
    lines
}

/// The answer in three lines, for a window that is nearly closed.
fn small(model: &Model, width: usize, look: Look) -> Vec<Line<'static>> {
    let best = model.best.first().map_or("nothing has finished yet".to_owned(), |first| {
        format!("best {} {:.*} frozen {} {}", first.id, model.digits, first.value, first.frozen, first.words)
    });
    vec![title(model, width, look), bar(model, width, look), Line::raw(look.cut(&best, width))]
}

fn title(model: &Model, width: usize, look: Look) -> Line<'static> {
    let done = model.counts.complete;
    let total = model.counts.total();
    let state = match (model.is_running, model.seconds_left) {
        _ if done == total => "complete".to_owned(),
        (true, _) if model.draining => "ending".to_owned(),
        (true, Some(left)) => format!("{} left", seconds(left)),
        (true, None) => "running".to_owned(),
        (false, _) => "not running".to_owned(),
    };
    let seen = model.seen.map_or(String::new(), |ago| format!(", as of {} ago", seconds(ago)));
    let right = format!("{done} of {total} done, {state}{seen}");
    let left =
        look.cut(&format!("{}   {}", model.sweep, model.objective), width.saturating_sub(right.chars().count() + 2));
    let gap = " ".repeat(width.saturating_sub(left.chars().count() + right.chars().count()));
    Line::from(vec![Span::styled(left, BOLD), Span::raw(gap), Span::raw(look.cut(&right, width))])
}

fn bar(model: &Model, width: usize, look: Look) -> Line<'static> {
    let share = model.counts.complete as f64 / model.counts.total().max(1) as f64;
    let (done, left) = look.bar(share, width);
    Line::from(vec![Span::styled(done, look.style(Color::Green)), Span::styled(left, DIM)])
}

fn counts(model: &Model, look: Look) -> Line<'static> {
    let counts = &model.counts;
    let mut spans = vec![Span::raw(format!(
        "{} complete  {} running  {} waiting",
        counts.complete, counts.running, counts.waiting
    ))];
    if counts.failed > 0 {
        spans.push(Span::styled(format!("  {} failed", counts.failed), look.style(Color::Red).patch(BOLD)));
    }
    if counts.cancelled + counts.pruned > 0 {
        spans.push(Span::raw(format!("  {} cancelled", counts.cancelled + counts.pruned)));
    }
    Line::from(spans)
}

fn heading(name: &str, note: &str, width: usize, look: Look) -> Line<'static> {
    let note = look.cut(note, width.saturating_sub(name.len() + 2));
    let gap = " ".repeat(width.saturating_sub(name.len() + note.chars().count()));
    Line::from(vec![Span::styled(name.to_owned(), BOLD), Span::raw(gap), Span::styled(note, DIM)])
}

fn workers_note(model: &Model, shown: usize) -> String {
    match model.workers.len().saturating_sub(shown) {
        0 => count(model.workers.len() as u64, "task"),
        more => format!("and {more} more"),
    }
}

fn worker(it: &Worker, width: usize, look: Look) -> Line<'static> {
    let right = it.share.map_or(String::new(), |share| {
        let (done, left) = look.bar(share, 10);
        format!("{done}{left} {:>3.0} %", 100.0 * share)
    });
    let fixed = 3 + 2 + it.stage.chars().count() + 2 + right.chars().count();
    let words = look.cut(&it.words, width.saturating_sub(fixed));
    let gap = " ".repeat(width.saturating_sub(fixed + words.chars().count()));
    Line::raw(look.cut(&format!("{:<3}{words}{gap}  {}  {right}", it.number, it.stage), width))
}

/// From the lowest end of an interval to the highest.
fn scale(rows: &[Row]) -> (f64, f64) {
    let ends = rows.iter().flat_map(|row| row.interval.map_or([row.value; 2], |(low, high)| [low, high]));
    let ends: Vec<f64> = ends.filter(|end| end.is_finite()).collect();
    (ends.iter().copied().fold(f64::INFINITY, f64::min), ends.iter().copied().fold(f64::NEG_INFINITY, f64::max))
}

fn row(it: &Row, model: &Model, scale: (f64, f64), width: usize, look: Look, selected: bool) -> Line<'static> {
    let value = format!("{:.*}", model.digits, it.value);
    let uncertain = match it.interval {
        Some(interval) if width >= 80 => look.interval(interval, it.value, scale, (width - 60).clamp(16, 40)),
        Some((low, high)) => {
            let half = (high - low) / 2.0;
            format!("{}{half:.*}", if look.unicode { "±" } else { "+-" }, model.digits)
        }
        None => String::new(),
    };
    let took = seconds(it.seconds);
    let strip = look.strip(it.frozen_share);
    let text = format!(
        "{:>3}  {:<8}  {value}  {uncertain}  {took:>9}  {:>4} {strip}  {}",
        it.label, it.id, it.frozen, it.words
    );
    let style = match it.label.as_str() {
        _ if selected => SELECTED,
        "=1" | "1" => BOLD,
        _ => Style::new(),
    };
    Line::styled(look.cut(&text, width), style)
}

fn depth(it: &Depth, model: &Model, width: usize, look: Look) -> Line<'static> {
    let name = |it: &Depth| {
        let network = it.network.as_ref().map_or(String::new(), |network| format!("{network} "));
        if it.is_all { format!("{network}all {}", it.layers) } else { format!("{network}{}", it.layers) }
    };
    let widest = model.depths.iter().map(|it| name(it).len()).fold(9, usize::max);
    let name = name(it);
    let values = model.depths.iter().flat_map(|it| [it.low, it.high]);
    let ends = (values.clone().fold(f64::INFINITY, f64::min), values.fold(f64::NEG_INFINITY, f64::max));
    let room = width.saturating_sub(31 + widest) / 2;
    let interval = look.interval((it.low, it.high), it.mean, ends, room.max(8));
    let longest = model.depths.iter().map(|it| it.seconds).fold(0.0, f64::max);
    let column = look.column(it.seconds / longest, room.max(8));
    let text =
        format!("{name:>widest$}  {interval}  {:.*}  {:>9}  {column}", model.digits, it.mean, seconds(it.seconds));
    Line::raw(look.cut(&text, width))
}
