//! Tests of the crate from outside, in one binary.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod encoders;
