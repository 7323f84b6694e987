//! The histogram of scores.

use super::{Inputs, Part};
use crate::plot::{Histogram, Sample};

/// Reference, rows and later scores on one axis.
pub(super) fn part(inputs: &Inputs<'_>, threshold: f64) -> Part {
    let reference = inputs.fitted.calibration().scores();
    let mut samples = vec![Sample {
        name: "reference",
        scores: reference,
    }];
    if let Some((_, shown)) = &inputs.rows {
        samples.push(Sample {
            name: "these rows",
            scores: &shown.scores,
        });
    }
    if let Some(current) = &inputs.current {
        samples.push(Sample {
            name: &current.name,
            scores: &current.scores,
        });
    }
    let histogram = Histogram {
        id: "scores-plot",
        title: "Distribution of scores",
        samples,
        threshold: Some(threshold),
    };
    Part {
        id: "scores".to_owned(),
        title: "Scores".to_owned(),
        about: "Higher = more anomalous. Each sample is drawn as shares of its own rows, so that \
                samples of different size compare. Rows above the threshold are called outliers."
            .to_owned(),
        figures: vec![histogram.chart().figure()],
        ..Part::default()
    }
}
