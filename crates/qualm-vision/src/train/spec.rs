//! What a training is told: every setting is a key, with a default by method, image size and
//! number of images.
//!
//! The defaults are those of published runs on CIFAR-10 (lightly's benchmarks: SGD .06, momentum
//! .9, weight decay 5e-4, cosine decay; `SimCLR` kNN 84.8 %, `MoCo` 83.8 %, BYOL 86.9 % after 200
//! epochs of ResNet-18), with the square-root scaling of the learning rate by batch size that
//! `SimCLR` recommends for few epochs (Chen et al., 2020, appendix B.1). Rotation and supervised
//! training follow Hendrycks et al., "Using Self-Supervised Learning Can Improve Model Robustness
//! and Uncertainty" (2019), and He et al., "Deep Residual Learning" (2016).

use qualm::nn::resnet::Architecture;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::data::crop_fraction;
use super::method::{Method, Projection, SMALL, require};
use crate::encoder::{Crop, InputType, Preprocessing};
use crate::error::{Error, Result};
use crate::views::ViewSpec;

/// What moves the parameters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "optimizer", rename_all = "snake_case")]
pub enum Optimizer {
    /// SGD with momentum.
    Sgd {},
    /// LARS: a trust ratio for each tensor.
    Lars {
        /// The factor of the trust ratio.
        lars_eta: f64,
    },
}

/// All settings of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainSpec {
    /// The method, with its own keys.
    #[serde(flatten)]
    pub method: Method,
    /// The architecture's name, such as `resnet18-cifar`.
    pub network: String,
    /// The side of the square images that the network sees.
    pub image_size: u32,
    /// How many times all images are seen.
    pub epochs: u64,
    /// Images a step.
    pub batch_size: usize,
    /// SGD or LARS.
    #[serde(flatten)]
    pub optimizer: Optimizer,
    /// The highest learning rate; it falls by half a cosine to 0.
    pub learning_rate: f64,
    /// Epochs over which the learning rate rises from 0.
    pub warmup_epochs: u64,
    /// How much of the last step goes on into the next, in \[0, 1).
    pub momentum: f64,
    /// How fast weights shrink; biases, and scale and shift of batch norm, do not.
    pub weight_decay: f64,
    /// The projection, for the contrastive methods.
    #[serde(flatten)]
    pub projection: Option<Projection>,
    /// Subtracted from red, green and blue in \[0, 1\].
    pub mean: [f64; 3],
    /// By what the differences are divided.
    pub std: [f64; 3],
    /// Epochs between two measurements of nearest-neighbour accuracy, where there are labels.
    pub knn_every: u64,
    /// Neighbours that vote in it.
    pub knn_neighbours: usize,
    /// The temperature of their votes.
    pub knn_temperature: f64,
    /// The share of labelled images that is kept from training to measure on, unless other images
    /// are given for that.
    pub held_out: f64,
    /// The random views of an image.
    pub views: ViewSpec,
}

/// Something about a training that its user should know before it begins.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Note {
    /// A count was lowered to the number of images.
    #[error("{key} = {asked}, but there are only {n_images} images: {used} is used")]
    Lowered {
        /// The key.
        key: String,
        /// What it was.
        asked: usize,
        /// What is used.
        used: usize,
        /// Images trained on.
        n_images: usize,
    },
    /// Images that no batch of an epoch takes.
    #[error(
        "{n_images} images are no whole number of batches of {batch_size}: each epoch leaves out \
         {left}, others every time"
    )]
    LeftOut {
        /// Images trained on.
        n_images: usize,
        /// Images a batch.
        batch_size: usize,
        /// How many are left out.
        left: usize,
    },
}

impl TrainSpec {
    /// The defaults of a method for images of a size, with some keys set to other values. A dot
    /// leads into a table: `views.flip`. Settings that follow from others (the learning rate from
    /// the batch size, the warm-up from the epochs) do so from what was set.
    ///
    /// Batch and bank are lowered to the number of images; the notes say so.
    ///
    /// # Errors
    /// [`Error::TrainKey`] for an unknown key or a value of the wrong type,
    /// [`qualm::Error::InvalidKey`] for one out of range.
    pub fn new(
        method: &str,
        image_size: u32,
        n_images: usize,
        keys: &Map<String, Value>,
    ) -> Result<(Self, Vec<Note>)> {
        let mut spec = Self::defaults(Method::by_name(method)?, image_size);
        // First what other defaults follow from.
        let decisive = ["batch_size", "epochs", "optimizer", "image_size"];
        let (first, rest): (Vec<_>, Vec<_>) =
            (keys.iter()).partition(|(key, _)| decisive.contains(&key.as_str()));
        for (key, value) in first {
            spec = spec.with(key, value)?;
        }
        spec = spec.followed();
        let mut notes = Vec::new();
        let asked = spec.batch_size;
        if asked > n_images {
            spec.batch_size = n_images.max(1);
            notes.push(Note::Lowered {
                key: "batch_size".to_owned(),
                asked,
                used: spec.batch_size,
                n_images,
            });
        }
        spec = spec.followed();
        for (key, value) in rest {
            spec = spec.with(key, value)?;
        }
        spec.validate()?;
        if let Method::Moco { bank_size, .. } = &mut spec.method
            && *bank_size > n_images
        {
            notes.push(Note::Lowered {
                key: "bank_size".to_owned(),
                asked: *bank_size,
                used: n_images,
                n_images,
            });
            *bank_size = n_images;
        }
        let batch_size = spec.batch_size;
        let left = n_images % batch_size;
        if left > 0 {
            notes.push(Note::LeftOut {
                n_images,
                batch_size,
                left,
            });
        }
        Ok((spec, notes))
    }

    fn defaults(method: Method, image_size: u32) -> Self {
        let spec = Self {
            method,
            network: String::new(),
            image_size,
            epochs: if method.is_contrastive() { 200 } else { 100 },
            batch_size: if method.is_contrastive() { 512 } else { 128 },
            optimizer: Optimizer::Sgd {},
            learning_rate: 0.0,
            warmup_epochs: 0,
            momentum: 0.9,
            weight_decay: 5e-4,
            projection: method.projection(),
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
            knn_every: 5,
            knn_neighbours: 200,
            knn_temperature: 0.1,
            held_out: 0.1,
            views: ViewSpec::simclr(image_size),
        };
        spec.followed()
    }

    /// Sets what follows from other settings.
    fn followed(mut self) -> Self {
        let stem = if self.image_size <= SMALL {
            "-cifar"
        } else {
            ""
        };
        self.network = format!("resnet18{stem}");
        self.views = self.method.views(self.image_size);
        let scale = (self.batch_size as f64 / 128.0).sqrt();
        self.learning_rate = match self.optimizer {
            Optimizer::Sgd {} => self.method.rate() * scale,
            // solo-learn's SimCLR on CIFAR: 0.4 for a batch of 256.
            Optimizer::Lars { .. } => 0.4 * (self.batch_size as f64 / 256.0),
        };
        // 10 epochs, and a tenth of fewer than 100. Plain classification needs none.
        let warmup = if self.method.is_contrastive() { 10 } else { 0 };
        self.warmup_epochs = warmup.min(self.epochs.div_ceil(10));
        self
    }

    /// All keys with their values.
    #[must_use]
    pub fn keys(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(keys)) => keys,
            // A struct of numbers and words is nothing else.
            _ => Map::new(),
        }
    }

    /// The same with one key set.
    fn with(&self, key: &str, value: &Value) -> Result<Self> {
        let mut keys = self.keys();
        if key == "optimizer" && value == "lars" {
            keys.insert("lars_eta".to_owned(), 0.02.into());
        }
        let unknown = || Error::TrainKey {
            key: key.to_owned(),
            value: value.to_string(),
            reason: format!(
                "{} has no such key; expected one of: {}",
                self.method.name(),
                names(&self.keys(), "").join(", ")
            ),
        };
        let mut table = &mut keys;
        let mut path = key.split('.').peekable();
        while let Some(name) = path.next() {
            // The method decides which keys there are: it is no key itself.
            let place = table.get_mut(name).filter(|_| key != "method");
            let place = place.ok_or_else(unknown)?;
            if path.peek().is_none() {
                if place.is_object() && !value.is_object() {
                    return Err(unknown());
                }
                *place = match (place.take(), value) {
                    // A table sets the keys that it has.
                    (Value::Object(_), Value::Object(values)) => {
                        let mut spec = self.clone();
                        for (inner, value) in values {
                            spec = spec.with(&format!("{key}.{inner}"), value)?;
                        }
                        return Ok(spec);
                    }
                    _ => value.clone(),
                };
                break;
            }
            table = place.as_object_mut().ok_or_else(unknown)?;
        }
        serde_json::from_value(Value::Object(keys)).map_err(|source| Error::TrainKey {
            key: key.to_owned(),
            value: value.to_string(),
            reason: source.to_string(),
        })
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`qualm::Error::InvalidKey`] naming the key, its value and what it may be; as parsing an
    /// [`Architecture`] for an unknown network.
    pub fn validate(&self) -> Result<()> {
        let _: Architecture = self.network.parse()?;
        let positive = |v: f64| v.is_finite() && v > 0.0;
        let share = |v: f64| (0.0..1.0).contains(&v);
        require("epochs", self.epochs, self.epochs >= 1, "at least 1")?;
        let batch = (2..=1 << 20).contains(&self.batch_size);
        require(
            "batch_size",
            self.batch_size,
            batch,
            "2 to 1048576, and at least 2 images: batch norm compares the images of a batch",
        )?;
        let size = (8..=4096).contains(&self.image_size);
        require("image_size", self.image_size, size, "8 to 4096")?;
        let rate = positive(self.learning_rate);
        require("learning_rate", self.learning_rate, rate, "above 0")?;
        let warmup = self.warmup_epochs <= self.epochs;
        require(
            "warmup_epochs",
            self.warmup_epochs,
            warmup,
            "at most epochs",
        )?;
        require(
            "momentum",
            self.momentum,
            share(self.momentum),
            "at least 0 and below 1",
        )?;
        let decay = self.weight_decay.is_finite() && self.weight_decay >= 0.0;
        require("weight_decay", self.weight_decay, decay, "0 or above")?;
        if let Optimizer::Lars { lars_eta } = self.optimizer {
            require("lars_eta", lars_eta, positive(lars_eta), "above 0")?;
        }
        if let Some(projection) = self.projection {
            for (key, value) in [
                ("projection_hidden", projection.projection_hidden),
                ("projection_width", projection.projection_width),
            ] {
                require(key, value, (1..=1 << 16).contains(&value), "1 to 65536")?;
            }
        }
        for (key, values) in [("mean", self.mean), ("std", self.std)] {
            let holds = values
                .iter()
                .all(|v| v.is_finite() && (key == "mean" || *v > 0.0));
            let expected = "three finite numbers, those of std above 0";
            require(key, format!("{values:?}"), holds, expected)?;
        }
        require(
            "knn_every",
            self.knn_every,
            self.knn_every >= 1,
            "at least 1",
        )?;
        let neighbours = self.knn_neighbours;
        require("knn_neighbours", neighbours, neighbours >= 1, "at least 1")?;
        let temperature = self.knn_temperature;
        require(
            "knn_temperature",
            temperature,
            positive(temperature),
            "above 0",
        )?;
        require(
            "held_out",
            self.held_out,
            share(self.held_out),
            "at least 0 and below 1",
        )?;
        let size = self.views.size;
        require(
            "views.size",
            size,
            size == self.image_size,
            "image_size, which sets it",
        )?;
        self.views.validate()?;
        self.method.validate()
    }

    /// What the trained encoder does to an image before the network sees it.
    #[must_use]
    pub fn preprocessing(&self) -> Preprocessing {
        Preprocessing {
            crop: Crop::Centre,
            crop_fraction: crop_fraction(self.image_size),
            mean: self.mean.map(|v| v as f32),
            std: self.std.map(|v| v as f32),
            dtype: InputType::Float32,
            ..Preprocessing::of_pixels(self.image_size as usize)
        }
    }

    /// Steps of an epoch of so many images.
    #[must_use]
    pub fn steps_per_epoch(&self, n_images: usize) -> u64 {
        (n_images / self.batch_size).max(1) as u64
    }
}

/// All keys of a table, those within tables after a dot.
fn names(keys: &Map<String, Value>, prefix: &str) -> Vec<String> {
    let names = keys.iter().filter(|(key, _)| *key != "method");
    let names = names.flat_map(|(key, value)| match value {
        Value::Object(inner) => self::names(inner, &format!("{prefix}{key}.")),
        _ => vec![format!("{prefix}{key}")],
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(pairs: &[(&str, Value)]) -> Map<String, Value> {
        let pairs = pairs.iter();
        pairs.map(|(k, v)| ((*k).to_owned(), v.clone())).collect()
    }

    fn spec(method: &str, pairs: &[(&str, Value)]) -> Result<TrainSpec> {
        TrainSpec::new(method, 32, 50_000, &keys(pairs)).map(|(spec, _)| spec)
    }

    #[test]
    fn the_published_defaults() {
        let simclr = spec("simclr", &[]).unwrap();
        assert_eq!(simclr.network, "resnet18-cifar");
        assert_eq!((simclr.epochs, simclr.batch_size), (200, 512));
        assert!((simclr.learning_rate - 0.12).abs() < 1e-12);
        assert_eq!(simclr.warmup_epochs, 10);
        assert_eq!(simclr.method, Method::Simclr { temperature: 0.5 });
        let large = TrainSpec::new("byol", 224, 5000, &Map::new()).unwrap().0;
        assert_eq!(large.network, "resnet18");
        // What follows from what was set.
        let pairs = [("batch_size", 128.into()), ("epochs", 20.into())];
        let small = spec("moco", &pairs).unwrap();
        assert!((small.learning_rate - 0.06).abs() < 1e-12);
        assert_eq!(small.warmup_epochs, 2);
        let lars = spec("simclr", &[("optimizer", "lars".into())]).unwrap();
        assert_eq!(lars.optimizer, Optimizer::Lars { lars_eta: 0.02 });
        assert!((lars.learning_rate - 0.8).abs() < 1e-12);
    }

    #[test]
    fn every_method_reads_its_own_keys_back() {
        for name in Method::NAMES {
            let spec = spec(name, &[]).unwrap();
            assert_eq!(spec.method.name(), name);
            let text = serde_json::to_string(&spec).unwrap();
            assert_eq!(serde_json::from_str::<TrainSpec>(&text).unwrap(), spec);
        }
    }

    #[test]
    fn keys_of_other_methods_and_wrong_values_are_refused_by_name() {
        let said =
            |method, key, value: Value| spec(method, &[(key, value)]).unwrap_err().to_string();
        assert!(said("simclr", "bank_size", 64.into()).contains("bank_size"));
        assert!(said("byol", "temperature", 0.1.into()).contains("byol has no such key"));
        assert!(said("simclr", "lars_eta", 0.1.into()).contains("lars_eta"));
        assert!(said("simclr", "epochs", "many".into()).contains("epochs = \"many\""));
        assert!(said("simclr", "temperature", 0.into()).contains("temperature = 0"));
        assert!(said("simclr", "views.nonsense", 1.into()).contains("views.nonsense"));
        assert!(said("simclr", "batch_size", 1.into()).contains("at least 2 images"));
        assert!(said("nonsense", "epochs", 1.into()).contains("simclr, moco"));
        assert!(said("simclr", "warmup_epochs", 201.into()).contains("at most epochs"));
        assert!(said("simclr", "method", "moco".into()).contains("method"));
    }

    #[test]
    fn counts_are_lowered_to_the_images_and_it_is_said() {
        let (spec, notes) = TrainSpec::new("moco", 32, 300, &Map::new()).unwrap();
        assert_eq!(spec.batch_size, 300);
        assert!((spec.learning_rate - 0.06 * (300.0f64 / 128.0).sqrt()).abs() < 1e-12);
        assert!(
            notes[0]
                .to_string()
                .contains("only 300 images: 300 is used")
        );
        assert!(notes[1].to_string().starts_with("bank_size = 4096"));
        let keys = keys(&[("batch_size", 128.into())]);
        let (_, notes) = TrainSpec::new("simclr", 32, 300, &keys).unwrap();
        assert!(notes[0].to_string().contains("leaves out 44"));
        assert!(TrainSpec::new("simclr", 32, 1, &Map::new()).is_err());
    }
}
