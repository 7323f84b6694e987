//! Where networks are trained and run, and what can stand in the way.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where the network is trained and run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Device {
    /// The processor.
    Cpu,
    /// An NVIDIA card, through CUDA; needs the feature `cuda`.
    Cuda,
    /// A graphics card, through Vulkan or Metal; needs the feature `wgpu`.
    Wgpu,
}

impl Device {
    /// Names of all devices, whether or not they are in this build.
    pub const NAMES: &[&str] = &["cpu", "cuda", "wgpu"];

    /// The device's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Wgpu => "wgpu",
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Device {
    type Err = DeviceError;

    fn from_str(name: &str) -> Result<Self, DeviceError> {
        let known = [Self::Cpu, Self::Cuda, Self::Wgpu];
        let device = known.into_iter().find(|device| device.name() == name);
        device.ok_or_else(|| DeviceError::Unknown {
            found: name.to_owned(),
        })
    }
}

/// Why a device cannot be used. All but [`DeviceError::Failed`] are found before any work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "each variant's message says what its fields are"
)]
pub enum DeviceError {
    /// No device of this name.
    #[error("unknown device '{found}'; expected one of: {}", Device::NAMES.join(", "))]
    Unknown { found: String },
    /// A detector that has nothing to run elsewhere.
    #[error("device = {device}: only the detector dum runs there; use device = cpu")]
    OnlyCpu { device: Device },
    /// The feature was off when this binary was built.
    #[error(
        "device = {device}: this qualm was built without it; build it with \
         `cargo install --locked qualm-cli --features {device}` (from a checkout: \
         `cargo install --locked --path crates/qualm-cli --features {device}`), or use device = cpu"
    )]
    NotBuilt { device: Device },
    /// A library of the driver or of the toolkit is not on this machine.
    #[error("device = {device}: {library} was not found; {remedy}, or use device = cpu")]
    NoDriver {
        device: Device,
        library: &'static str,
        remedy: &'static str,
    },
    /// A driver, but nothing that it drives.
    #[error(
        "device = {device}: the driver found nothing to run on ({reason}); install the driver of \
         the graphics card, check that the card is visible to this process, or use device = cpu"
    )]
    NoHardware { device: Device, reason: String },
    /// More memory than the device has free, or than it gives to one array.
    #[error(
        "device = {device}: {what} needs {needed} bytes, but {name} {has} {available}; {remedy}"
    )]
    Memory {
        device: Device,
        name: String,
        what: &'static str,
        needed: u64,
        has: &'static str,
        available: u64,
        remedy: &'static str,
    },
    /// The device stopped working on what it was given.
    #[error("device = {device}: failed while working: {reason}")]
    Failed { device: Device, reason: String },
}
