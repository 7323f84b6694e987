//! Random views of an image (T. Chen, S. Kornblith, M. Norouzi and G. Hinton, *A simple framework
//! for contrastive learning of visual representations*, ICML 2020, appendix A).
//!
//! A view is, in this order: a crop of random area and aspect ratio, resized to a square, bilinear
//! over all pixels that a new one covers; flipped left to right or not; with probability 0.8 the
//! brightness, contrast, saturation and hue changed, in random order; with probability 0.2 made
//! grey; with probability 0.5 blurred by a Gaussian. The formulas and the laws of the random
//! numbers are those of `torchvision`; its transforms of tensors are matched to 1/255. Between the
//! steps nothing is rounded to eight bits, which `torchvision` does with uint8 images.
//!
//! **A view is a pure function** of (seed, number of the image, number of the view), with the same
//! bits at any thread count and on any processor.
//!
//! ```
//! use qualm_vision::Image;
//! use qualm_vision::read::image_id;
//! use qualm_vision::views::{View, ViewSpec, Views};
//!
//! let image = Image::new(40, 30, (0..3600).map(|i| (i % 251) as u8).collect())?;
//! let views = Views::new(ViewSpec::simclr(32), 0)?;
//! let two = [0, 1].map(|index| View { image: &image, id: image_id("a.png"), index });
//! let drawn = views.images(&two)?;
//! assert_eq!(drawn[0].0.width(), 32);
//! println!("from {:?}", drawn[0].1.crop);
//! # Ok::<(), qualm_vision::Error>(())
//! ```

mod colour;
mod crop;
mod params;
mod planes;
mod spec;

use rayon::prelude::*;

use qualm::rng::Purpose;

use crate::error::{Error, Result};
use crate::image::Image;

use planes::Planes;

pub use params::{Blur, Crop, Jitter, JitterStep, ViewParams};
pub use spec::ViewSpec;

/// The random numbers of a view; indices: number of the image, number of the view.
const VIEW: Purpose = Purpose::of_crate(2, 0);

/// Which view of which image.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The image, of any size.
    pub image: &'a Image,
    /// Its number, see [`crate::read::image_id`].
    pub id: u64,
    /// The number of the view; of a training step for instance twice the step, and one more.
    pub index: u64,
}

/// Makes the random views of a seed.
#[derive(Debug, Clone)]
pub struct Views {
    spec: ViewSpec,
    seed: u64,
}

impl Views {
    /// Views by these parameters.
    ///
    /// # Errors
    /// [`qualm::Error::InvalidKey`] for a parameter out of range.
    pub fn new(spec: ViewSpec, seed: u64) -> Result<Self> {
        spec.validate()?;
        Ok(Self { spec, seed })
    }

    /// Their parameters.
    #[must_use]
    pub fn spec(&self) -> &ViewSpec {
        &self.spec
    }

    /// Values of a view: side times side times red, green and blue.
    #[must_use]
    pub fn values(&self) -> usize {
        3 * (self.spec.size as usize).pow(2)
    }

    /// What is drawn at random for a view.
    #[must_use]
    pub fn params(&self, view: &View) -> ViewParams {
        let mut rng = qualm::rng::stream(self.seed, VIEW, [view.id, view.index]);
        let (width, height) = (view.image.width(), view.image.height());
        ViewParams::draw(&self.spec, width, height, &mut rng)
    }

    /// Makes views, in parallel, with values from 0 to 1.
    ///
    /// # Shapes
    /// `out`: `(views, size, size, 3)`.
    ///
    /// # Errors
    /// [`Error::ViewLength`] when `out` has another length.
    pub fn views_into(&self, views: &[View], out: &mut [f32]) -> Result<Vec<ViewParams>> {
        let expected = views.len() * self.values();
        if out.len() != expected {
            return Err(Error::ViewLength {
                found: out.len(),
                expected,
            });
        }
        views
            .par_iter()
            .zip(out.par_chunks_exact_mut(self.values()))
            .map_init(Planes::default, |planes, (view, out)| {
                let params = self.params(view);
                planes.fill(view.image, &params, self.spec.size)?;
                planes.interleave(out);
                Ok(params)
            })
            .collect()
    }

    /// Makes views as images, in parallel.
    ///
    /// # Errors
    /// None for views of images; see [`apply`].
    pub fn images(&self, views: &[View]) -> Result<Vec<(Image, ViewParams)>> {
        let size = self.spec.size;
        views
            .par_iter()
            .map_init(Planes::default, |planes, view| {
                let params = self.params(view);
                planes.fill(view.image, &params, size)?;
                Ok((Image::new(size, size, planes.rounded())?, params))
            })
            .collect()
    }
}

/// The view that some parameters make of an image, with values from 0 to 1.
///
/// # Shapes
/// `(size, size, 3)`.
///
/// # Errors
/// [`Error::CropOutside`] when the crop is not inside the image, or empty.
pub fn apply(image: &Image, params: &ViewParams, size: u32) -> Result<Vec<f32>> {
    let mut planes = Planes::default();
    planes.fill(image, params, size)?;
    let mut out = vec![0.0; 3 * (size as usize).pow(2)];
    planes.interleave(&mut out);
    Ok(out)
}
