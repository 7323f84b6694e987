//! A training between two steps: all that is needed to go on.

use crate::container::Writer;

/// Points on a stored loss curve, at most.
const CURVE_POINTS: u64 = 100;

/// What a training step reports.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepOutcome {
    /// The loss before the step.
    pub loss: f64,
    /// Mean effective number of rows in a bag, where there are bags.
    pub effective_rows: Option<f64>,
}

/// Mean loss over equal windows of steps; for bags also their mean effective size.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curve {
    /// At most 100 points.
    pub losses: Vec<f64>,
    /// As many, or none for a network without bags.
    pub effective_rows: Vec<f64>,
    /// Sums of the window under way: loss, effective rows, steps.
    pub(super) open: [f64; 3],
}

/// A network in training, as a checkpoint holds it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct MemberState {
    /// Steps taken.
    pub(super) step: u64,
    pub(super) curve: Curve,
    /// What [`super::Learner::save`] wrote.
    pub(super) tensors: Writer,
}

impl Curve {
    /// Adds a step, counted from 1, of `steps`.
    pub(super) fn push(&mut self, outcome: StepOutcome, step: u64, steps: u64) {
        let values = [outcome.loss, outcome.effective_rows.unwrap_or(0.0), 1.0];
        for (sum, v) in self.open.iter_mut().zip(values) {
            *sum += v;
        }
        if step.is_multiple_of(steps.div_ceil(CURVE_POINTS)) || step == steps {
            let [loss, effective, n] = std::mem::take(&mut self.open);
            self.losses.push(loss / n);
            if outcome.effective_rows.is_some() {
                self.effective_rows.push(effective / n);
            }
        }
    }

    /// Mean effective number of rows in a bag over the last tenth of training; 0 without bags.
    #[must_use]
    pub fn last_effective_rows(&self) -> f64 {
        let windows = &self.effective_rows;
        let last = &windows[windows.len() - windows.len().div_ceil(10)..];
        last.iter().sum::<f64>() / last.len().max(1) as f64
    }
}
