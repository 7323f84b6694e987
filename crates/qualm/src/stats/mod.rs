//! Ranking metrics: AUROC with its confidence interval, average precision and others; a test of two
//! means; how far scores have moved; how well they tell what is out of distribution; and how well
//! embeddings tell classes apart.
//!
//! Labels are used here and nowhere else: no detector sees them, and no score changes its sign
//! because of them.

mod delong;
mod metrics;
mod nearest;
mod roc;
mod separation;
mod shift;
mod spread;
mod welch;

pub use delong::Interval;
pub use metrics::Metrics;
pub use nearest::NearestClasses;
pub use roc::Roc;
pub use separation::{Estimate, Separation};
pub use shift::Shift;
pub use spread::Spread;
pub use welch::{Moments, Welch};
