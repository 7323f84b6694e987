//! Matrices in and out: files, checks, and which columns mean what.

mod matrix;
mod stubs;

pub use matrix::{Matrix, Rows};
pub use stubs::{Features, AtomicFile};
