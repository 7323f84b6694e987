//! Rows whitened by a robust covariance: their Euclidean distance is a Mahalanobis distance.

use super::mahalanobis::Metric;
use super::scaler::LIMIT;
use crate::container::{Reader, Writer};
use crate::error::Result;
use crate::fit::Meter;
use crate::fit::watch::Extent;
use crate::rng::{self, Purpose, stream};
use crate::rows::Rows;

/// Rows that are mapped at a time.
const BLOCK: usize = 1024;

/// The map `x' = W (x - centre)` with `W' W` the inverse of a robust, shrunken covariance.
#[derive(Debug)]
pub(crate) struct Whitened {
    /// `(d,)`
    centre: Vec<f64>,
    metric: Metric,
}

impl Whitened {
    /// Of rows that are scaled already.
    ///
    /// # Errors
    /// [`crate::Error::Stopped`].
    ///
    /// # Seed
    /// Draws the rows of the covariance, where there are more than enough.
    pub(crate) fn fit(rows: Rows<'_>, seed: u64, meter: &mut Meter<'_>) -> Result<Self> {
        let (n, d) = (rows.n_rows(), rows.n_cols());
        let mut rng = stream(seed, Purpose::SAMPLE, [0, 1]);
        let picked = rng::sample(&mut rng, n, Metric::enough(d));
        let picked = picked.iter().filter_map(|&i| rows.get(i)).flatten();
        let sample: Vec<f32> = picked.copied().collect();
        let sample = Rows::checked(&sample, d);
        let products = Metric::products(n, d);
        meter.watch("robust covariance", Extent::Products(products), |watch| {
            Ok(Self {
                centre: Metric::medians(sample),
                metric: Metric::fit(sample, watch)?,
            })
        })
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
        let mut images = Vec::with_capacity(rows.as_slice().len());
        let products = (rows.n_rows() as u64).saturating_mul((d * d) as u64);
        meter.watch("whitened rows", Extent::Products(products), |watch| {
            for block in rows.blocks(BLOCK) {
                // In float64: where the rows lie far from zero, float32 would lose the difference.
                let centred = block.as_slice().iter().zip(self.centre.iter().cycle());
                let centred: Vec<f32> = centred
                    .map(|(x, centre)| (f64::from(*x) - centre) as f32)
                    .collect();
                let mapped = self.metric.apply(&centred, watch)?;
                images.extend(mapped.into_iter().map(within_limit));
            }
            Ok(())
        })?;
        Ok(images)
    }

    /// Writes what [`Whitened::fit`] learned.
    pub(crate) fn save(&self, writer: &mut Writer) {
        writer.f64("metric.centre", &self.centre);
        self.metric.save("metric", writer);
    }

    /// Reads what [`Whitened::save`] wrote.
    ///
    /// # Errors
    /// [`crate::Error::CorruptModel`].
    pub(crate) fn restore(n_features: usize, reader: &mut Reader) -> Result<Self> {
        Ok(Self {
            centre: reader.f64_of("metric.centre", n_features)?,
            metric: Metric::restore("metric", n_features, reader)?,
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
