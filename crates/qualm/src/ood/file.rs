//! The file of an out-of-distribution detector: a sealed container like the `.qualm` file of a
//! detector of rows ([`crate::container`]), of a kind of its own.
//!
//! | part | content |
//! |---|---|
//! | metadata `qualm` | format, version, Spec, names and widths of the arrays, threshold rule, provenance, digest |
//! | `calibration.scores` | `(n_reference,)` float64, ascending |
//! | `layer.I.location`, `.map`, `.means` | `mahalanobis`: mean `(d,)`, whitening `(rank, d)`, mapped classes `(c, rank)` of layer I |
//! | `flow.I.splits`, `.parameters` | `residual_flow`, beside its `layer.I.*`: orders of the columns, and networks, of each class |
//! | `gram.I.least`, `.largest`, `.expected` | `gram`: bounds `(c, statistics)` of layer I, mean deviation |
//! | `weights.*` | `mahalanobis`, `residual_flow`: the logistic regression, where there is one |
//! | `classes.*`, `background.*` | `rmds`: as `layer.I.*` |
//! | `vim.origin`, `.residual`, `.alpha` | `vim`: `(d,)`, `(d - D, d)`, one number |
//! | those of a detector of rows | `knn`, `dum`, `dum_circ` |

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::fitted::{OodFitted, OodInputs};
use super::spec::OodSpec;
use crate::atomic_file::AtomicFile;
use crate::calibrate::ThresholdRule;
use crate::container::{self, Reader, Writer};
use crate::decision::Decision;
use crate::error::Result;
use crate::provenance::{ColumnRoles, Provenance};

const FORMAT: &str = "qualm-ood";
const VERSION: u64 = 1;

/// The JSON part of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: String,
    format_version: u64,
    spec: OodSpec,
    inputs: OodInputs,
    #[serde(default)]
    roles: ColumnRoles,
    threshold: ThresholdRule,
    provenance: Provenance,
}

impl OodFitted {
    /// Writes the file; it is whole or not there at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.write_to(AtomicFile::create(path.as_ref())?)
    }

    /// Writes the detector into a file that was opened earlier, before the work.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_to(&self, file: AtomicFile) -> Result<()> {
        container::write(&self.to_bytes()?, file)
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// When the detector cannot be serialised.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut writer = Writer::default();
        self.decision.save(&mut writer);
        self.detector.save(&mut writer);
        writer.into_bytes(&Header {
            format: FORMAT.to_owned(),
            format_version: VERSION,
            spec: self.spec.clone(),
            inputs: self.inputs.clone(),
            roles: self.roles.clone(),
            threshold: self.decision.rule(),
            provenance: self.provenance.clone(),
        })
    }

    /// Reads a file. Scores are the same, bit for bit, as before saving.
    ///
    /// # Errors
    /// When the file is missing, damaged, of a later version or no such detector. No bytes make
    /// it panic, run code, or allocate more than the file's own size.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        decode(Reader::open(path.as_ref())?)
    }

    /// Reads a detector from bytes in memory.
    ///
    /// # Errors
    /// As [`OodFitted::load`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        decode(Reader::from_bytes(Path::new("model bytes"), bytes)?)
    }
}

/// Reads the parts of a file.
fn decode(mut reader: Reader) -> Result<OodFitted> {
    reader.check_format(FORMAT, VERSION)?;
    let header: Header = reader.json()?;
    let spec = &header.spec;
    spec.validate().map_err(|e| reader.refused("spec", &e))?;
    let widths = header.inputs.widths();
    if !spec.needs().fits(&widths) {
        return Err(reader.corrupt("inputs", "others", format!("{}", spec.needs())));
    }
    let detector = spec.hyper_parameters().restore(&widths, &mut reader)?;
    Ok(OodFitted {
        decision: Decision::restore(header.threshold, &mut reader)?,
        spec: header.spec,
        inputs: header.inputs,
        roles: header.roles,
        detector,
        provenance: header.provenance,
    })
}
