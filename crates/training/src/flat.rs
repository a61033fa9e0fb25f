//! All trainable parameters as views of one buffer, so that an optimizer step is a few large operations and its state
//! a few tensors.

use crate::no_grad::no_grad;
use tch::{Device, Kind, Tensor};

/// Parameters start at multiples of this many elements: a cache line of float32.
const ALIGNMENT: i64 = 16;

/// One buffer of values, one of gradients, and a leaf tensor for each parameter that is a view of both.
pub struct FlatParameters {
    values: Tensor,
    gradients: Tensor,
    leaves: Vec<Tensor>,
    elements: u64,
}

impl FlatParameters {
    /// Copies `initial` into one float32 buffer on `device`. Weights of convolutions (`[out, in, height, width]`) keep
    /// channels-last strides, which libtorch's convolutions want.
    pub fn new(initial: &[Tensor], device: Device) -> FlatParameters {
        let elements: i64 = initial.iter().map(|tensor| tensor.numel() as i64).sum();
        let total = initial.iter().map(|tensor| padded(tensor.numel() as i64)).sum::<i64>();
        let values = Tensor::zeros([total], (Kind::Float, device));
        let gradients = values.zeros_like();
        let mut start = 0;
        let leaves: Vec<Tensor> = initial
            .iter()
            .map(|tensor| {
                let view = |buffer: &Tensor| window(buffer, start, &tensor.size());
                let leaf = no_grad(|| {
                    view(&values).copy_(tensor);
                    view(&values).detach()
                })
                .set_requires_grad(true);
                start += padded(tensor.numel() as i64);
                leaf
            })
            .collect();
        let flat = FlatParameters { values, gradients, leaves, elements: elements as u64 };
        flat.bind_gradients();
        flat
    }

    /// Lets autograd accumulate into the buffer: a first backward pass makes each leaf's gradient exist, then its
    /// storage is exchanged for a window of the buffer. From then on libtorch adds in place.
    fn bind_gradients(&self) {
        if self.leaves.is_empty() {
            return;
        }
        let sums: Vec<Tensor> = self.leaves.iter().map(|leaf| leaf.sum(Kind::Float)).collect();
        Tensor::stack(&sums, 0).sum(Kind::Float).backward();
        let mut start = 0;
        for leaf in &self.leaves {
            leaf.grad().set_data(&window(&self.gradients, start, &leaf.size()));
            start += padded(leaf.numel() as i64);
        }
        self.zero_gradients();
    }

    /// The parameters in the order they were given, views of [`Self::values`] that require gradients.
    pub fn leaves(&self) -> &[Tensor] {
        &self.leaves
    }

    /// `[n]`, float32; padding between parameters is zero and stays zero under every optimizer.
    pub fn values(&self) -> &Tensor {
        &self.values
    }

    /// `[n]`, float32: what the backward passes since the last [`Self::zero_gradients`] have added up.
    pub fn gradients(&self) -> &Tensor {
        &self.gradients
    }

    pub fn zero_gradients(&self) {
        let _ = self.gradients.shallow_clone().zero_();
    }

    /// How many parameters there are, without padding.
    pub fn elements(&self) -> u64 {
        self.elements
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_land_in_the_buffer_and_add_up() {
        let kernel = Tensor::ones([2, 3, 1, 1], (Kind::Float, Device::Cpu));
        let bias = Tensor::zeros([2], (Kind::Float, Device::Cpu));
        let flat = FlatParameters::new(&[kernel, bias], Device::Cpu);
        let input = Tensor::ones([4, 3, 5, 5], (Kind::Float, Device::Cpu));
        for pass in 1..=2 {
            let [kernel, bias] = flat.leaves() else { panic!("two leaves") };
            input.conv2d(kernel, Some(bias), 1, 0, 1, 1).sum(Kind::Float).backward();
            let gradients = Vec::<f32>::try_from(flat.gradients()).unwrap();
            assert_eq!(gradients[..6], [100.0 * pass as f32; 6]);
            assert_eq!(gradients[6..16], [0.0; 10], "padding has no gradient");
            assert_eq!(gradients[16..18], [100.0 * pass as f32; 2]);
        }
        flat.zero_gradients();
        assert_eq!(flat.leaves()[0].grad().sum(Kind::Float).double_value(&[]), 0.0);
        assert_eq!(flat.elements(), 8);
    }

    #[test]
    fn a_change_of_the_buffer_is_a_change_of_the_parameters() {
        let flat = FlatParameters::new(&[Tensor::zeros([3, 2], (Kind::Float, Device::Cpu))], Device::Cpu);
        let _ = no_grad(|| flat.values().shallow_clone().fill_(2.0));
        assert_eq!(flat.leaves()[0].sum(Kind::Float).double_value(&[]), 12.0);
    }
}
