//! A fit between two steps, kept so that it can go on later.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::state::{Curve, MemberState};
use crate::atomic_file::AtomicFile;
use crate::container::{self, Reader};
use crate::error::{Error, Result};

const FORMAT: &str = "qualm-checkpoint";
/// Version 1 repeated the layer sizes of each network.
const VERSION: u64 = 2;

/// Which fit a checkpoint belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// All hyper-parameters, but for those that may change on the way, such as a device.
    pub spec: Value,
    /// The seed.
    pub seed: u64,
    /// SHA-256 of the rows, in hexadecimal.
    pub input_digest: String,
    /// Columns of the rows.
    pub n_features: usize,
}

/// The state of an interrupted fit: networks finished and under way, the memory of their
/// optimisers, and which fit it belongs to.
///
/// Resuming gives the same bits as a fit that was never interrupted.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    pub(super) identity: Identity,
    pub(super) finished: Vec<MemberState>,
    pub(super) current: Option<MemberState>,
}

/// The JSON part of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: String,
    format_version: u64,
    #[serde(flatten)]
    identity: Identity,
    members: Vec<Member>,
    /// Whether the last member is still being trained.
    under_way: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Member {
    step: u64,
    losses: Vec<f64>,
    effective_rows: Vec<f64>,
    open: [f64; 3],
}

impl Checkpoint {
    /// Before the first step.
    pub(super) fn new(identity: Identity) -> Self {
        Self {
            identity,
            finished: Vec::new(),
            current: None,
        }
    }

    /// Steps taken by all members together.
    #[must_use]
    pub fn step(&self) -> u64 {
        let members = self.finished.iter().chain(&self.current);
        members.map(|member| member.step).sum()
    }

    /// The error that a fit of so many steps ends with between two networks. Before it has trained
    /// one, a resumed fit only knows of the steps that are kept.
    pub(super) fn interrupted(&self, steps: u64) -> Error {
        let step = self.step();
        let steps = steps.max(step);
        Error::Interrupted { step, steps }
    }

    /// Writes the checkpoint; the file is whole or not there at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let mut writer = container::Writer::default();
        let mut members = Vec::new();
        for (i, member) in self.finished.iter().chain(&self.current).enumerate() {
            writer.extend(&prefix(i), &member.tensors);
            members.push(Member {
                step: member.step,
                losses: member.curve.losses.clone(),
                effective_rows: member.curve.effective_rows.clone(),
                open: member.curve.open,
            });
        }
        let bytes = writer.into_bytes(&Header {
            format: FORMAT.to_owned(),
            format_version: VERSION,
            identity: self.identity.clone(),
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
        let members = header.members.into_iter().enumerate();
        let mut members: Vec<MemberState> = members
            .map(|(i, member)| MemberState {
                step: member.step,
                curve: Curve {
                    losses: member.losses,
                    effective_rows: member.effective_rows,
                    open: member.open,
                },
                tensors: reader.take_all(&prefix(i)),
            })
            .collect();
        let current = if header.under_way {
            members.pop()
        } else {
            None
        };
        Ok(Self {
            identity: header.identity,
            finished: members,
            current,
        })
    }

    /// Refuses a checkpoint of another fit.
    pub(super) fn check(&self, expected: &Identity) -> Result<()> {
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
        let found = &self.identity;
        differs(
            "specification",
            found.spec.to_string(),
            expected.spec.to_string(),
        )?;
        differs("seed", found.seed.to_string(), expected.seed.to_string())?;
        // The digest is of the values alone: rows of another width can share them.
        differs(
            "number of columns",
            found.n_features.to_string(),
            expected.n_features.to_string(),
        )?;
        differs(
            "input",
            found.input_digest.clone(),
            expected.input_digest.clone(),
        )
    }
}

/// What the names of a member's tensors begin with.
fn prefix(member: usize) -> String {
    format!("member.{member}.")
}
