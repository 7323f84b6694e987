//! The space stage before a baseline: rows are scaled, then mapped for the metric; the detector
//! sees the vectors.

use std::borrow::Cow;

use super::measure::Measure;
use crate::container::{Reader, Writer};
use crate::detector::{Detector, Outcome};
use crate::error::Result;
use crate::fit::{Meter, Session};
use crate::neighbours::DistanceMetric;
use crate::reference::Reference;
use crate::rows::Rows;
use crate::space::{Scaling, Space, SpaceOptions};

/// Rows that are scaled at a time while scoring.
const BLOCK: usize = 4096;

/// What rows become before a baseline sees them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stage {
    scaling: Scaling,
    metric: DistanceMetric,
    reference: Reference,
}

/// A detector behind its stage.
#[derive(Debug)]
struct Spaced<D> {
    space: Space,
    measure: Measure,
    inner: D,
}

impl Stage {
    /// Scaling alone.
    pub(super) fn new(scaling: Scaling, reference: Reference) -> Self {
        Self {
            scaling,
            metric: DistanceMetric::Euclidean,
            reference,
        }
    }

    /// The same, and then what a metric needs.
    pub(super) fn measured_by(self, metric: DistanceMetric) -> Self {
        Self { metric, ..self }
    }

    fn options(self) -> SpaceOptions {
        SpaceOptions::Scaled(self.scaling, self.reference)
    }

    /// Bytes that it takes besides the rows.
    pub(super) fn memory(self, n_rows: usize, n_features: usize) -> u64 {
        let scaled = match self.scaling {
            Scaling::Identity => 0,
            _ => 4 * (n_rows as u64).saturating_mul(n_features as u64),
        };
        let space = self.options().memory(1, n_rows, n_features);
        let measure = Measure::memory(self.metric, n_rows, n_features);
        scaled.saturating_add(space).saturating_add(measure)
    }

    /// Scales rows, maps them for the metric, then fits a detector to them.
    ///
    /// # Errors
    /// [`crate::Error::NoVariance`] when all rows are equal, [`crate::Error::Stopped`], and those
    /// of `fit`.
    pub(super) fn fit<D: Detector + 'static>(
        self,
        rows: Rows<'_>,
        session: &mut Session<'_>,
        fit: impl FnOnce(Rows<'_>, &mut Session<'_>) -> Result<Outcome<D>>,
    ) -> Result<Outcome> {
        let d = rows.n_cols();
        let seed = session.seed();
        let meter = &mut session.meter();
        let space = Space::fit(self.options(), rows, seed, 0, meter)?;
        let vectors = space.vectors(rows, meter)?;
        let scaled = Rows::checked(&vectors, d);
        let measure = Measure::fit(self.metric, scaled, self.reference, seed, meter)?;
        let mapped = measure.map(vectors, d, meter)?;
        let fitted = fit(Rows::checked(&mapped, measure.width(d)), session)?;
        Ok(fitted.boxed(|inner| Spaced {
            space,
            measure,
            inner,
        }))
    }

    /// Reads a detector and its stage from a model file; `restore` is told of the columns that
    /// mapped rows have.
    ///
    /// # Errors
    /// [`crate::Error::CorruptModel`].
    pub(super) fn restore<D: Detector + 'static>(
        self,
        n_features: usize,
        reader: &mut Reader,
        restore: impl FnOnce(usize, &mut Reader) -> Result<D>,
    ) -> Result<Box<dyn Detector>> {
        let space = Space::restore(self.options(), n_features, 0, "space", reader)?;
        let measure = Measure::restore(self.metric, n_features, reader)?;
        let inner = restore(measure.width(n_features), reader)?;
        Ok(Box::new(Spaced {
            space,
            measure,
            inner,
        }))
    }
}

impl<D: Detector> Spaced<D> {
    /// Rows as the detector sees them.
    fn mapped<'a>(&self, rows: Rows<'a>) -> Result<Cow<'a, [f32]>> {
        let nobody = &mut ();
        let meter = &mut Meter::new(nobody);
        let vectors = self.space.vectors(rows, meter)?;
        self.measure.map(vectors, rows.n_cols(), meter)
    }
}

impl<D: Detector> Detector for Spaced<D> {
    fn n_features(&self) -> usize {
        self.space.n_in()
    }

    fn score_into(&self, rows: Rows<'_>, out: &mut [f64]) -> Result<()> {
        let blocks = rows.blocks(BLOCK).zip(out.chunks_mut(BLOCK));
        for (i, (rows, out)) in blocks.enumerate() {
            let vectors = self.mapped(rows)?;
            let width = self.measure.width(rows.n_cols());
            let scored = self.inner.score_into(Rows::checked(&vectors, width), out);
            // Counted from the first row of all.
            scored.map_err(|error| error.renumbered(|row| i * BLOCK + row))?;
        }
        Ok(())
    }

    fn contributions(&self, rows: Rows<'_>) -> Result<Option<Vec<f64>>> {
        // The detector tells of its own columns.
        if !self.space.keeps_columns() || !self.measure.keeps_columns() {
            return Ok(None);
        }
        let mut all = Vec::new();
        for rows in rows.blocks(BLOCK) {
            let vectors = self.mapped(rows)?;
            let vectors = Rows::checked(&vectors, rows.n_cols());
            let Some(shares) = self.inner.contributions(vectors)? else {
                return Ok(None);
            };
            all.extend(shares);
        }
        Ok(Some(all))
    }

    fn save(&self, writer: &mut Writer) {
        self.space.save("space", writer);
        self.measure.save(writer);
        self.inner.save(writer);
    }
}
