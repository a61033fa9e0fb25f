//! The dense head: fully connected layers with ReLU and dropout, and the classifier on top.

use crate::derive::{Purpose, generator};
use rand::Rng;
use tch::{Device, Kind, Tensor};

/// Shape of a head, without its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// Width of each dense layer, from the features to the classifier.
    widths: Vec<i64>,
    /// Dropout rate after each dense layer but the classifier.
    dropout: Vec<f64>,
}

impl Head {
    /// A head from `features` inputs over `units` to `classes` outputs; `dropout[i]` follows `units[i]`.
    pub fn new(features: i64, units: &[u32], dropout: &[f64], classes: i64) -> Head {
        let widths = std::iter::once(features).chain(units.iter().map(|&units| i64::from(units))).chain([classes]);
        Head { widths: widths.collect(), dropout: dropout.to_vec() }
    }

    /// Shapes of weight and bias of each layer in turn.
    pub fn shapes(&self) -> Vec<Vec<i64>> {
        self.widths.windows(2).flat_map(|pair| [vec![pair[1], pair[0]], vec![pair[1]]]).collect()
    }

    /// Keras' initial values: weights (`[out, in]`) from Glorot uniform, biases zero.
    ///
    /// Glorot & Bengio 2010, eq. 16: uniform within ±sqrt(6 / (fan in + fan out)).
    pub fn initial(&self, seed: u64) -> Vec<Tensor> {
        let mut random = generator(seed, Purpose::HeadWeights, 0);
        self.widths
            .windows(2)
            .flat_map(|pair| {
                let (input, output) = (pair[0], pair[1]);
                let limit = (6.0 / (input + output) as f64).sqrt() as f32;
                let weights: Vec<f32> =
                    (0..input * output).map(|_| (2.0 * random.random::<f32>() - 1.0) * limit).collect();
                let weights = Tensor::from_slice(&weights).view([output, input]);
                [weights, Tensor::zeros([output], (Kind::Float, Device::Cpu))]
            })
            .collect()
    }

    /// Class scores before softmax, `[batch, classes]`, of `features`, `[batch, features]`.
    pub fn forward(&self, parameters: &[Tensor], features: &Tensor, training: bool) -> Tensor {
        let mut x = features.shallow_clone();
        for (i, layer) in parameters.chunks_exact(2).enumerate() {
            x = x.linear(&layer[0], Some(&layer[1]));
            if let Some(&rate) = self.dropout.get(i) {
                x = x.relu();
                if training && rate > 0.0 {
                    x = x.dropout(rate, true);
                }
            }
        }
        x
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initial_values_follow_glorot_and_the_seed() {
        let head = Head::new(100, &[50], &[0.5], 10);
        let [weights, biases, ..] = &head.initial(3)[..] else { panic!("two layers") };
        let limit = (6.0f64 / 150.0).sqrt();
        let largest = weights.abs().max().double_value(&[]);
        assert!(largest <= limit && largest > 0.99 * limit, "{largest} against {limit}");
        assert_eq!(biases.abs().max().double_value(&[]), 0.0);
        assert_eq!(*weights, head.initial(3)[0]);
        assert_ne!(*weights, head.initial(4)[0]);
    }

    #[test]
    fn dropout_is_active_in_training_only_and_the_classifier_has_no_relu() {
        let _alone = crate::testing::alone();
        let head = Head::new(8, &[16], &[0.5], 4);
        let parameters = head.initial(0);
        let input = Tensor::ones([2, 8], (Kind::Float, Device::Cpu));
        assert_eq!(head.forward(&parameters, &input, false), head.forward(&parameters, &input, false));
        tch::manual_seed(1);
        assert_ne!(head.forward(&parameters, &input, true), head.forward(&parameters, &input, false));
        let hidden = input.linear(&parameters[0], Some(&parameters[1])).relu();
        assert_eq!(head.forward(&parameters, &input, false), hidden.linear(&parameters[2], Some(&parameters[3])));
    }

    /// Ones go in and only the masks change them: what comes out is 0 where a layer dropped, and otherwise made up for.
    #[test]
    fn each_layer_drops_at_its_own_rate() {
        let _alone = crate::testing::alone();
        const UNITS: i64 = 50;
        const IMAGES: i64 = 200;
        let options = (Kind::Float, Device::Cpu);
        let parameters: Vec<Tensor> =
            (0..3).flat_map(|_| [Tensor::eye(UNITS, options), Tensor::zeros([UNITS], options)]).collect();
        let ones = Tensor::ones([IMAGES, UNITS], options);
        for (seed, rates) in (0..).zip([[0.2, 0.0], [0.0, 0.6], [0.2, 0.6], [0.0, 0.0]]) {
            tch::manual_seed(seed);
            let head = Head::new(UNITS, &[UNITS as u32; 2], &rates, UNITS);
            let out = Vec::<f32>::try_from(head.forward(&parameters, &ones, true).view(-1)).unwrap();
            let keeps: f64 = rates.iter().map(|rate| 1.0 - rate).product();
            let kept = out.iter().filter(|value| **value != 0.0).count() as f64;
            let all = (IMAGES * UNITS) as f64;
            // Four standard deviations of a binomial distribution.
            let most = 4.0 * (all * keeps * (1.0 - keeps)).sqrt();
            assert!((kept - all * keeps).abs() <= most, "{rates:?}: {kept} of {all} are kept");
            let scaled = |value: &f32| *value == 0.0 || (f64::from(*value) * keeps - 1.0).abs() < 1e-6;
            assert!(out.iter().all(scaled), "{rates:?}: what is kept makes up for what is not");
        }
    }
}
