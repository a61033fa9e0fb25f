//! The depth curve: how good a configuration is against how much of the network stays frozen, and what it costs. The x axis is
//! the network itself, at its true share of computing; where all configurations freeze its beginning, without that.

use super::axis;
use super::frame::{Table, Words, frame, svg};
use super::strip::Network;
use crate::number::{Digits, Percent, Px, fixed, percent, seconds};
use crate::scale::Scale;
use maud::{Markup, html};

#[derive(Debug, Clone, PartialEq)]
pub struct Depth {
    pub network: Network,
    /// What is drawn upwards.
    pub metric: String,
    /// Of the metric.
    pub digits: Digits,
    /// Shallowest first.
    pub levels: Vec<Level>,
}

/// All configurations that freeze as deep.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    pub frozen_layers: u32,
    /// Share of the backbone's computing that is frozen.
    pub share: f64,
    /// Mean over the configurations.
    pub mean: f64,
    /// Of a trial, mean over them.
    pub seconds: f64,
    pub points: Vec<Point>,
}

/// A configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// What it is, for whoever points at it.
    pub label: String,
    pub value: f64,
    pub interval: Option<(f64, f64)>,
    /// Not told from the best one.
    pub is_chosen: bool,
}

const PLOT: f64 = 190.0;
const BARS: f64 = 52.0;
const STRIP: f64 = 14.0;
/// Between plot and bars: room for the seconds above the highest bar.
const GAP: f64 = 30.0;
const HEIGHT: u32 = (PLOT + GAP + BARS + 6.0 + STRIP + 34.0) as u32;
/// Pixels between points of one level, at most.
const STEP: f64 = 7.0;
/// Pixels of the narrowest drawing: levels side by side do not run into each other there.
const NARROWEST: f64 = 300.0;
/// Pixels of a letter of a bar's label, and of a line of them.
const LETTER: (f64, f64) = (6.5, 12.0);
/// Room before the first level, of what lies between it and the network's end.
const BEFORE: f64 = 0.5;

impl Depth {
    /// The part of the network from which on it is drawn, and the share of computing before it.
    pub fn begin(&self) -> (&str, f64) {
        let first = self.levels.iter().map(|level| level.share).fold(1.0, f64::min);
        let wanted = first - BEFORE * (1.0 - first);
        let ends = self.network.segments.iter().map(|segment| segment.end);
        let begin = ends.take_while(|end| *end <= wanted).last().unwrap_or(0.0);
        let next = self.network.segments.iter().find(|segment| segment.end > begin);
        (next.map_or("", |segment| segment.name.as_str()), begin)
    }

    /// Pixels between points, so that the levels that are nearest to each other stay apart.
    fn step(&self, across: &dyn Fn(f64) -> f64) -> f64 {
        let gaps = self.levels.windows(2).map(|pair| across(pair[1].share) - across(pair[0].share));
        let room = NARROWEST * gaps.fold(1.0, f64::min);
        let most = self.levels.iter().map(|level| level.points.len()).max().unwrap_or(1);
        STEP.min(0.8 * room / most.max(1) as f64)
    }

    /// With labels above them that do not run into each other where the drawing is narrow.
    fn bars(&self, across: &dyn Fn(f64) -> f64) -> Vec<Bar> {
        let longest = self.levels.iter().map(|level| level.seconds).filter(|it| it.is_finite()).fold(0.0, f64::max);
        let (letter, line) = LETTER;
        // Middle, half of the width, and height.
        let mut taken: Vec<(f64, f64, f64)> = Vec::new();
        let bar = |level: &Level| {
            let share = if longest > 0.0 && level.seconds.is_finite() { level.seconds / longest } else { 0.0 };
            // What takes any time at all is seen.
            let height = (BARS * share).max(1.0);
            let label = seconds(level.seconds);
            let (middle, half) = (NARROWEST * across(level.share), 0.5 * letter * (label.chars().count() + 1) as f64);
            let mut lifted = height + 5.0;
            let near: Vec<f64> =
                taken.iter().filter(|it| (it.0 - middle).abs() < it.1 + half).map(|it| it.2).collect();
            while let Some(other) = near.iter().find(|other| (lifted - *other).abs() < line) {
                lifted = other + line;
            }
            let has_room = lifted + line <= BARS + GAP;
            if has_room {
                taken.push((middle, half, lifted));
            }
            Bar { height, label, lifted: has_room.then_some(lifted) }
        };
        self.levels.iter().map(bar).collect()
    }
}

pub fn figure(words: &Words, depth: &Depth) -> Markup {
    let points = || depth.levels.iter().flat_map(|level| &level.points);
    let ends = points().flat_map(|it| {
        let (low, high) = it.interval.unwrap_or((it.value, it.value));
        [low, it.value, high]
    });
    let scale = Scale::around(ends, 0.05);
    let found = scale.ticks(5);
    let ticks: Vec<axis::Tick> =
        found.values.iter().map(|&value| (scale.share(value), fixed(value, found.decimals))).collect();
    let up = |value: f64| PLOT * (1.0 - scale.share(value));
    let floor = PLOT + GAP + BARS;
    let (_, begin) = depth.begin();
    let across = |share: f64| ((share - begin) / (1.0 - begin)).clamp(0.0, 1.0);
    let step = depth.step(&across);
    let bars = depth.bars(&across);
    let drawing = html! {
        (axis::y(&ticks, 0.0, PLOT))
        @for pair in depth.levels.windows(2) {
            line.trend x1=(Percent(across(pair[0].share))) y1=(Px(up(pair[0].mean)))
                x2=(Percent(across(pair[1].share))) y2=(Px(up(pair[1].mean))) {}
        }
        @for (level, bar) in depth.levels.iter().zip(&bars) {
            svg.at x=(Percent(across(level.share))) {
                (dots(level, step, &up))
                (bar.draw(floor))
            }
        }
        line.axis x1="0" x2="100%" y1=(Px(floor)) y2=(Px(floor)) {}
        (network(&depth.network, &across, floor + 6.0))
    };
    frame(words, svg(words, "depth", HEIGHT, drawing), &table(depth))
}

/// Side by side, so that none hides another.
fn dots(level: &Level, step: f64, up: &dyn Fn(f64) -> f64) -> Markup {
    let count = level.points.len();
    let aside = |place: usize| Px(step * (place as f64 - 0.5 * (count as f64 - 1.0)));
    html! {
        @for (place, point) in level.points.iter().enumerate().filter(|(_, point)| point.value.is_finite()) {
            g class=(if point.is_chosen { "chosen" } else { "other" }) {
                title { (point.label) }
                @if let Some((low, high)) = point.interval {
                    line.interval x1=(aside(place)) x2=(aside(place)) y1=(Px(up(low))) y2=(Px(up(high))) {}
                }
                circle.dot cx=(aside(place)) cy=(Px(up(point.value))) r="3.5" {}
            }
        }
    }
}

/// What a level's trials take.
struct Bar {
    height: f64,
    label: String,
    /// Where the label stands above the floor; none where there is no room for it.
    lifted: Option<f64>,
}

impl Bar {
    fn draw(&self, floor: f64) -> Markup {
        html! {
            rect.cost x="-9" width="18" y=(Px(floor - self.height)) height=(Px(self.height)) {}
            @if let Some(lifted) = self.lifted {
                text.label.middle x="0" y=(Px(floor - lifted)) { (self.label) }
            }
        }
    }
}

fn network(network: &Network, across: &dyn Fn(f64) -> f64, top: f64) -> Markup {
    let stages = network.stages().into_iter().map(|(name, start, end)| (name, across(start), across(end)));
    let joints = network.segments.iter().map(|segment| across(segment.end)).filter(|at| (0.001..0.999).contains(at));
    html! {
        rect.body x="0" width="100%" y=(Px(top)) height=(Px(STRIP)) {}
        @for at in joints {
            line.joint x1=(Percent(at)) x2=(Percent(at)) y1=(Px(top)) y2=(Px(top + STRIP)) {}
        }
        @for (name, start, end) in stages.filter(|(_, start, end)| end - start > 0.05) {
            text.tick.middle x=(Percent(0.5 * (start + end))) y=(Px(top + STRIP + 14.0)) { (name) }
        }
    }
}

/// A row a level: what the drawing shows of its points is their range.
fn table(depth: &Depth) -> Table {
    let metric = format!("mean {}", depth.metric);
    let mut table =
        Table::new(&["frozen layers", "computing frozen", "configurations", &metric, "lowest", "highest", "a trial"]);
    for level in &depth.levels {
        let values = || level.points.iter().map(|point| point.value).filter(|value| value.is_finite());
        let digits = depth.digits;
        table.rows.push(vec![
            level.frozen_layers.to_string(),
            percent(level.share),
            level.points.len().to_string(),
            digits.show(level.mean),
            digits.show(values().fold(f64::INFINITY, f64::min)),
            digits.show(values().fold(f64::NEG_INFINITY, f64::max)),
            seconds(level.seconds),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::strip::tests::network;

    fn point(value: f64) -> Point {
        Point { label: format!("<{value}>"), value, interval: Some((value - 0.05, value + 0.05)), is_chosen: false }
    }

    fn depth() -> Depth {
        let level = |frozen_layers, share, seconds, values: &[f64]| Level {
            frozen_layers,
            share,
            mean: values.iter().sum::<f64>() / values.len() as f64,
            seconds,
            points: values.iter().map(|&value| point(value)).collect(),
        };
        let levels = vec![level(10, 0.25, 40.0, &[0.75, 0.85]), level(36, 1.0, 1.0, &[0.65])];
        Depth { network: network(), metric: "val_accuracy".to_owned(), digits: Digits(3), levels }
    }

    fn words() -> Words {
        Words {
            id: "depth".to_owned(),
            title: "Depth".to_owned(),
            finding: "Deeper is worse.".to_owned(),
            note: None,
        }
    }

    #[test]
    fn levels_stand_at_their_share_of_computing_and_costs_below_them() {
        let drawn = figure(&words(), &depth()).0;
        assert!(drawn.contains(r#"<svg class="at" x="25%">"#) && drawn.contains(r#"<svg class="at" x="100%">"#));
        // The longest bar is as high as there is room, the other a fortieth of it.
        assert!(drawn.contains(r#"y="220" height="52""#) && drawn.contains(r#"height="1.3""#), "{drawn}");
        assert!(drawn.contains("&lt;0.75&gt;"), "labels are escaped");
        assert!(drawn.contains(r#"role="img""#) && drawn.contains("Deeper is worse."));
    }

    #[test]
    fn labels_of_bars_that_stand_close_do_not_run_into_each_other() {
        let labels = |levels: &[(f64, f64)]| {
            let level = |&(share, seconds)| Level { frozen_layers: 1, share, mean: 0.5, seconds, points: vec![] };
            let depth = Depth { levels: levels.iter().map(level).collect(), ..depth() };
            depth.bars(&|share| share).into_iter().map(|bar| bar.lifted).collect::<Vec<_>>()
        };
        let hour = 3600.0;
        assert_eq!(labels(&[(0.0, hour), (0.5, hour), (1.0, 0.0)]), [Some(57.0), Some(57.0), Some(6.0)]);
        // 30 pixels apart: one is put above the other; a low bar's is below both.
        assert_eq!(labels(&[(0.0, hour), (0.1, hour), (0.15, 1.0)]), [Some(57.0), Some(69.0), Some(6.0)]);
        // A third one has no room between plot and bars.
        assert_eq!(labels(&[(0.0, hour), (0.05, hour), (0.1, hour)]), [Some(57.0), Some(69.0), None]);
    }

    #[test]
    fn what_all_configurations_freeze_is_left_out() {
        assert_eq!(depth().begin(), ("stem", 0.0));
        let mut deep = depth();
        deep.levels[0].share = 0.8;
        // From 0.7 at the latest: after block1b.
        assert_eq!(deep.begin(), ("block2a", 0.5));
        let drawn = figure(&words(), &deep).0;
        assert!(drawn.contains(r#"<svg class="at" x="60%">"#), "{drawn}");
        deep.levels.clear();
        figure(&words(), &deep);
    }

    #[test]
    fn the_table_has_what_is_drawn() {
        let table = table(&depth());
        assert_eq!(table.rows[0], ["10", "25 %", "2", "0.800", "0.750", "0.850", "40 s"]);
        assert_eq!(table.rows[1], ["36", "100 %", "1", "0.650", "0.650", "0.650", "1.0 s"]);
    }
}
