//! Matrices in and out: files, checks, and which columns mean what.

mod matrix;

pub use matrix::{Matrix, Rows};
