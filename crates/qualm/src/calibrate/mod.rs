//! From scores to decisions: conformal p-values and thresholds against reference scores.
//!
//! # p-values
//!
//! With reference scores `r_1 .. r_n`, a new score `s` has
//!
//! ```text
//! p(s) = (1 + #{i : r_i >= s}) / (1 + n)
//! ```
//!
//! (V. Vovk, A. Gammerman and G. Shafer, *Algorithmic Learning in a Random World*, 2005;
//! for outlier detection S. Bates, E. Candès, L. Lei, Y. Romano and M. Sesia, 'Testing for
//! outliers with conformal p-values', *Annals of Statistics* 51, 2023.) If the new row is
//! exchangeable with the reference rows, then `P(p(s) <= a) <= a` for every `a`, whatever
//! the detector and the data: flagging `p <= 0.05` raises at most 5 per cent false alarms,
//! on average over the reference rows that one may have drawn.
//!
//! That holds when the reference rows were *held out* of the fit. Rows that the detector
//! was fitted on tend to score lower than new rows of the same kind, by as much as it
//! over-fits, so against them the guarantee is only approximate and errs towards too many
//! alarms. Nor does it hold if the reference rows themselves contain outliers: then
//! p-values are too large, and alarms too few.

mod calibration;
mod cells;
mod probability;
mod rule;

pub use calibration::Calibration;
pub use cells::{CellCalibration, ScoreCells};
pub use probability::Conversion;
pub use rule::ThresholdRule;
