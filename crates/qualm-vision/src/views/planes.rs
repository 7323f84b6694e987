//! A view while it is made: red, green and blue as planes of float32 from 0 to 1.

use crate::error::Result;
use crate::filter::{Border, Kernel, Room};
use crate::image::Image;
use crate::simd::vectorised;

use super::colour;
use super::crop::{self, Taps};
use super::params::ViewParams;

/// Room for one view after another.
#[derive(Debug, Default)]
pub(super) struct Planes {
    /// The three planes, row after row.
    values: Vec<f32>,
    /// Room for some rows.
    rows: Vec<f32>,
    filter: Room,
    side: usize,
}

impl Planes {
    /// Makes the view that some parameters make of an image.
    pub(super) fn fill(&mut self, image: &Image, params: &ViewParams, size: u32) -> Result<()> {
        self.side = size as usize;
        let n = self.side * self.side;
        self.values.resize(3 * n, 0.0);
        let window = crop::Window::of(image, params.crop)?;
        let columns = Taps::new(params.crop.width, size, params.flip);
        let rows = Taps::new(params.crop.height, size, false);
        self.rows.resize(3 * params.crop.width as usize, 0.0);
        let (line, side, values) = (&mut self.rows, self.side, &mut self.values);
        vectorised(
            #[inline(always)]
            || crop::resize(&window, &columns, &rows, line, values, side),
        );
        let (red, rest) = self.values.split_at_mut(n);
        let (green, blue) = rest.split_at_mut(n);
        let mut colours = [red, green, blue];
        vectorised(
            #[inline(always)]
            || {
                if let Some(jitter) = &params.jitter {
                    colour::jitter(&mut colours, jitter);
                }
                if params.grey {
                    colour::grey(&mut colours);
                }
            },
        );
        if let Some(blur) = params.blur {
            let kernel = Kernel::gaussian(blur.sigma, blur.radius);
            for plane in self.values.chunks_exact_mut(n) {
                kernel.blur(plane, side, Border::Mirror, &mut self.filter);
            }
        }
        Ok(())
    }

    /// The view as pixels after one another.
    ///
    /// # Shapes
    /// `out`: `(side, side, 3)`.
    pub(super) fn interleave(&self, out: &mut [f32]) {
        let (red, green, blue) = self.split();
        for (((out, r), g), b) in out
            .as_chunks_mut::<3>()
            .0
            .iter_mut()
            .zip(red)
            .zip(green)
            .zip(blue)
        {
            *out = [r.clamp(0.0, 1.0), g.clamp(0.0, 1.0), b.clamp(0.0, 1.0)];
        }
    }

    /// The same in eight bits.
    pub(super) fn rounded(&self) -> Vec<u8> {
        let (red, green, blue) = self.split();
        let pixels = red.iter().zip(green).zip(blue);
        // A conversion from float to integer keeps to the integer's range.
        let byte = |v: f32| (v * 255.0 + 0.5) as u8;
        pixels
            .flat_map(|((r, g), b)| [byte(*r), byte(*g), byte(*b)])
            .collect()
    }

    fn split(&self) -> (&[f32], &[f32], &[f32]) {
        let n = self.side * self.side;
        let (red, rest) = self.values.split_at(n);
        let (green, blue) = rest.split_at(n);
        (red, green, blue)
    }
}
