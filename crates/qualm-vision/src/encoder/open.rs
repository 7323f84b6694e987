//! From a file to an encoder: what kind it is, how its images are prepared, who it is.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::builtin::Builtin;
use super::error::{EncoderError, sidecar};
use super::keys::Keys;
use super::onnx::{self, Onnx, OnnxEncoder};
use super::preprocessing::Preprocessing;
use super::{Encoder, EncoderIdentity};
use crate::error::Result;
use crate::image::Image;

/// The sidecar of all encoders of a folder.
const SHARED_SIDECAR: &str = "encoder.toml";

/// What is known of an encoder besides its file.
#[derive(Debug, Clone, Default)]
pub struct EncoderOptions {
    /// The name of a built-in preprocessing, or the path of a `.toml` file of keys. It replaces
    /// what stands beside the encoder and in it.
    pub preprocessing: Option<String>,
    /// The onnxruntime library, for ONNX files; otherwise it is looked for.
    pub onnxruntime: Option<PathBuf>,
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
}

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
        }
    }
}

impl Encoder for FileEncoder {
    fn identity(&self) -> &EncoderIdentity {
        &self.identity
    }

    fn embed_into(&self, images: &[Image], out: &mut [f32]) -> Result<()> {
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
        match &self.engine {
            Engine::Onnx(encoder) => encoder.embed_into(images, out)?,
        }
        for (image, row) in out.chunks_exact_mut(width).enumerate() {
            if let Some(value) = row.iter().copied().find(|v| !v.is_finite()) {
                return Err(EncoderError::NotFinite {
                    encoder: self.identity.name.clone(),
                    image,
                    value,
                }
                .into());
            }
            if self.preprocessing.l2 {
                divide_by_norm(row);
            }
        }
        Ok(())
    }
}

/// Divides a vector by its Euclidean norm; a zero vector stays.
fn divide_by_norm(row: &mut [f32]) {
    let norm = row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
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
pub fn open(file: &Path, options: &EncoderOptions) -> Result<FileEncoder> {
    let bytes = std::fs::read(file).map_err(|source| EncoderError::Read {
        file: file.to_owned(),
        source,
    })?;
    let given = Given::find(file, options)?;
    let (digest, preprocessing, origin, engine, width) = match kind(file, &bytes)? {
        Kind::Onnx => {
            let digest = digest([bytes.as_slice()], &onnx::external(file, &bytes))?;
            drop(bytes);
            let onnx = Onnx::open(file, options.onnxruntime.as_deref())?;
            let said = match onnx.metadata() {
                Some(text) => Some(metadata(file, &text)?.preprocessing),
                None => None,
            };
            let (keys, origin) = given.with(said);
            let fixed = onnx.keys(keys.layout);
            let preprocessing = keys.or(fixed).complete(file, &origin)?;
            let encoder = onnx.encoder(&preprocessing)?;
            let width = encoder.width();
            let engine = Engine::Onnx(Box::new(encoder));
            (digest, preprocessing, origin, engine, width)
        }
    };
    let name = file.file_name().unwrap_or_default();
    Ok(FileEncoder {
        identity: EncoderIdentity {
            name: name.to_string_lossy().into_owned(),
            digest: identify(&digest, &preprocessing),
            width,
        },
        preprocessing,
        origin,
        engine,
    })
}

/// The kinds of files, by their first bytes.
enum Kind {
    Onnx,
}

fn kind(file: &Path, bytes: &[u8]) -> Result<Kind, EncoderError> {
    let extension = file.extension().unwrap_or_default().to_ascii_lowercase();
    let not_one = |found| EncoderError::NotAnEncoder {
        file: file.to_owned(),
        found,
    };
    match bytes {
        [] => Err(not_one("an empty file")),
        _ if extension == "onnx" => Ok(Kind::Onnx),
        _ => Err(not_one("a file of another kind")),
    }
}

/// What somebody says about the preprocessing of an encoder, and where.
struct Given {
    keys: Keys,
    origin: Option<String>,
    /// Whether the encoder's own metadata has no say.
    alone: bool,
}

impl Given {
    fn find(file: &Path, options: &EncoderOptions) -> Result<Self, EncoderError> {
        if let Some(given) = &options.preprocessing {
            let keys = match Builtin::by_name(given) {
                Some(builtin) => Keys {
                    preprocessing: Some(builtin),
                    ..Keys::default()
                },
                None if Path::new(given).extension().is_some_and(|e| e == "toml") => {
                    Keys::read(Path::new(given))?
                }
                None => {
                    return Err(EncoderError::UnknownPreprocessing {
                        found: given.clone(),
                    });
                }
            };
            return Ok(Self {
                keys,
                origin: Some(given.clone()),
                alone: true,
            });
        }
        for beside in [sidecar(file), file.with_file_name(SHARED_SIDECAR)] {
            if beside.is_file() {
                return Ok(Self {
                    keys: Keys::read(&beside)?,
                    origin: Some(beside.display().to_string()),
                    alone: false,
                });
            }
        }
        Ok(Self {
            keys: Keys::default(),
            origin: None,
            alone: false,
        })
    }

    /// With what the encoder's own file says.
    fn with(self, said: Option<Keys>) -> (Keys, String) {
        let own = "the encoder's own file";
        match (self.origin, said) {
            (Some(origin), Some(said)) if !self.alone => {
                (self.keys.or(said), format!("{origin}, then {own}"))
            }
            (Some(origin), _) => (self.keys, origin),
            (None, said) => (said.unwrap_or_default(), own.to_owned()),
        }
    }
}

/// What the metadata entry `qualm_encoder` holds; it may say more.
#[derive(Debug, Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    preprocessing: Keys,
}

fn metadata(file: &Path, text: &str) -> Result<Metadata, EncoderError> {
    serde_json::from_str(text).map_err(|error| EncoderError::Metadata {
        file: file.to_owned(),
        key: onnx::METADATA,
        message: error.to_string(),
    })
}

/// The digest of some bytes and then of some files.
fn digest<'a>(
    parts: impl IntoIterator<Item = &'a [u8]>,
    files: &[PathBuf],
) -> Result<Sha256, EncoderError> {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    for path in files {
        let unreadable = |source| EncoderError::Read {
            file: path.clone(),
            source,
        };
        let mut file = std::fs::File::open(path).map_err(unreadable)?;
        let mut piece = vec![0; 1 << 16];
        loop {
            let n = std::io::Read::read(&mut file, &mut piece).map_err(unreadable)?;
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
    let digest = hash.finalize();
    digest.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
