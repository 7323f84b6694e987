//! Softmax and cross-entropy.

use super::{n_rows, same_len, scaled_log_sum_exp};
use crate::error::{Error, Result};

/// The mean cross-entropy of a softmax, `-ln softmax(logits)_label`, and its gradient by the
/// logits.
///
/// # Shapes
/// `logits`, `gradient`: `(n, classes)`; `labels`: `(n,)`, each below `classes`.
///
/// # Errors
/// [`Error::Shape`] when they are no such rows; [`Error::InvalidKey`] for a label without a class.
pub fn cross_entropy(
    logits: &[f32],
    classes: usize,
    labels: &[u32],
    gradient: &mut [f32],
) -> Result<f64> {
    let n = n_rows(logits, classes)?;
    same_len(logits, gradient, classes)?;
    if labels.len() != n {
        return Err(Error::Shape {
            len: labels.len() * classes,
            n_cols: classes,
        });
    }
    gradient.copy_from_slice(logits);
    let mut loss = 0.0;
    for (row, &label) in gradient.chunks_exact_mut(classes).zip(labels) {
        let label = label as usize;
        let Some(&logit) = row.get(label) else {
            return Err(Error::InvalidKey {
                key: "label",
                value: label.to_string(),
                expected: "a number below that of the classes",
            });
        };
        let log_sum = scaled_log_sum_exp(row, 1.0, f32::NEG_INFINITY);
        loss += f64::from(log_sum - logit);
        for p in row.iter_mut() {
            *p = (*p - log_sum).exp() / n as f32;
        }
        row[label] -= 1.0 / n as f32;
    }
    Ok(loss / n as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_logits_cost_the_logarithm_of_the_classes() {
        let mut gradient = [0.0; 4];
        let loss = cross_entropy(&[7.0; 4], 4, &[2], &mut gradient).unwrap();
        assert!((loss - 4f64.ln()).abs() < 1e-6);
        assert!((gradient[2] + 0.75).abs() < 1e-6 && (gradient[0] - 0.25).abs() < 1e-6);
    }

    #[test]
    fn a_label_without_a_class_is_refused() {
        let error = cross_entropy(&[1.0; 4], 4, &[4], &mut [0.0; 4]).unwrap_err();
        assert!(error.to_string().contains("label = 4"));
        assert!(cross_entropy(&[1.0; 4], 4, &[1, 2], &mut [0.0; 4]).is_err());
    }
}
