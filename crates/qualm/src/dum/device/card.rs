//! An opened device as the rest of the crate uses it: an engine that trains, a network that
//! scores, and what fits into its memory.

use std::borrow::Cow;
use std::fmt;

use super::network::{Layers, OnDevice, Recipe};
use super::remote::{DEVICE_BLOCK, Remote};
use super::tensors::{Accelerator, Failure};
use crate::device::{Device, DeviceError};
use crate::dum::engine::Engine;
use crate::dum::objective::Value;
use crate::dum::plan::Plan;
use crate::dum::spec::DumSpec;
use crate::error::Result;
use crate::nn::{Mlp, TrainingState};

/// An opened device.
pub(super) struct Card<B: Accelerator> {
    pub(super) kind: Device,
    pub(super) device: B::Device,
    pub(super) name: String,
    pub(super) memory: Memory,
}

/// What a device has to give, in bytes; `u64::MAX` where it does not say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    /// What nothing else holds at present.
    pub(super) free: u64,
    /// The largest single array.
    pub(super) array: u64,
}

impl<B: Accelerator> Card<B> {
    /// An engine that goes on from `state`.
    pub(super) fn engine(
        self,
        spec: &DumSpec,
        plan: Plan,
        state: &TrainingState,
    ) -> Box<dyn Engine> {
        Box::new(Trained::<B> {
            kind: self.kind,
            network: OnDevice::new(state, &self.device),
            sizes: state.network.sizes().to_vec(),
            device: self.device,
            recipe: Recipe {
                similarity: spec.objective,
                bag_size: plan.bag_size,
                bound: spec.log_variance_bound as f32,
                adam: spec.adam(),
            },
        })
    }

    /// A copy of the network that scores.
    ///
    /// # Errors
    /// [`DeviceError::Memory`].
    pub(super) fn remote(self, network: &Mlp) -> Result<Box<dyn Remote>> {
        self.check(&Needs::of_scoring(network.sizes()))?;
        Ok(Box::new(Fixed::<B> {
            kind: self.kind,
            layers: Layers::new(network.sizes(), network.params(), &self.device),
        }))
    }

    /// Refuses what does not fit.
    ///
    /// # Errors
    /// [`DeviceError::Memory`].
    pub(super) fn check(&self, needs: &Needs) -> Result<(), DeviceError> {
        let Memory { free, array } = self.memory;
        for (what, needed, has, available) in [
            (needs.what, needs.whole, "has free", free),
            (needs.largest, needs.array, "gives one array at most", array),
        ] {
            if needed > available {
                return Err(DeviceError::Memory {
                    device: self.kind,
                    name: self.name.clone(),
                    what,
                    needed,
                    has,
                    available,
                    remedy: needs.remedy,
                });
            }
        }
        Ok(())
    }
}

/// Memory that a piece of work takes, in bytes.
#[derive(Debug)]
pub(super) struct Needs {
    what: &'static str,
    pub(super) whole: u64,
    largest: &'static str,
    pub(super) array: u64,
    remedy: &'static str,
}

impl Needs {
    pub(super) fn of_training(sizes: &[usize], rows: usize) -> Self {
        let (weights, widths, largest) = count(sizes, rows);
        Self {
            what: "training",
            // Parameters with Adam's two means and a gradient, and an update's intermediate
            // results; activations, their gradients, and the objective's.
            whole: weights
                .saturating_mul(4)
                .saturating_add(largest.saturating_mul(4))
                .saturating_add(widths.saturating_mul(6))
                .saturating_mul(4),
            largest: "the largest array of the training",
            array: largest.saturating_mul(4),
            remedy: "use a smaller hidden or batch_size, or device = cpu",
        }
    }

    pub(super) fn of_scoring(sizes: &[usize]) -> Self {
        let (weights, widths, largest) = count(sizes, DEVICE_BLOCK);
        Self {
            what: "scoring",
            whole: weights
                .saturating_add(widths.saturating_mul(2))
                .saturating_mul(4),
            largest: "the largest array of the scoring",
            array: largest.saturating_mul(4),
            remedy: "score with device = cpu",
        }
    }
}

/// Parameters, values in one pass of `rows` rows, and values of the largest array.
fn count(sizes: &[usize], rows: usize) -> (u64, u64, u64) {
    let product = |a: usize, b: usize| (a as u64).saturating_mul(b as u64);
    let weights = sizes
        .windows(2)
        .map(|pair| product(pair[0].saturating_add(1), pair[1]));
    let widths = sizes.iter().map(|width| product(rows, *width));
    let largest = weights.clone().chain(widths.clone()).max().unwrap_or(0);
    (
        weights.fold(0, u64::saturating_add),
        widths.fold(0, u64::saturating_add),
        largest,
    )
}

/// An engine on a device.
#[derive(Debug)]
struct Trained<B: Accelerator> {
    kind: Device,
    device: B::Device,
    sizes: Vec<usize>,
    network: OnDevice<B>,
    recipe: Recipe,
}

impl<B: Accelerator> Engine for Trained<B> {
    fn step(&mut self, vectors: &[f32]) -> Result<Value> {
        let value = self.network.step(&self.recipe, vectors);
        Ok(value.map_err(|failure| failed(self.kind, failure))?)
    }

    fn state(&self) -> Result<Cow<'_, TrainingState>> {
        let (params, adam) = self
            .network
            .download()
            .map_err(|failure| failed(self.kind, failure))?;
        let network = Mlp::from_params(&self.sizes, params).ok_or_else(|| DeviceError::Failed {
            device: self.kind,
            reason: "the network came back with another number of parameters".to_owned(),
        })?;
        Ok(Cow::Owned(TrainingState { network, adam }))
    }

    fn set_state(&mut self, state: TrainingState) {
        self.network = OnDevice::new(&state, &self.device);
    }

    fn into_state(self: Box<Self>) -> Result<TrainingState> {
        self.state().map(Cow::into_owned)
    }
}

/// A network on a device that does not change.
#[derive(Debug)]
struct Fixed<B: Accelerator> {
    kind: Device,
    layers: Layers<B>,
}

impl<B: Accelerator> Remote for Fixed<B> {
    fn infer(&self, vectors: &[f32]) -> Result<Vec<f32>> {
        let s = self.layers.infer(vectors);
        Ok(s.map_err(|failure| failed(self.kind, failure))?)
    }
}

fn failed(device: Device, failure: Failure) -> DeviceError {
    DeviceError::Failed {
        device,
        reason: failure.reason(),
    }
}

impl<B: Accelerator> fmt::Debug for Card<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {:?})", self.name, self.kind, self.memory)
    }
}
