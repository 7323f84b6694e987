//! What models of embeddings say of damaged images.

use rayon::prelude::*;

use qualm::{Fitted, Rows};

use super::{Corrupter, Corruption, Severity};
use crate::encoder::Encoder;
use crate::error::Result;
use crate::image::Image;
use crate::read::{Item, image_id};

/// Scores images by several models of one encoder's rows, as they are or damaged.
#[expect(missing_debug_implementations, reason = "an encoder has none")]
pub struct Trial<'a> {
    /// The encoder whose rows the models were fitted to.
    pub encoder: &'a dyn Encoder,
    /// The models.
    pub models: &'a [Fitted],
    /// How images are damaged.
    pub corrupter: &'a Corrupter,
}

impl Trial<'_> {
    /// The scores of clean images: one list for each model, in the order of the images.
    ///
    /// # Errors
    /// Those of the encoder, and of [`Fitted::score`].
    pub fn clean(&self, items: &[Item]) -> Result<Vec<Vec<f64>>> {
        let images: Vec<Image> = items.iter().map(|item| item.image.clone()).collect();
        self.scores(&images)
    }

    /// The scores of damaged images, made in parallel: for each model a list for each severity, in
    /// the order of the images.
    ///
    /// # Errors
    /// [`crate::Error::CorruptOf`], which names the image that is too small; those of the encoder,
    /// and of [`Fitted::score`].
    pub fn damaged(
        &self,
        items: &[Item],
        corruption: Corruption,
        severities: &[Severity],
    ) -> Result<Vec<Vec<Vec<f64>>>> {
        let pairs = severities.iter();
        let pairs: Vec<(Severity, &Item)> = pairs
            .flat_map(|&severity| items.iter().map(move |item| (severity, item)))
            .collect();
        let images = pairs.into_par_iter().map(|(severity, item)| {
            let id = image_id(&item.id);
            let image = self
                .corrupter
                .corrupt(&item.image, id, corruption, severity);
            image.map_err(|error| error.of_image(&item.id))
        });
        let images: Vec<Image> = images.collect::<Result<_>>()?;
        let scores = self.scores(&images)?;
        let by_severity = |scores: Vec<f64>| {
            let lists = scores.chunks(items.len().max(1));
            lists.map(<[f64]>::to_vec).collect()
        };
        Ok(scores.into_iter().map(by_severity).collect())
    }

    fn scores(&self, images: &[Image]) -> Result<Vec<Vec<f64>>> {
        let width = self.encoder.identity().width;
        let mut values = vec![0.0; images.len() * width];
        self.encoder.embed_into(images, &mut values)?;
        let rows = Rows::new(&values, width)?;
        let scores = self.models.iter().map(|model| Ok(model.score(rows)?));
        scores.collect()
    }
}
