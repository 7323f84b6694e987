//! The ten detectors that the paper compares its model with, and `ecod`, one file or folder each.
//!
//! Each opens with its citation, the equation, the exact variant and where its defaults
//! come from. What they share is the [`crate::Scaling`] before each of them.

mod abod;
mod ae;
mod ecod;
mod ee;
#[cfg(test)]
#[path = "../../tests/golden/baselines.rs"]
mod golden;
mod iforest;
mod knn;
mod lesinn;
mod lof;
mod measure;
mod network;
mod ocsvm;
mod repen;
mod sp;
mod spaced;
mod subsamples;

pub use abod::{AbodMethod, AbodSpec};
pub use ae::AeSpec;
pub use ecod::EcodSpec;
pub use ee::EeSpec;
pub use iforest::IforestSpec;
pub use knn::{KnnMethod, KnnSpec};
pub use lesinn::LesinnSpec;
pub use lof::LofSpec;
pub use ocsvm::{Gamma, OcsvmSpec};
pub use repen::RepenSpec;
pub use sp::SpSpec;
