//! Any bytes as a NumPy archive.
#![no_main]

mod read;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| read::read("npz", bytes));
