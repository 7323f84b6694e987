//! Images that an encoder turns into rows as they are read.

use std::path::Path;
use std::sync::Arc;

use arrow_array::StringArray;
use arrow_schema::{DataType, Field};
use qualm::{Features, Matrix};
use qualm_data::{Batch, Batches, Origin};

use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::image::Image;
use crate::read::ImageSource;

/// The rows of images, for the same pipeline that reads files of rows: each has the name of its
/// image for an id.
pub struct EmbeddedImages {
    source: ImageSource,
    encoder: Box<dyn Encoder>,
    features: Features,
    path: Arc<Path>,
    /// Images at a time.
    batch_size: usize,
    n_given: usize,
}

impl std::fmt::Debug for EmbeddedImages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedImages")
            .field("source", &self.source)
            .field("encoder", self.encoder.identity())
            .finish_non_exhaustive()
    }
}

impl EmbeddedImages {
    /// The images of a source by an encoder, some at a time. `path` is what errors call the
    /// input, `vector` the name of the rows' column.
    ///
    /// # Errors
    /// [`qualm::Error::Width`] where a model of other rows is to score them.
    pub fn new(
        source: ImageSource,
        encoder: Box<dyn Encoder>,
        path: &Path,
        batch_size: usize,
        expected: Option<&Features>,
    ) -> Result<Self> {
        let width = encoder.identity().width;
        let features = expected
            .cloned()
            .unwrap_or(Features::Vector { name: None, width });
        if features.width() != width {
            return Err(Error::Core(qualm::Error::Width {
                at: qualm::Location::file(path),
                found: width,
                expected: features.width(),
            }));
        }
        Ok(Self {
            source,
            encoder,
            features,
            path: Arc::from(path),
            batch_size: batch_size.max(1),
            n_given: 0,
        })
    }

    fn embed(&mut self) -> Result<Option<Batch>> {
        let Some(items) = self.source.next_batch(self.batch_size)? else {
            return Ok(None);
        };
        let (ids, images): (Vec<String>, Vec<Image>) =
            items.into_iter().map(|item| (item.id, item.image)).unzip();
        let width = self.features.width();
        let mut values = vec![0.0; images.len() * width];
        self.encoder.embed_into(&images, &mut values)?;
        let origin = Origin::file(Arc::clone(&self.path), self.n_given);
        self.n_given += images.len();
        Ok(Some(Batch {
            rows: Matrix::new(values, width)?,
            ids: vec![Arc::new(StringArray::from(ids))],
            labels: None,
            origin,
        }))
    }
}

impl Batches for EmbeddedImages {
    fn features(&self) -> &Features {
        &self.features
    }

    fn id_fields(&self) -> Vec<Field> {
        vec![Field::new(self.source.id_name(), DataType::Utf8, false)]
    }

    fn n_rows_hint(&self) -> Option<u64> {
        Some(self.source.n_images_hint())
    }

    fn next_batch(&mut self) -> qualm_data::Result<Option<Batch>> {
        Ok(self.embed()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::EncoderIdentity;
    use crate::read::ReadOptions;

    /// The first pixel.
    struct First(EncoderIdentity);

    impl Encoder for First {
        fn identity(&self) -> &EncoderIdentity {
            &self.0
        }

        fn embed_into(&self, images: &[Image], out: &mut [f32]) -> Result<()> {
            for (image, row) in images.iter().zip(out.chunks_exact_mut(3)) {
                row.copy_from_slice(&image.pixel(0, 0).map(f32::from));
            }
            Ok(())
        }
    }

    fn embedded(path: &Path, expected: Option<&Features>) -> Result<EmbeddedImages> {
        let source = ImageSource::open(path, &ReadOptions::default())?;
        let encoder = Box::new(First(EncoderIdentity {
            name: "first".to_owned(),
            digest: "0".to_owned(),
            width: 3,
            preprocessing: None,
        }));
        EmbeddedImages::new(source, encoder, path, 2, expected)
    }

    fn pixels(folder: &Path) {
        for (name, value) in [("a.png", 10), ("b.png", 20), ("c.png", 30)] {
            let image = image::RgbImage::from_pixel(2, 2, image::Rgb([value, 0, 1]));
            image.save(folder.join(name)).unwrap();
        }
    }

    #[test]
    fn rows_come_in_batches_with_the_names_of_their_images() {
        let folder = tempfile::tempdir().unwrap();
        pixels(folder.path());
        let rows = embedded(folder.path(), None).unwrap();
        assert_eq!(rows.n_rows_hint(), Some(3));
        assert_eq!(rows.id_fields()[0].name(), "path");
        let all = rows.read_all().unwrap();
        let expected = [10.0, 0.0, 1.0, 20.0, 0.0, 1.0, 30.0, 0.0, 1.0];
        assert_eq!(all.rows.rows().as_slice(), expected);
        let names: &StringArray = all.ids[0].as_any().downcast_ref().unwrap();
        let names: Vec<&str> = names.iter().flatten().collect();
        assert_eq!(names, ["a.png", "b.png", "c.png"]);
    }

    #[test]
    fn a_model_of_other_rows_and_a_broken_image_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        pixels(folder.path());
        let wide = Features::Vector {
            name: None,
            width: 4,
        };
        let refused = embedded(folder.path(), Some(&wide));
        assert!(matches!(
            refused,
            Err(Error::Core(qualm::Error::Width {
                found: 3,
                expected: 4,
                ..
            }))
        ));
        std::fs::write(folder.path().join("b.png"), "no picture").unwrap();
        let error = embedded(folder.path(), None)
            .unwrap()
            .read_all()
            .unwrap_err();
        let text = error.to_string();
        assert!(text.contains("b.png"), "{text}");
    }
}
