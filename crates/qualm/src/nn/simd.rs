//! Loops over single values, compiled for every instruction set that the processor may
//! have and chosen at run time, and the few functions that such loops need.
//!
//! The functions are polynomials without branches, so that the compiler turns a loop over
//! them into vector instructions. No operation is contracted or reordered: the bits are
//! the same whichever instruction set runs.

/// Running sums of a reduction, and the edge of a tile: one AVX-512 register of float32.
pub(super) const LANES: usize = 16;

/// Runs a loop with the widest vectors of this processor.
///
/// `f` and what it calls must be marked `#[inline(always)]`: what is not inlined is
/// compiled for the oldest processor.
pub(crate) fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(f)
}

/// `2^k` and `e^r - 1` with `x = k ln 2 + r`, `|r| <= ln 2 / 2`; for x from -87 to 0.
#[inline(always)]
fn split(x: f32) -> (f32, f32) {
    // Adding this rounds to an integer, which then stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts: the first has few bits, so that its product with k is exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let k = shifted - ROUND;
    let r = x - k * LN2_HIGH - k * LN2_LOW;
    let scale = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    // Taylor's series; the first term left out is below 1e-8.
    let series = 1.0 / 720.0 + r * (1.0 / 5040.0);
    let series = 1.0 / 24.0 + r * (1.0 / 120.0 + r * series);
    let series = 1.0 / 2.0 + r * (1.0 / 6.0 + r * series);
    (scale, r + r * r * series)
}

/// `e^x` for x of 0 or below, to 2 units in the last place; 0 below -87, where the result
/// would near the smallest float32. NaN stays NaN.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
pub(crate) fn exp_of_negative(x: f32) -> f32 {
    let (scale, e) = split(x);
    if x < -87.0 { 0.0 } else { scale + scale * e }
}

/// The hyperbolic tangent, to 4 units in the last place. NaN stays NaN.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    // From -20 on, e^x - 1 rounds to -1.
    let down = -2.0 * x.abs();
    let down = if down < -20.0 { -20.0 } else { down };
    let (scale, e) = split(down);
    let e = scale * e + (scale - 1.0);
    (-e / (e + 2.0)).copysign(x)
}

/// Sine and cosine of an angle below 1e9 in size, to 1e-7.
#[inline(always)]
pub(crate) fn sin_cos(x: f32) -> (f32, f32) {
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let x = f64::from(x);
    let shifted = x * std::f64::consts::FRAC_2_PI + ROUND;
    let quarters = shifted - ROUND;
    let r = (x - quarters * std::f64::consts::FRAC_PI_2) as f32;
    // Taylor's series over an eighth of a turn to either side.
    let r2 = r * r;
    let sine = -1.0 / 5040.0 + r2 * (1.0 / 362_880.0);
    let sine = r + r * r2 * (-1.0 / 6.0 + r2 * (1.0 / 120.0 + r2 * sine));
    let cosine = -1.0 / 720.0 + r2 * (1.0 / 40_320.0 - r2 * (1.0 / 3_628_800.0));
    let cosine = 1.0 + r2 * (-1.0 / 2.0 + r2 * (1.0 / 24.0 + r2 * cosine));
    let quadrant = shifted.to_bits() as u32;
    let (s, c) = if quadrant & 1 == 0 {
        (sine, cosine)
    } else {
        (cosine, sine)
    };
    let sign = |turned: bool, v: f32| if turned { -v } else { v };
    (
        sign(quadrant & 2 != 0, s),
        sign((quadrant.wrapping_add(1)) & 2 != 0, c),
    )
}

/// A dot product over sixteen running sums, so that it vectorises in a fixed order.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (a_body, a_tail) = a.as_chunks::<LANES>();
    let (b_body, b_tail) = b.as_chunks::<LANES>();
    for (x, y) in a_body.iter().zip(b_body) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let tail: f32 = a_tail.iter().zip(b_tail).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f32>() + tail
}

/// A sum over sixteen running sums, in a fixed order.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
pub(super) fn sum(a: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (body, tail) = a.as_chunks::<LANES>();
    for x in body {
        for lane in 0..LANES {
            sums[lane] += x[lane];
        }
    }
    sums.iter().sum::<f32>() + tail.iter().sum::<f32>()
}

/// Zero for what is smaller than the floor.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
pub(crate) fn flush(x: f32, floor: f32) -> f32 {
    if x.abs() < floor { 0.0 } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `step`-th float32 from 0 to `to`.
    fn floats(to: f32, step: usize) -> impl Iterator<Item = f32> {
        (0..=to.to_bits()).step_by(step).map(f32::from_bits)
    }

    #[test]
    fn exponential_and_tangent_agree_with_float64() {
        for x in floats(87.0, 9973) {
            let expected = f64::from(-x).exp();
            let error = (f64::from(exp_of_negative(-x)) - expected).abs();
            assert!(error <= 2.4e-7 * expected, "exp({})", -x);
        }
        for x in floats(30.0, 9973) {
            let expected = f64::from(x).tanh();
            let error = (f64::from(tanh(x)) - expected).abs();
            assert!(
                error <= 4.8e-7 * expected + 1e-44,
                "tanh({x}) = {}",
                tanh(x)
            );
            assert_eq!(tanh(-x).to_bits(), (-tanh(x)).to_bits());
        }
    }

    #[test]
    fn sine_and_cosine_agree_with_float64() {
        for x in floats(1e9, 19_937).flat_map(|x| [x, -x]) {
            let (sine, cosine) = sin_cos(x);
            let (s, c) = f64::from(x).sin_cos();
            let error = (f64::from(sine) - s)
                .abs()
                .max((f64::from(cosine) - c).abs());
            assert!(error < 2e-7, "{x}: {sine} {cosine}, expected {s} {c}");
        }
    }

    #[test]
    fn the_ends_of_the_range() {
        assert_eq!(exp_of_negative(0.0), 1.0);
        assert_eq!(exp_of_negative(-88.0), 0.0);
        assert_eq!(exp_of_negative(f32::NEG_INFINITY), 0.0);
        assert!(exp_of_negative(f32::NAN).is_nan());
        assert_eq!((tanh(f32::INFINITY), tanh(-1e30)), (1.0, -1.0));
        assert!(tanh(f32::NAN).is_nan());
        assert_eq!(vectorised(|| [0.0f32, -1e30].map(tanh)), [0.0, -1.0]);
    }
}
