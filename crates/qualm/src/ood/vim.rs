//! Virtual-logit matching (H. Wang, Z. Li, L. Feng and W. Zhang, *`ViM`: out-of-distribution with
//! virtual-logit matching*, CVPR 2022, section 4).
//!
//! Features `x`, `(d,)`, are the input of the classifier's last layer, `l = V x + b` its logits.
//! With the origin `o = -V^+ b`, R the `(d - D, d)` rows of the eigenvectors of `mean((x - o)(x -
//! o)')` with the smallest eigenvalues, and
//!
//! ```text
//! alpha = mean(max_j l_j) / mean(|R (x - o)|)
//! ```
//!
//! over the fitted rows, the score is
//!
//! ```text
//! alpha |R (x - o)| - log sum_j exp(l_j)
//! ```
//!
//! the residual as one more logit, against the energy of the others. (The paper's score is the
//! softmax of that logit, which orders rows alike.)
//!
//! **The last layer is not asked for.** Logits are a linear function of the features, so V and b
//! follow from the fitted rows by least squares; where they do not, because the features are those
//! of another layer, the fit is refused. Features that do not vary among the fitted rows have no
//! weight. `origin = mean` takes the mean of the features instead and asks nothing of the logits.
//!
//! D (`n_components`) is 1000 from 2048 features on, 512 from 768 on as in the paper, and half the
//! features below, as pytorch-ood lowers a D that is too large; there D has no default.

use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

use super::activations::Activations;
use super::detector::{Layers, Needs, Network, OodDetector, OodDetectorSpec, OodOutcome, Widths};
use super::gaussians::{Classes, Gaussians};
use super::panels::score_panels;
use super::softmax::log_sum_exp;
use crate::container::{Reader, Writer};
use crate::covariance::{Whitening, eigen, lower, whiten};
use crate::detector::require;
use crate::error::{Error, Result};
use crate::fit::watch::{Extent, Halt, Watch};
use crate::fit::{Meter, Progress, Warning};
use crate::number_or_word::number_or_word;
use crate::rows::Rows;

const NAME: &str = "vim";

/// Share of the logits' variance that the features may leave unexplained: float16 leaves 1e-6.
const UNEXPLAINED: f64 = 1e-3;

/// Rows that the last layer is found from, at the most: more change no digit of float32.
fn head_rows(n_features: usize) -> usize {
    (4 * n_features).max(8192)
}

/// Keys of `vim`: virtual-logit matching.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VimSpec {
    /// Dimensions of the principal space, fewer than the features: a number, or `"auto"`.
    pub n_components: Components,
    /// Where features are measured from.
    pub origin: Origin,
}

/// Dimensions of [`VimSpec`]'s principal space: a number, or `"auto"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Components {
    /// So many, at least 1.
    Number(usize),
    /// 1000 from 2048 features on, 512 from 768 on, half the features below.
    Auto,
}

number_or_word!(
    Components,
    Number(usize),
    Auto = "auto",
    "expected a number of dimensions or \"auto\""
);

/// Where [`VimSpec`] measures features from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Where the logits are 0, as nearly as they can be: the paper's.
    #[default]
    Head,
    /// The mean of the fitted features.
    Mean,
}

impl Default for VimSpec {
    fn default() -> Self {
        Self {
            n_components: Components::Auto,
            origin: Origin::default(),
        }
    }
}

impl Components {
    fn of(self, d: usize) -> usize {
        match self {
            Self::Number(number) => number,
            Self::Auto if d >= 2048 => 1000,
            Self::Auto if d >= 768 => 512,
            Self::Auto => d / 2,
        }
    }
}

/// The map to the residual, and what it is worth.
#[derive(Debug)]
struct Vim {
    /// `(d,)`
    origin: Vec<f64>,
    /// R, `(d - D, d)`.
    residual: Whitening,
    alpha: f64,
}

impl Vim {
    /// The norms of the residuals.
    fn residuals(&self, features: Rows<'_>, out: &mut [f64]) {
        score_panels(
            features,
            &self.origin,
            out,
            #[inline(always)]
            |panel| self.residual.squared(panel).map(f64::sqrt),
        );
    }
}

/// The last layer, from its input and its output.
struct Head {
    /// V, `(c, d)`.
    weight: DMatrix<f64>,
    /// b, `(c,)`.
    bias: DVector<f64>,
    /// Share of the logits' variance that is not explained.
    unexplained: f64,
}

impl Head {
    /// Least squares over the directions of the features that vary. A part of the rows is enough:
    /// they lie on a plane.
    fn recover(features: Rows<'_>, logits: Rows<'_>, watch: &Watch<'_>) -> Result<Self, Halt> {
        let (d, c) = (features.n_cols(), logits.n_cols());
        let step = (features.n_rows() / head_rows(d)).max(1);
        let values = |rows: Rows<'_>, width| {
            let picked = rows.iter().step_by(step).flatten().map(|x| f64::from(*x));
            let values: Vec<f64> = picked.collect();
            DMatrix::from_row_slice(values.len() / width, width, &values)
        };
        let (mut x, mut l) = (values(features, d), values(logits, c));
        let n = x.nrows() as f64;
        let centred = |rows: &mut DMatrix<f64>| {
            let mean = rows.row_mean();
            for mut row in rows.row_iter_mut() {
                row -= &mean;
            }
            mean.transpose()
        };
        let (mean_x, mean_l) = (centred(&mut x), centred(&mut l));
        let transposed = x.transpose();
        let covariance: DMatrix<f64> = &transposed * &x / n;
        // Symmetric: columns are rows.
        let map = whiten(mean_x.as_slice(), covariance.as_slice(), watch)?.0;
        let map = DMatrix::from_row_slice(map.rank(), d, map.weights());
        let image = &map * (transposed * &l / n);
        let (explained, variance) = (image.norm_squared(), l.norm_squared() / n);
        let weight = (map.transpose() * image).transpose();
        Ok(Self {
            bias: mean_l - &weight * mean_x,
            weight,
            unexplained: 1.0 - explained / variance.max(f64::MIN_POSITIVE),
        })
    }

    /// `-V^+ b`, `(d,)`: of all features with the logits nearest to 0 the smallest.
    #[expect(
        clippy::expect_used,
        reason = "both halves of the decomposition are asked for"
    )]
    fn origin(self) -> Vec<f64> {
        let size = self.weight.ncols().max(self.weight.nrows()) as f64;
        let svd = self.weight.svd(true, true);
        let least = svd.singular_values.amax() * size * f64::from(f32::EPSILON);
        let origin = svd.solve(&-self.bias, least);
        let origin = origin.expect("singular vectors");
        origin.iter().copied().collect()
    }
}

/// R and the origin, of the fitted features.
fn principal(
    spec: &VimSpec,
    features: Rows<'_>,
    logits: Rows<'_>,
    watch: &Watch<'_>,
) -> Result<Result<(Vec<f64>, Whitening)>, Halt> {
    let d = features.n_cols();
    let moments = Classes::one(features.n_rows()).moments(features, watch)?;
    let origin = match spec.origin {
        Origin::Mean => moments.location.clone(),
        Origin::Head => {
            let head = Head::recover(features, logits, watch)?;
            if head.unexplained > UNEXPLAINED {
                return Ok(Err(Error::NotTheLastLayer {
                    unexplained: head.unexplained,
                }));
            }
            head.origin()
        }
    };
    let shift = moments.location.iter().zip(&origin);
    let shift: Vec<f64> = shift.map(|(m, o)| m - o).collect();
    let around = |j: usize, k: usize| {
        let (j, k) = (j.max(k), j.min(k));
        moments.covariance[lower(j, k, d)] + shift[j] * shift[k]
    };
    let eigen = eigen(DMatrix::from_fn(d, d, around), watch)?;
    let mut order: Vec<usize> = (0..d).collect();
    order.sort_by(|a, b| eigen.eigenvalues[*a].total_cmp(&eigen.eigenvalues[*b]));
    let smallest = order.iter().take(d - spec.n_components.of(d));
    let rows = smallest.flat_map(|k| {
        eigen
            .eigenvectors
            .column(*k)
            .iter()
            .copied()
            .collect::<Vec<_>>()
    });
    Ok(Ok((origin, Whitening::new(rows.collect(), d))))
}

impl OodDetectorSpec for VimSpec {
    fn needs(&self) -> Needs {
        Needs {
            features: Layers::One,
            logits: true,
            labels: false,
            network: Network::None,
        }
    }

    fn validate(&self) -> Result<()> {
        match self.n_components {
            Components::Number(number) => {
                require("n_components", number, number >= 1, "at least 1")
            }
            Components::Auto => Ok(()),
        }
    }

    fn memory(&self, n_rows: usize, widths: &Widths) -> u64 {
        let d = widths.first();
        let rows = n_rows.min(2 * head_rows(d)) as u64;
        let head = rows.saturating_mul(2 * d as u64).saturating_mul(8);
        Gaussians::memory(n_rows, d).saturating_add(head)
    }

    fn adapt(&mut self, sample: &Activations<'_>) -> Vec<Warning> {
        let d = sample.widths().first();
        let asked = self.n_components;
        let used = match asked {
            // At least one dimension is left for the residual.
            Components::Number(number) if number >= d => d / 2,
            other => other.of(d),
        };
        self.n_components = Components::Number(used.max(1));
        match asked {
            Components::Number(asked) if asked != used => vec![Warning::LoweredComponents {
                asked,
                used,
                n_features: d,
            }],
            _ => Vec::new(),
        }
    }

    fn fit(
        &self,
        sample: &Activations<'_>,
        _: Option<&Activations<'_>>,
        _: u64,
        progress: &mut dyn Progress,
    ) -> Result<OodOutcome> {
        let (features, logits) = (sample.only_features(NAME)?, sample.logits(NAME)?);
        let (n, d) = (features.n_rows(), features.n_cols());
        if d < 2 {
            return Err(Error::TooFewFeatures {
                detector: NAME,
                found: d,
                expected: 2,
            });
        }
        if n <= d {
            return Err(Error::TooFewRows {
                found: n,
                expected: d + 1,
                why: "the principal space of so many features and the last layer",
            });
        }
        let meter = &mut Meter::new(progress);
        let products = (n as u64).saturating_mul((d * d) as u64);
        let found = meter.watch("principal space", Extent::Products(products), |watch| {
            principal(self, features, logits, watch)
        })?;
        let (origin, residual) = found?;
        let mut vim = Vim {
            origin,
            residual,
            alpha: 1.0,
        };
        let mut residuals = vec![0.0; n];
        vim.residuals(features, &mut residuals);
        let largest = logits.iter().map(|row| {
            let row = row.iter().copied();
            f64::from(row.fold(f32::NEG_INFINITY, f32::max))
        });
        let residual: f64 = residuals.iter().sum();
        if residual <= 0.0 {
            return Err(Error::NoResidual { n_features: d });
        }
        vim.alpha = largest.sum::<f64>() / residual;
        Ok(OodOutcome::new(vim))
    }

    fn restore(&self, widths: &Widths, reader: &mut Reader) -> Result<Box<dyn OodDetector>> {
        let d = widths.first();
        let rows = d.saturating_sub(self.n_components.of(d));
        let weights = reader.f64_of("vim.residual", rows.saturating_mul(d))?;
        if weights.is_empty() {
            return Err(reader.corrupt("n_components", "too large", "fewer than the features"));
        }
        Ok(Box::new(Vim {
            origin: reader.f64_of("vim.origin", d)?,
            residual: Whitening::new(weights, d),
            alpha: reader.f64_of("vim.alpha", 1)?.iter().sum(),
        }))
    }
}

impl OodDetector for Vim {
    fn score_into(&self, sample: &Activations<'_>, out: &mut [f64]) -> Result<()> {
        self.residuals(sample.only_features(NAME)?, out);
        let logits = sample.logits(NAME)?;
        for (out, logits) in out.iter_mut().zip(logits.iter()) {
            *out = self.alpha * *out - log_sum_exp(logits, 1.0);
        }
        Ok(())
    }

    fn save(&self, writer: &mut Writer) {
        writer.f64("vim.origin", &self.origin);
        writer.f64("vim.residual", self.residual.weights());
        writer.f64("vim.alpha", &[self.alpha]);
    }
}
