//! What a fit warns of without failing.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::features::Features;
use crate::rounding::Rounding;

/// Columns that a message names; of more it gives the number.
const NAMED: usize = 5;

/// Something about a fit that its user should know; it is kept in the model file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Warning {
    /// In almost every bag one row has all the weight.
    #[error(
        "bags have collapsed: {effective_rows:.2} of {bag_size} rows decide a bag's mean \
         (1 = a single row); try covariance=circular, objective=cosine or a smaller bag_size"
    )]
    CollapsedBags {
        /// Mean effective number of rows, over the last tenth of training.
        effective_rows: f64,
        /// Rows in a bag.
        bag_size: usize,
    },
    /// The batch was cut to the rows there are.
    #[error("only {n_rows} rows: batches have {batch_rows} rows instead of {batch_size}")]
    SmallBatch {
        /// Rows given.
        n_rows: usize,
        /// Rows used in a batch.
        batch_rows: usize,
        /// Rows asked for.
        batch_size: usize,
    },
    /// A subsample asked for is larger than the data.
    #[error("{key} = {asked}, but there are only {n_rows} rows: all of them are taken")]
    FewerRows {
        /// The hyper-parameter.
        key: String,
        /// Its value.
        asked: usize,
        /// Rows given.
        n_rows: usize,
    },
    /// A count that must be smaller than the number of rows.
    #[error("{key} = {asked} is not smaller than the {n_rows} rows: {used} is used")]
    Lowered {
        /// The hyper-parameter.
        key: String,
        /// Its value.
        asked: usize,
        /// What was used instead.
        used: usize,
        /// Rows given.
        n_rows: usize,
    },
    /// A principal space as large as all features.
    #[error("n_components = {asked} is not smaller than the {n_features} features: {used} is used")]
    LoweredComponents {
        /// Its value.
        asked: usize,
        /// What was used instead.
        used: usize,
        /// Features.
        n_features: usize,
    },
    /// Rows that are labelled as out of distribution.
    #[error(
        "{n_outliers} rows have a label below 0, which marks known outliers: {}",
        if *used { "they only weigh the layers" } else { "they are left out of the fit" }
    )]
    KnownOutliers {
        /// How many there are.
        n_outliers: usize,
        /// Whether they have a part in the fit.
        used: bool,
    },
    /// A covariance without an inverse.
    #[error(
        "the covariance is singular (rank {rank} of {n_features}): distances are measured in the \
         {rank} directions that vary, deviations in the others do not count"
    )]
    SingularCovariance {
        /// Directions that vary.
        rank: usize,
        /// Columns.
        n_features: usize,
    },
    /// An approximation stands in for the exact method.
    #[error("{n_rows} rows: {what} instead of the exact method, which is for at most {most}")]
    Approximated {
        /// Rows given.
        n_rows: usize,
        /// Rows that the exact method takes.
        most: usize,
        /// What stands in for it.
        what: String,
    },
    /// An iteration that was cut off.
    #[error("{what} stopped after {iterations} iterations before it converged")]
    NotConverged {
        /// The iteration.
        what: String,
        /// How many there were.
        iterations: u64,
    },
    /// Columns whose differences float32 would have lost, or values too large to be squared.
    #[error("{}", less_offsets(columns, offsets, *scale))]
    Offsets {
        /// Names of the columns that are read less an offset.
        columns: Vec<String>,
        /// What is subtracted from each.
        offsets: Vec<f64>,
        /// By what all values are multiplied then.
        scale: f64,
    },
    /// Columns of very unlike spread, where the scores depend on scale and nothing scales them.
    #[error(
        "column '{widest}' varies {} times as much as column '{narrowest}', the scores depend on \
         scale and nothing scales the columns: the wide ones decide; set space = standardise or \
         space = robust",
        times(*ratio)
    )]
    Scales {
        /// The column of the widest spread.
        widest: String,
        /// The column of the narrowest, among those that vary.
        narrowest: String,
        /// How many times as wide the one is.
        ratio: f64,
    },
    /// A detector that knows no views was fitted to some.
    #[error(
        "the rows are views of {n_items} items: {detector} takes each for an item of its own, so \
         that the views of one item vouch for each other"
    )]
    ViewsAsRows {
        /// The detector.
        detector: String,
        /// Items that the rows are views of.
        n_items: usize,
    },
    /// Many rows have the very same score.
    #[error("{distinct} distinct scores over {n_rows} rows: most rows cannot be told apart")]
    FewDistinctScores {
        /// Distinct scores of the reference rows.
        distinct: usize,
        /// Reference rows.
        n_rows: usize,
    },
}

impl Warning {
    /// How values are rounded, where they are not as they were.
    pub(crate) fn rounding(rounding: &Rounding, features: &Features) -> Option<Self> {
        let columns = rounding.columns();
        (!rounding.is_plain()).then(|| Self::Offsets {
            columns: columns.map(|j| features.name(j)).collect(),
            offsets: rounding.columns().map(|j| rounding.offset(j)).collect(),
            scale: rounding.scale(),
        })
    }

    /// Names the columns that it speaks of anew.
    pub(crate) fn rename(&mut self, from: &Features, to: &Features) {
        let named: Vec<&mut String> = match self {
            Self::Offsets { columns, .. } => columns.iter_mut().collect(),
            Self::Scales {
                widest, narrowest, ..
            } => vec![widest, narrowest],
            _ => return,
        };
        let places = (0..from.width()).map(|j| (from.name(j), j));
        let places: HashMap<String, usize> = places.collect();
        for name in named {
            if let Some(j) = places.get(name) {
                *name = to.name(*j);
            }
        }
    }

    /// That there are fewer rows than a subsample was to have, if so.
    pub(crate) fn fewer_rows(key: &str, asked: usize, n_rows: usize) -> Option<Self> {
        (n_rows < asked).then(|| Self::FewerRows {
            key: key.to_owned(),
            asked,
            n_rows,
        })
    }
}

/// A ratio in a few digits.
fn times(ratio: f64) -> String {
    if ratio < 1e6 {
        format!("{ratio:.0}")
    } else {
        format!("{ratio:.1e}")
    }
}

fn less_offsets(columns: &[String], offsets: &[f64], scale: f64) -> String {
    let named = columns.iter().zip(offsets).take(NAMED);
    let mut named: Vec<String> = named
        .map(|(name, x)| format!("'{name}' less {x}"))
        .collect();
    if columns.len() > NAMED {
        named.push(format!("{} more", columns.len() - NAMED));
    }
    let named = named.join(", ");
    let scaled = format!("all values are multiplied by 2^{}", scale.log2());
    match (columns.is_empty(), scale >= 1.0) {
        (false, true) => format!(
            "columns are read less an offset, since float32 would lose the differences between \
             their values: {named}"
        ),
        (false, false) => format!("columns are read less an offset ({named}), and {scaled}"),
        (true, _) => format!("{scaled}: they are too large for squares of float32"),
    }
}
