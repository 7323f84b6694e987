//! ONNX files, run by onnxruntime.

mod graph;
mod library;
mod output;
mod weights;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use half::f16;
use ort::session::Session;
use ort::value::{PrimitiveTensorElementType, TensorRef};

use self::graph::{Input, Tensor};
use self::library::Runtime;
use self::output::Rows;
use super::error::EncoderError;
use super::keys::Keys;
use super::prepare::Preparer;
use super::preprocessing::{InputType, Layout, Preprocessing};
use crate::image::Image;

pub(crate) use self::weights::external;

/// Images of a run where the graph takes any number. It is the same on every machine and for
/// every caller, so that an image meets the same kernels whatever else is embedded.
const CHUNK: usize = 8;

/// Bytes of images that are prepared at once, at least those of one run.
const PREPARED: usize = 16 << 20;

/// The entry of a graph's metadata that says how images are prepared.
pub(crate) const METADATA: &str = "qualm_encoder";

/// An ONNX file that is loaded.
#[derive(Debug)]
pub(crate) struct Onnx {
    file: PathBuf,
    runtime: Runtime,
    session: Session,
    input: Input,
    outputs: Vec<Tensor>,
}

impl Onnx {
    /// Loads the file, and onnxruntime before it.
    ///
    /// # Errors
    /// Those of the library, [`EncoderError::Graph`], [`EncoderError::Input`].
    pub(crate) fn open(file: &Path, library: Option<&Path>) -> Result<Self, EncoderError> {
        let runtime = library::load(library)?;
        let session = session(file, &runtime).map_err(|message| EncoderError::Graph {
            file: file.to_owned(),
            runtime: runtime.name(),
            message,
        })?;
        Ok(Self {
            file: file.to_owned(),
            input: Input::of(file, &session)?,
            outputs: graph::outputs(&session),
            runtime,
            session,
        })
    }

    /// The keys of the preprocessing that the graph fixes.
    pub(crate) fn keys(&self, layout: Option<Layout>) -> Keys {
        self.input.keys(layout)
    }

    /// What its metadata says of an encoder.
    pub(crate) fn metadata(&self) -> Option<String> {
        self.session.metadata().ok()?.custom(METADATA)
    }

    /// The encoder with this preprocessing, tried on one run.
    ///
    /// # Errors
    /// [`EncoderError::Input`], [`EncoderError::Output`], [`EncoderError::Run`].
    pub(crate) fn encoder(self, p: &Preprocessing) -> Result<OnnxEncoder, EncoderError> {
        self.input.check(&self.file, p.size, p.layout, p.dtype)?;
        let chunk = self.input.batch().unwrap_or(CHUNK);
        let (height, width) = (p.size.height, p.size.width);
        let shape = match p.layout {
            Layout::Nchw => [chunk, 3, height, width],
            Layout::Nhwc => [chunk, height, width, 3],
        };
        let rows = Rows::new(&self.file, &self.outputs, p)?;
        let mut encoder = OnnxEncoder {
            preparer: match p.dtype {
                InputType::Float32 => AnyPreparer::F32(Preparer::new(p, |value, _| value)),
                InputType::Float16 => {
                    AnyPreparer::F16(Preparer::new(p, |value, _| f16::from_f32(value)))
                }
                InputType::Uint8 => AnyPreparer::U8(Preparer::new(p, |_, byte| byte)),
            },
            file: self.file,
            runtime: self.runtime,
            session: Mutex::new(self.session),
            input: self.input.tensor,
            outputs: self.outputs,
            shape,
            rows,
            width: 0,
        };
        encoder.width = encoder.tried_width()?;
        Ok(encoder)
    }
}

/// An ONNX file with its preprocessing: images to rows.
#[derive(Debug)]
pub(crate) struct OnnxEncoder {
    file: PathBuf,
    runtime: Runtime,
    session: Mutex<Session>,
    input: Tensor,
    outputs: Vec<Tensor>,
    preparer: AnyPreparer,
    /// Of the input of each run.
    shape: [usize; 4],
    rows: Rows,
    width: usize,
}

#[derive(Debug)]
enum AnyPreparer {
    F32(Preparer<f32>),
    F16(Preparer<f16>),
    U8(Preparer<u8>),
}

/// A number that an input may be made of.
trait Value:
    PrimitiveTensorElementType + std::fmt::Debug + Copy + Default + Send + Sync + 'static
{
}

impl Value for f32 {}
impl Value for f16 {}
impl Value for u8 {}

impl OnnxEncoder {
    /// Columns of a row.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Its inputs, its outputs, the output that is taken, and onnxruntime.
    pub(crate) fn describe(&self) -> (Vec<String>, Vec<String>, String, String) {
        let words = |tensors: &[Tensor]| tensors.iter().map(Tensor::to_string).collect();
        let runtime = &self.runtime;
        let runtime = format!("{} ({})", runtime.name(), runtime.path.display());
        let input = std::slice::from_ref(&self.input);
        (
            words(input),
            words(&self.outputs),
            self.rows.name.clone(),
            runtime,
        )
    }

    /// Rows of images, `(images, width)`; of whole images, without a crop, if so.
    ///
    /// # Errors
    /// [`EncoderError::Resize`], [`EncoderError::Run`], [`EncoderError::Output`].
    pub(crate) fn embed_into(
        &self,
        images: &[Image],
        whole: bool,
        out: &mut [f32],
    ) -> Result<(), EncoderError> {
        match &self.preparer {
            AnyPreparer::F32(preparer) => self.rows_of(preparer, images, whole, out),
            AnyPreparer::F16(preparer) => self.rows_of(preparer, images, whole, out),
            AnyPreparer::U8(preparer) => self.rows_of(preparer, images, whole, out),
        }
    }

    /// Prepares images for several runs at a time, so that the threads that prepare and those that
    /// run take turns seldom.
    fn rows_of<T: Value>(
        &self,
        preparer: &Preparer<T>,
        images: &[Image],
        whole: bool,
        out: &mut [f32],
    ) -> Result<(), EncoderError> {
        let chunk = self.shape[0];
        let of_run: usize = self.shape.iter().product();
        let runs = (PREPARED / (of_run * size_of::<T>())).max(1);
        let at_once = runs * chunk;
        let outs = out.chunks_mut(at_once * self.width);
        for (images, out) in images.chunks(at_once).zip(outs) {
            // The last run takes zeros where there are no more images.
            let mut values = vec![T::default(); images.len().div_ceil(chunk) * of_run];
            preparer.fill(images, whole, &mut values)?;
            let outs = out.chunks_mut(chunk * self.width);
            for (values, out) in values.chunks(of_run).zip(outs) {
                let (rows, width) = self.run(values)?;
                if width != self.width {
                    return Err(EncoderError::Output {
                        file: self.file.clone(),
                        found: format!("{} has {width} columns", self.rows.name),
                        expected: format!("{}, as in the run before", self.width),
                    });
                }
                for (out, value) in out.iter_mut().zip(rows) {
                    *out = value;
                }
            }
        }
        Ok(())
    }

    /// Columns of a row, from a run on zeros.
    fn tried_width(&self) -> Result<usize, EncoderError> {
        match &self.preparer {
            AnyPreparer::F32(_) => self.width_of::<f32>(),
            AnyPreparer::F16(_) => self.width_of::<f16>(),
            AnyPreparer::U8(_) => self.width_of::<u8>(),
        }
    }

    fn width_of<T: Value>(&self) -> Result<usize, EncoderError> {
        let zeros = vec![T::default(); self.shape.iter().product()];
        Ok(self.run(&zeros)?.1)
    }

    /// One run: the rows, and their width.
    fn run<T: Value>(&self, values: &[T]) -> Result<(Vec<f32>, usize), EncoderError> {
        let stopped = |error: ort::Error| EncoderError::Run {
            file: self.file.clone(),
            message: one_line(error.message()),
        };
        let input = TensorRef::from_array_view((self.shape, values)).map_err(stopped)?;
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session.run(ort::inputs![input]).map_err(stopped)?;
        let output = outputs.get(&self.rows.name);
        let output = output.ok_or_else(|| EncoderError::Output {
            file: self.file.clone(),
            found: format!("{} is not given", self.rows.name),
            expected: "a value for each output".to_owned(),
        })?;
        self.rows.take(&self.file, output, self.shape[0])
    }
}

/// Loads a graph on as many threads as our own work has.
fn session(file: &Path, runtime: &Runtime) -> Result<Session, String> {
    let threads = rayon::current_num_threads();
    let builder = Session::builder(&runtime.environment).map_err(said)?;
    let builder = builder.with_intra_threads(threads).map_err(said)?;
    let builder = builder.with_inter_threads(1).map_err(said)?;
    // Threads spin for a moment before they sleep: runs follow each other, and a wake-up costs more.
    let mut builder = builder.with_intra_op_spinning(true).map_err(said)?;
    builder.commit_from_file(file).map_err(said)
}

/// What an error says.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn said<R>(error: ort::Error<R>) -> String {
    one_line(error.message())
}

/// What onnxruntime says, without line breaks.
fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}
