//! What a corruption works on.

#![expect(clippy::inline_always, reason = "see `vectorised`")]

use crate::error::{Error, Result};
use crate::simd::vectorised;

use super::frost::FrostTextures;
use super::parameters::{ParameterSet, Severity, Table};

/// Borrowed pixels of eight bits, row after row from the top left.
#[derive(Debug, Clone, Copy)]
pub struct Pixels<'a> {
    /// `(height, width, channels)`.
    pub values: &'a [u8],
    /// Columns of pixels.
    pub width: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Three (red, green, blue) or one (grey).
    pub channels: usize,
}

impl Pixels<'_> {
    pub(super) fn check(&self, out: usize) -> Result<()> {
        let expected = self
            .width
            .saturating_mul(self.height)
            .saturating_mul(self.channels);
        let found = if self.values.len() == expected {
            out
        } else {
            self.values.len()
        };
        if found == expected && expected > 0 && matches!(self.channels, 1 | 3) {
            return Ok(());
        }
        Err(Error::PixelCount {
            width: u32::try_from(self.width).unwrap_or(u32::MAX),
            height: u32::try_from(self.height).unwrap_or(u32::MAX),
            found,
            expected,
        })
    }
}

/// An image, and how it is to be damaged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) pixels: Pixels<'a>,
    pub(super) set: ParameterSet,
    pub(super) severity: Severity,
    /// Whether faults of the published code are copied.
    pub(super) compat: bool,
    pub(super) frost: Option<&'a FrostTextures>,
}

impl Scene<'_> {
    pub(super) fn width(&self) -> usize {
        self.pixels.width
    }

    pub(super) fn height(&self) -> usize {
        self.pixels.height
    }

    pub(super) fn channels(&self) -> usize {
        self.pixels.channels
    }

    /// Pixels of the image.
    pub(super) fn n(&self) -> usize {
        self.width() * self.height()
    }

    /// The shorter side.
    pub(super) fn side(&self) -> usize {
        self.width().min(self.height())
    }

    /// The parameter of the severity.
    pub(super) fn pick<T: Copy>(&self, table: &Table<T>) -> T {
        table.get(self.set, self.severity)
    }

    /// The image as planes of float32.
    pub(super) fn picture(&self) -> Picture {
        Picture::of(self.pixels)
    }
}

/// An image while it is damaged: a plane of float32 from 0 to 255 for each channel.
#[derive(Debug, Clone)]
pub(super) struct Picture {
    pub(super) width: usize,
    pub(super) height: usize,
    /// `(channels, height, width)`.
    pub(super) values: Vec<f32>,
}

impl Picture {
    pub(super) fn of(pixels: Pixels<'_>) -> Self {
        let n = pixels.width * pixels.height;
        let mut values = vec![0.0; n * pixels.channels];
        vectorised(
            #[inline(always)]
            || spread(pixels.values, &mut values, n),
        );
        Self {
            width: pixels.width,
            height: pixels.height,
            values,
        }
    }

    /// Pixels of a plane.
    pub(super) fn n(&self) -> usize {
        self.width * self.height
    }

    pub(super) fn planes(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.n())
    }

    pub(super) fn planes_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        let n = self.n();
        self.values.chunks_exact_mut(n)
    }

    /// Writes the pixels one after another, kept from 0 to 255 and cut off to eight bits.
    pub(super) fn write(&self, out: &mut [u8]) {
        let n = self.n();
        vectorised(
            #[inline(always)]
            || gather(&self.values, out, n),
        );
    }
}

/// Pixels whose channels are taken apart at once, in registers.
const AT_ONCE: usize = 64;

/// Pixels of one or three channels to planes of n values.
#[inline(always)]
fn spread(pixels: &[u8], planes: &mut [f32], n: usize) {
    if planes.len() == n {
        for (to, &from) in planes.iter_mut().zip(pixels) {
            *to = f32::from(from);
        }
        return;
    }
    let (red, rest) = planes.split_at_mut(n);
    let (green, blue) = rest.split_at_mut(n);
    apart(pixels, [red, green, blue]);
}

/// Red, green and blue of some pixels, each by itself.
#[inline(always)]
pub(super) fn apart(pixels: &[u8], [red, green, blue]: [&mut [f32]; 3]) {
    let chunks = pixels.chunks(3 * AT_ONCE).zip(red.chunks_mut(AT_ONCE));
    let chunks = chunks.zip(green.chunks_mut(AT_ONCE).zip(blue.chunks_mut(AT_ONCE)));
    for ((pixels, red), (green, blue)) in chunks {
        // As bytes first: eight bits to float32 is one instruction for many that lie together.
        let mut bytes = [[0; AT_ONCE]; 3];
        let [r, g, b] = &mut bytes;
        for (i, [red, green, blue]) in pixels.as_chunks::<3>().0.iter().enumerate() {
            (r[i], g[i], b[i]) = (*red, *green, *blue);
        }
        for (plane, bytes) in [red, green, blue].into_iter().zip(&bytes) {
            for (to, &from) in plane.iter_mut().zip(bytes) {
                *to = f32::from(from);
            }
        }
    }
}

/// The other way round.
#[inline(always)]
fn gather(planes: &[f32], pixels: &mut [u8], n: usize) {
    if planes.len() == n {
        for (to, &from) in pixels.iter_mut().zip(planes) {
            *to = cut(from);
        }
        return;
    }
    let (red, rest) = planes.split_at(n);
    let (green, blue) = rest.split_at(n);
    together([red, green, blue], pixels);
}

/// Pixels of red, green and blue, kept from 0 to 255 and cut off to eight bits.
#[inline(always)]
pub(super) fn together([red, green, blue]: [&[f32]; 3], pixels: &mut [u8]) {
    let chunks = pixels.chunks_mut(3 * AT_ONCE).zip(red.chunks(AT_ONCE));
    let chunks = chunks.zip(green.chunks(AT_ONCE).zip(blue.chunks(AT_ONCE)));
    for ((pixels, red), (green, blue)) in chunks {
        let mut bytes = [[0; AT_ONCE]; 3];
        for (bytes, plane) in bytes.iter_mut().zip([red, green, blue]) {
            for (to, &from) in bytes.iter_mut().zip(plane) {
                *to = cut(from);
            }
        }
        let [r, g, b] = &bytes;
        for (i, pixel) in pixels.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            *pixel = [r[i], g[i], b[i]];
        }
    }
}

/// Eight bits of a value, the rest cut off; what is below 0 or above 255 becomes that, NaN 0.
#[inline(always)]
#[expect(clippy::manual_clamp, reason = "clamp keeps NaN")]
pub(super) fn cut(v: f32) -> u8 {
    // By way of 32 bits, for which there are vectors. NaN is below no number: it becomes 0.
    v.max(0.0).min(255.0) as i32 as u8
}
