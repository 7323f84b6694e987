//! How much to trust each embedding.
//!
//! **Fit** once, without labels: a [`Spec`] names a detector and all its hyper-parameters, and
//! [`Spec::fit`] turns rows into a [`Fitted`] model. **Score** anything later: one forward pass
//! a row, higher = more anomalous. **Decide**: a conformal p-value for each score, and a
//! threshold that can be changed without fitting again.
//!
//! ```
//! use qualm::calibrate::ThresholdRule;
//! use qualm::{Fitted, Matrix, Spec};
//!
//! // Vectors, row after row: two hundred near a curve, and one far from it.
//! let mut vectors: Vec<f32> = (0..200).flat_map(|i| {
//!     let t = i as f32 / 30.0;
//!     [t.cos(), t.sin(), (3.0 * t).cos()]
//! }).collect();
//! vectors.extend([4.0, -4.0, 4.0]);
//! let rows = Matrix::new(vectors, 3)?;
//!
//! // Fit.
//! let mut fitted = Spec::preset("dum", "default")?.fit(rows.rows(), 0, &mut ())?;
//!
//! // Score: the far row scores highest.
//! let scores = fitted.score(rows.rows())?;
//! assert!(scores[..200].iter().all(|s| *s < scores[200]));
//!
//! // Decide.
//! assert!(fitted.p_value(scores[200]) < 0.01);
//! fitted.set_threshold_rule(ThresholdRule::Fpr(0.02))?;
//! assert!(scores[200] > fitted.threshold()?);
//!
//! // Keep: the same scores, to the bit, from the file.
//! let again = Fitted::from_bytes(&fitted.to_bytes()?)?;
//! assert_eq!(again.score(rows.rows())?, scores);
//! # Ok::<(), qualm::Error>(())
//! ```
//!
//! Files become rows through the crate `qualm-data`; [`stats`] measures scores against labels, where
//! there are any. The library prints nothing and never panics on input; every refusal is an
//! [`Error`] with the values that say why.

// Tests may unwrap: a failure there is the test's own report. And they may compare floats:
// many results are exact.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::float_cmp,
        reason = "tests"
    )
)]

mod aliases;
mod atomic_file;
mod baselines;
pub mod calibrate;
pub mod container;
pub mod contract;
mod covariance;
mod decision;
pub mod detector;
mod device;
mod diagnostics;
pub mod digest;
mod dum;
pub mod error;
mod explain;
mod features;
pub mod fit;
mod fitted;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
pub mod memory;
mod model_file;
pub mod monitor;
mod neighbours;
pub mod nn;
mod number_or_word;
pub mod ood;
mod provenance;
mod recipe;
mod reference;
mod registry;
pub mod reports;
pub mod rng;
mod rounding;
mod row_key;
mod rows;
mod space;
mod spec;
pub mod stats;
mod unnamed_file;
mod views;

pub use atomic_file::{AtomicFile, write_error};
pub use baselines::*;
pub use detector::LogVariances;
pub use device::{Device, DeviceError};
pub use diagnostics::Diagnostics;
pub use dum::{
    BagSize, Bags, Bandwidth, CellCount, Covariance, DumSpec, Exponent, Extrapolation, Network,
    Similarity, Statistic,
};
pub use error::{Error, Location, Result};
pub use explain::Contribution;
pub use features::Features;
pub use fit::{Checkpoint, Progress, Warning};
pub use fitted::Fitted;
pub use neighbours::{DistanceMetric, NearRow, NearestRows};
pub use provenance::{ColumnRoles, EncoderIdentity, Provenance, ReferenceRows, Sampling};
pub use recipe::{
    Category, Content, Encoding, Missing, Recipe, RecipeColumn, Treatment, Unknown, Vocabulary,
};
pub use reference::Reference;
pub use rounding::{Rounding, first_beyond_float32};
pub use row_key::RowKey;
pub use rows::{Matrix, Rows};
pub use space::{KernelMetric, KernelScaling, Scaling, SpaceKind};
pub use spec::{DetectorInfo, Spec, detectors};
pub use views::{Sample, Views};
