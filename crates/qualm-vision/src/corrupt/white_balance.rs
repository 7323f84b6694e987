//! `white_balance`: the light warmer or colder than the camera takes it for.

use super::exposure::table;
use super::parameters::Table;
use super::picture::Scene;
use super::random::Random;

/// By how much the light of red and of blue is multiplied and divided.
const CAST: Table<f64> = Table::same([1.15, 1.3, 1.5, 1.8, 2.2]);

pub(super) fn apply(scene: &Scene<'_>, random: &mut Random, out: &mut [u8]) {
    let cast = scene.pick(&CAST);
    let warm = if random.below(2) == 0 {
        cast
    } else {
        1.0 / cast
    };
    if scene.channels() == 1 {
        // Grey that stays grey has no colour to change.
        out.copy_from_slice(scene.pixels.values);
        return;
    }
    let tables = [table(warm), table(1.0), table(1.0 / warm)];
    for (out, pixel) in out
        .chunks_exact_mut(3)
        .zip(scene.pixels.values.chunks_exact(3))
    {
        for ((out, &v), table) in out.iter_mut().zip(pixel).zip(&tables) {
            *out = table[usize::from(v)];
        }
    }
}
