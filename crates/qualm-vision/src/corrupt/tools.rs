//! What several corruptions share: motion, zoom, and places between pixels.

#![expect(clippy::inline_always, reason = "see `vectorised`")]

use std::borrow::Cow;

use fast_image_resize::{ResizeOptions, Resizer};

use super::picture::{Pixels, cut};
use crate::filter::Border;
use crate::resize::{Raster, resize};
use crate::simd::{Sums, fill, vectorised};

/// A blur along a line: weights of a Gaussian's one half, each at a whole pixel.
#[derive(Debug)]
pub(super) struct Motion {
    /// Where each weight takes its pixel, right and down.
    taps: Vec<(isize, isize, f32)>,
}

impl Motion {
    /// `2 radius + 1` weights of a deviation, along an angle in degrees, as `ImageMagick` places
    /// them. With `ends_within` (width, height) it ends where the motion is as long as the image.
    pub(super) fn new(
        radius: usize,
        sigma: f64,
        angle: f64,
        ends_within: Option<[usize; 2]>,
    ) -> Self {
        let n = 2 * radius + 1;
        let weights: Vec<f64> = (0..n)
            .map(|i| (-0.5 * (i as f64 / sigma).powi(2)).exp())
            .collect();
        let total: f64 = weights.iter().sum();
        let (sine, cosine) = angle.to_radians().sin_cos();
        // The nearest pixel, of two the lower; where the image comes from is the other way.
        let steps = |i: usize, along: f64| (i as f64 * along - 0.5).ceil() as isize;
        let taps = weights.iter().enumerate().map(|(i, weight)| {
            let weight = (weight / total) as f32;
            (steps(i, cosine), steps(i, sine), weight)
        });
        let within = |&(dx, dy, _): &(isize, isize, f32)| {
            ends_within.is_none_or(|[width, height]| {
                dx.unsigned_abs() < width && dy.unsigned_abs() < height
            })
        };
        Self {
            taps: taps.take_while(within).collect(),
        }
    }

    /// Blurs a plane; beyond its edge lies the outermost pixel.
    pub(super) fn blur(&self, plane: &[f32], width: usize) -> Vec<f32> {
        let height = plane.len() / width;
        let reach = self.taps.iter().map(|tap| tap.0.unsigned_abs()).max();
        let margin = reach.unwrap_or(0);
        let stride = width + 2 * margin;
        let mut padded = Vec::with_capacity(stride * height);
        for row in plane.chunks_exact(width) {
            let ends = [row[0], row[width - 1]];
            padded.extend(std::iter::repeat_n(ends[0], margin));
            padded.extend_from_slice(row);
            padded.extend(std::iter::repeat_n(ends[1], margin));
        }
        let mut out = vec![0.0; plane.len()];
        vectorised(
            #[inline(always)]
            || {
                let mut runs = Runs(Vec::with_capacity(self.taps.len()));
                for (y, out) in out.chunks_exact_mut(width).enumerate() {
                    runs.0.clear();
                    runs.0.extend(self.taps.iter().map(|&(dx, dy, weight)| {
                        let row = Border::Nearest.place(y.cast_signed() + dy, height);
                        let from = row * stride + margin.saturating_add_signed(dx);
                        (&padded[from..from + width], weight)
                    }));
                    fill(out, &runs);
                }
            },
        );
        out
    }
}

/// `sum of weight x run`.
struct Runs<'a>(Vec<(&'a [f32], f32)>);

impl Sums for Runs<'_> {
    #[inline(always)]
    fn sum<const N: usize>(&self, at: usize) -> [f32; N] {
        let mut sum = [0.0; N];
        for (run, weight) in &self.0 {
            for (sum, v) in sum.iter_mut().zip(&run[at..at + N]) {
                *sum += weight * v;
            }
        }
        sum
    }
}

/// Where the pixels of a longer line lie among those of a shorter one: the pixel before, and the
/// share of the one after it.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) places: Vec<(usize, f32)>,
}

impl Line {
    /// `n` of the pixels that a part of a line, `from` on and `part` long, makes when it is `zoom`
    /// times as long, its ends on the ends: those of the middle, or with `compat` the first ones.
    fn zoomed(from: usize, part: usize, zoom: f64, n: usize, compat: bool) -> Self {
        let whole = (part as f64 * zoom).round_ties_even() as usize;
        let whole = whole.max(n);
        let first = if compat { 0 } else { (whole - n) / 2 };
        let ratio = (part - 1) as f64 / (whole.max(2) - 1) as f64;
        let last = part.saturating_sub(2);
        let places = (first..first + n).map(|i| {
            let place = i as f64 * ratio;
            let low = (place as usize).min(last);
            (from + low, (place - low as f64) as f32)
        });
        Self {
            places: places.collect(),
        }
    }
}

/// The lines, across and down, of the middle of an image zoomed to its own size, as
/// `scipy.ndimage.zoom` of order 1 places them.
pub(super) fn zoomed_lines([width, height]: [usize; 2], zoom: f64, compat: bool) -> [Line; 2] {
    [width, height].map(|n| {
        let part = (n as f64 / zoom).ceil() as usize;
        Line::zoomed((n - part) / 2, part, zoom, n, compat)
    })
}

/// Adds a zoomed plane to another: between pixels lies the straight line.
pub(super) fn add_zoomed(plane: &[f32], width: usize, lines: &[Line; 2], out: &mut [f32]) {
    let [across, down] = lines;
    let mut row = vec![0.0; width];
    vectorised(
        #[inline(always)]
        || {
            for (out, &(y, share)) in out.chunks_exact_mut(width).zip(&down.places) {
                let upper = &plane[y * width..(y + 1) * width];
                let lower = plane.get((y + 1) * width..(y + 2) * width).unwrap_or(upper);
                for ((row, a), b) in row.iter_mut().zip(upper).zip(lower) {
                    *row = a + share * (b - a);
                }
                for (out, &(x, share)) in out.iter_mut().zip(&across.places) {
                    let left = row[x];
                    let right = *row.get(x + 1).unwrap_or(&left);
                    *out += left + share * (right - left);
                }
            }
        },
    );
}

/// A place between the pixels of a plane, by straight lines.
#[derive(Debug, Clone, Copy)]
struct Between {
    /// The four pixels around it: upper left and right, lower left and right.
    pixels: [usize; 4],
    /// How far it is right and down of the first.
    share: [f32; 2],
}

impl Between {
    #[inline(always)]
    fn new([width, height]: [usize; 2], x: f32, y: f32, border: Border) -> Self {
        let (left, top) = (x.floor(), y.floor());
        let (x0, y0) = (left as isize, top as isize);
        let (first, second) = (border.place(x0, width), border.place(x0 + 1, width));
        let (upper, lower) = (
            border.place(y0, height) * width,
            border.place(y0 + 1, height) * width,
        );
        Self {
            pixels: [upper + first, upper + second, lower + first, lower + second],
            share: [x - left, y - top],
        }
    }

    /// The values of a pixel there.
    #[inline(always)]
    fn of(self, pixels: &[[f32; 4]]) -> [f32; 4] {
        let [a, b, c, d] = self.pixels;
        let (a, b, c, d) = (&pixels[a], &pixels[b], &pixels[c], &pixels[d]);
        let [u, v] = self.share;
        let mut values = [0.0; 4];
        for i in 0..4 {
            let (upper, lower) = (a[i] + u * (b[i] - a[i]), c[i] + u * (d[i] - c[i]));
            values[i] = upper + v * (lower - upper);
        }
        values
    }
}

/// An image with all channels of a pixel beside each other, filled up to four: one load for each.
#[derive(Debug)]
pub(super) struct Quads {
    width: usize,
    /// `(height, width, 4)`.
    values: Vec<[f32; 4]>,
}

impl Quads {
    #[inline(always)]
    pub(super) fn of(pixels: Pixels<'_>) -> Self {
        let mut values = vec![[0.0; 4]; pixels.width * pixels.height];
        if pixels.channels == 1 {
            for (to, &v) in values.iter_mut().zip(pixels.values) {
                to[0] = f32::from(v);
            }
        } else {
            for (to, &[r, g, b]) in values.iter_mut().zip(pixels.values.as_chunks().0) {
                *to = [r.into(), g.into(), b.into(), 0.0];
            }
        }
        Self {
            width: pixels.width,
            values,
        }
    }

    /// The image whose pixels come from places of this one, right and down in pixels, row by row:
    /// `write` gets the number of each row and its pixels.
    ///
    /// Call it within [`vectorised`].
    #[inline(always)]
    pub(super) fn moved(
        &self,
        border: Border,
        place: impl Fn(usize, usize) -> (f32, f32),
        mut write: impl FnMut(usize, &[[f32; 4]]),
    ) {
        let width = self.width;
        let size = [width, self.values.len() / width];
        let (mut across, mut down) = (vec![0.0; width], vec![0.0; width]);
        let mut line = vec![[0.0; 4]; width];
        for y in 0..size[1] {
            for (x, (across, down)) in across.iter_mut().zip(&mut down).enumerate() {
                (*across, *down) = place(x, y);
            }
            for (to, (&x, &y)) in line.iter_mut().zip(across.iter().zip(&down)) {
                *to = Between::new(size, x, y, border).of(&self.values);
            }
            write(y, &line);
        }
    }

    /// The same as an image to go on with.
    #[inline(always)]
    pub(super) fn moved_again(
        &self,
        border: Border,
        place: impl Fn(usize, usize) -> (f32, f32),
    ) -> Self {
        let mut values = Vec::with_capacity(self.values.len());
        self.moved(
            border,
            place,
            #[inline(always)]
            |_, row| values.extend_from_slice(row),
        );
        Self {
            width: self.width,
            values,
        }
    }

    /// The same as pixels of so many channels.
    #[inline(always)]
    pub(super) fn move_into(
        &self,
        border: Border,
        place: impl Fn(usize, usize) -> (f32, f32),
        channels: usize,
        out: &mut [u8],
    ) {
        let length = self.width * channels;
        self.moved(
            border,
            place,
            #[inline(always)]
            |y, row| {
                let out = &mut out[y * length..][..length];
                if channels == 1 {
                    for (out, pixel) in out.iter_mut().zip(row) {
                        *out = cut(pixel[0]);
                    }
                    return;
                }
                for (out, pixel) in out.as_chunks_mut().0.iter_mut().zip(row) {
                    let [r, g, b, _] = *pixel;
                    *out = [cut(r), cut(g), cut(b)];
                }
            },
        );
    }
}

/// Pixels resized.
pub(super) fn resized(
    pixels: &[u8],
    size: [usize; 2],
    new_size: [usize; 2],
    channels: usize,
    options: &ResizeOptions,
) -> Vec<u8> {
    // The resizer is compiled for colours alone.
    let colours: Cow<'_, [u8]> = match channels {
        1 => pixels.iter().flat_map(|&v| [v; 3]).collect(),
        _ => pixels.into(),
    };
    let mut out = vec![0; 3 * new_size[0] * new_size[1]];
    let from = Raster {
        pixels: &*colours,
        size: size.map(|n| n as u32),
    };
    let mut to = Raster {
        pixels: out.as_mut_slice(),
        size: new_size.map(|n| n as u32),
    };
    // Both have their size's pixels, and a crop lies inside: this cannot fail.
    let _ = resize(&mut Resizer::new(), &from, &mut to, options);
    if channels == 1 {
        return out.into_iter().step_by(3).collect();
    }
    out
}

/// The value of a pixel; 0 outside the plane.
pub(super) fn inside_or_black(
    plane: &[f32],
    [width, height]: [usize; 2],
    x: isize,
    y: isize,
) -> f32 {
    let inside = (0..width.cast_signed()).contains(&x) && (0..height.cast_signed()).contains(&y);
    if inside {
        plane[y.cast_unsigned() * width + x.cast_unsigned()]
    } else {
        0.0
    }
}

/// The radius of a Gaussian's kernel that ends after some deviations.
pub(super) fn radius(sigma: f64, truncate: f64) -> usize {
    (truncate * sigma + 0.5) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn motion_moves_a_point_along_its_angle() {
        let mut plane = vec![0.0; 41 * 41];
        plane[20 * 41 + 20] = 1.0;
        let blurred = Motion::new(5, 3.0, 0.0, None).blur(&plane, 41);
        assert!((blurred.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        // Along a row, to one side.
        let row = &blurred[20 * 41..21 * 41];
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        assert!(row[..10].iter().chain(&row[21..]).all(|&v| v == 0.0));
        let down = Motion::new(5, 3.0, -90.0, None).blur(&plane, 41);
        assert!((0..41).all(|y| (down[y * 41 + 20] > 0.0) == (20..31).contains(&y)));
    }

    #[test]
    fn zoom_of_one_is_the_image() {
        let plane: Vec<f32> = (0..30).map(|i| i as f32).collect();
        let mut out = vec![0.0; 30];
        add_zoomed(&plane, 6, &zoomed_lines([6, 5], 1.0, false), &mut out);
        assert_eq!(out, plane);
    }

    #[test]
    fn bilinear_values_lie_between_pixels() {
        let pixels = [0.0, 1.0, 2.0, 3.0].map(|v| [v; 4]);
        let at = |x, y| Between::new([2, 2], x, y, Border::Nearest).of(&pixels)[0];
        assert_eq!((at(0.0, 0.0), at(1.0, 1.0), at(0.5, 0.5)), (0.0, 3.0, 1.5));
        assert_eq!((at(-3.0, 0.0), at(9.0, 9.0)), (0.0, 3.0));
    }
}
