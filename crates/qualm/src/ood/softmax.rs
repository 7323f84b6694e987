//! Logits as probabilities, in float64 and without overflow.

/// `log(sum_j exp(l_j / T))`.
pub(super) fn log_sum_exp(logits: &[f32], temperature: f64) -> f64 {
    let scaled = logits.iter().map(|l| f64::from(*l) / temperature);
    let largest = scaled.clone().fold(f64::NEG_INFINITY, f64::max);
    largest + scaled.map(|l| (l - largest).exp()).sum::<f64>().ln()
}

/// The probability of each class, and that of all others, `(c,)` each.
///
/// Where one class has nearly all of the probability, what the others have is not lost in
/// `1 - p`.
pub(super) fn probabilities(logits: &[f32], temperature: f64) -> Vec<(f64, f64)> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights = logits
        .iter()
        .map(|l| ((f64::from(*l) - f64::from(largest)) / temperature).exp());
    let weights: Vec<f64> = weights.collect();
    let sum: f64 = weights.iter().sum();
    // The largest weight is 1; its place is the first that has it.
    let top = logits.iter().position(|l| *l >= largest).unwrap_or(0);
    let others = weights.iter().enumerate().filter(|(j, _)| *j != top);
    let others: f64 = others.map(|(_, w)| w).sum();
    let parts = weights.iter().enumerate().map(|(j, w)| {
        let p = w / sum;
        (p, if j == top { others / sum } else { 1.0 - p })
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_and_their_rest_by_hand() {
        let ln = |x: f64| x.ln() as f32;
        let parts = probabilities(&[ln(1.0), ln(6.0), ln(3.0)], 1.0);
        for ((p, rest), expected) in parts.iter().zip([0.1, 0.6, 0.3]) {
            assert!((p - expected).abs() < 1e-7 && (p + rest - 1.0).abs() < 1e-15);
        }
        assert!((log_sum_exp(&[ln(1.0), ln(6.0), ln(3.0)], 1.0) - 10f64.ln()).abs() < 1e-7);
        // Half the logits, the root of each weight.
        let soft = log_sum_exp(&[0.0, 2.0], 2.0);
        assert!((soft - (1.0 + 1f64.exp()).ln()).abs() < 1e-12);
    }

    #[test]
    fn a_sure_classifier_is_not_rounded_and_large_logits_do_not_overflow() {
        let parts = probabilities(&[100.0, 0.0], 1.0);
        assert!((parts[0].1 - (-100f64).exp()).abs() < 1e-50);
        assert_eq!(log_sum_exp(&[3e38, -3e38], 1.0), f64::from(3e38_f32));
        // The largest value twice: each has half.
        assert_eq!(probabilities(&[7.0, 7.0], 1.0), [(0.5, 0.5); 2]);
    }
}
