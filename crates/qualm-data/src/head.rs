//! What a file says before its rows are read: its columns and its metadata.

use std::collections::BTreeMap;
use std::path::Path;

use arrow_schema::{Metadata, Schema};

use crate::csv::TextOptions;
use crate::error::Result;
use crate::open::open_table;
use crate::splitter::columns_of;
use crate::table::{Column, Kind};

/// The columns of a file, and the entries of its schema's metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// In the order of the file.
    pub columns: Vec<HeadColumn>,
    /// Entries of the schema's metadata; none where the format has no such thing.
    pub metadata: BTreeMap<String, String>,
}

/// A column that was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadColumn {
    /// Its name; empty for the one array of an `.npy` file.
    pub name: String,
    /// Whether it holds a list of numbers a row.
    pub is_vector: bool,
    /// Whether it holds a number a row.
    pub is_number: bool,
}

impl Head {
    /// Opens a file, or a folder of parts, as far as to know its columns. Text `no_header` begins
    /// with its first row.
    ///
    /// # Errors
    /// Those of opening it, see [`crate::Source::open`].
    ///
    /// ```
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("rows.csv");
    /// std::fs::write(&path, "name,x\nfirst,0.5\n")?;
    /// let head = qualm_data::Head::of_file(&path, false)?;
    /// assert_eq!(head.columns[0].name, "name");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of_file(path: &Path, no_header: bool) -> Result<Self> {
        let text = TextOptions {
            no_header,
            ..TextOptions::default()
        };
        let table = open_table(path, &text)?;
        Ok(Self::of(table.columns(), table.metadata()))
    }

    /// That of record batches in memory.
    #[must_use]
    pub fn of_schema(schema: &Schema) -> Self {
        Self::of(&columns_of(schema), Some(schema.metadata()))
    }

    fn of(columns: &[Column], entries: Option<&Metadata>) -> Self {
        let columns = columns.iter().map(|column| HeadColumn {
            name: column.name.clone(),
            is_vector: column.kind == Kind::Vector,
            is_number: column.kind == Kind::Number,
        });
        let entries = entries.into_iter().flatten();
        Self {
            columns: columns.collect(),
            metadata: entries.map(|(k, v)| (k.clone(), v.clone())).collect(),
        }
    }

    /// Whether there is a column of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.name == name)
    }
}
