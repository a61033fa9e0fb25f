//! What a definition may say without meaning it: possible, and worth a second look.

use crate::backbone::Architecture;
use crate::definition::Definition;
use crate::depth::Depth;
use crate::parameters::frozen_layers;
use serde_json::Value;

/// From here on a rate is far above what any of the optimizers trains with.
const HIGH_RATE: f64 = 1.0;

const ONE_LAYER: &str = "frozen_layers = 1 freezes one layer: write 1.0 or \"all\" if all of them are meant";

impl Definition {
    /// A sentence for each value that is probably not what was meant.
    pub fn remarks(&self) -> Vec<String> {
        let values = |name: &str| {
            let axis = self.axes.iter().find(|axis| axis.name == name).map(|axis| axis.values.clone());
            let fixed = self.fixed.get(name).map(|value| vec![(value.clone(), value.clone())]);
            axis.or(fixed).unwrap_or_default()
        };
        let layers = values("frozen_layers");
        let one = layers.iter().any(|(written, _)| written.as_u64() == Some(1)).then(|| ONE_LAYER.to_owned());
        let cut = self.networks.iter().flat_map(|network| {
            let whose =
                if self.networks.len() > 1 { format!(" of {}", network.architecture.name) } else { String::new() };
            let remark = move |(written, canonical): &(Value, Value)| {
                let count = frozen_layers(canonical, network.architecture.name)?;
                if written.as_u64() == Some(1) {
                    return None;
                }
                self::cut(written, count, network.architecture, &whose)
            };
            layers.iter().filter_map(remark)
        });
        let layers = one.into_iter().chain(cut);
        let rates = values("learning_rate").into_iter().filter_map(|(_, rate)| rate.as_f64());
        let rates = rates.filter(|rate| *rate >= HIGH_RATE).map(|rate| {
            format!("learning_rate = {rate} is far above what trains: Keras' default is 0.001 for Adam, 0.01 for SGD")
        });
        layers.chain(rates).collect()
    }
}

/// Of a depth inside of a block.
fn cut(written: &Value, count: u32, architecture: &Architecture, whose: &str) -> Option<String> {
    let Depth::Inside(segment) = architecture.depth(count) else { return None };
    let segments = architecture.segments();
    let place = segments.iter().position(|known| known.name == segment)?;
    let before = place.checked_sub(1).map(|before| &segments[before]);
    let whole: Vec<String> = before
        .into_iter()
        .chain([&segments[place]])
        .map(|segment| format!("\"{}\" ({})", segment.name, segment.layers.end))
        .collect();
    Some(format!(
        "frozen_layers = {written} ends at layer {count} inside of {segment}{whose}, of which a part would train: {} {} whole blocks",
        whole.join(" or "),
        if whole.len() == 1 { "freezes" } else { "freeze" }
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remarks(grid: &str) -> Vec<String> {
        let text = format!(
            "[sweep]\nname = \"x\"\n[data]\ndataset = \"shapes\"\n[model]\nbackbone = \"efficientnet_lite0\"\n\
             weights = \"random\"\n{grid}\n"
        );
        Definition::parse("x.toml", &text, &[]).unwrap().remarks()
    }

    #[test]
    fn a_depth_inside_of_a_block_is_said_with_those_that_are_not() {
        assert_eq!(
            remarks("[grid]\nfrozen_layers = [0, 0.9, \"block6c\", \"all\"]"),
            [
                "frozen_layers = 0.9 ends at layer 135 inside of block6d, of which a part would train: \"block6c\" (130) or \
              \"block6d\" (140) freeze whole blocks"
            ]
        );
        assert_eq!(remarks("[train]\nfrozen_layers = 3").len(), 1);
    }

    #[test]
    fn a_count_that_looks_like_a_share_is_said() {
        let said = remarks("[grid]\nfrozen_layers = [1, 1.0]");
        assert_eq!(said, ["frozen_layers = 1 freezes one layer: write 1.0 or \"all\" if all of them are meant"]);
    }

    #[test]
    fn a_rate_that_trains_nothing_is_said() {
        let said = remarks("[train]\nfrozen_layers = 0\n[grid]\nlearning_rate = [1e-3, 10]");
        assert!(said.len() == 1 && said[0].starts_with("learning_rate = 10 is far above"), "{said:?}");
    }
}
