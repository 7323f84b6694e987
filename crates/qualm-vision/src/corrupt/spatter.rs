//! `spatter`: drops of water (severities 1 to 3) or mud on the lens.

use super::parameters::Table;
use super::picture::Scene;
use super::random::Random;
use super::tools::radius;
use crate::filter::{Border, Kernel, Room};

/// What a severity is made of.
#[derive(Debug, Clone, Copy)]
struct Spatter {
    /// Mean and deviation of the noise that drops are cut from, the deviation of its blur, and
    /// below what there is no drop.
    mean: f32,
    deviation: f32,
    sigma: f64,
    threshold: f32,
    /// Of water: how bright it is. Of mud: the deviation of the blur of its edge.
    strength: f64,
    mud: bool,
}

const fn water(mean: f32, deviation: f32, sigma: f64, threshold: f32, strength: f64) -> Spatter {
    Spatter {
        mean,
        deviation,
        sigma,
        threshold,
        strength,
        mud: false,
    }
}

const fn mud(mean: f32, deviation: f32, sigma: f64, threshold: f32, strength: f64) -> Spatter {
    Spatter {
        mud: true,
        ..water(mean, deviation, sigma, threshold, strength)
    }
}

const SPATTER: Table<Spatter> = Table {
    cifar: [
        water(0.62, 0.1, 0.7, 0.7, 0.5),
        water(0.65, 0.1, 0.8, 0.7, 0.5),
        water(0.65, 0.3, 1.0, 0.69, 0.5),
        mud(0.65, 0.1, 0.7, 0.69, 0.6),
        mud(0.65, 0.1, 0.5, 0.68, 0.6),
    ],
    tiny: [
        water(0.62, 0.1, 0.7, 0.7, 0.6),
        water(0.65, 0.1, 0.8, 0.7, 0.6),
        water(0.65, 0.3, 1.0, 0.69, 0.6),
        mud(0.65, 0.1, 0.7, 0.68, 0.6),
        mud(0.65, 0.1, 0.5, 0.67, 0.6),
    ],
    imagenet: [
        water(0.65, 0.3, 4.0, 0.69, 0.6),
        water(0.65, 0.3, 3.0, 0.68, 0.6),
        water(0.65, 0.3, 2.0, 0.68, 0.5),
        mud(0.65, 0.3, 1.0, 0.65, 1.5),
        mud(0.67, 0.4, 1.0, 0.65, 1.5),
    ],
};

/// Red, green and blue of both, and their grey.
const WATER: [f32; 3] = [175.0, 238.0, 238.0];
const MUD: [f32; 3] = [63.0, 42.0, 20.0];
const GREY: [f32; 3] = [0.2989, 0.587, 0.114];

pub(super) fn apply(scene: &Scene<'_>, random: &mut Random, out: &mut [u8]) {
    let spatter = scene.pick(&SPATTER);
    let mut noise = vec![0.0; scene.n()];
    random.normals(&mut noise, spatter.mean, spatter.deviation);
    splash(scene, noise, out);
}

/// The same with given noise.
pub(super) fn splash(scene: &Scene<'_>, mut liquid: Vec<f32>, out: &mut [u8]) {
    let spatter = scene.pick(&SPATTER);
    let width = scene.width();
    smooth(&mut liquid, width, spatter.sigma);
    let mut picture = scene.picture();
    let (cover, colour) = if spatter.mud {
        let mut cover: Vec<f32> = liquid
            .iter()
            .map(|&v| if v > spatter.threshold { 1.0 } else { 0.0 })
            .collect();
        smooth(&mut cover, width, spatter.strength);
        for v in &mut cover {
            *v = if *v < 0.8 { 0.0 } else { *v };
        }
        (cover, MUD)
    } else {
        for v in &mut liquid {
            *v = if *v < spatter.threshold { 0.0 } else { *v };
        }
        (drops(&liquid, width, spatter.strength as f32), WATER)
    };
    let grey: f32 = colour.iter().zip(GREY).map(|(c, g)| c * g).sum();
    let single = scene.channels() == 1;
    for (plane, colour) in picture.planes_mut().zip(colour) {
        let colour = if single { grey } else { colour };
        for (v, &cover) in plane.iter_mut().zip(&cover) {
            // Water adds its light, mud covers.
            let left = if spatter.mud { 1.0 - cover } else { 1.0 };
            *v = *v * left + cover * colour;
        }
    }
    picture.write(out);
}

fn smooth(plane: &mut [f32], width: usize, sigma: f64) {
    let kernel = Kernel::gaussian(sigma, radius(sigma, 4.0));
    kernel.blur(plane, width, Border::Nearest, &mut Room::default());
}

/// How much each pixel is covered by water: the liquid, brighter within drops than at their edge,
/// shaded from the upper left. The steps are those of the published code, which makes them with
/// `OpenCV`.
fn drops(liquid: &[f32], width: usize, strength: f32) -> Vec<f32> {
    let liquid: Vec<u8> = liquid.iter().map(|v| (v * 255.0) as u8).collect();
    let edges = edges(&liquid, width);
    let distance: Vec<f32> = distances(&edges, width)
        .iter()
        .map(|d| d.min(20.0))
        .collect();
    let mean = |plane: &[f32]| around(plane, width, &[1.0 / 9.0; 9]);
    let distance: Vec<f32> = mean(&distance).iter().map(|v| v.floor()).collect();
    let distance = equalised(&distance);
    let shaded = around(
        &distance,
        width,
        &[-2.0, -1.0, 0.0, -1.0, 1.0, 1.0, 0.0, 1.0, 2.0],
    );
    let shaded: Vec<f32> = shaded.iter().map(|v| v.clamp(0.0, 255.0)).collect();
    let shaded = mean(&shaded);
    let shaded = shaded.iter().map(|v| v.round_ties_even());
    let cover: Vec<f32> = liquid
        .iter()
        .zip(shaded)
        .map(|(&l, s)| f32::from(l) * s)
        .collect();
    let most = cover.iter().fold(0.0, |a: f32, &b| a.max(b));
    // Where there is no drop at all the published code divides by zero.
    let scale = if most > 0.0 { strength / most } else { 0.0 };
    cover.iter().map(|v| v * scale).collect()
}

/// A sum over the 3x3 pixels around each, mirrored at the edge.
fn around(plane: &[f32], width: usize, weights: &[f32; 9]) -> Vec<f32> {
    let height = plane.len() / width;
    let at = |x: isize, y: isize| {
        plane[Border::Mirror.place(y, height) * width + Border::Mirror.place(x, width)]
    };
    let sum = |i: usize| {
        let (x, y) = ((i % width).cast_signed(), (i / width).cast_signed());
        let mut sum = 0.0;
        for (k, weight) in weights.iter().enumerate() {
            let k = k.cast_signed();
            sum += weight * at(x + k % 3 - 1, y + k / 3 - 1);
        }
        sum
    };
    (0..plane.len()).map(sum).collect()
}

/// Values spread evenly by their ranks, as `OpenCV`'s `equalizeHist`.
fn equalised(plane: &[f32]) -> Vec<f32> {
    let mut counts = [0u32; 256];
    for &v in plane {
        counts[usize::from(v as u8)] += 1;
    }
    let first = counts.iter().position(|&n| n > 0).unwrap_or(0);
    let rest = plane.len() as u32 - counts[first];
    if rest == 0 {
        return plane.to_vec();
    }
    let scale = 255.0 / rest as f32;
    let mut sum = 0;
    let mut table = [0.0; 256];
    for (to, &n) in table.iter_mut().zip(&counts).skip(first + 1) {
        sum += n;
        *to = (sum as f32 * scale).round_ties_even();
    }
    plane.iter().map(|&v| table[usize::from(v as u8)]).collect()
}

/// Thresholds of the gradient's size: an edge begins above the second, and goes on above the first.
const GRADIENT: [i32; 2] = [50, 150];

/// Edges by J. Canny's method (1986), as `OpenCV` computes it: Sobel's gradients, their size the sum
/// of both parts.
fn edges(image: &[u8], width: usize) -> Vec<bool> {
    let height = image.len() / width;
    let at = |x: isize, y: isize| {
        let (x, y) = (
            Border::Nearest.place(x, width),
            Border::Nearest.place(y, height),
        );
        i32::from(image[y * width + x])
    };
    let gradient = |i: usize| {
        let (x, y) = ((i % width).cast_signed(), (i / width).cast_signed());
        let column = |x: isize| at(x, y - 1) + 2 * at(x, y) + at(x, y + 1);
        let row = |y: isize| at(x - 1, y) + 2 * at(x, y) + at(x + 1, y);
        (column(x + 1) - column(x - 1), row(y + 1) - row(y - 1))
    };
    let gradients: Vec<(i32, i32)> = (0..image.len()).map(gradient).collect();
    let size = |x: isize, y: isize| {
        let inside =
            (0..width.cast_signed()).contains(&x) && (0..height.cast_signed()).contains(&y);
        if !inside {
            return 0;
        }
        let (dx, dy) = gradients[y.cast_unsigned() * width + x.cast_unsigned()];
        dx.abs() + dy.abs()
    };
    // Largest along the gradient: of equal ones the first.
    let is_peak = |i: usize| {
        let (x, y) = ((i % width).cast_signed(), (i / width).cast_signed());
        let (dx, dy) = gradients[i];
        let own = size(x, y);
        // tan 22.5 degrees in 1/32768, as OpenCV rounds it.
        let (flat, along) = (i64::from(dx.abs()) * 13573, i64::from(dy.abs()) << 15);
        if along < flat {
            own > size(x - 1, y) && own >= size(x + 1, y)
        } else if along > flat + (i64::from(dx.abs()) << 16) {
            own > size(x, y - 1) && own >= size(x, y + 1)
        } else {
            let s = if (dx ^ dy) < 0 { -1 } else { 1 };
            own > size(x - s, y - 1) && own > size(x + s, y + 1)
        }
    };
    let mut found = vec![false; image.len()];
    let mut weak = vec![false; image.len()];
    let mut open = Vec::new();
    for i in 0..image.len() {
        let (x, y) = ((i % width).cast_signed(), (i / width).cast_signed());
        let own = size(x, y);
        if own > GRADIENT[0] && is_peak(i) {
            weak[i] = true;
            if own > GRADIENT[1] {
                found[i] = true;
                open.push(i);
            }
        }
    }
    while let Some(i) = open.pop() {
        let (x, y) = ((i % width).cast_signed(), (i / width).cast_signed());
        for (dx, dy) in (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx, dy))) {
            let (x, y) = (x + dx, y + dy);
            let inside =
                (0..width.cast_signed()).contains(&x) && (0..height.cast_signed()).contains(&y);
            let next = if inside {
                y.cast_unsigned() * width + x.cast_unsigned()
            } else {
                i
            };
            if weak[next] && !found[next] {
                found[next] = true;
                open.push(next);
            }
        }
    }
    found
}

/// Distances to the nearest edge by G. Borgefors' chamfers of 5x5 (1986): 1 straight, 1.4 across,
/// 2.1969 as a knight moves.
fn distances(edges: &[bool], width: usize) -> Vec<f32> {
    const MOVES: [(isize, isize, f32); 8] = [
        (-1, 0, 1.0),
        (0, -1, 1.0),
        (-1, -1, 1.4),
        (1, -1, 1.4),
        (-2, -1, 2.1969),
        (2, -1, 2.1969),
        (-1, -2, 2.1969),
        (1, -2, 2.1969),
    ];
    let n = edges.len();
    let height = n / width;
    let start = |&edge: &bool| if edge { 0.0 } else { f32::MAX };
    let mut distances: Vec<f32> = edges.iter().map(start).collect();
    // From the upper left down, then with all moves turned round.
    for sign in [1, -1] {
        for k in 0..n {
            let i = if sign > 0 { k } else { n - 1 - k };
            let (x, y) = ((i % width).cast_signed(), (i / width).cast_signed());
            let mut least = distances[i];
            for (dx, dy, length) in MOVES {
                let (x, y) = (x + sign * dx, y + sign * dy);
                let inside =
                    (0..width.cast_signed()).contains(&x) && (0..height.cast_signed()).contains(&y);
                if inside {
                    least = least
                        .min(distances[y.cast_unsigned() * width + x.cast_unsigned()] + length);
                }
            }
            distances[i] = least;
        }
    }
    distances
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_from_a_point() {
        let mut edges = vec![false; 49];
        edges[24] = true;
        let distances = distances(&edges, 7);
        assert_eq!(distances[24], 0.0);
        assert_eq!(distances[27], 3.0);
        assert!((distances[16] - 1.4).abs() < 1e-6);
        assert!((distances[3 * 7 + 3 - 7 - 2] - 2.1969).abs() < 1e-6);
    }

    #[test]
    fn the_edge_of_a_square() {
        let image: Vec<u8> = (0..400)
            .map(|i| {
                if (5..15).contains(&(i % 20)) && (5..15).contains(&(i / 20)) {
                    200
                } else {
                    0
                }
            })
            .collect();
        let edges = edges(&image, 20);
        assert!(!edges[0] && !edges[10 * 20 + 10]);
        let row: Vec<usize> = (0..20).filter(|x| edges[10 * 20 + x]).collect();
        assert_eq!(row.len(), 2, "{row:?}");
    }
}
