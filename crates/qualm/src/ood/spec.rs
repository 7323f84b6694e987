//! The registry of out-of-distribution detectors: one table, one line each.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::detector::{Needs, OodDetectorSpec};
use super::{
    dum, energy, r#gen, gram, knn, mahalanobis, msp, odin, residual_flow, rmds, rotation, vim,
};
use crate::aliases::canonical_key;
use crate::error::Result;
use crate::registry::registry;
use crate::spec::{replaced, spelled};

registry! {
    /// Which out-of-distribution detector to fit, with all its keys.
    ///
    /// As JSON or TOML it is one flat table: `detector = "knn"`, then the keys of the detector.
    pub enum OodSpec of OodDetectorSpec {
        "msp" Msp(msp::MspSpec) "1 - the largest softmax probability",
        "odin" Odin(odin::OdinSpec) "1 - the largest softmax probability after a step of the input towards it",
        "energy" Energy(energy::EnergySpec) "free energy of the logits",
        "gen" Gen(r#gen::GenSpec) "generalised entropy of the softmax",
        "mahalanobis" Mahalanobis(mahalanobis::MahalanobisSpec) "Mahalanobis distance to the nearest class",
        "rmds" Rmds(rmds::RmdsSpec) "the same, less the distance to all classes together",
        "residual_flow" ResidualFlow(residual_flow::ResidualFlowSpec) "log-likelihood of a flow for each class",
        "gram" Gram(gram::GramSpec) "deviations of Gram matrices of feature maps",
        "rotation" Rotation(rotation::RotationSpec) "how badly quarter turns of the image are predicted",
        "knn" Knn(knn::OodKnnSpec) "distance to the k-th nearest fitted row",
        "vim" Vim(vim::VimSpec) "residual of the features as one more logit",
        "dum" Dum(dum::OodDumSpec) "Deep Uncertainty Model, a variance for each feature",
        "dum_circ" DumCirc(dum::OodDumCircSpec) "Deep Uncertainty Model, one variance for all features",
    }
}

/// One detector as the registry describes it; see [`ood_detectors`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OodDetectorInfo {
    /// Its name.
    pub name: String,
    /// What it measures, in a few words.
    pub summary: String,
    /// What it needs.
    pub needs: Needs,
    /// Its keys with their defaults.
    pub keys: Map<String, Value>,
}

/// All out-of-distribution detectors, from the same table as [`OodSpec`].
#[must_use]
pub fn ood_detectors() -> Vec<OodDetectorInfo> {
    let specs = OodSpec::DETECTORS
        .iter()
        .filter_map(|name| OodSpec::new(name).ok());
    let info = specs.map(|spec| {
        let mut keys = spec.keys();
        keys.remove("detector");
        OodDetectorInfo {
            name: spec.detector().to_owned(),
            summary: spec.summary().to_owned(),
            needs: spec.needs(),
            keys,
        }
    });
    info.collect()
}

impl OodSpec {
    /// What the detector needs.
    #[must_use]
    pub fn needs(&self) -> Needs {
        self.hyper_parameters().needs()
    }

    /// All keys with their values, `detector` among them: the Spec as one flat table.
    #[must_use]
    pub fn keys(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(keys)) => keys,
            // A struct of numbers and words is nothing else.
            _ => Map::new(),
        }
    }

    /// The same Spec with some keys set to other values, all of it validated.
    ///
    /// # Errors
    /// [`Error::InvalidSpec`](crate::Error::InvalidSpec) on an unknown key,
    /// [`Error::InvalidValue`](crate::Error::InvalidValue) on a value of the wrong type,
    /// [`Error::InvalidKey`](crate::Error::InvalidKey) on one out of range.
    pub fn with(&self, keys: Map<String, Value>) -> Result<Self> {
        let all = self.keys();
        let keys = spelled(self.detector(), keys, |key| {
            // Where there is no such key, the message names it as it was given.
            let ours = canonical_ood_key(key);
            if all.contains_key(ours) { ours } else { key }
        })?;
        let spec: Self = replaced(self.detector(), all, keys)?;
        spec.validate()?;
        Ok(spec)
    }

    /// Checks every key.
    ///
    /// # Errors
    /// [`Error::InvalidKey`](crate::Error::InvalidKey) naming the key, its value and what it may be.
    pub fn validate(&self) -> Result<()> {
        self.hyper_parameters().validate()
    }
}

/// Our name of a key that pytorch-ood calls otherwise; any other key in its canonical spelling.
fn canonical_ood_key(key: &str) -> &str {
    match key {
        "k" => "n_neighbors",
        "d" => "n_components",
        "M" => "m",
        "eps" => "epsilon",
        "t" => "temperature",
        "normalize" => "normalise",
        other => canonical_key(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use serde_json::json;

    fn with(detector: &str, keys: &Value) -> Result<OodSpec> {
        let keys = keys.as_object().cloned().unwrap_or_default();
        OodSpec::new(detector)?.with(keys)
    }

    #[test]
    fn every_detector_says_what_it_needs_and_reads_its_own_keys() {
        let all = ood_detectors();
        assert_eq!(all.len(), OodSpec::DETECTORS.len());
        for info in all {
            assert!(!info.summary.is_empty(), "{}", info.name);
            assert!(!info.needs.to_string().is_empty(), "{}", info.name);
            let again = with(&info.name, &info.keys.into()).unwrap();
            assert_eq!(again, OodSpec::new(&info.name).unwrap());
        }
        let unknown = OodSpec::new("odin-2");
        assert!(matches!(unknown, Err(Error::UnknownDetector { .. })));
    }

    #[test]
    fn the_names_of_pytorch_ood_are_keys_too() {
        for (detector, theirs, ours) in [
            ("knn", json!({"k": 7}), json!({"n_neighbors": 7})),
            (
                "knn",
                json!({"normalize": false}),
                json!({"normalise": false}),
            ),
            ("odin", json!({"eps": 0.1}), json!({"epsilon": 0.1})),
            ("vim", json!({"d": 7}), json!({"n_components": 7})),
            ("gen", json!({"M": 7}), json!({"m": 7})),
            ("energy", json!({"t": 7.0}), json!({"temperature": 7.0})),
        ] {
            assert_eq!(
                with(detector, &theirs).unwrap(),
                with(detector, &ours).unwrap()
            );
        }
    }

    #[test]
    fn keys_out_of_range_are_named() {
        for (detector, keys, named) in [
            ("msp", json!({"temperature": 0}), "temperature = 0"),
            ("energy", json!({"temperature": -1}), "temperature = -1"),
            ("gen", json!({"gamma": 0}), "gamma = 0"),
            ("gen", json!({"m": 0}), "m = 0"),
            ("knn", json!({"n_neighbors": 0}), "n_neighbors = 0"),
            ("vim", json!({"n_components": 0}), "n_components = 0"),
            (
                "vim",
                json!({"n_components": "few"}),
                "n_components = \"few\"",
            ),
            ("rmds", json!({"normalise": 2}), "normalise = 2"),
            (
                "mahalanobis",
                json!({"combine": "best"}),
                "combine = \"best\"",
            ),
            ("odin", json!({"epsilon": -0.1}), "epsilon = -0.1"),
            ("odin", json!({"temperature": 0}), "temperature = 0"),
            ("mahalanobis", json!({"epsilon": -0.1}), "epsilon = -0.1"),
            ("gram", json!({"orders": 0}), "orders = 0"),
            ("gram", json!({"orders": 21}), "orders = 21"),
            ("residual_flow", json!({"epochs": 0}), "epochs = 0"),
            ("residual_flow", json!({"batch_size": 0}), "batch_size = 0"),
            (
                "residual_flow",
                json!({"hidden_ratio": 0}),
                "hidden_ratio = 0",
            ),
            (
                "residual_flow",
                json!({"learning_rate": 0}),
                "learning_rate = 0",
            ),
            (
                "residual_flow",
                json!({"couplings": 1001}),
                "couplings = 1001",
            ),
            ("rotation", json!({"classifier": 1}), "classifier = 1"),
            ("msp", json!({"gamma": 1}), "unknown field 'gamma'"),
            ("dum", json!({"bag_size": 0}), "bag_size = 0"),
        ] {
            let error = with(detector, &keys).unwrap_err().to_string();
            assert!(error.contains(named), "{detector}: {error}");
        }
    }
}
