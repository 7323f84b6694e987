//! Fitting: the loop of training steps that all networks share, its checkpoints, and what a
//! long fit tells its caller.

pub(crate) mod checkpoint;
pub(crate) mod progress;
pub(crate) mod training;
pub(crate) mod warning;

pub use checkpoint::Checkpoint;
pub use progress::{Meter, Progress, Signal, Step, Work};
pub use warning::Warning;
