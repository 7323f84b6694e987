//! Fitting: the loop of training steps that all networks share, its checkpoints, and what a
//! long fit tells its caller.
//!
//! A [`Learner`] owns a network and its optimiser; [`Session::train`] takes its steps, hands out
//! [`Checkpoint`]s and listens for interruptions through [`Progress`]. Work without steps, such as
//! a search for neighbours, reports through a [`Meter`].

pub(crate) mod checkpoint;
pub(crate) mod progress;
pub(crate) mod session;
pub(crate) mod shuffled;
pub(crate) mod state;
pub(crate) mod training;
pub(crate) mod warning;
pub(crate) mod watch;

pub use checkpoint::{Checkpoint, Identity};
pub use progress::{Meter, Progress, Signal, Step, Work};
pub use session::Session;
pub use shuffled::Shuffled;
pub use state::{Curve, StepOutcome};
pub use training::{Learner, Schedule};
pub use warning::Warning;
