//! How rows become the vectors that a model sees.
//!
//! A space is two maps, one after the other: *scaling*, feature by feature,
//! `x' = (x - shift) * scale`, learned from the fitted rows; then a *projection* of the
//! whole row. A random view adds its noise between the two.
//!
//! | space | scaling | projection | vectors live |
//! |---|---|---|---|
//! | `identity` | none | none | where they were |
//! | `minmax` | to \[0, 1\] over the fitted rows | none | in the positive orthant |
//! | `standardise` | mean 0, deviation 1 | none | around the origin |
//! | `unit` | none, or centring | divide by the norm | on the unit sphere |
//! | `sphere` | mean 0, deviation 1 | divide by the norm | on the unit sphere |
//! | `kernel` | mean 0, deviation 1, or none | (divide by the norm, then) random Fourier features | on the unit sphere |
//!
//! On a sphere the dot product of two vectors is a similarity, which is what the model's
//! objective takes it for (dum.md's finding: with \[0, 1\] features it rewards size alone).

mod fourier;
mod mahalanobis;
mod scaling;

use rayon::prelude::*;
pub use scaling::Scaling;
use serde::{Deserialize, Serialize};

use crate::container::{Reader, Writer};
use crate::error::{Error, Result};
use crate::nn::Threads;
use crate::rows::Rows;
pub(crate) use fourier::Fourier;
use mahalanobis::Metric;

/// The largest scaled value: its square, summed over a layer, is still a finite float32.
pub(crate) const LIMIT: f64 = 1e15;

/// How rows become the vectors that a model sees. On the last three the vectors have unit
/// norm, so that their dot product is a similarity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SpaceKind {
    /// Rows as they are.
    Identity,
    /// Each feature to \[0, 1\] over the fitted rows: the paper's choice for tables.
    Minmax,
    /// Each feature to mean 0 and standard deviation 1.
    Standardise,
    /// Rows divided by their Euclidean norm, for vectors whose geometry has a meaning.
    Unit,
    /// Standardised, then divided by the norm.
    Sphere,
    /// Standardised, then random Fourier features of a Gaussian kernel (Rahimi & Recht,
    /// 2007): dot products approximate `exp(-|x - y|^2 / (2 bandwidth^2))`.
    Kernel,
}

/// What rows are scaled to before the kernel of [`SpaceKind::Kernel`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum KernelScaling {
    /// Each feature to mean 0 and standard deviation 1: for tables, whose columns have units
    /// of their own.
    Standardise,
    /// Each row to Euclidean norm 1: for vectors whose geometry has a meaning.
    Unit,
    /// By the rows: to norm 1 where [no column dominates](KernelMetric::Auto), each feature
    /// otherwise. A fitted model's Spec says which it was.
    Auto,
}

/// Which distance between scaled rows the kernel of [`SpaceKind::Kernel`] is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum KernelMetric {
    /// The Euclidean one: what several columns say together counts several times.
    Euclidean,
    /// The Mahalanobis distance in a robust, shrunken covariance: each direction counts in
    /// units of how far the bulk of the rows varies in it.
    Robust,
    /// Members of an ensemble take turns, the first with the Euclidean one.
    Both,
    /// By the rows: robust where no column has a tenth of the variance of all, as in the
    /// outputs of a network and in tables of many columns of one unit; both otherwise. A
    /// fitted model's Spec says which it was.
    Auto,
}

/// The share of all variance from which on a column dominates the length of a row.
const DOMINANT: f64 = 0.1;

/// Whether columns seem to have one unit, so that lengths and angles of rows have a meaning: no
/// column has so large a share of the variance that it alone would decide them.
pub(crate) fn one_unit(rows: Rows<'_>) -> bool {
    let variances = Columns::of(rows).deviation.into_iter().map(|s| s * s);
    let (most, sum) = variances.fold((0.0f64, 0.0), |(most, sum), v| (most.max(v), sum + v));
    most < DOMINANT * sum
}

/// What a space needs besides its name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SpaceOptions {
    pub(crate) kind: SpaceKind,
    /// `unit` only: subtract the mean first.
    pub(crate) centre: bool,
    /// `kernel` only: bandwidth in medians of the distance between two rows.
    pub(crate) bandwidth: f64,
    /// `kernel` only: width of the result, even.
    pub(crate) fourier_features: usize,
    /// `kernel` only: what comes first.
    pub(crate) scaling: KernelScaling,
    /// `kernel` only: which distance between rows the kernel is of.
    pub(crate) metric: KernelMetric,
}

impl SpaceOptions {
    /// Whether a member's kernel is of the robust distance.
    fn robust(&self, member: u64) -> bool {
        match self.metric {
            KernelMetric::Euclidean => false,
            KernelMetric::Robust => true,
            // A Spec asks the rows before it is fitted.
            KernelMetric::Both | KernelMetric::Auto => !member.is_multiple_of(2),
        }
    }

    /// Bytes that fitting takes besides the rows, at the least, for so many members.
    pub(crate) fn memory(&self, members: usize, n_rows: usize, d: usize) -> u64 {
        let mut members = 0..members.min(2) as u64;
        if self.kind == SpaceKind::Kernel && members.any(|member| self.robust(member)) {
            Metric::memory(n_rows, d)
        } else {
            0
        }
    }

    fn unit_rows(&self) -> bool {
        self.kind == SpaceKind::Kernel && self.scaling == KernelScaling::Unit
    }
}

/// A space fitted to rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Space {
    pub(crate) kind: SpaceKind,
    /// `(d,)`
    pub(crate) shift: Vec<f32>,
    /// `(d,)`
    pub(crate) scale: Vec<f32>,
    /// Whether rows are divided by their norm before the kernel.
    pub(crate) unit_rows: bool,
    pub(crate) fourier: Option<Fourier>,
}

impl Space {
    /// Learns scaling, bandwidth and frequencies from rows.
    ///
    /// # Errors
    /// [`Error::NoVariance`] when every column is constant.
    pub(crate) fn fit(
        options: SpaceOptions,
        rows: Rows<'_>,
        seed: u64,
        member: u64,
    ) -> Result<Self> {
        let columns = Columns::of(rows);
        if columns.constant().all(|constant| constant) {
            return Err(Error::NoVariance {
                n_rows: rows.n_rows(),
            });
        }
        let d = rows.n_cols();
        let (shift, scale) = match options.kind {
            SpaceKind::Unit if options.centre => (columns.mean_f32(), vec![1.0; d]),
            SpaceKind::Identity | SpaceKind::Unit => (vec![0.0; d], vec![1.0; d]),
            SpaceKind::Kernel if options.unit_rows() => (vec![0.0; d], vec![1.0; d]),
            SpaceKind::Minmax => columns.minmax(),
            SpaceKind::Standardise | SpaceKind::Sphere | SpaceKind::Kernel => columns.standard(),
        };
        let mut space = Self {
            kind: options.kind,
            shift,
            scale,
            unit_rows: options.unit_rows(),
            fourier: None,
        };
        if options.kind == SpaceKind::Kernel {
            space.fourier = Some(Fourier::draw(&space, rows, options, seed, member));
        }
        Ok(space)
    }

    /// Writes what [`Space::fit`] learned.
    pub(crate) fn save(&self, prefix: &str, writer: &mut Writer) {
        writer.f32(format!("{prefix}.shift"), &[self.shift.len()], &self.shift);
        writer.f32(
            format!("{prefix}.scaling"),
            &[self.scale.len()],
            &self.scale,
        );
        if let Some(fourier) = &self.fourier {
            let shape = [fourier.n_in, fourier.n_out() / 2];
            writer.f32(
                format!("{prefix}.frequencies"),
                &shape,
                &fourier.frequencies,
            );
        }
    }

    /// Reads what [`Space::save`] wrote.
    pub(crate) fn restore(
        options: SpaceOptions,
        n_in: usize,
        prefix: &str,
        reader: &mut Reader,
    ) -> Result<Self> {
        Ok(Self {
            kind: options.kind,
            unit_rows: options.unit_rows(),
            shift: reader.f32(&format!("{prefix}.shift"), &[n_in])?,
            scale: reader.f32(&format!("{prefix}.scaling"), &[n_in])?,
            fourier: match options.kind {
                SpaceKind::Kernel => {
                    let shape = [n_in, options.fourier_features / 2];
                    let frequencies = reader.f32(&format!("{prefix}.frequencies"), &shape)?;
                    Some(Fourier { frequencies, n_in })
                }
                _ => None,
            },
        })
    }

    /// Width of the rows this space takes.
    pub(crate) fn n_in(&self) -> usize {
        self.shift.len()
    }

    /// Width of the vectors it makes.
    pub(crate) fn n_out(&self) -> usize {
        self.fourier.as_ref().map_or(self.n_in(), Fourier::n_out)
    }

    /// Scales one row: `(d,)` to `(d,)`. Values beyond what a network can add up without
    /// overflow are held at that limit: a row that far out is strange either way.
    pub(crate) fn scale_into(&self, row: &[f32], out: &mut [f32]) {
        let limit = if self.holds_values() {
            LIMIT
        } else {
            f64::from(f32::MAX)
        };
        for (((out, x), shift), scale) in out.iter_mut().zip(row).zip(&self.shift).zip(&self.scale)
        {
            let scaled = (f64::from(*x) - f64::from(*shift)) * f64::from(*scale);
            *out = scaled.clamp(-limit, limit) as f32;
        }
    }

    /// Whether values are held at [`LIMIT`]: where rows are divided by their norm next, there
    /// is no need.
    fn holds_values(&self) -> bool {
        self.kind != SpaceKind::Unit && !self.unit_rows
    }

    /// Whether scaling leaves these rows, to the bit, as they are: whoever scales them may
    /// then use them in place.
    pub(crate) fn keeps(&self, rows: Rows<'_>) -> bool {
        let is = |values: &[f32], one: f32| values.iter().all(|v| v.to_bits() == one.to_bits());
        let far = |x: f32| x.abs() > LIMIT as f32;
        is(&self.shift, 0.0)
            && is(&self.scale, 1.0)
            // Without leaving early, so that it vectorises.
            && !(self.holds_values() && rows.as_slice().iter().fold(false, |any, x| any | far(*x)))
    }

    /// Whether scaled rows are the vectors already, and need no [`Space::project_into`].
    pub(crate) fn only_scales(&self) -> bool {
        let on_sphere = matches!(self.kind, SpaceKind::Unit | SpaceKind::Sphere);
        self.fourier.is_none() && !on_sphere
    }

    /// Projects rows that are scaled.
    ///
    /// # Shapes
    /// `scaled`: `(n, n_in)`; `out`: `(n, n_out)`, overwritten.
    pub(crate) fn project_into(&self, scaled: &[f32], out: &mut [f32], threads: Threads) {
        match (&self.fourier, self.kind) {
            (Some(fourier), _) if self.unit_rows => {
                let mut unit = scaled.to_vec();
                unit.chunks_exact_mut(self.n_in()).for_each(normalise);
                fourier.project_into(&unit, out, threads);
            }
            (Some(fourier), _) => fourier.project_into(scaled, out, threads),
            (None, SpaceKind::Unit | SpaceKind::Sphere) => {
                out.copy_from_slice(scaled);
                let d = self.n_in();
                match threads {
                    Threads::One => out.chunks_exact_mut(d).for_each(normalise),
                    Threads::All => out.par_chunks_exact_mut(d).for_each(normalise),
                }
            }
            (None, _) => out.copy_from_slice(scaled),
        }
    }
}

/// Divides a row by its norm. The zero row has no direction and stays zero.
fn normalise(row: &mut [f32]) {
    // In float64: the square of a large float32 overflows.
    let norm = row
        .iter()
        .map(|v| f64::from(*v).powi(2))
        .sum::<f64>()
        .sqrt();
    if norm > 0.0 {
        for v in row {
            *v = (f64::from(*v) / norm) as f32;
        }
    }
}

/// Moments and ranges of each column, in float64.
struct Columns {
    mean: Vec<f64>,
    deviation: Vec<f64>,
    min: Vec<f32>,
    max: Vec<f32>,
}

impl Columns {
    /// Two passes over the rows, each in row order.
    fn of(rows: Rows<'_>) -> Self {
        let (n, d) = (rows.n_rows() as f64, rows.n_cols());
        let mut sum = vec![0.0; d];
        let mut min = vec![f32::INFINITY; d];
        let mut max = vec![f32::NEG_INFINITY; d];
        for row in &rows {
            for (j, &x) in row.iter().enumerate() {
                sum[j] += f64::from(x);
                min[j] = min[j].min(x);
                max[j] = max[j].max(x);
            }
        }
        let mean: Vec<f64> = sum.iter().map(|s| s / n).collect();
        let mut squares = vec![0.0; d];
        for row in &rows {
            for ((square, &x), mean) in squares.iter_mut().zip(row).zip(&mean) {
                *square += (f64::from(x) - mean).powi(2);
            }
        }
        Self {
            mean,
            deviation: squares.iter().map(|s| (s / n).sqrt()).collect(),
            min,
            max,
        }
    }

    /// Whether each column holds one value only.
    fn constant(&self) -> impl Iterator<Item = bool> {
        self.min.iter().zip(&self.max).map(|(min, max)| min >= max)
    }

    fn mean_f32(&self) -> Vec<f32> {
        self.mean.iter().map(|m| *m as f32).collect()
    }

    /// A constant column keeps scale 1, so that it is 0 on the fitted rows and a new
    /// value in it still shows (as scikit-learn's scalers do).
    fn minmax(&self) -> (Vec<f32>, Vec<f32>) {
        let range = self.min.iter().zip(&self.max);
        let scale = range.map(|(&min, &max)| inverse(f64::from(max) - f64::from(min)));
        (self.min.clone(), scale.collect())
    }

    fn standard(&self) -> (Vec<f32>, Vec<f32>) {
        let columns = self.constant().zip(self.mean.iter().zip(&self.min));
        // The rounded mean of a constant column can miss the constant by an ulp.
        let shift =
            columns.map(|(constant, (mean, min))| if constant { *min } else { *mean as f32 });
        let columns = self.constant().zip(&self.deviation);
        let scale =
            columns.map(|(constant, deviation)| if constant { 1.0 } else { inverse(*deviation) });
        (shift.collect(), scale.collect())
    }
}

/// `1 / x`, or 1 where that is no finite float32.
fn inverse(x: f64) -> f32 {
    let inverse = (1.0 / x) as f32;
    if x > 0.0 && inverse.is_finite() && inverse > 0.0 {
        inverse
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Matrix;

    pub(super) fn options(kind: SpaceKind) -> SpaceOptions {
        SpaceOptions {
            kind,
            centre: false,
            bandwidth: 1.0,
            fourier_features: 256,
            scaling: KernelScaling::Standardise,
            metric: KernelMetric::Euclidean,
        }
    }

    fn transform(kind: SpaceKind, data: &[f32], n_cols: usize) -> Vec<f32> {
        let rows = Rows::new(data, n_cols).unwrap();
        let space = Space::fit(options(kind), rows, 0, 0).unwrap();
        let mut scaled = vec![0.0; data.len()];
        for (row, out) in rows.iter().zip(scaled.chunks_exact_mut(n_cols)) {
            space.scale_into(row, out);
        }
        let mut out = vec![0.0; rows.n_rows() * space.n_out()];
        space.project_into(&scaled, &mut out, Threads::One);
        out
    }

    const DATA: [f32; 6] = [1.0, 10.0, 2.0, 30.0, 3.0, 20.0];

    #[test]
    fn minmax_and_standardise_by_hand() {
        assert_eq!(
            transform(SpaceKind::Minmax, &DATA, 2),
            [0.0, 0.0, 0.5, 1.0, 1.0, 0.5]
        );
        let r = 1.5f32.sqrt();
        for (found, expected) in transform(SpaceKind::Standardise, &DATA, 2)
            .iter()
            .zip([-r, -r, 0.0, r, r, 0.0])
        {
            assert!((found - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn spheres_have_unit_norm_even_for_huge_values() {
        let huge = DATA.map(|v| v * 1e37);
        for kind in [SpaceKind::Unit, SpaceKind::Sphere, SpaceKind::Kernel] {
            for data in [DATA, huge] {
                let out = transform(kind, &data, 2);
                for row in out.chunks_exact(out.len() / 3) {
                    let norm: f32 = row.iter().map(|v| v * v).sum::<f32>();
                    assert!((norm - 1.0).abs() < 1e-5, "{kind:?}: {norm}");
                }
            }
        }
    }

    #[test]
    fn a_constant_column_is_zero_where_fitted_and_shows_where_new() {
        let rows = Matrix::new(vec![0.1, 1.0, 0.1, 2.0, 0.1, 4.0], 2).unwrap();
        for kind in [SpaceKind::Minmax, SpaceKind::Standardise] {
            let space = Space::fit(options(kind), rows.rows(), 0, 0).unwrap();
            let mut out = [0.0; 2];
            space.scale_into(&[0.1, 1.0], &mut out);
            assert_eq!(out[0], 0.0);
            space.scale_into(&[2.1, 1.0], &mut out);
            assert!((out[0] - 2.0).abs() < 1e-6);
        }
    }

    #[test]
    fn rows_are_kept_where_scaling_would_not_change_a_bit() {
        let far = DATA.map(|v| v * 1e15);
        for (kind, centre, data, expected) in [
            (SpaceKind::Identity, false, DATA, true),
            (SpaceKind::Identity, false, far, false),
            (SpaceKind::Unit, false, DATA, true),
            (SpaceKind::Unit, false, far, true),
            (SpaceKind::Unit, true, DATA, false),
            (SpaceKind::Minmax, false, DATA, false),
            (SpaceKind::Sphere, false, DATA, false),
        ] {
            let rows = Rows::new(&data, 2).unwrap();
            let options = SpaceOptions {
                centre,
                ..options(kind)
            };
            let space = Space::fit(options, rows, 0, 0).unwrap();
            assert_eq!(space.keeps(rows), expected, "{kind:?}");
            let mut scaled = data;
            for (row, out) in rows.iter().zip(scaled.chunks_exact_mut(2)) {
                space.scale_into(row, out);
            }
            assert_eq!(scaled == data, expected, "{kind:?}");
        }
    }

    #[test]
    fn rows_that_are_all_equal_are_refused() {
        let rows = Rows::new(&[1.0, 2.0, 1.0, 2.0], 2).unwrap();
        let error = Space::fit(options(SpaceKind::Sphere), rows, 0, 0).unwrap_err();
        assert!(matches!(error, Error::NoVariance { n_rows: 2 }));
    }
}
