//! The rows of a report for other programs: Embedding Atlas and FiftyOne.
//!
//! Each row has its id, the columns of the input, its place on the report's map, its uncertainty (the
//! score), p-value and decision, and its image where images are given. All rows are written, also those
//! that the page's map leaves out.

mod atlas;
mod columns;
mod fiftyone;

use std::path::{Path, PathBuf};

use qualm::{Features, Fitted};

use crate::error::{Error, Result};
use crate::images::RowImages;
use crate::number;
use crate::page::{Target, check_replaceable};
use crate::report::Report;
use crate::rows::Shown;
use crate::twin;

/// What a report says of all rows, for other programs.
#[derive(Debug, Clone)]
pub struct Export {
    features: Features,
    /// `(n, 2)`.
    places: Vec<[f32; 2]>,
    /// `(n,)`.
    p_values: Vec<f64>,
    threshold: f64,
}

impl Export {
    /// Of the rows of a report.
    ///
    /// # Errors
    /// [`Error::NoPlaces`] where the report has no map; those of [`Fitted::threshold`].
    pub fn new(report: &Report, fitted: &Fitted, shown: Option<&Shown>) -> Result<Self> {
        let Some((shown, map)) = shown.zip(report.map()) else {
            let found = match shown {
                None => "no rows".to_owned(),
                Some(shown) if shown.has_features() => {
                    number::counted(shown.scores.len() as u64, "row")
                }
                Some(_) => "scores without features".to_owned(),
            };
            return Err(Error::NoPlaces { found });
        };
        Ok(Self {
            features: fitted.features().clone(),
            places: map.places.clone(),
            p_values: fitted.calibration().p_values(&shown.scores),
            threshold: fitted.threshold()?,
        })
    }
}

/// The files for other programs, opened before the work.
#[derive(Debug, Default)]
pub struct Files {
    atlas: Option<PathBuf>,
    fiftyone: Option<(PathBuf, Target)>,
}

impl Files {
    /// Opens those that are asked for: a Parquet file for Embedding Atlas, a JSON file for FiftyOne.
    /// `force`: whatever stands there is replaced.
    ///
    /// # Errors
    /// [`Error::NotNamed`], [`Error::NotOurs`], and those of [`Target::create`].
    pub fn open(atlas: Option<&Path>, fiftyone: Option<&Path>, force: bool) -> Result<Self> {
        let check = |path: &Path, expected: &'static str| {
            let ends = path.extension().is_some_and(|found| {
                found.to_string_lossy().to_lowercase() == expected.trim_start_matches('.')
            });
            if !ends {
                return Err(Error::NotNamed {
                    path: path.to_owned(),
                    expected,
                });
            }
            if force {
                return Ok(());
            }
            check_replaceable(path)
        };
        for (path, expected) in [(atlas, ".parquet"), (fiftyone, ".json")] {
            path.map_or(Ok(()), |path| check(path, expected))?;
        }
        let open = |path: &Path| Ok::<_, Error>((path.to_owned(), Target::create(path, true)?));
        let fiftyone = fiftyone.map(open);
        Ok(Self {
            atlas: atlas.map(Path::to_owned),
            fiftyone: fiftyone.transpose()?,
        })
    }

    /// Whether any is asked for.
    #[must_use]
    pub fn any(&self) -> bool {
        self.atlas.is_some() || self.fiftyone.is_some()
    }

    /// The files that stand there meanwhile, see [`Target::temporary`].
    pub fn temporaries(&self) -> impl Iterator<Item = &Path> {
        let fiftyone = self.fiftyone.as_ref();
        fiftyone.and_then(|(_, file)| file.temporary()).into_iter()
    }

    /// Writes them, each whole or not at all. FiftyOne's needs images. Returns what is to be said of
    /// them: columns that go by another name, and rows without an image.
    ///
    /// # Errors
    /// Those of opening the images; [`Error::OtherImages`] where none is a row's;
    /// [`Error::NoImageFiles`]; when a file cannot be written.
    pub fn write(
        self,
        export: &Export,
        shown: &Shown,
        images: Option<&RowImages>,
    ) -> Result<Vec<String>> {
        let mut notes = Vec::new();
        if let Some(path) = self.atlas {
            let rows = atlas::table(export, shown, images, &path, &mut notes)?;
            twin::write_table(&path, &rows)?;
        }
        if let Some((path, file)) = self.fiftyone {
            let json = fiftyone::json(export, shown, images, &path, &mut notes)?;
            file.write(&json)?;
        }
        Ok(notes)
    }
}
