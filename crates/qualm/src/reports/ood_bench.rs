//! What the bench of out-of-distribution detectors gives.

use serde::{Deserialize, Serialize};

use crate::provenance::EncoderIdentity;
use crate::stats::{Separation, Spread};

/// What `qualm bench ood --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OodBenchReport {
    /// See [`super::REPORT_VERSION`].
    #[serde(default)]
    pub report_version: u32,
    /// `ood`.
    pub suite: String,
    /// The images in distribution.
    pub inside: OodBenchSet,
    /// The images out of distribution.
    pub outside: Vec<OodBenchSet>,
    /// The images that detectors were fitted to.
    pub train: OodBenchSet,
    /// The side in pixels that every image was brought to.
    pub side: u32,
    /// The format that every image was written in again.
    pub reencode: String,
    /// The file of the results.
    pub output: String,
    /// The table for people.
    pub table: String,
    /// The networks.
    pub networks: Vec<OodBenchNetwork>,
    /// The seed of the fits, of the images drawn and of the bootstrap.
    pub seed: u64,
    /// One for each network, detector and set out of distribution.
    pub results: Vec<OodBenchRow>,
    /// Means over sets and over classifiers.
    pub means: Vec<OodBenchMean>,
}

/// One set of images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OodBenchSet {
    /// What the results call it.
    pub name: String,
    /// Where the images are.
    pub images: String,
    /// Whether it is near to the images in distribution or far from them, where that was said.
    pub group: Option<OodGroup>,
    /// Images used.
    pub n: u64,
    /// Images left out because they are among the fitted ones.
    pub n_dropped: u64,
}

/// How far a set is from the images in distribution, as whoever chose it sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OodGroup {
    /// Other classes of the same kind of pictures.
    Near,
    /// Another kind of pictures.
    Far,
}

impl OodGroup {
    /// `near` or `far`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Near => "near",
            Self::Far => "far",
        }
    }
}

/// What a network is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OodNetworkKind {
    /// The detectors that need its logits or layers.
    Classifier,
    /// The detectors of features, on its embeddings.
    Encoder,
}

impl OodNetworkKind {
    /// `classifier` or `encoder`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Classifier => "classifier",
            Self::Encoder => "encoder",
        }
    }
}

/// One network of the bench.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OodBenchNetwork {
    /// What the results call it.
    pub name: String,
    /// What it is there for.
    pub kind: OodNetworkKind,
    /// Its file and preprocessing.
    pub encoder: EncoderIdentity,
}

/// What a row of results is of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OodBenchCell {
    /// The network.
    pub network: String,
    /// What it is there for.
    pub kind: OodNetworkKind,
    /// The detector as it was asked for.
    pub detector: String,
    /// The set out of distribution.
    pub out: String,
    /// Whether that is near or far, where it was said.
    pub group: Option<OodGroup>,
    /// Share of the images in distribution that the classifier puts in their class; `null` without
    /// labels or logits.
    pub accuracy: Option<f64>,
    /// Images fitted; `null` for a detector that learns nothing.
    pub n_fitted: Option<u64>,
    /// Images in distribution.
    pub n_in: u64,
    /// Images out of distribution.
    pub n_out: u64,
}

/// A detector over a network on one set out of distribution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OodBenchRow {
    /// What the row is of: its fields stand beside the others.
    #[serde(flatten)]
    pub cell: OodBenchCell,
    /// [`Separation::auroc`].
    pub auroc: f64,
    /// The lower end of its 95 per cent interval.
    pub auroc_ci_low: f64,
    /// The upper end of the same interval.
    pub auroc_ci_high: f64,
    /// [`Separation::fpr95`].
    pub fpr95: f64,
    /// The lower end of its 95 per cent interval.
    pub fpr95_ci_low: f64,
    /// The upper end of the same interval.
    pub fpr95_ci_high: f64,
    /// [`Separation::aupr_in`].
    pub aupr_in: f64,
    /// The lower end of its 95 per cent interval.
    pub aupr_in_ci_low: f64,
    /// The upper end of the same interval.
    pub aupr_in_ci_high: f64,
    /// [`Separation::aupr_out`].
    pub aupr_out: f64,
    /// The lower end of its 95 per cent interval.
    pub aupr_out_ci_low: f64,
    /// The upper end of the same interval.
    pub aupr_out_ci_high: f64,
}

/// A mean over sets, over classifiers, or over both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OodBenchMean {
    /// What the networks are there for.
    pub kind: OodNetworkKind,
    /// The encoder; `null` for all classifiers together.
    pub network: Option<String>,
    /// The detector as it was asked for.
    pub detector: String,
    /// The set; or `near`, `far` or `all` for the mean over such sets.
    pub out: String,
    /// Networks that the mean is over.
    pub n_networks: u64,
    /// Mean over the networks.
    pub auroc: f64,
    /// Standard deviation over the networks; `null` for one.
    pub auroc_sd: Option<f64>,
    /// Mean over the networks.
    pub fpr95: f64,
    /// Standard deviation over the networks; `null` for one.
    pub fpr95_sd: Option<f64>,
    /// Mean over the networks.
    pub aupr_in: f64,
    /// Standard deviation over the networks; `null` for one.
    pub aupr_in_sd: Option<f64>,
    /// Mean over the networks.
    pub aupr_out: f64,
    /// Standard deviation over the networks; `null` for one.
    pub aupr_out_sd: Option<f64>,
}

impl OodBenchReport {
    /// The suite's name.
    pub const SUITE: &str = "ood";
    /// What the mean over all sets has for a set.
    pub const ALL: &str = "all";
}

impl OodBenchRow {
    /// The row of some measures.
    #[must_use]
    pub fn new(cell: OodBenchCell, found: &Separation) -> Self {
        let Separation {
            auroc,
            fpr95,
            aupr_in,
            aupr_out,
        } = found;
        Self {
            cell,
            auroc: auroc.value,
            auroc_ci_low: auroc.interval.low,
            auroc_ci_high: auroc.interval.high,
            fpr95: fpr95.value,
            fpr95_ci_low: fpr95.interval.low,
            fpr95_ci_high: fpr95.interval.high,
            aupr_in: aupr_in.value,
            aupr_in_ci_low: aupr_in.interval.low,
            aupr_in_ci_high: aupr_in.interval.high,
            aupr_out: aupr_out.value,
            aupr_out_ci_low: aupr_out.interval.low,
            aupr_out_ci_high: aupr_out.interval.high,
        }
    }

    /// The four measures: AUROC, FPR at 95 per cent TPR, AUPR in and out.
    #[must_use]
    pub fn measures(&self) -> [f64; 4] {
        [self.auroc, self.fpr95, self.aupr_in, self.aupr_out]
    }
}

impl OodBenchMean {
    /// Means of the rows of some sets: each list holds a network's, and counts as one value.
    ///
    /// `None` without rows.
    #[must_use]
    pub fn of(
        kind: OodNetworkKind,
        network: Option<&str>,
        detector: &str,
        out: &str,
        rows: &[Vec<&OodBenchRow>],
    ) -> Option<Self> {
        let spread = |measure: usize| {
            let of_network = |rows: &Vec<&OodBenchRow>| {
                let values = rows.iter().map(|row| row.measures());
                let values: Vec<f64> = values.filter_map(|m| m.get(measure).copied()).collect();
                Spread::from_values(&values).map(|spread| spread.mean)
            };
            let means: Vec<f64> = rows.iter().filter_map(of_network).collect();
            Spread::from_values(&means)
        };
        let [auroc, fpr95, aupr_in, aupr_out] = [spread(0)?, spread(1)?, spread(2)?, spread(3)?];
        Some(Self {
            kind,
            network: network.map(str::to_owned),
            detector: detector.to_owned(),
            out: out.to_owned(),
            n_networks: rows.iter().filter(|rows| !rows.is_empty()).count() as u64,
            auroc: auroc.mean,
            auroc_sd: auroc.sd,
            fpr95: fpr95.mean,
            fpr95_sd: fpr95.sd,
            aupr_in: aupr_in.mean,
            aupr_in_sd: aupr_in.sd,
            aupr_out: aupr_out.mean,
            aupr_out_sd: aupr_out.sd,
        })
    }
}
