//! The linear layer after the features: a classifier, or another head.

use super::network::{Tensors, find};
use crate::error::{Error, Result};
use crate::nn::simd::{dot, vectorised};

/// Logits from features: `W x + b`.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearClassifier {
    /// `(classes, width)`.
    weight: Vec<f32>,
    /// `(classes,)`.
    bias: Vec<f32>,
    width: usize,
}

impl LinearClassifier {
    /// A layer from tensors with the names of its weight, `(classes, width)`, and its bias,
    /// `(classes,)`.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] and [`Error::TensorShape`], which name the tensor.
    pub fn from_tensors(
        tensors: &Tensors,
        [weight, bias]: [&str; 2],
        [n_classes, width]: [usize; 2],
    ) -> Result<Self> {
        Ok(Self {
            weight: find(tensors, weight, &[n_classes, width])?.values.clone(),
            bias: find(tensors, bias, &[n_classes])?.values.clone(),
            width,
        })
    }

    /// How many classes it tells apart.
    #[must_use]
    pub fn n_classes(&self) -> usize {
        self.bias.len()
    }

    /// Columns of the features.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// The logits of features. Those of a row do not depend on the rows beside it.
    ///
    /// # Shapes
    /// `features`: `(n, width)`; `out`: `(n, classes)`.
    ///
    /// # Errors
    /// [`Error::SliceLength`] when the slices are not of as many rows.
    pub fn logits_into(&self, features: &[f32], out: &mut [f32]) -> Result<()> {
        self.check(features.len(), out.len())?;
        vectorised(
            #[inline(always)]
            || {
                let rows = features.chunks_exact(self.width);
                for (features, out) in rows.zip(out.chunks_exact_mut(self.bias.len())) {
                    let classes = self.weight.chunks_exact(self.width).zip(&self.bias);
                    for (out, (weight, bias)) in out.iter_mut().zip(classes) {
                        *out = dot(features, weight) + bias;
                    }
                }
            },
        );
        Ok(())
    }

    /// The gradient by features, from that by logits.
    ///
    /// # Shapes
    /// `by_logits`: `(n, classes)`; `out`: `(n, width)`.
    ///
    /// # Errors
    /// As [`LinearClassifier::logits_into`].
    pub fn backward_into(&self, by_logits: &[f32], out: &mut [f32]) -> Result<()> {
        self.check(out.len(), by_logits.len())?;
        let rows = by_logits.chunks_exact(self.bias.len());
        for (by_logits, out) in rows.zip(out.chunks_exact_mut(self.width)) {
            out.fill(0.0);
            for (g, weight) in by_logits.iter().zip(self.weight.chunks_exact(self.width)) {
                out.iter_mut().zip(weight).for_each(|(o, w)| *o += g * w);
            }
        }
        Ok(())
    }

    fn check(&self, features: usize, logits: usize) -> Result<()> {
        let expected = features / self.width * self.bias.len();
        if logits == expected && features.is_multiple_of(self.width) {
            return Ok(());
        }
        Err(Error::SliceLength {
            what: "logits",
            found: logits,
            expected,
        })
    }
}
