//! The `.qualm` file: a safetensors file with the detector's tensors, the reference scores, and
//! one JSON document among the metadata. A model whose features a recipe makes is version 3, one that
//! reads its rows less an offset is version 2, so that versions that do not know of these refuse it;
//! every other is version 1.
//!
//! | part | content |
//! |---|---|
//! | metadata `qualm` | format, version, Spec, feature names, offsets, threshold rule, provenance, digest |
//! | `calibration.scores` | `(n_reference,)` float64, ascending |
//! | `fitted.scores` | `(n,)` float64, of the fitted rows in their order; only where that was asked for |
//! | `typical` | `(d,)` float32, median of each feature |
//! | `member.I.shift`, `.scaling`, `.frequencies`, `.metric.*` | the space of network I |
//! | `member.I.network.L.weight`, `.bias` | `(in, out)` and `(out,)` float32 |
//! | `member.I.scale` | mean and deviation of the member's scores, float64 |

use std::path::Path;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::atomic_file::AtomicFile;
use crate::calibrate::ThresholdRule;
use crate::container::{self, Reader, Writer};
use crate::decision::Decision;
use crate::error::Result;
use crate::features::Features;
use crate::fitted::Fitted;
use crate::provenance::{ColumnRoles, Provenance};
use crate::rounding::Rounding;
use crate::spec::Spec;

const FORMAT: &str = "qualm-model";
/// The newest version.
const VERSION: u64 = 3;

/// The version of a file: the lowest that knows all that is in it.
fn version(features: &Features, rounding: &Rounding) -> u64 {
    match (features.recipe(), rounding.is_plain()) {
        (Some(_), _) => VERSION,
        (None, false) => 2,
        (None, true) => 1,
    }
}

/// The JSON part of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: String,
    format_version: u64,
    #[serde(deserialize_with = "written_spec")]
    spec: Spec,
    features: Features,
    #[serde(default, skip_serializing_if = "Rounding::is_plain")]
    rounding: Rounding,
    #[serde(default)]
    roles: ColumnRoles,
    threshold: ThresholdRule,
    provenance: Provenance,
}

/// The Spec as the file's writer meant it: a file that does not name a key was written when
/// there was no choice, which may be another one than today's default.
fn written_spec<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Spec, D::Error> {
    let mut keys = Map::deserialize(deserializer)?;
    let detector = keys.get("detector").and_then(Value::as_str);
    let spec = Spec::new(detector.unwrap_or_default()).map_err(D::Error::custom)?;
    for (key, value) in spec.hyper_parameters().absent_keys() {
        keys.entry(*key).or_insert_with(|| (*value).into());
    }
    Spec::deserialize(Value::Object(keys)).map_err(D::Error::custom)
}

impl Fitted {
    /// Writes the model file; the file is whole or not there at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.write_to(AtomicFile::create(path.as_ref())?)
    }

    /// Writes the model into a file that was opened earlier, before the work.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_to(&self, file: AtomicFile) -> Result<()> {
        container::write(&self.to_bytes()?, file)
    }

    /// The bytes of the model file.
    ///
    /// # Errors
    /// When the model cannot be serialised.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut writer = Writer::default();
        self.decision.save(&mut writer);
        writer.f32(
            "typical",
            &[self.feature_medians.len()],
            &self.feature_medians,
        );
        self.detector.save(&mut writer);
        writer.into_bytes(&Header {
            format: FORMAT.to_owned(),
            format_version: version(&self.features, &self.rounding),
            spec: self.spec.clone(),
            features: self.features.clone(),
            rounding: self.rounding.clone(),
            roles: self.roles.clone(),
            threshold: self.decision.rule(),
            provenance: self.provenance.clone(),
        })
    }

    /// Reads a model file. Scores are the same, bit for bit, as before saving.
    ///
    /// # Errors
    /// When the file is missing, damaged, of a later version or no model. No bytes make it
    /// panic, run code, or allocate more than the file's own size.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        decode(Reader::open(path.as_ref())?)
    }

    /// Reads a model from bytes in memory.
    ///
    /// # Errors
    /// As [`Fitted::load`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        decode(Reader::from_bytes(Path::new("model bytes"), bytes)?)
    }
}

/// Reads the parts of a model file.
fn decode(mut reader: Reader) -> Result<Fitted> {
    reader.check_format(FORMAT, VERSION)?;
    let header: Header = reader.json()?;
    let valid = header.spec.validate();
    valid.map_err(|e| reader.refused("spec", &e))?;
    let d = header.features.width();
    if d == 0 {
        return Err(reader.corrupt("features", "without any", "at least one feature"));
    }
    if !header.rounding.is_valid(d) {
        return Err(reader.corrupt("rounding", "refused", "what qualm writes"));
    }
    let detector = header.spec.hyper_parameters().restore(d, &mut reader)?;
    Ok(Fitted {
        decision: Decision::restore(header.threshold, &mut reader)?,
        feature_medians: reader.f32("typical", &[d])?,
        spec: header.spec,
        features: header.features,
        rounding: header.rounding,
        roles: header.roles,
        detector,
        provenance: header.provenance,
    })
}
