//! What libtorch can compute on here.

use frostline_sweep::device::Device;
use tch::Cuda;

/// The version of libtorch that tch 0.26 is made for; `./just setup` installs it.
pub const LIBTORCH: &str = "2.13.0";

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

/// libtorch's version and kind.
pub fn libtorch() -> String {
    format!("{LIBTORCH} ({})", if is_cuda_build() { "cuda" } else { "cpu" })
}
