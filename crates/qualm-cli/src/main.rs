//! The qualm command line.
fn main() {}
