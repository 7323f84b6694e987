//! Images in, through the public interface.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::float_cmp,
    reason = "tests"
)]

mod encoders;
mod files;
mod golden;
mod hostile;
mod ood;
mod read;
mod real_encoders;
mod train;
mod views;
