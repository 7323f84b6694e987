//! A detector that breaks promises, to see the battery notice.

use qualm::container::{Reader, Writer};
use qualm::detector::{Detector, DetectorSpec, Outcome};
use qualm::fit::Session;
use qualm::{Result, Rows};

/// Scores a row by its place among the rows it comes with.
#[derive(Debug)]
pub(crate) struct RankSpec;

#[derive(Debug)]
struct Rank {
    n_features: usize,
    fitted_rows: usize,
}

impl DetectorSpec for RankSpec {
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    fn memory(&self, _: usize, _: usize) -> u64 {
        0
    }

    fn fit(&self, rows: Rows<'_>, _: &mut Session<'_>) -> Result<Outcome> {
        Ok(Outcome::new(Box::new(Rank {
            n_features: rows.n_cols(),
            fitted_rows: rows.n_rows(),
        })))
    }

    fn restore(&self, n_features: usize, _: &mut Reader) -> Result<Box<dyn Detector>> {
        Ok(Box::new(Rank {
            n_features,
            fitted_rows: 0,
        }))
    }
}

impl Detector for Rank {
    fn n_features(&self) -> usize {
        self.n_features
    }

    fn score_into(&self, rows: Rows<'_>, out: &mut [f64]) -> Result<()> {
        for (i, (row, out)) in rows.iter().zip(out).enumerate() {
            *out = f64::from(row[0]) + (i + self.fitted_rows) as f64;
        }
        Ok(())
    }

    fn save(&self, _: &mut Writer) {}
}
