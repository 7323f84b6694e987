//! The distance of two rows, and the product of two vectors.

/// Running sums: eight float64 fill an AVX-512 register, two AVX2 registers.
const LANES: usize = 8;

/// The squared Euclidean distance of two rows, summed in float64 in an order that depends
/// on their width alone.
///
/// # Shapes
/// `a`, `b`: `(d,)`.
///
/// Mark what calls it in a loop `#[inline(always)]` and run it by [`crate::nn::vectorised`].
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
pub(crate) fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0.0f64; LANES];
    let (a_body, a_tail) = a.as_chunks::<LANES>();
    let (b_body, b_tail) = b.as_chunks::<LANES>();
    for (a, b) in a_body.iter().zip(b_body) {
        for lane in 0..LANES {
            let apart = f64::from(a[lane]) - f64::from(b[lane]);
            sums[lane] += apart * apart;
        }
    }
    let tail = a_tail.iter().zip(b_tail);
    let tail: f64 = tail
        .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
        .sum();
    sums.iter().sum::<f64>() + tail
}

/// The product of two vectors, summed in an order that depends on their width alone.
///
/// # Shapes
/// `a`, `b`: `(d,)`. To be called as [`squared_distance`].
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (a_body, a_tail) = a.as_chunks::<LANES>();
    let (b_body, b_tail) = b.as_chunks::<LANES>();
    for (a, b) in a_body.iter().zip(b_body) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let tail: f64 = a_tail.iter().zip(b_tail).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_by_hand_at_every_width() {
        for d in 1..40 {
            let a: Vec<f32> = (0..d).map(|j| j as f32).collect();
            let b = vec![0.5; d];
            let expected: f64 = (0..d).map(|j| (j as f64 - 0.5).powi(2)).sum();
            assert_eq!(squared_distance(&a, &b), expected, "{d} columns");
            let counted: Vec<f64> = a.iter().map(|x| f64::from(*x)).collect();
            let expected = (d * (d - 1)) as f64 / 4.0;
            assert_eq!(dot(&counted, &vec![0.5; d]), expected, "{d} columns");
        }
    }
}
