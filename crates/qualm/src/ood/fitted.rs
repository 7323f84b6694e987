//! A fitted out-of-distribution detector: what it was fitted to, and what its scores mean.

use serde::{Deserialize, Serialize};

use super::activations::{Activations, Picked};
use super::detector::{OodDetector, Perturbation, Widths};
use super::spec::OodSpec;
use crate::calibrate::{Calibration, ThresholdRule};
use crate::decision::Decision;
use crate::detector::check_finite;
use crate::error::{Error, Location, Result};
use crate::fit::{Progress, Warning};
use crate::fitted::check_spread;
use crate::memory;
use crate::provenance::{ColumnRoles, EncoderIdentity, Provenance, ReferenceRows};

/// A fitted detector with its calibration: it scores, gives p-values, decides, and lives in one
/// file.
#[derive(Debug)]
pub struct OodFitted {
    pub(super) spec: OodSpec,
    pub(super) inputs: OodInputs,
    pub(super) roles: ColumnRoles,
    pub(super) detector: Box<dyn OodDetector>,
    pub(super) decision: Decision,
    pub(super) provenance: Provenance,
}

/// The arrays that a fitted detector takes: what they are called, and how wide they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OodInputs {
    /// The features of each layer; none for a detector of logits.
    pub features: Vec<OodInput>,
    /// The logits, for a detector of logits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logits: Option<OodInput>,
}

/// One array that a fitted detector takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OodInput {
    /// What the input calls it.
    pub name: String,
    /// Its columns.
    pub width: usize,
}

impl OodInputs {
    /// Names for arrays of these widths: `features`, or `features_1` and so on, and `logits`.
    fn unnamed(widths: &Widths) -> Self {
        let one = widths.features.len() == 1;
        let features = widths.features.iter().enumerate();
        let features = features.map(|(l, width)| OodInput {
            name: if one {
                "features".to_owned()
            } else {
                format!("features_{}", l + 1)
            },
            width: *width,
        });
        Self {
            features: features.collect(),
            logits: widths.logits.map(|width| OodInput {
                name: "logits".to_owned(),
                width,
            }),
        }
    }

    /// The widths.
    #[must_use]
    pub fn widths(&self) -> Widths {
        Widths {
            features: self.features.iter().map(|input| input.width).collect(),
            logits: self.logits.as_ref().map(|input| input.width),
        }
    }
}

impl OodSpec {
    /// Fits the detector to items that are in distribution.
    ///
    /// Items with a label below 0 are known outliers: they are left out of the fit, but for
    /// `mahalanobis` with `combine = logistic`; there is a warning. What the detector does not
    /// need is not looked at.
    ///
    /// # Shapes
    /// `sample`: n items.
    ///
    /// # Errors
    /// On an invalid Spec, arrays that the detector needs and that are missing or of different
    /// numbers of rows, a class or a sample that is too small, constant scores, and whatever
    /// `progress` returns.
    ///
    /// # Seed
    /// The same seed, Spec and sample give the same bits at any number of threads.
    pub fn fit(
        &self,
        sample: &Activations<'_>,
        seed: u64,
        progress: &mut dyn Progress,
    ) -> Result<OodFitted> {
        self.validate()?;
        let mut spec = self.clone();
        let sample = sample.needed(spec.detector(), spec.needs(), true)?;
        let used = spec.hyper_parameters().uses_outliers();
        let Some((usual, outliers)) = divided(&sample, spec.detector())? else {
            return spec.fit_known(&sample, None, Vec::new(), seed, progress);
        };
        let warnings = vec![Warning::KnownOutliers {
            n_outliers: outliers.activations().n_rows(),
            used,
        }];
        let outliers = used.then(|| outliers.activations());
        spec.fit_known(
            &usual.activations(),
            outliers.as_ref(),
            warnings,
            seed,
            progress,
        )
    }

    /// Scores logits by `msp`, `energy` or `gen`, which learn nothing: a fit only sets what their
    /// scores are compared with.
    ///
    /// # Shapes
    /// `sample`: n items with logits; returns `(n,)`.
    ///
    /// # Errors
    /// [`Error::NotFitted`] for any other detector, [`Error::MissingInput`] without logits.
    pub fn score_logits(&self, sample: &Activations<'_>) -> Result<Vec<f64>> {
        self.validate()?;
        let name = self.detector();
        let detector = self.hyper_parameters().unfitted();
        let detector = detector.ok_or(Error::NotFitted { detector: name })?;
        let sample = sample.needed(name, self.needs(), false)?;
        scores(detector.as_ref(), &sample)
    }

    /// Fits to a sample without outliers; all of it is needed.
    fn fit_known(
        &mut self,
        sample: &Activations<'_>,
        outliers: Option<&Activations<'_>>,
        mut warnings: Vec<Warning>,
        seed: u64,
        progress: &mut dyn Progress,
    ) -> Result<OodFitted> {
        let widths = sample.widths();
        warnings.extend(self.hyper_parameters_mut().adapt(sample));
        let keys = self.hyper_parameters();
        memory::check(keys.memory(sample.n_rows(), &widths), Vec::new)?;
        let outcome = keys.fit(sample, outliers, seed, progress)?;
        warnings.extend(outcome.warnings);
        let scores = match outcome.scores {
            Some(scores) => scores,
            None => scores(outcome.detector.as_ref(), sample)?,
        };
        let decision = Decision::on_fitted(scores)?;
        let provenance = if let Some(of_rows) = outcome.of_rows {
            // A detector of rows has checked its scores.
            of_rows
        } else {
            if let Some(rows) = sample.first() {
                warnings.extend(check_spread(decision.calibration(), rows)?);
            }
            Provenance::now(seed, sample.n_rows(), String::new())
        };
        Ok(OodFitted {
            spec: self.clone(),
            inputs: OodInputs::unnamed(&widths),
            roles: ColumnRoles::default(),
            detector: outcome.detector,
            decision,
            provenance: Provenance {
                input_digest: sample.digest(),
                warnings,
                ..provenance
            },
        })
    }
}

/// Copies of the items in distribution, and of known outliers; `None` without any of these.
///
/// # Errors
/// [`Error::OnlyOutliers`].
fn divided(sample: &Activations<'_>, detector: &'static str) -> Result<Option<(Picked, Picked)>> {
    let labels = sample.labels(detector).unwrap_or_default();
    let (outliers, usual): (Vec<usize>, Vec<usize>) =
        (0..labels.len()).partition(|i| labels.get(*i).is_some_and(|label| *label < 0));
    if outliers.is_empty() {
        return Ok(None);
    }
    if usual.is_empty() {
        return Err(Error::OnlyOutliers);
    }
    Ok(Some((sample.pick(&usual)?, sample.pick(&outliers)?)))
}

/// The scores of a sample, `(n,)`.
fn scores(detector: &dyn OodDetector, sample: &Activations<'_>) -> Result<Vec<f64>> {
    let mut scores = vec![0.0; sample.n_rows()];
    detector.score_into(sample, &mut scores)?;
    check_finite(&scores)?;
    Ok(scores)
}

impl OodFitted {
    /// Names the arrays, so that later inputs are matched by name.
    ///
    /// # Errors
    /// [`Error::LayerCount`] and [`Error::Width`] when the widths are others.
    pub fn with_inputs(self, inputs: OodInputs) -> Result<Self> {
        self.check_widths(&inputs.widths())?;
        Ok(Self { inputs, ..self })
    }

    /// Remembers the input's id columns and the name of its labels.
    #[must_use]
    pub fn with_column_roles(self, ids: Vec<String>, label: Option<String>) -> Self {
        let roles = ColumnRoles { ids, label };
        Self { roles, ..self }
    }

    /// Remembers the network whose features and logits it was fitted to.
    #[must_use]
    pub fn with_encoder(mut self, encoder: EncoderIdentity) -> Self {
        self.provenance.encoder = Some(encoder);
        self
    }

    /// How the network's input is perturbed before this scores what the network makes of it;
    /// `None` where it is not. [`OodFitted::score`] and [`OodFitted::calibrate`] then expect what
    /// the network gives for perturbed inputs.
    #[must_use]
    pub fn perturbation(&self) -> Option<&dyn Perturbation> {
        self.detector.perturbation()
    }

    /// The fit's second half, for a detector that [perturbs](OodFitted::perturbation): weights of
    /// layers and reference scores from what the network gives for the fitted items once their
    /// inputs were perturbed.
    ///
    /// # Shapes
    /// `sample`: the items of the fit, known outliers included.
    ///
    /// # Errors
    /// As [`OodSpec::fit`].
    pub fn refit_to_perturbed(&mut self, sample: &Activations<'_>) -> Result<()> {
        let name = self.spec.detector();
        let sample = sample.needed(name, self.spec.needs(), true)?;
        self.check_widths(&sample.widths())?;
        let divided = divided(&sample, name)?;
        let (usual, outliers) = match &divided {
            Some((usual, outliers)) => (usual.activations(), Some(outliers.activations())),
            None => (sample.clone(), None),
        };
        self.detector
            .refit_to_perturbed(&usual, outliers.as_ref())?;
        let scores = scores(self.detector.as_ref(), &usual)?;
        self.decision.refit(scores)?;
        if let Some(rows) = usual.first() {
            let warning = check_spread(self.calibration(), rows)?;
            self.provenance.warnings.extend(warning);
        }
        Ok(())
    }

    /// Calibrates on items kept apart from fitting: p-values and thresholds then refer to their
    /// scores. The classifier's own training items tend to look more usual than new ones, so that
    /// this is worth its items.
    ///
    /// # Errors
    /// As [`OodFitted::score`].
    pub fn calibrate(&mut self, sample: &Activations<'_>) -> Result<()> {
        let calibration = Calibration::new(self.score(sample)?)?;
        self.decision.calibrate(calibration);
        self.provenance.reference = ReferenceRows::SeparateRows;
        Ok(())
    }

    /// Scores items; higher = more out of distribution.
    ///
    /// # Shapes
    /// `sample`: n items with all that the detector needs, of the widths that it was fitted to;
    /// labels are not looked at. Returns `(n,)`.
    ///
    /// # Errors
    /// [`Error::MissingInput`], [`Error::LayerCount`], [`Error::Width`], [`Error::RowsDiffer`],
    /// [`Error::ScoreNotFinite`].
    pub fn score(&self, sample: &Activations<'_>) -> Result<Vec<f64>> {
        let sample = sample.needed(self.spec.detector(), self.spec.needs(), false)?;
        self.check_widths(&sample.widths())?;
        scores(self.detector.as_ref(), &sample)
    }

    /// Refuses arrays of other widths than those fitted to.
    fn check_widths(&self, found: &Widths) -> Result<()> {
        let named = self.inputs.features.iter().chain(&self.inputs.logits);
        let expected = self.inputs.widths();
        if found.features.len() != expected.features.len() {
            return Err(Error::LayerCount {
                found: found.features.len(),
                expected: expected.features.len(),
            });
        }
        let found = found.features.iter().chain(&found.logits);
        match named
            .zip(found)
            .find(|(input, width)| input.width != **width)
        {
            Some((input, found)) => Err(Error::Width {
                at: Location::default().column(&input.name),
                found: *found,
                expected: input.width,
            }),
            None => Ok(()),
        }
    }

    /// Scores of the items fitted to, `(n,)`, in their order and without known outliers; `None`
    /// for a detector that was read from a file. To `knn`, a fitted item is not its own neighbour.
    #[must_use]
    pub fn fitted_scores(&self) -> Option<&[f64]> {
        self.decision.fitted_scores()
    }

    /// The conformal p-value of a score, in (0, 1].
    #[must_use]
    pub fn p_value(&self, score: f64) -> f64 {
        self.calibration().p_value(score)
    }

    /// The score above which an item counts as out of distribution.
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

    /// The specification it was fitted by, with what that left to the arrays decided.
    #[must_use]
    pub fn spec(&self) -> &OodSpec {
        &self.spec
    }

    /// The arrays that it takes.
    #[must_use]
    pub fn inputs(&self) -> &OodInputs {
        &self.inputs
    }

    /// Which columns were ids and labels.
    #[must_use]
    pub fn roles(&self) -> &ColumnRoles {
        &self.roles
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

    /// Where it came from.
    #[must_use]
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }
}
