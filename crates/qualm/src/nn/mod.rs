//! The training engine: dense and residual networks and their gradients, in float32.
//!
//! [`resnet`] has networks on images. One `Mlp` type serves every neural detector. Parameters live in one flat buffer
//! (so that a checkpoint is one copy); what a step writes lives in a `Workspace` that is
//! allocated once per fit. `backward.rs` says how a step is ordered and why; docs/engine.md
//! where its time goes.
//!
//! Every function here gives the same bits at any thread count: work is split into
//! pieces whose results do not depend on who computes them, and sums run in a fixed
//! order.

/// Fewer rows than this are best padded with zeros: above 64 the products give a row the same
/// bits whatever stands beside it (see [`matmul()`]).
pub(crate) const PADDED: usize = 96;

mod adam;
mod attend;
mod backward;
mod conv;
mod head;
pub mod losses;
mod matmul;
mod mlp;
pub mod resnet;
mod saved;
mod sgd;
mod share;
mod simd;
mod training_state;
mod transpose;
mod workspace;

pub(crate) use adam::Adam;
#[cfg(feature = "device")]
pub(crate) use adam::AdamState;
#[cfg(feature = "device")]
pub(crate) use adam::AdamStep;
pub(crate) use attend::keep_pool_awake;
pub use head::{Head, HeadLayout, HeadPass};
pub(crate) use matmul::{Mat, Threads, matmul};
pub(crate) use mlp::{Mlp, Scratch};
pub use sgd::{Part, Sgd, WarmupCosine, move_average, rising_momentum};
pub(crate) use simd::{dot, exp_of_negative, flush, sin_cos, tanh, vectorised};
pub(crate) use training_state::TrainingState;
pub(crate) use workspace::Workspace;
