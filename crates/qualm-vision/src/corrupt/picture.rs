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
pub(super) const AT_ONCE: usize = 64;

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
fn apart(pixels: &[u8], [red, green, blue]: [&mut [f32]; 3]) {
    each_chunk(
        pixels,
        #[inline(always)]
        |at, n, bytes| {
            for (plane, bytes) in [&mut *red, &mut *green, &mut *blue].into_iter().zip(bytes) {
                for (to, &from) in plane[at..at + n].iter_mut().zip(bytes) {
                    *to = f32::from(from);
                }
            }
        },
    );
}

/// Pixels taken apart, some at a time: `f` gets the number of the first, how many there are, and
/// their channels.
#[inline(always)]
fn each_chunk(pixels: &[u8], mut f: impl FnMut(usize, usize, &[[u8; AT_ONCE]; 3])) {
    let (chunks, rest) = pixels.as_chunks();
    for (i, chunk) in chunks.iter().enumerate() {
        f(i * AT_ONCE, AT_ONCE, &taken_apart(chunk));
    }
    if !rest.is_empty() {
        let at = chunks.len() * AT_ONCE;
        f(at, rest.len() / 3, &taken_apart(&filled(rest)));
    }
}

/// Changes pixels of three channels, some at a time: `f` gets the number of the first, and their
/// channels from 0 to 255, which it changes. They are kept in that range and cut off to eight bits.
#[inline(always)]
pub(super) fn each_pixel(pixels: &[u8], out: &mut [u8], mut f: impl FnMut(usize, [&mut [f32]; 3])) {
    let (places, last) = out.as_chunks_mut();
    each_chunk(
        pixels,
        #[inline(always)]
        |at, n, bytes| {
            let mut values = [[0.0; AT_ONCE]; 3];
            for (values, bytes) in values.iter_mut().zip(bytes) {
                for (to, &from) in values.iter_mut().zip(bytes) {
                    *to = f32::from(from);
                }
            }
            let [r, g, b] = &mut values;
            f(at, [&mut r[..n], &mut g[..n], &mut b[..n]]);
            let mut bytes = [[0; AT_ONCE]; 3];
            for (bytes, values) in bytes.iter_mut().zip(&values) {
                for (to, &from) in bytes.iter_mut().zip(values) {
                    *to = cut(from);
                }
            }
            if let Some(place) = places.get_mut(at / AT_ONCE) {
                put_together(&bytes, place);
            } else {
                let mut pixels = [0; 3 * AT_ONCE];
                put_together(&bytes, &mut pixels);
                last.copy_from_slice(&pixels[..3 * n]);
            }
        },
    );
}

/// Channels of pixels, each by itself.
#[inline(always)]
pub(super) fn taken_apart(pixels: &[u8; 3 * AT_ONCE]) -> [[u8; AT_ONCE]; 3] {
    let [mut r, mut g, mut b] = [[0; AT_ONCE]; 3];
    for i in 0..AT_ONCE {
        (r[i], g[i], b[i]) = (pixels[3 * i], pixels[3 * i + 1], pixels[3 * i + 2]);
    }
    [r, g, b]
}

/// Channels as pixels.
#[inline(always)]
pub(super) fn put_together([r, g, b]: &[[u8; AT_ONCE]; 3], pixels: &mut [u8; 3 * AT_ONCE]) {
    for i in 0..AT_ONCE {
        (pixels[3 * i], pixels[3 * i + 1], pixels[3 * i + 2]) = (r[i], g[i], b[i]);
    }
}

/// Some values with zeros behind them.
#[inline(always)]
pub(super) fn filled<const N: usize>(values: &[u8]) -> [u8; N] {
    let mut filled = [0; N];
    for (to, v) in filled.iter_mut().zip(values) {
        *to = *v;
    }
    filled
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
fn together(planes: [&[f32]; 3], pixels: &mut [u8]) {
    let (places, last) = pixels.as_chunks_mut();
    for (i, place) in places.iter_mut().enumerate() {
        put_together(&cut_off(&planes, i * AT_ONCE, AT_ONCE), place);
    }
    if !last.is_empty() {
        let mut pixels = [0; 3 * AT_ONCE];
        let n = last.len() / 3;
        put_together(&cut_off(&planes, places.len() * AT_ONCE, n), &mut pixels);
        last.copy_from_slice(&pixels[..3 * n]);
    }
}

/// Eight bits of n values of each plane from one on.
#[inline(always)]
fn cut_off(planes: &[&[f32]; 3], at: usize, n: usize) -> [[u8; AT_ONCE]; 3] {
    let mut bytes = [[0; AT_ONCE]; 3];
    for (bytes, plane) in bytes.iter_mut().zip(planes) {
        for (to, &from) in bytes.iter_mut().zip(&plane[at..at + n]) {
            *to = cut(from);
        }
    }
    bytes
}

/// Eight bits of a value, the rest cut off; what is below 0 or above 255 becomes that, NaN 0.
#[inline(always)]
#[expect(clippy::manual_clamp, reason = "clamp keeps NaN")]
pub(super) fn cut(v: f32) -> u8 {
    // From here on there are no fractions, and the nearest whole number stands in the lowest bits:
    // a conversion would ask each value by itself whether it fits.
    const WHOLE: f32 = 8_388_608.0;
    // NaN is below no number: it becomes 0.
    let v = v.max(0.0).min(255.0);
    let near = v + WHOLE;
    near.to_bits().wrapping_sub(u32::from(near - WHOLE > v)) as u8
}
