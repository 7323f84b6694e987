//! What takes a training step, wherever the network lives.

use std::borrow::Cow;
use std::fmt::Debug;

use super::objective::{Objective, Value};
use super::plan::Plan;
use super::spec::DumSpec;
use crate::error::Result;
use crate::nn::{Adam, TrainingState, Workspace, tanh, vectorised};

/// Takes training steps on one network, whose state it holds.
pub(crate) trait Engine: Debug + Send {
    /// One step: forward, objective, backward, Adam. A loss that is not finite leaves the
    /// parameters as they were.
    ///
    /// # Shapes
    /// `vectors`: `(n, d)`, the batch in bag order.
    ///
    /// # Errors
    /// Whatever goes wrong on a device.
    fn step(&mut self, vectors: &[f32]) -> Result<Value>;

    /// The network and the optimiser as they stand.
    ///
    /// # Errors
    /// Whatever goes wrong on a device.
    fn state(&self) -> Result<Cow<'_, TrainingState>>;

    /// Goes on from another state of a network of the same layer sizes.
    fn set_state(&mut self, state: TrainingState);

    /// The state, at the end.
    ///
    /// # Errors
    /// Whatever goes wrong on a device.
    fn into_state(self: Box<Self>) -> Result<TrainingState>;
}

/// The processor.
#[derive(Debug)]
pub(crate) struct Cpu {
    state: TrainingState,
    work: Workspace,
    objective: Objective,
    adam: Adam,
    bound: f32,
}

impl Cpu {
    /// For batches of the plan's size.
    pub(crate) fn new(spec: &DumSpec, plan: Plan, state: TrainingState) -> Self {
        let sizes = state.network.sizes();
        Self {
            work: Workspace::new(sizes, plan.batch_rows),
            objective: Objective::new(
                spec.objective,
                spec.covariance,
                plan.bag_size,
                plan.batch_rows,
                sizes[0],
            ),
            adam: spec.adam(),
            bound: spec.log_variance_bound as f32,
            state,
        }
    }
}

impl Engine for Cpu {
    fn step(&mut self, vectors: &[f32]) -> Result<Value> {
        let TrainingState { network, adam } = &mut self.state;
        network.forward(vectors, &mut self.work);
        let output = self.work.output();
        let (s, d_s) = (output.activations, output.deltas);
        clamp(s, self.bound);
        let value = self.objective.value_and_gradient(vectors, s, d_s);
        if value.loss.is_finite() {
            back_through_clamp(d_s, s, self.bound);
            network.learn(vectors, &mut self.work, adam, self.adam);
        }
        Ok(value)
    }

    fn state(&self) -> Result<Cow<'_, TrainingState>> {
        Ok(Cow::Borrowed(&self.state))
    }

    fn set_state(&mut self, state: TrainingState) {
        self.state = state;
    }

    fn into_state(self: Box<Self>) -> Result<TrainingState> {
        Ok(self.state)
    }
}

/// The soft clamp `b tanh(s / b)`, in place: the identity near zero, never beyond the
/// bound; a bound of 0 is none.
pub(crate) fn clamp(s: &mut [f32], bound: f32) {
    if bound > 0.0 {
        vectorised(
            #[inline(always)]
            || {
                for s in s {
                    *s = bound * tanh(*s / bound);
                }
            },
        );
    }
}

/// The gradient by what went into [`clamp`], from that by what came out, `s`.
fn back_through_clamp(d_s: &mut [f32], s: &[f32], bound: f32) {
    if bound > 0.0 {
        vectorised(
            #[inline(always)]
            || {
                for (d, s) in d_s.iter_mut().zip(s) {
                    let tanh = s / bound;
                    *d *= 1.0 - tanh * tanh;
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clamp_is_the_identity_near_zero_and_bounded_far_out() {
        let mut s = [0.01, -0.01, 1e30, -1e30];
        clamp(&mut s, 10.0);
        assert!((s[0] - 0.01).abs() < 1e-7 && (s[1] + 0.01).abs() < 1e-7);
        assert_eq!(s[2..], [10.0, -10.0]);
        let mut free = [3e38];
        clamp(&mut free, 0.0);
        assert_eq!(free, [3e38]);
    }
}
