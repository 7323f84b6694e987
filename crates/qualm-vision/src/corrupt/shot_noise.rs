//! `shot_noise`: the noise of counted photons, by Poisson's distribution.

use std::sync::OnceLock;

use super::parameters::{ParameterSet, Severity, Table};
use super::picture::Scene;
use super::random::Random;

/// Photons of a white value.
const PHOTONS: Table<u16> = Table {
    cifar: [500, 250, 100, 75, 50],
    tiny: [250, 100, 50, 30, 15],
    imagenet: [60, 25, 12, 5, 3],
};

pub(super) fn apply(scene: &Scene<'_>, random: &mut Random, out: &mut [u8]) {
    let counts = counts(scene.set, scene.severity);
    let mut at = 0;
    random.words_for(out, |out, words| {
        let values = &scene.pixels.values[at..at + out.len()];
        for ((out, &v), &word) in out.iter_mut().zip(values).zip(words) {
            *out = counts.draw(v, word);
        }
        at += out.len();
    });
}

/// The distribution of what becomes of each of the 256 values.
#[derive(Debug)]
struct Counts {
    values: Vec<Count>,
}

#[derive(Debug)]
struct Count {
    /// Of each count from `first` on: 2^32 times the probability that there are at most so many.
    at_most: Vec<u32>,
    /// The value that a count becomes.
    becomes: Vec<u8>,
    /// Where a search begins, by the word's upper eight bits.
    starts: [u16; 256],
}

impl Counts {
    fn new(photons: u16) -> Self {
        Self {
            values: (0..=255).map(|v| Count::new(v, photons)).collect(),
        }
    }

    #[inline]
    fn draw(&self, value: u8, word: u32) -> u8 {
        let count = &self.values[usize::from(value)];
        let mut i = usize::from(count.starts[(word >> 24) as usize]);
        // The last entry is above every word but the largest.
        while i + 1 < count.at_most.len() && word >= count.at_most[i] {
            i += 1;
        }
        count.becomes[i]
    }
}

impl Count {
    fn new(value: u8, photons: u16) -> Self {
        let mean = f64::from(value) / 255.0 * f64::from(photons);
        // The logarithms of n!, so that large means do not underflow.
        let mut factorial = 0.0;
        let mut sum = 0.0;
        let (mut at_most, mut becomes) = (Vec::new(), Vec::new());
        for n in 0..=photons {
            if n > 0 {
                factorial += f64::from(n).ln();
            }
            let log = if mean > 0.0 {
                f64::from(n) * mean.ln() - mean - factorial
            } else if n == 0 {
                0.0
            } else {
                f64::NEG_INFINITY
            };
            sum += log.exp();
            let bound = (sum * 4_294_967_296.0) as u32;
            // Counts that no word reaches are left out below; above white all are white.
            if bound > 0 || n == photons {
                let bound = if n == photons { u32::MAX } else { bound };
                at_most.push(bound);
                becomes.push((f64::from(n) / f64::from(photons) * 255.0) as u8);
            }
            if bound == u32::MAX {
                break;
            }
        }
        let starts = std::array::from_fn(|upper| {
            let word = (upper as u32) << 24;
            at_most
                .partition_point(|&bound| bound <= word)
                .min(at_most.len() - 1) as u16
        });
        Self {
            at_most,
            becomes,
            starts,
        }
    }
}

/// Made once for each set and severity.
fn counts(set: ParameterSet, severity: Severity) -> &'static Counts {
    static MADE: [[OnceLock<Counts>; 5]; 3] = [const { [const { OnceLock::new() }; 5] }; 3];
    let place = &MADE[set as usize][usize::from(severity.get() - 1)];
    place.get_or_init(|| Counts::new(PHOTONS.get(set, severity)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_spread_over_poissons_distribution() {
        for (photons, value) in [(60, 128), (3, 200), (500, 17), (12, 0), (25, 255)] {
            let count = Counts::new(photons);
            let step = 65_537;
            let words = (0..=u32::MAX).step_by(step);
            let n = words.clone().count() as f64;
            let mean = f64::from(value) / 255.0 * f64::from(photons);
            let of = |word| f64::from(count.draw(value, word));
            // Cut off at white and to eight bits as the published code does.
            let (mut expected, mut p, mut n_photons) = (0.0, (-mean).exp(), 0.0);
            while n_photons < 2000.0 {
                let becomes: f64 = n_photons / f64::from(photons) * 255.0;
                expected += p * becomes.min(255.0).floor();
                n_photons += 1.0;
                p *= mean / n_photons;
            }
            let found = words.map(of).sum::<f64>() / n;
            assert!(
                (found - expected).abs() < 0.02,
                "{photons} {value}: {found} {expected}"
            );
        }
    }
}
