//! What encoders and their files refuse.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::builtin::Builtin;

/// Everything that opening and running an encoder refuses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "each variant's message says what its fields are"
)]
pub enum EncoderError {
    // ---- files -----------------------------------------------------------------
    /// The operating system would not read it.
    #[error("{}: cannot read: {source}", file.display())]
    Read { file: PathBuf, source: io::Error },
    /// An encoder of which only the vectors are seen.
    #[error(
        "{}: {found}; expected the classifier as a ResNet, in safetensors or a PyTorch state dict",
        file.display()
    )]
    NotAClassifier { file: PathBuf, found: &'static str },
    /// A file of some other kind.
    #[error(
        "{}: {found}, not an encoder; expected ONNX, safetensors, or a PyTorch state dict (.pt, .pth)",
        file.display()
    )]
    NotAnEncoder { file: PathBuf, found: &'static str },
    /// A pickle of before PyTorch 1.6.
    #[error(
        "{}: a PyTorch file of the format before 1.6; convert it once: python -c \"import torch; \
         p = '{}'; torch.save(torch.load(p, map_location='cpu', weights_only=True), p + '.zip.pth')\"",
        file.display(), file.display()
    )]
    LegacyTorch { file: PathBuf },
    /// A program, not weights.
    #[error(
        "{}: a TorchScript program, which is not run; save the weights with \
         torch.save(model.state_dict(), PATH), or export the model to ONNX",
        file.display()
    )]
    TorchScript { file: PathBuf },
    /// A pickle that does more than hold tensors.
    #[error(
        "{}: its pickle holds {found}, which a dictionary of tensors does not need; nothing of it \
         was run; save the weights with torch.save(model.state_dict(), PATH)",
        file.display()
    )]
    Pickle { file: PathBuf, found: String },
    /// Damaged weights.
    #[error(
        "{}: corrupt: {part} is {found}, expected {expected}; restore the file or download it again",
        file.display()
    )]
    Corrupt {
        file: PathBuf,
        part: String,
        found: String,
        expected: String,
    },

    // ---- residual networks -------------------------------------------------------
    /// Tensors of another network.
    #[error(
        "{}: not a ResNet that is known here: {found}, expected {expected}; export other networks \
         to ONNX",
        file.display()
    )]
    NotAResNet {
        file: PathBuf,
        found: String,
        expected: String,
    },
    /// One tensor short.
    #[error(
        "{}: tensor {tensor} is missing; {architecture} needs it, of shape {expected:?}",
        file.display()
    )]
    MissingTensor {
        file: PathBuf,
        architecture: String,
        tensor: String,
        expected: Vec<usize>,
    },
    /// A tensor of another shape or type.
    #[error(
        "{}: tensor {tensor} is {found}, expected {expected} in {architecture}",
        file.display()
    )]
    TensorShape {
        file: PathBuf,
        architecture: String,
        tensor: String,
        found: Box<str>,
        expected: Box<str>,
    },
    /// Tensors without a place in the network.
    #[error(
        "{}: {architecture} has no tensor {}; other parts of a model are left out when its \
         state dict is saved, or the whole is exported to ONNX",
        file.display(), tensors.join(", ")
    )]
    UnknownTensors {
        file: PathBuf,
        architecture: String,
        tensors: Vec<String>,
    },

    // ---- preprocessing -------------------------------------------------------------
    /// A sidecar that is no list of keys.
    #[error("{}: {}", file.display(), Parser(source))]
    Sidecar {
        file: PathBuf,
        source: Box<toml::de::Error>,
    },
    /// A sidecar that is no sidecar.
    #[error("{}: {found} bytes, too many for the few keys of preprocessing; check the path", file.display())]
    LongSidecar { file: PathBuf, found: u64 },
    /// A key outside its range.
    #[error("{origin}: {key} = {found}: expected {expected}")]
    Key {
        origin: String,
        key: &'static str,
        found: String,
        expected: &'static str,
    },
    /// Preprocessing in the metadata that cannot be read.
    #[error("{}: metadata {key}: {message}", file.display())]
    Metadata {
        file: PathBuf,
        key: &'static str,
        message: String,
    },
    /// No preprocessing by this name.
    #[error(
        "no built-in preprocessing is called '{found}'; expected one of: {}; or a .toml file of keys",
        Builtin::names()
    )]
    UnknownPreprocessing { found: String },
    /// Keys that nothing says.
    #[error(
        "{}: {} of its preprocessing {} not known; name the preprocessing it was trained with ({}), \
         or write the keys to {} beside it",
        file.display(), missing.join(", "), if missing.len() == 1 { "is" } else { "are" },
        Builtin::names(), sidecar(file).display()
    )]
    NeedsPreprocessing {
        file: PathBuf,
        missing: Vec<&'static str>,
    },

    // ---- onnxruntime -----------------------------------------------------------------
    /// No onnxruntime on this machine.
    #[error(
        "onnxruntime, which runs ONNX files, was not found: {}; install it with: pip install onnxruntime",
        tried.join("; ")
    )]
    NoRuntime { tried: Vec<String> },
    /// A library that is not a usable onnxruntime.
    #[error(
        "{}: cannot be used as onnxruntime ({origin}): {message}; 1.17 or later is needed: pip \
         install onnxruntime",
        path.display()
    )]
    BadRuntime {
        path: PathBuf,
        origin: &'static str,
        message: String,
    },
    /// Another library than the one that runs already.
    #[error(
        "onnxruntime is already loaded from {} and cannot be loaded from {} in the same process",
        loaded.display(), asked.display()
    )]
    OtherRuntime { loaded: PathBuf, asked: PathBuf },
    /// A graph that onnxruntime does not take.
    #[error(
        "{}: {runtime} does not load it: {message}; for an operator or opset that it \
         does not know, upgrade onnxruntime or export with an older opset",
        file.display()
    )]
    Graph {
        file: PathBuf,
        runtime: String,
        message: String,
    },
    /// A graph whose inputs are not one batch of images.
    #[error("{}: input {found}; expected {expected}", file.display())]
    Input {
        file: PathBuf,
        found: String,
        expected: String,
    },
    /// An output that does not make rows.
    #[error("{}: output {found}; expected {expected}", file.display())]
    Output {
        file: PathBuf,
        found: String,
        expected: String,
    },
    /// A run that failed.
    #[error("{}: onnxruntime stopped: {message}", file.display())]
    Run { file: PathBuf, message: String },

    // ---- embedding ---------------------------------------------------------------------
    /// A slice for rows of another length.
    #[error("room for {found} values, but {images} images of width {width} make {expected}")]
    OutputLength {
        found: usize,
        images: usize,
        width: usize,
        expected: usize,
    },
    /// A vector that is not finite.
    #[error(
        "the encoder {encoder} gives {value} in the vector of image {} of the batch; its weights \
         or its preprocessing are not sound",
        image + 1
    )]
    NotFinite {
        encoder: String,
        /// Place in the batch, from 0.
        image: usize,
        value: f32,
    },
    /// The same, where the image has a name.
    #[error(
        "{id}: the encoder {encoder} gives {value} in its vector; the weights or the preprocessing \
         are not sound"
    )]
    NotFiniteOf {
        encoder: String,
        id: String,
        value: f32,
    },
    /// An image that cannot be resized.
    #[error("an image of {width} x {height} cannot be resized: {message}")]
    Resize {
        width: u32,
        height: u32,
        message: String,
    },
}

/// The sidecar of an encoder's file.
pub(crate) fn sidecar(file: &std::path::Path) -> PathBuf {
    file.with_extension("toml")
}

/// What a parser says, on one line and without the names of Rust's types.
struct Parser<'a>(&'a toml::de::Error);

impl fmt::Display for Parser<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.0.message();
        f.write_str(&message.replace('\n', ": "))
    }
}
