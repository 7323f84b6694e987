//! What a fit is asked to do with the columns of a table: which of them are what, and what is done about missing
//! values, categories and dates.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use qualm::{Content, Error, Recipe, RecipeColumn, Treatment};
use qualm_data::Selection;
use serde::{Deserialize, Serialize};

use crate::errors::raised;

/// The columns that the keywords of `fit` name, as `qualm._choice.Choice` has them.
#[derive(Debug, Default, FromPyObject)]
pub(crate) struct Choice {
    vector: Option<String>,
    columns: Vec<String>,
    exclude: Vec<String>,
    ids: Vec<String>,
}

impl Choice {
    /// The same as the options of the command line say it.
    pub(crate) fn selection(self) -> Selection {
        Selection {
            vector: self.vector,
            columns: self.columns,
            exclude: self.exclude,
            ids: self.ids,
            ..Selection::default()
        }
    }
}

/// What a fit is to do about missing values, categories and dates.
#[derive(Serialize, Deserialize)]
pub(crate) struct Treated {
    missing: String,
    na: Vec<String>,
    encode: Option<String>,
    unknown: String,
    max_categories: Option<usize>,
    dates: bool,
}

impl Treated {
    /// As far as a recipe says so.
    pub(crate) fn of(recipe: &Recipe) -> Self {
        let columns = || recipe.columns().iter().map(RecipeColumn::content);
        let encoding = columns().find_map(|content| match content {
            Content::Category(vocabulary) => Some(vocabulary.encoding().to_string()),
            _ => None,
        });
        Self {
            missing: recipe.missing().to_string(),
            na: recipe.na().to_vec(),
            encode: encoding,
            unknown: recipe.unknown().to_string(),
            max_categories: None,
            dates: columns().any(|content| matches!(content, Content::Date { .. })),
        }
    }

    /// As the library takes it.
    pub(crate) fn treatment(json: &str) -> PyResult<Treatment> {
        let asked: Self = serde_json::from_str(json).map_err(|error| {
            PyTypeError::new_err(format!(
                "missing, na, encode, unknown, max_categories: {error}"
            ))
        })?;
        let treatment = (|| {
            let treatment = Treatment {
                missing: asked.missing.parse()?,
                na: asked.na,
                encode: asked.encode.as_deref().map(str::parse).transpose()?,
                unknown: asked.unknown.parse()?,
                max_categories: asked.max_categories,
                dates: asked.dates,
            };
            treatment.validate()?;
            Ok(treatment)
        })();
        treatment.map_err(|error: Error| raised(error))
    }
}
