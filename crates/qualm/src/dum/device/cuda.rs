//! Opening a CUDA card.
//!
//! Burn would do so at the first tensor and panic where there is none, so each thing that it
//! needs is asked for first: the driver, the compiler of its kernels (NVRTC) with its
//! headers, and a card.

use burn_cubecl::cubecl::cuda::install::cuda_path;
use burn_cuda::{Cuda, CudaDevice};
use cudarc::driver::CudaContext;

use super::card::{Card, Memory};
use crate::device::{Device, DeviceError};

/// The first card; `CUDA_VISIBLE_DEVICES` says which that is.
pub(super) fn open() -> Result<Card<Cuda>, DeviceError> {
    let missing = |library, remedy| DeviceError::NoDriver {
        device: Device::Cuda,
        library,
        remedy,
    };
    if !driver_is_present() {
        return Err(missing("libcuda", "install the NVIDIA driver"));
    }
    if !compiler_is_present() {
        return Err(missing("libnvrtc", "install the CUDA toolkit"));
    }
    if cuda_path().is_none() {
        return Err(missing(
            "the folder of the CUDA toolkit",
            "install the CUDA toolkit, or let CUDA_PATH name its folder",
        ));
    }
    let card = || {
        let context = CudaContext::new(0)?;
        let (free, _) = context.mem_get_info()?;
        Ok(Card {
            kind: Device::Cuda,
            device: CudaDevice::new(0),
            name: context.name()?,
            memory: Memory {
                free: free as u64,
                array: free as u64,
            },
        })
    };
    card().map_err(
        |error: cudarc::driver::DriverError| DeviceError::NoHardware {
            device: Device::Cuda,
            reason: format!("{error:?}"),
        },
    )
}

#[expect(
    unsafe_code,
    reason = "loading a library runs its initialisers; this one is the driver that is about to be used"
)]
fn driver_is_present() -> bool {
    // SAFETY: opens the driver's library under its own name and closes it again.
    unsafe { cudarc::driver::sys::is_culib_present() }
}

#[expect(
    unsafe_code,
    reason = "loading a library runs its initialisers; this one is the compiler that is about to be used"
)]
fn compiler_is_present() -> bool {
    // SAFETY: opens the compiler's library under its own name and closes it again.
    unsafe { cudarc::nvrtc::sys::is_culib_present() }
}
