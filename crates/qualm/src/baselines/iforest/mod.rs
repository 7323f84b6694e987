//! Isolation forest (F. T. Liu, K. M. Ting and Z.-H. Zhou, *Isolation forest*, ICDM 2008).
//!
//! Each of t trees splits a sample of psi rows, drawn without replacement, by random features
//! at random thresholds; anomalous rows are isolated by few splits. With `h_i(x)` the length of
//! a row's path through tree i, and `c(n)` the mean path of an unsuccessful search in a
//! binary search tree of n rows ([`average_path`]), the score is, between 0 and 1,
//!
//! ```text
//! s(x) = 2^(-mean over i of h_i(x) / c(psi))
//! ```
//!
//! A leaf that still holds n rows adds `c(n)` to the path. Trees end at depth
//! `ceil(log2 psi)`. The feature of a split is uniform among those that vary in the node, its
//! threshold uniform between their least and greatest value there: as in scikit-learn, whose
//! `score_samples` is this score with the other sign.
//!
//! A split looks at the order of the values in one column: the columns' scales do not matter.
//!
//! Defaults: t = 100, psi = 256, as in the paper, scikit-learn and `PyOD`.

mod depth;
mod grow;
mod tree;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::spaced::Stage;
use crate::container::{Reader, Writer};
use crate::detector::{Detector, DetectorSpec, Outcome, require};
use crate::error::Result;
use crate::fit::session::Session;
use crate::fit::warning::Warning;
use crate::reference::Reference;
use crate::rows::Rows;
use crate::space::Scaling;
pub(super) use depth::average_path;
use grow::grow;
use tree::{Grown, Tree};

/// Values of the rows that a thread passes through all trees at a time, so that they stay in its
/// first-level cache beside the tree.
const BLOCK_VALUES: usize = 4096;

/// Trees grown between two reports of progress.
const TOGETHER: usize = 16;

/// Hyper-parameters of `iforest`: the isolation forest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IforestSpec {
    /// Number of trees, 1 to 1,000,000.
    pub n_estimators: usize,
    /// Rows that each tree is grown on, 2 to 2^30. With fewer fitted rows, each tree is grown on all
    /// of them.
    pub max_samples: usize,
    /// How rows are scaled first. Scaling feature by feature changes scores only by rounding.
    pub space: Scaling,
    /// Whether the fitted rows may hold outliers. Where they may not, the covariance of the space
    /// `robust` is of all rows; nothing else changes.
    pub reference: Reference,
}

impl Default for IforestSpec {
    fn default() -> Self {
        Self {
            n_estimators: 100,
            max_samples: 256,
            space: Scaling::Identity,
            reference: Reference::default(),
        }
    }
}

/// The grown trees.
#[derive(Debug)]
struct Forest {
    trees: Vec<Tree>,
    /// `c(psi)`, at least 1.
    normaliser: f64,
    d: usize,
}

impl IforestSpec {
    fn stage(&self) -> Stage {
        Stage::new(self.space, self.reference)
    }
}

impl DetectorSpec for IforestSpec {
    fn validate(&self) -> Result<()> {
        let few = (1..=1_000_000).contains(&self.n_estimators);
        require("n_estimators", self.n_estimators, few, "1 to 1,000,000")?;
        let some = (2..=1 << 30).contains(&self.max_samples);
        require("max_samples", self.max_samples, some, "2 to 2^30")
    }

    fn memory(&self, n_rows: usize, n_features: usize) -> u64 {
        // A tree that isolates every row has twice as many nodes, of 20 bytes; one that finds
        // duplicates has fewer.
        let psi = self.max_samples.min(n_rows) as u64;
        psi.saturating_mul(20)
            .saturating_mul(self.n_estimators as u64)
            .saturating_add(self.stage().memory(n_rows, n_features))
    }

    fn scaling_mut(&mut self) -> Option<&mut Scaling> {
        Some(&mut self.space)
    }

    fn is_scale_free(&self) -> bool {
        true
    }

    fn fit(&self, rows: Rows<'_>, session: &mut Session<'_>) -> Result<Outcome> {
        self.stage().fit(rows, session, |rows, session| {
            let psi = self.max_samples.min(rows.n_rows());
            let mut trees = Vec::with_capacity(self.n_estimators);
            let total = self.n_estimators as u64;
            for first in (0..self.n_estimators).step_by(TOGETHER) {
                session.meter().work("trees", first as u64, total)?;
                let some = first..self.n_estimators.min(first + TOGETHER);
                let seed = session.seed();
                trees.par_extend(
                    some.into_par_iter()
                        .map(|tree| grow(rows, psi, seed, tree as u64).finish()),
                );
            }
            session.meter().work("trees", total, total)?;
            let mut outcome = Outcome::new(Forest {
                trees,
                normaliser: average_path(psi),
                d: rows.n_cols(),
            });
            let warning = Warning::fewer_rows("max_samples", self.max_samples, psi);
            outcome.warnings.extend(warning);
            Ok(outcome)
        })
    }

    fn restore(&self, n_features: usize, reader: &mut Reader) -> Result<Box<dyn Detector>> {
        self.stage()
            .restore(n_features, reader, |n_features, reader| {
                Forest::restore(self, n_features, reader)
            })
    }
}

impl Forest {
    /// Reads the trees of a model file and checks each of them.
    fn restore(spec: &IforestSpec, n_features: usize, reader: &mut Reader) -> Result<Self> {
        let counts = reader.u32("trees.nodes")?;
        let features = reader.u32("trees.feature")?;
        let sizes = reader.u32("trees.size")?;
        let thresholds = reader.f32("trees.threshold", &[features.len()])?;
        if counts.len() != spec.n_estimators {
            let found = format!("{} trees", counts.len());
            let expected = format!("{} trees", spec.n_estimators);
            return Err(reader.corrupt("trees.nodes", found, expected));
        }
        let psi = sizes.first().copied().unwrap_or(0);
        if psi < 2 || psi as usize > spec.max_samples {
            let expected = format!("a sample of 2 to {} rows", spec.max_samples);
            return Err(reader.corrupt("trees.size", format!("{psi} rows"), expected));
        }
        let mut rest = (&features[..], &thresholds[..], &sizes[..]);
        let trees = counts.iter().map(|&count| {
            let nodes = count as usize;
            let feature = rest.0.split_off(..nodes)?;
            let threshold = rest.1.split_off(..nodes)?;
            let size = rest.2.split_off(..nodes)?;
            let whole = size.first() == Some(&psi);
            let grown = Grown {
                feature: feature.to_vec(),
                threshold: threshold.to_vec(),
                size: size.to_vec(),
            };
            (whole && grown.is_sound(n_features, psi as usize)).then(|| grown.finish())
        });
        let trees: Option<Vec<Tree>> = trees.collect();
        let whole = rest.0.is_empty() && rest.2.is_empty();
        match trees {
            Some(trees) if whole => Ok(Self {
                trees,
                normaliser: average_path(psi as usize),
                d: n_features,
            }),
            _ => Err(reader.corrupt(
                "trees",
                "nodes that do not make trees",
                format!("trees over {psi} rows of {n_features} columns"),
            )),
        }
    }
}

impl Detector for Forest {
    fn n_features(&self) -> usize {
        self.d
    }

    fn score_into(&self, rows: Rows<'_>, out: &mut [f64]) -> Result<()> {
        let block = (BLOCK_VALUES / self.d).clamp(16, 1024);
        let blocks: Vec<_> = rows.blocks(block).collect();
        let whole = self.trees.len() as f64 * self.normaliser;
        blocks
            .into_par_iter()
            .zip(out.par_chunks_mut(block))
            .for_each(|(rows, out)| {
                out.fill(0.0);
                for tree in &self.trees {
                    tree.add_paths(rows, out);
                }
                for path in out {
                    *path = (-*path / whole).exp2();
                }
            });
        Ok(())
    }

    fn save(&self, writer: &mut Writer) {
        let grown: Vec<Grown> = self.trees.iter().map(Tree::grown).collect();
        let counts: Vec<u32> = grown.iter().map(|g| g.size.len() as u32).collect();
        let features: Vec<u32> = grown.iter().flat_map(|g| &g.feature).copied().collect();
        let thresholds: Vec<f32> = grown.iter().flat_map(|g| &g.threshold).copied().collect();
        let sizes: Vec<u32> = grown.iter().flat_map(|g| &g.size).copied().collect();
        writer.u32("trees.nodes", &counts);
        writer.u32("trees.feature", &features);
        writer.f32("trees.threshold", &[thresholds.len()], &thresholds);
        writer.u32("trees.size", &sizes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Spec;
    use crate::rows::Matrix;

    /// Two rows: every tree is one split between them, both paths have length 1 = c(2), and
    /// both rows the score 1/2.
    #[test]
    fn two_rows_by_hand() {
        let rows = Matrix::new(vec![0.0, 1.0, 1.0, 1.0], 2).unwrap();
        let spec = IforestSpec {
            n_estimators: 3,
            ..IforestSpec::default()
        };
        let error = Spec::Iforest(spec).fit(rows.rows(), 0, &mut ());
        let error = error.unwrap_err();
        assert!(
            matches!(error, crate::Error::ConstantScores { n_rows: 2, score } if score == 0.5),
            "{error}"
        );
    }

    /// Of 0, 0, ..., 0 and 1 every first split isolates the 1: its path is 1, that of the n - 1
    /// equal rows 1 + c(n - 1).
    #[test]
    fn duplicates_share_a_leaf_by_hand() {
        let mut data = vec![0.0; 8];
        data[5] = 1.0;
        let rows = Matrix::new(data, 1).unwrap();
        let fitted = Spec::Iforest(IforestSpec::default()).fit(rows.rows(), 0, &mut ());
        let scores = fitted.unwrap().score(rows.rows()).unwrap();
        let c = average_path(8);
        for (i, score) in scores.iter().enumerate() {
            let path = if i == 5 { 1.0 } else { 1.0 + average_path(7) };
            assert!((score - (-path / c).exp2()).abs() < 1e-12, "row {i}");
        }
    }
}
