//! Random numbers by the thousand.

#![expect(clippy::inline_always, reason = "see `vectorised`")]

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::simd::vectorised;

/// Words drawn at a time.
const WORDS: usize = 1024;
/// 2^-32.
const UNIT: f32 = 1.0 / 4_294_967_296.0;

/// The random numbers of one damaged image, in the order in which they are asked for.
#[derive(Debug)]
pub(super) struct Random(ChaCha8Rng);

impl Random {
    pub(super) fn new(rng: ChaCha8Rng) -> Self {
        Self(rng)
    }

    /// A uniform number from `low` to `high`.
    pub(super) fn uniform(&mut self, low: f64, high: f64) -> f64 {
        // 53 bits, as many as float64 holds.
        let unit = (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        low + (high - low) * unit
    }

    /// A whole number below n.
    pub(super) fn below(&mut self, n: usize) -> usize {
        // The bias is below n / 2^64.
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }

    /// 32 random bits.
    pub(super) fn word(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// Random bits for many places; `f` gets some places at a time with as many words.
    pub(super) fn words_for<T>(&mut self, places: &mut [T], mut f: impl FnMut(&mut [T], &[u32])) {
        let mut bytes = [0; 4 * WORDS];
        let mut words = [0; WORDS];
        for places in places.chunks_mut(WORDS) {
            let n = places.len();
            self.0.fill_bytes(&mut bytes[..4 * n]);
            for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *word = u32::from_le_bytes(*bytes);
            }
            f(places, &words[..n]);
        }
    }

    /// Uniform numbers from `low` to `high`.
    pub(super) fn uniforms(&mut self, out: &mut [f32], low: f32, high: f32) {
        let width = (high - low) * UNIT;
        self.words_for(out, |out, words| {
            vectorised(
                #[inline(always)]
                || {
                    for (out, &word) in out.iter_mut().zip(words) {
                        *out = low + width * word as f32;
                    }
                },
            );
        });
    }

    /// Numbers of the normal distribution.
    pub(super) fn normals(&mut self, out: &mut [f32], mean: f32, deviation: f32) {
        let even = out.len() - out.len() % 2;
        let (pairs, last) = out.split_at_mut(even);
        self.words_for(pairs, |out, words| {
            vectorised(
                #[inline(always)]
                || normals(out, words, mean, deviation),
            );
        });
        if let [last] = last {
            *last = mean + deviation * pair(self.word(), self.word()).0;
        }
    }

    /// Changes values, each by a number of the normal distribution of its own.
    pub(super) fn normals_for(
        &mut self,
        values: &[u8],
        out: &mut [u8],
        mean: f32,
        deviation: f32,
        change: impl Fn(u8, f32) -> u8,
    ) {
        let mut numbers = [0.0; WORDS];
        for (values, out) in values.chunks(WORDS).zip(out.chunks_mut(WORDS)) {
            let numbers = &mut numbers[..values.len()];
            self.normals(numbers, mean, deviation);
            vectorised(
                #[inline(always)]
                || {
                    for ((out, &v), &number) in out.iter_mut().zip(values).zip(&*numbers) {
                        *out = change(v, number);
                    }
                },
            );
        }
    }
}

/// Box and Muller's method: two uniform numbers give two normal ones. The first of a pair gives
/// the distance from the mean, up to 6.7 deviations; the second the angle.
#[inline(always)]
fn normals(out: &mut [f32], words: &[u32], mean: f32, deviation: f32) {
    // Both halves of the places, so that loops run over contiguous values.
    let half = out.len() / 2;
    let (first, second) = out.split_at_mut(half);
    let (radii, angles) = words.split_at(half);
    let places = first.iter_mut().zip(second.iter_mut());
    for ((a, b), (&radius, &angle)) in places.zip(radii.iter().zip(angles)) {
        let (x, y) = pair(radius, angle);
        *a = mean + deviation * x;
        *b = mean + deviation * y;
    }
}

#[inline(always)]
fn pair(radius: u32, angle: u32) -> (f32, f32) {
    let radius = (-2.0 * ln_of_unit(radius)).sqrt();
    let (sine, cosine) = sin_cos_of_turn(angle);
    (radius * cosine, radius * sine)
}

/// `ln((word + 1/2) / 2^32)`, to 1e-6.
#[inline(always)]
fn ln_of_unit(word: u32) -> f32 {
    // From 2^-33 to 1.
    let x = (word as f32 + 0.5) * UNIT;
    // x = 2^k m with m from sqrt(1/2) to sqrt(2).
    let bits = x.to_bits().wrapping_sub(0x3f35_04f3);
    let k = (bits.cast_signed() >> 23) as f32;
    let m = f32::from_bits((bits & 0x007f_ffff).wrapping_add(0x3f35_04f3));
    // ln m = 2 atanh(s).
    let s = (m - 1.0) / (m + 1.0);
    let s2 = s * s;
    let series = 2.0 / 7.0 + s2 * (2.0 / 9.0);
    let series = 2.0 + s2 * (2.0 / 3.0 + s2 * (2.0 / 5.0 + s2 * series));
    k * std::f32::consts::LN_2 + s * series
}

/// Sine and cosine of `2 pi word / 2^32`, to 1e-6.
#[inline(always)]
fn sin_cos_of_turn(word: u32) -> (f32, f32) {
    // Eighths of a turn to either side of the nearest quarter.
    let shifted = word.wrapping_add(1 << 29);
    let quadrant = shifted >> 30;
    let rest = (shifted & 0x3fff_ffff).cast_signed() - (1 << 29);
    let r = rest as f32 * (std::f32::consts::TAU * UNIT);
    let r2 = r * r;
    let sine = -1.0 / 5040.0 + r2 * (1.0 / 362_880.0);
    let sine = r + r * r2 * (-1.0 / 6.0 + r2 * (1.0 / 120.0 + r2 * sine));
    let cosine = -1.0 / 720.0 + r2 * (1.0 / 40_320.0);
    let cosine = 1.0 + r2 * (-1.0 / 2.0 + r2 * (1.0 / 24.0 + r2 * cosine));
    let (s, c) = if quadrant & 1 == 0 {
        (sine, cosine)
    } else {
        (cosine, sine)
    };
    let sign = |negative: bool, v: f32| if negative { -v } else { v };
    (
        sign(quadrant & 2 != 0, s),
        sign(quadrant.wrapping_add(1) & 2 != 0, c),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_and_angles_agree_with_float64() {
        for word in (0..=u32::MAX).step_by(99_991).chain([0, 1, u32::MAX]) {
            let expected = ((f64::from(word) + 0.5) / 4_294_967_296.0).ln();
            // The largest words round to 1.
            let error = (f64::from(ln_of_unit(word)) - expected).abs();
            assert!(error < 2e-6 + 1e-6 * expected.abs(), "{word}");
            let angle = f64::from(word) / 4_294_967_296.0 * std::f64::consts::TAU;
            let (s, c) = sin_cos_of_turn(word);
            let error = (f64::from(s) - angle.sin()).abs() + (f64::from(c) - angle.cos()).abs();
            assert!(error < 2e-6, "{word}: {s} {c}");
        }
    }

    #[test]
    fn normal_numbers_have_their_moments() {
        let mut random = Random::new(qualm::rng::stream(3, super::super::CORRUPTION, [0, 0]));
        let mut out = vec![0.0; 400_001];
        random.normals(&mut out, 1.0, 2.0);
        let n = out.len() as f64;
        let moment = |p: i32| {
            let powers = out.iter().map(|&v| ((f64::from(v) - 1.0) / 2.0).powi(p));
            powers.sum::<f64>() / n
        };
        assert!(moment(1).abs() < 0.01, "{}", moment(1));
        assert!((moment(2) - 1.0).abs() < 0.01, "{}", moment(2));
        assert!(moment(3).abs() < 0.03, "{}", moment(3));
        assert!((moment(4) - 3.0).abs() < 0.06, "{}", moment(4));
        // Neighbours have nothing to do with each other.
        let pairs = out
            .windows(2)
            .map(|w| f64::from(w[0] - 1.0) * f64::from(w[1] - 1.0));
        assert!((pairs.sum::<f64>() / n).abs() < 0.03);
    }

    #[test]
    fn few_numbers_are_normal_too() {
        for n in 1..4 {
            let mut random = Random::new(qualm::rng::stream(n, super::super::CORRUPTION, [1, 0]));
            let mut out = vec![9.0; n as usize];
            random.normals(&mut out, 0.0, 1.0);
            assert!(out.iter().all(|v| v.abs() < 7.0));
        }
    }
}
