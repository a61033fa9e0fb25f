//! What the differences between trials come from: one bar, cut into shares.

use super::frame::{Table, Words, frame, svg};
use crate::number::{Percent, percent};
use maud::{Markup, html};

#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    pub name: String,
    pub share: f64,
    /// Of so much by chance.
    pub p: Option<f64>,
    /// The seeds' share is no axis': it is hatched, and grey.
    pub is_chance: bool,
}

/// What is thinner is told by the table alone.
const THINNEST: f64 = 0.005;
/// So many axes have a colour of their own.
const HUES: usize = 6;

/// Shares in the order in which they are drawn; they are scaled where their sum is above 1.
pub fn figure(words: &Words, shares: &[Share]) -> Markup {
    let sum: f64 = shares.iter().map(|it| it.share.max(0.0)).sum();
    let whole = if sum > 1.0 { sum } else { 1.0 };
    let mut start = 0.0;
    let mut parts: Vec<(f64, f64, String, &Share)> = Vec::new();
    for (place, it) in shares.iter().enumerate() {
        let width = it.share.max(0.0) / whole;
        let hue = if it.is_chance { "chance".to_owned() } else { format!("hue-{}", place.min(HUES - 1)) };
        parts.push((start, width, hue, it));
        start += width;
    }
    let drawing = html! {
        rect.body x="0" y="0" width="100%" height="22" {}
        @for (start, width, hue, share) in parts.iter().filter(|(_, width, ..)| *width >= THINNEST) {
            rect class=(hue) x=(Percent(*start)) y="0" width=(Percent(*width)) height="22" {
                title { (share.name) ", " (percent(share.share)) }
            }
            line.joint x1=(Percent(start + width)) x2=(Percent(start + width)) y1="0" y2="22" {}
        }
    };
    let mut table = Table::new(&["source", "share of the differences", "p"]);
    for it in shares {
        table.rows.push(vec![it.name.clone(), percent(it.share), probability(it.p)]);
    }
    let legend = html! {
        ul.legend {
            @for (_, _, hue, share) in &parts {
                li {
                    svg.key aria-hidden="true" width="12" height="12" { rect class=(hue) width="12" height="12" {} }
                    (share.name) " " b { (percent(share.share)) }
                }
            }
        }
    };
    frame(words, html! { (svg(words, "bare", 24, drawing)) (legend) }, &table)
}

fn probability(p: Option<f64>) -> String {
    match p {
        Some(p) if p < 0.001 => "<0.001".to_owned(),
        Some(p) => format!("{p:.3}"),
        None => "–".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_each_other_and_never_leave_the_bar() {
        let share = |name: &str, share, is_chance| Share { name: name.to_owned(), share, p: Some(0.0002), is_chance };
        let shares = [share("frozen_layers", 0.9, false), share("optimizer", 0.3, false), share("seeds", 0.3, true)];
        let words = Words { id: "shares".into(), title: "Shares".into(), finding: "Depth.".into(), note: None };
        let drawn = figure(&words, &shares).0;
        assert!(drawn.contains(r#"<rect class="hue-0" x="0%" y="0" width="60%""#), "{drawn}");
        assert!(drawn.contains(r#"<rect class="hue-1" x="60%" y="0" width="20%""#), "{drawn}");
        assert!(drawn.contains(r#"<rect class="chance" x="80%" y="0" width="20%""#), "{drawn}");
        assert!(drawn.contains("90 %") && drawn.contains("&lt;0.001"), "the table has them as they are");
    }
}
