//! The space stage before a baseline: rows are scaled, the detector sees the vectors.

use std::borrow::Cow;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::container::{Reader, Writer};
use crate::detector::{Detector, Outcome};
use crate::error::{Error, Location, Result};
use crate::nn::Threads;
use crate::rows::Rows;
use crate::space::{KernelMetric, KernelScaling, Space, SpaceKind, SpaceOptions};

/// Rows that are scaled at a time while scoring.
const BLOCK: usize = 4096;

/// How a baseline's rows are scaled: the spaces of [`SpaceKind`] but for the kernel's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Scaling {
    /// Rows as they are, as scikit-learn and `PyOD` take them.
    Identity,
    /// Each feature to \[0, 1\] over the fitted rows: the paper's Table 2.
    Minmax,
    /// Each feature to mean 0 and standard deviation 1.
    Standardise,
    /// Rows divided by their Euclidean norm.
    Unit,
    /// Standardised, then divided by the norm.
    Sphere,
}

impl Scaling {
    fn options(self) -> SpaceOptions {
        SpaceOptions {
            kind: match self {
                Self::Identity => SpaceKind::Identity,
                Self::Minmax => SpaceKind::Minmax,
                Self::Standardise => SpaceKind::Standardise,
                Self::Unit => SpaceKind::Unit,
                Self::Sphere => SpaceKind::Sphere,
            },
            centre: false,
            bandwidth: 1.0,
            fourier_features: 2,
            scaling: KernelScaling::Standardise,
            metric: KernelMetric::Euclidean,
        }
    }
}

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
    let space = Space::fit(scaling.options(), rows, 0, 0)?;
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
    let space = Space::restore(scaling.options(), n_features, "space", reader)?;
    let inner = restore(reader)?;
    Ok(Box::new(Spaced { space, inner }))
}

impl Space {
    /// The vectors of rows, `(n, d)`: the rows themselves where the space keeps them.
    fn vectors<'a>(&self, rows: Rows<'a>) -> Cow<'a, [f32]> {
        if self.only_scales() && self.keeps(rows) {
            return Cow::Borrowed(rows.as_slice());
        }
        let d = self.n_in();
        let mut vectors = vec![0.0; rows.as_slice().len()];
        let scale = |(row, out): (&[f32], &mut [f32])| {
            self.scale_into(row, out);
            if !self.only_scales() {
                let scaled = out.to_vec();
                self.project_into(&scaled, out, Threads::One);
            }
        };
        rows.as_slice()
            .par_chunks_exact(d)
            .zip(vectors.par_chunks_exact_mut(d))
            .with_min_len(256)
            .for_each(scale);
        Cow::Owned(vectors)
    }
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
            scored.map_err(|error| match error {
                // Counted from the first row of all.
                Error::ScoreNotFinite { at, score } => Error::ScoreNotFinite {
                    at: Location::row(i * BLOCK + at.row.unwrap_or(1)),
                    score,
                },
                other => other,
            })?;
        }
        Ok(())
    }

    fn save(&self, writer: &mut Writer) {
        self.space.save("space", writer);
        self.inner.save(writer);
    }
}
