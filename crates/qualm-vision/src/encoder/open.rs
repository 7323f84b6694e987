//! From a file to an encoder: what kind it is, how its images are prepared, who it is.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use qualm::digest::hex;
use qualm::nn::resnet::ResNet;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::error::EncoderError;
use super::given::{Given, said};
use super::onnx::{self, Onnx, OnnxEncoder};
use super::preprocessing::Preprocessing;
use super::resnet::ResNetEncoder;
use super::statistics::{self, Planes};
use super::weights::{self, Weights};
use super::{Encoder, EncoderIdentity};
use crate::error::Result;
use crate::image::Image;

/// What is known of an encoder besides its file.
#[derive(Debug, Clone, Default)]
pub struct EncoderOptions {
    /// The name of a built-in preprocessing, or the path of a `.toml` file of keys. It replaces
    /// what stands beside the encoder and in it.
    pub preprocessing: Option<String>,
    /// The preprocessing that an earlier run recorded ([`EncoderIdentity::preprocessing`]); it is
    /// used where `preprocessing` says nothing, and then nothing else is.
    pub recorded: Option<serde_json::Value>,
    /// The onnxruntime library, for ONNX files; otherwise it is looked for.
    pub onnxruntime: Option<PathBuf>,
    /// Whether pixel statistics stand beside the vectors, whatever else is said.
    pub statistics: bool,
}

/// An encoder of a file, ready to embed.
#[derive(Debug)]
pub struct FileEncoder {
    identity: EncoderIdentity,
    preprocessing: Preprocessing,
    origin: String,
    engine: Engine,
}

#[derive(Debug)]
enum Engine {
    Onnx(Box<OnnxEncoder>),
    ResNet(Box<ResNetEncoder>),
    /// No network: rows of pixel statistics alone.
    Statistics,
}

/// The name that is given in place of an encoder's file for rows of pixel statistics alone.
pub const STATISTICS: &str = "pixel-statistics";

/// What runs an encoder, for people who check it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// `onnx`, or the name of the architecture.
    pub architecture: String,
    /// What goes in: name, type and shape.
    pub inputs: Vec<String>,
    /// What comes out.
    pub outputs: Vec<String>,
    /// The output whose values become rows.
    pub output: String,
    /// The library that runs it.
    pub runtime: String,
}

impl FileEncoder {
    /// How images are prepared for it.
    #[must_use]
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    /// Where that is written: the name given, a sidecar, the encoder's own file.
    #[must_use]
    pub fn preprocessing_origin(&self) -> &str {
        &self.origin
    }

    /// What runs it.
    #[must_use]
    pub fn describe(&self) -> Description {
        match &self.engine {
            Engine::Onnx(encoder) => {
                let (inputs, outputs, output, runtime) = encoder.describe();
                Description {
                    architecture: "onnx".to_owned(),
                    inputs,
                    outputs,
                    output,
                    runtime,
                }
            }
            Engine::ResNet(encoder) => encoder.describe(self.preprocessing.size),
            Engine::Statistics => Description {
                architecture: STATISTICS.to_owned(),
                inputs: vec!["images: of any size".to_owned()],
                outputs: vec![format!("statistics: float32 (?, {})", statistics::WIDTH)],
                output: "statistics".to_owned(),
                runtime: "qualm".to_owned(),
            },
        }
    }

    /// Embeds images without the crop of the preprocessing: views, whose own crop is the point of
    /// them. They are resized where they have another size than the input.
    ///
    /// # Shapes
    /// `out`: `(images, width)`.
    ///
    /// # Errors
    /// As [`Encoder::embed_into`].
    pub fn embed_whole_into(&self, images: &[Image], out: &mut [f32]) -> Result<()> {
        self.embed(images, true, out)
    }

    fn embed(&self, images: &[Image], whole: bool, out: &mut [f32]) -> Result<()> {
        let width = self.identity.width;
        if out.len() != images.len() * width {
            return Err(EncoderError::OutputLength {
                found: out.len(),
                images: images.len(),
                width,
                expected: images.len() * width,
            }
            .into());
        }
        if self.preprocessing.statistics {
            self.embed_beside(images, whole, out)?;
        } else {
            self.run(images, whole, out)?;
        }
        for (image, row) in out.chunks_exact(width).enumerate() {
            if let Some(value) = row.iter().copied().find(|v| !v.is_finite()) {
                return Err(EncoderError::NotFinite {
                    encoder: self.identity.name.clone(),
                    image,
                    value,
                }
                .into());
            }
        }
        Ok(())
    }

    /// The rows of the network.
    fn run(&self, images: &[Image], whole: bool, out: &mut [f32]) -> Result<()> {
        match &self.engine {
            Engine::Onnx(encoder) => encoder.embed_into(images, whole, out)?,
            Engine::ResNet(encoder) => encoder.embed_into(images, whole, out)?,
            Engine::Statistics => {}
        }
        if self.preprocessing.l2 && !out.is_empty() {
            out.chunks_exact_mut(out.len() / images.len())
                .for_each(divide_by_norm);
        }
        Ok(())
    }

    /// Rows of the network, and of pixel statistics beside them.
    fn embed_beside(&self, images: &[Image], whole: bool, out: &mut [f32]) -> Result<()> {
        let width = self.identity.width;
        let of_network = width - statistics::WIDTH;
        let mut of_images = vec![0.0; images.len() * of_network];
        self.run(images, whole, &mut of_images)?;
        let rows = out.par_chunks_exact_mut(width).zip(images).enumerate();
        rows.for_each_init(Planes::default, |planes, (i, (out, image))| {
            let (left, right) = out.split_at_mut(of_network);
            left.copy_from_slice(&of_images[i * of_network..][..of_network]);
            statistics::statistics(image, planes, right);
        });
        Ok(())
    }

    /// The residual network itself, for its classifier; `None` for an ONNX file.
    #[must_use]
    pub fn resnet(&self) -> Option<&ResNet> {
        match &self.engine {
            Engine::Onnx(_) | Engine::Statistics => None,
            Engine::ResNet(encoder) => Some(encoder.network()),
        }
    }
}

impl Encoder for FileEncoder {
    fn identity(&self) -> &EncoderIdentity {
        &self.identity
    }

    fn embed_into(&self, images: &[Image], out: &mut [f32]) -> Result<()> {
        self.embed(images, false, out)
    }
}

/// Divides a vector by its Euclidean norm; a zero vector stays.
fn divide_by_norm(row: &mut [f32]) {
    let norm = row
        .iter()
        .map(|v| f64::from(*v).powi(2))
        .sum::<f64>()
        .sqrt();
    if norm > 0.0 {
        for value in row {
            *value = (f64::from(*value) / norm) as f32;
        }
    }
}

/// Opens an encoder and tries it on one run.
///
/// How images are prepared is the first of: what `options` say; `NAME.toml` or `encoder.toml`
/// beside the file, completed by what the file itself says; the file itself, for those that
/// qualm wrote. An ONNX graph may fix the size, the layout and the type of its input besides.
///
/// # Errors
/// [`EncoderError`], as its variants say.
///
/// [`STATISTICS`] in place of a file is the encoder of pixel statistics alone.
pub fn open(file: &Path, options: &EncoderOptions) -> Result<FileEncoder> {
    if file == Path::new(STATISTICS) && !file.exists() {
        return Ok(named(file, open_statistics()));
    }
    let bytes = read(file)?;
    let given = Given::find(file, options)?;
    let mut opened = match kind(file, &bytes)? {
        Kind::Onnx => open_onnx(file, bytes, given, options)?,
        Kind::Safetensors => {
            let weights = weights::from_safetensors(file, &bytes)?;
            open_resnet(file, &bytes, weights, given)?
        }
        Kind::Torch => {
            let weights = weights::from_torch(file, &bytes)?;
            open_resnet(file, &bytes, weights, given)?
        }
    };
    opened.preprocessing.statistics |= options.statistics;
    Ok(named(file, opened))
}

/// An encoder with what identifies it.
fn named(file: &Path, opened: Opened) -> FileEncoder {
    let beside = match (&opened.engine, opened.preprocessing.statistics) {
        (Engine::Statistics, _) | (_, false) => 0,
        (_, true) => statistics::WIDTH,
    };
    let width = opened.width + beside;
    FileEncoder {
        identity: identity(file, &opened.digest, &opened.preprocessing, width),
        preprocessing: opened.preprocessing,
        origin: opened.origin,
        engine: opened.engine,
    }
}

/// What identifies the weights of a file with their preprocessing.
pub(super) fn identity(
    file: &Path,
    weights: &Sha256,
    preprocessing: &Preprocessing,
    width: usize,
) -> EncoderIdentity {
    let name = file.file_name().unwrap_or_default();
    EncoderIdentity {
        name: name.to_string_lossy().into_owned(),
        digest: identify(weights, preprocessing),
        width,
        preprocessing: recorded(preprocessing),
    }
}

/// The encoder without a network. Images are not resized; only views are, to the size that stands
/// here.
fn open_statistics() -> Opened {
    let preprocessing = Preprocessing {
        statistics: true,
        ..Preprocessing::of_pixels(224)
    };
    Opened {
        digest: Sha256::new_with_prefix(STATISTICS),
        preprocessing,
        origin: "the encoder itself".to_owned(),
        width: statistics::WIDTH,
        engine: Engine::Statistics,
    }
}

/// A preprocessing as JSON. By way of text, which has the digits of float32.
fn recorded(preprocessing: &Preprocessing) -> Option<serde_json::Value> {
    let text = serde_json::to_string(preprocessing).ok()?;
    serde_json::from_str(&text).ok()
}

/// An encoder that has no name yet.
struct Opened {
    digest: Sha256,
    preprocessing: Preprocessing,
    origin: String,
    engine: Engine,
    width: usize,
}

fn open_onnx(
    file: &Path,
    bytes: Vec<u8>,
    given: Given,
    options: &EncoderOptions,
) -> Result<Opened, EncoderError> {
    let digest = digest(&bytes, &onnx::external(file, &bytes))?;
    // onnxruntime reads the file itself, to find the others beside it.
    drop(bytes);
    let onnx = Onnx::open(file, options.onnxruntime.as_deref())?;
    let (keys, origin) = given.with(said(file, onnx.metadata().as_deref())?);
    let fixed = onnx.keys(keys.layout);
    let preprocessing = keys.or(fixed).complete(file, &origin)?;
    let encoder = onnx.encoder(&preprocessing)?;
    Ok(Opened {
        digest,
        preprocessing,
        origin,
        width: encoder.width(),
        engine: Engine::Onnx(Box::new(encoder)),
    })
}

fn open_resnet(
    file: &Path,
    bytes: &[u8],
    weights: Weights,
    given: Given,
) -> Result<Opened, EncoderError> {
    let digest = digest(bytes, &[])?;
    let said = said(file, weights.metadata.as_deref())?;
    // What is wrong with the weights comes before what is not known of their images.
    let network = weights::recognise(file, weights)?;
    let width = network.width();
    let (keys, origin) = given.with(said);
    let preprocessing = keys.or(ResNetEncoder::keys()).complete(file, &origin)?;
    let encoder = ResNetEncoder::new(network, &preprocessing, &origin)?;
    Ok(Opened {
        digest,
        preprocessing,
        origin,
        width,
        engine: Engine::ResNet(Box::new(encoder)),
    })
}

/// The bytes of a file.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, EncoderError> {
    std::fs::read(file).map_err(|source| EncoderError::Read {
        file: file.to_owned(),
        source,
    })
}

/// The kinds of files.
pub(super) enum Kind {
    Onnx,
    Safetensors,
    Torch,
}

/// The kind of a file by its first bytes; ONNX has none of its own, and goes by its name.
pub(super) fn kind(file: &Path, bytes: &[u8]) -> Result<Kind, EncoderError> {
    let extension = file.extension().unwrap_or_default().to_ascii_lowercase();
    if bytes.is_empty() {
        return Err(EncoderError::NotAnEncoder {
            file: file.to_owned(),
            found: "an empty file",
        });
    }
    if extension == "onnx" {
        return Ok(Kind::Onnx);
    }
    if extension == "safetensors" || weights::is_safetensors(bytes) {
        return Ok(Kind::Safetensors);
    }
    if weights::is_zip(bytes) {
        return Ok(Kind::Torch);
    }
    if weights::is_legacy(bytes) {
        return Err(EncoderError::LegacyTorch {
            file: file.to_owned(),
        });
    }
    Err(EncoderError::NotAnEncoder {
        file: file.to_owned(),
        found: "a file of another kind",
    })
}

/// The digest of the bytes of a file, then of other files.
pub(super) fn digest(bytes: &[u8], others: &[PathBuf]) -> Result<Sha256, EncoderError> {
    let mut hash = Sha256::new();
    hash.update(bytes);
    for path in others {
        let unreadable = |source| EncoderError::Read {
            file: path.clone(),
            source,
        };
        let mut file = File::open(path).map_err(unreadable)?;
        let mut piece = vec![0; 1 << 16];
        loop {
            let n = file.read(&mut piece).map_err(unreadable)?;
            if n == 0 {
                break;
            }
            hash.update(piece.get(..n).unwrap_or_default());
        }
    }
    Ok(hash)
}

/// The digest of weights together with their preprocessing.
fn identify(weights: &Sha256, preprocessing: &Preprocessing) -> String {
    let mut hash = Sha256::new();
    hash.update(weights.clone().finalize());
    // Keys in their order, numbers as they round-trip: the same text for the same keys.
    hash.update(serde_json::to_string(preprocessing).unwrap_or_default());
    hex(&hash.finalize())
}
