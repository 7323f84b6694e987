//! `caustic_refraction`: the image seen through moving water.

use super::parameters::Table;
use super::picture::{Scene, cut};
use super::random::Random;
use super::tools::{inside_or_black, radius};
use crate::filter::{Border, Kernel, Room};

/// Tenths of half the side, and of the light: how far the water bends, and how bright it is.
const STRENGTH: Table<f64> =
    Table::small_and_large([1.4, 2.2, 3.0, 3.8, 4.6], [2.35, 3.2, 4.9, 6.6, 9.15]);
/// How much denser water is.
const DENSITY: f64 = 4.0;

pub(super) fn apply(scene: &Scene<'_>, random: &mut Random, out: &mut [u8]) {
    let (width, height) = (scene.width(), scene.height());
    let side = scene.side() as f64;
    let strength = scene.pick(&STRENGTH) * 0.1;
    let (lens, light) = (strength * 0.5 * side, strength * 2.0);
    let time = random.uniform(0.5, 2.0);
    let size = random.uniform(0.75, 1.25) * side;
    let mut water: Vec<f32> = (0..scene.n())
        .map(|i| caustic((i / width) as f64 / size, (i % width) as f64 / size, time) as f32)
        .collect();
    let kernel = Kernel::gaussian(1.0, radius(1.0, 4.0));
    kernel.blur(&mut water, width, Border::Reflect, &mut Room::default());
    let picture = scene.picture();
    let channels = scene.channels();
    let water_at = |x: isize, y: isize| f64::from(inside_or_black(&water, [width, height], x, y));
    for (i, out) in out.chunks_exact_mut(channels).enumerate() {
        let (x, y) = ((i % width).cast_signed(), (i / width).cast_signed());
        let down = water_at(x, y + 1) - water_at(x, y - 1);
        let right = water_at(x + 1, y) - water_at(x - 1, y);
        let [rows, columns] = refracted(down, right).map(|v| v * lens);
        let brighter = 255.0 * (light * (down - right)) as f32;
        let place = [x as f64 + columns, y as f64 + rows].map(|v| v as f32);
        for (out, plane) in out.iter_mut().zip(picture.planes()) {
            *out = cut(inside_only(plane, [width, height], place) + brighter);
        }
    }
}

/// The light at the ground of water: waves that bend waves, from 0 to 1.
fn caustic(x: f64, y: f64, time: f64) -> f64 {
    const INTENSITY: f64 = 0.005;
    let place = [x, y].map(|v| v.rem_euclid(1.0) * std::f64::consts::TAU - 250.0);
    let mut i = place;
    let mut light = 1.0;
    for n in 1..=5 {
        let t = time * (1.0 - 3.5 / f64::from(n));
        i = [
            place[0] + (t - i[0]).cos() + (t + i[1]).sin(),
            place[1] + (t - i[1]).sin() + (t + i[0]).cos(),
        ];
        let length = (place[0] / ((i[0] + t).sin() / INTENSITY))
            .hypot(place[1] / ((i[1] + t).cos() / INTENSITY));
        light += 1.0 / length;
    }
    let light = 1.17 - (light / 5.0).powf(1.4);
    light.abs().powi(8).clamp(0.0, 1.0)
}

/// Where a ray from straight above goes at a surface of some slope, of length 1.
fn refracted(down: f64, right: f64) -> [f64; 2] {
    let length = (down * down + right * right + 1.0).sqrt();
    let cosine = 1.0 / length;
    if cosine >= 1.0 - 1e-3 {
        return [0.0, 0.0];
    }
    // Snell's law: the ray turns towards the surface's own direction, in the plane of both.
    let inside = ((1.0 - cosine * cosine).sqrt() / DENSITY).asin();
    let turned = cosine.acos() - inside;
    let slope = down.hypot(right);
    let side = turned.sin() / slope;
    [down * side, right * side]
}

/// The value between pixels; what lies outside is black.
fn inside_only(plane: &[f32], size: [usize; 2], [x, y]: [f32; 2]) -> f32 {
    let (left, top) = (x.floor(), y.floor());
    let (u, v) = (x - left, y - top);
    let at =
        |dx: isize, dy: isize| inside_or_black(plane, size, left as isize + dx, top as isize + dy);
    let upper = (1.0 - u) * at(0, 0) + u * at(1, 0);
    let lower = (1.0 - u) * at(0, 1) + u * at(1, 1);
    (1.0 - v) * upper + v * lower
}
