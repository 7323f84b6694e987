//! The space stage before a baseline: rows are scaled, the detector sees the vectors.

use crate::container::{Reader, Writer};
use crate::detector::{Detector, Outcome};
use crate::error::Result;
use crate::fit::Meter;
use crate::rows::Rows;
use crate::space::{Scaling, Space, SpaceOptions};

/// Rows that are scaled at a time while scoring.
const BLOCK: usize = 4096;

/// A detector behind its scaling.
#[derive(Debug)]
pub(crate) struct Spaced<D> {
    space: Space,
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
    Ok(fitted.boxed(|inner| Spaced { space, inner }))
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
    let space = Space::restore(SpaceOptions::Scaled(scaling), n_features, "space", reader)?;
    let inner = restore(reader)?;
    Ok(Box::new(Spaced { space, inner }))
}

impl<D: Detector> Detector for Spaced<D> {
    fn n_features(&self) -> usize {
        self.space.n_in()
    }

    fn score_into(&self, rows: Rows<'_>, out: &mut [f64]) -> Result<()> {
        let blocks = rows.blocks(BLOCK).zip(out.chunks_mut(BLOCK));
        for (i, (rows, out)) in blocks.enumerate() {
            let vectors = self.space.vectors(rows);
            let vectors = Rows::checked(&vectors, rows.n_cols());
            let scored = self.inner.score_into(vectors, out);
            // Counted from the first row of all.
            scored.map_err(|error| error.renumbered(|row| i * BLOCK + row))?;
        }
        Ok(())
    }

    fn save(&self, writer: &mut Writer) {
        self.space.save("space", writer);
        self.inner.save(writer);
    }
}
