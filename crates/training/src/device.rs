//! What libtorch can compute on here.

use crate::shim;
use frostline_sweep::device::Device;
use tch::Cuda;

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

/// Version and form of the libtorch that is loaded, such as "2.13.0 (cpu)".
pub fn libtorch() -> String {
    let build = shim::build();
    let version = build.split("TORCH_VERSION=").nth(1).and_then(|rest| rest.split([',', ' ', '\n']).next());
    format!("{} ({})", version.unwrap_or("unknown"), if is_cuda_build() { "cuda" } else { "cpu" })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Held against the version that the headers were made for: another library may lie in the run path.
    #[test]
    fn the_version_is_that_of_the_loaded_library() {
        let folder = std::path::Path::new(env!("LIBTORCH"));
        let installed = std::fs::read_to_string(folder.join("build-version")).unwrap();
        let said = libtorch();
        assert_eq!(said.split(' ').next(), installed.trim().split('+').next(), "{said}");
    }
}
