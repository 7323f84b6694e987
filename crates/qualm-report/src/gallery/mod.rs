//! Galleries: the rows that a model finds most and least typical, to look at.
//!
//! Figure 1 of *A Simple Framework for Uncertainty in Contrastive Learning* (Anonymous, 2020) shows
//! the images of a class (a, b) and the views of one image (c, d) with the least and the greatest
//! uncertainty. [`Gallery`] is the same for any rows: as data, with images where there are some, and
//! as one page.

mod build;
mod chart;
mod nearest;
mod page;
mod pictures;
mod table;

pub use build::{Choice, build};
pub use chart::chart;
pub use page::html;
pub use pictures::{
    Pictures, find as find_pictures, of_files as pictures_of_files, of_images as pictures_of_images,
};
pub use table::table;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::number;

/// A gallery as data: every number that its page shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gallery {
    /// `gallery`: what kind of page these are the numbers of.
    pub qualm_page: String,
    /// See [`qualm::reports::REPORT_VERSION`].
    pub report_version: u32,
    /// What the page is called, where it has a name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The model's file.
    pub model: String,
    /// Where the rows are.
    pub input: String,
    /// Where the images are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<String>,
    /// The detector.
    pub detector: String,
    /// The encoder that made the rows, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<String>,
    /// Rows of the input.
    pub n: usize,
    /// Rows above the threshold.
    pub n_outliers: usize,
    /// The score above which a row is an outlier.
    pub threshold: f64,
    /// Scores that percentiles and p-values refer to.
    pub n_reference: usize,
    /// The seed of what is drawn at random: classes and items.
    pub seed: u64,
    /// What the reader should know, such as what is not shown.
    pub notes: Vec<String>,
    /// Images that are to be shown and cannot be.
    pub missing: Vec<Missing>,
    /// The parts of the page.
    pub sections: Vec<Section>,
}

/// An image that is not where it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Its id.
    pub id: String,
    /// Why it cannot be shown.
    pub reason: String,
}

/// What the rows of a section have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// Nothing: all rows of the input.
    All,
    /// Their class.
    Class,
    /// They are views of one item.
    Item,
}

/// The most and the least certain of some rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// What the rows have in common.
    pub of: Of,
    /// The class, or the item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How many rows there are.
    pub n: usize,
    /// Those with the lowest scores, the lowest first.
    pub most_certain: Vec<Card>,
    /// Those with the highest scores, the highest first.
    pub least_certain: Vec<Card>,
}

/// A row that is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// Its number in the input, from 1.
    pub row: usize,
    /// What names it: its id, or its number.
    pub id: String,
    /// Its class, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Which view of its item it is, where rows are views.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<u64>,
    /// Its uncertainty: the score; higher = more anomalous.
    pub score: f64,
    /// Per cent of the reference scores that are lower.
    pub percentile: f64,
    /// Its conformal p-value.
    pub p_value: f64,
    /// Whether its score lies above the threshold.
    pub outlier: bool,
    /// The features that contribute most to the score.
    pub because: Vec<Because>,
    /// The nearest of the typical rows, the nearest first.
    pub nearest: Vec<Near>,
    /// Its other columns: name and value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<(String, String)>,
    /// Its text, where a column of text was named or found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A feature's part in a score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Because {
    /// Its name.
    pub feature: String,
    /// Its share of the score; of all features 1 in all.
    pub share: f64,
    /// Its value in the row.
    pub value: f64,
    /// Its value in each of the nearest typical rows.
    pub nearest: Vec<f64>,
}

/// A typical row near one that is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Near {
    /// Its number in the input, from 1.
    pub row: usize,
    /// What names it.
    pub id: String,
    /// Its class, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Which view of its item it is, where rows are views.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<u64>,
    /// Its score.
    pub score: f64,
    /// How far away it is.
    pub distance: f64,
    /// Its other columns: name and value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<(String, String)>,
    /// Its text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl Gallery {
    /// The numbers as JSON.
    ///
    /// # Errors
    /// [`crate::Error::Json`].
    pub fn json(&self) -> crate::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// The rows whose images belong on the page, from 1: those that are shown, and those beside them.
    #[must_use]
    pub fn rows(&self) -> BTreeSet<usize> {
        self.large().union(&self.small()).copied().collect()
    }

    /// Which images cannot be shown, in a sentence that names the first; nothing where all can.
    #[must_use]
    pub fn missing_words(&self) -> Option<String> {
        let first = self.missing.first()?;
        let n = self.missing.len();
        Some(format!(
            "{} cannot be shown and {} a placeholder; the page lists them; the first is '{}': {}",
            number::counted(n as u64, "image"),
            if n == 1 { "has" } else { "have" },
            first.id,
            first.reason
        ))
    }

    /// The rows that are shown.
    pub(crate) fn large(&self) -> BTreeSet<usize> {
        self.cards().map(|card| card.row).collect()
    }

    /// The rows beside them.
    pub(crate) fn small(&self) -> BTreeSet<usize> {
        let near = self.cards().flat_map(|card| &card.nearest);
        near.map(|near| near.row).collect()
    }

    /// All cards.
    pub(crate) fn cards(&self) -> impl Iterator<Item = &Card> {
        let parts = self.sections.iter();
        parts.flat_map(|part| part.most_certain.iter().chain(&part.least_certain))
    }
}
