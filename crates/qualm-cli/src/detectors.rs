//! What the help says about each detector; which there are is the library's to say.

use std::fmt::Write;

use qualm::Spec;

/// A line on each detector.
const WORDS: [(&str, &str); 11] = [
    (
        "dum",
        "Deep Uncertainty Model: variance of a learned embedding",
    ),
    (
        "iforest",
        "isolation forest: how few splits set a row apart",
    ),
    (
        "lof",
        "local outlier factor: density beside that of the neighbours",
    ),
    ("ocsvm", "one-class support vector machine, RBF kernel"),
    ("sp", "distance to the nearest of a few sampled rows"),
    (
        "ee",
        "elliptic envelope: robust Mahalanobis distance (FastMCD)",
    ),
    ("knn", "distance to the k nearest neighbours"),
    ("abod", "spread of the angles to the neighbours"),
    ("ae", "autoencoder: reconstruction error"),
    (
        "lesinn",
        "mean distance to the nearest rows of many subsamples",
    ),
    ("repen", "distances in a learned space, ranked by triplets"),
];

/// The line on a detector.
pub(crate) fn words(name: &str) -> Option<&'static str> {
    let found = WORDS.iter().find(|(known, _)| *known == name);
    found.map(|(_, words)| *words)
}

/// All detectors, a line each, and their presets.
pub(crate) fn help() -> String {
    let mut text = String::from("Detectors:\n");
    for name in Spec::DETECTORS {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name:<8} {}", words(name).unwrap_or_default());
    }
    text + "
Presets of dum: default (tables), embedding (vectors), auto (one of the two, by the columns),
clusters (vectors of several kinds, such as classes of images), features (an encoder's outputs
after its last rectifier), sphere (tables: one variance a column, explains itself), paper (the
published recipe to the letter). Without --preset: embedding for .npy, .npz and vector columns,
default otherwise.
Presets of the other detectors: default (the usual hyper-parameters), paper (the same, each
feature scaled to [0, 1] first). --set space=standardise, unit or sphere scales otherwise."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_detector_has_its_words_and_its_presets() {
        for name in Spec::DETECTORS {
            let words = words(name).unwrap_or_default();
            assert!(!words.is_empty(), "{name}");
            assert!(help().contains(words), "{name}");
            let more: &[&str] = if *name == "dum" {
                &["sphere", "embedding", "auto", "clusters", "features"]
            } else {
                &[]
            };
            for preset in ["default", "paper"].iter().chain(more) {
                assert!(Spec::preset(name, preset).is_ok(), "{name}:{preset}");
            }
        }
    }
}
