//! Images of Python, damaged.

#![expect(
    clippy::needless_pass_by_value,
    reason = "what Python gives is converted into values of our own"
)]

use std::path::PathBuf;

use numpy::{PyReadonlyArray4, PyReadwriteArray4};
use pyo3::prelude::*;
use qualm_vision::corrupt::{CorruptSpec, Corrupter, Corruption, FrostTextures, Pixels, Severity};
use qualm_vision::read::image_id;
use qualm_vision::{Error, Result};
use rayon::prelude::*;

use crate::errors::guarded;
use crate::images::refused;
use crate::threads::Threads;

/// What is done to images.
struct Request {
    corruption: Corruption,
    severity: Severity,
    corrupter: Corrupter,
}

/// Damages contiguous images `(n, height, width, channels)` into others of the same shape; each with
/// its number, or that of its place as a name.
#[pyfunction]
#[pyo3(signature = (images, out, ids, kind, severity, seed, params, compat, frost_dir, threads))]
#[expect(clippy::too_many_arguments, reason = "called from one Python function")]
pub(crate) fn corrupt(
    py: Python<'_>,
    images: PyReadonlyArray4<'_, u8>,
    mut out: PyReadwriteArray4<'_, u8>,
    ids: Option<Vec<u64>>,
    kind: &str,
    severity: i64,
    seed: u64,
    params: &str,
    compat: bool,
    frost_dir: Option<PathBuf>,
    threads: usize,
) -> PyResult<()> {
    let request = || -> Result<Request> {
        let spec = CorruptSpec {
            parameters: params.parse()?,
            compat,
            frost: frost_dir
                .as_deref()
                .map(FrostTextures::from_folder)
                .transpose()?,
        };
        let found = || Error::Severity {
            found: severity.to_string(),
        };
        let number = u8::try_from(severity).map_err(|_| found())?;
        Ok(Request {
            corruption: kind.parse()?,
            severity: Severity::new(number)?,
            corrupter: Corrupter::new(spec, seed),
        })
    };
    let request = request().map_err(refused)?;
    let (_, height, width, channels) = images.as_array().dim();
    let values = images.as_slice()?;
    let image = height * width * channels;
    let out = out.as_slice_mut()?;
    let pool = Threads::take(py, threads)?;
    let pool = pool.pool()?;
    let done = guarded(py, || {
        pool.install(|| {
            let places = out.par_chunks_exact_mut(image);
            let images = places.zip(values.par_chunks_exact(image)).enumerate();
            images.try_for_each(|(i, (out, values))| {
                let id = ids.as_ref().and_then(|ids| ids.get(i).copied());
                let id = id.unwrap_or_else(|| image_id(&i.to_string()));
                let pixels = Pixels {
                    values,
                    width,
                    height,
                    channels,
                };
                let Request {
                    corruption,
                    severity,
                    corrupter,
                } = &request;
                corrupter.corrupt_into(pixels, id, *corruption, *severity, out)
            })
        })
    })?;
    done.map_err(refused)
}

/// The names of the corruptions of a list of names and groups.
#[pyfunction]
pub(crate) fn corruptions(list: &str) -> PyResult<Vec<&'static str>> {
    let chosen = Corruption::select(list).map_err(refused)?;
    Ok(chosen.into_iter().map(Corruption::name).collect())
}
