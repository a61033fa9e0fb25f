//! Computing without recording gradients.

/// Runs `compute` without recording gradients.
///
/// In place of `tch::no_grad`, which leaves recording off for good where `compute` panics: a worker catches what libtorch
/// throws, and its thread trains the next trial.
pub(crate) fn no_grad<T>(compute: impl FnOnce() -> T) -> T {
    let _guard = tch::no_grad_guard();
    compute()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind, Tensor};

    #[test]
    fn gradients_are_recorded_again_after_a_panic() {
        let _ = std::panic::catch_unwind(|| no_grad(|| panic!("out of memory")));
        let leaf = Tensor::ones([1], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        assert!((leaf * 2.0).requires_grad());
    }
}
