//! A fitted model: the detector, what it was fitted on, and what its scores mean.

use crate::calibrate::{Calibration, ScoreCells, ThresholdRule};
use crate::decision::Decision;
use crate::detector::{Detector, LogVariances, score_fitted};
use crate::device::Device;
use crate::diagnostics::{distinct, distinct_rows};
use crate::digest::{sha256, sha256_of_values};
use crate::error::{Error, Location, Result};
use crate::features::Features;
use crate::fit::checkpoint::Checkpoint;
use crate::fit::checkpoint::Identity;
use crate::fit::progress::Progress;
use crate::fit::session::Session;
use crate::fit::warning::Warning;
use crate::provenance::{ColumnRoles, EncoderIdentity, Provenance, ReferenceRows, Sampling};
use crate::rounding::Rounding;
use crate::rows::{Matrix, Rows};
use crate::spec::Spec;
use crate::views::{Sample, Views};

/// Values that are rounded again at a time.
const ROUNDED_VALUES: usize = 1 << 20;

/// Rows whose medians are kept as typical values.
const MEDIAN_SAMPLE: usize = 10_000;

/// A fitted detector with its calibration: it scores, gives p-values, decides, explains,
/// and lives in one `.qualm` file.
#[derive(Debug)]
pub struct Fitted {
    pub(crate) spec: Spec,
    pub(crate) features: Features,
    pub(crate) rounding: Rounding,
    pub(crate) roles: ColumnRoles,
    pub(crate) detector: Box<dyn Detector>,
    pub(crate) decision: Decision,
    /// A typical value of each feature, `(d,)`: its median over the fitted rows.
    pub(crate) feature_medians: Vec<f32>,
    pub(crate) provenance: Provenance,
}

impl Spec {
    /// Fits the detector to rows, without labels.
    ///
    /// # Shapes
    /// `rows`: `(n, d)`, n at least two bags; [`Rows::with_views`], where several are views of
    /// one item.
    ///
    /// # Errors
    /// On an invalid Spec, too few rows, rows that are all equal, a training that diverges,
    /// constant scores, and whatever `progress` returns.
    ///
    /// # Seed
    /// The same seed, Spec and rows give the same bits at any number of threads.
    pub fn fit<'a>(
        &self,
        rows: impl Into<Sample<'a>>,
        seed: u64,
        progress: &mut dyn Progress,
    ) -> Result<Fitted> {
        Fitted::fit(self, rows.into(), seed, None, progress)
    }

    /// Goes on with an interrupted fit and ends with the same bits as one that was not.
    ///
    /// # Errors
    /// As [`Spec::fit`], and [`Error::CheckpointMismatch`] when the Spec, the seed or the
    /// rows are not those that the checkpoint was made with.
    pub fn resume<'a>(
        &self,
        rows: impl Into<Sample<'a>>,
        seed: u64,
        checkpoint: Checkpoint,
        progress: &mut dyn Progress,
    ) -> Result<Fitted> {
        Fitted::fit(self, rows.into(), seed, Some(checkpoint), progress)
    }

    /// What a checkpoint of this fit is known by. A fit may go on on another device.
    fn identity(&self, sample: Sample<'_>, seed: u64, digest: &str) -> Result<Identity> {
        let mut spec = self.clone();
        spec.set_device(Device::Cpu)?;
        Ok(Identity {
            spec: spec.keys().into(),
            seed,
            input_digest: match sample.views {
                None => digest.to_owned(),
                Some(views) => {
                    let items = views.items().iter().flat_map(|i| (*i as u64).to_le_bytes());
                    sha256([digest.as_bytes(), &items.collect::<Vec<u8>>()])
                }
            },
            n_features: sample.rows.n_cols(),
        })
    }
}

impl Fitted {
    fn fit(
        spec: &Spec,
        sample: Sample<'_>,
        seed: u64,
        resume: Option<Checkpoint>,
        progress: &mut dyn Progress,
    ) -> Result<Self> {
        spec.validate()?;
        spec.device().check()?;
        let near = sample.rows.near();
        let rows = near.as_ref().map_or(sample.rows, Matrix::rows);
        let features = Features::Vector {
            name: None,
            width: rows.n_cols(),
        };
        let mut spec = spec.clone();
        let mut warnings = spec.adapt(rows);
        warnings.extend(spec.unscaled(rows, &features));
        spec.check_memory_besides(0, rows.n_rows(), rows.n_cols())?;
        let hyper_parameters = spec.hyper_parameters();
        hyper_parameters.check_device_memory(rows.n_rows(), rows.n_cols())?;
        let digest = sha256_of_values(rows.as_slice());
        let mut session = Session::new(spec.identity(sample, seed, &digest)?, resume, progress)?
            .with_views(sample.views);
        let n_items = sample.views.map(Views::n_items);
        if let Some(n_items) = n_items.filter(|_| !hyper_parameters.draws_views()) {
            warnings.push(Warning::ViewsAsRows {
                detector: spec.detector().to_owned(),
                n_items,
            });
        }
        let outcome = hyper_parameters.fit(rows, &mut session)?;
        let detector = outcome.detector;
        let scores = if let Some(scores) = outcome.scores {
            scores
        } else {
            score_fitted(rows, &mut session.meter(), |rows, out| {
                detector.score_into(rows, out)
            })?
        };
        let decision = Decision::on_fitted(scores)?;
        let reference = decision.calibration().scores();
        let diagnostics = outcome.diagnostics.with_scores(reference);
        warnings.extend(outcome.warnings);
        warnings.extend(Warning::rounding(rows.rounding(), &features));
        let mut fitted = Self {
            spec,
            features,
            rounding: rows.rounding().clone(),
            roles: ColumnRoles::default(),
            detector,
            feature_medians: medians(rows),
            decision,
            provenance: Provenance {
                n_items,
                steps: outcome.steps,
                losses: outcome.curves.iter().map(|c| c.losses.clone()).collect(),
                effective_rows: outcome
                    .curves
                    .iter()
                    .map(|c| c.effective_rows.clone())
                    .collect(),
                warnings,
                diagnostics: Some(diagnostics),
                ..Provenance::now(seed, rows.n_rows(), digest)
            },
        };
        let warning = check_spread(fitted.calibration(), rows)?;
        fitted.provenance.warnings.extend(warning);
        Ok(fitted)
    }

    /// Names the features, so that later inputs are matched by column name.
    ///
    /// # Errors
    /// [`Error::Width`] when there are not as many names as features.
    pub fn with_features(mut self, features: Features) -> Result<Self> {
        self.check_width(features.width())?;
        for warning in &mut self.provenance.warnings {
            warning.rename(&self.features, &features);
        }
        self.features = features;
        Ok(self)
    }

    /// Remembers which encoder made the rows.
    #[must_use]
    pub fn with_encoder(mut self, encoder: Option<EncoderIdentity>) -> Self {
        self.provenance.encoder = encoder;
        self
    }

    /// Remembers the input's id columns and its label.
    #[must_use]
    pub fn with_column_roles(mut self, ids: Vec<String>, label: Option<String>) -> Self {
        self.roles = ColumnRoles { ids, label };
        self
    }

    /// Remembers the input's id columns, as [`Fitted::with_column_roles`] does.
    pub fn set_ids(&mut self, ids: Vec<String>) {
        self.roles.ids = ids;
    }

    /// Keeps what [`Spec::half_agreement`] found with the model's [`crate::Diagnostics`].
    #[must_use]
    pub fn with_half_agreement(mut self, agreement: f64) -> Self {
        let diagnostics = self.provenance.diagnostics.get_or_insert_default();
        diagnostics.half_agreement = Some(agreement);
        self
    }

    /// Moves the networks: from now on they score on this device. A model is on the
    /// processor when it was read from a file, wherever it was fitted; fresh from a fit it
    /// is on the device of its Spec.
    ///
    /// Scores agree with the processor's to rounding, not to the bit.
    ///
    /// # Errors
    /// [`Error::Device`] when the device is not in this build, not on this machine or too
    /// small.
    pub fn to_device(mut self, device: Device) -> Result<Self> {
        self.detector.move_to(device)?;
        Ok(self)
    }

    /// Calibrates on rows kept apart from fitting: p-values and thresholds then refer to
    /// their scores.
    ///
    /// # Shapes
    /// `rows`: `(n, d)`.
    ///
    /// # Errors
    /// As [`Fitted::score`].
    pub fn calibrate(&mut self, rows: Rows<'_>) -> Result<()> {
        let calibration = Calibration::new(self.score(rows)?)?;
        self.decision.calibrate(calibration);
        self.provenance.reference = ReferenceRows::SeparateRows;
        if let Some(sampling) = &mut self.provenance.sampling {
            (sampling.n_reference, sampling.p_value_error) = (0, 0.0);
        }
        Ok(())
    }

    /// Whether, of so many rows, enough were kept apart from the sample that the model was fitted to
    /// for their scores to be the reference: at least as many as it was fitted to.
    #[must_use]
    pub fn calibrates_apart(&self, n_rows: u64) -> bool {
        let fitted = self.provenance.n_rows as u64;
        n_rows.saturating_sub(fitted) >= fitted
    }

    /// Calibrates on the scores of the rows that were not sampled: p-values and thresholds then
    /// refer to them, as if they had been given to [`Fitted::calibrate`], within the error that
    /// [`Provenance::sampling`] states. Without counts the fitted rows remain the reference.
    ///
    /// `n_rows` is how many rows there are in all; `cells` are those of the model's own
    /// [`calibration`](Self::calibration) after the fit.
    ///
    /// # Errors
    /// [`Error::NoReference`] where nothing was counted.
    pub fn calibrate_on_counts(&mut self, n_rows: u64, cells: Option<&ScoreCells>) -> Result<()> {
        let mut sampling = Sampling {
            n_rows,
            n_reference: 0,
            p_value_error: 0.0,
        };
        if let Some(cells) = cells {
            let found = cells.calibrate()?;
            sampling.n_reference = cells.n();
            sampling.p_value_error = found.p_value_error;
            self.decision.calibrate(found.calibration);
            self.provenance.reference = ReferenceRows::SeparateRows;
        }
        self.provenance.sampling = Some(sampling);
        Ok(())
    }

    /// Keeps the scores of the fitted rows in the model's file, 8 bytes a row, or does not, as a fresh
    /// fit.
    pub fn keep_fitted_scores(&mut self, keep: bool) {
        self.decision.keep_fitted(keep);
    }

    /// Scores of the rows fitted on, `(n,)`, in their order; `None` for a model that was
    /// read from a file without them.
    ///
    /// For the methods of neighbours `knn` and `lof` these are not what
    /// [`Fitted::score`] gives for the same rows: among themselves, a row is not its own
    /// neighbour, while a new row that equals a fitted one has a neighbour at distance 0.
    #[must_use]
    pub fn fitted_scores(&self) -> Option<&[f64]> {
        self.decision.fitted_scores()
    }

    /// Scores rows; higher = more anomalous.
    ///
    /// # Shapes
    /// `rows`: `(n, d)`; returns `(n,)`.
    ///
    /// # Errors
    /// [`Error::Width`], [`Error::ScoreNotFinite`], [`Error::Device`] when a device fails.
    pub fn score(&self, rows: Rows<'_>) -> Result<Vec<f64>> {
        let mut out = vec![0.0; rows.n_rows()];
        self.score_into(rows, &mut out)?;
        Ok(out)
    }

    /// Scores rows into a slice.
    ///
    /// # Shapes
    /// `rows`: `(n, d)`; `out`: `(n,)`.
    ///
    /// # Errors
    /// As [`Fitted::score`]; [`Error::OutputLength`] when `out` has another length.
    pub fn score_into(&self, rows: Rows<'_>, out: &mut [f64]) -> Result<()> {
        self.check_width(rows.n_cols())?;
        if out.len() != rows.n_rows() {
            return Err(Error::OutputLength {
                found: out.len(),
                expected: rows.n_rows(),
            });
        }
        self.on_own_scale(rows, |rows, start| {
            let out = out.get_mut(start..start + rows.n_rows());
            let scored = self.detector.score_into(rows, out.unwrap_or_default());
            scored.map_err(|error| error.renumbered(|row| start + row))
        })
    }

    /// Lends rows as they are where they were rounded as the fitted rows were; otherwise rounds
    /// them so, block by block. `work` also gets the number of the block's first row, from 0.
    pub(crate) fn on_own_scale(
        &self,
        rows: Rows<'_>,
        mut work: impl FnMut(Rows<'_>, usize) -> Result<()>,
    ) -> Result<()> {
        if *rows.rounding() == self.rounding {
            return work(rows, 0);
        }
        let d = rows.n_cols();
        let size = (ROUNDED_VALUES / d).max(1);
        for (i, block) in rows.blocks(size).enumerate() {
            let values = self.rounding.again(rows.rounding(), block.as_slice(), d);
            work(
                Rows::checked(&values, d).with_rounding(&self.rounding),
                i * size,
            )?;
        }
        Ok(())
    }

    fn check_width(&self, found: usize) -> Result<()> {
        let expected = self.n_features();
        if found == expected {
            return Ok(());
        }
        Err(Error::Width {
            at: Location::default(),
            found,
            expected,
        })
    }

    /// The log-variance of each row and dimension, or `None` for detectors without any.
    ///
    /// # Errors
    /// [`Error::Width`], [`Error::Device`].
    pub fn log_variances(&self, rows: Rows<'_>) -> Result<Option<LogVariances>> {
        self.check_width(rows.n_cols())?;
        let mut all: Option<LogVariances> = None;
        self.on_own_scale(rows, |rows, _| {
            let some = self.detector.log_variances(rows)?;
            match (&mut all, some) {
                (Some(all), Some(some)) => all.values.extend(some.values),
                (all, some) => *all = some,
            }
            Ok(())
        })?;
        Ok(all)
    }

    /// Each feature's share of each row's score, `(n, d)`, where the detector itself can tell. The
    /// rows are on the model's own scale.
    pub(crate) fn contributions(&self, rows: Rows<'_>) -> Result<Option<Vec<f64>>> {
        self.check_width(rows.n_cols())?;
        self.detector.contributions(rows)
    }

    /// The conformal p-value of a score, in (0, 1].
    #[must_use]
    pub fn p_value(&self, score: f64) -> f64 {
        self.calibration().p_value(score)
    }

    /// The score above which a row is an outlier.
    ///
    /// # Errors
    /// When the rule is out of range.
    pub fn threshold(&self) -> Result<f64> {
        self.decision.threshold()
    }

    /// Sets another threshold, without fitting again.
    ///
    /// # Errors
    /// When the rule is out of range.
    pub fn set_threshold_rule(&mut self, rule: ThresholdRule) -> Result<()> {
        self.decision.set_rule(rule)
    }

    /// The detector alone.
    pub(crate) fn into_detector(self) -> Box<dyn Detector> {
        self.detector
    }

    /// The specification it was fitted by, with what that left to the rows decided.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// What the columns are called.
    #[must_use]
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// How float64 values become the values that it scores: by [`Matrix::from_f64`], or in a
    /// reader that is told of it. Rows that were not rounded so are when they are scored, as far
    /// as their float32 values allow.
    #[must_use]
    pub fn rounding(&self) -> &Rounding {
        &self.rounding
    }

    /// Which columns were ids and label.
    #[must_use]
    pub fn roles(&self) -> &ColumnRoles {
        &self.roles
    }

    /// Width of the rows it scores.
    #[must_use]
    pub fn n_features(&self) -> usize {
        self.detector.n_features()
    }

    /// The rule behind the threshold.
    #[must_use]
    pub fn threshold_rule(&self) -> ThresholdRule {
        self.decision.rule()
    }

    /// The reference scores.
    #[must_use]
    pub fn calibration(&self) -> &Calibration {
        self.decision.calibration()
    }

    /// Where the model came from.
    #[must_use]
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }
}

/// Refuses scores of rows that tell nothing apart, warns of those that tell little apart.
pub(crate) fn check_spread(calibration: &Calibration, rows: Rows<'_>) -> Result<Option<Warning>> {
    let scores = calibration.scores();
    let distinct = distinct(scores);
    let (n_rows, score) = (scores.len(), scores.first().copied().unwrap_or_default());
    if distinct == 1 {
        return Err(Error::ConstantScores { n_rows, score });
    }
    // Duplicate rows share their score by right: compare with the rows that differ.
    // Sorting the rows is only worth it when there are few scores at all.
    let few = distinct * 2 < n_rows && distinct * 2 < distinct_rows(rows);
    Ok(few.then_some(Warning::FewDistinctScores { distinct, n_rows }))
}

/// The median of each column, over at most [`MEDIAN_SAMPLE`] rows spread evenly.
fn medians(rows: Rows<'_>) -> Vec<f32> {
    let n = rows.n_rows();
    let step = n.div_ceil(MEDIAN_SAMPLE);
    (0..rows.n_cols())
        .map(|j| {
            let picked = (0..n).step_by(step).filter_map(|i| rows.get(i));
            let mut column: Vec<f32> = picked.map(|row| row[j]).collect();
            let middle = column.len() / 2;
            *column.select_nth_unstable_by(middle, f32::total_cmp).1
        })
        .collect()
}
