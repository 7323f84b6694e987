//! Losses of encoders in training, with their gradients, in float32.
//!
//! Each takes what a head gives for a batch, row after row, and writes the gradient of the mean
//! loss by it. Those that compare directions scale the rows to unit length themselves, and take
//! the gradient back through the scaling. Products are matrix products; sums run in an order that
//! does not depend on the number of threads.

mod byol;
mod cross_entropy;
mod info_nce;
mod nt_xent;
mod units;

pub use byol::ByolLoss;
pub use cross_entropy::cross_entropy;
pub use info_nce::{InfoNce, KeyQueue};
pub use nt_xent::NtXent;

use super::simd::{exp_of_negative, sum, vectorised};
use crate::error::{Error, Result};

/// How many rows of a width there are.
///
/// # Errors
/// [`Error::Shape`] when they are not whole, or none.
fn n_rows(values: &[f32], width: usize) -> Result<usize> {
    let n_cols = width;
    let len = values.len();
    if width == 0 || len == 0 || !len.is_multiple_of(width) {
        return Err(Error::Shape { len, n_cols });
    }
    Ok(len / width)
}

/// Refuses values that are not as many as others with which they are compared.
///
/// # Errors
/// [`Error::Shape`].
fn same_len(values: &[f32], other: &[f32], width: usize) -> Result<()> {
    if values.len() == other.len() {
        return Ok(());
    }
    Err(Error::Shape {
        len: other.len(),
        n_cols: width,
    })
}

/// Multiplies logits and returns the logarithm of the sum of their exponentials, from which the
/// largest is taken first so that none overflows. A logit of minus infinity does not count.
fn scaled_log_sum_exp(logits: &mut [f32], scale: f32, also: f32) -> f32 {
    vectorised(
        #[inline(always)]
        || {
            let mut largest = also;
            for logit in logits.iter_mut() {
                *logit *= scale;
                largest = largest.max(*logit);
            }
            let mut total = exp_of_negative(also - largest);
            let mut exponentials = [0.0; 64];
            for logits in logits.chunks(64) {
                for (e, logit) in exponentials.iter_mut().zip(logits) {
                    *e = exp_of_negative(*logit - largest);
                }
                total += sum(&exponentials[..logits.len()]);
            }
            largest + total.ln()
        },
    )
}
