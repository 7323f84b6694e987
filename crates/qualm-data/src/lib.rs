//! Files to rows and back, for [`qualm`].
//!
//! **Read**: a [`Source`] opens CSV, NumPy, Parquet and Arrow files, folders of Parquet parts,
//! and record batches in memory; a [`Selection`] says which columns mean what. Rows come in
//! checked [`Batch`]es through the trait [`Batches`], which other sources of rows implement too.
//! **Score**: [`score()`] names a row that cannot be scored by its file and row, and [`scored`]
//! puts scores, p-values and decisions beside the ids. **Write**: [`ScoreWriter`] writes tables
//! as text, JSON lines, Parquet or Arrow; a file is complete or not there.
//!
//! ```
//! use qualm::Spec;
//! use qualm_data::{Batches, ScoreWriter, Selection, Source, score, scored};
//!
//! let folder = tempfile::tempdir()?;
//! let (input, output) = (folder.path().join("in.csv"), folder.path().join("out.csv"));
//! let lines = (0..100).map(|i| format!("row {i},{},{}\n", i % 7, i % 11));
//! std::fs::write(&input, format!("name,x,y\n{}", lines.collect::<String>()))?;
//! let selection = Selection { ids: vec!["name".into()], ..Selection::default() };
//!
//! // Fit to the columns that are numbers and no ids.
//! let source = Source::open(&input, &selection, None)?;
//! let features = source.features().clone();
//! let batch = source.read_all()?;
//! let fitted = Spec::preset("knn", "default")?.fit(batch.rows.rows(), 0, &mut ())?;
//! let fitted = fitted.with_features(features)?;
//!
//! // Score batch by batch, columns matched by name.
//! let mut source = Source::open(&input, &selection, Some(fitted.features()))?;
//! let columns = scored::columns(source.id_fields(), None, 0)?;
//! let mut writer = ScoreWriter::create(&output, columns.clone())?;
//! while let Some(batch) = source.next_batch()? {
//!     let scores = score(&fitted, &batch)?;
//!     writer.write(&scored::assemble(&columns, &fitted, &batch, scores, 0)?.rows)?;
//! }
//! writer.finish()?;
//! assert!(std::fs::read_to_string(&output)?.starts_with("name,score,p_value,outlier\nrow 0,"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The library prints nothing and never panics on input; every refusal is an [`Error`] with file,
//! row and column, where there are any.

// Tests may unwrap: a failure there is the test's own report. And they may compare floats:
// many results are exact.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::float_cmp,
        reason = "tests"
    )
)]

mod activations;
mod batch;
mod batches;
mod column_notes;
mod column_watch;
mod compressed;
mod csv;
mod embedding;
mod error;
mod file;
mod follow;
mod format;
mod head;
mod inputs;
mod ipc;
mod ipc_lengths;
mod ipc_pipe;
mod json_lines;
mod labels;
mod npy;
mod npy_header;
mod npz;
mod numbers;
mod open;
mod origin;
mod output;
mod parquet;
mod parquet_file;
mod parts;
mod prepare;
mod read_scores;
mod rejects;
mod remote;
mod role;
mod sample;
mod score;
pub mod scored;
mod select;
mod source;
mod splitter;
mod strangest;
mod stream;
mod table;
#[cfg(test)]
mod test_files;
mod text;
mod text_format;
mod text_vectors;
mod times;
mod type_words;
mod vector_column;

pub use activations::{ActivationBatch, ActivationColumns, ActivationSource};
pub use batch::Batch;
pub use batches::Batches;
pub use column_notes::{ColumnNote, Counts, Unused, WhyUnused};
pub use column_watch::ColumnNotes;
pub use embedding::Embedding;
pub use error::{Error, Result};
pub use file::open_file;
pub use head::{Head, HeadColumn};
pub use inputs::{is_table_folder, parquet_parts};
pub use npy::npy_column;
pub use npy_header::{Header as NpyHeader, Item as NpyItem, Number as NpyNumber};
pub use origin::Origin;
pub use output::{OutputFormat, ScoreWriter, format_for};
pub use parquet_file::open_parquet;
pub use read_scores::read_scores;
pub use rejects::{Reject, Rejects};
#[cfg(feature = "remote")]
pub use remote::watch_copies;
pub use role::Role;
pub use sample::{RowPlace, RowSample, row_places};
pub use score::{score, score_activations, score_into};
pub use select::{Keep, Selection};
pub use source::Source;
pub use strangest::Strangest;
pub use table::guarded;
pub use text::text_at;
pub use text_format::TextFormat;
pub use times::{time_text, times};
