//! Pages: reports on a model and galleries of rows in memory.

#![expect(
    clippy::needless_pass_by_value,
    reason = "what Python gives is converted into values of our own"
)]

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{ArrayRef, Float32Array, Float64Array, RecordBatch};
use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray3};
use pyo3::exceptions::{PyFileExistsError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use qualm::{Features, Location};
use qualm_data::{Batch, Embedding, Head, HeadColumn, Origin, text_at};
use qualm_report::export::{self, Export};
use qualm_report::gallery::{self, Choice, Gallery, Pictures};
use qualm_report::report::{self, Inputs, MapMethod, Results, Scores, read_results};
use qualm_report::rows::{self, Layout, Shown};
use qualm_report::{Error, Pages, Result, RowImages};
use qualm_vision::Image;
use qualm_vision::read::ReadOptions;
use serde::Deserialize;

use crate::columns::{array, reader};
use crate::errors::{guarded, raised};
use crate::images::{self, copy};
use crate::model::Model;
use crate::rows::{PyFeatures, PyRows};
use crate::threads::Threads;

/// The exception of an error about a page, with advice that holds in Python.
fn refused(error: Error) -> PyErr {
    match error {
        Error::Vision(error) => images::refused(*error),
        Error::NotOurs { path, kind } => PyFileExistsError::new_err(format!(
            "{}: exists and is no {kind} of qualm; choose another name, or overwrite it with \
             force=True",
            path.display()
        )),
        Error::NoClasses => PyValueError::new_err(
            "the rows have no classes; give classes: the class of each row, or the name of the \
             column that has it",
        ),
        Error::NoFiles => PyValueError::new_err(
            "FiftyOne shows rows by their images; give images: the folder that they are in, or a path \
             for each row",
        ),
        Error::NoImageIds { .. } => PyValueError::new_err(
            "the rows do not say which images they are of; give ids: what names the image of each \
             row, or the column that does; or give images as a list, one for each row",
        ),
        Error::NotResults { path, found, .. } => PyValueError::new_err(format!(
            "{}: expected results of monitoring or of a bench as the command line prints them as \
             JSON, a results file of a bench (.jsonl, .csv, .parquet), or a state of monitoring, found {found}",
            path.display()
        )),
        other => raised(other),
    }
}

/// What stands beside the features of some rows: columns, and what their table says of itself.
#[pyclass(frozen, name = "Beside", module = "qualm._core")]
pub(crate) struct PyBeside {
    head: Head,
    columns: Vec<(String, ArrayRef)>,
}

#[pymethods]
impl PyBeside {
    /// None yet.
    #[new]
    fn new() -> Self {
        Self {
            head: Head::default(),
            columns: Vec::new(),
        }
    }

    /// Reads a table that has the Arrow `PyCapsule` interface: its rows, and the columns that are no
    /// features of the model that `features` belong to.
    #[staticmethod]
    fn from_arrow(table: &Bound<'_, PyAny>, features: &PyFeatures) -> PyResult<(PyRows, Self)> {
        let reader = reader(table)?;
        let head = Head::of_schema(&reader.schema());
        let layout = Layout::of_head(&head, None, &features.0, [None; 3]).map_err(refused)?;
        let (rows, columns) = PyRows::read_beside(
            table.py(),
            reader,
            &layout.selection(),
            Some(features),
            true,
            &HashMap::new(),
        )?;
        Ok((rows, Self { head, columns }))
    }

    /// With more columns: of each its name, and its texts as a list or its values as an array of one
    /// dimension: int64, bool, or float32 or float64, where NaN is a missing value.
    fn with_columns(&self, columns: Vec<(String, Bound<'_, PyAny>)>) -> PyResult<Self> {
        let (mut head, mut all) = (self.head.clone(), self.columns.clone());
        for (name, values) in columns {
            head.columns.push(HeadColumn {
                name: name.clone(),
                is_vector: false,
                is_number: false,
            });
            all.push((name, with_missing(array(&values)?)));
        }
        Ok(Self { head, columns: all })
    }

    /// Their names.
    #[getter]
    fn names(&self) -> Vec<String> {
        self.columns.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The column that names the rows, told by its name or by what the table says of itself.
    #[getter]
    fn item(&self) -> PyResult<Option<String>> {
        let embedding = Embedding::of_metadata(&self.head.metadata).map_err(raised)?;
        let none = Features::Columns(Vec::new());
        let layout = Layout::of_head(&self.head, embedding, &none, [None; 3]).map_err(refused)?;
        let is_read = |name: &String| self.columns.iter().any(|(read, _)| read == name);
        Ok(layout.item.filter(is_read))
    }

    /// Some values of a column as text, by their rows from 0: empty where there is none.
    fn texts(&self, name: &str, rows: Vec<usize>) -> Vec<String> {
        let column = self.columns.iter().find(|(known, _)| known == name);
        let text = |row| column.map_or_else(String::new, |(_, values)| text_at(values, row));
        rows.into_iter().map(text).collect()
    }
}

/// The same values, NaN as missing ones.
fn with_missing(values: ArrayRef) -> ArrayRef {
    if let Some(floats) = values.as_primitive_opt::<Float64Type>() {
        let known = floats.iter().map(|value| value.filter(|v| !v.is_nan()));
        return Arc::new(known.collect::<Float64Array>());
    }
    if let Some(floats) = values.as_primitive_opt::<Float32Type>() {
        let known = floats.iter().map(|value| value.filter(|v| !v.is_nan()));
        return Arc::new(known.collect::<Float32Array>());
    }
    values
}

/// What both kinds of pages are asked.
#[derive(Deserialize)]
struct Asked {
    /// What the page calls the model.
    model: String,
    /// What it calls the rows.
    data: String,
    title: Option<String>,
    /// The columns that name a row, that have its class, and its text.
    item: Option<String>,
    class: Option<String>,
    text: Option<String>,
    seed: u64,
    top: usize,
    /// Files of results, of a report, and how its map is made.
    #[serde(default)]
    results: Vec<PathBuf>,
    #[serde(default)]
    map: MapMethod,
    /// What a gallery shows beside all rows.
    #[serde(default)]
    by_class: bool,
    #[serde(default)]
    classes: Vec<String>,
    #[serde(default)]
    views: bool,
    #[serde(default)]
    items: Vec<String>,
    /// What a gallery calls the images, and the column that has them.
    images: Option<String>,
    column: Option<String>,
}

impl Asked {
    fn read(json: &str) -> PyResult<Self> {
        serde_json::from_str(json).map_err(|error| PyRuntimeError::new_err(error.to_string()))
    }
}

/// Rows with their scores, as pages show them.
fn shown(
    py: Python<'_>,
    model: &Model,
    rows: &PyRows,
    beside: &PyBeside,
    labels: Option<Vec<bool>>,
    asked: &Asked,
    threads: usize,
) -> PyResult<Shown> {
    let embedding = Embedding::of_metadata(&beside.head.metadata).map_err(raised)?;
    if let Some(embedding) = &embedding {
        let checked = embedding.check(&model.read(), Location::default());
        checked.map_err(raised)?;
    }
    let named = [&asked.item, &asked.class, &asked.text].map(Option::as_deref);
    let features = model.read().features().clone();
    let layout = Layout::of_head(&beside.head, embedding, &features, named).map_err(refused)?;
    let scores = rows.lend(py, |rows| model.scores(py, rows, threads))?;
    let (names, ids): (Vec<String>, Vec<ArrayRef>) = beside.columns.iter().cloned().unzip();
    let batch = Batch {
        rows: rows.matrix(py)?,
        ids,
        labels,
        origin: Origin::memory(0),
    };
    guarded(py, || rows::of_batch(layout, batch, &names, scores))?.map_err(refused)
}

/// A page, and its numbers.
#[pyclass(frozen, name = "Page", module = "qualm._core")]
pub(crate) struct PyPage {
    html: String,
    json: String,
    table: RecordBatch,
    /// What is said of images that cannot be shown.
    missing: Option<String>,
    /// All rows of a report, for other programs; why there are none otherwise.
    exported: Result<Option<(Export, Shown)>>,
}

#[pymethods]
impl PyPage {
    /// The page.
    #[getter]
    fn html(&self) -> &str {
        &self.html
    }

    /// Its numbers, as the command line writes them.
    #[getter]
    fn json(&self) -> &str {
        &self.json
    }

    /// Which images cannot be shown, in a sentence.
    #[getter]
    fn missing(&self) -> Option<&str> {
        self.missing.as_deref()
    }

    /// Writes the page and, where they are asked for, its numbers: each whole, or not at all.
    #[pyo3(signature = (path, numbers=None, force=false))]
    fn save(
        &self,
        py: Python<'_>,
        path: PathBuf,
        numbers: Option<PathBuf>,
        force: bool,
    ) -> PyResult<()> {
        let save = || {
            let pages = Pages::open(&path, numbers.as_deref(), force)?;
            pages.write(&self.html, &self.json, || Ok(self.table.clone()))
        };
        guarded(py, save)?.map_err(refused)
    }

    /// Writes the rows for other programs, and returns what is to be said of the files. `images` is a
    /// folder or file, or a file for each row.
    #[pyo3(signature = (atlas, fiftyone, images, column, force))]
    fn export(
        &self,
        py: Python<'_>,
        atlas: Option<PathBuf>,
        fiftyone: Option<PathBuf>,
        images: Option<Files>,
        column: Option<String>,
        force: bool,
    ) -> PyResult<Vec<String>> {
        let images = images.map(|images| match images {
            Files::In(path) => {
                let options = ReadOptions {
                    column,
                    ..ReadOptions::default()
                };
                RowImages::In(path, options)
            }
            Files::Each(files) => RowImages::Each(files),
        });
        let write = || {
            let Ok(Some((export, shown))) = &self.exported else {
                return Ok(None);
            };
            let files = export::Files::open(atlas.as_deref(), fiftyone.as_deref(), force)?;
            files.write(export, shown, images.as_ref()).map(Some)
        };
        let written = guarded(py, write)?.map_err(refused)?;
        written.ok_or_else(|| {
            let why = match &self.exported {
                Err(error) => error.to_string(),
                Ok(_) => "a gallery has no rows for other programs: make a report".to_owned(),
            };
            PyValueError::new_err(why)
        })
    }
}

/// The files that images are in.
#[derive(FromPyObject)]
pub(crate) enum Files {
    /// A folder, or a file as the command line takes it.
    In(PathBuf),
    /// A file for each row.
    Each(Vec<PathBuf>),
}

/// A report on a model and, where they are given, on rows. `asked` is JSON, see [`Asked`].
///
/// # Shapes
/// `rows`: `(n, d)`; `labels`: `(n,)`, true for an outlier; `current`: scores, `(m,)`.
#[pyfunction]
#[pyo3(signature = (model, rows, beside, labels, current, asked, threads))]
#[expect(clippy::too_many_arguments, reason = "called from one Python function")]
pub(crate) fn report_page(
    py: Python<'_>,
    model: &Model,
    rows: Option<&PyRows>,
    beside: &PyBeside,
    labels: Option<Vec<bool>>,
    current: Option<&Bound<'_, PyArray1<f64>>>,
    asked: &str,
    threads: usize,
) -> PyResult<PyPage> {
    let asked = Asked::read(asked)?;
    let shown = rows.map(|rows| shown(py, model, rows, beside, labels, &asked, threads));
    let shown = shown.transpose()?;
    let current = current.map(|scores| Scores {
        name: "current".to_owned(),
        scores: scores.readonly().as_array().to_vec(),
    });
    let pool = Threads::take(py, threads)?;
    let pool = pool.pool()?;
    let make = move || -> Result<PyPage> {
        let fitted = model.read();
        let results = asked.results.iter();
        let results = results.map(|path| Ok((path.display().to_string(), read_results(path)?)));
        let inputs = Inputs {
            fitted: &fitted,
            model: asked.model.clone(),
            rows: shown.as_ref().map(|shown| (asked.data.clone(), shown)),
            current,
            results: results.collect::<Result<Vec<(String, Results)>>>()?,
            seed: asked.seed,
            map: asked.map,
            top: asked.top,
            title: asked.title.clone(),
        };
        let report = report::build(&inputs)?;
        let (html, json) = (report::html(&report)?, report.json()?);
        let table = report::table(&report, &fitted, shown.as_ref())?;
        let export = Export::new(&report, &fitted, shown.as_ref());
        Ok(PyPage {
            html,
            json,
            table,
            missing: None,
            exported: export.map(|export| shown.map(|shown| (export, shown))),
        })
    };
    guarded(py, || pool.install(make))?.map_err(refused)
}

/// Images of a gallery.
#[derive(FromPyObject)]
pub(crate) enum Images<'py> {
    /// A folder, or a file as the command line takes it.
    Path(PathBuf),
    /// A file for each row.
    Files(Vec<PathBuf>),
    /// An image for each row, `(height, width, 3)` of uint8.
    Arrays(Vec<PyReadonlyArray3<'py, u8>>),
}

/// A gallery of rows. `asked` is JSON, see [`Asked`].
///
/// # Shapes
/// `rows`: `(n, d)`.
#[pyfunction]
#[pyo3(signature = (model, rows, beside, images, asked, threads))]
pub(crate) fn gallery_page(
    py: Python<'_>,
    model: &Model,
    rows: &PyRows,
    beside: &PyBeside,
    images: Option<Images<'_>>,
    asked: &str,
    threads: usize,
) -> PyResult<PyPage> {
    let asked = Asked::read(asked)?;
    let shown = shown(py, model, rows, beside, None, &asked, threads)?;
    let pool = Threads::take(py, threads)?;
    let pool = pool.pool()?;
    let choice = Choice {
        top: asked.top,
        by_class: asked.by_class,
        classes: asked.classes,
        views: asked.views,
        items: asked.items,
        seed: asked.seed,
    };
    let build = || gallery::build(&model.read(), &shown, &choice);
    let mut gallery = guarded(py, || pool.install(build))?.map_err(refused)?;
    gallery.model = asked.model;
    gallery.input = asked.data;
    gallery.title = asked.title;
    gallery.images = asked.images;
    // Those of the page are copied while the interpreter's lock is held, and no others.
    let given = images.map(|images| taken(images, &gallery)).transpose()?;
    let options = ReadOptions {
        column: asked.column,
        ..ReadOptions::default()
    };
    let make = || -> Result<PyPage> {
        let pictures = given.map(|given| given.pictures(&options, &shown, &mut gallery));
        let pictures = pictures.transpose()?;
        let chart = gallery::chart(&model.read(), &shown, gallery.threshold);
        Ok(PyPage {
            html: gallery::html(&gallery, pictures.as_ref(), Some(&chart))?,
            json: gallery.json()?,
            table: gallery::table(&gallery)?,
            missing: gallery.missing_words(),
            exported: Ok(None),
        })
    };
    guarded(py, || pool.install(make))?.map_err(refused)
}

/// Images of a gallery, away from the interpreter.
enum Given {
    Path(PathBuf),
    Files(Vec<PathBuf>),
    /// Those on the page by the number of their row from 1, and how many there are in all.
    Images(BTreeMap<usize, Image>, usize),
}

fn taken(images: Images<'_>, gallery: &Gallery) -> PyResult<Given> {
    Ok(match images {
        Images::Path(path) => Given::Path(path),
        Images::Files(files) => Given::Files(files),
        Images::Arrays(arrays) => {
            let rows = gallery.rows().into_iter();
            let found = rows.filter_map(|row| Some((row, arrays.get(row - 1)?)));
            let copied = found.map(|(row, image)| Ok((row, copy(&image.as_array())?)));
            let copied = copied.collect::<Result<_, qualm_vision::Error>>();
            Given::Images(copied.map_err(images::refused)?, arrays.len())
        }
    })
}

impl Given {
    fn pictures(
        self,
        options: &ReadOptions,
        shown: &Shown,
        gallery: &mut Gallery,
    ) -> Result<Pictures> {
        match self {
            Self::Path(path) => gallery::find_pictures(&path, options, shown, gallery),
            Self::Files(files) => gallery::pictures_of_files(&files, shown, gallery),
            Self::Images(images, n) => gallery::pictures_of_images(images, n, shown, gallery),
        }
    }
}
