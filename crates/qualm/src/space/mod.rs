//! How rows become the vectors that a model sees.
//!
//! A space is two maps, one after the other: a *scaling*, feature by feature,
//! `x' = (x - shift) * scale`, learned from the fitted rows; then a *projection* of the
//! whole row. A random view adds its noise between the two.
//!
//! | space | scaling | projection | vectors lie |
//! |---|---|---|---|
//! | `identity` | none | none | where they were |
//! | `minmax` | to \[0, 1\] over the fitted rows | none | in the positive orthant |
//! | `standardise` | mean 0, deviation 1 | none | around the origin |
//! | `unit` | none, or centring | divide by the norm | on the unit sphere |
//! | `sphere` | mean 0, deviation 1 | divide by the norm | on the unit sphere |
//! | `robust` | mean 0, deviation 1 | whiten by a robust covariance | around the origin |
//! | `kernel` | mean 0, deviation 1, or none | (divide by the norm, then) random Fourier features | on the unit sphere |
//!
//! On the unit sphere the dot product of two vectors is their cosine similarity, which is what
//! the objective of the Deep Uncertainty Model takes it for. Elsewhere it also grows with the
//! vectors' lengths: with \[0, 1\] features that objective rewards large values as such.

mod columns;
mod fourier;
mod mahalanobis;
mod normal_scores;
mod options;
mod scaler;
mod transform;
mod whitened;

pub(crate) use columns::{deviation, one_unit, unlike_scales};
pub(crate) use fourier::median_distance;
pub use options::{KernelMetric, KernelScaling, Scaling, SpaceKind};
pub(crate) use options::{KernelOptions, SpaceOptions};
pub(crate) use scaler::{LIMIT, normalise};
pub(crate) use transform::Space;
pub(crate) use whitened::Whitened;
