//! What libtorch can compute on here.

use crate::backbone::kind;
use crate::error::TrainingError;
use crate::shim;
use frostline_sweep::device::Device;
use frostline_sweep::trial::Precision;
use std::panic::catch_unwind;
use tch::{Cuda, Kind, Tensor};

/// Whether this program is linked to libtorch's CUDA part, with or without a device to use it on.
pub fn is_cuda_build() -> bool {
    std::fs::read_to_string("/proc/self/maps").is_ok_and(|maps| maps.contains("libtorch_cuda.so"))
}

/// How many CUDA devices can be used.
pub fn cuda_devices() -> u32 {
    if Cuda::is_available() { u32::try_from(Cuda::device_count()).unwrap_or(0) } else { 0 }
}

/// As libtorch has it.
pub fn of_libtorch(device: Device) -> tch::Device {
    match device {
        Device::Cpu => tch::Device::Cpu,
        Device::Cuda(index) => tch::Device::Cuda(index as usize),
    }
}

/// Free memory of a GPU and all of it, in bytes; none for the CPU, and where it does not say.
pub fn memory(device: Device) -> Option<(u64, u64)> {
    let Device::Cuda(index) = device else { return None };
    shim::memory(index as usize).ok().map(|memory| (memory.free, memory.total))
}

/// Computes a convolution and its gradients on a device, in each precision.
///
/// # Errors
/// What went wrong, in libtorch's first line.
pub fn trial(device: Device) -> Result<(), String> {
    for precision in Precision::ALL {
        let computed = catch_unwind(|| -> Result<f64, tch::TchError> {
            let _ = shim::set_tf32(precision == Precision::Tf32);
            let options = (kind(precision), of_libtorch(device));
            let images = Tensor::f_ones([8, 16, 32, 32], options)?;
            let weight = Tensor::f_ones([16, 16, 3, 3], options)?.f_set_requires_grad(true)?;
            let sum = images.f_conv2d(&weight, None::<&Tensor>, 1, 1, 1, 1)?.f_sum(Kind::Float)?;
            let gradients = Tensor::f_run_backward(&[sum], &[&weight], false, false)?;
            gradients[0].f_sum(Kind::Float)?.f_double_value(&[])
        });
        let computed = computed
            .map_err(|_| "libtorch panicked".to_owned())
            .and_then(|sum| sum.map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned()));
        match computed {
            // Of 8 x 16 x 16 pairs of channels nine times what a kernel's pixel sees: 1024 pixels, 992 at the edges, 961 in
            // the corners. bfloat16 has three digits.
            Ok(sum) if (sum / TRIAL_SUM - 1.0).abs() < 0.02 => {}
            Ok(sum) => return Err(format!("{}: {sum} came out instead of {TRIAL_SUM}", precision.name())),
            Err(error) => return Err(format!("{}: {error}", precision.name())),
        }
    }
    Ok(())
}

/// Has a GPU fail as after a bad access to its memory, so that what follows from that can be looked at: it is given an index
/// that is out of range, which its kernel finds. From then on whatever this process asks of it fails.
///
/// # Errors
/// On a CPU, which has no such state: what CUDA would say.
pub fn poison(device: tch::Device) -> Result<(), TrainingError> {
    if !device.is_cuda() {
        let said = "CUDA error: device-side assert triggered (planted where there is no GPU)";
        return Err(tch::TchError::Torch(said.to_owned()).into());
    }
    let outside = Tensor::from_slice(&[1i64 << 20]).f_to_device(device)?;
    let _ = Tensor::zeros([1], (Kind::Float, device)).f_index_select(0, &outside)?;
    Ok(())
}

const TRIAL_SUM: f64 = 8.0 * 16.0 * 16.0 * (1024.0 + 4.0 * 992.0 + 4.0 * 961.0);

/// Version and form of the libtorch that is loaded, such as "2.13.0 (cpu)".
pub fn libtorch() -> String {
    let build = shim::build();
    let version = build.split("TORCH_VERSION=").nth(1).and_then(|rest| rest.split([',', ' ', '\n']).next());
    format!("{} ({})", version.unwrap_or("unknown"), if is_cuda_build() { "cuda" } else { "cpu" })
}

/// The processor and the instructions that libtorch takes on it, such as "AMD EPYC 7763 (AVX2)": results on a CPU depend on
/// both in their last bits.
pub fn processor() -> String {
    format!("{} ({})", frostline_results::processor(), shim::cpu_capability())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_says_which_instructions_libtorch_takes() {
        let said = processor();
        let capability = said.rsplit_once(" (").unwrap().1.trim_end_matches(')');
        assert!(["DEFAULT", "AVX2", "AVX512", "VSX", "Z VECTOR", "SVE256", "NO AVX"].contains(&capability), "{said}");
        let config = shim::build();
        assert!(config.contains(&format!("CPU capability usage: {capability}")), "{said}: {config}");
    }

    #[test]
    fn the_cpu_computes_in_every_precision() {
        let _alone = crate::testing::alone();
        assert_eq!(trial(Device::Cpu), Ok(()));
        assert_eq!(memory(Device::Cpu), None);
        if cuda_devices() == 0 {
            let error = trial(Device::Cuda(0)).unwrap_err();
            assert!(error.starts_with("float32: ") && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn poison_is_taken_for_a_failure_of_the_device() {
        let error = poison(tch::Device::Cpu).unwrap_err();
        assert_eq!(error.kind(), frostline_sweep::outcome::FailureKind::Device, "{error}");
    }

    /// Held against the version that the headers were made for: another library may lie in the run path.
    #[test]
    fn the_version_is_that_of_the_loaded_library() {
        let folder = std::path::Path::new(env!("LIBTORCH"));
        let installed = std::fs::read_to_string(folder.join("build-version")).unwrap();
        let said = libtorch();
        assert_eq!(said.split(' ').next(), installed.trim().split('+').next(), "{said}");
    }
}
