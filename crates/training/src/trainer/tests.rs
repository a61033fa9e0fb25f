//! What a trial may change and what it may not.

use super::*;
use crate::backbone::{Backbone, Role, Source as WeightsSource, slots};
use crate::input::Source;
use frostline_assets::shapes;
use frostline_sweep::backbone;
use frostline_sweep::trial::{
    DataSpec, Dataset, ModelSpec, Optimizer as Rule, Parameters, Precision, Validation, WeightsIdentity,
};
use tch::Device;

struct Silent;

impl Observer for Silent {
    fn epoch(&mut self, _metrics: EpochMetrics) {}

    fn progress(&mut self, _done: u64, _total: u64) {}

    fn should_stop(&self) -> Stop {
        Stop::No
    }
}

fn spec(frozen_layers: u32) -> TrialSpec {
    TrialSpec {
        data: DataSpec {
            dataset: Dataset::Shapes,
            digest: shapes::digest(),
            validation: Validation::Share(0.2),
            image_size: 32,
            augment: Augment::None,
            train_limit: Some(40),
            test_limit: Some(10),
        },
        model: ModelSpec { backbone: "efficientnet_lite0".to_owned(), weights: WeightsIdentity::Random },
        parameters: Parameters {
            frozen_layers,
            head_units: Vec::new(),
            head_dropout: Vec::new(),
            optimizer: Rule::Rmsprop,
            learning_rate: 1e-3,
            recipe: Default::default(),
            epochs: 1,
            batch_size: 16,
            precision: Precision::Float32,
        },
        seed: 1,
    }
}

#[test]
fn frozen_layers_stay_to_the_bit_and_every_other_one_moves() {
    let architecture = backbone::find("efficientnet_lite0").unwrap();
    let backbone = Backbone::load(architecture, WeightsSource::Random(0), Device::Cpu, Kind::Float).unwrap();
    let untouched = backbone.instance(architecture.layer_count());
    let before: Vec<Tensor> = slots(architecture).iter().map(|slot| untouched.tensor(&slot.name).copy()).collect();
    // Nothing, a boundary inside a block, a convolution without its normalization, everything.
    let inside = architecture.segments()[11].layers.start;
    for frozen in [0, inside + 3, inside + 1, architecture.layer_count()] {
        let spec = spec(frozen);
        let data = Data::load(&spec.data, None).unwrap();
        let source = Source::Images { conventions: backbone.conventions().clone(), size: 32, kind: Kind::Float };
        let input = Input { source, from: 0, to: architecture.cut_at(frozen), device: Device::Cpu };
        let mut trainer = Trainer::new(&spec, &data, input, backbone.instance(frozen));
        let head: Vec<Tensor> = trainer.flat.leaves()[..trainer.head_leaves].iter().map(Tensor::copy).collect();
        let folder = tempfile::tempdir().unwrap();
        trainer.run(folder.path(), &mut Silent).unwrap();

        for (slot, before) in slots(architecture).iter().zip(&before) {
            let stayed = trainer.network.tensor(&slot.name) == before;
            let (name, layer) = (&slot.name, slot.layer);
            assert_eq!(stayed, layer < frozen, "{name} is layer {layer}, and {frozen} are frozen");
            assert!(untouched.tensor(name) == before, "{name} of another trial moved");
        }
        for (after, before) in trainer.flat.leaves().iter().zip(&head) {
            assert_ne!(after, before, "the head trains");
        }
        let trained =
            slots(architecture).iter().filter(|slot| slot.layer >= frozen && slot.role == Role::Weight).count();
        assert_eq!(trainer.flat.leaves().len(), trainer.head_leaves + trained);
    }
}
