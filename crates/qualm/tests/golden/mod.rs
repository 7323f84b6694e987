//! Scores beside those of independent implementations; `README.md` says how the files were made.
//!
//! `baselines.rs`, `ee.rs`, `objective.rs` and `ocsvm.rs` are no modules here: they need what is private and are
//! unit tests of the library, which includes them from this folder.

mod contrast;
mod distances;
mod ecod;
mod ensembles;
mod kernel_network;
mod metrics;
mod neighbours;
mod ood;
mod whitened;
