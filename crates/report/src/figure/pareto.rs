//! Accuracy against seconds: what nothing else beats in both is the front.

use super::axis::{self, Tick};
use super::frame::{Table, Words, frame, svg};
use crate::number::{Digits, Percent, Px, fixed, seconds};
use crate::scale::Scale;
use maud::{Markup, html};

#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    pub label: String,
    /// Of a trial.
    pub seconds: f64,
    pub value: f64,
    pub interval: Option<(f64, f64)>,
}

/// How a point stands to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is both faster and better.
    Front,
    /// Something is, but not by more than its interval.
    Close,
    /// Something is both faster and better by more than its interval.
    Beaten,
}

/// Of each point. `is_better` says that larger values are better.
pub fn standings(points: &[Point], larger_is_better: bool) -> Vec<Standing> {
    let score = |value: f64| if larger_is_better { value } else { -value };
    let mut order: Vec<usize> = (0..points.len()).collect();
    // Fastest first, so that what may beat a point stands before it.
    order.sort_by(|&one, &other| {
        let (one, other) = (&points[one], &points[other]);
        one.seconds.total_cmp(&other.seconds).then(score(other.value).total_cmp(&score(one.value)))
    });
    let mut standings = vec![Standing::Beaten; points.len()];
    let mut best = f64::NEG_INFINITY;
    for place in order {
        let point = &points[place];
        let best_of_interval = match point.interval {
            Some((low, high)) => score(low).max(score(high)),
            None => score(point.value),
        };
        standings[place] = match () {
            () if score(point.value) > best => Standing::Front,
            () if best_of_interval >= best => Standing::Close,
            () => Standing::Beaten,
        };
        best = best.max(score(point.value));
    }
    standings
}

const HEIGHT: f64 = 230.0;

/// `digits` are those of the metric.
pub fn figure(words: &Words, points: &[Point], metric: &str, larger_is_better: bool, digits: Digits) -> Markup {
    let x = Scale::log(points.iter().map(|point| point.seconds));
    let ends = points.iter().flat_map(|it| {
        let (low, high) = it.interval.unwrap_or((it.value, it.value));
        [low, it.value, high]
    });
    let y = Scale::around(ends, 0.05);
    let found = y.ticks(5);
    let y_ticks: Vec<Tick> = found.values.iter().map(|&it| (y.share(it), fixed(it, found.decimals))).collect();
    let x_ticks: Vec<Tick> = x.times(6).into_iter().map(|time| (x.share(time), round_time(time))).collect();
    let up = |value: f64| HEIGHT * (1.0 - y.share(value));
    let standings = standings(points, larger_is_better);
    let front = steps(points, &standings);
    // The front lies on top.
    let of = |wanted: Standing| points.iter().zip(&standings).filter(move |(_, standing)| **standing == wanted);
    let in_order = of(Standing::Beaten).chain(of(Standing::Close)).chain(of(Standing::Front));
    let drawing = html! {
        (axis::y(&y_ticks, 0.0, HEIGHT))
        (axis::x(&x_ticks, HEIGHT, "seconds a trial"))
        @for pair in front.windows(2) {
            // A step: until the next one, the better is what there is.
            line.front x1=(Percent(x.share(pair[0].0))) x2=(Percent(x.share(pair[1].0))) y1=(Px(up(pair[0].1))) y2=(Px(up(pair[0].1))) {}
            line.front x1=(Percent(x.share(pair[1].0))) x2=(Percent(x.share(pair[1].0))) y1=(Px(up(pair[0].1))) y2=(Px(up(pair[1].1))) {}
        }
        @for (point, standing) in in_order.filter(|(it, _)| it.value.is_finite()) {
            @let at = Percent(x.share(point.seconds));
            g class=(class(*standing)) {
                title { (point.label) }
                @if let Some((low, high)) = point.interval.filter(|_| *standing == Standing::Front) {
                    line.interval x1=(at) x2=(at) y1=(Px(up(low))) y2=(Px(up(high))) {}
                }
                circle.dot cx=(at) cy=(Px(up(point.value))) r="4" {}
            }
        }
    };
    frame(words, svg(words, "", HEIGHT as u32 + 40, drawing), &table(points, &standings, metric, digits))
}

fn class(standing: Standing) -> &'static str {
    match standing {
        Standing::Front => "chosen",
        Standing::Close => "close",
        Standing::Beaten => "other",
    }
}

/// The front from fast to slow: seconds and value.
fn steps(points: &[Point], standings: &[Standing]) -> Vec<(f64, f64)> {
    let of_front = points.iter().zip(standings).filter(|(_, standing)| **standing == Standing::Front);
    let mut steps: Vec<(f64, f64)> = of_front.map(|(point, _)| (point.seconds, point.value)).collect();
    steps.sort_by(|one, other| one.0.total_cmp(&other.0));
    steps
}

/// "30 s", "5 min", "2 h".
fn round_time(time: f64) -> String {
    match time {
        ..1.0 => format!("{} ms", (1000.0 * time).round()),
        ..60.0 => format!("{time} s"),
        ..3600.0 => format!("{} min", time / 60.0),
        ..86_400.0 => format!("{} h", time / 3600.0),
        _ => format!("{} d", time / 86_400.0),
    }
}

fn table(points: &[Point], standings: &[Standing], metric: &str, digits: Digits) -> Table {
    let mut table = Table::new(&["configuration", metric, "a trial", "stands"]);
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|&one, &other| points[one].seconds.total_cmp(&points[other].seconds));
    for place in order {
        let point = &points[place];
        let stands = match standings[place] {
            Standing::Front => "on the front",
            Standing::Close => "within its interval of it",
            Standing::Beaten => "behind it",
        };
        let row = [point.label.clone(), digits.show(point.value), seconds(point.seconds), stands.to_owned()];
        table.rows.push(row.into());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(seconds: f64, value: f64, half: f64) -> Point {
        Point { label: String::new(), seconds, value, interval: Some((value - half, value + half)) }
    }

    #[test]
    fn the_front_is_what_nothing_beats_in_both() {
        let points = [
            point(10.0, 0.70, 0.02),
            point(20.0, 0.69, 0.02), // slower and a little worse
            point(20.0, 0.60, 0.02), // slower and surely worse
            point(5.0, 0.50, 0.02),  // the fastest
            point(40.0, 0.80, 0.02), // the best
        ];
        use Standing::{Beaten, Close, Front};
        assert_eq!(standings(&points, true), [Front, Close, Beaten, Front, Front]);
        // The other way round, the worst of them is the best.
        assert_eq!(standings(&points, false), [Beaten, Beaten, Beaten, Front, Beaten]);
        assert_eq!(steps(&points, &standings(&points, true)), [(5.0, 0.50), (10.0, 0.70), (40.0, 0.80)]);
    }

    #[test]
    fn of_two_equals_one_is_the_front_and_the_other_close() {
        let points = [point(10.0, 0.7, 0.02), point(10.0, 0.7, 0.02)];
        assert_eq!(standings(&points, true), [Standing::Front, Standing::Close]);
    }

    #[test]
    fn times_are_round() {
        assert_eq!([0.1, 30.0, 300.0, 7200.0, 172_800.0].map(round_time), ["100 ms", "30 s", "5 min", "2 h", "2 d"]);
    }
}
