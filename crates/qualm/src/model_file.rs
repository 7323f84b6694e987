//! The `.qualm` file, version 1: a safetensors file with the detector's tensors, the
//! reference scores, and one JSON document among the metadata.
//!
//! | part | content |
//! |---|---|
//! | metadata `qualm` | format, version, Spec, feature names, threshold rule, provenance, digest |
//! | `calibration.scores` | `(n_reference,)` float64, ascending |
//! | `typical` | `(d,)` float32, median of each feature |
//! | `member.I.shift`, `.scaling`, `.frequencies` | the space of network I |
//! | `member.I.network.L.weight`, `.bias` | `(in, out)` and `(out,)` float32 |
//! | `member.I.scale` | mean and deviation of the member's scores, float64 |

use std::path::Path;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::calibrate::{Calibration, ThresholdRule};
use crate::container::{Reader, Writer};
use crate::error::{Error, Result};
use crate::features::Features;
use crate::fitted::{ColumnRoles, Fitted, Provenance};
use crate::spec::Spec;

const FORMAT: &str = "qualm-model";
const VERSION: u64 = 1;

/// The JSON part of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: String,
    format_version: u64,
    #[serde(deserialize_with = "written_spec")]
    spec: Spec,
    features: Features,
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

pub(crate) fn to_bytes(fitted: &Fitted) -> Result<Vec<u8>> {
    let mut writer = Writer::default();
    writer.f64("calibration.scores", fitted.calibration.scores());
    writer.f32(
        "typical",
        &[fitted.feature_medians.len()],
        &fitted.feature_medians,
    );
    fitted.detector.save(&mut writer);
    writer.into_bytes(&Header {
        format: FORMAT.to_owned(),
        format_version: VERSION,
        spec: fitted.spec.clone(),
        features: fitted.features.clone(),
        roles: fitted.roles.clone(),
        threshold: fitted.rule,
        provenance: fitted.provenance.clone(),
    })
}

pub(crate) fn load(path: &Path) -> Result<Fitted> {
    decode(Reader::open(path)?)
}

pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Fitted> {
    decode(Reader::from_bytes(Path::new("model bytes"), bytes)?)
}

fn decode(mut reader: Reader) -> Result<Fitted> {
    reader.check_format(FORMAT, VERSION)?;
    let header: Header = reader.json()?;
    let broken = |reader: &Reader, part: &str, error: &Error| {
        reader.corrupt(part, format!("refused ({error})"), "what qualm writes")
    };
    header
        .spec
        .validate()
        .map_err(|e| broken(&reader, "spec", &e))?;
    let d = header.features.width();
    if d == 0 {
        return Err(reader.corrupt("features", "without any", "at least one feature"));
    }
    let detector = header.spec.hyper_parameters().restore(d, &mut reader)?;
    let scores = reader.f64("calibration.scores")?;
    let calibration =
        Calibration::new(scores).map_err(|e| broken(&reader, "calibration.scores", &e))?;
    calibration
        .threshold(header.threshold)
        .map_err(|e| broken(&reader, "threshold", &e))?;
    Ok(Fitted {
        feature_medians: reader.f32("typical", &[d])?,
        spec: header.spec,
        features: header.features,
        roles: header.roles,
        detector,
        calibration,
        own_scores: None,
        rule: header.threshold,
        provenance: header.provenance,
    })
}
