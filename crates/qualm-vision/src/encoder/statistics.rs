//! Pixel statistics: an encoder without weights, for what networks are trained to overlook.
//!
//! An encoder that has learned to recognise things through noise, blur and compression embeds a
//! damaged image near the clean one. These columns beside its own see the damage itself. They are of
//! the family of A. Mittal, A. K. Moorthy and A. C. Bovik, *No-reference image quality assessment in
//! the spatial domain* (IEEE Transactions on Image Processing, 2012): brightness relative to its
//! neighbourhood, `(y - mean) / (deviation + 1)`, has nearly the same law in all undamaged
//! photographs. Beside its moments at two scales stand noise, sharpness, blocks and colour.

use crate::filter::{Border, Kernel, Room};
use crate::image::Image;

/// Columns of a row.
pub const WIDTH: usize = 61;

/// Directions of neighbouring pixels: to the right, down, and the two diagonals.
const NEIGHBOURS: [(usize, usize, bool); 4] =
    [(1, 0, false), (0, 1, false), (1, 1, false), (1, 1, true)];
/// The side of the blocks of JPEG, in pixels.
const BLOCK: usize = 8;
/// Keeps logarithms finite; small beside a step of eight bits.
const LEAST: f64 = 1e-2;

/// Room for the planes of an image.
#[derive(Debug, Default)]
pub(crate) struct Planes {
    room: Room,
    mean: Vec<f32>,
    square: Vec<f32>,
}

/// A plane of values from 0 to 255.
#[derive(Debug, Clone)]
struct Plane {
    values: Vec<f32>,
    width: usize,
    height: usize,
}

/// The row of an image of any size.
///
/// # Shapes
/// `out`: `(WIDTH,)`.
pub(crate) fn statistics(image: &Image, planes: &mut Planes, out: &mut [f32]) {
    let channels = [0, 1, 2].map(|channel| Plane::of_channel(image, channel));
    let bright = Plane::brightness(&channels);
    let half = bright.half();
    let mut row = Row { out, n: 0 };
    for plane in [&bright, &half] {
        relative(plane, planes, &mut row);
    }
    light_and_colour(&bright, &channels, &mut row);
    noise(&channels, &mut row);
    sharpness(&bright, &half, &mut row);
    blocks(&bright, &mut row);
}

/// A row that is filled from the left.
struct Row<'a> {
    out: &'a mut [f32],
    n: usize,
}

impl Row<'_> {
    fn push(&mut self, value: f64) {
        if let Some(out) = self.out.get_mut(self.n) {
            *out = value as f32;
        }
        self.n += 1;
    }

    fn push_log(&mut self, value: f64) {
        self.push((value + LEAST).ln());
    }
}

impl Plane {
    fn of_channel(image: &Image, channel: usize) -> Self {
        let pixels = image.pixels().chunks_exact(3);
        Self {
            values: pixels.map(|pixel| f32::from(pixel[channel])).collect(),
            width: image.width() as usize,
            height: image.height() as usize,
        }
    }

    /// ITU-R BT.601.
    fn brightness([red, green, blue]: &[Self; 3]) -> Self {
        let values = red.values.iter().zip(&green.values).zip(&blue.values);
        let values = values.map(|((r, g), b)| 0.299 * r + 0.587 * g + 0.114 * b);
        Self {
            values: values.collect(),
            width: red.width,
            height: red.height,
        }
    }

    /// Means of two by two pixels; a last odd line is left out.
    fn half(&self) -> Self {
        let (width, height) = ((self.width / 2).max(1), (self.height / 2).max(1));
        let mut values = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let at =
                    |dx: usize, dy: usize| self.at((2 * x + dx).min(self.width - 1), 2 * y + dy);
                values.push(0.25 * (at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1)));
            }
        }
        Self {
            values,
            width,
            height,
        }
    }

    fn at(&self, x: usize, y: usize) -> f32 {
        self.values[y.min(self.height - 1) * self.width + x]
    }

    /// Pairs of a pixel and its neighbour to the right or left and below.
    fn pairs(&self, (dx, dy, mirrored): (usize, usize, bool)) -> impl Iterator<Item = (f32, f32)> {
        let (width, height) = (self.width, self.height);
        let rows = (0..height.saturating_sub(dy)).map(move |y| (y * width, (y + dy) * width));
        rows.flat_map(move |(here, below)| {
            let n = width.saturating_sub(dx);
            let (first, second) = if mirrored { (dx, 0) } else { (0, dx) };
            let a = &self.values[here + first..here + first + n];
            let b = &self.values[below + second..below + second + n];
            a.iter().copied().zip(b.iter().copied())
        })
    }

    /// The mean size of differences between neighbours.
    fn gradient(&self, direction: (usize, usize, bool)) -> f64 {
        mean(self.pairs(direction).map(|(a, b)| f64::from((a - b).abs())))
    }

    /// What a plane has of the highest frequencies: 0 on a plane of constant slope (J. Immerkær,
    /// *Fast noise variance estimation*, 1996).
    fn residual(&self) -> Vec<f32> {
        let inside = |n: usize| 1..n.saturating_sub(1).max(1);
        let mut out = Vec::with_capacity(self.values.len());
        for y in inside(self.height) {
            let row = |y: usize| &self.values[y * self.width..(y + 1) * self.width];
            let [above, here, below] = [row(y - 1), row(y), row(y + 1)];
            for ((a, b), c) in above.windows(3).zip(here.windows(3)).zip(below.windows(3)) {
                let second = |v: &[f32]| v[0] - 2.0 * v[1] + v[2];
                out.push(second(a) - 2.0 * second(b) + second(c));
            }
        }
        out
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0_u64), |(sum, n), v| (sum + v, n + 1));
    sum / n.max(1) as f64
}

/// Moments of the brightness relative to its neighbourhood, and of the products of neighbours: 18
/// columns.
fn relative(plane: &Plane, planes: &mut Planes, row: &mut Row<'_>) {
    let Planes { room, mean, square } = planes;
    let kernel = Kernel::gaussian(7.0 / 6.0, 3);
    mean.clone_from(&plane.values);
    kernel.blur(mean, plane.width, Border::Nearest, room);
    square.clear();
    square.extend(plane.values.iter().map(|v| v * v));
    kernel.blur(square, plane.width, Border::Nearest, room);
    let values = plane.values.iter().zip(&*mean).zip(&*square);
    let values = values.map(|((v, m), s)| (v - m) / ((s - m * m).max(0.0).sqrt() + 1.0));
    let relative = Plane {
        values: values.collect(),
        ..*plane
    };
    let (size, shape) = size_and_shape(relative.values.iter().map(|v| f64::from(*v)));
    row.push(size);
    row.push(shape);
    for direction in NEIGHBOURS {
        let products = || relative.pairs(direction).map(|(a, b)| f64::from(a * b));
        let (_, shape) = size_and_shape(products());
        row.push(self::mean(products()));
        row.push(shape);
        let side = |negative: bool| {
            let side = products().filter(move |p| (*p < 0.0) == negative);
            self::mean(side.map(|p| p * p)).sqrt()
        };
        row.push(side(true));
        row.push(side(false));
    }
}

/// The root of the mean square, and how peaked the law is: the squared mean size by the mean
/// square, which is 2 / pi for a normal law and falls with heavy tails.
fn size_and_shape(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut sizes, mut squares, mut n) = (0.0, 0.0, 0_u64);
    for value in values {
        sizes += value.abs();
        squares += value * value;
        n += 1;
    }
    let n = n.max(1) as f64;
    let (size, square) = (sizes / n, squares / n);
    (square.sqrt(), size * size / (square + 1e-9))
}

/// Brightness, its spread and ends, saturation, and the two opponent colours of D. Hasler and
/// S. Süsstrunk, *Measuring colorfulness in natural images* (2003): 9 columns.
fn light_and_colour(bright: &Plane, [red, green, blue]: &[Plane; 3], row: &mut Row<'_>) {
    let (average, spread) = mean_and_deviation(bright.values.iter().map(|v| f64::from(*v)));
    row.push(average);
    row.push_log(spread);
    let mut sorted = bright.values.clone();
    sorted.sort_unstable_by(f32::total_cmp);
    for share in [0.02, 0.98] {
        let place = (share * (sorted.len() - 1) as f64).round() as usize;
        row.push(f64::from(sorted[place]));
    }
    let colours = || {
        let colours = red.values.iter().zip(&green.values).zip(&blue.values);
        colours.map(|((r, g), b)| [*r, *g, *b].map(f64::from))
    };
    row.push(mean(colours().map(|[r, g, b]| {
        let (most, least) = (r.max(g).max(b), r.min(g).min(b));
        (most - least) / (most + 1.0)
    })));
    for opponent in [
        |[r, g, _]: [f64; 3]| r - g,
        |[r, g, b]: [f64; 3]| 0.5 * (r + g) - b,
    ] {
        let (average, spread) = mean_and_deviation(colours().map(opponent));
        row.push(average);
        row.push_log(spread);
    }
}

fn mean_and_deviation(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut sum, mut squares, mut n) = (0.0, 0.0, 0_u64);
    for value in values {
        sum += value;
        squares += value * value;
        n += 1;
    }
    let n = n.max(1) as f64;
    let mean = sum / n;
    (mean, (squares / n - mean * mean).max(0.0).sqrt())
}

/// The highest frequencies of each channel, and how alike they are: noise of a sensor is another in
/// each channel. 5 columns.
fn noise(channels: &[Plane; 3], row: &mut Row<'_>) {
    let [red, green, blue] = channels.each_ref().map(Plane::residual);
    for residual in [&red, &green, &blue] {
        row.push_log(mean(residual.iter().map(|v| f64::from(v.abs()))));
    }
    for (a, b) in [(&red, &green), (&green, &blue)] {
        let pairs = || a.iter().zip(b).map(|(a, b)| (f64::from(*a), f64::from(*b)));
        let (mut product, mut first, mut second) = (0.0, LEAST, LEAST);
        for (a, b) in pairs() {
            product += a * b;
            first += a * a;
            second += b * b;
        }
        row.push(product / (first * second).sqrt());
    }
}

/// Differences between neighbours in four directions, twice as far, and the largest: 7 columns.
fn sharpness(bright: &Plane, half: &Plane, row: &mut Row<'_>) {
    let near = NEIGHBOURS.map(|direction| bright.gradient(direction));
    let [right, down, diagonal, mirrored] = near;
    let all = 0.5 * (right + down);
    let far = 0.5 * (half.gradient(NEIGHBOURS[0]) + half.gradient(NEIGHBOURS[1]));
    let farther = half.half();
    let farther = 0.5 * (farther.gradient(NEIGHBOURS[0]) + farther.gradient(NEIGHBOURS[1]));
    row.push_log(all);
    row.push(((far + LEAST) / (all + LEAST)).ln());
    row.push(((farther + LEAST) / (far + LEAST)).ln());
    row.push(((right + LEAST) / (down + LEAST)).ln());
    row.push(((diagonal + LEAST) / (mirrored + LEAST)).ln());
    let pairs = bright
        .pairs(NEIGHBOURS[0])
        .chain(bright.pairs(NEIGHBOURS[1]));
    let mut sizes: Vec<f32> = pairs.map(|(a, b)| (a - b).abs()).collect();
    sizes.sort_unstable_by(f32::total_cmp);
    let quantile = |share: f64| {
        let place = (share * sizes.len().saturating_sub(1) as f64).round() as usize;
        f64::from(sizes.get(place).copied().unwrap_or(0.0))
    };
    row.push_log(quantile(0.5));
    row.push_log(quantile(0.98));
}

/// Steps at the edges of blocks beside those within, both ways, and the share of neighbours that are
/// equal: JPEG and large pixels. Differences of differences tell steps from slopes. 4 columns.
fn blocks(bright: &Plane, row: &mut Row<'_>) {
    let turned = Plane {
        values: (0..bright.width)
            .flat_map(|x| (0..bright.height).map(move |y| (x, y)))
            .map(|(x, y)| bright.at(x, y))
            .collect(),
        width: bright.height,
        height: bright.width,
    };
    let mut equal = 0.0;
    for plane in [bright, &turned] {
        let (mut edge, mut n_edge, mut within, mut n_within) = (0.0, 0_u64, 0.0, 0_u64);
        for line in plane.values.chunks_exact(plane.width) {
            for (x, pair) in line.windows(2).enumerate() {
                let step = f64::from((pair[1] - pair[0]).abs());
                equal += f64::from(u8::from(step < 0.5));
                if x % BLOCK == BLOCK - 1 {
                    (edge, n_edge) = (edge + step, n_edge + 1);
                } else {
                    (within, n_within) = (within + step, n_within + 1);
                }
            }
        }
        let edge = edge / n_edge.max(1) as f64;
        let within = within / n_within.max(1) as f64;
        row.push(((edge + LEAST) / (within + LEAST)).ln());
    }
    row.push(equal / (2.0 * bright.values.len() as f64));
    // Equal neighbours at a distance: what large pixels do not have.
    let far = bright.pairs((4.min(bright.width.saturating_sub(1)), 0, false));
    row.push(mean(
        far.map(|(a, b)| f64::from(u8::from((a - b).abs() < 0.5))),
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Case {
        height: u32,
        width: u32,
        pixels: String,
        row: Vec<f64>,
    }

    fn row(image: &Image) -> Vec<f32> {
        let mut out = vec![f32::NAN; WIDTH];
        statistics(image, &mut Planes::default(), &mut out);
        out
    }

    #[test]
    fn the_same_as_by_numpy() {
        let cases = include_str!("../../tests/golden/statistics.json");
        let cases: Vec<Case> = serde_json::from_str(cases).unwrap();
        assert_eq!(cases.len(), 2);
        for case in cases {
            let bytes = case.pixels.as_bytes().chunks_exact(2);
            let bytes = bytes.map(|pair| {
                let digits = std::str::from_utf8(pair).unwrap();
                u8::from_str_radix(digits, 16).unwrap()
            });
            let image = Image::new(case.width, case.height, bytes.collect()).unwrap();
            let found = row(&image);
            assert_eq!(found.len(), case.row.len());
            for (i, (found, expected)) in found.iter().zip(&case.row).enumerate() {
                let error = (f64::from(*found) - expected).abs() / expected.abs().max(1.0);
                assert!(error < 2e-4, "column {i}: {found}, expected {expected}");
            }
        }
    }

    #[test]
    fn images_of_any_size_have_finite_rows() {
        for (width, height) in [(1, 1), (1, 9), (9, 1), (2, 3), (8, 8), (33, 5)] {
            for value in [0, 255] {
                let pixels = vec![value; (width * height * 3) as usize];
                let row = row(&Image::new(width, height, pixels).unwrap());
                assert!(
                    row.iter().all(|v| v.is_finite()),
                    "{width} x {height}: {row:?}"
                );
            }
        }
    }
}
