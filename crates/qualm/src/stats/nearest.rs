//! How well embeddings tell labelled classes apart: accuracy of weighted nearest neighbours.
//!
//! The classifier of Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance
//! Discrimination" (2018, section 3.4), by which contrastive encoders are compared: each of the k
//! nearest rows by cosine similarity s votes for its class with weight `exp(s / temperature)`.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::nn::{Mat, Threads, dot, matmul, vectorised};
use crate::rows::Rows;

/// Queries that are compared with all rows at once.
const BLOCK: usize = 128;

/// How neighbours vote.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NearestClasses {
    /// Neighbours that vote: all rows, where there are fewer. The literature takes 200.
    pub k: usize,
    /// Above 0; the literature takes 0.1. Small values leave the vote to the nearest rows.
    pub temperature: f64,
}

impl Default for NearestClasses {
    fn default() -> Self {
        Self {
            k: 200,
            temperature: 0.1,
        }
    }
}

impl NearestClasses {
    /// The share of queries whose class the vote of their neighbours finds, in \[0, 1\]. Of
    /// classes with equal votes the first counts.
    ///
    /// # Shapes
    /// `rows`: `(n, d)`, `classes`: `(n,)`; `queries`: `(m, d)`, `expected`: `(m,)`. Classes are
    /// numbers from 0.
    ///
    /// # Errors
    /// [`Error::LabelCount`] when there is not a label for each row; [`Error::Shape`] when the
    /// queries have another width; [`Error::OutOfRange`] for a k of 0 or a temperature not above 0.
    ///
    /// ```
    /// use qualm::Matrix;
    /// use qualm::stats::NearestClasses;
    ///
    /// let rows = Matrix::new(vec![1.0, 0.1, 0.9, -0.1, -0.1, 1.0], 2)?;
    /// let queries = Matrix::new(vec![2.0, 0.0, 0.1, 3.0], 2)?;
    /// let vote = NearestClasses { k: 1, ..NearestClasses::default() };
    /// assert_eq!(vote.accuracy(rows.rows(), &[0, 0, 1], queries.rows(), &[0, 1])?, 1.0);
    /// # Ok::<(), qualm::Error>(())
    /// ```
    pub fn accuracy(
        &self,
        rows: Rows<'_>,
        classes: &[u32],
        queries: Rows<'_>,
        expected: &[u32],
    ) -> Result<f64> {
        let range = |name, found, expected| Error::OutOfRange {
            name,
            found,
            expected,
        };
        if self.k == 0 {
            return Err(range("k", 0.0, "at least 1"));
        }
        let positive = self.temperature.is_finite() && self.temperature > 0.0;
        if !positive {
            return Err(range("temperature", self.temperature, "above 0"));
        }
        for (rows, labels) in [(rows, classes), (queries, expected)] {
            if rows.n_rows() != labels.len() {
                return Err(Error::LabelCount {
                    scores: rows.n_rows(),
                    labels: labels.len(),
                });
            }
        }
        let width = rows.n_cols();
        if queries.n_cols() != width {
            return Err(Error::Shape {
                len: queries.as_slice().len(),
                n_cols: width,
            });
        }
        let n_classes = classes.iter().max().map_or(0, |most| *most as usize + 1);
        let (rows, queries) = (unit(rows), unit(queries));
        let n = classes.len();
        let blocks = queries.par_chunks(BLOCK * width);
        let right: usize = blocks
            .zip(expected.par_chunks(BLOCK))
            .map_init(Vec::new, |similarities, (queries, expected)| {
                similarities.resize(expected.len() * n, 0.0);
                let queries = Mat::new(queries, expected.len(), width);
                let rows = Mat::new(&rows, n, width).t();
                matmul(similarities, queries, rows, Threads::One);
                let found = similarities.chunks_exact(n);
                let found = found.map(|row| self.vote(row, classes, n_classes));
                found.zip(expected).filter(|(f, e)| f == *e).count()
            })
            .sum();
        Ok(right as f64 / expected.len() as f64)
    }

    /// The class that most speaks for.
    fn vote(&self, similarities: &[f32], classes: &[u32], n_classes: usize) -> u32 {
        let mut order: Vec<u32> = (0..similarities.len() as u32).collect();
        let nearer = |a: &u32, b: &u32| {
            let of = |i: u32| similarities[i as usize];
            of(*b).total_cmp(&of(*a)).then(a.cmp(b))
        };
        if self.k < order.len() {
            order.select_nth_unstable_by(self.k, nearer);
            order.truncate(self.k);
        }
        order.sort_unstable_by(nearer);
        let mut votes = vec![0.0; n_classes];
        for i in order {
            // At most 1 over the temperature: taken off, so that no weight overflows.
            let above = (f64::from(similarities[i as usize]) - 1.0) / self.temperature;
            votes[classes[i as usize] as usize] += above.exp();
        }
        let best = votes.iter().enumerate();
        let best = best.fold((0, f64::NEG_INFINITY), |best, (class, &vote)| {
            if vote > best.1 { (class, vote) } else { best }
        });
        best.0 as u32
    }
}

/// Rows of unit length; a row of zeros stays one.
fn unit(rows: Rows<'_>) -> Vec<f32> {
    let mut values = rows.as_slice().to_vec();
    values.par_chunks_mut(rows.n_cols()).for_each(|row| {
        let length = vectorised(
            #[inline(always)]
            || dot(row, row),
        )
        .sqrt();
        for v in row {
            *v /= length.max(f32::MIN_POSITIVE);
        }
    });
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Matrix;

    fn matrix(values: &[f32]) -> Matrix {
        Matrix::new(values.to_vec(), 2).unwrap()
    }

    #[test]
    fn near_rows_weigh_more_and_far_ones_can_outvote_them() {
        // Two rows of class 1 at 60 degrees, one of class 0 along the query.
        let rows = matrix(&[1.0, 0.0, 0.5, 0.75f32.sqrt(), 0.5, -(0.75f32.sqrt())]);
        let query = matrix(&[3.0, 0.0]);
        let class = |k, temperature| {
            let vote = NearestClasses { k, temperature };
            let right = vote.accuracy(rows.rows(), &[0, 1, 1], query.rows(), &[1]);
            right.unwrap() == 1.0
        };
        // Weights exp(1 / t) against 2 exp(0.5 / t): the two win when t > 0.5 / ln 2 = 0.72.
        assert!(!class(3, 0.7) && class(3, 0.74));
        assert!(!class(1, 10.0) && class(200, 10.0));
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let rows = matrix(&[1.0, 0.0, 0.0, 1.0]);
        let accuracy = |vote: NearestClasses, classes: &[u32], width| {
            let queries = Matrix::new(vec![1.0; 6], width).unwrap();
            let expected = vec![0; 6 / width];
            vote.accuracy(rows.rows(), classes, queries.rows(), &expected)
        };
        let vote = NearestClasses::default();
        assert!(accuracy(vote, &[0, 1], 2).is_ok());
        assert!(accuracy(vote, &[0], 2).is_err());
        assert!(accuracy(vote, &[0, 1], 3).is_err());
        assert!(accuracy(NearestClasses { k: 0, ..vote }, &[0, 1], 2).is_err());
        let temperature = 0.0;
        assert!(
            accuracy(
                NearestClasses {
                    temperature,
                    ..vote
                },
                &[0, 1],
                2
            )
            .is_err()
        );
    }
}
