//! How good a ranking is: AUROC with its interval, average precision and their kin.
//!
//! Labels are read here and nowhere else: no detector sees them, and no score is ever
//! turned round because of them.

mod delong;
mod metrics;
mod roc;
mod spread;

pub use delong::Interval;
pub use metrics::Metrics;
pub use roc::Roc;
pub use spread::Spread;
