//! What a classifier computed for some items: the input of every detector of this family.

use super::detector::{Layers, Needs, Widths};
use crate::digest::{sha256, sha256_of_values};
use crate::error::{Error, Result};
use crate::rows::{Matrix, Rows};

/// Features, logits and labels of the same n items, in the same order; each may be missing.
///
/// Making one copies nothing. What a detector does not need, it does not look at.
///
/// # Shapes
/// Features: `(n, d)` for each layer. Logits: `(n, c)`, one column a class, before the softmax.
/// Labels: `(n,)`, the class of each item, 0 or more; below 0 for items that are known to be out
/// of distribution.
#[derive(Debug, Clone, Default)]
pub struct Activations<'a> {
    features: Vec<Rows<'a>>,
    logits: Option<Rows<'a>>,
    labels: Option<&'a [i64]>,
}

impl<'a> Activations<'a> {
    /// Features of one layer, usually the one before the last: `(n, d)`.
    #[must_use]
    pub fn of_features(features: Rows<'a>) -> Self {
        Self::of_layers(vec![features])
    }

    /// Features of several layers, `(n, d)` each; the widths may differ.
    #[must_use]
    pub fn of_layers(features: Vec<Rows<'a>>) -> Self {
        Self {
            features,
            ..Self::default()
        }
    }

    /// Logits alone: `(n, c)`.
    #[must_use]
    pub fn of_logits(logits: Rows<'a>) -> Self {
        Self::default().with_logits(logits)
    }

    /// The same with logits: `(n, c)`.
    #[must_use]
    pub fn with_logits(self, logits: Rows<'a>) -> Self {
        Self {
            logits: Some(logits),
            ..self
        }
    }

    /// The same with the class of each item: `(n,)`; below 0 for a known outlier.
    #[must_use]
    pub fn with_labels(self, labels: &'a [i64]) -> Self {
        Self {
            labels: Some(labels),
            ..self
        }
    }

    /// The features of each layer, `(n, d)` each.
    #[must_use]
    pub fn features(&self) -> &[Rows<'a>] {
        &self.features
    }

    /// The features of the only layer; of the first, where there are several.
    ///
    /// # Errors
    /// [`Error::MissingInput`].
    pub fn only_features(&self, detector: &'static str) -> Result<Rows<'a>> {
        let features = self.features.first().copied();
        features.ok_or(missing(detector, "features"))
    }

    /// The logits, `(n, c)`.
    ///
    /// # Errors
    /// [`Error::MissingInput`].
    pub fn logits(&self, detector: &'static str) -> Result<Rows<'a>> {
        self.logits.ok_or(missing(detector, "logits"))
    }

    /// The classes, `(n,)`.
    ///
    /// # Errors
    /// [`Error::MissingInput`].
    pub fn labels(&self, detector: &'static str) -> Result<&'a [i64]> {
        self.labels.ok_or(missing(detector, "labels"))
    }

    /// The features of the first layer, or the logits where there are none.
    pub(super) fn first(&self) -> Option<Rows<'a>> {
        self.features.first().copied().or(self.logits)
    }

    /// The number of items; 0 without features and logits.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.first().map_or(0, |rows| rows.n_rows())
    }

    /// The widths of features and logits.
    #[must_use]
    pub fn widths(&self) -> Widths {
        Widths {
            features: self.features.iter().map(Rows::n_cols).collect(),
            logits: self.logits.as_ref().map(Rows::n_cols),
        }
    }

    /// What a detector needs of this, checked: nothing else is left in it. Labels are kept where
    /// they are there and `labelled` asks for them, needed or not.
    ///
    /// # Errors
    /// [`Error::MissingInput`], [`Error::SeveralLayers`], [`Error::RowsDiffer`],
    /// [`Error::RoundedInput`].
    pub(super) fn needed(
        &self,
        detector: &'static str,
        needs: Needs,
        labelled: bool,
    ) -> Result<Self> {
        let features = match needs.features {
            Layers::None => Vec::new(),
            _ if self.features.is_empty() => return Err(missing(detector, "features")),
            Layers::One if self.features.len() > 1 => {
                return Err(Error::SeveralLayers {
                    detector,
                    found: self.features.len(),
                });
            }
            Layers::One | Layers::Several => self.features.clone(),
        };
        let needed = Self {
            features,
            logits: needs.logits.then(|| self.logits(detector)).transpose()?,
            labels: match (labelled, needs.labels) {
                (false, _) => None,
                (true, false) => self.labels,
                (true, true) => Some(self.labels(detector)?),
            },
        };
        needed.check()?;
        Ok(needed)
    }

    /// Refuses arrays of different numbers of rows, and values that are less an offset.
    fn check(&self) -> Result<()> {
        let expected = self.n_rows();
        let features = self.features.iter().map(|rows| ("features", *rows));
        let logits = self.logits.iter().map(|rows| ("logits", *rows));
        for (what, rows) in features.chain(logits) {
            if rows.n_rows() != expected {
                return Err(Error::RowsDiffer {
                    what,
                    found: rows.n_rows(),
                    expected,
                });
            }
            if !rows.rounding().is_plain() {
                return Err(Error::RoundedInput { what });
            }
        }
        match self.labels.map(<[i64]>::len) {
            Some(found) if found != expected => Err(Error::RowsDiffer {
                what: "labels",
                found,
                expected,
            }),
            _ => Ok(()),
        }
    }

    /// Copies of the rows at these places, ascending and at least one.
    ///
    /// # Errors
    /// [`Error::Empty`] for no row.
    pub(super) fn pick(&self, places: &[usize]) -> Result<Picked> {
        let features = self.features.iter().map(|rows| rows.pick(places));
        let labels = self.labels.unwrap_or_default();
        Ok(Picked {
            features: features.collect::<Result<_>>()?,
            logits: self.logits.map(|rows| rows.pick(places)).transpose()?,
            labels: places
                .iter()
                .filter_map(|i| labels.get(*i).copied())
                .collect(),
        })
    }

    /// The digest of all of it, in hexadecimal.
    pub(super) fn digest(&self) -> String {
        let rows = self.features.iter().chain(self.logits.as_ref());
        let mut parts: Vec<String> = rows.map(|rows| sha256_of_values(rows.as_slice())).collect();
        let labels = self.labels.unwrap_or_default();
        let labels: Vec<u8> = labels
            .iter()
            .flat_map(|label| label.to_le_bytes())
            .collect();
        parts.push(sha256([labels.as_slice()]));
        sha256(parts.iter().map(String::as_bytes))
    }
}

/// Some rows of [`Activations`], copied.
#[derive(Debug)]
pub(super) struct Picked {
    features: Vec<Matrix>,
    logits: Option<Matrix>,
    labels: Vec<i64>,
}

impl Picked {
    pub(super) fn activations(&self) -> Activations<'_> {
        Activations {
            features: self.features.iter().map(Matrix::rows).collect(),
            logits: self.logits.as_ref().map(Matrix::rows),
            labels: Some(&self.labels),
        }
    }
}

fn missing(detector: &'static str, what: &'static str) -> Error {
    Error::MissingInput { detector, what }
}
