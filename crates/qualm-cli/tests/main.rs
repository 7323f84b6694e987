//! The command line from outside, one room a module. What sends signals has a process of its own:
//! `interrupt`.

mod bench;
mod bench_corruption;
mod bench_ood;
mod clean;
mod common;
mod contract;
mod corrupt;
mod diagnostics;
mod embed;
mod embeddings;
mod errors;
mod fit_sample;
mod fit_scores;
mod formats;
mod gallery;
mod inputs;
mod main_job;
mod messy;
mod messy_scores;
mod monitor;
mod monitor_streams;
mod monitor_tell;
mod monitor_text;
mod monitor_time;
mod ood;
mod ood_images;
mod outputs;
mod reference;
#[cfg(feature = "remote")]
mod remote;
mod report;
mod report_exports;
#[path = "../../qualm/tests/common/sealed.rs"]
mod sealed;
mod train;
