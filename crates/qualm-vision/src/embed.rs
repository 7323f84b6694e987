//! Images to a table of embeddings.
//!
//! One row an image, or one a view: the id, the label if one is known, the number of the view and
//! its crop, and the vector. What made the rows stands in the metadata of the table: the encoder
//! (see [`qualm_data::Embedding`]), its preprocessing and the parameters of the views.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, FixedSizeListArray, Float32Array, RecordBatch, StringArray, UInt32Array,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use qualm::Location;
use qualm_data::Embedding;

use crate::encoder::{Encoder, EncoderError, FileEncoder};
use crate::error::{Error, Result};
use crate::image::Image;
use crate::read::{Item, image_id};
use crate::views::{View, ViewParams, Views};

/// The column of the vectors.
pub const VECTOR: &str = "embedding";
/// The column of the labels.
pub const LABEL: &str = "label";
/// The column of the number of a view, from 0.
pub const VIEW: &str = "view";
/// Columns of the crop of a view, in pixels of the image: the left and upper edge, and the sides.
const CROP: [&str; 4] = ["crop_left", "crop_top", "crop_width", "crop_height"];
/// The column that says whether a view is flipped from left to right.
const FLIP: &str = "flip";
/// Views in memory at once, at least those of one image.
const AT_ONCE: usize = 256;

/// The entry of a table's metadata with the parameters of the views, as JSON.
pub const VIEWS_KEY: &str = "qualm.views";

/// Several random views of each image.
#[derive(Debug)]
pub struct Drawn {
    /// How they are drawn.
    pub views: Views,
    /// The seed they were made with.
    pub seed: u64,
    /// How many of each image, at least 1.
    pub n: u32,
}

/// Turns images into rows of a table.
#[derive(Debug)]
pub struct Embedder {
    encoder: FileEncoder,
    drawn: Option<Drawn>,
    labelled: bool,
    schema: SchemaRef,
}

impl Embedder {
    /// A table of the images themselves, or of views of them. `id_name` is the column of the ids;
    /// there is a column of labels if `labelled`.
    ///
    /// # Errors
    /// When the metadata cannot be put into JSON.
    pub fn new(
        encoder: FileEncoder,
        drawn: Option<Drawn>,
        id_name: &str,
        labelled: bool,
    ) -> Result<Self> {
        let schema = schema(&encoder, drawn.as_ref(), id_name, labelled)?;
        Ok(Self {
            encoder,
            drawn,
            labelled,
            schema,
        })
    }

    /// The columns of the table, and its metadata.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The encoder.
    #[must_use]
    pub fn encoder(&self) -> &FileEncoder {
        &self.encoder
    }

    /// Rows of an image.
    #[must_use]
    pub fn rows_per_image(&self) -> usize {
        self.drawn.as_ref().map_or(1, |drawn| drawn.n as usize)
    }

    /// The rows of some images, in their order.
    ///
    /// # Errors
    /// Those of the encoder; [`EncoderError::NotFiniteOf`] names the image.
    pub fn embed(&self, items: Vec<Item>) -> Result<RecordBatch> {
        let width = self.encoder.identity().width;
        let per_image = self.rows_per_image();
        let mut vectors = vec![0.0; items.len() * per_image * width];
        let ids: Vec<String> = items.iter().map(|item| item.id.clone()).collect();
        let labels: Vec<Option<String>> = items.iter().map(|item| item.label.clone()).collect();
        let named = |error, first: usize| match error {
            Error::Encoder(EncoderError::NotFinite {
                encoder,
                image,
                value,
            }) => {
                let id = ids.get(first + image / per_image);
                let id = id.cloned().unwrap_or_default();
                EncoderError::NotFiniteOf { encoder, id, value }.into()
            }
            other => other,
        };
        let mut params = Vec::new();
        if let Some(drawn) = &self.drawn {
            let at_once = (AT_ONCE / per_image).max(1);
            let outs = vectors.chunks_mut(at_once * per_image * width);
            for (n, (items, out)) in items.chunks(at_once).zip(outs).enumerate() {
                let (images, drawn) = views(items, drawn)?;
                params.extend(drawn);
                let embedded = self.encoder.embed_whole_into(&images, out);
                embedded.map_err(|error| named(error, n * at_once))?;
            }
        } else {
            let images: Vec<Image> = items.into_iter().map(|item| item.image).collect();
            let embedded = self.encoder.embed_into(&images, &mut vectors);
            embedded.map_err(|error| named(error, 0))?;
        }
        self.batch(&ids, &labels, &params, vectors)
    }

    fn batch(
        &self,
        ids: &[String],
        labels: &[Option<String>],
        params: &[ViewParams],
        vectors: Vec<f32>,
    ) -> Result<RecordBatch> {
        let per_image = self.rows_per_image();
        let each = |n: usize| (0..n).flat_map(|i| std::iter::repeat_n(i, per_image));
        let ids_of_rows = each(ids.len()).filter_map(|i| ids.get(i));
        let mut columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from_iter_values(ids_of_rows))];
        if self.labelled {
            let labels = each(labels.len()).filter_map(|i| labels.get(i));
            columns.push(Arc::new(labels.cloned().collect::<StringArray>()));
        }
        if let Some(drawn) = &self.drawn {
            let views = ids.iter().flat_map(|_| 0..drawn.n);
            columns.push(Arc::new(UInt32Array::from_iter_values(views)));
            let crop = |side: fn(&ViewParams) -> u32| -> ArrayRef {
                Arc::new(UInt32Array::from_iter_values(params.iter().map(side)))
            };
            columns.push(crop(|p| p.crop.left));
            columns.push(crop(|p| p.crop.top));
            columns.push(crop(|p| p.crop.width));
            columns.push(crop(|p| p.crop.height));
            let flips: Vec<bool> = params.iter().map(|p| p.flip).collect();
            columns.push(Arc::new(BooleanArray::from(flips)));
        }
        let arrow = |source| {
            Error::Data(qualm_data::Error::Arrow {
                at: Location::default(),
                source,
            })
        };
        let values = Arc::new(Float32Array::from(vectors));
        let width = self.encoder.identity().width;
        let list = FixedSizeListArray::try_new(item(), list_size(width), values, None);
        columns.push(Arc::new(list.map_err(arrow)?));
        RecordBatch::try_new(self.schema.clone(), columns).map_err(arrow)
    }
}

/// All views of some images, image after image, and what was drawn for each.
fn views(items: &[Item], drawn: &Drawn) -> Result<(Vec<Image>, Vec<ViewParams>)> {
    let of_item = |item: &'_ Item| {
        let id = image_id(&item.id);
        (0..u64::from(drawn.n)).map(move |index| (id, index))
    };
    let asked: Vec<View<'_>> = items
        .iter()
        .flat_map(|item| {
            let image = &item.image;
            of_item(item).map(move |(id, index)| View { image, id, index })
        })
        .collect();
    Ok(drawn.views.images(&asked)?.into_iter().unzip())
}

/// A width as Arrow counts it: vectors longer than it can count do not fit into memory.
fn list_size(width: usize) -> i32 {
    i32::try_from(width).unwrap_or(i32::MAX)
}

/// The elements of a vector.
fn item() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Float32, false))
}

fn schema(
    encoder: &FileEncoder,
    drawn: Option<&Drawn>,
    id_name: &str,
    labelled: bool,
) -> Result<SchemaRef> {
    let mut fields = vec![Field::new(id_name, DataType::Utf8, false)];
    if labelled {
        fields.push(Field::new(LABEL, DataType::Utf8, true));
    }
    if drawn.is_some() {
        fields.push(Field::new(VIEW, DataType::UInt32, false));
        fields.extend(CROP.map(|name| Field::new(name, DataType::UInt32, false)));
        fields.push(Field::new(FLIP, DataType::Boolean, false));
    }
    let identity = encoder.identity();
    let vector = DataType::FixedSizeList(item(), list_size(identity.width));
    fields.push(Field::new(VECTOR, vector, false));
    let embedding = Embedding {
        encoder: identity.clone(),
        id: id_name.to_owned(),
        views: drawn.map(|drawn| drawn.n),
    };
    let mut metadata = embedding.metadata()?;
    if let Some(Drawn { views, seed, n }) = drawn {
        let views = serde_json::json!({"n": n, "seed": seed, "spec": views.spec()});
        metadata.insert(VIEWS_KEY.to_owned(), views.to_string());
    }
    Ok(Arc::new(Schema::new_with_metadata(fields, metadata)))
}
