//! Images to rows, for [`qualm`].
//!
//! **Read**: folders, lists of paths, Parquet and NumPy files become [`Image`]s. **Encode**: an
//! [`Encoder`] turns images into rows, which `qualm` fits and scores. **Classify**: a classifier of
//! images gives the detectors of [`qualm::ood`] what they need ([`ood`]). The library prints nothing
//! and never panics on input; every refusal is an [`Error`] with the file that it is about.

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

pub mod corrupt;
pub mod embed;
mod embedded;
pub mod encoder;
mod error;
pub mod export;
mod filter;
mod image;
pub mod ood;
pub mod parts;
pub mod read;
mod resize;
mod simd;
pub mod train;
mod turns;
pub mod uniform;
pub mod views;
pub mod write;

pub use embedded::EmbeddedImages;
pub use encoder::Encoder;
pub use error::{Error, Result};
pub use image::Image;
