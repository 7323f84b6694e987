//! The arithmetic of a training run.

use super::choices::BagSize;
use super::spec::DumSpec;
use crate::error::{Error, Result};
use crate::fit::Warning;

/// How many rows fit in a batch, and how many steps there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) bag_size: usize,
    pub(crate) batch_rows: usize,
    pub(crate) steps_per_epoch: u64,
    pub(crate) steps: u64,
}

impl Plan {
    /// # Errors
    /// [`Error::TooFewRows`] when two bags do not fit into the rows.
    pub(crate) fn new(spec: &DumSpec, n_rows: usize) -> Result<Self> {
        let least = match spec.bag_size {
            // A kernel network draws no bags.
            BagSize::Rows(m) if !spec.is_kernel() => 2 * m,
            _ => 4,
        };
        if n_rows < least {
            return Err(Error::TooFewRows {
                found: n_rows,
                expected: least,
                why: "two bags of bag_size rows",
            });
        }
        let batch = spec.batch_size.min(n_rows);
        let bag_size = match spec.bag_size {
            BagSize::Rows(m) => m,
            BagSize::Half => batch / 2,
        };
        let batch_rows = batch / (2 * bag_size) * 2 * bag_size;
        let steps_per_epoch = (n_rows / batch_rows).max(1) as u64;
        let most = if spec.max_steps == 0 {
            u64::MAX
        } else {
            spec.max_steps
        };
        Ok(Self {
            bag_size,
            batch_rows,
            steps_per_epoch,
            steps: spec
                .epochs
                .saturating_mul(steps_per_epoch)
                .max(spec.min_steps)
                .min(most),
        })
    }

    /// What the user should know about this plan.
    pub(crate) fn warning(&self, spec: &DumSpec, n_rows: usize) -> Option<Warning> {
        (n_rows < spec.batch_size).then_some(Warning::SmallBatch {
            n_rows,
            batch_rows: self.batch_rows,
            batch_size: spec.batch_size,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(bag_size: BagSize) -> DumSpec {
        DumSpec {
            bag_size,
            min_steps: 0,
            max_steps: 0,
            ..DumSpec::preset("mlp").unwrap()
        }
    }

    #[test]
    fn batches_are_whole_pairs_of_bags_that_fit_the_rows() {
        let plan = |bag_size, n_rows| Plan::new(&spec(bag_size), n_rows);
        let full = plan(BagSize::Rows(4), 1000).unwrap();
        assert_eq!((full.bag_size, full.batch_rows, full.steps), (4, 256, 90));
        let small = plan(BagSize::Rows(4), 100).unwrap();
        assert_eq!((small.bag_size, small.batch_rows, small.steps), (4, 96, 30));
        let half = plan(BagSize::Half, 223).unwrap();
        assert_eq!((half.bag_size, half.batch_rows), (111, 222));
        assert!(matches!(
            plan(BagSize::Rows(4), 7),
            Err(Error::TooFewRows {
                found: 7,
                expected: 8,
                ..
            })
        ));
    }

    #[test]
    fn the_number_of_steps_is_held_between_its_limits() {
        let mut spec = spec(BagSize::Rows(4));
        spec.min_steps = 500;
        spec.max_steps = 600;
        assert_eq!(Plan::new(&spec, 256).unwrap().steps, 500);
        assert_eq!(Plan::new(&spec, 1_000_000).unwrap().steps, 600);
    }
}
