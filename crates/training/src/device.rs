//! What libtorch can compute on here.

use tch::{Cuda, Device};

/// The version of libtorch that tch 0.26 is made for; `./just setup` installs it.
pub const LIBTORCH: &str = "2.13.0";

/// Whether this program is linked to libtorch's CUDA part, with or without a device to use it on.
pub fn is_cuda_build() -> bool {
    std::fs::read_to_string("/proc/self/maps").is_ok_and(|maps| maps.contains("libtorch_cuda.so"))
}

/// How many CUDA devices can be used.
pub fn cuda_devices() -> usize {
    if Cuda::is_available() { Cuda::device_count().max(0) as usize } else { 0 }
}

/// The device in words.
pub fn describe(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("cuda:{index}"),
        _ => "cpu".to_owned(),
    }
}

/// libtorch's version and kind.
pub fn libtorch() -> String {
    format!("{LIBTORCH} ({})", if is_cuda_build() { "cuda" } else { "cpu" })
}
