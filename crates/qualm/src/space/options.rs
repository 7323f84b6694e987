//! The spaces by name, and what each needs besides its name.

use serde::{Deserialize, Serialize};

use super::mahalanobis::Metric;
use crate::reference::Reference;

/// How rows become the vectors that a model sees. On `Unit`, `Sphere` and `Kernel` the vectors
/// have unit norm, so that their dot product is a cosine similarity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SpaceKind {
    /// Rows as they are.
    Identity,
    /// Each feature to \[0, 1\] over the fitted rows: the paper's choice for tables.
    Minmax,
    /// Each feature to mean 0 and standard deviation 1.
    #[serde(alias = "standardize")]
    Standardise,
    /// Rows divided by their Euclidean norm, for vectors whose directions have a meaning.
    Unit,
    /// Standardised, then divided by the norm.
    Sphere,
    /// Standardised, then whitened by a robust, shrunken covariance ([`Scaling::Robust`]).
    Robust,
    /// Standardised, then random Fourier features of a Gaussian kernel (Rahimi & Recht,
    /// 2007): dot products approximate `exp(-|x - y|^2 / (2 bandwidth^2))`.
    Kernel,
}

/// How the rows of a baseline are scaled: [`SpaceKind`] without the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Scaling {
    /// Rows as they are, as scikit-learn and `PyOD` take them.
    Identity,
    /// Each feature to \[0, 1\] over the fitted rows: the paper's Table 2.
    Minmax,
    /// Each feature to mean 0 and standard deviation 1.
    #[serde(alias = "standardize")]
    Standardise,
    /// Rows divided by their Euclidean norm.
    Unit,
    /// Standardised, then divided by the norm.
    Sphere,
    /// Standardised, then whitened by a robust, shrunken covariance: each direction is measured
    /// in units of the standard deviation of most of the rows, or of all where
    /// [`Reference::Clean`] says that none is an outlier. Correlated columns count once.
    Robust,
}

/// How rows are scaled before the kernel of [`SpaceKind::Kernel`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum KernelScaling {
    /// Each feature to mean 0 and standard deviation 1: for tables, whose columns have units
    /// of their own.
    #[serde(alias = "standardize")]
    Standardise,
    /// Each row to Euclidean norm 1: for vectors whose directions have a meaning.
    Unit,
    /// Decided by the rows: `Unit` where [no column dominates](KernelMetric::Auto),
    /// `Standardise` otherwise. The Spec of the fitted model holds the decision.
    Auto,
}

/// The distance between scaled rows in the kernel of [`SpaceKind::Kernel`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum KernelMetric {
    /// Euclidean: correlated columns count several times.
    Euclidean,
    /// Mahalanobis, with a robust, shrunken covariance: each direction is measured in units
    /// of the standard deviation of most of the rows.
    Robust,
    /// Euclidean, between the normal scores of the columns: each value counts by its rank, so that
    /// heavy-tailed columns do not decide every distance.
    Normal,
    /// The members of an ensemble take turns, the first with the Euclidean distance, the second
    /// with the robust one.
    Both,
    /// The members of an ensemble take turns, the first with the robust distance, the second with
    /// that of normal scores.
    Balanced,
    /// Decided by the rows: `Robust` where no column has a tenth of the total variance, as in
    /// the outputs of a network and in tables of many columns of one unit; otherwise `Balanced`.
    /// The Spec of the fitted model holds the decision.
    Auto,
}

/// The distance of one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MemberMetric {
    Euclidean,
    Robust,
    Normal,
}

/// A space with what it needs to be fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum SpaceOptions {
    /// Scaling alone, or followed by the division by the norm or by whitening.
    Scaled(Scaling, Reference),
    /// Whitening of rows whose columns have one unit and are not scaled.
    Whitened(Reference),
    /// [`Scaling::Unit`] of rows whose mean is subtracted first.
    CentredUnit,
    /// Random Fourier features.
    Kernel(KernelOptions),
    /// Rows whose Euclidean distance is the one that the kernel is of.
    Exact(KernelOptions),
}

/// What a kernel needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct KernelOptions {
    /// In medians of the distance between two rows.
    pub(crate) bandwidth: f64,
    /// Width of the result, even.
    pub(crate) fourier_features: usize,
    pub(crate) scaling: KernelScaling,
    pub(crate) metric: KernelMetric,
    pub(crate) reference: Reference,
}

impl SpaceOptions {
    /// Bytes that fitting takes besides the rows, at the least, for so many members.
    pub(crate) fn memory(&self, members: usize, n_rows: usize, n_features: usize) -> u64 {
        let is_robust = match self {
            Self::Kernel(kernel) | Self::Exact(kernel) => {
                (0..members.min(2) as u64).any(|m| kernel.is_robust(m))
            }
            Self::Scaled(scaling, _) => *scaling == Scaling::Robust,
            Self::Whitened(_) => true,
            Self::CentredUnit => false,
        };
        if is_robust {
            Metric::memory(n_rows, n_features)
        } else {
            0
        }
    }
}

impl KernelOptions {
    /// The distance that a member's kernel is of.
    pub(super) fn metric_of(&self, member: u64) -> MemberMetric {
        let second = !member.is_multiple_of(2);
        match (self.metric, second) {
            (KernelMetric::Euclidean, _) | (KernelMetric::Both, false) => MemberMetric::Euclidean,
            // `Auto` has been decided by the rows before a fit; until then it may be `Balanced`.
            (KernelMetric::Robust, _)
            | (KernelMetric::Both, true)
            | (KernelMetric::Balanced | KernelMetric::Auto, false) => MemberMetric::Robust,
            (KernelMetric::Normal, _) | (KernelMetric::Balanced | KernelMetric::Auto, true) => {
                MemberMetric::Normal
            }
        }
    }

    /// Whether a member's kernel is of the robust distance.
    pub(super) fn is_robust(&self, member: u64) -> bool {
        self.metric_of(member) == MemberMetric::Robust
    }

    /// Whether rows are divided by their norm before the kernel.
    pub(super) fn unit_rows(&self) -> bool {
        self.scaling == KernelScaling::Unit
    }
}
