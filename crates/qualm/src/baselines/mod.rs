//! The ten detectors that the paper compares its model with, one file or folder each.
//!
//! Each opens with its citation, the equation, the exact variant and where its defaults
//! come from. What they share is here: the [`Scaling`] before each of them, and the
//! presets.

mod abod;
mod ee;
mod knn;
mod lof;
mod ocsvm;
mod sp;
mod spaced;

pub use abod::{AbodMethod, AbodSpec};
pub use ee::EeSpec;
pub use knn::{KnnMethod, KnnSpec};
pub use lof::LofSpec;
pub use ocsvm::{Gamma, OcsvmSpec, Scale};
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
