//! What a worker computes on.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// In text `cpu` or `cuda:0`; `cuda` alone is read as the first GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Device {
    Cpu,
    /// A GPU by its number, from 0.
    Cuda(u32),
}

impl Device {
    pub fn is_cuda(self) -> bool {
        matches!(self, Device::Cuda(_))
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.pad("cpu"),
            Device::Cuda(index) => f.pad(&format!("cuda:{index}")),
        }
    }
}

/// A text that names no device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a device: use `cpu`, `cuda` or `cuda:<number>`")]
pub struct InvalidDevice(String);

impl FromStr for Device {
    type Err = InvalidDevice;

    fn from_str(text: &str) -> Result<Device, InvalidDevice> {
        let invalid = || InvalidDevice(text.to_owned());
        match text.strip_prefix("cuda") {
            None if text == "cpu" => Ok(Device::Cpu),
            Some("") => Ok(Device::Cuda(0)),
            Some(rest) => {
                let digits = rest.strip_prefix(':').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
                digits.and_then(|digits| digits.parse().ok()).map(Device::Cuda).ok_or_else(invalid)
            }
            None => Err(invalid()),
        }
    }
}

impl From<Device> for String {
    fn from(device: Device) -> String {
        device.to_string()
    }
}

impl TryFrom<String> for Device {
    type Error = InvalidDevice;

    fn try_from(text: String) -> Result<Device, InvalidDevice> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_gpu_is_cuda() {
        assert_eq!([Device::Cpu, Device::Cuda(0), Device::Cuda(7)].map(Device::is_cuda), [false, true, true]);
    }

    #[test]
    fn a_device_is_written_as_it_is_read() {
        for (text, device) in [("cpu", Device::Cpu), ("cuda:0", Device::Cuda(0)), ("cuda:12", Device::Cuda(12))] {
            assert_eq!(text.parse(), Ok(device));
            assert_eq!(device.to_string(), text);
            let json = format!("\"{text}\"");
            assert_eq!(serde_json::to_string(&device).unwrap(), json);
            assert_eq!(serde_json::from_str::<Device>(&json).unwrap(), device);
            assert_eq!(device.is_cuda(), device != Device::Cpu);
        }
        assert_eq!("cuda".parse(), Ok(Device::Cuda(0)));
        for text in ["", "gpu", "CPU", "cpu:0", "cuda:", "cuda:-1", "cuda:+1", "cuda:x", "cuda0", "cuda:99999999999"]
        {
            let error = text.parse::<Device>().unwrap_err().to_string();
            assert_eq!(error, format!("`{text}` is not a device: use `cpu`, `cuda` or `cuda:<number>`"));
        }
    }
}
