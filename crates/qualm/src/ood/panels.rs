//! Rows that a linear map scores, sixteen side by side.

use rayon::prelude::*;

use crate::covariance::{WIDTH, fill, subtract};
use crate::nn::vectorised;
use crate::rows::{Matrix, Rows};
use crate::space::normalise;

/// The fewest panels that are worth a task of their own.
const LEAST: usize = 4;

/// Features as a detector sees them.
pub(super) enum Prepared<'a> {
    AsTheyAre(Rows<'a>),
    Normalised(Matrix),
}

impl Prepared<'_> {
    pub(super) fn rows(&self) -> Rows<'_> {
        match self {
            Self::AsTheyAre(rows) => *rows,
            Self::Normalised(rows) => rows.rows(),
        }
    }
}

/// Normalises features if asked to.
pub(super) fn prepared(rows: Rows<'_>, normalise: bool) -> Prepared<'_> {
    if normalise {
        Prepared::Normalised(normalised(rows))
    } else {
        Prepared::AsTheyAre(rows)
    }
}

/// Divides each row by its Euclidean norm.
fn normalised(rows: Rows<'_>) -> Matrix {
    let mut values = rows.as_slice().to_vec();
    values
        .par_chunks_exact_mut(rows.n_cols())
        .with_min_len(LEAST * WIDTH)
        .for_each(normalise);
    Matrix::checked(values.into(), rows.n_cols())
}

/// Scores each row by what `score` makes of a panel `(d, WIDTH)` of rows less `location`. The
/// lanes of a panel must not depend on each other.
///
/// # Shapes
/// `rows`: `(n, d)`; `location`: `(d,)`; `out`: `(n,)`.
pub(super) fn score_panels(
    rows: Rows<'_>,
    location: &[f64],
    out: &mut [f64],
    score: impl Fn(&[f64]) -> [f64; WIDTH] + Sync,
) {
    let d = rows.n_cols();
    let panels = rows.as_slice().par_chunks(WIDTH * d);
    let scored = panels.zip(out.par_chunks_mut(WIDTH)).with_min_len(LEAST);
    scored.for_each_init(
        || (vec![0.0; WIDTH * d], vec![0.0; WIDTH * d]),
        |(panel, centred), (rows, out)| {
            fill(rows, d, panel);
            let scores = vectorised(
                #[inline(always)]
                || {
                    subtract(panel, location, centred);
                    score(centred)
                },
            );
            out.iter_mut().zip(scores).for_each(|(out, s)| *out = s);
        },
    );
}
