//! Any bytes as JSON lines.
#![no_main]

mod read;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| read::read("jsonl", bytes));
