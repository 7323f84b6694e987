//! The objective of [`crate::dum::objective`] on tensors: the same formulas, a pair of bags
//! along a dimension of its own instead of in a loop.

use burn_tensor::Tensor;

use super::tensors::Accelerator;
use crate::dum::objective::Similarity;

/// Where a mean has no direction: as on the processor.
const NORM_FLOOR: f32 = 1e-30;

/// The value of a batch, `(2,)`: loss, mean effective rows of a bag; and the gradient of the
/// loss by the log-variances, `(n, k)`.
///
/// # Shapes
/// `z`: `(n, d)`; `s`: `(n, k)` with `k = d`, or 1 in the circular form; n a multiple of
/// `2 * bag_size`, bags in order, bags `2j` and `2j + 1` a pair.
pub(super) fn value_and_gradient<B: Accelerator>(
    similarity: Similarity,
    bag_size: usize,
    z: Tensor<B, 2>,
    s: Tensor<B, 2>,
) -> (Tensor<B, 1>, Tensor<B, 2>) {
    let [n, d] = z.dims();
    let [_, k] = s.dims();
    let (bags, pairs) = (n / bag_size, n / (2 * bag_size));
    let z = z.reshape([bags, bag_size, d]);
    let s = s.reshape([bags, bag_size, k]);

    // Softmax of -s over the rows of a bag, in range whatever s is.
    let weights = (s.clone().min_dim(1) - s).exp();
    let weights = weights.clone() / weights.sum_dim(1);
    let squares = (weights.clone() * weights.clone()).sum_dim(1);
    let effective = squares.recip().mean();

    let mean = (weights.clone() * z.clone()).sum_dim(1);
    let (sum, by_mean) = by_means(similarity, mean.clone().reshape([pairs, 2, d]));
    let by_mean = by_mean.reshape([bags, 1, d]);

    let terms = (z - mean) * by_mean;
    let terms = if k == 1 { terms.sum_dim(2) } else { terms };
    let gradient = (weights * terms).neg().reshape([n, k]);
    let loss = sum.neg() / pairs as f32;
    (Tensor::cat(vec![loss, effective], 0), gradient)
}

/// The sum over pairs of their similarities, `(1,)`, and the gradient of the loss by each
/// mean.
///
/// # Shapes
/// `means`: `(pairs, 2, d)`; the gradient likewise.
fn by_means<B: Accelerator>(
    similarity: Similarity,
    means: Tensor<B, 3>,
) -> (Tensor<B, 1>, Tensor<B, 3>) {
    let [pairs, _, _] = means.dims();
    let scale = -1.0 / pairs as f32;
    let others = |of: &Tensor<B, 3>| {
        let (a, b) = (of.clone().narrow(1, 0, 1), of.clone().narrow(1, 1, 1));
        Tensor::cat(vec![b, a], 1)
    };
    match similarity {
        Similarity::Dot => {
            let other = others(&means);
            // Each pair stands in the sum twice, once from either side.
            let sum = (means * other.clone()).sum() / 2.0;
            (sum, other * scale)
        }
        Similarity::Cosine => {
            // Unit vectors first: the product of two norms can leave the range of float32.
            let norms = (means.clone() * means.clone()).sum_dim(2).sqrt();
            let norms = norms.clamp_min(NORM_FLOOR);
            let own = means / norms.clone();
            let other = others(&own);
            let cosine = (own.clone() * other.clone()).sum_dim(2);
            let by_mean = (other - own * cosine.clone()) * scale / norms;
            (cosine.sum() / 2.0, by_mean)
        }
    }
}
