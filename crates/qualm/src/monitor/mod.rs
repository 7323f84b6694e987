//! Has the input of a fitted model changed? Statistics of its scores, and state as data.
//!
//! Two kinds of answers, with two kinds of promises:
//!
//! * **Window tests** ([`WindowTest`]) compare the scores of a finished window with those of a reference,
//!   once. This is the paper's use (section 4.1). Looked at every day, a test at level 0.05 is
//!   wrong every twentieth day; [`holm`] and [`benjamini_hochberg`] correct for a number of windows that is
//!   known beforehand.
//! * The **sequential test** ([`Sequential`]) may be looked at after every row. With
//!   [`Guarantee::Ever`] the probability that it ever raises a false alarm is at most alpha, however long it
//!   runs; with [`Guarantee::RunLength`] the mean number of rows between false alarms is at least what was
//!   asked for, for services that are armed again after each alarm. [`Streams`] watches several streams beside
//!   one reference.
//!
//! The sequential promises hold when, without a change, the rows of reference and stream are
//! exchangeable: their order tells nothing. Frames of a video are not ([`Thinning`] helps), and
//! neither are rows sorted by time of day.

mod columns;
mod corrections;
mod evidence;
mod martingale;
mod ranks;
mod sequential;
mod state;
mod streams;
mod window;

#[cfg(test)]
#[path = "../../tests/golden/monitor.rs"]
mod golden;

pub use columns::{ColumnMoments, ColumnShift};
pub use corrections::{benjamini_hochberg, e_benjamini_hochberg, holm};
pub use evidence::Guarantee;
pub use martingale::Jumper;
pub use ranks::{CELLS, Ranks};
pub use sequential::{Sequential, SequentialSpec, Thinning, Update, autocorrelation, dependence};
pub use state::digest_of_scores;
pub use streams::{Across, Stream, StreamAlarm, Streams};
pub use window::{Difference, WindowTest};
