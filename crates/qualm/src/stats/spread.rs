//! Mean and standard deviation, for numbers repeated over seeds.

/// Mean and standard deviation of some numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The arithmetic mean.
    pub mean: f64,
    /// The sample standard deviation (divided by `n - 1`), or `None` for one number.
    pub sd: Option<f64>,
}

impl Spread {
    /// The spread of `values`, `(n,)`, or `None` when there are none. NaN and infinities
    /// carry through.
    ///
    /// In two passes, so that close values with a large mean do not cancel.
    #[must_use]
    pub fn from_values(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let sd = (values.len() > 1).then(|| {
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            (squares / (n - 1.0)).sqrt()
        });
        Some(Self { mean, sd })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // Off the mean by -8/3, 1/3 and 7/3: squares 114/9, over 2.
        let spread = Spread::from_values(&[1.0, 4.0, 6.0]).unwrap();
        assert!((spread.mean - 11.0 / 3.0).abs() < 1e-15);
        assert!((spread.sd.unwrap() - (19.0_f64 / 3.0).sqrt()).abs() < 1e-15);
        // The mean of squares would lose all digits here.
        let far = Spread::from_values(&[1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0]).unwrap();
        assert_eq!((far.mean, far.sd), (1e9 + 2.0, Some(1.0)));
    }

    #[test]
    fn few_values() {
        assert_eq!(Spread::from_values(&[]), None);
        assert_eq!(
            Spread::from_values(&[2.0]),
            Some(Spread {
                mean: 2.0,
                sd: None
            })
        );
    }
}
