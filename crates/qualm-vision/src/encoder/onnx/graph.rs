//! What the inputs and outputs of a graph say.

use std::path::Path;

use ort::session::Session;
use ort::value::{Outlet, TensorElementType};

use crate::encoder::error::EncoderError;
use crate::encoder::keys::Keys;
use crate::encoder::preprocessing::{InputSize, InputType, Layout};

/// A tensor that goes in or comes out.
#[derive(Debug, Clone)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) kind: TensorElementType,
    /// Nothing for a length that is not fixed.
    pub(crate) shape: Vec<Option<usize>>,
}

impl Tensor {
    fn new(outlet: &Outlet) -> Option<Self> {
        let shape = outlet.dtype().tensor_shape()?;
        Some(Self {
            name: outlet.name().to_owned(),
            kind: outlet.dtype().tensor_type()?,
            shape: shape.iter().map(|d| usize::try_from(*d).ok()).collect(),
        })
    }
}

impl std::fmt::Display for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let length = |d: &Option<usize>| d.map_or_else(|| "?".to_owned(), |d| d.to_string());
        let lengths: Vec<String> = self.shape.iter().map(length).collect();
        let kind = words(self.kind);
        write!(f, "{}: {kind} ({})", self.name, lengths.join(", "))
    }
}

/// The name of a type as NumPy has it.
pub(crate) fn words(kind: TensorElementType) -> String {
    match kind {
        TensorElementType::Float32 => "float32".to_owned(),
        TensorElementType::Float16 => "float16".to_owned(),
        TensorElementType::Float64 => "float64".to_owned(),
        TensorElementType::Uint8 => "uint8".to_owned(),
        TensorElementType::Int64 => "int64".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// The input that takes images.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    pub(crate) tensor: Tensor,
    pub(crate) dtype: InputType,
    dims: [Option<usize>; 4],
}

impl Input {
    /// The only input of a graph.
    ///
    /// # Errors
    /// [`EncoderError::Input`] for another number of inputs, or an input that takes no images.
    pub(crate) fn of(file: &Path, session: &Session) -> Result<Self, EncoderError> {
        let refuse = |found: String, expected: &str| EncoderError::Input {
            file: file.to_owned(),
            found,
            expected: expected.to_owned(),
        };
        let [outlet] = session.inputs() else {
            let names: Vec<&str> = session.inputs().iter().map(Outlet::name).collect();
            let found = format!("count is {} ({})", names.len(), names.join(", "));
            let expected =
                "one input, the images; export the part of the model that encodes images";
            return Err(refuse(found, expected));
        };
        let of_images = "a tensor of four axes: images, channels and two sides";
        let Some(tensor) = Tensor::new(outlet) else {
            let found = format!("{} is not a tensor", outlet.name());
            return Err(refuse(found, of_images));
        };
        let dtype = match tensor.kind {
            TensorElementType::Float32 => InputType::Float32,
            TensorElementType::Float16 => InputType::Float16,
            TensorElementType::Uint8 => InputType::Uint8,
            _ => return Err(refuse(tensor.to_string(), "float32, float16 or uint8")),
        };
        let Ok(dims) = <[Option<usize>; 4]>::try_from(tensor.shape.as_slice()) else {
            return Err(refuse(tensor.to_string(), of_images));
        };
        Ok(Self {
            tensor,
            dtype,
            dims,
        })
    }

    /// The layout, where the place of the three channels tells.
    fn layout(&self) -> Option<Layout> {
        match (self.dims[1], self.dims[3]) {
            (Some(3), last) if last != Some(3) => Some(Layout::Nchw),
            (first, Some(3)) if first != Some(3) => Some(Layout::Nhwc),
            _ => None,
        }
    }

    /// The keys of the preprocessing that the graph fixes, with a layout that is given if it
    /// does not tell.
    pub(crate) fn keys(&self, layout: Option<Layout>) -> Keys {
        let layout = layout.or(self.layout());
        let sides = match layout.unwrap_or(Layout::Nchw) {
            Layout::Nchw => (self.dims[2], self.dims[3]),
            Layout::Nhwc => (self.dims[1], self.dims[2]),
        };
        let size = match sides {
            (Some(height), Some(width)) => Some(InputSize { height, width }),
            _ => None,
        };
        Keys {
            size,
            layout,
            dtype: Some(self.dtype),
            ..Keys::default()
        }
    }

    /// Images of a run, if the graph fixes their number.
    pub(crate) fn batch(&self) -> Option<usize> {
        self.dims[0]
    }

    /// Refuses a preprocessing that makes other inputs.
    pub(crate) fn check(
        &self,
        file: &Path,
        size: InputSize,
        layout: Layout,
        dtype: InputType,
    ) -> Result<(), EncoderError> {
        let shape = match layout {
            Layout::Nchw => [3, size.height, size.width],
            Layout::Nhwc => [size.height, size.width, 3],
        };
        let fits = |(fixed, side): (&Option<usize>, usize)| fixed.is_none_or(|f| f == side);
        let fits = self.dims[1..].iter().zip(shape).all(fits);
        if fits && dtype == self.dtype && self.dims[0] != Some(0) {
            return Ok(());
        }
        let [a, b, c] = shape;
        Err(EncoderError::Input {
            file: file.to_owned(),
            found: self.tensor.to_string(),
            expected: format!(
                "what its preprocessing makes, {dtype:?} (images, {a}, {b}, {c}); correct size, \
                 layout and dtype there"
            )
            .to_lowercase(),
        })
    }
}

/// All outputs that are tensors.
pub(crate) fn outputs(session: &Session) -> Vec<Tensor> {
    session.outputs().iter().filter_map(Tensor::new).collect()
}
