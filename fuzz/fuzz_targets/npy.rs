//! Any bytes as a NumPy array.
#![no_main]

mod read;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| read::read("npy", bytes));
