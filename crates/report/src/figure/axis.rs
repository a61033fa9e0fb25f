//! Axes: lines at round values, with their numbers beside them.

use crate::number::{Percent, Px};
use maud::{Markup, html};

/// A tick: its place from 0 to 1, and what stands there.
pub(crate) type Tick = (f64, String);

/// Upright lines `height` pixels high, with numbers below and a name below those.
pub(crate) fn x(ticks: &[Tick], height: f64, name: &str) -> Markup {
    html! {
        @for (share, _) in ticks {
            line.grid x1=(Percent(*share)) x2=(Percent(*share)) y1="0" y2=(Px(height)) {}
        }
        line.axis x1="0" x2="100%" y1=(Px(height)) y2=(Px(height)) {}
        @for (share, label) in ticks {
            text.tick.middle x=(Percent(*share)) y=(Px(height + 17.0)) { (label) }
        }
        @if !name.is_empty() {
            text.name.end x="100%" y=(Px(height + 35.0)) { (name) }
        }
    }
}

/// Level lines over the whole width, with numbers at the left. `top` and `height` are those of the area in pixels.
pub(crate) fn y(ticks: &[Tick], top: f64, height: f64) -> Markup {
    let place = |share: f64| top + height * (1.0 - share);
    html! {
        @for (share, label) in ticks {
            line.grid x1="0" x2="100%" y1=(Px(place(*share))) y2=(Px(place(*share))) {}
            text.tick.end x="-8" y=(Px(place(*share) + 4.0)) { (label) }
        }
    }
}
