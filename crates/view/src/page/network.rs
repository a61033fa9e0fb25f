//! A backbone in parts, each as large as what it computes.

use frostline_sweep::backbone::{self, Architecture};
use frostline_sweep::layers::table;
use frostline_sweep::trial::TrialSpec;

/// The backbone of a trial at its image size.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    pub backbone: &'static str,
    pub layers: u32,
    pub segments: Vec<Segment>,
    /// Share of the multiplications up to each layer, itself included.
    shares: Vec<f64>,
    architecture: &'static Architecture,
}

/// Stem, a block, or top.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    pub name: String,
    /// Layers up to its end.
    pub layers: u32,
    /// Share of the backbone's multiplications up to its end.
    pub end: f64,
}

impl Network {
    /// None for a backbone that is not in the table any more.
    pub fn of(spec: &TrialSpec) -> Option<Network> {
        Some(Network::at(backbone::find(&spec.model.backbone)?, spec.data.image_size))
    }

    /// For square images of so many pixels a side.
    pub fn at(architecture: &'static Architecture, image_size: u32) -> Network {
        let rows = table(architecture, image_size);
        let segment = |(layers, row): (u32, &frostline_sweep::layers::Row)| {
            let boundary = row.boundary.as_ref()?;
            Some(Segment { name: boundary.segment.clone(), layers, end: row.compute_share })
        };
        Network {
            backbone: architecture.name,
            layers: rows.len() as u32,
            segments: (1..).zip(&rows).filter_map(segment).collect(),
            shares: rows.iter().map(|row| row.compute_share).collect(),
            architecture,
        }
    }

    /// How much of the computing the first `layers` do, 0 to 1.
    pub fn share(&self, layers: u32) -> f64 {
        let last = (layers as usize).min(self.shares.len()).checked_sub(1);
        last.map_or(0.0, |last| self.shares[last])
    }

    /// The last segment that is frozen to its end: behind it features can be kept.
    pub fn cut(&self, frozen_layers: u32) -> Option<&Segment> {
        (self.architecture.cut_at(frozen_layers) as usize).checked_sub(1).and_then(|last| self.segments.get(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frostline_sweep::definition::Definition;
    use frostline_sweep::expand::Sources;

    const TEXT: &str = r#"
[sweep]
name = "demo"
[data]
dataset = "shapes"
[model]
backbone = "efficientnet_lite0"
weights = "random"
[grid]
learning_rate = [0.1]
[train]
frozen_layers = 0
head_units = [8]
epochs = 1
"#;

    #[test]
    fn shares_grow_from_nothing_to_all() {
        let definition = Definition::parse("demo.toml", TEXT, &[]).unwrap();
        let trials = definition.expand(&Sources::plain("data".to_owned()));
        let network = Network::of(&trials[0].spec).unwrap();
        assert_eq!((network.layers, network.segments.len()), (151, 18));
        assert_eq!((network.share(0), network.share(151), network.share(500)), (0.0, 1.0, 1.0));
        assert!(network.segments.is_sorted_by(|one, other| one.end < other.end && one.layers < other.layers));
        let block6c = network.segments.iter().find(|segment| segment.name == "block6c").unwrap();
        assert_eq!(network.share(block6c.layers), block6c.end);
        assert_eq!(network.cut(block6c.layers + 1), Some(block6c));
        assert_eq!(network.cut(0), None);
    }
}
