//! The cosine transform of JPEG there and back, in whole numbers, sixteen blocks at once.
//!
//! C. Loeffler, A. Ligtenberg and G. Moschytz, *Practical fast 1-D DCT algorithms with 11
//! multiplications* (ICASSP 1989), with the fixed point, the order of passes and the roundings of
//! libjpeg's `islow` (13 bits for constants, 2 more bits between both passes), which Pillow uses:
//! the same numbers to the bit.

#![expect(clippy::inline_always, reason = "see `vectorised`")]

/// Side of a block.
pub(super) const SIDE: usize = 8;
/// Blocks of a tile.
pub(super) const BLOCKS: usize = 16;
/// Values of a line of a tile.
const LANES: usize = SIDE * BLOCKS;

/// Blocks beside each other: line y holds row y of each, one block after another.
pub(super) type Tile<T = u8> = [[T; LANES]; SIDE];

/// Bits of the constants' fractions.
const BITS: u32 = 13;
/// Bits of fraction kept between both passes.
const KEPT: u32 = 2;

// The constants of the method, times 2^13.
const C0_298: i32 = 2446;
const C0_390: i32 = 3196;
const C0_541: i32 = 4433;
const C0_765: i32 = 6270;
const C0_899: i32 = 7373;
const C1_175: i32 = 9633;
const C1_501: i32 = 12299;
const C1_847: i32 = 15137;
const C1_961: i32 = 16069;
const C2_053: i32 = 16819;
const C2_562: i32 = 20995;
const C3_072: i32 = 25172;

/// What coefficients are divided by and rounded, for each place of a line.
#[derive(Debug)]
pub(super) struct Steps {
    /// 1 / (8 step): the transform makes values eight times as large.
    shares: [[f32; LANES]; SIDE],
    steps: [[i16; LANES]; SIDE],
}

impl Steps {
    /// Of a table of 8 x 8 steps, from 1 to 255.
    pub(super) fn new(table: &[[u8; SIDE]; SIDE]) -> Self {
        let mut shares = [[0.0; LANES]; SIDE];
        let mut steps = [[0; LANES]; SIDE];
        for ((shares, steps), row) in shares.iter_mut().zip(&mut steps).zip(table) {
            let row_shares = row.map(|step| 0.125 / f32::from(step));
            for to in shares.as_chunks_mut().0 {
                *to = row_shares;
            }
            for to in steps.as_chunks_mut().0 {
                *to = row.map(i16::from);
            }
        }
        Self { shares, steps }
    }
}

// Loops and no `array::map` below: what that calls is not inlined, and is then compiled for the
// oldest processor.

/// What rounding to the steps leaves of blocks of values.
#[inline(always)]
pub(super) fn round_trip(tile: &mut Tile, steps: &Steps) {
    // Each pass needs the places that it combines in lines of their own.
    let mut bytes = unzipped(&unzipped(&unzipped(tile)));
    let mut turned = [[0i16; LANES]; SIDE];
    for i in 0..LANES {
        // Around 0.
        let mut values = gathered(&bytes, i);
        for v in &mut values {
            *v -= 128;
        }
        let values = forward(
            values,
            BITS - KEPT,
            #[inline(always)]
            |even| even << KEPT,
        );
        scattered(&mut turned, i, values);
    }
    let mut upright = zipped(&zipped(&zipped(&turned)));
    columns(&mut upright, steps);
    let turned = unzipped(&unzipped(&unzipped(&upright)));
    for i in 0..LANES {
        let mut values = backward(gathered(&turned, i), BITS + KEPT + 3);
        for v in &mut values {
            *v = (*v + 128).clamp(0, 255);
        }
        let [a, b, c, d, e, f, g, h] = values;
        let t = &mut bytes;
        (t[0][i], t[1][i], t[2][i], t[3][i]) = (a as u8, b as u8, c as u8, d as u8);
        (t[4][i], t[5][i], t[6][i], t[7][i]) = (e as u8, f as u8, g as u8, h as u8);
    }
    *tile = zipped(&zipped(&zipped(&bytes)));
}

/// Both passes down the columns, with the rounding between them.
#[inline(always)]
fn columns(tile: &mut Tile<i16>, steps: &Steps) {
    for i in 0..LANES {
        let values = gathered(tile, i);
        let mut values = forward(
            values,
            BITS + KEPT,
            #[inline(always)]
            |even| descaled(even, KEPT),
        );
        for (k, v) in values.iter_mut().enumerate() {
            *v = rounded(*v, steps.shares[k][i]) * i32::from(steps.steps[k][i]);
        }
        scattered(tile, i, backward(values, BITS - KEPT));
    }
}

#[inline(always)]
fn gathered<T: Copy + Into<i32>>(t: &Tile<T>, i: usize) -> [i32; SIDE] {
    // Written out, so that the loops around it are those that become vectors.
    let [a, b, c, d] = [t[0][i], t[1][i], t[2][i], t[3][i]];
    let [e, f, g, h] = [t[4][i], t[5][i], t[6][i], t[7][i]];
    [
        a.into(),
        b.into(),
        c.into(),
        d.into(),
        e.into(),
        f.into(),
        g.into(),
        h.into(),
    ]
}

#[inline(always)]
fn scattered(t: &mut Tile<i16>, i: usize, values: [i32; SIDE]) {
    let [a, b, c, d, e, f, g, h] = values;
    (t[0][i], t[1][i], t[2][i], t[3][i]) = (a as i16, b as i16, c as i16, d as i16);
    (t[4][i], t[5][i], t[6][i], t[7][i]) = (e as i16, f as i16, g as i16, h as i16);
}

/// The nearest whole number to `v share`, halves away from 0.
#[inline(always)]
fn rounded(v: i32, share: f32) -> i32 {
    // Adding this leaves no place for a fraction, and the number in the lower bits.
    const ROUND: f32 = 12_582_912.0;
    // Half a unit of v decides halves; no other quotient comes so near to one.
    let v = v as f32;
    let v = v + 0.5f32.copysign(v);
    (v * share + ROUND)
        .to_bits()
        .wrapping_sub(ROUND.to_bits())
        .cast_signed()
}

/// Without the lowest bits, to the nearest.
#[inline(always)]
fn descaled(v: i32, bits: u32) -> i32 {
    (v + (1 << (bits - 1))) >> bits
}

/// One pass of the transform: values to frequencies. `whole` scales what has no fraction.
#[inline(always)]
fn forward(d: [i32; SIDE], bits: u32, whole: impl Fn(i32) -> i32) -> [i32; SIDE] {
    let (s0, s1, s2, s3) = (d[0] + d[7], d[1] + d[6], d[2] + d[5], d[3] + d[4]);
    let (d4, d5, d6, d7) = (d[3] - d[4], d[2] - d[5], d[1] - d[6], d[0] - d[7]);
    let (e0, e1, e2, e3) = (s0 + s3, s1 + s2, s1 - s2, s0 - s3);
    let z = (e2 + e3) * C0_541;
    let (two, six) = (z + e3 * C0_765, z - e2 * C1_847);
    let [one, three, five, seven] = odd([d4, d5, d6, d7]);
    [
        whole(e0 + e1),
        descaled(one, bits),
        descaled(two, bits),
        descaled(three, bits),
        whole(e0 - e1),
        descaled(five, bits),
        descaled(six, bits),
        descaled(seven, bits),
    ]
}

/// One pass of the inverse: frequencies to values.
#[inline(always)]
fn backward(f: [i32; SIDE], bits: u32) -> [i32; SIDE] {
    let z = (f[2] + f[6]) * C0_541;
    let (t2, t3) = (z - f[6] * C1_847, z + f[2] * C0_765);
    let (t0, t1) = ((f[0] + f[4]) << BITS, (f[0] - f[4]) << BITS);
    let (e0, e1, e2, e3) = (t0 + t3, t1 + t2, t1 - t2, t0 - t3);
    let [o0, o1, o2, o3] = odd([f[7], f[5], f[3], f[1]]);
    [
        descaled(e0 + o0, bits),
        descaled(e1 + o1, bits),
        descaled(e2 + o2, bits),
        descaled(e3 + o3, bits),
        descaled(e3 - o3, bits),
        descaled(e2 - o2, bits),
        descaled(e1 - o1, bits),
        descaled(e0 - o0, bits),
    ]
}

/// The odd half, which is the same both ways; the first of the result is what belongs to the last
/// of the values.
#[inline(always)]
fn odd([a, b, c, d]: [i32; 4]) -> [i32; 4] {
    let z5 = (a + b + c + d) * C1_175;
    let (z1, z2) = ((a + d) * -C0_899, (b + c) * -C2_562);
    let (z3, z4) = (z5 - (a + c) * C1_961, z5 - (b + d) * C0_390);
    [
        d * C1_501 + z1 + z4,
        c * C3_072 + z2 + z3,
        b * C2_053 + z2 + z4,
        a * C0_298 + z1 + z3,
    ]
}

/// The first half of all values and the second in turns. Three times make of (row, block, column)
/// the order (block, column, row), then (column, row, block) and back.
#[inline(always)]
fn zipped<T: Copy + Default>(from: &Tile<T>) -> Tile<T> {
    let mut to = [[T::default(); LANES]; SIDE];
    let (first, second) = from.as_flattened().split_at(LANES * SIDE / 2);
    let pairs = to.as_flattened_mut().as_chunks_mut::<2>().0;
    for ((pair, a), b) in pairs.iter_mut().zip(first).zip(second) {
        *pair = [*a, *b];
    }
    to
}

/// The other way round.
#[inline(always)]
fn unzipped<T: Copy + Default>(from: &Tile<T>) -> Tile<T> {
    let mut to = [[T::default(); LANES]; SIDE];
    let (first, second) = to.as_flattened_mut().split_at_mut(LANES * SIDE / 2);
    let pairs = from.as_flattened().as_chunks::<2>().0;
    for ((a, b), pair) in first.iter_mut().zip(second).zip(pairs) {
        (*a, *b) = (pair[0], pair[1]);
    }
    to
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of noise, of edges and of one value.
    fn tile() -> Tile {
        std::array::from_fn(|y| {
            std::array::from_fn(|i| match (i / SIDE) % 3 {
                0 => (y * 131 + i * 7919) as u8,
                1 => 100 * u8::from(i % SIDE + y > 8) + 78,
                _ => 51,
            })
        })
    }

    #[test]
    fn rounds_as_the_definition_does() {
        for step in [1u8, 3, 16, 99] {
            let mut found = tile();
            round_trip(&mut found, &Steps::new(&[[step; SIDE]; SIDE]));
            for block in 0..BLOCKS {
                let of = |tile: &Tile| -> [[f64; SIDE]; SIDE] {
                    std::array::from_fn(|y| {
                        std::array::from_fn(|x| f64::from(tile[y][block * SIDE + x]) - 128.0)
                    })
                };
                let frequencies = product(&of(&tile()), false);
                let step = f64::from(step);
                let kept = frequencies.map(|row| row.map(|v| (v / step).round() * step));
                // Bytes end where they end.
                let expected = product(&kept, true).map(|row| row.map(|v| v.clamp(-128.0, 127.0)));
                let found = of(&found);
                let distance =
                    (0..64).map(|i| (found[i / 8][i % 8] - expected[i / 8][i % 8]).abs());
                // A coefficient at a half may be rounded the other way, which moves pixels by at most
                // an eighth of a step on average. Golden files hold the bytes to those of Pillow.
                let distance = distance.sum::<f64>() / 64.0;
                assert!(distance < 0.35 + step / 8.0, "{step} {block}: {distance}");
            }
        }
    }

    /// The transform by its definition, or its inverse.
    fn product(values: &[[f64; SIDE]; SIDE], inverse: bool) -> [[f64; SIDE]; SIDE] {
        let cosine = |u: usize, x: usize| {
            let scale = if u == 0 { 0.125f64.sqrt() } else { 0.5 };
            scale * (std::f64::consts::PI * u as f64 * (2 * x + 1) as f64 / 16.0).cos()
        };
        let weight = |to: usize, from: usize| {
            if inverse {
                cosine(from, to)
            } else {
                cosine(to, from)
            }
        };
        std::array::from_fn(|i| {
            std::array::from_fn(|j| {
                let terms =
                    (0..64).map(|k| weight(i, k / 8) * weight(j, k % 8) * values[k / 8][k % 8]);
                terms.sum()
            })
        })
    }

    #[test]
    fn halves_are_rounded_away_from_zero() {
        for step in 1..=255 {
            let share = 0.125 / step as f32;
            for v in -2040..=2040 {
                let (size, divisor) = (i32::abs(v), 8 * step);
                let expected = (size + divisor / 2) / divisor * v.signum();
                assert_eq!(rounded(v, share), expected, "{v} / {divisor}");
            }
        }
    }
}
