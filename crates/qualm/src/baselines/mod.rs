//! The ten detectors that the paper compares its model with, one file or folder each.
//!
//! Each opens with its citation, the equation, the exact variant and where its defaults
//! come from. What they share is here: the [`Scaling`] before each of them, and the
//! presets.

mod abod;
mod ae;
mod ee;
#[cfg(test)]
mod golden;
mod iforest;
mod knn;
mod lesinn;
mod lof;
mod network;
mod ocsvm;
mod repen;
mod sp;
mod spaced;
mod subsamples;

pub use abod::{AbodMethod, AbodSpec};
pub use ae::AeSpec;
pub use ee::EeSpec;
pub use iforest::IforestSpec;
pub use knn::{KnnMethod, KnnSpec};
pub use lesinn::LesinnSpec;
pub use lof::LofSpec;
pub use ocsvm::{Gamma, OcsvmSpec};
pub use repen::RepenSpec;
pub use sp::SpSpec;
pub use spaced::Scaling;

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Presets that every baseline has: its library's defaults, and the paper's Table 2, which
/// scales each feature to \[0, 1\] first.
const PRESETS: &[&str] = &["default", "paper"];

/// The keys that a preset sets beside a baseline's defaults.
///
/// # Errors
/// [`Error::UnknownPreset`].
pub(crate) fn preset(detector: &'static str, name: &str) -> Result<Map<String, Value>> {
    let mut keys = Map::new();
    match name {
        "default" => {}
        "paper" => {
            keys.insert("space".to_owned(), Value::from("minmax"));
        }
        _ => {
            return Err(Error::UnknownPreset {
                found: name.to_owned(),
                detector,
                known: PRESETS,
            });
        }
    }
    Ok(keys)
}
