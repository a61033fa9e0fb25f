//! The frost line: the network as a strip, as wide as what each part computes. What is frozen is hatched ice, what is trained
//! is plain earth, and a tick stands where features were kept.

use super::frame::{Table, Words, frame, svg};
use crate::number::{Percent, Px, percent};
use maud::{Markup, html};

/// A backbone in parts, in the order in which an image passes them.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// By which strips refer to it.
    pub name: String,
    pub segments: Vec<Segment>,
    pub layers: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// `stem`, `block1a`, …, `top`.
    pub name: String,
    /// Layers up to its end.
    pub layers: u32,
    /// Share of the backbone's computing up to its end.
    pub end: f64,
}

/// How far a trial's network is frozen.
#[derive(Debug, Clone, PartialEq)]
pub struct Frost {
    /// Name of the network.
    pub network: String,
    pub layers: u32,
    /// Share of the backbone's computing.
    pub share: f64,
    /// Where its features are kept: the last end of a segment that is frozen.
    pub cut: Option<Cut>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Cut {
    pub after: String,
    pub share: f64,
}

impl Network {
    /// Consecutive blocks of one stage, by the stage's number, with where they begin and end: `stem`, `1`, …, `top`.
    pub fn stages(&self) -> Vec<(String, f64, f64)> {
        let mut stages: Vec<(String, f64, f64)> = Vec::new();
        let mut start = 0.0;
        for segment in &self.segments {
            let digits = |name: &str| name.chars().take_while(char::is_ascii_digit).collect::<String>();
            let name = segment.name.strip_prefix("block").map_or_else(|| segment.name.clone(), digits);
            match stages.last_mut() {
                Some((last, _, end)) if *last == name => *end = segment.end,
                _ => stages.push((name, start, segment.end)),
            }
            start = segment.end;
        }
        stages
    }
}

/// What strips refer to: the hatch, and the networks' parts. Once a page, before the first strip.
pub fn definitions(networks: &[Network]) -> Markup {
    html! {
        svg.definitions aria-hidden="true" width="0" height="0" {
            defs {
                pattern #hatch patternUnits="userSpaceOnUse" width="6" height="6" patternTransform="rotate(45)" {
                    rect.ice width="6" height="6" {}
                    line.hatch x1="0" x2="0" y1="0" y2="6" {}
                }
            }
            @for network in networks {
                symbol id=(network.name) viewBox="0 0 1000 10" preserveAspectRatio="none" {
                    @for segment in network.segments.iter().filter(|it| it.end < 0.9999) {
                        line.joint x1=(Px(1000.0 * segment.end)) x2=(Px(1000.0 * segment.end)) y1="0" y2="10" {}
                    }
                }
            }
        }
    }
}

/// The strip in a row of a table, whose numbers stand beside it.
pub fn row(frost: &Frost) -> Markup {
    html! { svg.strip aria-hidden="true" width="100%" height="16" { (parts(frost, 2.0, 12.0)) } }
}

/// From `top`, so many pixels high.
pub(crate) fn parts(frost: &Frost, top: f64, height: f64) -> Markup {
    let frozen = frost.share.clamp(0.0, 1.0);
    let (y, h) = (Px(top), Px(height));
    html! {
        @if frozen < 1.0 { rect.earth x=(Percent(frozen)) y=(y) width=(Percent(1.0 - frozen)) height=(h) {} }
        @if frozen > 0.0 { rect.frozen x="0" y=(y) width=(Percent(frozen)) height=(h) fill="url(#hatch)" {} }
        use href={ "#" (frost.network) } x="0" y=(y) width="100%" height=(h) {}
        @if let Some(cut) = &frost.cut {
            line.cut x1=(Percent(cut.share)) x2=(Percent(cut.share)) y1=(Px(top - 2.0)) y2=(Px(top + height + 2.0)) {}
        }
    }
}

/// The strip alone, with names of its stages.
pub fn figure(words: &Words, network: &Network, frost: &Frost) -> Markup {
    let stages = network.stages();
    let drawing = html! {
        (parts(frost, 4.0, 28.0))
        @for (name, start, end) in stages.iter().filter(|(_, start, end)| end - start > 0.035) {
            text.tick.middle x=(Percent(0.5 * (start + end))) y="50" { (name) }
        }
    };
    let mut table = Table::new(&["part", "layers up to its end", "computing up to its end", "state"]);
    let mut before = 0;
    for segment in &network.segments {
        let state = match () {
            () if segment.layers <= frost.layers => "frozen",
            () if before >= frost.layers => "trained",
            () => "frozen in part",
        };
        before = segment.layers;
        let row = [segment.name.clone(), segment.layers.to_string(), percent(segment.end), state.to_owned()];
        table.rows.push(row.into());
    }
    frame(words, svg(words, "bare", 56, drawing), &table)
}

/// "135 of 151 layers are frozen, 88 % of the computing; features are kept after block6d."
pub fn finding(network: &Network, frost: &Frost) -> String {
    let frozen = match frost.layers {
        0 => "No layer is frozen".to_owned(),
        layers if layers >= network.layers => format!("All {} layers are frozen", network.layers),
        layers => {
            format!("{layers} of {} layers are frozen, {} of the computing", network.layers, percent(frost.share))
        }
    };
    match &frost.cut {
        Some(cut) => format!("{frozen}; features can be kept after {}.", cut.after),
        None => format!("{frozen}."),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn network() -> Network {
        let segment = |(name, layers, end): (&str, u32, f64)| Segment { name: name.to_owned(), layers, end };
        let segments =
            [("stem", 4, 0.1), ("block1a", 10, 0.25), ("block1b", 20, 0.5), ("block2a", 30, 0.8), ("top", 36, 1.0)];
        Network { name: "network".to_owned(), segments: segments.map(segment).into(), layers: 36 }
    }

    pub(crate) fn frost() -> Frost {
        let cut = Some(Cut { after: "block1b".to_owned(), share: 0.5 });
        Frost { network: network().name, layers: 25, share: 0.65, cut }
    }

    #[test]
    fn blocks_of_a_stage_go_together() {
        let stages = network().stages();
        let names: Vec<&str> = stages.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(names, ["stem", "1", "2", "top"]);
        assert_eq!(stages[1], ("1".to_owned(), 0.1, 0.5));
    }

    #[test]
    fn ice_ends_at_the_frost_line_and_a_tick_stands_at_the_cut() {
        insta::assert_snapshot!(row(&frost()).0, @r##"<svg class="strip" aria-hidden="true" width="100%" height="16"><rect class="earth" x="65%" y="2" width="35%" height="12"></rect><rect class="frozen" x="0" y="2" width="65%" height="12" fill="url(#hatch)"></rect><use href="#network" x="0" y="2" width="100%" height="12"></use><line class="cut" x1="50%" x2="50%" y1="0" y2="16"></line></svg>"##);
        let all = Frost { layers: 36, share: 1.0, cut: None, ..frost() };
        assert!(!row(&all).0.contains("earth"));
        let none = Frost { layers: 0, share: 0.0, cut: None, ..frost() };
        assert!(!row(&none).0.contains("frozen"));
    }

    #[test]
    fn the_finding_says_how_far() {
        assert_eq!(
            finding(&network(), &frost()),
            "25 of 36 layers are frozen, 65 % of the computing; features can be kept after block1b."
        );
        let all = Frost { layers: 36, share: 1.0, cut: None, ..frost() };
        assert_eq!(finding(&network(), &all), "All 36 layers are frozen.");
    }
}
