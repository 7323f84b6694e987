//! What each command says, as data: one serde struct a command.
//!
//! The command line prints these structs with `--json`; pages, Python and servers build the
//! same ones from the same [`crate::Fitted`] and [`crate::stats::Metrics`]. Every report has
//! `report_version`; in a document written before there was a version it reads as 0. Times
//! are in seconds, sizes in bytes, metrics are fractions in \[0, 1\]. `docs/reports.md`
//! lists every field.

mod bench;
mod corrupt;
mod corruption;
mod demo;
mod embed;
mod eval;
mod fit;
mod info;
mod monitor;
mod ood;
mod ood_bench;
mod score;
mod train;
mod version;

pub use bench::{BenchReport, BenchRow};
pub use corrupt::CorruptReport;
pub use corruption::{CorruptionReport, CorruptionRow};
pub use demo::{DemoReport, DemoRow};
pub use embed::{EmbedReport, EncoderReport};
pub use eval::EvalReport;
pub use fit::FitReport;
pub use info::{InfoReport, ReferenceScores};
pub use monitor::{
    MonitorAlarm, MonitorColumn, MonitorEvidence, MonitorReport, MonitorRow, MonitorShare,
    MonitorStream, MonitorStretch, MonitorWindow,
};
pub use ood::{OodFitReport, OodInfoReport, OodListReport};
pub use ood_bench::{
    OodBenchCell, OodBenchMean, OodBenchNetwork, OodBenchReport, OodBenchRow, OodBenchSet,
    OodGroup, OodNetworkKind,
};
pub use score::ScoreReport;
pub use train::{TrainEpoch, TrainReport};
pub use version::REPORT_VERSION;

#[cfg(test)]
mod tests;
