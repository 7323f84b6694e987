//! The one registry of detectors: a tagged enum, one arm each.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::baselines::{
    self, AbodSpec, AeSpec, EeSpec, IforestSpec, KnnSpec, LesinnSpec, LofSpec, OcsvmSpec,
    RepenSpec, SpSpec,
};
use crate::container::Reader;
use crate::detector::{Detector, DetectorSpec, Outcome};
use crate::device::Device;
use crate::dum::DumSpec;
use crate::error::{Error, Result};
use crate::fit::checkpoint::Checkpoint;
use crate::fit::progress::Progress;
use crate::fit::training::Session;
use crate::fitted::Fitted;
use crate::memory;
use crate::rows::Rows;

/// Which detector to fit, with all its hyper-parameters.
///
/// As JSON or TOML it is one flat table: `detector = "dum"`, then the keys of the arm.
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
/// let strangest = scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
/// assert_eq!(strangest.map(|(row, _)| row), Some(60));
/// # Ok::<(), qualm::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "detector", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Spec {
    /// The Deep Uncertainty Model.
    Dum(DumSpec),
    /// How soon random splits leave a row alone.
    Iforest(IforestSpec),
    /// How much sparser a row lies than its neighbours.
    Lof(LofSpec),
    /// The one-class support vector machine.
    Ocsvm(OcsvmSpec),
    /// Distance to the nearest of a few sampled rows.
    Sp(SpSpec),
    /// Distance in the metric of a robust covariance.
    Ee(EeSpec),
    /// Distance to the nearest neighbours.
    Knn(KnnSpec),
    /// How little the angles to the neighbours vary.
    Abod(AbodSpec),
    /// How badly an autoencoder gives a row back.
    Ae(AeSpec),
    /// Mean distance to the nearest row in each of many small samples.
    Lesinn(LesinnSpec),
    /// `LeSiNN` in a space learned to set its own candidates apart.
    Repen(RepenSpec),
}

impl Default for Spec {
    fn default() -> Self {
        Self::Dum(DumSpec::default())
    }
}

impl Spec {
    /// Names of all detectors.
    pub const DETECTORS: &[&str] = &[
        "dum", "iforest", "lof", "ocsvm", "sp", "ee", "knn", "abod", "ae", "lesinn", "repen",
    ];

    /// A detector's preset by name; every detector has `default`, which is its library's,
    /// and `paper`, which is the paper's.
    ///
    /// # Errors
    /// [`Error::UnknownDetector`], [`Error::UnknownPreset`].
    pub fn preset(detector: &str, preset: &str) -> Result<Self> {
        let spec = match detector {
            "dum" => return DumSpec::preset(preset).map(Self::Dum),
            "iforest" => Self::Iforest(IforestSpec::default()),
            "lof" => Self::Lof(LofSpec::default()),
            "ocsvm" => Self::Ocsvm(OcsvmSpec::default()),
            "sp" => Self::Sp(SpSpec::default()),
            "ee" => Self::Ee(EeSpec::default()),
            "knn" => Self::Knn(KnnSpec::default()),
            "abod" => Self::Abod(AbodSpec::default()),
            "ae" => Self::Ae(AeSpec::default()),
            "lesinn" => Self::Lesinn(LesinnSpec::default()),
            "repen" => Self::Repen(RepenSpec::default()),
            _ => {
                return Err(Error::UnknownDetector {
                    found: detector.to_owned(),
                    known: Self::DETECTORS,
                });
            }
        };
        spec.with(baselines::preset(spec.detector(), preset)?)
    }

    /// The detector's name.
    #[must_use]
    pub fn detector(&self) -> &'static str {
        match self {
            Self::Dum(_) => "dum",
            Self::Iforest(_) => "iforest",
            Self::Lof(_) => "lof",
            Self::Ocsvm(_) => "ocsvm",
            Self::Sp(_) => "sp",
            Self::Ee(_) => "ee",
            Self::Knn(_) => "knn",
            Self::Abod(_) => "abod",
            Self::Ae(_) => "ae",
            Self::Lesinn(_) => "lesinn",
            Self::Repen(_) => "repen",
        }
    }

    /// The hyper-parameters of the detector it names.
    fn arm(&self) -> &dyn DetectorSpec {
        match self {
            Self::Dum(spec) => spec,
            Self::Iforest(spec) => spec,
            Self::Lof(spec) => spec,
            Self::Ocsvm(spec) => spec,
            Self::Sp(spec) => spec,
            Self::Ee(spec) => spec,
            Self::Knn(spec) => spec,
            Self::Abod(spec) => spec,
            Self::Ae(spec) => spec,
            Self::Lesinn(spec) => spec,
            Self::Repen(spec) => spec,
        }
    }

    /// The same Spec with what it leaves to the rows decided by them.
    pub(crate) fn for_rows(&self, rows: Rows<'_>) -> Self {
        match self {
            Self::Dum(spec) => Self::Dum(spec.for_rows(rows)),
            other => other.clone(),
        }
    }

    /// Where it is fitted.
    #[must_use]
    pub fn device(&self) -> Device {
        match self {
            Self::Dum(spec) => spec.device,
            _ => Device::Cpu,
        }
    }

    /// The same Spec, fitted elsewhere.
    pub(crate) fn on(&self, device: Device) -> Self {
        let mut spec = self.clone();
        if let Self::Dum(spec) = &mut spec {
            spec.device = device;
        }
        spec
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
    /// [`Error::InvalidSpec`] on an unknown key, [`Error::InvalidValue`] on a value of the
    /// wrong type,
    /// [`Error::InvalidKey`] on one out of range.
    pub fn with(&self, keys: Map<String, Value>) -> Result<Self> {
        let invalid = |source| Error::InvalidSpec {
            detector: self.detector().to_owned(),
            source,
        };
        let mut all = self.keys();
        // One at a time first: the parser does not say which key it disliked.
        for (key, value) in keys.iter().filter(|(key, _)| all.contains_key(*key)) {
            let mut one = all.clone();
            one.insert(key.clone(), value.clone());
            if let Err(source) = serde_json::from_value::<Self>(Value::Object(one)) {
                return Err(Error::InvalidValue {
                    key: key.clone(),
                    value: value.to_string(),
                    source,
                });
            }
        }
        all.extend(keys);
        let spec: Self = serde_json::from_value(Value::Object(all)).map_err(invalid)?;
        spec.validate()?;
        Ok(spec)
    }

    /// Checks every hyper-parameter.
    ///
    /// # Errors
    /// [`Error::InvalidKey`] naming the key, its value and what it may be.
    pub fn validate(&self) -> Result<()> {
        self.arm().validate()
    }

    /// Fits the detector to rows, without labels.
    ///
    /// # Shapes
    /// `rows`: `(n, d)`, n at least two bags.
    ///
    /// # Errors
    /// On an invalid Spec, too few rows, rows that are all equal, a training that diverges,
    /// constant scores, and whatever `progress` returns.
    ///
    /// # Seed
    /// The same seed, Spec and rows give the same bits at any number of threads.
    pub fn fit(&self, rows: Rows<'_>, seed: u64, progress: &mut dyn Progress) -> Result<Fitted> {
        Fitted::fit(self, rows, seed, None, progress)
    }

    /// Goes on with an interrupted fit and ends with the same bits as one that was not.
    ///
    /// # Errors
    /// As [`Spec::fit`], and [`Error::CheckpointMismatch`] when the Spec, the seed or the
    /// rows are not those that the checkpoint was made with.
    pub fn resume(
        &self,
        rows: Rows<'_>,
        seed: u64,
        checkpoint: Checkpoint,
        progress: &mut dyn Progress,
    ) -> Result<Fitted> {
        Fitted::fit(self, rows, seed, Some(checkpoint), progress)
    }

    /// Checks that fitting so many rows fits into the memory that is free now, so that the
    /// refusal comes before any work. [`Spec::fit`] does so by itself, for rows that are
    /// in memory already; call it to learn of it before they are read.
    ///
    /// # Errors
    /// [`Error::Memory`], [`Error::Device`].
    pub fn check_memory(&self, n_rows: usize, n_features: usize) -> Result<()> {
        let rows = (n_rows as u64).saturating_mul(4 * n_features as u64);
        memory::check(rows.saturating_add(self.memory(n_rows, n_features)))?;
        self.check_device_memory(n_rows, n_features)
    }

    /// Whether the device's own memory holds the fit.
    pub(crate) fn check_device_memory(&self, n_rows: usize, n_features: usize) -> Result<()> {
        match self {
            Self::Dum(spec) => spec.check_device_memory(n_rows, n_features),
            _ => Ok(()),
        }
    }

    /// Bytes that fitting takes besides the rows, at the least.
    pub(crate) fn memory(&self, n_rows: usize, n_features: usize) -> u64 {
        self.arm().memory(n_rows, n_features)
    }

    /// Fits the detector of this arm.
    pub(crate) fn build(&self, rows: Rows<'_>, session: &mut Session<'_>) -> Result<Outcome> {
        self.arm().fit(rows, session)
    }

    /// Reads the detector of this arm from a model file.
    pub(crate) fn restore(
        &self,
        n_features: usize,
        reader: &mut Reader,
    ) -> Result<Box<dyn Detector>> {
        self.arm().restore(n_features, reader)
    }
}
