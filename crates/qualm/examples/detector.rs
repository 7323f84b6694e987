//! How a detector is written: hyper-parameters that fit, a fitted detector that scores and saves
//! itself, and the contract that it is held against. `cargo run --example detector`.
//!
//! Distance to the mean, `s(x) = |x - m|`, is not worth shipping, but is all that one needs: with a
//! line in the table of `spec.rs`, a row in the battery and a golden it would be one of the
//! detectors of `Spec`.

use qualm::container::{Reader, Writer};
use qualm::contract::{check_detector, rows_above_planted_outlier};
use qualm::detector::{Detector, DetectorSpec, Outcome};
use qualm::fit::Session;
use qualm::{Error, Result, Rows};

/// Hyper-parameters: there is one.
#[derive(Debug)]
pub struct MeanDistanceSpec {
    /// The exponent p of the distance `(sum |x_j - m_j|^p)^(1/p)`, at least 1.
    pub p: f64,
}

/// The mean of the fitted rows, `(d,)`.
#[derive(Debug)]
struct MeanDistance {
    mean: Vec<f32>,
    p: f64,
}

impl DetectorSpec for MeanDistanceSpec {
    fn validate(&self) -> Result<()> {
        if self.p.is_finite() && self.p >= 1.0 {
            return Ok(());
        }
        Err(Error::InvalidKey {
            key: "p",
            value: self.p.to_string(),
            expected: "a finite number, at least 1",
        })
    }

    fn memory(&self, _: usize, n_features: usize) -> u64 {
        4 * n_features as u64
    }

    fn fit(&self, rows: Rows<'_>, _: &mut Session<'_>) -> Result<Outcome> {
        let n = rows.n_rows() as f64;
        let sum = |j: usize| rows.iter().map(|row| f64::from(row[j])).sum::<f64>();
        let mean = (0..rows.n_cols()).map(|j| (sum(j) / n) as f32).collect();
        Ok(Outcome::new(Box::new(MeanDistance { mean, p: self.p })))
    }

    fn restore(&self, n_features: usize, reader: &mut Reader) -> Result<Box<dyn Detector>> {
        Ok(Box::new(MeanDistance {
            mean: reader.f32("mean", &[n_features])?,
            p: self.p,
        }))
    }
}

impl Detector for MeanDistance {
    fn n_features(&self) -> usize {
        self.mean.len()
    }

    fn score_into(&self, rows: Rows<'_>, out: &mut [f64]) -> Result<()> {
        for (row, out) in rows.iter().zip(out) {
            let apart = row.iter().zip(&self.mean).map(|(x, m)| f64::from(x - m));
            let sum: f64 = apart.map(|x| x.abs().powf(self.p)).sum();
            *out = sum.powf(1.0 / self.p);
        }
        Ok(())
    }

    fn save(&self, writer: &mut Writer) {
        writer.f32("mean", &[self.mean.len()], &self.mean);
    }
}

/// Holds the detector against the contract.
///
/// # Errors
/// What is broken.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    let spec = MeanDistanceSpec { p: 2.0 };
    check_detector(&spec)?;
    let above = rows_above_planted_outlier(&spec, 0)?;
    if above > 0 {
        return Err(format!("{above} rows score higher than the planted outlier").into());
    }
    Ok(())
}
