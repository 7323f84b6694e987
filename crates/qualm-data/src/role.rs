//! The roles that a column can be asked for in, as messages say them.

use std::fmt;

/// What a column was asked for as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// A feature, by name.
    Feature,
    /// Left out of the features.
    Excluded,
    /// The label.
    Label,
    /// An id, carried through to the scores.
    Id,
    /// Carried through to the scores, whatever it is.
    Kept,
    /// The vector column whose elements are the features.
    Vector,
    /// A feature that the model was fitted on.
    ModelFeature,
    /// When each row is from.
    Time,
    /// Which of several streams each row is of.
    Stream,
    /// The scores of a file that was scored before.
    Scores,
    /// The vectors of a layer of a classifier.
    LayerFeatures,
    /// The logits of a classifier.
    Logits,
    /// The class of each row.
    Classes,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Feature => "a feature",
            Self::Excluded => "excluded",
            Self::Label => "the label",
            Self::Id => "an id",
            Self::Kept => "a column to keep",
            Self::Vector => "the vector",
            Self::ModelFeature => "a feature of the model",
            Self::Time => "the time",
            Self::Stream => "the stream",
            Self::Scores => "the scores",
            Self::LayerFeatures => "features",
            Self::Logits => "logits",
            Self::Classes => "the classes",
        })
    }
}
