//! From images to the values of an encoder's input.
//!
//! Resizing is Pillow's: the same filters, widened where the image shrinks, with 8-bit rounding
//! between the two passes. A centre crop is torchvision's: the shorter side is resized, the longer
//! one keeps the proportion rounded down, and the middle is cut at places rounded to even. Only
//! the part that is kept is computed, so that a strip of 1 x 40,000 costs no more than a square.

use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use rayon::prelude::*;

use super::error::EncoderError;
use super::preprocessing::{Crop, InputSize, Layout, Preprocessing, ResizeFilter};
use crate::image::Image;
use crate::resize::{Raster, resize};

/// Makes the values of images for an input of type `T`.
#[derive(Debug)]
pub(crate) struct Preparer<T> {
    size: InputSize,
    layout: Layout,
    crop: Crop,
    crop_fraction: f64,
    filter: Option<ResizeAlg>,
    /// The value of each byte in each channel.
    values: Box<[[T; 256]; 3]>,
}

impl<T: Copy + Default + Send + Sync> Preparer<T> {
    /// Makes each value with `convert(normalised value, byte)`.
    pub(crate) fn new(p: &Preprocessing, convert: impl Fn(f32, u8) -> T) -> Self {
        let mut values = Box::new([[T::default(); 256]; 3]);
        for ((channel, mean), std) in values.iter_mut().zip(p.mean).zip(p.std) {
            for (byte, value) in (0..=u8::MAX).zip(channel.iter_mut()) {
                *value = convert((f32::from(byte) / 255.0 - mean) / std, byte);
            }
        }
        Self {
            size: p.size,
            layout: p.layout,
            crop: p.crop,
            crop_fraction: p.crop_fraction,
            filter: algorithm(p.filter, p.antialias),
            values,
        }
    }

    /// Fills `out` with the values of images, in parallel; without a crop if `whole`.
    ///
    /// # Shapes
    /// `out`: `(images, 3, height, width)` or `(images, height, width, 3)`, as the layout says.
    ///
    /// # Errors
    /// [`EncoderError::Resize`].
    pub(crate) fn fill(
        &self,
        images: &[Image],
        whole: bool,
        out: &mut [T],
    ) -> Result<(), EncoderError> {
        let crop = if whole { Crop::None } else { self.crop };
        let outs = out.par_chunks_exact_mut(self.size.values());
        outs.zip(images).try_for_each_init(
            || (Resizer::new(), Vec::new()),
            |(resizer, pixels), (out, image)| {
                let window = Window::new(image, self.size, crop, self.crop_fraction);
                if window.is_whole(image) {
                    self.normalise(image.pixels(), out);
                } else {
                    self.resize(image, &window, resizer, pixels)?;
                    self.normalise(pixels, out);
                }
                Ok(())
            },
        )
    }

    /// The window of the resized image into `pixels`, `(height, width, 3)`.
    fn resize(
        &self,
        image: &Image,
        window: &Window,
        resizer: &mut Resizer,
        pixels: &mut Vec<u8>,
    ) -> Result<(), EncoderError> {
        pixels.clear();
        let (x, y) = (&window.x, &window.y);
        let Some(algorithm) = self.filter else {
            let columns: Vec<u32> = (0..x.kept).map(|i| x.nearest(i)).collect();
            for row in (0..y.kept).map(|i| y.nearest(i)) {
                pixels.extend(columns.iter().flat_map(|column| image.pixel(*column, row)));
            }
            return Ok(());
        };
        let fail = |message: String| EncoderError::Resize {
            width: image.width(),
            height: image.height(),
            message,
        };
        // First along the rows, then along the columns, as Pillow does: values beyond the bytes are
        // cut off in between, so that the order shows.
        let (first_row, rows) = y.rows();
        let mut between = vec![0; (x.kept * rows * 3) as usize];
        let (left, width) = x.source();
        let options = ResizeOptions::new().resize_alg(algorithm).crop(
            left,
            first_row as f64,
            width,
            rows as f64,
        );
        let (kept, rows) = (x.kept as u32, rows as u32);
        let source = Raster {
            pixels: image.pixels(),
            size: [image.width(), image.height()],
        };
        let mut target = Raster {
            pixels: between.as_mut_slice(),
            size: [kept, rows],
        };
        resize(resizer, &source, &mut target, &options).map_err(fail)?;

        pixels.resize((x.kept * y.kept * 3) as usize, 0);
        let (top, height) = y.source();
        let top = top - first_row as f64;
        let options = options.crop(0.0, top, x.kept as f64, height.min(f64::from(rows) - top));
        let source = Raster {
            pixels: between.as_slice(),
            size: [kept, rows],
        };
        let mut target = Raster {
            pixels: pixels.as_mut_slice(),
            size: [kept, y.kept as u32],
        };
        resize(resizer, &source, &mut target, &options).map_err(fail)
    }

    fn normalise(&self, pixels: &[u8], out: &mut [T]) {
        let [red, green, blue] = &*self.values;
        let (pixels, _) = pixels.as_chunks::<3>();
        match self.layout {
            Layout::Nhwc => {
                let (out, _) = out.as_chunks_mut::<3>();
                for (out, [r, g, b]) in out.iter_mut().zip(pixels) {
                    *out = [
                        red[usize::from(*r)],
                        green[usize::from(*g)],
                        blue[usize::from(*b)],
                    ];
                }
            }
            Layout::Nchw => {
                let plane = self.size.height * self.size.width;
                let planes = out.chunks_exact_mut(plane);
                for (c, (out, values)) in planes.zip([red, green, blue]).enumerate() {
                    for (out, pixel) in out.iter_mut().zip(pixels) {
                        *out = values[usize::from(pixel[c])];
                    }
                }
            }
        }
    }
}

/// The filter of the resizer; none for the closest pixel.
fn algorithm(filter: ResizeFilter, antialias: bool) -> Option<ResizeAlg> {
    let kind = match filter {
        ResizeFilter::Nearest => return None,
        ResizeFilter::Bilinear => FilterType::Bilinear,
        ResizeFilter::Bicubic => FilterType::CatmullRom,
        ResizeFilter::Lanczos => FilterType::Lanczos3,
    };
    Some(if antialias {
        ResizeAlg::Convolution(kind)
    } else {
        ResizeAlg::Interpolation(kind)
    })
}

/// The part of a resized image that is kept.
struct Window {
    x: Side,
    y: Side,
}

/// One side of it, in pixels of the resized image.
struct Side {
    /// The side of the original image.
    original: u64,
    /// The whole resized side.
    resized: u64,
    from: u64,
    kept: u64,
}

impl Window {
    fn new(image: &Image, size: InputSize, crop: Crop, fraction: f64) -> Self {
        let (width, height) = (u64::from(image.width()), u64::from(image.height()));
        let kept = (size.width as u64, size.height as u64);
        let resized = match crop {
            Crop::None => kept,
            Crop::Centre => {
                let shorter = (kept.0 as f64 / fraction) as u64;
                let longer = |side: u64, other: u64| (shorter * side / other).max(shorter);
                (longer(width, height), longer(height, width))
            }
        };
        Self {
            x: Side::centred(width, resized.0, kept.0),
            y: Side::centred(height, resized.1, kept.1),
        }
    }

    /// Whether it is the image as it is.
    fn is_whole(&self, image: &Image) -> bool {
        self.x.is_whole(image.width()) && self.y.is_whole(image.height())
    }
}

impl Side {
    fn centred(original: u64, resized: u64, kept: u64) -> Self {
        let before = (resized - kept) as f64 / 2.0;
        Self {
            original,
            resized,
            from: before.round_ties_even() as u64,
            kept,
        }
    }

    fn is_whole(&self, original: u32) -> bool {
        self.resized == u64::from(original) && self.kept == self.resized
    }

    /// The pixels of the original image that are seen along this side: the first, and how many.
    fn rows(&self) -> (u64, u64) {
        let (from, length) = self.source();
        // The widest filter reaches three pixels, of the smaller of both images.
        let reach = 4.0 * (self.original as f64 / self.resized as f64).max(1.0);
        let first = (from - reach).max(0.0) as u64;
        let end = ((from + length + reach).ceil() as u64).min(self.original);
        (first, end - first)
    }

    /// Where it begins in the original image, and how long it is there.
    fn source(&self) -> (f64, f64) {
        let original = self.original as f64;
        let scale = original / self.resized as f64;
        let from = self.from as f64 * scale;
        (from, (self.kept as f64 * scale).min(original - from))
    }

    /// The closest pixel of the original image.
    fn nearest(&self, place: u64) -> u32 {
        let scale = self.original as f64 / self.resized as f64;
        (((self.from + place) as f64 + 0.5) * scale) as u32
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::encoder::check::picture;

    #[derive(Deserialize)]
    struct Case {
        width: u32,
        height: u32,
        side: usize,
        filter: ResizeFilter,
        antialias: bool,
        crop: Crop,
        crop_fraction: f64,
        pixels: String,
    }

    fn preprocessing(side: usize, filter: ResizeFilter) -> Preprocessing {
        Preprocessing {
            filter,
            mean: [0.25, 0.5, 0.75],
            std: [0.5, 1.0, 2.0],
            ..Preprocessing::of_pixels(side)
        }
    }

    #[test]
    fn resized_images_are_those_of_pillow_and_pytorch() {
        let cases = include_str!("../../tests/golden/resize.json");
        let cases: Vec<Case> = serde_json::from_str(cases).unwrap();
        assert_eq!(cases.len(), 27);
        for case in cases {
            let preprocessing = Preprocessing {
                antialias: case.antialias,
                crop: case.crop,
                crop_fraction: case.crop_fraction,
                ..preprocessing(case.side, case.filter)
            };
            let preparer = Preparer::new(&preprocessing, |_, byte| byte);
            let mut found = vec![0; case.side * case.side * 3];
            let image = picture(case.width, case.height).unwrap();
            preparer.fill(&[image], false, &mut found).unwrap();
            for (place, value) in found.iter().enumerate() {
                let hex = &case.pixels[2 * place..2 * place + 2];
                let expected = u8::from_str_radix(hex, 16).unwrap();
                assert!(
                    value.abs_diff(expected) <= 1,
                    "{preprocessing:?} at {place}: {value}, expected {expected}"
                );
            }
        }
    }

    #[test]
    fn values_are_normalised_by_channel_in_both_layouts() {
        let image = Image::new(2, 1, vec![0, 51, 102, 153, 204, 255]).unwrap();
        let mut p = preprocessing(1, ResizeFilter::Nearest);
        p.size = InputSize {
            height: 1,
            width: 2,
        };
        let expected = [-0.5, -0.3, -0.175, 0.7, 0.3, 0.125];
        for (layout, order) in [
            (Layout::Nhwc, [0, 1, 2, 3, 4, 5]),
            (Layout::Nchw, [0, 3, 1, 4, 2, 5]),
        ] {
            p.layout = layout;
            let mut out = [0.0; 6];
            let preparer = Preparer::new(&p, |value, _| value);
            let images = std::slice::from_ref(&image);
            preparer.fill(images, false, &mut out).unwrap();
            for (found, place) in out.iter().zip(order) {
                let expected: f32 = expected[place];
                assert!((found - expected).abs() < 1e-6, "{out:?}");
            }
        }
    }

    #[test]
    fn strips_cost_no_more_than_squares() {
        for (width, height) in [(40_000, 1), (1, 40_000)] {
            let image = Image::new(width, height, vec![77; 120_000]).unwrap();
            for filter in [ResizeFilter::Bicubic, ResizeFilter::Nearest] {
                let p = Preprocessing {
                    crop: Crop::Centre,
                    crop_fraction: 0.875,
                    ..preprocessing(224, filter)
                };
                let mut out = vec![0; 224 * 224 * 3];
                let preparer = Preparer::new(&p, |_, byte| byte);
                let images = std::slice::from_ref(&image);
                preparer.fill(images, false, &mut out).unwrap();
                assert!(out.iter().all(|v| *v == 77));
            }
        }
    }
}
