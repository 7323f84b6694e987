//! The training engine: dense networks, their gradients and Adam, in float32.
//!
//! One [`Mlp`] type serves every neural detector. Parameters live in one flat buffer
//! (so that the optimiser is one pass and a checkpoint one copy); activations and
//! gradients live in a [`Workspace`] that is allocated once per fit.
//!
//! Every function here gives the same bits at any thread count: work is split into
//! pieces whose results do not depend on who computes them, and sums run in a fixed
//! order.

mod adam;
mod matmul;
mod mlp;

pub(crate) use adam::{Adam, AdamState};
pub(crate) use matmul::{Mat, Threads, matmul};
pub(crate) use mlp::{Mlp, Scratch, Workspace};
