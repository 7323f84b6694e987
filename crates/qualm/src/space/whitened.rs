//! Rows whitened by a robust covariance: their Euclidean distance is a Mahalanobis distance.

use super::mahalanobis::Metric;
use super::scaler::LIMIT;
use crate::container::{Reader, Writer};
use crate::error::Result;
use crate::fit::Meter;
use crate::fit::watch::{Extent, Halt, Watch, unwatched};
use crate::reference::Reference;
use crate::rng::{self, Purpose, stream};
use crate::rows::Rows;

/// Rows that are mapped at a time.
const BLOCK: usize = 1024;

/// The map `x' = W (x - centre)` with `W' W` the inverse of a robust, shrunken covariance.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Whitened {
    /// `(d,)`
    centre: Vec<f64>,
    metric: Metric,
}

impl Whitened {
    /// The rows that the covariance is of, where there are more than enough: `(m, d)`.
    ///
    /// # Seed
    /// Draws them.
    pub(crate) fn sample(rows: Rows<'_>, seed: u64, member: u64) -> Vec<f32> {
        let mut rng = stream(seed, Purpose::SAMPLE, [member, 1]);
        let picked = rng::sample(&mut rng, rows.n_rows(), Metric::enough(rows.n_cols()));
        let picked = picked.iter().filter_map(|&i| rows.get(i)).flatten();
        picked.copied().collect()
    }

    /// Of a [`Whitened::sample`], scaled.
    ///
    /// # Errors
    /// [`crate::Error::Stopped`].
    pub(crate) fn fit(
        sample: Rows<'_>,
        reference: Reference,
        meter: &mut Meter<'_>,
    ) -> Result<Self> {
        let products = Metric::products(sample.n_rows(), sample.n_cols(), reference);
        meter.watch("robust covariance", Extent::Products(products), |watch| {
            Ok(Self {
                centre: Metric::medians(sample),
                metric: Metric::fit(sample, reference, watch)?,
            })
        })
    }

    /// How many of n rows the covariance is of, where every row of the sample counts.
    pub(crate) fn n_sampled(n_rows: usize, n_features: usize) -> usize {
        n_rows.min(Metric::enough(n_features))
    }

    /// `(d,)`
    pub(super) fn centre(&self) -> &[f64] {
        &self.centre
    }

    /// Bytes that fitting takes besides the rows.
    pub(crate) fn memory(n_rows: usize, n_features: usize) -> u64 {
        let images = (n_rows as u64).saturating_mul(4 * n_features as u64);
        Metric::memory(n_rows, n_features).saturating_add(images)
    }

    /// The images of rows, `(n, d)`.
    ///
    /// # Errors
    /// [`crate::Error::Stopped`].
    pub(crate) fn map(&self, rows: Rows<'_>, meter: &mut Meter<'_>) -> Result<Vec<f32>> {
        let d = self.centre.len();
        let products = (rows.n_rows() as u64).saturating_mul((d * d) as u64);
        meter.watch("whitened rows", Extent::Products(products), |watch| {
            let mut images = vec![0.0; rows.as_slice().len()];
            self.map_into(rows.as_slice(), &mut images, watch)?;
            Ok(images)
        })
    }

    /// The images of rows where nobody listens: `(n, d)` to `(n, d)`.
    pub(crate) fn project_into(&self, rows: &[f32], out: &mut [f32]) {
        unwatched(|watch| self.map_into(rows, out, watch));
    }

    fn map_into(&self, rows: &[f32], out: &mut [f32], watch: &Watch<'_>) -> Result<(), Halt> {
        let block = BLOCK * self.centre.len();
        for (rows, out) in rows.chunks(block).zip(out.chunks_mut(block)) {
            // In float64: where the rows lie far from zero, float32 would lose the difference.
            let centred = rows.iter().zip(self.centre.iter().cycle());
            let centred: Vec<f32> = centred
                .map(|(x, centre)| (f64::from(*x) - centre) as f32)
                .collect();
            let mapped = self.metric.apply(&centred, watch)?;
            let mapped = mapped.into_iter().map(within_limit);
            out.iter_mut().zip(mapped).for_each(|(out, x)| *out = x);
        }
        Ok(())
    }

    /// Writes what [`Whitened::fit`] learned.
    pub(crate) fn save(&self, prefix: &str, writer: &mut Writer) {
        writer.f64(format!("{prefix}.centre"), &self.centre);
        self.metric.save(prefix, writer);
    }

    /// Reads what [`Whitened::save`] wrote.
    ///
    /// # Errors
    /// [`crate::Error::CorruptModel`].
    pub(crate) fn restore(prefix: &str, n_features: usize, reader: &mut Reader) -> Result<Self> {
        Ok(Self {
            centre: reader.f64_of(&format!("{prefix}.centre"), n_features)?,
            metric: Metric::restore(prefix, n_features, reader)?,
        })
    }
}

/// A value that distances can be computed of.
fn within_limit(x: f64) -> f32 {
    if x.is_nan() {
        return LIMIT as f32;
    }
    x.clamp(-LIMIT, LIMIT) as f32
}
