//! Features: the frozen part's output at a cut, which is a function of the image alone and so is computed once for
//! all the trials that share it.

use crate::trial::{Augment, Dataset, ModelSpec, Pictures, Precision, TrialSpec};
use serde::{Deserialize, Serialize};

/// Images that frozen layers are computed on at a time; part of the arithmetic. A GPU wants more of them at once.
pub fn portion(on_gpu: bool) -> u32 {
    if on_gpu { 256 } else { 32 }
}

/// What frozen layers are computed with. Features of one kind are not those of another: their last digits differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arithmetic {
    /// A CPU's, in the precision that the trial asks for.
    #[default]
    Cpu,
    /// A GPU's float32 by IEEE 754.
    CudaIeee,
    /// A GPU's float32 with factors of 10 bits of mantissa.
    CudaTf32,
    CudaBf16,
}

impl Arithmetic {
    pub fn of(precision: Precision, on_gpu: bool) -> Arithmetic {
        match (on_gpu, precision) {
            (false, _) => Arithmetic::Cpu,
            (true, Precision::Float32) => Arithmetic::CudaIeee,
            (true, Precision::Tf32) => Arithmetic::CudaTf32,
            (true, Precision::Bfloat16) => Arithmetic::CudaBf16,
        }
    }

    fn is_cpu(&self) -> bool {
        *self == Arithmetic::Cpu
    }
}

/// Everything that features depend on: the content of one cache folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureSpec {
    pub dataset: Dataset,
    pub data_digest: String,
    pub train_limit: Option<u32>,
    pub test_limit: Option<u32>,
    pub image_size: u32,
    pub augment: Augment,
    pub model: ModelSpec,
    pub precision: Precision,
    /// Left out for a CPU: keys of caches from before there was a choice stay valid.
    #[serde(default, skip_serializing_if = "Arithmetic::is_cpu")]
    pub arithmetic: Arithmetic,
    /// How many blocks of the backbone have run, see [`crate::backbone`].
    pub cut: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pictures: Option<Pictures>,
}

impl FeatureSpec {
    /// The features of `trial` at `cut`, computed on a CPU.
    pub fn of(trial: &TrialSpec, cut: u32) -> FeatureSpec {
        FeatureSpec {
            dataset: trial.data.dataset,
            data_digest: trial.data.digest.clone(),
            train_limit: trial.data.train_limit,
            test_limit: trial.data.test_limit,
            image_size: trial.data.image_size,
            augment: trial.data.augment,
            model: trial.model.clone(),
            precision: trial.parameters.precision,
            arithmetic: Arithmetic::Cpu,
            cut,
            pictures: trial.data.pictures,
        }
    }

    /// The same, computed on a GPU or a CPU.
    pub fn computed(self, on_gpu: bool) -> FeatureSpec {
        FeatureSpec { arithmetic: Arithmetic::of(self.precision, on_gpu), ..self }
    }

    /// Whether these are features of `trial`, at whatever cut and computed with whatever.
    pub fn is_of(&self, trial: &TrialSpec) -> bool {
        let TrialSpec { data, model, parameters, .. } = trial;
        self.dataset == data.dataset
            && self.data_digest == data.digest
            && self.train_limit == data.train_limit
            && self.test_limit == data.test_limit
            && self.image_size == data.image_size
            && self.augment == data.augment
            && self.pictures == data.pictures
            && self.model == *model
            && self.precision == parameters.precision
    }

    /// Name of the cache folder: 32 hexadecimal digits of a BLAKE3 hash of the canonical form.
    pub fn key(&self) -> FeatureKey {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"frostline features v1\0");
        serde_json::to_writer(&mut hasher, self).expect("the specification has nothing that JSON cannot hold");
        FeatureKey(hasher.finalize().to_hex()[..32].to_owned())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FeatureKey(pub String);

impl std::fmt::Display for FeatureKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::Definition;
    use crate::expand::Sources;
    use crate::trial::WeightsIdentity;

    fn trial() -> TrialSpec {
        let text = "[sweep]\nname = \"demo\"\n[data]\ndataset = \"shapes\"\nimage_size = 64\n\
            [model]\nbackbone = \"efficientnet_lite0\"\nweights = \"random\"\n[grid]\nfrozen_layers = [\"all\"]\n";
        let definition = Definition::parse("demo.toml", text, &[]).unwrap();
        definition.trials(&Sources::plain("1".to_owned())).specs().next().unwrap()
    }

    #[test]
    fn a_device_and_a_precision_make_an_arithmetic() {
        use Arithmetic::*;
        use Precision::*;
        let found = [Float32, Tf32, Bfloat16].map(|precision| {
            let spec = FeatureSpec { precision, ..FeatureSpec::of(&trial(), 3) };
            [spec.clone().computed(false).arithmetic, spec.computed(true).arithmetic]
        });
        assert_eq!(found, [[Cpu, CudaIeee], [Cpu, CudaTf32], [Cpu, CudaBf16]]);
        assert_eq!((portion(false), portion(true)), (32, 256));
    }

    /// Folders that were filled before there was a choice of arithmetic keep their names.
    #[test]
    fn a_key_names_the_arithmetic_of_a_gpu_only() {
        let spec = FeatureSpec::of(&trial(), 3);
        let text = |spec: &FeatureSpec| serde_json::to_string(spec).unwrap();
        assert!(!text(&spec).contains("arithmetic"), "{}", text(&spec));
        let on_gpu = spec.clone().computed(true);
        assert!(text(&on_gpu).contains(r#""arithmetic":"cuda-ieee""#), "{}", text(&on_gpu));
        assert_ne!(spec.key(), on_gpu.key());
        assert_eq!(format!("{}", FeatureKey("ab".to_owned())), "ab");
    }

    #[test]
    fn features_are_those_of_every_trial_that_has_the_same_images_and_network() {
        let trial = trial();
        let spec = FeatureSpec::of(&trial, 3);
        assert!(spec.is_of(&trial) && spec.clone().computed(true).is_of(&trial));
        let mut with_other_head = trial.clone();
        with_other_head.parameters.head_units = vec![7];
        assert!(FeatureSpec { cut: 5, ..spec.clone() }.is_of(&with_other_head));
        let data = |change: fn(&mut crate::trial::DataSpec)| {
            let mut other = trial.clone();
            change(&mut other.data);
            other
        };
        let mut others = vec![
            data(|it| it.dataset = Dataset::Cifar10),
            data(|it| it.digest = "2".to_owned()),
            data(|it| it.train_limit = Some(10)),
            data(|it| it.test_limit = Some(10)),
            data(|it| it.image_size = 96),
            data(|it| it.augment = Augment::Flip),
            data(|it| it.pictures = Some(Pictures { side: 64, fit: crate::trial::Fit::Crop })),
        ];
        for change in [
            |it: &mut TrialSpec| it.model.backbone = "efficientnet_lite1".to_owned(),
            |it: &mut TrialSpec| it.model.weights = WeightsIdentity::File("3".to_owned()),
            |it: &mut TrialSpec| it.parameters.precision = Precision::Bfloat16,
        ] {
            let mut other = trial.clone();
            change(&mut other);
            others.push(other);
        }
        for other in others {
            assert!(!spec.is_of(&other), "{other:?}");
        }
    }
}
