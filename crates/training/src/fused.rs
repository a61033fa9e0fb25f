//! Optimizer steps on the CPU in one pass over memory: a step reads and writes a few numbers for every parameter and
//! computes next to nothing, so its time is that of the memory it touches.
//!
//! So the same pass also clears the gradients. Each element's arithmetic is the same in every piece, so neither the number of threads nor the pieces change a bit.

use std::thread::scope;
use tch::{Device, Kind, Tensor};

/// A thread gets this many elements at least: starting one takes as long as a step on tens of thousands.
const ELEMENTS_A_THREAD: usize = 1 << 18;

/// Whether the tensors of a step can be taken as slices.
pub(crate) fn applies(tensors: &[&Tensor]) -> bool {
    let plain =
        |tensor: &&Tensor| tensor.device() == Device::Cpu && tensor.kind() == Kind::Float && tensor.is_contiguous();
    tensors.iter().all(plain)
}

/// Adam: `values -= rate * first / (sqrt(second) + epsilon)` after both moments have moved by these shares of the way
/// to the gradient and its square. (Not by what they keep: float32 has no 0.999, and 1 minus it is off in the fifth digit.)
pub(crate) fn adam(
    values: &mut Tensor,
    gradients: &mut Tensor,
    first: &mut Tensor,
    second: &mut Tensor,
    [first_share, second_share]: [f32; 2],
    rate: f32,
    epsilon: f32,
) {
    let pieces = pieces(values.numel());
    let gradients = elements_mut(gradients).chunks_mut(pieces);
    let (first, second) = (elements_mut(first).chunks_mut(pieces), elements_mut(second).chunks_mut(pieces));
    scope(|threads| {
        let all = elements_mut(values).chunks_mut(pieces).zip(gradients).zip(first.zip(second));
        let mut work = all.map(|((values, gradients), (first, second))| {
            move || {
                for (((value, gradient), first), second) in values.iter_mut().zip(gradients).zip(first).zip(second) {
                    *first += (*gradient - *first) * first_share;
                    *second += (*gradient * *gradient - *second) * second_share;
                    *value -= rate * *first / (second.sqrt() + epsilon);
                    *gradient = 0.0;
                }
            }
        });
        let own = work.next();
        work.for_each(|work| drop(threads.spawn(work)));
        if let Some(own) = own {
            own();
        }
    });
}

/// RMSProp: `values -= rate * gradient / sqrt(square + epsilon)` after the mean square has moved by this share of the
/// way to the gradient's square.
pub(crate) fn rmsprop(
    values: &mut Tensor,
    gradients: &mut Tensor,
    square: &mut Tensor,
    share: f32,
    rate: f32,
    epsilon: f32,
) {
    let pieces = pieces(values.numel());
    let rest = elements_mut(gradients).chunks_mut(pieces).zip(elements_mut(square).chunks_mut(pieces));
    scope(|threads| {
        let mut work = elements_mut(values).chunks_mut(pieces).zip(rest).map(|(values, (gradients, square))| {
            move || {
                for ((value, gradient), square) in values.iter_mut().zip(gradients).zip(square) {
                    *square += (*gradient * *gradient - *square) * share;
                    *value -= rate * *gradient / (*square + epsilon).sqrt();
                    *gradient = 0.0;
                }
            }
        });
        let own = work.next();
        work.for_each(|work| drop(threads.spawn(work)));
        if let Some(own) = own {
            own();
        }
    });
}

/// Elements of a piece: one for each of libtorch's threads, unless that makes them too small.
fn pieces(elements: usize) -> usize {
    let threads = usize::try_from(tch::get_num_threads()).unwrap_or(1).max(1);
    elements.div_ceil(threads).max(ELEMENTS_A_THREAD)
}

fn elements_mut(tensor: &mut Tensor) -> &mut [f32] {
    assert!(applies(&[tensor]), "float32 in one piece of main memory");
    // SAFETY: that many float32 lie there in one piece, for as long as the tensor is borrowed. Other handles of the same memory exist (the network's parameters are views of it), but
    // a session has one thread, and that is here.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) }
}
