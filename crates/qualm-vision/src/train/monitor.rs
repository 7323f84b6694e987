//! Whether outputs have collapsed to one direction.

/// Below this, outputs of a training count as collapsed.
pub const COLLAPSED: f64 = 0.1;

/// The spread of unit rows: the mean standard deviation of their columns, times the root of the
/// width. It is near 1 when directions are spread evenly, and near 0 when all outputs agree (Chen
/// & He, "Exploring Simple Siamese Representation Learning", 2021, section 4.1).
///
/// # Shapes
/// `rows`: `(n, width)`, of any length.
pub(super) fn output_std(rows: &[f32], width: usize) -> f64 {
    let n = (rows.len() / width).max(1) as f64;
    let mut sums = vec![[0.0f64; 2]; width];
    for row in rows.chunks_exact(width) {
        let length = row
            .iter()
            .map(|v| f64::from(*v).powi(2))
            .sum::<f64>()
            .sqrt();
        for ([sum, squares], v) in sums.iter_mut().zip(row) {
            let v = f64::from(*v) / length.max(1e-12);
            *sum += v;
            *squares += v * v;
        }
    }
    let spread = sums.iter().map(|[sum, squares]| {
        let mean = sum / n;
        (squares / n - mean * mean).max(0.0).sqrt()
    });
    spread.sum::<f64>() / (width as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_outputs_are_near_one_and_equal_ones_near_none() {
        let spread = [1.0, 0.0, -2.0, 0.0, 0.0, 3.0, 0.0, -1.0];
        assert!((output_std(&spread, 2) - 1.0).abs() < 1e-12);
        assert!(output_std(&[1.0, 2.0, 2.0, 4.0], 2) < 1e-7);
        assert!(output_std(&[0.0; 4], 2) < COLLAPSED);
    }
}
