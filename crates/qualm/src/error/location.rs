//! The parts that messages are made of: places and lists of names.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where in the input something was found. Rows count from 1, a header not counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Location {
    /// The file, or `None` for rows that came from memory.
    pub file: Option<PathBuf>,
    /// The row, from 1.
    pub row: Option<usize>,
    /// The line of a text file, from 1, where it is not the one that the row would have if each
    /// stood in a line of its own below the header.
    pub line: Option<u32>,
    /// The column: its name, or its number from 1 where it has none.
    pub column: Option<String>,
}

impl Location {
    /// A place in a file, as yet without row and column.
    #[must_use]
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self {
            file: Some(path.as_ref().to_owned()),
            ..Self::default()
        }
    }

    /// A row (from 1) of rows held in memory.
    #[must_use]
    pub fn row(row: usize) -> Self {
        Self {
            row: Some(row),
            ..Self::default()
        }
    }

    /// The same place, in this row (from 1).
    #[must_use]
    pub fn at_row(mut self, row: usize) -> Self {
        self.row = Some(row);
        self
    }

    /// The same place, in this line of the file (from 1).
    #[must_use]
    pub fn at_line(mut self, line: usize) -> Self {
        // Beyond four thousand million lines there is only the row.
        self.line = u32::try_from(line).ok();
        self
    }

    /// The same place, in this column.
    #[must_use]
    pub fn column(mut self, column: impl Into<String>) -> Self {
        self.column = Some(column.into());
        self
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(path) if path.as_os_str() == "-" => f.write_str("standard input")?,
            Some(path) => write!(f, "{}", path.display())?,
            None => f.write_str("input")?,
        }
        if let Some(row) = self.row {
            write!(f, ", row {row}")?;
        }
        if let Some(line) = self.line {
            write!(f, " (line {line})")?;
        }
        if let Some(column) = &self.column {
            write!(f, ", column '{column}'")?;
        }
        Ok(())
    }
}

/// Names that a message lists: the first few, then how many more there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(pub Vec<String>);

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (i, name) in self.0.iter().take(SHOWN).enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}'{name}'")?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
