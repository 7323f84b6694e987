//! Images where a command expects rows: they are embedded on the way, by the encoder that the model
//! names.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use qualm::{EncoderIdentity, Fitted};
use qualm_data::{Embedding, is_table_folder};
use qualm_vision::EmbeddedImages;
use qualm_vision::encoder::{self, Encoder, EncoderOptions, FileEncoder};
use qualm_vision::read::{ImageSource, ReadOptions};

use crate::args::EncoderArgs;
use crate::columns::short;
use crate::commands::encoder_options;

/// Images read and embedded at a time.
pub(crate) const BATCH: usize = 256;

/// Refuses flags about columns, of which some are given, where the input is images.
///
/// # Errors
/// Names the first one.
pub(crate) fn refuse_table_flags(input: &Path, flags: &[(&str, bool)]) -> Result<()> {
    match flags.iter().find(|(_, given)| *given) {
        Some((flag, _)) => bail!(
            "{flag}: {} holds images, which have no columns; embed them first to keep columns",
            input.display()
        ),
        None => Ok(()),
    }
}

/// The encoder of an input of images; `None` where the input holds rows.
///
/// # Errors
/// When the encoder is not found, cannot be opened, or is not the one that the model was fitted
/// with.
pub(crate) fn encoder_for(
    model: &Path,
    fitted: &Fitted,
    input: &Path,
    given: Option<&Path>,
    options: &EncoderArgs,
) -> Result<Option<FileEncoder>> {
    let expected = fitted.provenance().encoder.as_ref();
    let file = match (given, expected) {
        (Some(file), _) => file.to_owned(),
        (None, Some(expected)) if are_images(input) => beside(model, expected, "--encoder")
            .with_context(|| {
                let input = input.display();
                format!("{input}: these are images, and the model was fitted to embeddings")
            })?,
        _ => return Ok(None),
    };
    let recorded = expected.and_then(|expected| expected.preprocessing.clone());
    let options = EncoderOptions {
        recorded,
        ..encoder_options(options)
    };
    let encoder = encoder::open(&file, &options)?;
    check_same(&file, expected, encoder.identity())?;
    Ok(Some(encoder))
}

/// Refuses an encoder that is not the one that a model was fitted with.
pub(crate) fn check_same(
    file: &Path,
    expected: Option<&EncoderIdentity>,
    found: &EncoderIdentity,
) -> Result<()> {
    match expected.filter(|expected| expected.digest != found.digest) {
        Some(expected) => bail!(
            "{}: the model was fitted to rows of the encoder {} ({}), and this one is {}; the digest \
             covers weights and preprocessing: give the same file, and no other --preprocessing",
            file.display(),
            expected.name,
            short(&expected.digest),
            short(&found.digest),
        ),
        None => Ok(()),
    }
}

/// Opens images that a model is to score.
pub(crate) fn open(
    fitted: &Fitted,
    input: &Path,
    encoder: FileEncoder,
) -> impl FnOnce() -> qualm_data::Result<EmbeddedImages> + Send + 'static {
    let (input, features) = (input.to_owned(), fitted.features().clone());
    move || {
        let source = ImageSource::open(&input, &ReadOptions::default());
        let rows = source.and_then(|source| {
            EmbeddedImages::new(source, Box::new(encoder), &input, BATCH, Some(&features))
        });
        rows.map_err(Into::into)
    }
}

/// Whether an input holds images. A table of numbers or a list of paths can both be text: CSV
/// is taken for rows.
pub(crate) fn are_images(input: &Path) -> bool {
    if input.as_os_str() == "-" || !input.exists() {
        return false;
    }
    let extension = input.extension().map(OsStr::to_ascii_lowercase);
    let extension = extension.as_ref().and_then(|e| e.to_str());
    if matches!(
        extension,
        Some("csv" | "tsv" | "jsonl" | "ndjson" | "gz" | "zst")
    ) {
        return false;
    }
    if input.is_dir() && !is_table_folder(input) {
        return true;
    }
    let is_table = input.is_dir() || matches!(extension, Some("parquet" | "arrow" | "feather"));
    if is_table && Embedding::of_file(input).is_ok_and(|entry| entry.is_some()) {
        return false;
    }
    ImageSource::open(input, &ReadOptions::default()).is_ok()
}

/// The encoder's file, by its name: beside the model or in the working directory. `flag` is what
/// gives it otherwise.
pub(crate) fn beside(model: &Path, expected: &EncoderIdentity, flag: &str) -> Result<PathBuf> {
    if expected.name == encoder::STATISTICS {
        return Ok(PathBuf::from(encoder::STATISTICS));
    }
    let folder = model.parent().unwrap_or(Path::new(""));
    let places = [folder.join(&expected.name), PathBuf::from(&expected.name)];
    match places.into_iter().find(|place| place.is_file()) {
        Some(place) => Ok(place),
        None => bail!(
            "the encoder {} is neither beside the model nor in this folder; say {flag} FILE",
            expected.name
        ),
    }
}
