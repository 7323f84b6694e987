//! The histogram of a gallery.

use qualm::Fitted;

use crate::plot::{Figure, Histogram, Sample};
use crate::rows::Shown;

/// Scores of the reference and of the rows, with the threshold.
#[must_use]
pub fn chart(fitted: &Fitted, shown: &Shown, threshold: f64) -> Figure {
    let samples = vec![
        Sample {
            name: "reference",
            scores: fitted.calibration().scores(),
        },
        Sample {
            name: "these rows",
            scores: shown.scores(),
        },
    ];
    let histogram = Histogram {
        id: "scores",
        title: "Uncertainty of the reference and of these rows",
        samples,
        threshold: Some(threshold),
    };
    histogram.chart().figure()
}
