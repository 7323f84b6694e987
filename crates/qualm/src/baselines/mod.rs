//! The ten detectors that the paper compares its model with, one file each.
//!
//! Each file opens with its citation, the equation, the exact variant and where its
//! defaults come from. What they share is here: the [`Scaling`] before each of them, and
//! the presets.

mod ae;
#[cfg(test)]
mod golden;
mod iforest;
mod lesinn;
mod network;
mod repen;
mod sp;
mod spaced;
mod subsamples;

pub use ae::AeSpec;
pub use iforest::IforestSpec;
pub use lesinn::LesinnSpec;
pub use repen::RepenSpec;
pub use sp::SpSpec;
pub use spaced::Scaling;

use crate::error::{Error, Result};

/// Presets that every baseline has: its library's defaults, and the paper's Table 2, which
/// scales each feature to \[0, 1\] first.
pub(crate) const PRESETS: &[&str] = &["default", "paper"];

/// A baseline's preset by name: `default`, or the same in the paper's scaling.
///
/// # Errors
/// [`Error::UnknownPreset`].
pub(crate) fn preset<S: Default>(
    detector: &'static str,
    name: &str,
    scaling: impl FnOnce(&mut S) -> &mut Scaling,
) -> Result<S> {
    let mut spec = S::default();
    match name {
        "default" => {}
        "paper" => *scaling(&mut spec) = Scaling::Minmax,
        _ => {
            return Err(Error::UnknownPreset {
                found: name.to_owned(),
                detector,
                known: PRESETS,
            });
        }
    }
    Ok(spec)
}
