//! What tch does not offer, by a few functions of C++ (`shim.cpp`): switches of the arithmetic, memory of a GPU, the
//! library's own version, a fused optimizer step.

use crate::error::TrainingError;
use std::ffi::{c_char, c_void};
use tch::{TchError, Tensor};

/// Room for what went wrong, or for how the library was built.
const ROOM: usize = 8192;

unsafe extern "C" {
    fn frostline_build(out: *mut c_char, room: i64) -> i64;
    fn frostline_cpu_capability(out: *mut c_char, room: i64) -> i64;
    fn frostline_set_tf32(allowed: bool, error: *mut c_char, room: i64) -> i64;
    fn frostline_tf32() -> i64;
    fn frostline_set_deterministic(wanted: bool, error: *mut c_char, room: i64) -> i64;
    fn frostline_deterministic() -> bool;
    fn frostline_memory(device: i64, out: *mut u64, error: *mut c_char, room: i64) -> i64;
    fn frostline_empty_cache(error: *mut c_char, room: i64) -> i64;
    fn frostline_synchronize(device: i64, error: *mut c_char, room: i64) -> i64;
    fn frostline_capability(device: i64) -> i64;
    fn frostline_adam(
        values: *mut c_void,
        gradients: *mut c_void,
        first: *mut c_void,
        second: *mut c_void,
        step: *mut c_void,
        rate: f64,
        beta_1: f64,
        beta_2: f64,
        epsilon: f64,
        error: *mut c_char,
        room: i64,
    ) -> i64;
}

/// Calls with room for a message, and takes the message where there is one.
fn guarded(call: impl FnOnce(*mut c_char, i64) -> i64) -> Result<(), TrainingError> {
    let mut message = vec![0u8; ROOM];
    match call(message.as_mut_ptr().cast(), ROOM as i64) {
        0 => Ok(()),
        _ => Err(TchError::Torch(text(&message)).into()),
    }
}

/// Up to the zero that ends it.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// How the loaded libtorch was built, in its own words.
pub(crate) fn build() -> String {
    // SAFETY: it writes at most as many bytes as it is told that there are.
    told(|out, room| unsafe { frostline_build(out, room) })
}

/// The instructions that libtorch's kernels for the CPU take here, such as "AVX2"; "DEFAULT" where no more than every
/// processor has.
pub(crate) fn cpu_capability() -> String {
    // SAFETY: it writes at most as many bytes as it is told that there are.
    told(|out, room| unsafe { frostline_cpu_capability(out, room) })
}

fn told(call: impl FnOnce(*mut c_char, i64) -> i64) -> String {
    let mut out = vec![0u8; ROOM];
    call(out.as_mut_ptr().cast(), ROOM as i64);
    text(&out)
}

/// Allows or forbids TF32 (10 bits of mantissa) in float32 convolutions and products of a GPU. libtorch's own default allows
/// it in convolutions.
pub fn set_tf32(allowed: bool) -> Result<(), TrainingError> {
    // SAFETY: it writes at most as many bytes as it is told that there are.
    guarded(|error, room| unsafe { frostline_set_tf32(allowed, error, room) })
}

/// Whether TF32 is allowed in convolutions and products; none where in one of both only.
pub fn tf32() -> Option<bool> {
    // SAFETY: it only reads a switch.
    match unsafe { frostline_tf32() } {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// From now on cuDNN takes only algorithms that give the same sums each time.
pub fn set_deterministic(wanted: bool) -> Result<(), TrainingError> {
    // SAFETY: it writes at most as many bytes as it is told that there are.
    guarded(|error, room| unsafe { frostline_set_deterministic(wanted, error, room) })
}

pub fn is_deterministic() -> bool {
    // SAFETY: it only reads a switch.
    unsafe { frostline_deterministic() }
}

/// Memory of a GPU in bytes, as this process sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceMemory {
    /// Free for any process.
    pub free: u64,
    pub total: u64,
    /// Taken by this process' tensors.
    pub used: u64,
    /// The most that its tensors have taken so far.
    pub peak: u64,
}

/// # Errors
/// There is no such GPU, or it does not answer.
pub fn memory(device: usize) -> Result<DeviceMemory, TrainingError> {
    let mut out = [0u64; 4];
    // SAFETY: it writes four numbers, and at most as many bytes as it is told that there are.
    guarded(|error, room| unsafe { frostline_memory(device as i64, out.as_mut_ptr(), error, room) })?;
    let [free, total, used, peak] = out;
    Ok(DeviceMemory { free, total, used, peak })
}

/// Gives memory that no tensor uses back to the GPU.
///
/// # Errors
/// There is no GPU, or it does not answer.
pub fn empty_cache() -> Result<(), TrainingError> {
    // SAFETY: it writes at most as many bytes as it is told that there are.
    guarded(|error, room| unsafe { frostline_empty_cache(error, room) })
}

/// Waits until a GPU has done all that it was given.
///
/// # Errors
/// Something that it was given failed.
pub fn synchronize(device: usize) -> Result<(), TrainingError> {
    // SAFETY: it writes at most as many bytes as it is told that there are.
    guarded(|error, room| unsafe { frostline_synchronize(device as i64, error, room) })
}

/// Compute capability as (major, minor), such as (9, 0); none where CUDA's runtime is not loaded or knows no such GPU.
pub fn capability(device: usize) -> Option<(u32, u32)> {
    // SAFETY: it asks the runtime for two numbers.
    let number = u32::try_from(unsafe { frostline_capability(device as i64) }).ok()?;
    Some((number / 10, number % 10))
}

/// What [`adam`] works on: tensors of one shape, and the number of steps before this one in a float32 scalar.
pub(crate) struct AdamState<'a> {
    pub(crate) values: &'a mut Tensor,
    pub(crate) gradients: &'a mut Tensor,
    pub(crate) first: &'a mut Tensor,
    pub(crate) second: &'a mut Tensor,
    pub(crate) step: &'a mut Tensor,
}

/// One step of Adam in one pass over memory (Kingma & Ba 2014, arXiv:1412.6980). Its epsilon is added to the corrected second
/// moment's root, as PyTorch does.
///
/// # Errors
/// libtorch's own: other shapes, memory, the device.
pub(crate) fn adam(
    state: &mut AdamState,
    rate: f64,
    [beta_1, beta_2]: [f64; 2],
    epsilon: f64,
) -> Result<(), TrainingError> {
    let [values, gradients, first, second, step] =
        [&mut state.values, &mut state.gradients, &mut state.first, &mut state.second, &mut state.step]
            .map(|tensor| tensor.as_mut_ptr().cast::<c_void>());
    // SAFETY: a tensor of tch is a pointer to one of libtorch, alive while it is borrowed.
    guarded(|error, room| unsafe {
        frostline_adam(values, gradients, first, second, step, rate, beta_1, beta_2, epsilon, error, room)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::alone;

    #[test]
    fn a_switch_is_as_it_was_set() {
        let _alone = alone();
        for allowed in [true, false, true, false] {
            set_tf32(allowed).unwrap();
            assert_eq!(tf32(), Some(allowed));
            set_deterministic(allowed).unwrap();
            assert_eq!(is_deterministic(), allowed);
        }
    }

    /// Where there is a GPU the numbers have to fit each other; where there is none it is said.
    #[test]
    fn memory_is_that_of_the_device_or_an_error() {
        if tch::Cuda::is_available() {
            let held = Tensor::zeros([1 << 20], (tch::Kind::Float, tch::Device::Cuda(0)));
            let memory = memory(0).unwrap();
            assert!(memory.used >= 4 << 20 && memory.peak >= memory.used, "{memory:?}");
            assert!(memory.free < memory.total, "{memory:?}");
            drop(held);
            empty_cache().unwrap();
            synchronize(0).unwrap();
            assert!(capability(0).is_some_and(|(major, _)| major >= 7));
            return;
        }
        let said = [memory(0).unwrap_err(), empty_cache().unwrap_err(), synchronize(0).unwrap_err()];
        for error in said.map(|error| error.to_string()) {
            assert!(!error.is_empty() && !error.contains("frame #"), "{error}");
        }
        assert_eq!(capability(0), None);
    }

    #[test]
    fn the_library_says_its_own_version() {
        assert!(build().contains("TORCH_VERSION="), "{}", build());
    }
}
