//! How much to trust each embedding.

// Tests may unwrap: a failure there is the test's own report.
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

pub mod data;
mod error;

pub use error::{Error, Location, Names, Result};
