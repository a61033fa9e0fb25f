//! Optimizer steps on the CPU in one pass over memory: a step reads and writes a few numbers for every parameter and
//! computes next to nothing, so its time is that of the memory it touches.
//!
//! Each element's arithmetic is the same in every piece, so neither the number of threads nor the pieces change a bit.

use crate::flat::Gradients;
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, scope};
use tch::{Device, Kind, Tensor};

/// A thread gets this many elements at least: starting one takes as long as a step on tens of thousands.
const ELEMENTS_A_THREAD: usize = 1 << 18;

/// Whether the tensors of a step can be taken as slices.
pub(crate) fn applies(values: &Tensor, gradients: &Gradients) -> bool {
    is_plain(values) && gradients.parts().iter().all(|(_, part)| is_plain(part))
}

fn is_plain(tensor: &Tensor) -> bool {
    tensor.device() == Device::Cpu && tensor.kind() == Kind::Float && tensor.is_contiguous()
}

/// Adam: `values -= rate * first / (sqrt(second) + epsilon)` after both moments have moved by these shares of the way
/// to the gradient and its square. (Not by what they keep: float32 has no 0.999, and 1 minus it is off in the fifth digit.)
pub(crate) fn adam(
    values: &mut Tensor,
    gradients: &Gradients,
    [first, second]: [&mut Tensor; 2],
    [first_share, second_share]: [f32; 2],
    rate: f32,
    epsilon: f32,
) {
    in_pieces([values, first, second], gradients, |gradients, [values, first, second]| {
        for (((value, &gradient), first), second) in values.iter_mut().zip(gradients).zip(first).zip(second) {
            *first += (gradient - *first) * first_share;
            *second += (gradient * gradient - *second) * second_share;
            *value -= rate * *first / (second.sqrt() + epsilon);
        }
    });
}

/// RMSProp: `values -= rate * gradient / sqrt(square + epsilon)` after the mean square has moved by this share of the
/// way to the gradient's square.
pub(crate) fn rmsprop(
    values: &mut Tensor,
    gradients: &Gradients,
    square: &mut Tensor,
    share: f32,
    rate: f32,
    epsilon: f32,
) {
    in_pieces([values, square], gradients, |gradients, [values, square]| {
        for ((value, &gradient), square) in values.iter_mut().zip(gradients).zip(square) {
            *square += (gradient * gradient - *square) * share;
            *value -= rate * gradient / (*square + epsilon).sqrt();
        }
    });
}

/// What one thread works on: stretches of the gradients with the same ones of every buffer.
type Share<'a, const BUFFERS: usize> = Vec<(&'a [f32], [&'a mut [f32]; BUFFERS])>;

/// Hands each stretch of the gradients out with the same stretch of every buffer, to as many threads as libtorch has.
fn in_pieces<const BUFFERS: usize>(
    buffers: [&mut Tensor; BUFFERS],
    gradients: &Gradients,
    update: impl Fn(&[f32], [&mut [f32]; BUFFERS]) + Sync,
) {
    let threads = usize::try_from(tch::get_num_threads()).unwrap_or(1).max(1);
    let most = buffers[0].numel().div_ceil(threads).max(ELEMENTS_A_THREAD);
    let mut rest = buffers.map(elements_mut);
    let mut passed = 0;
    let mut shares: Vec<Share<'_, BUFFERS>> = vec![Vec::new()];
    let mut room = most;
    for (start, part) in gradients.parts() {
        let mut part = elements(part);
        let padding = *start as usize - passed;
        rest = rest.map(|buffer| &mut buffer[padding..]);
        passed = *start as usize + part.len();
        while !part.is_empty() {
            if room == 0 {
                shares.push(Vec::new());
                room = most;
            }
            let length = part.len().min(room);
            let (now, later) = part.split_at(length);
            let pieces =
                rest.each_mut().map(|buffer| buffer.split_off_mut(..length).expect("as long as the gradients"));
            shares.last_mut().expect("there is one from the start").push((now, pieces));
            (part, room) = (later, room - length);
        }
    }
    let further = shares.len() - 1;
    let shares = Mutex::new(shares);
    let next = || shares.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let work = || {
        while let Some(share) = next() {
            share.into_iter().for_each(|(gradients, pieces)| update(gradients, pieces));
        }
    };
    scope(|threads| {
        // Where no more threads can be had, those that are there do it all.
        let _ = (0..further).try_for_each(|_| Builder::new().spawn_scoped(threads, work).map(drop));
        work();
    });
}

fn elements(tensor: &Tensor) -> &[f32] {
    assert!(is_plain(tensor), "float32 in one piece of main memory");
    // SAFETY: that many float32 lie there in one piece, for as long as the tensor is borrowed, and nobody writes to them.
    unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), tensor.numel()) }
}

fn elements_mut(tensor: &mut Tensor) -> &mut [f32] {
    assert!(is_plain(tensor), "float32 in one piece of main memory");
    // SAFETY: as above. Other handles of the same memory exist (the network's parameters are views of it), but a session
    // has one thread, and that is here.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) }
}
