//! A fit between two steps, kept so that it can go on later.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::atomic_file::AtomicFile;
use crate::container::{self, Reader, Writer};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::fit::training::{Curve, Training};
use crate::nn::{AdamState, Mlp};
use crate::spec::Spec;

const FORMAT: &str = "qualm-checkpoint";
const VERSION: u64 = 1;

/// The state of an interrupted fit: networks finished and under way, the optimiser's
/// memory, and which fit it belongs to.
///
/// Resuming gives the same bits as a fit that was never interrupted.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    pub(crate) spec: Spec,
    pub(crate) seed: u64,
    pub(crate) digest: String,
    pub(crate) n_features: usize,
    pub(crate) finished: Vec<Training>,
    pub(crate) current: Option<Training>,
}

/// The JSON part of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: String,
    format_version: u64,
    spec: Spec,
    seed: u64,
    input_digest: String,
    n_features: usize,
    members: Vec<Member>,
    /// Whether the last member is still being trained.
    under_way: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Member {
    /// Layer sizes of the network.
    sizes: Vec<usize>,
    step: u64,
    losses: Vec<f64>,
    effective_rows: Vec<f64>,
    open: [f64; 3],
}

impl Checkpoint {
    /// Steps taken by the member under way, from 0.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.current.as_ref().map_or(0, |c| c.adam.t)
    }

    /// Writes the checkpoint; the file is whole or not there at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let mut writer = Writer::default();
        let mut members = Vec::new();
        for (i, training) in self.finished.iter().chain(&self.current).enumerate() {
            let prefix = format!("member.{i}");
            training
                .network
                .save(&format!("{prefix}.network"), &mut writer);
            let n = [training.adam.m.len()];
            writer.f32(format!("{prefix}.adam.m"), &n, &training.adam.m);
            writer.f32(format!("{prefix}.adam.v"), &n, &training.adam.v);
            members.push(Member {
                sizes: training.network.sizes().to_vec(),
                step: training.adam.t,
                losses: training.curve.losses.clone(),
                effective_rows: training.curve.effective_rows.clone(),
                open: training.curve.open,
            });
        }
        let bytes = writer.into_bytes(&Header {
            format: FORMAT.to_owned(),
            format_version: VERSION,
            spec: self.spec.clone(),
            seed: self.seed,
            input_digest: self.digest.clone(),
            n_features: self.n_features,
            members,
            under_way: self.current.is_some(),
        })?;
        container::write(&bytes, AtomicFile::create(path.as_ref())?)
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// When the file is missing, damaged, of a later version or no checkpoint.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let mut reader = Reader::open(path.as_ref())?;
        reader.check_format(FORMAT, VERSION)?;
        let header: Header = reader.json()?;
        let mut trainings = Vec::with_capacity(header.members.len());
        for (i, member) in header.members.into_iter().enumerate() {
            let prefix = format!("member.{i}");
            let network = Mlp::restore(&member.sizes, &format!("{prefix}.network"), &mut reader)?;
            let n = [network.params().len()];
            trainings.push(Training {
                adam: AdamState {
                    m: reader.f32(&format!("{prefix}.adam.m"), &n)?,
                    v: reader.f32(&format!("{prefix}.adam.v"), &n)?,
                    t: member.step,
                },
                curve: Curve {
                    losses: member.losses,
                    effective_rows: member.effective_rows,
                    open: member.open,
                },
                network,
            });
        }
        Ok(Self {
            current: if header.under_way {
                trainings.pop()
            } else {
                None
            },
            spec: header.spec,
            seed: header.seed,
            digest: header.input_digest,
            n_features: header.n_features,
            finished: trainings,
        })
    }

    /// Refuses a checkpoint of another fit than the one `blank` begins.
    pub(crate) fn check(&self, blank: &Self) -> Result<()> {
        let differs = |what, found: String, expected: String| {
            if found == expected {
                return Ok(());
            }
            Err(Error::CheckpointMismatch {
                what,
                found,
                expected,
            })
        };
        // A fit may go on elsewhere.
        let spec = |spec: &Spec| {
            let mut spec = spec.clone();
            let _ = spec.set_device(Device::Cpu);
            serde_json::to_string(&spec).unwrap_or_default()
        };
        differs("specification", spec(&self.spec), spec(&blank.spec))?;
        differs("seed", self.seed.to_string(), blank.seed.to_string())?;
        // The digest is of the values alone: rows of another width can share them.
        differs(
            "number of columns",
            self.n_features.to_string(),
            blank.n_features.to_string(),
        )?;
        differs("input", self.digest.clone(), blank.digest.clone())
    }
}
