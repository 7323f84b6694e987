//! The centre: what a detector's hyper-parameters can be asked, and what the fitted
//! detector can.

use std::fmt::{Debug, Display};

use serde_json::Value;

use crate::container::{Reader, Writer};
use crate::device::{Device, DeviceError};
use crate::diagnostics::Diagnostics;
use crate::error::{Error, Location, Result};
use crate::fit::progress::Meter;
use crate::fit::session::Session;
use crate::fit::state::Curve;
use crate::fit::warning::Warning;
use crate::rows::Rows;
use crate::space::Scaling;

/// An arm of [`crate::Spec`]: the hyper-parameters of one detector.
pub trait DetectorSpec: Debug + Send + Sync {
    /// Checks every hyper-parameter.
    ///
    /// # Errors
    /// [`Error::InvalidKey`] naming the key, its value and what it may be.
    fn validate(&self) -> Result<()>;

    /// Bytes that fitting takes besides the rows, at the least.
    fn memory(&self, n_rows: usize, n_features: usize) -> u64;

    /// Names of the presets, `default` first.
    fn presets(&self) -> &'static [&'static str] {
        &["default", "paper"]
    }

    /// Changes the defaults to those of a preset; says whether there is such a preset. The
    /// paper's Table 2 scales each feature to \[0, 1\] and changes nothing else of a baseline.
    fn set_preset(&mut self, name: &str) -> bool {
        match name {
            "default" => true,
            "paper" => {
                if let Some(scaling) = self.scaling_mut() {
                    *scaling = Scaling::Minmax;
                }
                true
            }
            _ => false,
        }
    }

    /// How rows are scaled first, where that is a key of its own.
    fn scaling_mut(&mut self) -> Option<&mut Scaling> {
        None
    }

    /// Whether the scores do not depend on the scales of the columns that the method sees.
    fn is_scale_free(&self) -> bool {
        false
    }

    /// Whether it draws the views of an item instead of taking each for an item of its own.
    fn draws_views(&self) -> bool {
        false
    }

    /// Decides what is left to the rows, and lowers what the rows do not allow; returns a
    /// warning for each lowered value.
    fn adapt(&mut self, rows: Rows<'_>) -> Vec<Warning> {
        let _ = rows;
        Vec::new()
    }

    /// Where it is fitted.
    fn device(&self) -> Device {
        Device::Cpu
    }

    /// Fits on another device.
    ///
    /// # Errors
    /// [`DeviceError::OnlyCpu`] where there is nothing that could run there.
    fn set_device(&mut self, device: Device) -> Result<(), DeviceError> {
        match device {
            Device::Cpu => Ok(()),
            device => Err(DeviceError::OnlyCpu { device }),
        }
    }

    /// Checks that the memory of the device holds the fit.
    ///
    /// # Errors
    /// [`Error::Device`].
    fn check_device_memory(&self, n_rows: usize, n_features: usize) -> Result<()> {
        let _ = (n_rows, n_features);
        Ok(())
    }

    /// Keys that files of earlier versions may lack, with the values they were fitted with.
    fn absent_keys(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Keys that are not written while they have these values, as in files of the versions
    /// before them.
    fn unwritten_keys(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    /// Fits the detector.
    ///
    /// # Shapes
    /// `rows`: `(n, d)`.
    ///
    /// # Errors
    /// On rows that the detector cannot be fitted to, and whatever the progress returns.
    fn fit(&self, rows: Rows<'_>, session: &mut Session<'_>) -> Result<Outcome>;

    /// Reads from a model file what [`Detector::save`] wrote.
    ///
    /// # Errors
    /// [`Error::CorruptModel`]. No content makes it panic, or allocate more than the file
    /// is long.
    fn restore(&self, n_features: usize, reader: &mut Reader) -> Result<Box<dyn Detector>>;
}

/// What a fit leaves; a detector's own fit may leave it with its own type.
#[derive(Debug)]
pub struct Outcome<D = Box<dyn Detector>> {
    /// The fitted detector.
    pub detector: D,
    /// Scores of the fitted rows, `(n,)`, where they are not what [`Detector::score_into`]
    /// gives: to a method of neighbours, a fitted row is not its own neighbour.
    pub scores: Option<Vec<f64>>,
    /// Training steps of each network; 0 without any.
    pub steps: u64,
    /// One for each network.
    pub curves: Vec<Curve>,
    /// What the user should know about the fit.
    pub warnings: Vec<Warning>,
    /// What the detector alone can tell; the scores' part is added to it.
    pub diagnostics: Diagnostics,
}

impl<D> Outcome<D> {
    /// A detector that scores its fitted rows like any other.
    pub fn new(detector: D) -> Self {
        Self {
            detector,
            scores: None,
            steps: 0,
            curves: Vec::new(),
            warnings: Vec::new(),
            diagnostics: Diagnostics::default(),
        }
    }

    /// The same with another detector around this one.
    pub fn boxed<E: Detector + 'static>(self, around: impl FnOnce(D) -> E) -> Outcome {
        Outcome {
            detector: Box::new(around(self.detector)),
            scores: self.scores,
            steps: self.steps,
            curves: self.curves,
            warnings: self.warnings,
            diagnostics: self.diagnostics,
        }
    }
}

/// A fitted detector. **Higher score = more anomalous**, everywhere.
///
/// Fitting makes one from a [`crate::Spec`], so a detector that has not been fitted
/// cannot be asked anything.
pub trait Detector: Debug + Send + Sync {
    /// Width of the rows it scores.
    fn n_features(&self) -> usize;

    /// Scores rows. A row's score does not depend, to the bit, on the rows beside it or on
    /// the number of threads.
    ///
    /// # Shapes
    /// `rows`: `(n, n_features)`; `out`: `(n,)`.
    ///
    /// # Errors
    /// [`Error::ScoreNotFinite`], [`Error::Device`].
    fn score_into(&self, rows: Rows<'_>, out: &mut [f64]) -> Result<()>;

    /// The log-variance of each row and dimension, for detectors that have them.
    ///
    /// # Errors
    /// Whatever goes wrong on a device.
    fn log_variances(&self, rows: Rows<'_>) -> Result<Option<LogVariances>> {
        let _ = rows;
        Ok(None)
    }

    /// Each feature's share of each row's score, `(n, d)`, where the detector itself can tell:
    /// in \[0, 1\], the shares of a row sum to 1, or to 0 where no feature raises the score.
    ///
    /// # Errors
    /// Whatever goes wrong on a device.
    fn contributions(&self, rows: Rows<'_>) -> Result<Option<Vec<f64>>> {
        let _ = rows;
        Ok(None)
    }

    /// Scores on this device from now on.
    ///
    /// # Errors
    /// [`Error::Device`] when it cannot; nothing has changed then.
    fn move_to(&mut self, device: Device) -> Result<()> {
        match device {
            Device::Cpu => Ok(()),
            device => Err(DeviceError::OnlyCpu { device }.into()),
        }
    }

    /// Writes all that was learned, as tensors.
    fn save(&self, writer: &mut Writer);
}

/// Log-variances of a Deep Uncertainty Model, one for each row and dimension.
#[derive(Debug, Clone, PartialEq)]
pub struct LogVariances {
    /// `(n, width)`, row after row.
    pub values: Vec<f32>,
    /// Dimensions: those of the vectors the model sees, or 1 for a circular covariance.
    pub width: usize,
}

/// Values of rows that are scored between two reports of progress, and the limits of that in rows.
const STRETCH: usize = 1 << 22;
const ROWS: [usize; 2] = [1 << 10, 1 << 16];

/// Scores the fitted rows, and listens in between.
///
/// # Errors
/// [`Error::Stopped`], and those of `score`.
pub(crate) fn score_fitted(
    rows: Rows<'_>,
    meter: &mut Meter<'_>,
    score: impl Fn(Rows<'_>, &mut [f64]) -> Result<()>,
) -> Result<Vec<f64>> {
    let mut scores = vec![0.0; rows.n_rows()];
    let stretch = (STRETCH / rows.n_cols()).clamp(ROWS[0], ROWS[1]);
    for (i, (part, out)) in rows
        .blocks(stretch)
        .zip(scores.chunks_mut(stretch))
        .enumerate()
    {
        let done = i * stretch;
        meter.work(
            "scores of the fitted rows",
            done as u64,
            rows.n_rows() as u64,
        )?;
        score(part, out).map_err(|error| error.renumbered(|row| done + row))?;
    }
    Ok(scores)
}

/// Refuses scores that are not finite.
///
/// # Errors
/// [`Error::ScoreNotFinite`] naming the first, its row counted from 1.
pub(crate) fn check_finite(scores: &[f64]) -> Result<()> {
    match scores.iter().position(|s| !s.is_finite()) {
        Some(i) => Err(Error::ScoreNotFinite {
            at: Location::row(i + 1),
            score: scores[i],
        }),
        None => Ok(()),
    }
}

/// Refuses a number of rows that a method asks of its fitted rows unless there are more of them.
///
/// # Errors
/// [`Error::KeyForRows`].
pub(crate) fn require_more_rows(key: &'static str, value: usize, n_rows: usize) -> Result<()> {
    if value < n_rows {
        return Ok(());
    }
    Err(Error::KeyForRows {
        key: key.to_owned(),
        value,
        most: n_rows.saturating_sub(1),
        n_rows,
    })
}

/// Lowers a count that must stay below the number of rows; the warning says so.
pub(crate) fn lower(
    key: &'static str,
    value: &mut usize,
    most: usize,
    n_rows: usize,
) -> Vec<Warning> {
    if *value < n_rows || most == 0 {
        return Vec::new();
    }
    let asked = std::mem::replace(value, most);
    vec![Warning::Lowered {
        key: key.to_owned(),
        asked,
        used: most,
        n_rows,
    }]
}

/// Refuses a hyper-parameter unless its condition holds.
pub(crate) fn require(
    key: &'static str,
    value: impl Display,
    holds: bool,
    expected: &'static str,
) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(Error::InvalidKey {
        key,
        value: value.to_string(),
        expected,
    })
}
