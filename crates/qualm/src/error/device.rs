//! What can stand between a network and the device that was asked for.

use crate::dum::Device;

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
