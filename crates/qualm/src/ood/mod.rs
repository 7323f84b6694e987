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
//! | `energy` | [`energy`] | logits | the free energy of the logits |
//! | `gen` | [`gen`](mod@gen) | logits | a generalised entropy of the softmax |
//! | `mahalanobis` | [`mahalanobis`] | features of one or several layers, labels | distance to the nearest class |
//! | `rmds` | [`rmds`] | features, labels | the same, less the distance to all classes together |
//! | `knn` | [`knn`] | features | distance to the k-th nearest fitted row |
//! | `vim` | [`vim`] | features, logits | residual of the features as one more logit |
//! | `dum`, `dum_circ` | [`dum`] | features | variance of a learned embedding |
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
mod detector;
pub mod dum;
pub mod energy;
mod file;
mod fitted;
mod gaussians;
pub mod r#gen;
pub mod knn;
mod logistic;
pub mod mahalanobis;
pub mod msp;
mod of_logits;
mod on_features;
mod panels;
pub mod rmds;
mod softmax;
mod spec;
pub mod vim;

pub use activations::Activations;
pub use detector::{Layers, Needs, OodDetector, OodDetectorSpec, OodOutcome, Widths};
pub use fitted::{OodFitted, OodInput, OodInputs};
pub use spec::{OodDetectorInfo, OodSpec, ood_detectors};
