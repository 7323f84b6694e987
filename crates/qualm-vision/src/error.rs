//! Everything that can go wrong between a picture and its row, with the values that say why.

/// This library's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that reading, viewing and encoding images refuses, or that stops it.
///
/// Messages say what was found, what was expected and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "each variant's message says what its fields are"
)]
pub enum Error {
    /// What rows, models and training refuse themselves.
    #[error(transparent)]
    Core(#[from] qualm::Error),
    /// What tables and their files refuse themselves.
    #[error(transparent)]
    Data(#[from] qualm_data::Error),
    /// What encoders and their files refuse.
    #[error(transparent)]
    Encoder(#[from] crate::encoder::EncoderError),

    // ---- images ---------------------------------------------------------------
    /// Pixels that do not make an image of the size given with them.
    #[error(
        "an image of {width} x {height} has {expected} values (red, green, blue of each pixel), found {found}"
    )]
    PixelCount {
        width: u32,
        height: u32,
        found: usize,
        expected: usize,
    },
}
