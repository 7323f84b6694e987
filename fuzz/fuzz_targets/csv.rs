//! Any bytes as CSV text.
#![no_main]

mod read;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| read::read("csv", bytes));
