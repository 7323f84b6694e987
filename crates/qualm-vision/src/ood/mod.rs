//! Out-of-distribution detectors over a classifier of images.
//!
//! The detectors of [`qualm::ood`] see arrays. A [`Classifier`] is a residual network with its heads;
//! an [`Extractor`] runs it over images and makes the arrays that a detector needs: means over the
//! feature maps of its stages, their Gram matrices, logits, the outputs of its rotation head, all of
//! the image as it is or moved a step against the gradient of a score. A [`Panel`] does so once for several
//! detectors. [`fit()`] and [`calibrate()`] take a detector through images.
//!
//! Images are read and run some at a time. What is held of each while a detector is fitted is the
//! rows that it sees.

mod classifier;
mod extract;
mod fit;
mod labels;
mod panel;

pub use classifier::Classifier;
pub use extract::{Arrays, Extractor};
pub use fit::{calibrate, fit};
pub use labels::Labels;
pub use panel::Panel;
