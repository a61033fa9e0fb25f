//! Where tests compute: on the CPU, or on what FROSTLINE_TEST_DEVICE names, such as "cuda:0".

use tch::Device;

pub fn device() -> Device {
    let Ok(name) = std::env::var("FROSTLINE_TEST_DEVICE") else { return Device::Cpu };
    let device: frostline_sweep::device::Device = name.parse().expect("FROSTLINE_TEST_DEVICE names a device");
    frostline_training::device::of_libtorch(device)
}
