//! The Deep Uncertainty Model (Anonymous, *A Simple Framework for Uncertainty in
//! Contrastive Learning*, 2020, sections 3 and 4).
//!
//! A network f1 gives each vector z a log-variance s(z); the row's distribution is
//! `N(z, diag(exp s))`. Its mean is the vector itself and is never learned, which keeps the
//! embedding as it was. Bags of m such Gaussians are multiplied into one, and f1 is trained
//! so that the means of two disjoint bags agree ([`Similarity`]). A bag's mean leans towards
//! its certain rows, so rows that resemble what the data have most of become certain, and
//! the size of a new row's covariance ([`Statistic`]) says how much to trust it.
//!
//! Where we differ from the paper, and why: the paper feeds \[0, 1\] features to the dot
//! product, which rewards large values as such. Ours work with a kernel or on the unit sphere
//! (see [`crate::space`]), bound the log-variances and take small bags. The default f1 is not
//! trained: it is the fixed point that training leads to ([`Network::Kernel`]). Rows beyond the
//! fitted ones have a variance that grows with their distance ([`Extrapolation`]). The preset
//! `paper` is the recipe to the letter but for that.

mod align;
mod cells;
mod choices;
pub(crate) mod device;
pub(crate) mod engine;
mod extremes;
mod fitting;
#[cfg(test)]
#[path = "../../tests/golden/objective.rs"]
mod golden;
mod kernel_network;
pub(crate) mod model;
mod objective;
pub(crate) mod plan;
mod ranges;
mod reach;
pub(crate) mod spec;
mod statistic;
mod sweeps;
pub(crate) mod train;

pub use choices::{BagSize, Bags, Bandwidth, CellCount, Exponent, Extrapolation, Network};
pub use objective::{Covariance, Similarity};
pub use spec::DumSpec;
pub use statistic::Statistic;
