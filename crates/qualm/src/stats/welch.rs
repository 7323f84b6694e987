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
        Self::of_moments([first, second].map(Moments::of))
    }

    /// The same of samples that are known by their moments.
    #[must_use]
    pub fn of_moments([first, second]: [Moments; 2]) -> Option<Self> {
        if first.n < 2 || second.n < 2 {
            return None;
        }
        let (n, mean, variance) = (first.n as f64, first.mean, first.variance());
        let (m, other, spread) = (second.n as f64, second.mean, second.variance());
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

/// Number, mean and sum of squares about it, value after value (B. P. Welford, *Note on a method for
/// calculating corrected sums of squares and products*, Technometrics 1962).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moments {
    /// Values.
    pub n: u64,
    /// Their mean; 0 where there are none.
    pub mean: f64,
    /// The sum of their squared distances from it.
    squares: f64,
}

impl Moments {
    /// Of some values.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = if values.is_empty() {
            0.0
        } else {
            values.iter().sum::<f64>() / n
        };
        Self {
            n: values.len() as u64,
            mean,
            squares: values.iter().map(|v| (v - mean).powi(2)).sum(),
        }
    }

    /// Takes one more value.
    pub fn add(&mut self, value: f64) {
        self.n += 1;
        let before = value - self.mean;
        self.mean += before / self.n as f64;
        self.squares += before * (value - self.mean);
    }

    /// The variance, with one value fewer as divisor; NaN of fewer than two.
    #[must_use]
    pub fn variance(&self) -> f64 {
        if self.n < 2 {
            return f64::NAN;
        }
        self.squares / (self.n - 1) as f64
    }
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
    fn moments_one_by_one_are_those_of_all() {
        let values: Vec<f64> = (0..100).map(|i| 1e6 + f64::from(i * 37 % 101)).collect();
        let mut moments = Moments::default();
        for value in &values {
            moments.add(*value);
        }
        let all = Moments::of(&values);
        assert_eq!(moments.n, 100);
        assert!((moments.mean - all.mean).abs() < 1e-9);
        assert!((moments.variance() - all.variance()).abs() < 1e-9 * all.variance());
        assert!(Moments::of(&[1.0]).variance().is_nan());
    }

    #[test]
    fn what_cannot_be_compared() {
        assert_eq!(Welch::of(&[1.0], &[1.0, 2.0]), None);
        assert_eq!(Welch::of(&[1.0, 1.0], &[2.0, 2.0]), None);
        assert!(Welch::of(&[1.0, 1.0], &[2.0, 3.0]).is_some());
    }
}
