//! What rows become before a detector measures their distances.

use std::borrow::Cow;

use crate::container::{Reader, Writer};
use crate::error::Result;
use crate::fit::Meter;
use crate::neighbours::DistanceMetric;
use crate::reference::Reference;
use crate::rows::Rows;
use crate::space::{Whitened, normalise};

/// The map of a metric, after which its distance is a norm of differences.
#[derive(Debug)]
pub(super) enum Measure {
    /// Rows as they are.
    Plain,
    /// Rows of norm 1, and one more column, which is 0. Half the squared distance of two is 1
    /// minus their cosine. The zero row has 1 in that column: it is at right angles to all.
    Direction,
    /// Whitened rows.
    Whitened(Whitened),
}

impl Measure {
    /// # Errors
    /// [`crate::Error::Stopped`].
    pub(super) fn fit(
        metric: DistanceMetric,
        rows: Rows<'_>,
        reference: Reference,
        seed: u64,
        meter: &mut Meter<'_>,
    ) -> Result<Self> {
        Ok(match metric {
            DistanceMetric::Cosine => Self::Direction,
            DistanceMetric::Mahalanobis => {
                let sample = Whitened::sample(rows, seed, 0);
                let sample = Rows::checked(&sample, rows.n_cols());
                Self::Whitened(Whitened::fit(sample, reference, meter)?)
            }
            _ => Self::Plain,
        })
    }

    /// Bytes that fitting takes besides the rows.
    pub(super) fn memory(metric: DistanceMetric, n_rows: usize, n_features: usize) -> u64 {
        match metric {
            DistanceMetric::Cosine => (n_rows as u64).saturating_mul(4 * (n_features as u64 + 1)),
            DistanceMetric::Mahalanobis => Whitened::memory(n_rows, n_features),
            _ => 0,
        }
    }

    /// Columns that rows of d columns have afterwards.
    pub(super) fn width(&self, d: usize) -> usize {
        d + usize::from(matches!(self, Self::Direction))
    }

    /// Whether column j of mapped rows is column j of the rows.
    pub(super) fn keeps_columns(&self) -> bool {
        matches!(self, Self::Plain)
    }

    /// The rows, `(n, width)`.
    ///
    /// # Errors
    /// [`crate::Error::Stopped`].
    pub(super) fn map<'a>(
        &self,
        rows: Cow<'a, [f32]>,
        d: usize,
        meter: &mut Meter<'_>,
    ) -> Result<Cow<'a, [f32]>> {
        Ok(match self {
            Self::Plain => rows,
            Self::Direction => {
                let mut directions = Vec::with_capacity(rows.len() / d * (d + 1));
                for row in rows.chunks_exact(d) {
                    let start = directions.len();
                    directions.extend_from_slice(row);
                    normalise(&mut directions[start..]);
                    let is_zero = row.iter().all(|x| *x == 0.0);
                    directions.push(f32::from(u8::from(is_zero)));
                }
                directions.into()
            }
            Self::Whitened(map) => map.map(Rows::checked(&rows, d), meter)?.into(),
        })
    }

    pub(super) fn save(&self, writer: &mut Writer) {
        if let Self::Whitened(map) = self {
            map.save("metric", writer);
        }
    }

    /// # Errors
    /// [`crate::Error::CorruptModel`].
    pub(super) fn restore(
        metric: DistanceMetric,
        n_features: usize,
        reader: &mut Reader,
    ) -> Result<Self> {
        Ok(match metric {
            DistanceMetric::Cosine => Self::Direction,
            DistanceMetric::Mahalanobis => {
                Self::Whitened(Whitened::restore("metric", n_features, reader)?)
            }
            _ => Self::Plain,
        })
    }
}
