//! Matrices in and out: files, checks, and which columns mean what.

mod csv;
mod cutter;
mod format;
mod ipc;
mod labels;
mod npy;
mod npy_header;
mod npz;
mod numbers;
mod open;
mod output;
mod parquet;
mod sample;
mod scored;
mod select;
mod source;
mod stream;
mod table;
#[cfg(test)]
mod test_files;
mod text;

pub use output::{OutputFormat, ScoreWriter, format_for};
pub use scored::read_scores;
pub use select::Selection;
pub use source::{Batch, Source};
