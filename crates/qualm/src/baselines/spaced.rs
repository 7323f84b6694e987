//! The space stage before a baseline: rows are scaled, the detector sees the vectors.

use super::measure::Measure;
use crate::container::{Reader, Writer};
use crate::detector::{Detector, Outcome};
use crate::error::Result;
use crate::fit::{Meter, Session};
use crate::neighbours::DistanceMetric;
use crate::rows::Rows;
use crate::space::{Scaling, Space, SpaceOptions};

/// Rows that are scaled at a time while scoring.
const BLOCK: usize = 4096;

/// A detector behind its scaling.
#[derive(Debug)]
pub(crate) struct Spaced<D> {
    space: Space,
    measure: Measure,
    inner: D,
}

/// Scales rows, then fits a detector to them.
///
/// # Errors
/// [`crate::Error::NoVariance`] when all rows are equal, and those of `fit`.
pub(crate) fn fit_spaced<D: Detector + 'static>(
    scaling: Scaling,
    rows: Rows<'_>,
    fit: impl FnOnce(Rows<'_>) -> Result<Outcome<D>>,
) -> Result<Outcome> {
    let space = Space::fit(
        SpaceOptions::Scaled(scaling),
        rows,
        0,
        0,
        &mut Meter::new(&mut ()),
    )?;
    let vectors = space.vectors(rows);
    let fitted = fit(Rows::checked(&vectors, rows.n_cols()))?;
    Ok(fitted.boxed(|inner| Spaced {
        space,
        measure: Measure::Plain,
        inner,
    }))
}

/// Scales rows, maps them for a metric, then fits a detector to them.
///
/// # Errors
/// As [`fit_spaced`], and [`crate::Error::Stopped`].
pub(crate) fn fit_measured<D: Detector + 'static>(
    scaling: Scaling,
    metric: DistanceMetric,
    rows: Rows<'_>,
    session: &mut Session<'_>,
    fit: impl FnOnce(Rows<'_>, &mut Session<'_>) -> Result<Outcome<D>>,
) -> Result<Outcome> {
    let d = rows.n_cols();
    let space = Space::fit(
        SpaceOptions::Scaled(scaling),
        rows,
        0,
        0,
        &mut session.meter(),
    )?;
    let vectors = space.vectors(rows);
    let seed = session.seed();
    let meter = &mut session.meter();
    let measure = Measure::fit(metric, Rows::checked(&vectors, d), seed, meter)?;
    let mapped = measure.map(vectors, d, meter)?;
    let fitted = fit(Rows::checked(&mapped, measure.width(d)), session)?;
    Ok(fitted.boxed(|inner| Spaced {
        space,
        measure,
        inner,
    }))
}

/// Reads a detector and its scaling from a model file.
///
/// # Errors
/// [`crate::Error::CorruptModel`].
pub(crate) fn restore_spaced<D: Detector + 'static>(
    scaling: Scaling,
    n_features: usize,
    reader: &mut Reader,
    restore: impl FnOnce(&mut Reader) -> Result<D>,
) -> Result<Box<dyn Detector>> {
    let euclidean = DistanceMetric::Euclidean;
    let restore = |_: usize, reader: &mut Reader| restore(reader);
    restore_measured(scaling, euclidean, n_features, reader, restore)
}

/// Reads a detector, its scaling and the map of its metric from a model file; `restore` is told
/// of the columns that mapped rows have.
///
/// # Errors
/// [`crate::Error::CorruptModel`].
pub(crate) fn restore_measured<D: Detector + 'static>(
    scaling: Scaling,
    metric: DistanceMetric,
    n_features: usize,
    reader: &mut Reader,
    restore: impl FnOnce(usize, &mut Reader) -> Result<D>,
) -> Result<Box<dyn Detector>> {
    let space = Space::restore(SpaceOptions::Scaled(scaling), n_features, "space", reader)?;
    let measure = Measure::restore(metric, n_features, reader)?;
    let inner = restore(measure.width(n_features), reader)?;
    Ok(Box::new(Spaced {
        space,
        measure,
        inner,
    }))
}

impl<D: Detector> Detector for Spaced<D> {
    fn n_features(&self) -> usize {
        self.space.n_in()
    }

    fn score_into(&self, rows: Rows<'_>, out: &mut [f64]) -> Result<()> {
        let blocks = rows.blocks(BLOCK).zip(out.chunks_mut(BLOCK));
        for (i, (rows, out)) in blocks.enumerate() {
            let d = rows.n_cols();
            let vectors = self.space.vectors(rows);
            let vectors = self.measure.map(vectors, d, &mut Meter::new(&mut ()))?;
            let vectors = Rows::checked(&vectors, self.measure.width(d));
            let scored = self.inner.score_into(vectors, out);
            // Counted from the first row of all.
            scored.map_err(|error| error.renumbered(|row| i * BLOCK + row))?;
        }
        Ok(())
    }

    fn save(&self, writer: &mut Writer) {
        self.space.save("space", writer);
        self.measure.save(writer);
        self.inner.save(writer);
    }
}
