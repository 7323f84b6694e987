//! Many tests at once: which of them to believe.

/// The p-values, adjusted by S. Holm's step-down method (*A simple sequentially rejective multiple test
/// procedure*, Scandinavian Journal of Statistics, 1979): those at most alpha are rejected with a
/// probability of any false rejection of at most alpha, whatever the dependence.
///
/// ```
/// use qualm::monitor::holm;
///
/// assert_eq!(holm(&[0.01, 0.04, 0.5]), [0.03, 0.08, 0.5]);
/// ```
#[must_use]
pub fn holm(p: &[f64]) -> Vec<f64> {
    let order = ascending(p);
    let mut adjusted = vec![0.0; p.len()];
    let mut highest: f64 = 0.0;
    for (rank, i) in order.into_iter().enumerate() {
        highest = highest.max((p.len() - rank) as f64 * p[i]).min(1.0);
        adjusted[i] = highest;
    }
    adjusted
}

/// The p-values, adjusted by Y. Benjamini's and Y. Hochberg's step-up method (*Controlling the false
/// discovery rate*, Journal of the Royal Statistical Society B, 1995): of those at most alpha, a share of
/// at most alpha is false on average, if the tests are independent.
///
/// ```
/// use qualm::monitor::benjamini_hochberg;
///
/// assert_eq!(benjamini_hochberg(&[0.01, 0.04, 0.5]), [0.03, 0.06, 0.5]);
/// ```
#[must_use]
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let order = ascending(p);
    let mut adjusted = vec![0.0; p.len()];
    let mut lowest: f64 = 1.0;
    for (rank, i) in order.into_iter().enumerate().rev() {
        lowest = lowest.min(p.len() as f64 / (rank + 1) as f64 * p[i]);
        adjusted[i] = lowest;
    }
    adjusted
}

/// Which e-values to believe by R. Wang and A. Ramdas (*False discovery rate control with e-values*,
/// Journal of the Royal Statistical Society B, 2022): of those, a share of at most alpha is false on
/// average, whatever the dependence. The evidence of [`super::Guarantee::Ever`] is an e-value.
///
/// # Shapes
/// `log10_e`: `(n,)`, decimal logarithms.
#[must_use]
pub fn e_benjamini_hochberg(log10_e: &[f64], alpha: f64) -> Vec<bool> {
    let n = log10_e.len() as f64;
    let mut order: Vec<usize> = (0..log10_e.len()).collect();
    order.sort_by(|&a, &b| log10_e[b].total_cmp(&log10_e[a]));
    let needed = |k: usize| (n / (alpha * k as f64)).log10();
    let n_believed = (1..=order.len())
        .rev()
        .find(|&k| order.get(k - 1).is_some_and(|&i| log10_e[i] >= needed(k)));
    let mut believed = vec![false; log10_e.len()];
    for i in order.into_iter().take(n_believed.unwrap_or(0)) {
        believed[i] = true;
    }
    believed
}

fn ascending(p: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_as_statsmodels() {
        // statsmodels.stats.multitest.multipletests, 0.14, methods holm and fdr_bh.
        let p = [0.001, 0.8, 0.02, 0.04, 0.03, 0.01];
        let close = |found: Vec<f64>, expected: [f64; 6]| {
            for (a, b) in found.iter().zip(expected) {
                assert!((a - b).abs() < 1e-12, "{found:?}");
            }
        };
        close(holm(&p), [0.006, 0.8, 0.08, 0.09, 0.09, 0.05]);
        close(
            benjamini_hochberg(&p),
            [0.006, 0.8, 0.04, 0.048, 0.045, 0.03],
        );
        assert!(holm(&[]).is_empty() && benjamini_hochberg(&[]).is_empty());
    }

    #[test]
    fn e_values_by_hand() {
        // Of four, k = 2 needs 4 / (0.05 x 2) = 40.
        let log10 = [50.0_f64, 1.0, 40.0, 2.0].map(f64::log10);
        assert_eq!(
            e_benjamini_hochberg(&log10, 0.05),
            [true, false, true, false]
        );
        let log10 = [50.0_f64, 1.0, 39.0, 2.0].map(f64::log10);
        assert_eq!(e_benjamini_hochberg(&log10, 0.05), [false; 4]);
        assert!(e_benjamini_hochberg(&[], 0.05).is_empty());
    }
}
