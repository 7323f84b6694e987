//! From what a graph gives to rows.

use std::path::Path;

use half::f16;
use ort::value::{DynValue, TensorElementType};

use super::graph::{Tensor, words};
use crate::encoder::error::EncoderError;
use crate::encoder::preprocessing::{Layout, Pooling, Preprocessing};

/// The outputs that hold the vector of an image, by the names that exporters give them: of
/// transformers, sentence-transformers, `open_clip` and timm. Without one of these it is the first.
const PREFERRED: [&str; 7] = [
    "image_embeds",
    "pooler_output",
    "image_features",
    "sentence_embedding",
    "embeddings",
    "embedding",
    "features",
];

/// Which output is taken, and how it becomes rows.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) name: String,
    pooling: Pooling,
    layout: Layout,
}

impl Rows {
    /// # Errors
    /// [`EncoderError::Output`] when there is no such output, or it holds no numbers.
    pub(crate) fn new(
        file: &Path,
        outputs: &[Tensor],
        preprocessing: &Preprocessing,
    ) -> Result<Self, EncoderError> {
        let by_name = |name: &str| outputs.iter().find(|o| o.name == name);
        let chosen = match &preprocessing.output {
            Some(name) => by_name(name),
            None => PREFERRED.into_iter().find_map(by_name).or(outputs.first()),
        };
        let Some(chosen) = chosen else {
            let names: Vec<&str> = outputs.iter().map(|o| o.name.as_str()).collect();
            return Err(EncoderError::Output {
                file: file.to_owned(),
                found: preprocessing.output.clone().map_or_else(
                    || "is not there".to_owned(),
                    |name| format!("'{name}' is not there"),
                ),
                expected: format!("one of: {}", names.join(", ")),
            });
        };
        let numbers = [TensorElementType::Float32, TensorElementType::Float16];
        if !numbers.contains(&chosen.kind) {
            return Err(EncoderError::Output {
                file: file.to_owned(),
                found: chosen.to_string(),
                expected: "float32 or float16; name another one with output".to_owned(),
            });
        }
        Ok(Self {
            name: chosen.name.clone(),
            pooling: preprocessing.pooling,
            layout: preprocessing.layout,
        })
    }

    /// The rows of a run on `images` images: values, row after row, and their width.
    ///
    /// # Errors
    /// [`EncoderError::Output`] for an output of another shape than the pooling needs.
    pub(crate) fn take(
        &self,
        file: &Path,
        output: &DynValue,
        images: usize,
    ) -> Result<(Vec<f32>, usize), EncoderError> {
        let refuse = |found: String, expected: &str| EncoderError::Output {
            file: file.to_owned(),
            found: format!("{} {found}", self.name),
            expected: expected.to_owned(),
        };
        let (shape, values) = numbers(output).ok_or_else(|| {
            let kind = output.dtype().tensor_type().map(words);
            let found = kind.unwrap_or_else(|| "is not a tensor".to_owned());
            refuse(found, "float32 or float16")
        })?;
        let found = || format!("is of shape {shape:?}");
        if shape.first() != Some(&images) || values.is_empty() {
            let expected = format!("{images} rows for {images} images");
            return Err(refuse(found(), &expected));
        }
        let per_image = values.len() / images;
        match (shape.get(1..).unwrap_or_default(), self.pooling) {
            ([width], _) => Ok((values, *width)),
            (&[tokens, width], Pooling::Cls) => {
                let images = values.chunks_exact(tokens * width);
                let first = images.flat_map(|image| image.iter().take(width));
                Ok((first.copied().collect(), width))
            }
            (&[tokens, width], Pooling::Mean) => {
                let images = values.chunks_exact(tokens * width);
                let means = images.flat_map(|image| means(image, tokens, width));
                Ok((means.collect(), width))
            }
            (&[a, b, c], Pooling::Gap) => {
                let (width, places) = match self.layout {
                    Layout::Nchw => (a, b * c),
                    Layout::Nhwc => (c, a * b),
                };
                let mut rows = Vec::with_capacity(images * width);
                for image in values.chunks_exact(per_image) {
                    match self.layout {
                        Layout::Nchw => rows.extend(image.chunks_exact(places).map(mean)),
                        Layout::Nhwc => rows.extend(means(image, places, width)),
                    }
                }
                Ok((rows, width))
            }
            ([_, _], _) => Err(refuse(
                found(),
                "a vector an image; of a sequence of tokens, say pooling = 'cls' or 'mean'",
            )),
            ([_, _, _], _) => Err(refuse(
                found(),
                "a vector an image; of a map, say pooling = 'gap'",
            )),
            _ => Err(refuse(found(), "two, three or four axes")),
        }
    }
}

/// Shape and values of a tensor of float32 or float16.
fn numbers(output: &DynValue) -> Option<(Vec<usize>, Vec<f32>)> {
    let sides = |shape: &[i64]| -> Vec<usize> {
        shape
            .iter()
            .map(|d| usize::try_from(*d).unwrap_or(0))
            .collect()
    };
    if let Ok((shape, values)) = output.try_extract_tensor::<f32>() {
        return Some((sides(shape), values.to_vec()));
    }
    let (shape, values) = output.try_extract_tensor::<f16>().ok()?;
    Some((sides(shape), values.iter().map(|v| v.to_f32()).collect()))
}

/// The mean of all places, in float64 so that their number loses no digits.
fn mean(values: &[f32]) -> f32 {
    (values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len() as f64) as f32
}

/// The mean of each column of `(places, width)`.
fn means(values: &[f32], places: usize, width: usize) -> impl Iterator<Item = f32> {
    let mut sums = vec![0.0; width];
    for row in values.chunks_exact(width) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += f64::from(*value);
        }
    }
    sums.into_iter()
        .map(move |sum| (sum / places as f64) as f32)
}
