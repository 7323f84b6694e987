//! How much to trust each embedding.

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

mod artefact;
pub mod calibrate;
mod checkpoint;
pub mod data;
mod detector;
mod dum;
mod error;
mod explain;
mod fitted;
mod nn;
mod progress;
mod rng;
mod space;
mod spec;
pub mod stats;

pub use checkpoint::Checkpoint;
pub use detector::Variances;
pub use dum::{BagSize, Bags, Covariance, Device, DumSpec, Half, Similarity, Statistic};
pub use error::{Error, Location, Names, Result};
pub use explain::Contribution;
pub use fitted::{Fitted, Provenance, Reference, Roles};
pub use progress::{Progress, Signal, Step, Warning};
pub use space::SpaceKind;
pub use spec::Spec;
