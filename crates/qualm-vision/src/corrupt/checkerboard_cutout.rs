//! `checkerboard_cutout`: some fields of a turned checkerboard made grey.

use super::parameters::Table;
use super::picture::Scene;
use super::random::Random;

/// Tenths of the fields of one colour that are cut out.
const STRENGTH: Table<f64> =
    Table::small_and_large([1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 3.0, 4.0, 5.0, 6.0]);
/// What is put in their place.
const GREY: u8 = 128;

pub(super) fn apply(scene: &Scene<'_>, random: &mut Random, out: &mut [u8]) {
    let share = scene.pick(&STRENGTH) * 0.1;
    let (sine, cosine) = random.uniform(0.0, std::f64::consts::TAU).sin_cos();
    let field = (random.uniform(0.1, 0.25) * scene.side() as f64).max(1.0);
    let (width, height) = (scene.width(), scene.height());
    // The board reaches a diagonal in all four directions.
    let reach = ((width as f64).hypot(height as f64) / field).ceil() as isize + 1;
    let n = 2 * reach.cast_unsigned() + 1;
    let lost: Vec<bool> = (0..n * n)
        .map(|_| random.uniform(0.0, 1.0) < share)
        .collect();
    out.copy_from_slice(scene.pixels.values);
    for (i, pixel) in out.chunks_exact_mut(scene.channels()).enumerate() {
        let (x, y) = ((i % width) as f64, (i / width) as f64);
        let place = |v: f64| (v / field).floor() as isize;
        let (column, row) = (place(cosine * y + sine * x), place(cosine * x - sine * y));
        let at = (row + reach).cast_unsigned() * n + (column + reach).cast_unsigned();
        if (column + row) % 2 == 0 && lost[at] {
            pixel.fill(GREY);
        }
    }
}
