//! Noise of a given spectrum.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use super::random::Random;

/// Noise of deviation 1 whose waves have amplitudes by their frequency, in periods of the shorter
/// side, and random phases.
///
/// # Shapes
/// `(height, width)`.
pub(super) fn noise(
    [width, height]: [usize; 2],
    random: &mut Random,
    amplitude: impl Fn(f64) -> f64,
) -> Vec<f32> {
    let side = width.min(height) as f64;
    let mut phases = vec![0.0; width * height];
    random.uniforms(&mut phases, 0.0, std::f32::consts::TAU);
    // Periods of an axis, negative in its upper half, brought to those of the shorter side.
    let periods = |i: usize, n: usize| {
        let signed = if 2 * i >= n {
            i as f64 - n as f64
        } else {
            i as f64
        };
        signed * side / n as f64
    };
    let waves = phases.iter().enumerate().map(|(i, &phase)| {
        let frequency = periods(i % width, width).hypot(periods(i / width, height));
        let (sine, cosine) = phase.sin_cos();
        let amplitude = amplitude(frequency) as f32;
        Complex::new(amplitude * cosine, amplitude * sine)
    });
    let mut waves: Vec<Complex<f32>> = waves.collect();
    let mut planner = FftPlanner::new();
    planner.plan_fft_inverse(width).process(&mut waves);
    let columns = planner.plan_fft_inverse(height);
    let mut turned = vec![Complex::default(); waves.len()];
    for (i, &wave) in waves.iter().enumerate() {
        turned[i % width * height + i / width] = wave;
    }
    columns.process(&mut turned);
    // The real part has the same spectrum as noise of real numbers.
    let mut noise: Vec<f32> = (0..waves.len())
        .map(|i| turned[i % width * height + i / width].re)
        .collect();
    let n = noise.len() as f64;
    let mean = noise.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let square = noise
        .iter()
        .map(|&v| (f64::from(v) - mean).powi(2))
        .sum::<f64>()
        / n;
    let scale = if square > 0.0 {
        (1.0 / square.sqrt()) as f32
    } else {
        0.0
    };
    for v in &mut noise {
        *v *= scale;
    }
    noise
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_frequencies_are_smooth_and_high_ones_rough() {
        let mut random = Random::new(qualm::rng::stream(0, super::super::CORRUPTION, [0, 0]));
        let step = |noise: &[f32]| {
            let pairs = noise.windows(2).map(|w| f64::from(w[1] - w[0]).powi(2));
            pairs.sum::<f64>() / noise.len() as f64
        };
        let blue = noise([40, 30], &mut random, |f| f);
        let brown = noise([40, 30], &mut random, |f| 1.0 / (f * f + 1.0));
        for noise in [&blue, &brown] {
            let square: f64 = noise.iter().map(|&v| f64::from(v).powi(2)).sum();
            // Brown noise has a mean.
            assert!(square / 1200.0 > 0.99);
        }
        assert!(
            step(&blue) > 2.0 && step(&brown) < 0.5,
            "{} {}",
            step(&blue),
            step(&brown)
        );
    }
}
