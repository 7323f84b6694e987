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

pub mod calibrate;
pub mod data;
mod error;
pub mod stats;

pub use error::{Error, Location, Result};
