//! A network with its optimiser, between two training steps.

use super::adam::AdamState;
use super::mlp::Mlp;
use crate::container::{Reader, Writer};
use crate::error::{Error, Result};
use crate::rng::{Purpose, stream};

/// A network and Adam's memory: what a [`crate::fit::Learner`] of this crate owns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TrainingState {
    pub(crate) network: Mlp,
    pub(crate) adam: AdamState,
}

impl TrainingState {
    /// Before the first step.
    ///
    /// # Shapes
    /// `sizes`: input, hidden ..., output.
    pub(crate) fn new(sizes: &[usize], seed: u64, member: usize) -> Self {
        Self::of_network(Mlp::new(
            sizes,
            &mut stream(seed, Purpose::INIT, [member as u64, 0]),
        ))
    }

    /// A network that has taken no step.
    pub(crate) fn of_network(network: Mlp) -> Self {
        Self {
            adam: AdamState::new(network.params().len()),
            network,
        }
    }

    /// Writes all of it.
    pub(crate) fn save(&self, writer: &mut Writer) {
        self.network.save("network", writer);
        let n = [self.adam.m.len()];
        writer.f32("adam.m", &n, &self.adam.m);
        writer.f32("adam.v", &n, &self.adam.v);
    }

    /// Reads what [`TrainingState::save`] wrote after so many steps.
    ///
    /// # Shapes
    /// `sizes`: input, hidden ..., output.
    ///
    /// # Errors
    /// [`Error::CorruptModel`] when a tensor is missing or of another shape.
    pub(crate) fn restore(sizes: &[usize], steps: u64, reader: &mut Reader) -> Result<Self> {
        let network = Mlp::restore(sizes, "network", reader)?;
        let n = [network.params().len()];
        Ok(Self {
            adam: AdamState {
                m: reader.f32("adam.m", &n)?,
                v: reader.f32("adam.v", &n)?,
                t: steps,
            },
            network,
        })
    }

    /// The trained network.
    ///
    /// # Errors
    /// [`Error::Diverged`] when a parameter is not finite.
    pub(crate) fn into_network(self) -> Result<Mlp> {
        if self.network.params().iter().all(|p| p.is_finite()) {
            return Ok(self.network);
        }
        Err(Error::Diverged {
            step: self.adam.t,
            loss: f64::NAN,
        })
    }
}
