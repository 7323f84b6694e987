//! What the keys of a [`DumSpec`](super::DumSpec) may be, where that is not a number.

use serde::{Deserialize, Serialize};

use crate::number_or_word::number_or_word;
use crate::reference::Reference;

/// Rows in a bag: a number, or `"half"` a batch, which makes one pair a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BagSize {
    /// This many rows.
    Rows(usize),
    /// Half of the batch, which the paper leaves open.
    Half,
}

/// Where the rows of a pair of bags come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Bags {
    /// From all rows: the paper's objective.
    Global,
    /// From one k-means cell, drawn by its share of the rows: each row is then ranked
    /// against its own neighbourhood.
    Local,
}

/// How many k-means cells local bags are drawn from: a number, or `"auto"`.
///
/// There are never more than one for every `8 bag_size` rows, so that a cell has four pairs
/// of bags on average, and cells too small to fill one are joined to their neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellCount {
    /// This many, 1 to 1,000,000.
    Number(usize),
    /// One for every [`CellCount::ROWS`] rows, at most [`CellCount::MOST`].
    Auto,
}

impl CellCount {
    /// Rows for each cell of `"auto"`: few enough that each kind of rows has cells of its own,
    /// and enough for pairs of bags. Measured in bench/study/LOCAL.md.
    pub const ROWS: usize = 60;

    /// Cells of `"auto"` at the most: kinds of rows do not grow in number with the rows.
    pub const MOST: usize = 200;

    /// The number for so many rows, at least 1.
    pub(crate) fn of(self, n_rows: usize) -> usize {
        match self {
            Self::Number(number) => number,
            Self::Auto => (n_rows / Self::ROWS).clamp(1, Self::MOST),
        }
    }
}

number_or_word!(
    BagSize,
    Rows(usize),
    Half = "half",
    "expected a number of rows or \"half\""
);
number_or_word!(
    CellCount,
    Number(usize),
    Auto = "auto",
    "expected a number of cells or \"auto\""
);

/// Which network f1 is. `"auto"` is decided by the other keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Network {
    /// A multilayer perceptron, trained by gradient steps: the paper's.
    Mlp,
    /// Kernels around fitted rows, weighted as the objective's fixed point has it. It needs
    /// `space = "kernel"`, whose kernel it computes exactly, bags of a number of rows and a circular
    /// covariance.
    Kernel,
    /// `Kernel`, or `Mlp` where a key asks for what only that has: gradient steps and their
    /// number, the size of the layers, another space, another device. The Spec of the fitted model
    /// holds the decision.
    Auto,
}

/// What a row far from all fitted rows gets where the network cannot tell: in a multilayer
/// perceptron, and where rows are divided by their norm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Extrapolation {
    /// A variance that grows with its Mahalanobis distance, added to that of the network.
    Distance,
    /// Whatever the network says, as in the paper. It has never seen such a row.
    None,
}

/// Bandwidth of a kernel, in medians of the distance between two rows: a number, or `"auto"`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bandwidth {
    /// So many medians. Above 0.
    Medians(f64),
    /// 1 for Fourier features; in a kernel network [`Bandwidth::MIXED`] or
    /// [`Bandwidth::CLEAN`], by [`Reference`].
    Auto,
}

/// Exponent of a kernel network's kernel: a number, or `"auto"`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Exponent {
    /// Above 0.
    Power(f64),
    /// 1 where the fitted rows may hold outliers: wide neighbourhoods. Where they are clean
    /// `(d + 1) / 2`, which makes it the density of a Cauchy distribution in d columns: narrow
    /// ones.
    Auto,
}

impl Bandwidth {
    /// Where the fitted rows may hold outliers, which lie close together as often as not.
    pub const MIXED: f64 = 0.5;

    /// Where they are usual, so that even the nearest of them is evidence.
    pub const CLEAN: f64 = 0.1;

    /// The number, once it is decided.
    pub(crate) fn medians(self) -> f64 {
        match self {
            Self::Medians(medians) => medians,
            Self::Auto => 1.0,
        }
    }

    /// The number for a network and a reference.
    pub(super) fn of(self, network: Network, reference: Reference) -> f64 {
        match (self, network, reference) {
            (Self::Medians(medians), _, _) => medians,
            (Self::Auto, Network::Kernel, Reference::Mixed) => Self::MIXED,
            (Self::Auto, Network::Kernel, Reference::Clean) => Self::CLEAN,
            (Self::Auto, _, _) => 1.0,
        }
    }
}

impl Exponent {
    /// The number, once it is decided.
    pub(super) fn power(self) -> f64 {
        match self {
            Self::Power(power) => power,
            Self::Auto => 1.0,
        }
    }

    /// The number for rows of so many columns.
    pub(super) fn of(self, reference: Reference, n_features: usize) -> f64 {
        match (self, reference) {
            (Self::Power(power), _) => power,
            (Self::Auto, Reference::Mixed) => 1.0,
            (Self::Auto, Reference::Clean) => 0.5 * (n_features as f64 + 1.0),
        }
    }
}

number_or_word!(
    Bandwidth,
    Medians(f64),
    Auto = "auto",
    "expected a number of medians or \"auto\""
);
number_or_word!(
    Exponent,
    Power(f64),
    Auto = "auto",
    "expected a number or \"auto\""
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DumSpec;
    use crate::detector::DetectorSpec;

    #[test]
    fn cells_are_a_number_or_one_for_so_many_rows() {
        let cells = |json: &str| serde_json::from_str::<CellCount>(json).unwrap();
        assert_eq!(cells("7").of(9000), 7);
        assert_eq!(cells("\"auto\"").of(9000), 150);
        assert_eq!(cells("\"auto\"").of(90_000), 200);
        assert_eq!(cells("\"auto\"").of(119), 1);
        assert_eq!(cells("\"auto\"").of(5), 1);
        assert!(serde_json::from_str::<CellCount>("\"many\"").is_err());
        let none = DumSpec {
            cells: CellCount::Number(0),
            ..DumSpec::preset("mlp").unwrap()
        };
        let message = none.validate().unwrap_err().to_string();
        assert!(
            message.contains("cells") && message.contains("auto"),
            "{message}"
        );
    }
}
