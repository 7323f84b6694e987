//! What the columns of the rows are called.

use serde::{Deserialize, Serialize};

use crate::recipe::Recipe;

/// What a model was fitted on, as its file keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Features {
    /// Numeric columns, one feature each.
    Columns(Vec<String>),
    /// Columns of numbers, categories and dates, which a recipe makes features of.
    Prepared(Recipe),
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
            Self::Prepared(recipe) => recipe.names().len(),
            Self::Vector { width, .. } => *width,
        }
    }

    /// The names of the features, `(d,)`, or `None` for vectors.
    #[must_use]
    pub fn names(&self) -> Option<&[String]> {
        match self {
            Self::Columns(names) => Some(names),
            Self::Prepared(recipe) => Some(recipe.names()),
            Self::Vector { .. } => None,
        }
    }

    /// How columns become the features, where they are more than columns of numbers.
    #[must_use]
    pub fn recipe(&self) -> Option<&Recipe> {
        match self {
            Self::Prepared(recipe) => Some(recipe),
            _ => None,
        }
    }

    /// The names of the columns of the input that hold them: none for vectors without a name.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        match self {
            Self::Columns(names) => names.clone(),
            Self::Prepared(recipe) => {
                let columns = recipe.columns().iter();
                columns.map(|column| column.name().to_owned()).collect()
            }
            Self::Vector { name, .. } => name.iter().cloned().collect(),
        }
    }

    /// The name of feature `j` (from 0): that of its column, or `embedding[17]` in a
    /// vector; `x[17]` in a vector without name.
    #[must_use]
    pub fn name(&self, j: usize) -> String {
        let named = self.names().and_then(|names| names.get(j));
        match (named, self) {
            (Some(name), _) => name.clone(),
            (None, Self::Vector { name, .. }) => {
                format!("{}[{j}]", name.as_deref().unwrap_or("x"))
            }
            (None, _) => format!("x[{j}]"),
        }
    }
}
