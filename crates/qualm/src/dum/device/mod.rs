//! Devices: where the networks are trained and run besides the processor.
//!
//! Everything that needs Burn stands behind the features `cuda` and `wgpu`; without them this
//! file is all there is, and says which one is missing.
//!
//! The mathematics is that of [`crate::nn`] and [`super::objective`], formula by formula and
//! in float32, gradient included: no automatic differentiation. What differs is the order in
//! which sums are added up, so results agree to rounding, not to the bit.

#[cfg(feature = "cuda")]
mod cuda;
#[cfg(feature = "device")]
mod network;
#[cfg(feature = "device")]
mod objective;
#[cfg(feature = "device")]
mod tensors;
#[cfg(all(test, feature = "device"))]
mod tests;
#[cfg(feature = "wgpu")]
mod webgpu;

use std::fmt;
use std::str::FromStr;

use super::spec::Device;
use crate::error::{DeviceError, Error, Result};

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

    /// Checks that the device can be used: that it is in this build, that its driver is
    /// installed and finds hardware. [`crate::Spec::fit`] and [`crate::Fitted::to_device`]
    /// do so by themselves; call it to learn of it before the rows are read.
    ///
    /// # Errors
    /// [`Error::Device`], saying what to install or which feature to build with.
    pub fn check(self) -> Result<()> {
        match self {
            Self::Cpu => Ok(()),
            #[cfg(feature = "cuda")]
            Self::Cuda => Ok(cuda::open().map(drop)?),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => Ok(webgpu::open().map(drop)?),
            #[cfg(not(all(feature = "cuda", feature = "wgpu")))]
            device => Err(DeviceError::NotBuilt { device }.into()),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Device {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = [Self::Cpu, Self::Cuda, Self::Wgpu];
        let device = known.into_iter().find(|device| device.name() == name);
        device.ok_or_else(|| {
            DeviceError::Unknown {
                found: name.to_owned(),
            }
            .into()
        })
    }
}
