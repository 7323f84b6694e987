//! The registry of row detectors: one table, one line each.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::aliases::{canonical_key, canonical_keys};
use crate::baselines;
use crate::detector::DetectorSpec;
use crate::device::{Device, DeviceError};
use crate::dum::DumSpec;
use crate::error::{Error, Result};
use crate::features::Features;
use crate::fit::Warning;
use crate::memory;
use crate::registry::registry;
use crate::rows::Rows;
use crate::space::{Scaling, unlike_scales};

registry! {
    /// Which detector to fit, with all its hyper-parameters.
    ///
    /// As JSON or TOML it is one flat table: `detector = "dum"`, then the keys of the
    /// detector.
    ///
    /// ```
    /// use qualm::{Matrix, Spec};
    ///
    /// // Sixty rows on a line, and one beside it.
    /// let mut data: Vec<f32> = (0..60).flat_map(|i| [i as f32, 2.0 * i as f32]).collect();
    /// data.extend([30.0, -200.0]);
    /// let rows = Matrix::new(data, 2)?;
    ///
    /// let fitted = Spec::default().fit(rows.rows(), 0, &mut ())?;
    /// let scores = fitted.score(rows.rows())?;
    /// let highest = scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    /// assert_eq!(highest.map(|(row, _)| row), Some(60));
    /// # Ok::<(), qualm::Error>(())
    /// ```
    pub enum Spec of DetectorSpec {
        "dum" Dum(DumSpec) "Deep Uncertainty Model: variance of a learned embedding",
        "iforest" Iforest(baselines::IforestSpec) "isolation forest: how few splits set a row apart",
        "lof" Lof(baselines::LofSpec) "local outlier factor: density beside that of the neighbours",
        "ocsvm" Ocsvm(baselines::OcsvmSpec) "one-class support vector machine, RBF kernel",
        "sp" Sp(baselines::SpSpec) "distance to the nearest of a few sampled rows",
        "ee" Ee(baselines::EeSpec) "elliptic envelope: robust Mahalanobis distance (FastMCD)",
        "knn" Knn(baselines::KnnSpec) "distance to the k nearest neighbours",
        "abod" Abod(baselines::AbodSpec) "spread of the angles to the neighbours",
        "ae" Ae(baselines::AeSpec) "autoencoder: reconstruction error",
        "lesinn" Lesinn(baselines::LesinnSpec) "mean distance to the nearest rows of many subsamples",
        "repen" Repen(baselines::RepenSpec) "distances in a learned space, ranked by triplets",
        "ecod" Ecod(baselines::EcodSpec) "how far out in the tails of its columns, each by itself",
    }
}

impl Default for Spec {
    fn default() -> Self {
        Self::Dum(DumSpec::default())
    }
}

/// One detector as the registry describes it; see [`detectors()`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DetectorInfo {
    /// Its name.
    pub name: String,
    /// What it measures, in a few words.
    pub summary: String,
    /// Names of its presets, `default` first.
    pub presets: Vec<String>,
    /// Its keys with the values of the preset `default`.
    pub keys: Map<String, Value>,
}

/// All detectors, from the same table as [`Spec`]: what help texts, bindings and their tests
/// need to know of them.
#[must_use]
pub fn detectors() -> Vec<DetectorInfo> {
    let specs = Spec::DETECTORS
        .iter()
        .filter_map(|name| Spec::new(name).ok());
    let info = specs.map(|spec| {
        let mut keys = spec.keys();
        keys.remove("detector");
        DetectorInfo {
            name: spec.detector().to_owned(),
            summary: spec.summary().to_owned(),
            presets: spec.presets().iter().map(|p| (*p).to_owned()).collect(),
            keys,
        }
    });
    info.collect()
}

impl Spec {
    /// A detector's preset by name; every detector has `default`, which is its library's,
    /// and `paper`, which is the paper's.
    ///
    /// # Errors
    /// [`Error::UnknownDetector`], [`Error::UnknownPreset`].
    pub fn preset(detector: &str, preset: &str) -> Result<Self> {
        let mut spec = Self::new(detector)?;
        if spec.hyper_parameters_mut().set_preset(preset) {
            return Ok(spec);
        }
        Err(Error::UnknownPreset {
            found: preset.to_owned(),
            detector: spec.detector(),
            known: spec.presets(),
        })
    }

    /// Names of the detector's presets.
    #[must_use]
    pub fn presets(&self) -> &'static [&'static str] {
        self.hyper_parameters().presets()
    }

    /// Decides what the hyper-parameters leave to the rows, and lowers what the rows do not
    /// allow; returns a warning for each lowered value.
    pub(crate) fn adapt(&mut self, rows: Rows<'_>) -> Vec<Warning> {
        self.hyper_parameters_mut().adapt(rows)
    }

    /// A warning where the columns' scales decide the scores, nothing brings them to one, and they
    /// are very unlike.
    pub(crate) fn unscaled(&mut self, rows: Rows<'_>, features: &Features) -> Option<Warning> {
        let spec = self.hyper_parameters_mut();
        let scales_decide = match *spec.scaling_mut()? {
            Scaling::Identity => !spec.is_scale_free(),
            // The wide columns decide a row's norm and its direction.
            Scaling::Unit => true,
            _ => false,
        };
        if !scales_decide {
            return None;
        }
        let (widest, narrowest, ratio) = unlike_scales(rows)?;
        Some(Warning::Scales {
            widest: features.name(widest),
            narrowest: features.name(narrowest),
            ratio,
        })
    }

    /// Where it is fitted.
    #[must_use]
    pub fn device(&self) -> Device {
        self.hyper_parameters().device()
    }

    /// Fits on another device.
    ///
    /// # Errors
    /// [`DeviceError::OnlyCpu`] for a detector without a network that could run there.
    pub fn set_device(&mut self, device: Device) -> Result<(), DeviceError> {
        self.hyper_parameters_mut().set_device(device)
    }

    /// All keys with their values, `detector` among them: the Spec as one flat table.
    #[must_use]
    pub fn keys(&self) -> Map<String, Value> {
        let Ok(Value::Object(mut keys)) = serde_json::to_value(self) else {
            // A struct of numbers and words is nothing else.
            return Map::new();
        };
        for (key, value) in self.hyper_parameters().unwritten_keys() {
            keys.entry(key).or_insert(value);
        }
        keys
    }

    /// The same Spec with some keys set to other values, all of it validated.
    ///
    /// `max_steps` alone lowers a larger `min_steps` of the preset: who asks for few steps means
    /// it.
    ///
    /// # Errors
    /// [`Error::InvalidSpec`] on an unknown key, [`Error::InvalidValue`] on a value of the
    /// wrong type, [`Error::InvalidKey`] on one out of range.
    pub fn with(&self, keys: Map<String, Value>) -> Result<Self> {
        let mut all = self.keys();
        let keys = spelled(self.detector(), keys, canonical_key)?;
        let limit = keys.get("max_steps").and_then(Value::as_u64);
        let least = all.get("min_steps").and_then(Value::as_u64);
        if let (Some(limit @ 1..), Some(least)) = (limit, least) {
            all.insert("min_steps".to_owned(), least.min(limit).into());
        }
        let spec: Self = replaced(self.detector(), all, keys)?;
        spec.validate()?;
        Ok(spec)
    }

    /// Checks every hyper-parameter.
    ///
    /// # Errors
    /// [`Error::InvalidKey`] naming the key, its value and what it may be.
    pub fn validate(&self) -> Result<()> {
        self.hyper_parameters().validate()
    }

    /// Checks that fitting so many rows fits into the memory that is free now, so that the
    /// refusal comes before any work. [`Spec::fit`] does so by itself, for rows that are
    /// in memory already; call it to learn of it before they are read.
    ///
    /// # Errors
    /// [`Error::Memory`], [`Error::Device`].
    pub fn check_memory(&self, n_rows: usize, n_features: usize) -> Result<()> {
        let rows = (n_rows as u64).saturating_mul(4 * n_features as u64);
        self.check_memory_besides(rows, n_rows, n_features)?;
        self.hyper_parameters()
            .check_device_memory(n_rows, n_features)
    }

    /// The same for this processor alone, and for so many other bytes beside the fit.
    pub(crate) fn check_memory_besides(&self, bytes: u64, n_rows: usize, d: usize) -> Result<()> {
        let needed = |spec: &Self| spec.hyper_parameters().memory(n_rows, d);
        let all = needed(self);
        memory::check(bytes.saturating_add(all), || {
            self.lighter(|spec| needed(spec) < all - all / 10)
        })
    }

    /// The changes of one hyper-parameter that help, in words.
    fn lighter(&self, helps: impl Fn(&Self) -> bool) -> Vec<String> {
        let with = |key: &str, value: Value| self.with(Map::from_iter([(key.to_owned(), value)]));
        let mut advice = Vec::new();
        for (key, value) in [("metric", "euclidean"), ("space", "standardise")] {
            let robust = key == "metric" || self.keys().get(key) == Some(&"robust".into());
            if robust && with(key, value.into()).is_ok_and(|spec| helps(&spec)) {
                advice.push(format!("set {key} = {value}"));
            }
        }
        let lower = self.keys().into_iter().filter(|(key, value)| {
            let half = value.as_u64().map(|value| value.div_ceil(2));
            half.is_some_and(|half| with(key, half.into()).is_ok_and(|spec| helps(&spec)))
        });
        let lower: Vec<String> = lower.map(|(key, _)| key).collect();
        if !lower.is_empty() {
            advice.push(format!("lower {}", lower.join(" or ")));
        }
        advice
    }
}

/// Keys in their canonical spelling.
///
/// # Errors
/// [`Error::InvalidSpec`] where a key is given in both of its spellings.
pub(crate) fn spelled(
    detector: &str,
    keys: Map<String, Value>,
    spelling: impl for<'a> Fn(&'a str) -> &'a str,
) -> Result<Map<String, Value>> {
    canonical_keys(keys, spelling).map_err(|source| Error::InvalidSpec {
        detector: detector.to_owned(),
        source,
    })
}

/// A Spec of all keys, some of them with other values.
///
/// # Errors
/// [`Error::InvalidSpec`] on an unknown key, [`Error::InvalidValue`] on a value of the wrong type.
pub(crate) fn replaced<S: DeserializeOwned>(
    detector: &str,
    mut all: Map<String, Value>,
    keys: Map<String, Value>,
) -> Result<S> {
    // One at a time first: the parser does not say which key it disliked.
    for (key, value) in keys.iter().filter(|(key, _)| all.contains_key(*key)) {
        let mut one = all.clone();
        one.insert(key.clone(), value.clone());
        if let Err(source) = serde_json::from_value::<S>(Value::Object(one)) {
            return Err(Error::InvalidValue {
                key: key.clone(),
                value: value.to_string(),
                source,
            });
        }
    }
    all.extend(keys);
    serde_json::from_value(Value::Object(all)).map_err(|source| Error::InvalidSpec {
        detector: detector.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_memory_names_keys_that_help_and_that_are_there() {
        let said = |spec: Spec, n_rows, n_features| {
            let error = spec.check_memory(n_rows, n_features).unwrap_err();
            error.to_string()
        };
        let dum = Spec::preset("dum", "default").unwrap();
        let error = said(dum, 1_000_000, 10_000_000);
        assert!(error.contains("; set metric = euclidean, or "), "{error}");
        let error = said(Spec::preset("dum", "paper").unwrap(), 1000, 1 << 40);
        assert!(
            !error.contains("metric") && error.contains("hidden"),
            "{error}"
        );
        let error = said(Spec::new("ee").unwrap(), 1000, 10_000_000);
        assert!(
            error.ends_with("free; fit fewer rows or columns"),
            "{error}"
        );
    }

    #[test]
    fn every_detector_has_a_summary_and_valid_presets() {
        for info in detectors() {
            assert!(!info.summary.is_empty(), "{}", info.name);
            assert_eq!(info.presets[0], "default", "{}", info.name);
            assert!(info.presets.iter().any(|p| p == "paper"), "{}", info.name);
            for preset in &info.presets {
                let spec = Spec::preset(&info.name, preset).unwrap();
                spec.validate().unwrap();
                assert_eq!(spec.detector(), info.name);
            }
            let unknown = Spec::preset(&info.name, "best");
            assert!(matches!(unknown, Err(Error::UnknownPreset { .. })));
        }
        assert!(matches!(
            Spec::new("svm"),
            Err(Error::UnknownDetector { .. })
        ));
    }

    #[test]
    fn few_steps_asked_for_lower_the_least() {
        let with = |keys: &Value| {
            let keys = keys.as_object().unwrap().clone();
            Spec::new("dum").unwrap().with(keys)
        };
        let steps = |spec: Spec| {
            let keys = spec.keys();
            (keys["min_steps"].clone(), keys["max_steps"].clone())
        };
        let few = with(&serde_json::json!({"max_steps": 200})).unwrap();
        assert_eq!(steps(few), (200.into(), 200.into()));
        for (limit, least) in [(0, 1000), (3000, 1000)] {
            let spec = with(&serde_json::json!({"max_steps": limit})).unwrap();
            assert_eq!(steps(spec), (least.into(), limit.into()));
        }
        // Who gives both is told that they do not fit.
        with(&serde_json::json!({"max_steps": 200, "min_steps": 300})).unwrap_err();
    }

    #[test]
    fn only_a_network_runs_elsewhere() {
        let mut dum = Spec::default();
        dum.set_device(Device::Cuda).unwrap();
        assert_eq!(dum.device(), Device::Cuda);
        let mut knn = Spec::new("knn").unwrap();
        knn.set_device(Device::Cpu).unwrap();
        let refused = knn.set_device(Device::Cuda);
        assert!(matches!(refused, Err(DeviceError::OnlyCpu { .. })));
    }
}
