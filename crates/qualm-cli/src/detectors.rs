//! What the help says about the detectors.

use std::fmt::Write;

/// All detectors, a line each, and their presets.
pub(crate) fn help() -> String {
    let mut text = String::from("Detectors:\n");
    for detector in qualm::detectors() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {:<8} {}", detector.name, detector.summary);
    }
    text + "
Presets of dum: default (tables and vectors: kernel networks, of a distance chosen from the
columns), auto (another name of default), embedding (vectors: default with its choice for
vectors, whatever the columns), mlp (two multilayer perceptrons trained by gradient steps),
clusters (vectors of several kinds, such as classes of images), features (non-negative outputs of
an encoder, after its last rectifier), sphere (tables: one variance a column, which explains each
score), paper (the published recipe). A key of training, such as epochs, max_steps, hidden or
device, makes default train multilayer perceptrons, as mlp does.
Presets of the other detectors: default (the usual hyper-parameters), paper (the same, each
feature scaled to [0, 1] first). --set space=standardise, unit, sphere or robust (whitened by a
robust covariance) scales otherwise; all but iforest, ee and ecod depend on the columns' scales."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_detector_and_preset_is_named() {
        let help = help();
        for detector in qualm::detectors() {
            assert!(help.contains(&detector.summary), "{}", detector.name);
            for preset in &detector.presets {
                assert!(help.contains(&format!("{preset} (")), "{preset}");
            }
        }
    }
}
