//! The hyper-parameters of the Deep Uncertainty Model, and its presets.

use serde::{Deserialize, Serialize};

use super::choices::{BagSize, Bags, CellCount};
use super::objective::{Covariance, Similarity};
use super::statistic::Statistic;
use super::train::CACHED;
use super::{Dum, device};
use crate::container::Reader;
use crate::detector::{Detector, DetectorSpec, Outcome, require};
use crate::device::{Device, DeviceError};
use crate::error::{Error, Result};
use crate::features::Features;
use crate::fit::training::Session;
use crate::fit::warning::Warning;
use crate::nn::{Adam, Mlp, Workspace};
use crate::rows::Rows;
use crate::space::{KernelMetric, KernelScaling, SpaceKind, SpaceOptions, one_unit};

/// Every choice of the Deep Uncertainty Model.
///
/// `DumSpec::default()` is the preset for tables; [`DumSpec::preset`] gives the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DumSpec {
    /// How rows become vectors.
    pub space: SpaceKind,
    /// `unit` space only: subtract the mean of the fitted rows before dividing by the norm.
    pub centre: bool,
    /// `kernel` space only: bandwidth of the Gaussian kernel, in medians of the distance
    /// between two rows. Above 0.
    pub bandwidth: f64,
    /// `kernel` space only: number of random Fourier features. Even, 2 to 65,536.
    pub fourier_features: usize,
    /// `kernel` space only: what rows are scaled to first.
    pub scaling: KernelScaling,
    /// `kernel` space only: which distance between rows the kernel is of.
    pub metric: KernelMetric,
    /// One variance for each dimension, or one for all.
    pub covariance: Covariance,
    /// How the means of two bags are compared.
    pub objective: Similarity,
    /// Rows in a bag, m. At least 2: with one the objective has no gradient.
    pub bag_size: BagSize,
    /// Where the rows of a pair of bags come from.
    pub bags: Bags,
    /// Local bags only: how many k-means cells.
    pub cells: CellCount,
    /// Width of the hidden layers, h. 1 to 65,536.
    pub hidden: usize,
    /// Linear layers, at least 1; the paper has 3.
    pub layers: usize,
    /// Passes over the rows, at least 1.
    pub epochs: u64,
    /// Steps to take at the least, however few rows there are: small sets need steps, not
    /// epochs.
    pub min_steps: u64,
    /// Steps to take at the most, however many rows there are; 0 for no limit.
    pub max_steps: u64,
    /// Rows in a training step, at least 4; cut to whole pairs of bags.
    pub batch_size: usize,
    /// Adam's step size. Above 0.
    pub learning_rate: f64,
    /// Decoupled weight decay, 0 or above. 0 is plain Adam.
    pub weight_decay: f64,
    /// Soft clamp of the log-variances: `b tanh(s / b)`; 0 for none. Without one the loss
    /// can be lowered for ever by more contrast.
    pub log_variance_bound: f64,
    /// Which number of a row's covariance is its score.
    pub statistic: Statistic,
    /// Standard deviation of the Gaussian noise that makes a random view of a row, in units
    /// of the scaled features; 0 for none.
    pub view_noise: f64,
    /// Networks trained from different first weights and averaged, at least 1.
    pub members: usize,
    /// Where the network is trained and run.
    pub device: Device,
}

impl Default for DumSpec {
    fn default() -> Self {
        Self {
            space: SpaceKind::Kernel,
            centre: false,
            bandwidth: 1.0,
            fourier_features: 512,
            scaling: KernelScaling::Standardise,
            metric: KernelMetric::Both,
            covariance: Covariance::Circular,
            objective: Similarity::Dot,
            bag_size: BagSize::Rows(2),
            bags: Bags::Global,
            cells: CellCount::Auto,
            hidden: 64,
            layers: 3,
            epochs: 30,
            min_steps: 1000,
            max_steps: 5000,
            batch_size: 256,
            learning_rate: 1e-3,
            weight_decay: 0.0,
            log_variance_bound: 10.0,
            statistic: Statistic::Norm,
            view_noise: 0.0,
            members: 2,
            device: Device::Cpu,
        }
    }
}

impl DumSpec {
    /// Names of the presets.
    pub const PRESETS: &[&str] = &[
        "default",
        "sphere",
        "embedding",
        "paper",
        "features",
        "auto",
        "clusters",
    ];

    /// A preset by name.
    ///
    /// - `default`, for tables: two networks on kernel spheres, one of the plain distance
    ///   between rows and one of a robust Mahalanobis distance.
    /// - `embedding`, for vectors whose geometry has a meaning: rows on the unit sphere, then
    ///   the robust distance.
    /// - `auto`: `embedding` where no column has a tenth of the variance of all, `default`
    ///   otherwise.
    /// - `clusters`, for vectors whose usual rows are of several kinds, as the classes of an
    ///   image encoder are: bags from one neighbourhood each, on the centred unit sphere.
    /// - `features`, for the outputs of an encoder after its last rectifier: the paper's
    ///   objective on values as they are, whose size says how much was recognised; bounded, and
    ///   scored by the mean of the log-variances, because their largest is chance.
    /// - `sphere`, for tables whose scores should explain themselves: one variance for each
    ///   column.
    /// - `paper`: the recipe of the paper to the letter.
    ///
    /// # Errors
    /// [`Error::UnknownPreset`].
    pub fn preset(name: &str) -> Result<Self> {
        let single = Self {
            hidden: 256,
            max_steps: 20_000,
            members: 1,
            ..Self::default()
        };
        let literal = Self {
            covariance: Covariance::Diagonal,
            bag_size: BagSize::Half,
            log_variance_bound: 0.0,
            ..single.clone()
        };
        match name {
            "default" => Ok(Self::default()),
            "embedding" => Ok(Self {
                scaling: KernelScaling::Unit,
                metric: KernelMetric::Robust,
                ..Self::default()
            }),
            "auto" => Ok(Self {
                scaling: KernelScaling::Auto,
                metric: KernelMetric::Auto,
                ..Self::default()
            }),
            "clusters" => Ok(Self {
                space: SpaceKind::Unit,
                centre: true,
                bags: Bags::Local,
                bag_size: BagSize::Rows(4),
                ..Self::default()
            }),
            "features" => Ok(Self {
                space: SpaceKind::Identity,
                log_variance_bound: 10.0,
                statistic: Statistic::Entropy,
                ..literal
            }),
            "sphere" => Ok(Self {
                space: SpaceKind::Sphere,
                covariance: Covariance::Diagonal,
                bag_size: BagSize::Rows(4),
                ..single
            }),
            "paper" => Ok(Self {
                space: SpaceKind::Minmax,
                hidden: 4096,
                epochs: 100,
                min_steps: 0,
                max_steps: 0,
                ..literal
            }),
            _ => Err(Error::UnknownPreset {
                found: name.to_owned(),
                detector: "dum",
                known: Self::PRESETS,
            }),
        }
    }

    /// Each key with a range: its value, whether that is inside, and what it may be.
    fn ranges(&self) -> [(&'static str, f64, bool, &'static str); 16] {
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let not_negative = |x: f64| x.is_finite() && x >= 0.0;
        let fourier = self.fourier_features;
        let bag = match self.bag_size {
            BagSize::Rows(m) => m,
            BagSize::Half => self.batch_size / 2,
        };
        [
            (
                "bandwidth",
                self.bandwidth,
                positive(self.bandwidth),
                "a number above 0",
            ),
            (
                "fourier_features",
                fourier as f64,
                fourier.is_multiple_of(2) && (2..=65_536).contains(&fourier),
                "an even number from 2 to 65536",
            ),
            (
                "batch_size",
                self.batch_size as f64,
                (4..=1 << 24).contains(&self.batch_size),
                "4 to 16777216",
            ),
            (
                "bag_size",
                bag as f64,
                bag >= 2,
                "at least 2 (with one row a bag the objective has no gradient) or \"half\"",
            ),
            (
                "bag_size",
                bag as f64,
                bag <= self.batch_size / 2,
                "at most half the batch_size, so that a batch holds a pair of bags",
            ),
            (
                "cells",
                self.cells.of(0) as f64,
                (1..=1_000_000).contains(&self.cells.of(0)),
                "1 to 1000000 or \"auto\"",
            ),
            (
                "hidden",
                self.hidden as f64,
                (1..=65_536).contains(&self.hidden),
                "1 to 65536",
            ),
            (
                "layers",
                self.layers as f64,
                (1..=64).contains(&self.layers),
                "1 to 64",
            ),
            ("epochs", self.epochs as f64, self.epochs >= 1, "at least 1"),
            (
                "max_steps",
                self.max_steps as f64,
                self.max_steps == 0 || self.max_steps >= self.min_steps,
                "0 (no limit) or at least min_steps",
            ),
            (
                "learning_rate",
                self.learning_rate,
                positive(self.learning_rate),
                "a number above 0",
            ),
            (
                "weight_decay",
                self.weight_decay,
                not_negative(self.weight_decay),
                "0 or above",
            ),
            (
                "log_variance_bound",
                self.log_variance_bound,
                (0.0..=1e30).contains(&self.log_variance_bound),
                "0 (none) to 1e30",
            ),
            (
                "view_noise",
                self.view_noise,
                not_negative(self.view_noise),
                "0 or above",
            ),
            (
                "members",
                self.members as f64,
                (1..=1000).contains(&self.members),
                "1 to 1000",
            ),
            // Adam's numbers are float32.
            (
                "learning_rate",
                self.learning_rate,
                self.learning_rate as f32 > 0.0 && (self.learning_rate as f32).is_finite(),
                "a number that float32 can hold",
            ),
        ]
    }

    pub(crate) fn space_options(&self) -> SpaceOptions {
        SpaceOptions {
            kind: self.space,
            centre: self.centre,
            bandwidth: self.bandwidth,
            fourier_features: self.fourier_features,
            scaling: self.scaling,
            metric: self.metric,
        }
    }

    /// Lets the rows decide what is left to them.
    fn decide(&mut self, rows: Rows<'_>) {
        let asks = self.scaling == KernelScaling::Auto || self.metric == KernelMetric::Auto;
        if self.space == SpaceKind::Kernel && asks {
            let (scaling, metric) = if one_unit(rows) {
                (KernelScaling::Unit, KernelMetric::Robust)
            } else {
                (KernelScaling::Standardise, KernelMetric::Both)
            };
            if self.scaling == KernelScaling::Auto {
                self.scaling = scaling;
            }
            if self.metric == KernelMetric::Auto {
                self.metric = metric;
            }
        }
    }

    pub(crate) fn adam(&self) -> Adam {
        Adam {
            learning_rate: self.learning_rate as f32,
            weight_decay: self.weight_decay as f32,
        }
    }

    /// Width of the vectors that rows of width `d` become.
    fn vector_width(&self, d: usize) -> usize {
        match self.space {
            SpaceKind::Kernel => self.fourier_features,
            _ => d,
        }
    }

    /// Layer sizes of the network f1 over vectors of width `d`.
    pub(crate) fn layer_sizes(&self, d: usize) -> Vec<usize> {
        let out = match self.covariance {
            Covariance::Diagonal => d,
            Covariance::Circular => 1,
        };
        let mut sizes = vec![self.hidden; self.layers + 1];
        sizes[0] = d;
        sizes[self.layers] = out;
        sizes
    }
}

impl DetectorSpec for DumSpec {
    fn validate(&self) -> Result<()> {
        let mut ranges = self.ranges().into_iter();
        ranges.try_for_each(|(key, value, holds, expected)| require(key, value, holds, expected))
    }

    /// The parameters with Adam's memory of every member, the buffers of a step, and the
    /// vectors of the rows.
    fn memory(&self, n_rows: usize, d: usize) -> u64 {
        let width = self.vector_width(d);
        let sizes = self.layer_sizes(width);
        let n_params = Mlp::n_params(&sizes).map_or(u64::MAX, |n| n as u64);
        // A finished member stays whole, so that a checkpoint can hold it.
        let copies = if self.members == 1 { 3 } else { 4 };
        let params = n_params.saturating_mul(copies * self.members as u64);
        let batch = self.batch_size.min(n_rows.max(4)) as u64;
        let step = Workspace::values(&sizes).saturating_mul(batch);
        let vectors = (n_rows as u64).saturating_mul(width as u64);
        let values = params.saturating_add(step);
        values
            .saturating_add(vectors.min(CACHED as u64))
            .saturating_mul(4)
            .max(self.space_options().memory(self.members, n_rows, d))
    }

    fn presets(&self) -> &'static [&'static str] {
        Self::PRESETS
    }

    fn set_preset(&mut self, name: &str) -> bool {
        let preset = Self::preset(name);
        preset.map(|preset| *self = preset).is_ok()
    }

    fn preset_for(&self, features: &Features) -> &'static str {
        match features {
            Features::Columns(_) => "default",
            Features::Vector { .. } => "embedding",
        }
    }

    fn adapt(&mut self, rows: Rows<'_>) -> Vec<Warning> {
        self.decide(rows);
        Vec::new()
    }

    fn device(&self) -> Device {
        self.device
    }

    fn set_device(&mut self, device: Device) -> Result<(), DeviceError> {
        self.device = device;
        Ok(())
    }

    fn check_device_memory(&self, n_rows: usize, d: usize) -> Result<()> {
        let sizes = self.layer_sizes(self.vector_width(d));
        device::check_memory(self.device, &sizes, self.batch_size.min(n_rows.max(4)))
    }

    fn absent_keys(&self) -> &'static [(&'static str, &'static str)] {
        // The only metric there was.
        &[("metric", "euclidean")]
    }

    fn fit(&self, rows: Rows<'_>, session: &mut Session<'_>) -> Result<Outcome> {
        Ok(Dum::fit(self, rows, session)?.boxed(|dum| dum))
    }

    fn restore(&self, n_features: usize, reader: &mut Reader) -> Result<Box<dyn Detector>> {
        Ok(Box::new(Dum::restore(self, n_features, reader)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Matrix;

    #[test]
    fn every_preset_is_valid_and_the_paper_is_the_paper() {
        for name in DumSpec::PRESETS {
            DumSpec::preset(name).unwrap().validate().unwrap();
        }
        let paper = DumSpec::preset("paper").unwrap();
        assert_eq!(paper.layer_sizes(30), [30, 4096, 4096, 30]);
        assert_eq!((paper.batch_size, paper.epochs), (256, 100));
        assert!(matches!(
            DumSpec::preset("best"),
            Err(Error::UnknownPreset { .. })
        ));
    }

    #[test]
    fn auto_asks_the_rows_and_leaves_what_was_chosen() {
        let auto = DumSpec::preset("auto").unwrap();
        // Twenty columns alike; then one of them a thousand times as wide.
        let alike: Vec<f32> = (0..4000).map(|i| ((i * 7919) % 101) as f32).collect();
        let mut wide = alike.clone();
        wide.iter_mut().step_by(20).for_each(|x| *x *= 1000.0);
        let alike = Matrix::new(alike, 20).unwrap();
        let wide = Matrix::new(wide, 20).unwrap();
        let embedding = DumSpec::preset("embedding").unwrap();
        let decided = |spec: &DumSpec, rows: &Matrix| {
            let mut spec = spec.clone();
            spec.decide(rows.rows());
            spec
        };
        assert_eq!(decided(&auto, &alike), embedding);
        assert_eq!(decided(&auto, &wide), DumSpec::default());
        let chosen = DumSpec {
            metric: KernelMetric::Euclidean,
            ..auto
        };
        let settled = decided(&chosen, &alike);
        assert_eq!(settled.metric, KernelMetric::Euclidean);
        assert_eq!(settled.scaling, KernelScaling::Unit);
        assert_eq!(decided(&embedding, &wide), embedding);
    }

    #[test]
    fn memory_is_counted_and_never_overflows() {
        let paper = DumSpec::preset("paper").unwrap();
        // 32 -> 4096 -> 4096 -> 32 has 17.05 million parameters, three float32 each.
        let bytes = paper.memory(1000, 32);
        assert!((204_000_000..260_000_000).contains(&bytes), "{bytes}");
        let huge = DumSpec {
            hidden: 65_536,
            layers: 64,
            members: 1000,
            ..paper
        };
        assert!(huge.memory(1 << 40, 1 << 40) > 1 << 52);
        huge.validate().unwrap();
    }

    #[test]
    fn one_row_a_bag_is_refused_and_says_why() {
        let spec = DumSpec {
            bag_size: BagSize::Rows(1),
            ..DumSpec::default()
        };
        let message = spec.validate().unwrap_err().to_string();
        assert!(
            message.contains("bag_size") && message.contains("no gradient"),
            "{message}"
        );
    }
}
