//! Running a network, segment by segment.

use super::convention::same_padding;
use super::network::Network;
use super::tensors::channels_last;
use crate::no_grad::no_grad;
use frostline_assets::layout::Padding;
use frostline_sweep::backbone::{Activation, Block, BlockKind};
use std::cell::RefCell;
use tch::{Kind, Tensor};

/// With fewer images libtorch takes another library's matrix product on a single thread, which is half as fast.
const FEWEST_IMAGES: i64 = 16;

/// Images of so many pixels gain nothing from being put together.
const MANY_PIXELS: i64 = 16;

/// Where a step of the network finds its parameters and learns how to behave.
pub(super) struct Pass<'a> {
    pub(super) network: &'a Network,
    /// Layers that are not frozen use batch statistics, update the moving ones, and drop.
    pub(super) training: bool,
    /// What normalizations that train have found, in the order of the layers: where their statistics begin, mean and inverse
    /// deviation.
    found: RefCell<Vec<(i64, Tensor, Tensor)>>,
}

impl Network {
    /// Runs the segments from cut `from` to cut `to`: on prepared images where `from` is 0, else on the features of
    /// that cut. The last cut's output is pooled, `[batch, channels]`; every other is
    /// `[batch, channels, height, width]`.
    ///
    /// While `training`, layers from `frozen_layers` on behave as in training; those before stay in inference mode and
    /// draw no random numbers.
    pub fn forward(&self, input: &Tensor, from: u32, to: u32, training: bool) -> Tensor {
        let pass = Pass::new(self, training);
        let last = self.shared.segments.len() as u32 - 1;
        let mut x = settled(input.shallow_clone());
        for segment in from..to {
            let frozen = self.shared.segments[segment as usize].layers.end <= self.frozen_layers;
            let run = |x: &Tensor| match segment {
                0 => stem(&pass, x),
                n if n == last => top(&pass, x),
                n => block(&pass, &self.shared.blocks[n as usize - 1], x),
            };
            x = if frozen || !training { no_grad(|| settled(run(&x))) } else { run(&x) };
        }
        pass.take_up();
        x
    }

    /// The number of segments: the cut after which nothing of the backbone is left.
    pub fn cuts(&self) -> u32 {
        self.shared.segments.len() as u32
    }
}

/// The same values with exactly the strides that channels-last memory has. Where a side is one pixel long, other strides
/// describe the same memory, libtorch takes them for another layout, and its kernels for that differ in the last digit:
/// what is computed from stored features would differ from what is computed in one go.
fn settled(x: Tensor) -> Tensor {
    let [_, channels, height, width] = x.size()[..] else { return x };
    let strides = [height * width * channels, 1, width * channels, channels];
    if x.stride() == strides {
        return x;
    }
    let x = channels_last(&x);
    x.as_strided(x.size(), strides, None::<i64>)
}

fn stem(pass: &Pass, x: &Tensor) -> Tensor {
    pass.activation(pass.convolution("stem_conv", "stem_bn", x, 2, 1))
}

fn top(pass: &Pass, x: &Tensor) -> Tensor {
    let x = pass.activation(pass.convolution("top_conv", "top_bn", x, 1, 1));
    pixel_mean(&x)
}

/// Mean over height and width, `[batch, channels]`. As a sum and a factor for it: a mean's gradient is divided pixel by
/// pixel.
fn pixel_mean(x: &Tensor) -> Tensor {
    let pixels = x.size()[2] * x.size()[3];
    x.sum_dim_intlist([2i64, 3].as_slice(), false, x.kind()) * (1.0 / pixels as f64)
}

fn block(pass: &Pass, block: &Block, input: &Tensor) -> Tensor {
    let named = |part: &str| format!("{}_{part}", block.name);
    let convolution = |conv: &str, norm: &str, x: &Tensor, stride: u32, groups: u32| {
        pass.convolution(&named(conv), &named(norm), x, i64::from(stride), i64::from(groups))
    };
    let mut x = input.shallow_clone();
    if block.kind == BlockKind::FusedMbConv && !block.expands() {
        x = pass.activation(convolution("project_conv", "project_bn", &x, block.stride, 1));
    } else {
        if block.expands() {
            let stride = if block.kind == BlockKind::FusedMbConv { block.stride } else { 1 };
            x = pass.activation(convolution("expand_conv", "expand_bn", &x, stride, 1));
        }
        if block.kind == BlockKind::MbConv {
            x = pass.activation(convolution(block.depthwise, "bn", &x, block.stride, block.expanded));
        }
        if block.squeeze.is_some() {
            x = squeeze_and_excite(pass, block, &x);
        }
        x = convolution("project_conv", "project_bn", &x, 1, 1);
    }
    match block.drop_rate.filter(|_| pass.trains(&named("drop"))) {
        // Only blocks that are residual have a rate.
        Some(rate) => input.addcmul(&x, &kept_samples(&x, rate)),
        None if block.is_residual() => x + input,
        None => x,
    }
}

/// Hu et al. 2018 (arXiv:1709.01507): channels weighted by what their means say of each other.
fn squeeze_and_excite(pass: &Pass, block: &Block, x: &Tensor) -> Tensor {
    // On vectors: for a single pixel libtorch's matrix product is faster than its convolution.
    let dense = |part: &str, x: &Tensor| {
        let name = format!("{}_{part}", block.name);
        let (weight, bias) = (pass.tensor(&name, "weight", x.kind()), pass.tensor(&name, "bias", x.kind()));
        x.linear(&weight.flatten(1, 3), Some(&bias))
    };
    let means = pixel_mean(x);
    let reduced = pass.activation(dense("se_reduce", &means));
    let excitation = dense("se_expand", &reduced).sigmoid();
    x * excitation.unsqueeze(-1).unsqueeze(-1)
}

/// Stochastic depth (Huang et al. 2016, arXiv:1603.09382) as Keras' `Dropout` with one value a sample: what each sample
/// is multiplied by, `[batch, 1, 1, 1]`, 0 at this rate and otherwise what makes up for it.
fn kept_samples(x: &Tensor, rate: f64) -> Tensor {
    let kept = Tensor::empty([x.size()[0], 1, 1, 1], (Kind::Float, x.device())).bernoulli_float_(1.0 - rate);
    (kept / (1.0 - rate)).to_kind(x.kind())
}

/// A convolution with a single pixel's kernel. It takes no notice of where a pixel lies, so small images go together
/// into larger ones: oneDNN computes an image at a time, and a few pixels do not fill its registers.
fn pixel_by_pixel(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
    let [images, channels, height, width] = x.size()[..] else { unreachable!("a batch of images") };
    let Some(fewer) = fewer_images(images, height * width) else {
        return x.conv2d(weight, bias, 1, 0, 1, 1);
    };
    let rows = x.permute([0, 2, 3, 1]).reshape([fewer, -1, 1, channels]);
    let out = rows.permute([0, 3, 1, 2]).conv2d(weight, bias, 1, 0, 1, 1);
    out.permute([0, 2, 3, 1]).reshape([images, height, width, -1]).permute([0, 3, 1, 2])
}

/// How many larger images that many images of so many pixels become, where that pays off.
fn fewer_images(images: i64, pixels: i64) -> Option<i64> {
    let fewer = (FEWEST_IMAGES..images).find(|fewer| images * pixels % fewer == 0);
    fewer.filter(|_| pixels < MANY_PIXELS)
}

impl Pass<'_> {
    pub(super) fn new(network: &Network, training: bool) -> Pass<'_> {
        Pass { network, training, found: RefCell::default() }
    }

    /// Moving statistics keep `momentum` of their old value. All that this pass has found at once: the layers of a pass
    /// follow each other, and so do their statistics.
    fn take_up(&self) {
        let found = self.found.take();
        let Some((start, ..)) = found.first() else { return };
        no_grad(|| {
            let means = found.iter().map(|(_, mean, _)| mean);
            let all: Vec<&Tensor> = means.chain(found.iter().map(|(_, _, inverse)| inverse)).collect();
            let all = Tensor::cat(&all, 0).view([2, -1]);
            let _ = all.select(0, 1).pow_(-2.0).g_sub_scalar_(self.network.shared.conventions.epsilon);
            let keep = 1.0 - self.network.shared.conventions.momentum;
            let _ = self.network.statistics.values.narrow(1, *start, all.size()[1]).lerp_(&all, keep);
        });
    }

    /// Whether this layer behaves as in training.
    fn trains(&self, layer: &str) -> bool {
        self.training && self.network.shared.indices[layer] >= self.network.frozen_layers
    }

    fn tensor(&self, layer: &str, part: &str, kind: Kind) -> Tensor {
        self.network.leaf(&format!("{layer}.{part}"), kind)
    }

    pub(super) fn activation(&self, x: Tensor) -> Tensor {
        // In place where no gradient needs the input: the tensor was made by the layer before.
        let mut x = x;
        let in_place = !x.requires_grad();
        match (self.network.shared.architecture.activation, in_place) {
            (Activation::Silu, true) => x.silu_(),
            (Activation::Silu, false) => x.silu(),
            (Activation::Relu6, true) => x.relu6_(),
            (Activation::Relu6, false) => x.relu6(),
        }
    }

    /// A convolution without bias and the batch normalization after it.
    fn convolution(&self, conv: &str, norm: &str, x: &Tensor, stride: i64, groups: i64) -> Tensor {
        let network = self.network;
        let indices = &network.shared.indices;
        // The normalization follows its convolution, so a frozen normalization has a frozen convolution.
        if indices[norm] < network.frozen_layers {
            let (weight, bias) = &network.shared.folded[conv];
            return self.convolve(x, weight, Some(bias), stride, groups);
        }
        // Products in the network's type, parameters and their gradients in float32.
        let kind = network.shared.kind;
        if !self.training {
            // One pass over the weights instead of one over the activations.
            let fresh;
            let (weight, bias) = match network.folds.get(conv) {
                Some(once) => once,
                None => {
                    fresh = network.fold(conv, norm);
                    &fresh
                }
            };
            return self.convolve(&x.to_kind(kind), weight, Some(bias), stride, groups);
        }
        let weight = network.leaf(&format!("{conv}.weight"), kind);
        let x = self.convolve(&x.to_kind(kind), &weight, None, stride, groups);
        self.batch_normalization(norm, &x)
    }

    pub(super) fn convolve(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
        stride: i64,
        groups: i64,
    ) -> Tensor {
        let kernel = weight.size()[2];
        if kernel == 1 && groups == 1 && stride == 1 {
            return pixel_by_pixel(x, weight, bias);
        }
        let (height, width) = (x.size()[2], x.size()[3]);
        let [rows, columns] = self.padding(x, kernel, stride);
        // oneDNN's fast way to a depthwise kernel's gradient is not taken where the image is smaller than the kernel; with
        // the padding as part of the image it is three times as fast there.
        let is_tiny = groups > 1 && height.min(width) < kernel && weight.requires_grad();
        if rows.0 == rows.1 && columns.0 == columns.1 && !is_tiny {
            return x.conv2d(weight, bias, stride, [rows.0, columns.0].as_slice(), 1, groups);
        }
        let padded = x.constant_pad_nd([columns.0, columns.1, rows.0, rows.1].as_slice());
        channels_last(&padded).conv2d(weight, bias, stride, 0, 1, groups)
    }

    /// Of height and width: before and after.
    pub(super) fn padding(&self, x: &Tensor, kernel: i64, stride: i64) -> [(i64, i64); 2] {
        [2, 3].map(|axis| match self.network.shared.conventions.padding {
            Padding::Symmetric => (kernel / 2, kernel / 2),
            Padding::Same => same_padding(x.size()[axis], kernel, stride),
        })
    }

    /// Ioffe & Szegedy 2015 (arXiv:1502.03167) by Keras' rule: the moving variance takes up the batch's biased variance.
    pub(super) fn batch_normalization(&self, layer: &str, x: &Tensor) -> Tensor {
        let (weight, bias) = (self.tensor(layer, "weight", Kind::Float), self.tensor(layer, "bias", Kind::Float));
        let epsilon = self.network.shared.conventions.epsilon;
        if !self.trains(layer) {
            let [mean, variance] =
                ["running_mean", "running_var"].map(|part| self.network.tensor(&format!("{layer}.{part}")));
            return x.batch_norm(Some(&weight), Some(&bias), Some(mean), Some(variance), false, 0.0, epsilon, false);
        }
        let none: Option<&Tensor> = None;
        let (out, batch_mean, inverse) =
            x.native_batch_norm(Some(&weight), Some(&bias), none, none, true, 0.0, epsilon);
        self.found.borrow_mut().push((self.network.statistics.starts[layer], batch_mean, inverse));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbone::{Backbone, Source};
    use crate::testing::alone;
    use frostline_sweep::backbone::{self, Architecture};
    use tch::Device;

    /// Output and gradients, of the input and of the kernel.
    fn passes(x: &Tensor, convolve: impl Fn(&Tensor, &Tensor) -> Tensor) -> [Tensor; 3] {
        let x = x.detach().set_requires_grad(true);
        let values = Tensor::linspace(-1, 1, 5 * x.size()[1], (Kind::Float, Device::Cpu));
        let kernel = values.view([5, -1, 1, 1]).set_requires_grad(true);
        let out = convolve(&x, &kernel);
        let weights = Tensor::arange(out.numel() as i64, (Kind::Float, Device::Cpu)).cos().view_as(&out);
        let found = Tensor::run_backward(&[(&out * weights).sum(Kind::Float)], &[&x, &kernel], false, false);
        let [x, kernel] = &found[..] else { panic!("as many as were asked for") };
        [out.detach(), x.shallow_clone(), kernel.shallow_clone()]
    }

    #[test]
    fn small_images_may_be_put_together_where_one_pixel_is_seen_at_a_time() {
        // Together, also as single pixels; too few; in no number of larger ones; large enough.
        for (shape, fewer) in [
            ([50, 8, 2, 2], Some(20)),
            ([50, 8, 1, 1], Some(25)),
            ([6, 8, 2, 2], None),
            ([17, 8, 3, 1], None),
            ([40, 8, 5, 4], None),
        ] {
            assert_eq!(fewer_images(shape[0], shape[2] * shape[3]), fewer, "{shape:?}");
            let x = Tensor::arange(shape.iter().product::<i64>(), (Kind::Float, Device::Cpu)).sin().view(shape);
            let x = channels_last(&x);
            let ours = passes(&x, |x, kernel| pixel_by_pixel(x, kernel, None));
            let plain = passes(&x, |x, kernel| x.conv2d(kernel, None::<&Tensor>, 1, 0, 1, 1));
            for (ours, plain) in ours.iter().zip(&plain) {
                assert_eq!(ours.size(), plain.size());
                let difference = (ours - plain).norm() / plain.norm();
                assert!(difference.double_value(&[]) < 1e-6, "{shape:?}: {difference}");
            }
            let [_, channels, height, width] = ours[0].size()[..] else { panic!("four axes") };
            assert_eq!(settled(ours[0].shallow_clone()).data_ptr(), ours[0].data_ptr(), "channels last: not copied");
            assert_eq!(ours[0].stride()[1..], [1, width * channels, channels], "{height} x {width}");
        }
    }

    /// The block called `name`, from its input, `[images, channels, 2, 2]`, to its output, in training.
    fn trained_block(architecture: &'static Architecture, name: &str, x: &Tensor) -> Tensor {
        let backbone = Backbone::load(architecture, Source::Random(0), Device::Cpu, Kind::Float).unwrap();
        let network = backbone.instance(0);
        let segments = architecture.segments();
        let place = segments.iter().position(|segment| segment.name == name).unwrap() as u32;
        no_grad(|| network.forward(x, place, place + 1, true))
    }

    #[test]
    fn a_residual_branch_is_dropped_at_its_rate_and_scaled_up_where_it_is_kept() {
        let _alone = alone();
        const IMAGES: i64 = 500;
        for (network, name) in
            [("efficientnet_lite0", "block3b"), ("efficientnet_lite0", "block6d"), ("efficientnet_v2_s", "block6o")]
        {
            let architecture = backbone::find(network).unwrap();
            // Keras' rule: the rate grows from block to block, up to that of a network's whole.
            let blocks = architecture.blocks();
            let place = blocks.iter().position(|block| block.name == name).unwrap();
            let rate = 0.2 * place as f64 / blocks.len() as f64;
            let options = (Kind::Float, Device::Cpu);
            let x = Tensor::arange(IMAGES * i64::from(blocks[place].input) * 4, options).sin();
            let x = channels_last(&x.view([IMAGES, -1, 2, 2]));
            tch::manual_seed(1);
            let ours = trained_block(architecture, name, &x);
            let mut never = architecture.clone();
            never.drop_connect = 1e-30;
            let branch = trained_block(Box::leak(Box::new(never)), name, &x) - &x;

            let of_image =
                |tensor: Tensor| Vec::<f64>::try_from(tensor.abs().amax([1, 2, 3], false).to_kind(Kind::Double));
            let added = of_image(&ours - &x).unwrap();
            let wrong = of_image(&ours - &x - &branch * (1.0 / (1.0 - rate))).unwrap();
            let dropped = added.iter().filter(|added| **added == 0.0).count() as f64;
            let all = IMAGES as f64;
            // Four standard deviations of a binomial distribution.
            let most = 4.0 * (all * rate * (1.0 - rate)).sqrt();
            assert!((dropped - all * rate).abs() <= most, "{name}: {dropped} of {all} at a rate of {rate}");
            let is_right = |(added, wrong): (&f64, &f64)| *added == 0.0 || *wrong < 1e-5 * added;
            assert!(added.iter().zip(&wrong).all(is_right), "{name}: what is kept makes up for what is not");
        }
    }

    /// Images that are all different, `[images, 3, 32, 32]`.
    fn pictures(images: i64) -> Tensor {
        let options = (Kind::Float, Device::Cpu);
        channels_last(&Tensor::arange(images * 3 * 32 * 32, options).sin().view([images, 3, 32, 32]))
    }

    #[test]
    fn statistics_that_are_taken_up_together_are_those_of_each_alone() {
        let _alone = alone();
        for name in ["efficientnet_lite0", "efficientnet_v2_s"] {
            let architecture = backbone::find(name).unwrap();
            let backbone = Backbone::load(architecture, Source::Random(0), Device::Cpu, Kind::Float).unwrap();
            let start = architecture.segments()[3].layers.start;
            // Nothing frozen; up to within a block; all of it.
            for frozen in [0, start + 4, architecture.layer_count()] {
                let [whole, pieces] = [0, 1].map(|_| backbone.instance(frozen));
                let images = pictures(8);
                tch::manual_seed(1);
                let _ = whole.forward(&images, 0, whole.cuts(), true);
                tch::manual_seed(1);
                let _ = (0..pieces.cuts()).fold(images, |x, cut| pieces.forward(&x, cut, cut + 1, true));
                let untouched = backbone.instance(frozen);
                for statistic in whole.statistic_names() {
                    assert_eq!(whole.tensor(&statistic), pieces.tensor(&statistic), "{statistic}");
                    assert_ne!(whole.tensor(&statistic), untouched.tensor(&statistic), "{statistic} moves");
                }
                assert_eq!(whole.statistic_names().is_empty(), frozen == architecture.layer_count());
            }
        }
    }

    #[test]
    fn what_is_folded_once_gives_the_output_of_what_is_folded_each_time() {
        let _alone = alone();
        let architecture = backbone::find("efficientnet_lite0").unwrap();
        let start = architecture.segments()[5].layers.start;
        for (kind, frozen) in [(Kind::Float, 0), (Kind::BFloat16, start + 1), (Kind::Float, start + 3)] {
            let backbone = Backbone::load(architecture, Source::Random(0), Device::Cpu, kind).unwrap();
            let network = backbone.instance(frozen);
            let images = pictures(4).to_kind(kind);
            // So that statistics and weights are not what they were.
            let _ = network.forward(&images, 0, network.cuts(), true);
            let output = |network: &Network| network.forward(&images, 0, network.cuts(), false);
            let evaluated = network.evaluated();
            assert_eq!(output(&network), output(&evaluated), "{kind:?}, {frozen} frozen");
            assert!(!evaluated.folds.is_empty() && network.folds.is_empty());
        }
    }

    /// What a trial draws for its dropout does not depend on how deep its network is frozen, or on where its features
    /// come from.
    #[test]
    fn frozen_layers_draw_nothing() {
        let _alone = alone();
        let architecture = backbone::find("efficientnet_lite0").unwrap();
        let backbone = Backbone::load(architecture, Source::Random(0), Device::Cpu, Kind::Float).unwrap();
        let options = (Kind::Float, Device::Cpu);
        let images = channels_last(&Tensor::arange(20 * 3 * 32 * 32, options).sin().view([20, 3, 32, 32]));
        let draw_after = |run: &dyn Fn() -> Tensor| {
            tch::manual_seed(5);
            let out = no_grad(run);
            (out, Tensor::rand([4], options))
        };
        let (_, undisturbed) = draw_after(&|| images.shallow_clone());
        let all = architecture.layer_count();
        for (frozen, training, draws) in [(all, true, false), (0, false, false), (0, true, true)] {
            let network = backbone.instance(frozen);
            let (_, next) = draw_after(&|| network.forward(&images, 0, network.cuts(), training));
            assert_eq!(next != undisturbed, draws, "{frozen} layers frozen, training: {training}");
        }
        // Of two networks that are frozen up to a cut behind blocks that drop, one starts there.
        let cut = 11;
        let network = backbone.instance(architecture.segments()[cut].layers.start);
        let cut = cut as u32;
        let features = no_grad(|| network.forward(&images, 0, cut, true));
        let whole = draw_after(&|| network.forward(&images, 0, network.cuts(), true));
        let rest = draw_after(&|| network.forward(&features, cut, network.cuts(), true));
        assert_ne!(whole.1, undisturbed, "the rest does draw");
        assert_eq!(whole, rest);
    }
}
