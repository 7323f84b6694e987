//! Any bytes as a Parquet file.
#![no_main]

mod read;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| read::read("parquet", bytes));
