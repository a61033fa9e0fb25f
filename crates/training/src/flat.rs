//! All trainable parameters as views of one buffer, so that an optimizer step is a few large operations and its state
//! a few tensors.

use crate::no_grad::no_grad;
use tch::{Device, Kind, Tensor};

/// Parameters start at multiples of this many elements: a cache line of float32.
const ALIGNMENT: i64 = 16;

/// One buffer of values, and a leaf tensor for each parameter that is a view of it.
///
/// Parameters that are needed in bfloat16 have their leaves in a copy of the buffer in that type: all of them are cast at once
/// and not one by one in each pass, and so are their gradients.
pub struct FlatParameters {
    values: Tensor,
    /// The same in bfloat16, where a leaf is.
    narrow: Option<Tensor>,
    parameters: Vec<Tensor>,
    leaves: Vec<Tensor>,
    elements: u64,
}

impl FlatParameters {
    /// Copies `initial` into one float32 buffer on `device`. Weights of convolutions (`[out, in, height, width]`) keep
    /// channels-last strides, which libtorch's convolutions want.
    pub fn new(initial: &[Tensor], device: Device) -> FlatParameters {
        FlatParameters::of_kinds(initial, device, |_| Kind::Float)
    }

    /// The same, with leaves of these types, float32 or bfloat16, by their place in `initial`.
    pub fn of_kinds(initial: &[Tensor], device: Device, kind: impl Fn(usize) -> Kind) -> FlatParameters {
        let elements: i64 = initial.iter().map(|tensor| tensor.numel() as i64).sum();
        let total = initial.iter().map(|tensor| padded(tensor.numel() as i64)).sum::<i64>();
        let values = Tensor::zeros([total], (Kind::Float, device));
        let windows = |buffer: &Tensor| -> Vec<Tensor> {
            initial.iter().zip(starts(initial)).map(|(tensor, start)| window(buffer, start, &tensor.size())).collect()
        };
        let parameters = windows(&values);
        no_grad(|| parameters.iter().zip(initial).for_each(|(window, tensor)| window.shallow_clone().copy_(tensor)));
        let is_narrow: Vec<bool> = (0..initial.len()).map(|place| kind(place) == Kind::BFloat16).collect();
        let narrow = is_narrow.contains(&true).then(|| values.to_kind(Kind::BFloat16));
        let narrow_windows = narrow.as_ref().map(windows).unwrap_or_default();
        let leaf = |place: usize| {
            let window = if is_narrow[place] { &narrow_windows[place] } else { &parameters[place] };
            window.detach().set_requires_grad(true)
        };
        let leaves = (0..initial.len()).map(leaf).collect();
        FlatParameters { values, narrow, parameters, leaves, elements: elements as u64 }
    }

    /// What losses are computed with: in the order the parameters were given, tensors that require gradients.
    pub fn leaves(&self) -> &[Tensor] {
        &self.leaves
    }

    /// The parameters themselves, float32, in the order they were given: views of [`Self::values`].
    pub fn parameters(&self) -> &[Tensor] {
        &self.parameters
    }

    /// Has leaves in bfloat16 follow the values, which a step or a checkpoint has changed.
    pub fn follow(&self) {
        if let Some(narrow) = &self.narrow {
            no_grad(|| narrow.shallow_clone().copy_(&self.values));
        }
    }

    /// `[n]`, float32; padding between parameters is zero and stays zero under every optimizer.
    pub fn values(&self) -> &Tensor {
        &self.values
    }

    /// The derivatives of `loss`, a single number, by every parameter. Taken as the backward pass leaves them: adding them
    /// up in a buffer of their own would cost as much as an optimizer step.
    pub fn gradients(&self, loss: &Tensor) -> Gradients {
        let found = Tensor::run_backward(&[loss], &self.leaves, false, false);
        let parts = found.into_iter().zip(&self.leaves).zip(starts(&self.leaves)).map(|((gradient, leaf), start)| {
            let gradient = if gradient.defined() { gradient } else { leaf.zeros_like() };
            (start, elements_of(&gradient))
        });
        let mut parts: Vec<(i64, Tensor)> = parts.collect();
        widen(&mut parts);
        Gradients { parts }
    }

    /// How many parameters there are, without padding.
    pub fn elements(&self) -> u64 {
        self.elements
    }
}

/// What a step goes against: for stretches of the buffer of values, the gradients there. Between the stretches is padding.
pub struct Gradients {
    /// Where a stretch starts, and its elements, `[n]`, in one piece.
    parts: Vec<(i64, Tensor)>,
}

impl Gradients {
    /// The gradients of a whole buffer, `[n]`.
    pub fn of(buffer: Tensor) -> Gradients {
        Gradients { parts: vec![(0, buffer)] }
    }

    pub(crate) fn parts(&self) -> &[(i64, Tensor)] {
        &self.parts
    }

    /// All of them in one tensor of the shape of `values`, zero where there is padding.
    pub(crate) fn gathered(&self, values: &Tensor) -> Tensor {
        let total = values.size()[0];
        if let [(0, whole)] = &self.parts[..]
            && whole.size()[0] == total
        {
            return whole.shallow_clone();
        }
        // One operation for all of them: a copy a parameter would be hundreds of launches on a GPU.
        let zeros = Tensor::zeros([ALIGNMENT], (values.kind(), values.device()));
        let mut pieces = Vec::with_capacity(2 * self.parts.len());
        let nexts = self.parts.iter().skip(1).map(|(start, _)| *start).chain([total]);
        for ((start, part), next) in self.parts.iter().zip(nexts) {
            pieces.push(part.shallow_clone());
            let padding = next - start - part.size()[0];
            if padding > 0 {
                pieces.push(zeros.narrow(0, 0, padding));
            }
        }
        Tensor::cat(&pieces, 0)
    }

    /// Scales them down where their norm is above `most`; Keras' `global_clipnorm`.
    pub(crate) fn clip(&mut self, most: f64) {
        let squares: Vec<Tensor> = self.parts.iter().map(|(_, part)| part.square().sum(part.kind())).collect();
        let norm = Tensor::stack(&squares, 0).sum(squares[0].kind()).sqrt();
        let factor = norm.clamp_min(most).reciprocal() * most;
        // Not in place: what two parameters have in common may be one tensor.
        for (_, part) in &mut self.parts {
            *part = &*part * &factor;
        }
    }
}

/// Casts what is in bfloat16 to float32, all of it at once.
fn widen(parts: &mut [(i64, Tensor)]) {
    let narrow: Vec<Tensor> =
        parts.iter().filter(|(_, part)| part.kind() != Kind::Float).map(|(_, part)| part.shallow_clone()).collect();
    if narrow.is_empty() {
        return;
    }
    let wide = Tensor::cat(&narrow, 0).to_kind(Kind::Float);
    let mut start = 0;
    for (_, part) in parts.iter_mut().filter(|(_, part)| part.kind() != Kind::Float) {
        let length = part.size()[0];
        *part = wide.narrow(0, start, length);
        start += length;
    }
}

/// Where each of these begins in the buffer.
fn starts(tensors: &[Tensor]) -> impl Iterator<Item = i64> {
    tensors.iter().scan(0, |next, tensor| {
        let start = *next;
        *next += padded(tensor.numel() as i64);
        Some(start)
    })
}

fn padded(elements: i64) -> i64 {
    (elements + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT
}

/// A view of `buffer` from `start` on with this shape; channels-last where the shape has four dimensions.
fn window(buffer: &Tensor, start: i64, size: &[i64]) -> Tensor {
    let flat = buffer.narrow(0, start, size.iter().product());
    match *size {
        [out, input, height, width] => flat.view([out, height, width, input]).permute([0, 3, 1, 2]),
        _ => flat.view(size),
    }
}

/// The elements in the order that a window has them in, `[n]`; a view where they lie so already.
fn elements_of(tensor: &Tensor) -> Tensor {
    match tensor.dim() {
        4 => tensor.permute([0, 2, 3, 1]).contiguous().view(-1),
        _ => tensor.contiguous().view(-1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_lie_where_their_parameters_do() {
        // Two output channels, three input channels, and a kernel of 1 x 2 whose gradients differ.
        let kernel = Tensor::ones([2, 3, 1, 2], (Kind::Float, Device::Cpu));
        let bias = Tensor::zeros([2], (Kind::Float, Device::Cpu));
        let unused = Tensor::ones([3], (Kind::Float, Device::Cpu));
        let flat = FlatParameters::new(&[kernel, bias, unused], Device::Cpu);
        let input = Tensor::from_slice(&[0.0f32, 1.0, 10.0, 11.0, 20.0, 21.0]).view([1, 3, 1, 2]);
        let [kernel, bias, _] = flat.leaves() else { panic!("three leaves") };
        let loss = (input.conv2d(kernel, Some(bias), 1, 0, 1, 1) * 2.0).sum(Kind::Float);
        let gradients = flat.gradients(&loss);
        let all = Vec::<f32>::try_from(gradients.gathered(flat.values())).unwrap();
        let pixels = [0.0, 20.0, 40.0, 2.0, 22.0, 42.0];
        assert_eq!(all[..12], [pixels, pixels].concat(), "channels last, as the values");
        assert_eq!(all[12..16], [0.0; 4], "padding has no gradient");
        assert_eq!(all[16..18], [2.0; 2]);
        assert_eq!(all[18..], [0.0; 14 + 16], "nor has what the loss does not depend on");
        assert_eq!(flat.elements(), 12 + 2 + 3);
    }

    #[test]
    fn gradients_are_clipped_by_the_norm_of_all_of_them() {
        let flat = FlatParameters::new(&[Tensor::from(1.0f32), Tensor::from(1.0f32)], Device::Cpu);
        let [one, other] = flat.leaves() else { panic!("two leaves") };
        for (most, factor) in [(1.0, 0.2), (5.0, 1.0), (7.0, 1.0)] {
            let mut gradients = flat.gradients(&(one * 3.0 - other * 4.0));
            gradients.clip(most);
            let found = gradients.parts().iter().map(|(_, part)| part.double_value(&[0]) / factor);
            assert!(found.zip([3.0, -4.0]).all(|(found, expected)| (found - expected).abs() < 1e-6));
        }
    }

    /// A weight that is cast by itself in each pass has the same gradient, to the bit.
    #[test]
    fn a_narrow_leaf_has_the_gradient_of_a_cast() {
        let _alone = crate::testing::alone();
        let initial =
            [Tensor::randn([4, 3, 3, 3], (Kind::Float, Device::Cpu)), Tensor::randn([4], (Kind::Float, Device::Cpu))];
        let input = Tensor::randn([2, 3, 8, 8], (Kind::Float, Device::Cpu)).to_kind(Kind::BFloat16);
        let loss = |kernel: &Tensor, bias: &Tensor| {
            let out = input.conv2d(&kernel.to_kind(Kind::BFloat16), None::<&Tensor>, 1, 0, 1, 1).to_kind(Kind::Float);
            (out + bias.view([1, 4, 1, 1])).square().sum(Kind::Float)
        };
        let plain = FlatParameters::new(&initial, Device::Cpu);
        let narrow = FlatParameters::of_kinds(&initial, Device::Cpu, |place| [Kind::BFloat16, Kind::Float][place]);
        assert_eq!(narrow.leaves()[0].kind(), Kind::BFloat16);
        for _ in 0..3 {
            let found = [&plain, &narrow].map(|flat| {
                let gradients = flat.gradients(&loss(&flat.leaves()[0], &flat.leaves()[1]));
                gradients.gathered(flat.values())
            });
            assert_eq!(found[0], found[1]);
            assert!(found[0].abs().sum(Kind::Float).double_value(&[]) > 1.0);
            for (flat, gradients) in [&plain, &narrow].into_iter().zip(&found) {
                let _ = no_grad(|| flat.values().shallow_clone().g_sub_(&(gradients * 1e-3)));
                flat.follow();
            }
        }
        assert_eq!(plain.parameters()[0], narrow.parameters()[0]);
    }

    #[test]
    fn a_change_of_the_buffer_is_a_change_of_the_parameters() {
        let flat = FlatParameters::new(&[Tensor::zeros([3, 2], (Kind::Float, Device::Cpu))], Device::Cpu);
        let _ = no_grad(|| flat.values().shallow_clone().fill_(2.0));
        assert_eq!(flat.leaves()[0].sum(Kind::Float).double_value(&[]), 12.0);
    }
}
