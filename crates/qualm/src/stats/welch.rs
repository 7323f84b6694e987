//! Welch's test of two means.

use statrs::function::beta::ln_beta;

/// Whether two samples have the same mean (B. L. Welch, *The generalization of "Student's" problem
/// when several different population variances are involved*, Biometrika 1947), and how far apart
/// they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Welch {
    /// The difference of the means, second less first, by its standard error.
    pub t: f64,
    /// Degrees of freedom (Welch and Satterthwaite).
    pub degrees: f64,
    /// The two-sided p-value; 0 where it is below the smallest float64.
    pub p: f64,
    /// Its decimal logarithm, which never underflows.
    pub log10_p: f64,
    /// The difference of the means by the deviation within the samples (J. Cohen, *Statistical power
    /// analysis for the behavioral sciences*, 1988, with the variances pooled).
    pub cohens_d: f64,
}

impl Welch {
    /// Compares two samples. `None` with fewer than two values in one, or where neither varies.
    ///
    /// ```
    /// use qualm::stats::Welch;
    ///
    /// let test = Welch::of(&[1.0, 2.0, 3.0], &[5.0, 6.0, 7.5]).unwrap();
    /// assert!(test.t > 0.0 && test.p < 0.05);
    /// ```
    #[must_use]
    pub fn of(first: &[f64], second: &[f64]) -> Option<Self> {
        if first.len() < 2 || second.len() < 2 {
            return None;
        }
        let [(n, mean, variance), (m, other, spread)] = [first, second].map(moments);
        let (share, rest) = (variance / n, spread / m);
        let square = share + rest;
        if square.is_nan() || square <= 0.0 {
            return None;
        }
        let t = (other - mean) / square.sqrt();
        let degrees = square * square / (share * share / (n - 1.0) + rest * rest / (m - 1.0));
        let ln_p = ln_p_value(t, degrees);
        let pooled = ((n - 1.0) * variance + (m - 1.0) * spread) / (n + m - 2.0);
        Some(Self {
            t,
            degrees,
            p: ln_p.exp(),
            log10_p: ln_p / std::f64::consts::LN_10,
            cohens_d: (other - mean) / pooled.sqrt(),
        })
    }
}

/// Number, mean, and variance about it.
fn moments(values: &[f64]) -> (f64, f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
    (n, mean, squares / (n - 1.0))
}

/// The logarithm of the probability that Student's t is as far from 0: the regularised incomplete
/// beta function `I_x(degrees / 2, 1/2)` at `x = degrees / (degrees + t^2)`.
fn ln_p_value(t: f64, degrees: f64) -> f64 {
    let square = t * t;
    let (a, b) = (0.5 * degrees, 0.5);
    let x = degrees / (degrees + square);
    // Not 1 - x, which is 0 for small t.
    let rest = square / (degrees + square);
    if rest <= 0.0 {
        return 0.0;
    }
    // ln x, exact also where x is near 1.
    let ln_x = -(square / degrees).ln_1p();
    let front = a * ln_x + b * rest.ln() - ln_beta(a, b);
    if x < (a + 1.0) / (a + b + 2.0) {
        front - a.ln() + fraction(a, b, x).ln()
    } else {
        // The other tail is the small one.
        (-(front.exp() * fraction(b, a, rest) / b)).ln_1p()
    }
}

/// The continued fraction of the incomplete beta function (Abramowitz and Stegun, 26.5.8), by
/// Lentz's method.
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    const TERMS: u32 = 10_000;
    let safe = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut numerator = 1.0;
    let mut denominator = 1.0 / safe(1.0 - (a + b) * x / (a + 1.0));
    let mut value = denominator;
    for i in 1..TERMS {
        let m = f64::from(i);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for term in [even, odd] {
            denominator = 1.0 / safe(1.0 + term * denominator);
            numerator = safe(1.0 + term / numerator);
            change = numerator * denominator;
            value *= change;
        }
        if (change - 1.0).abs() < 1e-15 {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_as_scipy() {
        // scipy.stats.ttest_ind(a, b, equal_var=False), 1.17.
        let a = [1.0, 2.5, 3.0, 4.5, 2.2];
        let b = [2.0, 5.5, 7.0, 4.0, 6.5, 9.0];
        let test = Welch::of(&a, &b).unwrap();
        assert!((test.t - 2.635_329_231_109_869_5).abs() < 1e-12);
        assert!((test.p - 0.030_714_954_517_942_598).abs() < 1e-12);
        assert!((test.degrees - 7.762_973_244_904_476).abs() < 1e-12);
        assert!((test.log10_p - test.p.log10()).abs() < 1e-12);
    }

    #[test]
    fn p_values_from_one_to_far_below_float64() {
        // The first four by scipy's logsf, the rest by mpmath with 60 digits.
        for (t, degrees, expected) in [
            (0.1, 5.0, -0.034_219_872_298_923_91),
            (2.0, 7.3, -1.076_025_657_780_337_3),
            (5.0, 30.0, -4.632_705_863_771_616_5),
            (-12.0, 100.0, -20.357_032_453_008_22),
            (40.0, 5000.0, -303.074_953_596_835),
            (80.0, 9000.0, -1_051.636_541_987_63),
            (300.0, 20_000.0, -7_405.831_905_044_48),
        ] {
            let found = ln_p_value(t, degrees) / std::f64::consts::LN_10;
            assert!(
                (found - expected).abs() < 1e-9 * expected.abs().max(1.0),
                "{t}: {found}"
            );
        }
        assert_eq!(ln_p_value(0.0, 10.0), 0.0);
    }

    #[test]
    fn what_cannot_be_compared() {
        assert_eq!(Welch::of(&[1.0], &[1.0, 2.0]), None);
        assert_eq!(Welch::of(&[1.0, 1.0], &[2.0, 2.0]), None);
        assert!(Welch::of(&[1.0, 1.0], &[2.0, 3.0]).is_some());
    }
}
