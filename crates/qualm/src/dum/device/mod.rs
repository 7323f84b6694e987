//! Devices: where the networks are trained and run besides the processor.
//!
//! Everything that needs Burn stands behind the features `cuda` and `wgpu`; without them this
//! file is all there is, and says which one is missing.
//!
//! The mathematics is that of [`crate::nn`] and [`super::objective`], formula by formula and
//! in float32, gradient included: no automatic differentiation. What differs is the order in
//! which sums are added up, so results agree to rounding, not to the bit.

#[cfg(feature = "device")]
mod card;
#[cfg(feature = "cuda")]
mod cuda;
#[cfg(feature = "device")]
mod network;
#[cfg(feature = "device")]
mod objective;
mod remote;
#[cfg(feature = "device")]
mod tensors;
#[cfg(all(test, feature = "device"))]
mod tests;
#[cfg(feature = "wgpu")]
mod webgpu;

use super::engine::{Cpu, Engine};
use super::plan::Plan;
use super::spec::DumSpec;
use crate::device::Device;
#[cfg(any(test, not(all(feature = "cuda", feature = "wgpu"))))]
use crate::device::DeviceError;
use crate::error::Result;
use crate::nn::{Mlp, TrainingState};
pub(crate) use remote::{DEVICE_BLOCK, Remote};

/// Whether a device's own memory holds the training of such a network.
///
/// # Shapes
/// `sizes`: input, hidden ..., output; `rows`: of a batch.
///
/// # Errors
/// [`crate::Error::Device`]: no such device here, or too little memory on it.
pub(crate) fn check_memory(device: Device, sizes: &[usize], rows: usize) -> Result<()> {
    match device {
        Device::Cpu => Ok(()),
        #[cfg(feature = "cuda")]
        Device::Cuda => Ok(cuda::open()?.check(&card::Needs::of_training(sizes, rows))?),
        #[cfg(feature = "wgpu")]
        Device::Wgpu => Ok(webgpu::open()?.check(&card::Needs::of_training(sizes, rows))?),
        #[cfg(not(all(feature = "cuda", feature = "wgpu")))]
        device => {
            let _ = (sizes, rows);
            Err(DeviceError::NotBuilt { device }.into())
        }
    }
}

/// The engine that goes on from `state` on the device of the Spec.
///
/// # Errors
/// [`crate::Error::Device`]: no such device here.
pub(crate) fn engine(spec: &DumSpec, plan: Plan, state: TrainingState) -> Result<Box<dyn Engine>> {
    match spec.device {
        Device::Cpu => Ok(Box::new(Cpu::new(spec, plan, state))),
        #[cfg(feature = "cuda")]
        Device::Cuda => Ok(cuda::open()?.engine(spec, plan, &state)),
        #[cfg(feature = "wgpu")]
        Device::Wgpu => Ok(webgpu::open()?.engine(spec, plan, &state)),
        #[cfg(not(all(feature = "cuda", feature = "wgpu")))]
        device => Err(DeviceError::NotBuilt { device }.into()),
    }
}

/// The network on a device, or `None` for the processor, which needs no copy.
///
/// # Errors
/// As [`check_memory`].
pub(crate) fn remote(device: Device, network: &Mlp) -> Result<Option<Box<dyn Remote>>> {
    match device {
        Device::Cpu => Ok(None),
        #[cfg(feature = "cuda")]
        Device::Cuda => cuda::open()?.remote(network).map(Some),
        #[cfg(feature = "wgpu")]
        Device::Wgpu => webgpu::open()?.remote(network).map(Some),
        #[cfg(not(all(feature = "cuda", feature = "wgpu")))]
        device => {
            let _ = network;
            Err(DeviceError::NotBuilt { device }.into())
        }
    }
}

impl Device {
    /// Checks that the device can be used: that it is in this build, that its driver is
    /// installed and finds hardware. [`crate::Spec::fit`] and [`crate::Fitted::to_device`]
    /// do so by themselves; call it to learn of it before the rows are read.
    ///
    /// # Errors
    /// [`crate::Error::Device`], saying what to install or which feature to build with.
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

#[cfg(test)]
mod unbuilt {
    use super::*;
    use crate::error::Error;
    use crate::rows::Matrix;
    use crate::spec::Spec;

    #[test]
    fn names_come_back() {
        for name in Device::NAMES {
            assert_eq!(name.parse::<Device>().unwrap().to_string(), *name);
            let in_json = serde_json::from_str::<Device>(&format!("\"{name}\""));
            assert_eq!(in_json.unwrap().name(), *name);
        }
        let unknown = "tpu".parse::<Device>().unwrap_err().to_string();
        assert!(unknown.contains("'tpu'") && unknown.contains("cpu, cuda, wgpu"));
        assert!(Device::Cpu.check().is_ok());
    }

    #[test]
    fn a_device_that_was_not_built_names_the_flag_to_build_it_with() {
        let absent = [
            (Device::Cuda, cfg!(feature = "cuda")),
            (Device::Wgpu, cfg!(feature = "wgpu")),
        ];
        for (device, _) in absent.into_iter().filter(|(_, built)| !built) {
            let rows = Matrix::new((0..60).map(|i| (i * i) as f32).collect(), 3).unwrap();
            let mut spec = Spec::preset("dum", "mlp").unwrap();
            spec.set_device(device).unwrap();
            let refused = [
                device.check().unwrap_err(),
                spec.fit(rows.rows(), 0, &mut ()).unwrap_err(),
            ];
            for error in refused {
                let flag = format!("--features {device}");
                assert!(error.to_string().contains(&flag), "{error}");
                assert!(matches!(error, Error::Device(DeviceError::NotBuilt { .. })));
            }
        }
    }
}
