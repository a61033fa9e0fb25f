//! When each worker was at work: a bar each, along the sweep's own clock.

use super::frame::{Table, Words, frame, svg};
use crate::number::{Percent, Px, percent, seconds};
use maud::{Markup, html};

#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    pub seconds: f64,
    pub workers: Vec<Worker>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Worker {
    pub name: String,
    /// In the order of time.
    pub spans: Vec<Span>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    pub start: f64,
    pub end: f64,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Features,
    Trial,
    Interrupted,
    /// It failed, or was cancelled.
    Lost,
}

impl Kind {
    const ALL: [(Kind, &'static str, &'static str); 4] = [
        (Kind::Features, "fill", "computing features"),
        (Kind::Trial, "earth", "trials"),
        (Kind::Interrupted, "hue-4", "interrupted attempts, which others went on with"),
        (Kind::Lost, "chance", "attempts that failed or were cancelled"),
    ];

    fn class(self) -> &'static str {
        Kind::ALL.iter().find(|(kind, ..)| *kind == self).map_or("", |(_, class, _)| class)
    }
}

const ROW: f64 = 36.0;
const BAR: f64 = 12.0;
/// Rows that are drawn; the table has all.
const MOST_ROWS: usize = 12;
/// What is as near as this share of the width is drawn as one.
const NEAR: f64 = 0.002;
/// The narrowest bar that is seen.
const NARROWEST: f64 = 0.001;

/// Spans as they are drawn: what follows at once and is of one kind is one bar, so that thousands of them stay a few hundred.
fn merged(spans: &[Span], near: f64) -> Vec<Span> {
    let mut bars: Vec<Span> = Vec::new();
    for span in spans {
        match bars.last_mut() {
            Some(last)
                if last.kind == span.kind
                    && span.start - last.end <= near
                    && (last.end - last.start <= near || span.end - span.start <= near) =>
            {
                last.end = last.end.max(span.end);
            }
            _ => bars.push(*span),
        }
    }
    bars
}

pub fn figure(words: &Words, timeline: &Timeline) -> Markup {
    let whole = timeline.seconds.max(f64::MIN_POSITIVE);
    let share = |time: f64| (time / whole).clamp(0.0, 1.0);
    let shown = &timeline.workers[..timeline.workers.len().min(MOST_ROWS)];
    let drawing = html! {
        @for (place, worker) in shown.iter().enumerate() {
            @let top = ROW * place as f64;
            text.label x="0" y=(Px(top + 12.0)) { (worker.name) }
            rect.body x="0" y=(Px(top + 18.0)) width="100%" height=(Px(BAR)) {}
            @for span in merged(&worker.spans, NEAR * whole) {
                @let width = (share(span.end) - share(span.start)).max(NARROWEST);
                rect class=(span.kind.class()) x=(Percent(share(span.start))) y=(Px(top + 18.0)) width=(Percent(width)) height=(Px(BAR)) {}
            }
        }
    };
    let mut table = Table::new(&["worker", "at work", "features", "trials", "interrupted", "failed"]);
    for worker in &timeline.workers {
        let of = |is_one: &dyn Fn(Kind) -> bool| {
            worker.spans.iter().filter(|span| is_one(span.kind)).map(|span| span.end - span.start).sum::<f64>()
        };
        table.rows.push(vec![
            worker.name.clone(),
            percent(share(of(&|_| true))),
            seconds(of(&|kind| kind == Kind::Features)),
            seconds(of(&|kind| kind == Kind::Trial)),
            seconds(of(&|kind| kind == Kind::Interrupted)),
            seconds(of(&|kind| kind == Kind::Lost)),
        ]);
    }
    let hidden = timeline.workers.len() - shown.len();
    let legend = html! {
        ul.legend {
            @for (_, class, name) in Kind::ALL {
                li {
                    svg.key aria-hidden="true" width="12" height="12" { rect class=(class) width="12" height="12" {} }
                    (name)
                }
            }
            @if hidden > 0 { li { "and " (hidden) " more workers" } }
        }
    };
    let height = (ROW * shown.len() as f64) as u32;
    frame(words, html! { (svg(words, "bare", height, drawing)) (legend) }, &table)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: f64, end: f64, kind: Kind) -> Span {
        Span { start, end, kind }
    }

    #[test]
    fn what_is_short_and_follows_at_once_is_one_bar() {
        let short: Vec<Span> = (0..50).map(|at| span(f64::from(at), f64::from(at) + 0.9, Kind::Trial)).collect();
        assert_eq!(merged(&short, 2.0), [span(0.0, 49.9, Kind::Trial)]);
        assert_eq!(merged(&short, 0.05).len(), 50, "they are apart");
        let long = [span(0.0, 40.0, Kind::Trial), span(40.0, 80.0, Kind::Trial), span(80.0, 80.5, Kind::Lost)];
        assert_eq!(merged(&long, 1.0), long, "each is seen");
    }

    #[test]
    fn bars_lie_where_their_times_are_and_names_are_escaped() {
        let spans = vec![span(0.0, 10.0, Kind::Features), span(10.0, 40.0, Kind::Trial)];
        let worker = Worker { name: "<b>, worker 1".into(), spans };
        let timeline = Timeline { seconds: 100.0, workers: vec![worker; 13] };
        let words = Words { id: "t".into(), title: "T".into(), finding: String::new(), note: None };
        let drawn = figure(&words, &timeline).0;
        assert!(drawn.contains(r#"<rect class="earth" x="10%" y="18" width="30%" height="12"></rect>"#), "{drawn}");
        assert!(!drawn.contains("<b>") && drawn.contains("and 1 more workers"), "{drawn}");
        assert!(drawn.contains("<td>40 %</td>") || drawn.contains("40 %"), "{drawn}");
    }
}
