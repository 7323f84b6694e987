//! Out-of-distribution detection from what a classifier computes: features, logits and labels.
//!
//! The detectors of [`crate::Spec`] see one table of rows and no labels. These see what a
//! classifier gives for each image, text or whatever it classifies: the vectors of one or several
//! of its layers, its logits, and, to fit, the class of each. They need no network: any framework
//! can write these arrays. **Higher score = more out of distribution**, for all of them.
//!
//! | name | file | needs | score |
//! |---|---|---|---|
//! | `msp` | [`msp`] | logits | 1 - the largest softmax probability |
//! | `odin` | [`odin`] | logits for an input that was moved | 1 - the largest softmax probability |
//! | `energy` | [`energy`] | logits | the free energy of the logits |
//! | `gen` | [`gen`](mod@gen) | logits | a generalised entropy of the softmax |
//! | `mahalanobis` | [`mahalanobis`] | features of one or several layers, labels | distance to the nearest class |
//! | `rmds` | [`rmds`] | features, labels | the same, less the distance to all classes together |
//! | `residual_flow` | [`residual_flow`] | features of one or several layers, labels | log-likelihood of a flow for each class |
//! | `gram` | [`gram`] | Gram matrices of feature maps, logits, labels | deviations from those of the class |
//! | `rotation` | [`rotation`] | outputs of a rotation head, logits | how badly turns are predicted |
//! | `knn` | [`knn`] | features | distance to the k-th nearest fitted row |
//! | `vim` | [`vim`] | features, logits | residual of the features as one more logit |
//! | `dum`, `dum_circ` | [`dum`] | features | variance of a learned embedding |
//!
//! Three of them see what only the network itself can give ([`Network`]), as does `mahalanobis` with
//! a perturbation: `qualm-vision` runs a classifier of images for them. What they make of that is
//! here, beside the others.
//!
//! [`OodSpec`] names a detector and its keys, [`OodSpec::fit`] makes an [`OodFitted`] of
//! [`Activations`]: a detector with the scores that its own scores are compared with, which gives
//! p-values, decides, and lives in one file.
//!
//! ```
//! use qualm::ood::{Activations, OodSpec};
//! use qualm::Matrix;
//!
//! // Two classes of a hundred rows each, around (0, 5) and (5, 0).
//! let wave = |i: usize| [(i as f32).sin(), (i as f32 * 0.7).cos()];
//! let row = |i: usize| {
//!     let [x, y] = wave(i);
//!     if i < 100 { [x, y + 5.0] } else { [x + 5.0, y] }
//! };
//! let features = Matrix::new((0..200).flat_map(row).collect(), 2)?;
//! let labels: Vec<i64> = (0..200).map(|i| i64::from(i >= 100)).collect();
//!
//! let sample = Activations::of_features(features.rows()).with_labels(&labels);
//! let fitted = OodSpec::new("mahalanobis")?.fit(&sample, 0, &mut ())?;
//!
//! // Between the classes is far from both.
//! let new = Matrix::new(vec![0.0, 5.0, 2.5, 2.5], 2)?;
//! let scores = fitted.score(&Activations::of_features(new.rows()))?;
//! assert!(scores[1] > fitted.threshold()? && scores[0] < fitted.threshold()?);
//! # Ok::<(), qualm::Error>(())
//! ```

mod activations;
mod combine;
mod detector;
pub mod dum;
pub mod energy;
mod file;
mod fitted;
mod gaussians;
pub mod r#gen;
pub mod gram;
pub mod knn;
mod logistic;
pub mod mahalanobis;
pub mod msp;
pub mod odin;
mod of_logits;
mod on_features;
mod panels;
pub mod residual_flow;
pub mod rmds;
pub mod rotation;
mod softmax;
mod spec;
pub mod vim;

pub use activations::Activations;
pub use combine::Combine;
pub use detector::{
    Layers, Needs, Network, OodDetector, OodDetectorSpec, OodOutcome, Perturbation, Widths,
};
pub use fitted::{OodFitted, OodInput, OodInputs};
pub use spec::{OodDetectorInfo, OodSpec, ood_detectors};
