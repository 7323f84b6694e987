//! The hyper-parameters of the Deep Uncertainty Model, and its presets.

use serde::{Deserialize, Serialize};

use super::choices::{BagSize, Bags, Bandwidth, CellCount, Exponent, Extrapolation, Network};
use super::objective::{Covariance, Similarity};
use super::statistic::Statistic;

use crate::device::Device;
use crate::error::{Error, Result};
use crate::nn::Adam;
use crate::reference::Reference;
use crate::rows::Rows;
use crate::space::{
    KernelMetric, KernelOptions, KernelScaling, Scaling, SpaceKind, SpaceOptions, one_unit,
};

/// Vectors of all rows are kept through the training when they take at most this many
/// values (256 MiB); otherwise each batch makes its own.
pub(super) const CACHED: usize = 64 << 20;

/// Keys that a kernel network has no use for.
const ONLY_MLP: &[&str] = &[
    "space",
    "fourier_features",
    "covariance",
    "objective",
    "bags",
    "hidden",
    "layers",
    "epochs",
    // Before `min_steps`, which it lowers.
    "max_steps",
    "min_steps",
    "batch_size",
    "learning_rate",
    "weight_decay",
    "log_variance_bound",
    "view_noise",
    "device",
];

/// Every choice of the Deep Uncertainty Model.
///
/// `DumSpec::default()` is the preset `default`; [`DumSpec::preset`] gives the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DumSpec {
    /// How rows become vectors.
    pub space: SpaceKind,
    /// `unit` space only: subtract the mean of the fitted rows before dividing by the norm.
    #[serde(alias = "center")]
    pub centre: bool,
    /// Which network f1 is.
    pub network: Network,
    /// `kernel` space only: bandwidth of the kernel, in medians of the distance between two
    /// rows. Above 0.
    pub bandwidth: Bandwidth,
    /// Kernel network only: exponent of its kernel, `(1 + D^2 / b^2)^-exponent`. Above 0.
    pub exponent: Exponent,
    /// Kernel network only: how many fitted rows it keeps, at the most. 1 to 1,000,000.
    pub anchors: usize,
    /// `kernel` space and `mlp` network only: number of random Fourier features. Even, 2 to
    /// 65,536.
    pub fourier_features: usize,
    /// `kernel` space only: what rows are scaled to first.
    pub scaling: KernelScaling,
    /// `kernel` space only: which distance between rows the kernel is of.
    pub metric: KernelMetric,
    /// One variance for each dimension, or one for all.
    pub covariance: Covariance,
    /// How the means of two bags are compared.
    pub objective: Similarity,
    /// Rows in a bag, m. At least 2: with one the objective has no gradient. A kernel network
    /// weighs its anchors by the power m - 1 of the share of rows that are less certain.
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
    /// Networks that are averaged, at least 1. They differ in first weights, in the anchors of
    /// many rows, and where `metric` takes turns in the distance.
    pub members: usize,
    /// What a row far from the fitted ones gets. Kernel networks need it where rows are divided by
    /// their norm.
    pub extrapolation: Extrapolation,
    /// Whether the fitted rows may hold outliers; the covariance of the robust metric and space is
    /// of all rows where they may not.
    pub reference: Reference,
    /// Where the network is trained and run.
    pub device: Device,
}

impl Default for DumSpec {
    fn default() -> Self {
        Self {
            space: SpaceKind::Kernel,
            centre: false,
            network: Network::Auto,
            bandwidth: Bandwidth::Auto,
            exponent: Exponent::Auto,
            anchors: 2000,
            fourier_features: 512,
            scaling: KernelScaling::Auto,
            metric: KernelMetric::Auto,
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
            extrapolation: Extrapolation::Distance,
            reference: Reference::default(),
            device: Device::Cpu,
        }
    }
}

impl DumSpec {
    /// Names of the presets.
    pub const PRESETS: &[&str] = &[
        "default",
        "mlp",
        "sphere",
        "embedding",
        "paper",
        "features",
        "auto",
        "clusters",
    ];

    /// A preset by name.
    ///
    /// - `default`, for tables and vectors: two kernel networks, one of a robust Mahalanobis
    ///   distance and one of the distance between normal scores; where no column has a tenth of
    ///   the variance of all, as in the outputs of a network, one of the robust distance between
    ///   rows of unit norm.
    /// - `auto`: another name of `default`.
    ///   Where a key asks for what only a multilayer perceptron has, `mlp` with its keys.
    /// - `embedding`: `default` with its choice for vectors, whatever the columns are like.
    /// - `mlp`: two multilayer perceptrons trained by gradient steps on Fourier features of a
    ///   kernel, one of the plain distance between rows and one of a robust Mahalanobis distance.
    /// - `clusters`, for vectors whose usual rows are of several kinds, as the classes of an
    ///   image encoder are: bags from one neighbourhood each, on the centred unit sphere.
    /// - `features`, for the outputs of an encoder after its last rectifier: the paper's
    ///   objective on values as they are, whose size says how much was recognised; bounded, and
    ///   scored by the mean of the log-variances, because their largest is chance.
    /// - `sphere`, for tables whose scores should explain themselves: one variance for each
    ///   column.
    /// - `paper`: the recipe of the paper to the letter, but that a row far from the fitted ones is
    ///   uncertain; `extrapolation = "none"` leaves that away.
    ///
    /// # Errors
    /// [`Error::UnknownPreset`].
    pub fn preset(name: &str) -> Result<Self> {
        let mlp = Self {
            network: Network::Mlp,
            scaling: KernelScaling::Standardise,
            metric: KernelMetric::Both,
            ..Self::default()
        };
        let single = Self {
            hidden: 256,
            max_steps: 20_000,
            members: 1,
            ..mlp.clone()
        };
        let literal = Self {
            covariance: Covariance::Diagonal,
            bag_size: BagSize::Half,
            log_variance_bound: 0.0,
            ..single.clone()
        };
        match name {
            "default" | "auto" => Ok(Self::default()),
            "embedding" => Ok(Self {
                scaling: KernelScaling::Unit,
                metric: KernelMetric::Robust,
                members: 1,
                ..Self::default()
            }),
            "mlp" => Ok(mlp),
            "clusters" => Ok(Self {
                space: SpaceKind::Unit,
                centre: true,
                bags: Bags::Local,
                bag_size: BagSize::Rows(4),
                ..mlp
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

    pub(crate) fn space_options(&self) -> SpaceOptions {
        let scaled = |scaling| SpaceOptions::Scaled(scaling, self.reference);
        match self.space {
            SpaceKind::Identity => scaled(Scaling::Identity),
            SpaceKind::Minmax => scaled(Scaling::Minmax),
            SpaceKind::Standardise => scaled(Scaling::Standardise),
            SpaceKind::Unit if self.centre => SpaceOptions::CentredUnit,
            SpaceKind::Unit => scaled(Scaling::Unit),
            SpaceKind::Sphere => scaled(Scaling::Sphere),
            SpaceKind::Robust => scaled(Scaling::Robust),
            SpaceKind::Kernel => {
                let kernel = KernelOptions {
                    bandwidth: self.bandwidth.medians(),
                    fourier_features: self.fourier_features,
                    scaling: self.scaling,
                    metric: self.metric,
                    reference: self.reference,
                };
                if self.is_kernel() {
                    SpaceOptions::Exact(kernel)
                } else {
                    SpaceOptions::Kernel(kernel)
                }
            }
        }
    }

    /// The first key that asks for what only a multilayer perceptron has.
    pub(super) fn only_mlp(&self) -> Option<&'static str> {
        let own = serde_json::to_value(self).unwrap_or_default();
        let plain = serde_json::to_value(Self::default()).unwrap_or_default();
        let asks = |key: &&&str| own[**key] != plain[**key];
        ONLY_MLP.iter().find(asks).copied()
    }

    /// Whether f1 is a kernel network.
    pub(super) fn is_kernel(&self) -> bool {
        match self.network {
            Network::Mlp => false,
            Network::Kernel => true,
            Network::Auto => self.only_mlp().is_none() && self.bag_size != BagSize::Half,
        }
    }

    /// Lets the rows decide what is left to them.
    pub(super) fn decide(&mut self, rows: Rows<'_>) {
        let is_kernel = self.is_kernel();
        self.network = if is_kernel {
            Network::Kernel
        } else {
            Network::Mlp
        };
        if self.space != SpaceKind::Kernel {
            return;
        }
        self.bandwidth = Bandwidth::Medians(self.bandwidth.of(self.network, self.reference));
        let exponent = self.exponent.of(self.reference, rows.n_cols());
        self.exponent = Exponent::Power(exponent);
        if self.scaling != KernelScaling::Auto && self.metric != KernelMetric::Auto {
            return;
        }
        let (scaling, metric) = if one_unit(rows) {
            (KernelScaling::Unit, KernelMetric::Robust)
        } else {
            let metric = if is_kernel {
                KernelMetric::Balanced
            } else {
                KernelMetric::Both
            };
            (KernelScaling::Standardise, metric)
        };
        if self.scaling == KernelScaling::Auto {
            self.scaling = scaling;
        }
        if self.metric == KernelMetric::Auto {
            self.metric = metric;
            // Kernel networks of the same distance and the same anchors are the same.
            let alike = is_kernel && rows.n_rows() <= self.anchors;
            if alike && metric == KernelMetric::Robust {
                self.members = 1;
            }
        }
    }

    pub(crate) fn adam(&self) -> Adam {
        Adam {
            learning_rate: self.learning_rate as f32,
            weight_decay: self.weight_decay as f32,
        }
    }

    /// Whether the members' scores of so many fitted rows are kept until they are averaged;
    /// otherwise the rows are scored once more.
    pub(super) fn keeps_member_scores(&self, n_rows: usize) -> bool {
        let plain = self.extrapolation == Extrapolation::None && !self.is_kernel();
        (self.members > 1 || !plain) && n_rows.saturating_mul(self.members) <= CACHED / 2
    }

    /// Width of the vectors that rows of width `d` become.
    pub(super) fn vector_width(&self, d: usize) -> usize {
        match self.space {
            SpaceKind::Kernel if !self.is_kernel() => self.fourier_features,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::DetectorSpec;
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
    fn what_is_auto_is_asked_of_the_rows_and_what_was_chosen_is_left() {
        let auto = DumSpec::default();
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
        assert_eq!(decided(&auto, &alike), decided(&embedding, &alike));
        let table = decided(&auto, &wide);
        assert_eq!(table.metric, KernelMetric::Balanced);
        assert_eq!(
            (table.scaling, table.members),
            (KernelScaling::Standardise, 2)
        );
        assert_eq!(table.bandwidth, Bandwidth::Medians(Bandwidth::MIXED));
        assert_eq!(table.exponent, Exponent::Power(1.0));
        let clean = DumSpec {
            reference: Reference::Clean,
            ..auto.clone()
        };
        let table = decided(&clean, &wide);
        assert_eq!(table.bandwidth, Bandwidth::Medians(Bandwidth::CLEAN));
        assert_eq!(table.exponent, Exponent::Power(10.5));
        let steps = DumSpec {
            max_steps: 2000,
            ..auto.clone()
        };
        let trained = decided(&steps, &wide);
        assert_eq!(
            (trained.network, trained.metric),
            (Network::Mlp, KernelMetric::Both)
        );
        let chosen = DumSpec {
            metric: KernelMetric::Euclidean,
            bandwidth: Bandwidth::Medians(3.0),
            ..auto
        };
        let settled = decided(&chosen, &alike);
        assert_eq!(settled.metric, KernelMetric::Euclidean);
        assert_eq!(settled.scaling, KernelScaling::Unit);
        assert_eq!((settled.bandwidth, settled.members), (chosen.bandwidth, 2));
        let mlp = DumSpec::preset("mlp").unwrap();
        assert_eq!(decided(&mlp, &wide).bandwidth, Bandwidth::Medians(1.0));
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
