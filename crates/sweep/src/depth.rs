//! How many layers stay frozen, in the words of the network: by block, and as people have written it.

use crate::backbone::{Architecture, Stage};
use serde_json::Value;
use std::collections::BTreeMap;

/// Where in a network its frozen layers end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Depth {
    /// No layer is frozen.
    Nothing,
    /// With the last layer of this segment.
    Through(String),
    /// Between two layers of this segment.
    Inside(String),
    All,
}

impl std::fmt::Display for Depth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Depth::Nothing => f.write_str("none"),
            Depth::Through(segment) => f.write_str(segment),
            Depth::Inside(segment) => write!(f, "in {segment}"),
            Depth::All => f.write_str("all"),
        }
    }
}

impl Architecture {
    /// How many layers are frozen where `segment` (`stem`, `block5b`, `top`) is the last of them; none where it has no such
    /// segment.
    pub fn frozen_through(&self, segment: &str) -> Option<u32> {
        self.segments().iter().find(|known| known.name == segment).map(|known| known.layers.end)
    }

    /// What a number of frozen layers is in the network's own words.
    pub fn depth(&self, frozen_layers: u32) -> Depth {
        let segments = self.segments();
        match segments.iter().find(|segment| frozen_layers <= segment.layers.end) {
            _ if frozen_layers == 0 => Depth::Nothing,
            _ if frozen_layers >= self.layer_count() => Depth::All,
            Some(segment) if segment.layers.end == frozen_layers => Depth::Through(segment.name.clone()),
            Some(segment) => Depth::Inside(segment.name.clone()),
            None => Depth::All,
        }
    }

    /// "block1a, block2a to block2b, …": the names that [`Architecture::frozen_through`] knows between stem and top.
    pub fn stages_in_words(&self) -> String {
        let last = |repeats: u32| char::from(b'a' + (repeats - 1) as u8);
        let stage = |(number, stage): (usize, &Stage)| match stage.repeats {
            1 => format!("block{number}a"),
            repeats => format!("block{number}a to {}", last(repeats)),
        };
        (1..).zip(self.stages).map(stage).collect::<Vec<_>>().join(", ")
    }
}

/// What the numbers of frozen layers of a sweep stand for, by network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Depths(BTreeMap<&'static str, BTreeMap<u64, String>>);

impl Depths {
    /// Counts with the share that each was written as, where it was: "135 (0.9, in block6d)", "130 (block6c)".
    pub fn of(counts: impl IntoIterator<Item = (&'static Architecture, u32, Option<f64>)>) -> Depths {
        let mut depths = Depths::default();
        for (architecture, count, share) in counts {
            let share = share.map_or(String::new(), |share| format!("{share:?}, "));
            let words = match architecture.depth(count) {
                Depth::Nothing => count.to_string(),
                depth => format!("{count} ({share}{depth})"),
            };
            depths.0.entry(architecture.name).or_default().insert(u64::from(count), words);
        }
        depths
    }

    /// A number of layers in words, where this sweep has it. `network` may be left out where there is one alone.
    pub fn words(&self, network: Option<&str>, count: &Value) -> Option<&str> {
        let depths = match network {
            Some(network) => self.0.get(network),
            None => self.0.values().next().filter(|_| self.0.len() == 1),
        };
        depths?.get(&count.as_u64()?).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbone::find;

    #[test]
    fn a_depth_is_named_by_the_block_that_it_ends_in() {
        let lite0 = find("efficientnet_lite0").unwrap();
        let depths = [0, 1, 5, 6, 129, 130, 131, 135, 150, 151].map(|count| lite0.depth(count).to_string());
        let expected = ["none", "in stem", "stem", "in block1a", "in block6c", "block6c", "in block6d", "in block6d"];
        assert_eq!(depths[..8], expected);
        assert_eq!(depths[8..], ["in top", "all"]);
        assert_eq!(lite0.frozen_through("block6c"), Some(130));
        assert_eq!((lite0.frozen_through("stem"), lite0.frozen_through("top")), (Some(5), Some(151)));
        assert_eq!(lite0.frozen_through("block8a"), None);
        assert_eq!(find("efficientnet_v2_s").unwrap().frozen_through("block4e"), Some(139));
    }

    #[test]
    fn the_blocks_of_a_network_are_listed_by_stage() {
        let words = find("efficientnet_lite0").unwrap().stages_in_words();
        let expected = "block1a, block2a to b, block3a to b, block4a to c, block5a to c, block6a to d, block7a";
        assert_eq!(words, expected);
    }

    #[test]
    fn a_share_is_shown_as_it_was_written() {
        let lite0 = find("efficientnet_lite0").unwrap();
        let of_lite0 = [(1, None), (135, Some(0.9)), (130, None), (151, Some(1.0))];
        let of_lite0 = of_lite0.map(|(count, share)| (lite0, count, share));
        let depths = Depths::of(of_lite0);
        let words = [1, 135, 130, 151].map(|count| depths.words(None, &Value::from(count)).unwrap().to_owned());
        assert_eq!(words, ["1 (in stem)", "135 (0.9, in block6d)", "130 (block6c)", "151 (1.0, all)"]);
        assert_eq!(depths.words(None, &Value::from(2)), None);
        let b0 = find("efficientnet_b0").unwrap();
        let both = Depths::of(of_lite0.into_iter().chain([(b0, 135, None)]));
        let words = |network| both.words(network, &Value::from(135));
        assert_eq!(words(Some("efficientnet_lite0")), Some("135 (0.9, in block6d)"));
        assert_eq!(words(Some("efficientnet_b0")), Some("135 (in block5b)"));
        assert_eq!(words(None), None, "of which");
    }
}
