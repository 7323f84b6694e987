//! Agreement between two models that were fitted to different halves of the rows.
//!
//! The rows are split at random into two halves, one model is fitted to each, and both score the
//! same rows. For a row of its own half a model uses the score from fitting
//! ([`crate::Fitted::fitted_scores`]), so that in knn and lof no row is its own neighbour. The two
//! models have different seeds, so that the agreement also reflects what depends on chance.

use rand::seq::SliceRandom;

use super::ranks::{sample, spearman};
use crate::error::{Error, Result};
use crate::fit::Warning;
use crate::fit::progress::{Progress, Signal, Step, Work};
use crate::rng::{Purpose, stream};
use crate::rows::Rows;
use crate::spec::Spec;
use crate::views::{Sample, Views};

// Names of the two fits in progress reports and errors.
const FIRST: &str = "the first half of the rows";
const SECOND: &str = "the second half of the rows";

impl Spec {
    /// Fits two models to two random halves of the rows and returns Spearman's correlation of
    /// their scores, in \[-1, 1\], over all rows, or over 10,000 drawn at random where there are
    /// more.
    ///
    /// Near 1, another sample of rows would have given the same ranking; near 0, the ranking
    /// depends on which rows were sampled. It does not show that the ranking is right.
    ///
    /// Two fits to half of the rows take about as long as one fit to all of them, and up to twice
    /// as long where the number of training steps is at its minimum. `progress` hears of them
    /// through [`Progress::work`]; no checkpoint is made.
    ///
    /// ```
    /// use qualm::{Matrix, Spec};
    ///
    /// // Two hundred rows that fill a disc evenly.
    /// let rows = (0..200).flat_map(|i| {
    ///     let (radius, angle) = ((i as f32 / 200.0).sqrt(), 2.4 * i as f32);
    ///     [radius * angle.cos(), radius * angle.sin()]
    /// });
    /// let rows = Matrix::new(rows.collect(), 2)?;
    ///
    /// let spec = Spec::preset("ee", "default")?;
    /// let agreement = spec.half_agreement(rows.rows(), 0, &mut ())?;
    /// assert!(agreement > 0.9);
    /// let fitted = spec.fit(rows.rows(), 0, &mut ())?.with_half_agreement(agreement);
    /// # assert!(fitted.provenance().diagnostics.is_some());
    /// # Ok::<(), qualm::Error>(())
    /// ```
    ///
    /// # Shapes
    /// `rows`: `(n, d)`; half of them must be enough for a fit.
    ///
    /// # Errors
    /// As [`Spec::fit`] for each half; [`Error::Stopped`] when the listener wants it stopped.
    ///
    /// # Seed
    /// It decides the halves and both fits: the same seed, Spec and rows give the same bits.
    pub fn half_agreement<'a>(
        &self,
        rows: impl Into<Sample<'a>>,
        seed: u64,
        progress: &mut dyn Progress,
    ) -> Result<f64> {
        let Sample { rows, views } = rows.into();
        let n_rows = rows.n_rows();
        let n_items = views.map_or(n_rows, Views::n_items);
        // What is left to the rows is decided by all of them.
        let mut spec = self.clone();
        spec.adapt(rows);
        let mut order: Vec<usize> = (0..n_items).collect();
        order.shuffle(&mut stream(seed, Purpose::HALVES, [0, 0]));
        let (first, second) = order.split_at(n_items.div_ceil(2));
        let picked = sample(n_rows, seed);
        let mut scores = |half: &[usize], what, seed| {
            // The views of an item stay together.
            let mut half: Vec<usize> = match views {
                Some(views) => half.iter().flat_map(|i| views.rows(*i)).copied().collect(),
                None => half.to_vec(),
            };
            half.sort_unstable();
            let sample = Sample { rows, views };
            let progress = &mut *progress;
            spec.half_scores(
                sample,
                &half,
                &picked,
                seed,
                &mut Listener { what, progress },
            )
        };
        let first = scores(first, FIRST, seed)?;
        let second = scores(second, SECOND, seed.wrapping_add(1))?;
        Ok(spearman(&first, &second))
    }

    /// Refuses rows so few that a fit to them would lower what all rows allow.
    fn check_not_lowered(&self, rows: Rows<'_>) -> Result<()> {
        let lowered = self.clone().adapt(rows).into_iter();
        let refused = lowered.filter_map(|warning| match warning {
            Warning::Lowered {
                key,
                asked,
                used,
                n_rows,
            } => Some(Error::KeyForRows {
                key,
                value: asked,
                most: used,
                n_rows,
            }),
            _ => None,
        });
        refused.map(Err).next().unwrap_or(Ok(()))
    }

    /// Scores of the rows `picked` by a model of the rows `half`, both ascending.
    #[expect(
        clippy::expect_used,
        reason = "only a model that was loaded lacks the scores of its fitted rows"
    )]
    fn half_scores(
        &self,
        sample: Sample<'_>,
        half: &[usize],
        picked: &[usize],
        seed: u64,
        listener: &mut Listener<'_>,
    ) -> Result<Vec<f64>> {
        let Sample { rows, views } = sample;
        self.check_memory(half.len(), rows.n_cols())?;
        let half_rows = rows.pick(half)?;
        self.check_not_lowered(half_rows.rows())?;
        let views = views.map(|views| Views::of(half.iter().map(|i| views.items()[*i])));
        let half_sample = Sample {
            rows: half_rows.rows(),
            views: views.as_ref(),
        };
        let fitted = self.fit(half_sample, seed, listener);
        let fitted = fitted.map_err(|error| listener.name(error))?;
        let place = |row: &usize| half.binary_search(row).ok();
        let (own, others): (Vec<usize>, Vec<usize>) =
            picked.iter().partition(|row| place(row).is_some());
        let others = if others.is_empty() {
            Vec::new()
        } else {
            fitted.score(rows.pick(&others)?.rows())?
        };
        let fitted = fitted
            .fitted_scores()
            .expect("a model that was just fitted");
        let mut own = own.iter().filter_map(place).map(|i| fitted[i]);
        let mut others = others.into_iter();
        let scores = picked.iter().filter_map(|row| match place(row) {
            Some(_) => own.next(),
            None => others.next(),
        });
        Ok(scores.collect())
    }
}

/// Reports training steps as work, of which there is no checkpoint.
struct Listener<'a> {
    what: &'static str,
    progress: &'a mut dyn Progress,
}

impl Listener<'_> {
    /// Names the fit that was stopped, since it cannot be resumed.
    fn name(&self, error: Error) -> Error {
        match error {
            Error::Interrupted { step, steps } => Error::Stopped {
                what: self.what,
                done: step,
                total: steps,
            },
            other => other,
        }
    }
}

impl Progress for Listener<'_> {
    fn step(&mut self, step: &Step) -> Signal {
        let signal = self.progress.work(&Work {
            what: self.what,
            done: step.member as u64 * step.steps + step.step,
            total: step.members as u64 * step.steps,
            resumable: false,
        });
        match signal {
            Signal::Stop => Signal::Stop,
            Signal::Continue | Signal::Save => Signal::Continue,
        }
    }

    fn work(&mut self, work: &Work) -> Signal {
        self.progress.work(&Work {
            resumable: false,
            ..*work
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Matrix;

    /// A spiral of n rows, each a little stranger than the last.
    fn spiral(n: usize) -> Matrix {
        let rows = (0..n).flat_map(|i| {
            let (radius, angle) = ((i as f32 / n as f32).sqrt(), 2.4 * i as f32);
            [radius * angle.cos(), radius * angle.sin(), radius]
        });
        Matrix::new(rows.collect(), 3).unwrap()
    }

    #[test]
    fn every_picked_row_has_its_score_in_its_place() {
        let rows = spiral(60);
        let spec = Spec::preset("knn", "default").unwrap();
        let half: Vec<usize> = (0..60).filter(|i| i % 3 != 1).collect();
        let picked: Vec<usize> = (0..60).filter(|i| i % 4 != 0).collect();
        let mut listener = Listener {
            what: FIRST,
            progress: &mut (),
        };
        let scores = spec
            .half_scores(rows.rows().into(), &half, &picked, 0, &mut listener)
            .unwrap();
        let part = rows.rows().pick(&half).unwrap();
        let fitted = spec.fit(part.rows(), 0, &mut ()).unwrap();
        assert_eq!(scores.len(), picked.len());
        for (row, score) in picked.iter().zip(scores) {
            let expected = match half.binary_search(row) {
                Ok(i) => fitted.fitted_scores().unwrap()[i],
                Err(_) => fitted
                    .score(rows.rows().pick(&[*row]).unwrap().rows())
                    .unwrap()[0],
            };
            assert_eq!(score.to_bits(), expected.to_bits(), "row {row}");
        }
    }

    #[test]
    fn it_repeats_and_its_seed_decides() {
        let rows = spiral(81);
        let spec = Spec::preset("iforest", "default").unwrap();
        let agreement = |seed| spec.half_agreement(rows.rows(), seed, &mut ()).unwrap();
        assert_eq!(agreement(3).to_bits(), agreement(3).to_bits());
        assert_ne!(agreement(3).to_bits(), agreement(4).to_bits());
        assert!((-1.0..=1.0).contains(&agreement(u64::MAX)));
    }

    /// Stops after so much work, and refuses to hear of anything else.
    struct Stopper(u64);

    impl Progress for Stopper {
        fn step(&mut self, _: &Step) -> Signal {
            panic!("a step")
        }
        fn work(&mut self, work: &Work) -> Signal {
            assert!(!work.resumable);
            // Training steps, and no work of other kinds.
            self.0 -= u64::from(work.what.starts_with("the "));
            if self.0 == 0 {
                Signal::Stop
            } else {
                Signal::Save
            }
        }
        fn save(&mut self, _: &crate::Checkpoint) -> Result<()> {
            panic!("a checkpoint")
        }
    }

    #[test]
    fn a_listener_hears_of_work_and_can_stop_it() {
        let keys = serde_json::json!({"hidden": 8, "fourier_features": 8, "members": 2,
            "min_steps": 10, "max_steps": 10, "batch_size": 16});
        let serde_json::Value::Object(keys) = keys else {
            panic!("an object");
        };
        let spec = Spec::preset("dum", "mlp").unwrap().with(keys).unwrap();
        let rows = spiral(80);
        let stopped = |after| {
            spec.half_agreement(rows.rows(), 0, &mut Stopper(after))
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            stopped(13),
            "interrupted while working on the first half of the rows: 13 of 20 done"
        );
        assert_eq!(
            stopped(25),
            "interrupted while working on the second half of the rows: 5 of 20 done"
        );
        spec.half_agreement(rows.rows(), 0, &mut Stopper(u64::MAX))
            .unwrap();
    }

    #[test]
    fn half_of_the_rows_must_be_enough() {
        let rows = spiral(10);
        let spec = Spec::preset("knn", "default").unwrap();
        let error = spec.half_agreement(rows.rows(), 0, &mut ()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "n_neighbors = 5: expected at most 4 with 5 rows; lower it or fit more rows"
        );
    }
}
