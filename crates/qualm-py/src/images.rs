//! Images of Python: encoders that embed them, and their random views.

#![expect(
    clippy::needless_pass_by_value,
    reason = "what Python gives is converted into values of our own"
)]

use std::path::PathBuf;

use numpy::ndarray::ArrayView3;
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray3};
use pyo3::prelude::*;
use qualm_vision::encoder::{self, Encoder as _, EncoderError, EncoderOptions, FileEncoder};
use qualm_vision::read::{self, ImageSource, ReadOptions};
use qualm_vision::views::{View, ViewSpec, Views};
use qualm_vision::{Error, Image};
use rayon::prelude::*;

use crate::errors::{guarded, io, message, raised, to_json};
use crate::threads::Threads;

/// Images embedded at a time.
const BATCH: usize = 256;

/// The exception of an error about images.
pub(crate) fn refused(error: Error) -> PyErr {
    match error {
        Error::Encoder(EncoderError::Read { file, source }) => {
            let kind = source.kind();
            let error = Error::Encoder(EncoderError::Read { file, source });
            io(kind, message(&error.into()))
        }
        other => raised(other),
    }
}

/// Images where Python has them.
fn views_of<'a>(images: &'a [PyReadonlyArray3<'_, u8>]) -> Vec<ArrayView3<'a, u8>> {
    images.iter().map(PyReadonlyArray3::as_array).collect()
}

/// The error about an image of a batch, counted from the first image of all.
fn counted(error: Error, before: usize) -> Error {
    match error {
        Error::Encoder(EncoderError::NotFinite {
            encoder,
            image,
            value,
        }) => Error::Encoder(EncoderError::NotFinite {
            encoder,
            image: before + image,
            value,
        }),
        other => other,
    }
}

/// Copies of images, in parallel.
fn copied(images: &[ArrayView3<'_, u8>]) -> Result<Vec<Image>, Error> {
    images.par_iter().map(copy).collect()
}

/// A copy of an image, `(height, width, 3)` of uint8.
pub(crate) fn copy(image: &ArrayView3<'_, u8>) -> Result<Image, Error> {
    let (height, width, _) = image.dim();
    let pixels = match image.as_slice() {
        Some(pixels) => pixels.to_vec(),
        None => image.iter().copied().collect(),
    };
    Image::new(width as u32, height as u32, pixels)
}

/// An encoder of a file.
#[pyclass(frozen, module = "qualm._core")]
pub(crate) struct Encoder(FileEncoder);

#[pymethods]
impl Encoder {
    #[staticmethod]
    #[pyo3(signature = (path, preprocessing=None, onnxruntime=None, statistics=false))]
    fn open(
        py: Python<'_>,
        path: PathBuf,
        preprocessing: Option<String>,
        onnxruntime: Option<PathBuf>,
        statistics: bool,
    ) -> PyResult<Self> {
        let options = EncoderOptions {
            preprocessing,
            onnxruntime,
            recorded: None,
            statistics,
        };
        let opened = guarded(py, || encoder::open(&path, &options))?;
        opened.map(Self).map_err(refused)
    }

    /// Its identity, preprocessing and parts, as JSON.
    #[getter]
    fn description(&self) -> PyResult<String> {
        let described = self.0.describe();
        to_json(&serde_json::json!({
            "name": self.0.identity().name,
            "digest": self.0.identity().digest,
            "width": self.0.identity().width,
            "architecture": described.architecture,
            "inputs": described.inputs,
            "outputs": described.outputs,
            "output": described.output,
            "runtime": described.runtime,
            "preprocessing": self.0.preprocessing(),
            "preprocessing_from": self.0.preprocessing_origin(),
        }))
    }

    /// Embeds images in memory: `(n, width)`.
    fn embed<'py>(
        &self,
        py: Python<'py>,
        images: Vec<PyReadonlyArray3<'py, u8>>,
        threads: usize,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let images = views_of(&images);
        let mut values = vec![0.0; images.len() * self.0.identity().width];
        let pool = Threads::take(py, threads)?;
        let pool = pool.pool()?;
        let embedded = guarded(py, || {
            pool.install(|| self.copy_and_embed(&images, &mut values))
        })?;
        embedded.map_err(refused)?;
        self.rows(py, values)
    }

    /// Reads and embeds the images of an input: their names and `(n, width)`.
    fn embed_input<'py>(
        &self,
        py: Python<'py>,
        path: PathBuf,
        threads: usize,
    ) -> PyResult<(Vec<String>, Bound<'py, PyArray2<f32>>)> {
        let pool = Threads::take(py, threads)?;
        let pool = pool.pool()?;
        let embedded = guarded(py, || pool.install(|| self.read_and_embed(&path)))?;
        let (names, values) = embedded.map_err(refused)?;
        Ok((names, self.rows(py, values)?))
    }
}

impl Encoder {
    /// A batch at a time, so that few copies are in memory.
    fn copy_and_embed(&self, images: &[ArrayView3<'_, u8>], out: &mut [f32]) -> Result<(), Error> {
        let width = self.0.identity().width;
        let batches = images.chunks(BATCH).zip(out.chunks_mut(BATCH * width));
        for (n, (images, out)) in batches.enumerate() {
            let embedded = self.0.embed_into(&copied(images)?, out);
            embedded.map_err(|error| counted(error, n * BATCH))?;
        }
        Ok(())
    }

    fn read_and_embed(&self, path: &std::path::Path) -> Result<(Vec<String>, Vec<f32>), Error> {
        let mut source = ImageSource::open(path, &ReadOptions::default())?;
        let (mut names, mut values) = (Vec::new(), Vec::new());
        while let Some(items) = source.next_batch(BATCH)? {
            let (ids, images): (Vec<String>, Vec<Image>) =
                items.into_iter().map(|item| (item.id, item.image)).unzip();
            let start = values.len();
            values.resize(start + images.len() * self.0.identity().width, 0.0);
            let embedded = self.0.embed_into(&images, &mut values[start..]);
            embedded.map_err(|error| counted(error, names.len()))?;
            names.extend(ids);
        }
        Ok((names, values))
    }

    /// Values as rows.
    fn rows<'py>(&self, py: Python<'py>, values: Vec<f32>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let width = self.0.identity().width;
        let n_rows = values.len() / width;
        values.into_pyarray(py).reshape([n_rows, width])
    }
}

/// Random views `first` to `first + n` of each image: `(images * n * size * size * 3,)` from 0 to
/// 1, and the side of a view.
///
/// `keys` is JSON: parameters of the views that differ from `SimCLR`'s at this size.
#[pyfunction]
#[pyo3(signature = (images, ids, n, first, size, seed, keys, threads))]
#[expect(clippy::too_many_arguments, reason = "called from one Python function")]
pub(crate) fn views<'py>(
    py: Python<'py>,
    images: Vec<PyReadonlyArray3<'py, u8>>,
    ids: Vec<u64>,
    n: u64,
    first: u64,
    size: u32,
    seed: u64,
    keys: &str,
    threads: usize,
) -> PyResult<(Bound<'py, PyArray1<f32>>, u32)> {
    let images = views_of(&images);
    let keys = serde_json::from_str(keys);
    let keys = keys.map_err(|e| pyo3::exceptions::PyRuntimeError::new_err(e.to_string()))?;
    let spec = ViewSpec::simclr(size).with(keys).map_err(refused)?;
    let views = Views::new(spec, seed).map_err(refused)?;
    let mut values = vec![0.0; images.len() * n as usize * views.values()];
    let pool = Threads::take(py, threads)?;
    let pool = pool.pool()?;
    let made = guarded(py, || {
        pool.install(|| {
            let images = copied(&images)?;
            let named = images.iter().zip(ids);
            let asked = named.flat_map(|(image, id)| {
                (first..first.saturating_add(n)).map(move |index| View { image, id, index })
            });
            let asked: Vec<View<'_>> = asked.collect();
            views.views_into(&asked, &mut values).map(|_| ())
        })
    })?;
    made.map_err(refused)?;
    Ok((values.into_pyarray(py), views.spec().size))
}

/// The number of an image by its name, which its views depend on.
#[pyfunction]
pub(crate) fn image_id(name: &str) -> u64 {
    read::image_id(name)
}
