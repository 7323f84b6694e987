//! What the columns of the rows are called.

use serde::{Deserialize, Serialize};

/// What a model was fitted on, as its file keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Features {
    /// Numeric columns, one feature each.
    Columns(Vec<String>),
    /// One column of vectors, one feature an element.
    Vector {
        /// Its name, where the format names its columns.
        name: Option<String>,
        /// Elements in each vector.
        width: usize,
    },
}

impl Features {
    /// The number of features.
    #[must_use]
    pub fn width(&self) -> usize {
        match self {
            Self::Columns(names) => names.len(),
            Self::Vector { width, .. } => *width,
        }
    }

    /// The names of the columns, `(d,)`, or `None` for vectors.
    #[must_use]
    pub fn names(&self) -> Option<&[String]> {
        match self {
            Self::Columns(names) => Some(names),
            Self::Vector { .. } => None,
        }
    }

    /// The name of feature `j` (from 0): that of its column, or `embedding[17]` in a
    /// vector; `x[17]` in a vector without name.
    #[must_use]
    pub fn name(&self, j: usize) -> String {
        match self {
            Self::Columns(names) => names.get(j).cloned().unwrap_or_else(|| format!("x[{j}]")),
            Self::Vector { name, .. } => format!("{}[{j}]", name.as_deref().unwrap_or("x")),
        }
    }
}
