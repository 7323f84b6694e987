//! What the columns of a fitted input are besides features: what the user says, and what a file of
//! embeddings says of itself.

use std::path::Path;

use anyhow::Result;
use qualm::{ColumnRoles, EncoderIdentity, Fitted, Location, Views};
use qualm_data::{Batch, Embedding};

use crate::args;
use crate::output;

/// The columns with a role, and who made the rows.
#[derive(Debug)]
pub(crate) struct Roles {
    /// Carried through to the scores.
    pub(crate) ids: Vec<String>,
    /// The one that says which item a row is a view of, where there are views.
    item: Option<String>,
    /// The encoder that made the rows, where the file says so.
    pub(crate) encoder: Option<EncoderIdentity>,
}

impl Roles {
    /// Those of a fit. A file of embeddings brings its own id, unless ids are asked for.
    ///
    /// # Errors
    /// Those of [`Embedding::of_file`].
    pub(crate) fn of(args: &args::Fit) -> Result<Self> {
        let embedding = Embedding::of_file(&args.input)?;
        let mut ids = args.columns.id.clone();
        let mut item = args.columns.item.clone();
        if let Some(embedding) = &embedding {
            let taken = |name: &String| {
                args.columns.columns.contains(name) || args.columns.exclude.contains(name)
            };
            if ids.is_empty() && !taken(&embedding.id) {
                ids.push(embedding.id.clone());
            }
            if item.is_none() && embedding.views.is_some() && !taken(&embedding.id) {
                item = Some(embedding.id.clone());
            }
        }
        if let Some(item) = item.iter().find(|item| !ids.contains(item)) {
            ids.push(item.clone());
        }
        Ok(Self {
            ids,
            item,
            encoder: embedding.map(|embedding| embedding.encoder),
        })
    }

    /// The column that says which item a row is a view of, where there are views.
    pub(crate) fn item(&self) -> Option<&str> {
        self.item.as_deref()
    }

    /// Which rows are views of one item; `None` where each row is an item.
    ///
    /// # Errors
    /// Those of [`Batch::views`].
    pub(crate) fn views(&self, batch: &Batch) -> Result<Option<Views>> {
        let Some(item) = &self.item else {
            return Ok(None);
        };
        let place = self.ids.iter().position(|id| id == item);
        Ok(Some(batch.views(place.unwrap_or_default(), item)?))
    }

    /// One line about views.
    pub(crate) fn describe(&self, views: &Views) -> String {
        let item = self.item.as_deref().unwrap_or_default();
        format!(
            "{} are views of {}, by column '{item}'",
            output::rows(views.n_rows() as u64),
            output::counted(views.n_items() as u64, "item")
        )
    }
}

/// The id columns of the fit, which are read where they are there, unless others are asked for.
pub(crate) fn ids_if_present(asked: &[String], of_fit: &ColumnRoles) -> Vec<String> {
    if asked.is_empty() {
        of_fit.ids.clone()
    } else {
        Vec::new()
    }
}

/// A digest as messages give it.
pub(crate) fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}

/// Refuses rows that another encoder made than those that a model was fitted to.
///
/// # Errors
/// Those of [`Embedding::check`] and [`Embedding::of_file`].
pub(crate) fn check_encoder(fitted: &Fitted, input: &Path) -> Result<()> {
    // A model without one takes any rows, and its input need not be opened for that.
    if fitted.provenance().encoder.is_some()
        && let Some(embedding) = Embedding::of_file(input)?
    {
        embedding.check(fitted, Location::file(input))?;
    }
    Ok(())
}
