//! The rows of a page: read once, with their scores and all that may be shown of them.

use std::collections::BTreeMap;
use std::path::Path;

use arrow_array::ArrayRef;
use qualm::{Features, Fitted, Matrix};
use qualm_data::{Batch, Batches, Embedding, Head, HeadColumn, Selection, Source, score_into};
use qualm_vision::embed::{LABEL, VIEW, VIEWS_KEY};
use qualm_vision::views::{Crop, ViewSpec, Views};
use serde::Deserialize;

use crate::error::{Error, Result};

/// Columns that may name the image of a row, in the order they are looked for.
const IMAGE_IDS: [&str; 5] = ["path", "image", "file", "filename", "id"];
/// Columns of the crop of a view, see `qualm_vision::embed`.
const CROP: [&str; 4] = ["crop_left", "crop_top", "crop_width", "crop_height"];
/// The column that says whether a view is flipped.
const FLIP: &str = "flip";
/// A column of text is shown as a text where its values are this long in the mean.
const TEXT: usize = 40;

/// Which columns of an input mean what to a page.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    /// What is read besides the features, see [`Layout::selection`].
    beside: Vec<String>,
    /// The column that names the image, or the item that a row is a view of.
    pub item: Option<String>,
    /// The column of classes.
    pub class: Option<String>,
    /// The column of text.
    pub text: Option<String>,
    /// The column that says which rows are outliers.
    label: Option<String>,
    /// How the views were drawn, where the rows are views.
    views: Option<DrawnViews>,
    encoder: Option<String>,
}

/// The entry in the metadata of a table of views.
#[derive(Debug, Clone, Deserialize)]
struct DrawnViews {
    seed: u64,
    spec: ViewSpec,
}

impl Layout {
    /// That of a file. `item`, `class` and `text` are columns that the user named.
    ///
    /// # Errors
    /// Those of [`Head::of_file`] and [`Embedding::of_file`]; [`Error::ViewMetadata`]; a column
    /// that is not there is refused when the rows are read.
    pub fn of_file(
        path: &Path,
        features: &Features,
        no_header: bool,
        [item, class, text]: [Option<&str>; 3],
    ) -> Result<Self> {
        let head = Head::of_file(path, no_header)?;
        let embedding = Embedding::of_file(path)?;
        Self::of_head(&head, embedding, features, [item, class, text])
    }

    /// That of rows whose columns and metadata are known: as [`Layout::of_file`]. `embedding` is what
    /// they say of the encoder that made them.
    ///
    /// # Errors
    /// [`Error::ViewMetadata`].
    pub fn of_head(
        head: &Head,
        embedding: Option<Embedding>,
        features: &Features,
        [item, class, text]: [Option<&str>; 3],
    ) -> Result<Self> {
        let read = features.columns();
        let holds_vector = |column: &HeadColumn| column.is_vector || read.contains(&column.name);
        // A model of vectors takes the numbers of a table that has none.
        let by_place =
            matches!(features, Features::Vector { .. }) && !head.columns.iter().any(holds_vector);
        let is_feature = |column: &HeadColumn| holds_vector(column) || by_place && column.is_number;
        let asked = [item, class, text].into_iter().flatten();
        let other = (head.columns.iter()).filter(|c| !c.name.is_empty() && !is_feature(c));
        let mut beside: Vec<String> = other.map(|c| c.name.clone()).collect();
        for name in asked {
            if !beside.iter().any(|b| b == name) {
                beside.push(name.to_owned());
            }
        }
        let has = |name: &str| beside.iter().any(|b| b == name);
        let found = |names: &[&str]| {
            let name = names.iter().find(|name| has(name));
            name.map(|name| (*name).to_owned())
        };
        let own = embedding
            .as_ref()
            .map(|e| e.id.clone())
            .filter(|id| has(id));
        let drawn = head.metadata.get(VIEWS_KEY);
        let drawn = drawn.map(|entry| serde_json::from_str(entry));
        Ok(Self {
            item: item
                .map(str::to_owned)
                .or(own)
                .or_else(|| found(&IMAGE_IDS)),
            class: class.map(str::to_owned).or_else(|| {
                // A column of this name in another file may say which rows are outliers.
                embedding.as_ref().and(found(&[LABEL]))
            }),
            text: text.map(str::to_owned),
            label: None,
            views: drawn
                .transpose()
                .map_err(|source| Error::ViewMetadata { source })?,
            encoder: embedding.map(|e| e.encoder.name),
            beside,
        })
    }

    /// That of images that are embedded on the way: only their ids.
    #[must_use]
    pub fn of_images(id_name: &str, encoder: &str) -> Self {
        Self {
            beside: vec![id_name.to_owned()],
            item: Some(id_name.to_owned()),
            encoder: Some(encoder.to_owned()),
            ..Self::default()
        }
    }

    /// The same, with a column that says which rows are outliers.
    #[must_use]
    pub fn with_label(mut self, label: Option<&str>) -> Self {
        self.beside.retain(|name| Some(name.as_str()) != label);
        self.label = label.map(str::to_owned);
        self
    }

    /// What is read of the file.
    #[must_use]
    pub fn selection(&self) -> Selection {
        Selection {
            ids: self.beside.clone(),
            read_label: self.label.is_some(),
            label: self.label.clone(),
            ..Selection::default()
        }
    }

    /// What the label is called, where one was asked for by its name.
    pub(crate) fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// The columns besides the features.
    #[must_use]
    pub fn beside(&self) -> &[String] {
        &self.beside
    }

    /// The encoder that made the rows, where the file says so.
    #[must_use]
    pub fn encoder(&self) -> Option<&str> {
        self.encoder.as_deref()
    }
}

/// The columns besides the features: as text by name, and typed in the order of the file.
type Columns = (BTreeMap<String, Vec<String>>, Vec<(String, ArrayRef)>);

/// The rows, with their scores.
#[derive(Debug)]
pub struct Shown {
    pub(crate) layout: Layout,
    pub(crate) rows: Matrix,
    /// `(n,)`.
    pub(crate) scores: Vec<f64>,
    /// `(n,)`: true for an outlier, where a label was asked for.
    pub(crate) labels: Option<Vec<bool>>,
    /// The columns besides the features as text, by name: `(n,)` each.
    pub(crate) columns: BTreeMap<String, Vec<String>>,
    /// The same as they were read, typed, in the order of the file.
    pub(crate) typed: Vec<(String, ArrayRef)>,
    /// Columns that are shown beside a row, in the order of the file.
    pub(crate) own: Vec<String>,
    /// What each row is called.
    pub(crate) ids: Vec<String>,
    /// See [`Shown::has_features`].
    pub(crate) with_features: bool,
    /// How the views are drawn again.
    pub(crate) views: Option<Views>,
}

/// Reads all rows and scores them.
///
/// # Errors
/// Those of reading and scoring.
pub fn read(fitted: &Fitted, source: impl Batches, layout: Layout) -> Result<Shown> {
    let names: Vec<String> = source
        .id_fields()
        .iter()
        .map(|f| f.name().clone())
        .collect();
    let batch = source.read_all()?;
    let mut scores = vec![0.0; batch.rows.rows().n_rows()];
    score_into(fitted, batch.rows.rows(), &batch.origin, &mut scores)?;
    of_batch(layout, batch, &names, scores)
}

/// Rows that were read and scored.
///
/// # Shapes
/// `batch`: n rows, its ids called `names`; `scores`: `(n,)`.
///
/// # Errors
/// Views whose parameters are none.
pub fn of_batch(layout: Layout, batch: Batch, names: &[String], scores: Vec<f64>) -> Result<Shown> {
    let columns = texts(names, &batch);
    let typed = names.iter().cloned().zip(batch.ids).collect();
    let views = layout.views.as_ref();
    let views = views
        .map(|drawn| Views::new(drawn.spec.clone(), drawn.seed))
        .transpose()?;
    Ok(Shown::new(
        layout,
        batch.rows,
        batch.labels,
        scores,
        (columns, typed),
        names,
        views,
        true,
    ))
}

/// The column of a file of scores.
const SCORE: &str = "score";

/// Whether a file holds scores, as `qualm score` writes them, in place of the model's features.
///
/// # Errors
/// Those of [`Head::of_file`].
pub fn are_scores(path: &Path, features: &Features, no_header: bool) -> Result<bool> {
    let head = Head::of_file(path, no_header)?;
    let is_data = match features {
        Features::Columns(_) | Features::Prepared(_) => {
            features.columns().iter().any(|name| head.has(name))
        }
        Features::Vector { .. } => head.columns.iter().any(|column| column.is_vector),
    };
    Ok(!is_data && head.has(SCORE))
}

/// Reads a file of scores: as [`read`], but without features.
///
/// # Errors
/// Those of reading, and [`qualm_data::Error`] for a score that is no finite number.
pub fn read_scores(path: &Path, label: Option<&str>, item: Option<&str>) -> Result<Shown> {
    let features = Features::Columns(vec![SCORE.to_owned()]);
    let layout = Layout::of_file(path, &features, false, [item, None, None])?.with_label(label);
    let mut selection = layout.selection();
    // Read as a number, which checks it, and as text, which keeps all digits.
    selection.time = Some(SCORE.to_owned());
    let source = Source::open(path, &selection, Some(&features))?;
    let mut names: Vec<String> = source
        .id_fields()
        .iter()
        .map(|f| f.name().clone())
        .collect();
    let batch = source.read_all()?;
    let mut columns = texts(&names, &batch);
    let texts = columns.remove(SCORE).unwrap_or_default();
    let rounded = batch.rows.rows().as_slice();
    let scores = texts.iter().zip(rounded);
    let scores = scores.map(|(text, value)| text.parse().unwrap_or(f64::from(*value)));
    let scores: Vec<f64> = scores.collect();
    let written = |name: &String| matches!(name.as_str(), SCORE | "p_value" | "outlier");
    names.retain(|name| !written(name));
    Ok(Shown::new(
        layout,
        batch.rows,
        batch.labels,
        scores,
        (columns, Vec::new()),
        &names,
        None,
        false,
    ))
}

/// The columns of a batch as text.
fn texts(names: &[String], batch: &Batch) -> BTreeMap<String, Vec<String>> {
    let n = batch.rows.rows().n_rows();
    let mut columns: Vec<Vec<String>> = names.iter().map(|_| Vec::with_capacity(n)).collect();
    for row in 0..n {
        for (column, text) in columns.iter_mut().zip(batch.ids_of(row)) {
            column.push(text);
        }
    }
    names.iter().cloned().zip(columns).collect()
}

impl Shown {
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one struct, from two readers"
    )]
    fn new(
        mut layout: Layout,
        rows: Matrix,
        labels: Option<Vec<bool>>,
        scores: Vec<f64>,
        (columns, typed): Columns,
        names: &[String],
        views: Option<Views>,
        with_features: bool,
    ) -> Self {
        if layout.text.is_none() {
            let long = |name: &&String| {
                let values = columns.get(name.as_str()).into_iter().flatten();
                let letters: usize = values.map(|value| value.chars().count()).sum();
                letters > TEXT * scores.len()
            };
            let item = layout.item.clone();
            let mut candidates = names.iter().filter(|n| Some(*n) != item.as_ref());
            layout.text = candidates.find(long).cloned();
        }
        let hidden = |name: &str| {
            let special = [&layout.item, &layout.class, &layout.text];
            let special = special.iter().any(|s| s.as_deref() == Some(name));
            // The crop of a view is said in one line: see `beside`.
            let of_view = name == VIEW || name == FLIP || CROP.contains(&name);
            special || views.is_some() && of_view
        };
        let own = names.iter().filter(|name| !hidden(name)).cloned().collect();
        let item = layout.item.as_ref().and_then(|item| columns.get(item));
        let ids = (0..scores.len()).map(|i| {
            let id = item
                .and_then(|item| item.get(i))
                .filter(|id| !id.is_empty());
            id.cloned().unwrap_or_else(|| format!("row {}", i + 1))
        });
        Self {
            ids: ids.collect(),
            own,
            views,
            with_features,
            rows,
            labels,
            scores,
            columns,
            typed,
            layout,
        }
    }

    /// The score of each row, `(n,)`.
    #[must_use]
    pub fn scores(&self) -> &[f64] {
        &self.scores
    }

    /// Whether the rows have the model's features: those of a file of scores have not.
    pub(crate) fn has_features(&self) -> bool {
        self.with_features
    }

    /// Whether a column names the rows.
    pub(crate) fn named(&self) -> bool {
        self.layout.item.is_some()
    }

    /// The class of a row.
    pub(crate) fn class(&self, row: usize) -> Option<&String> {
        let column = self.columns.get(self.layout.class.as_ref()?)?;
        column.get(row).filter(|class| !class.is_empty())
    }

    /// The value of a row in a column.
    pub(crate) fn text(&self, name: &str, row: usize) -> Option<&str> {
        self.columns.get(name)?.get(row).map(String::as_str)
    }

    /// Which view of its item a row is.
    pub(crate) fn view(&self, row: usize) -> Option<u64> {
        self.views.as_ref()?;
        self.text(VIEW, row)?.parse().ok()
    }

    /// The crop that the file says a view is of.
    pub(crate) fn crop(&self, row: usize) -> Option<Crop> {
        let side = |i: usize| self.text(CROP.get(i)?, row)?.parse().ok();
        Some(Crop {
            left: side(0)?,
            top: side(1)?,
            width: side(2)?,
            height: side(3)?,
        })
    }

    /// The columns that are shown beside a row.
    pub(crate) fn beside(&self, row: usize) -> Vec<(String, String)> {
        let values = self.own.iter().filter_map(|name| {
            let value = self.text(name, row).filter(|value| !value.is_empty())?;
            Some((name.clone(), value.to_owned()))
        });
        let crop = self.view(row).and(self.crop(row)).map(|crop| {
            let Crop {
                left,
                top,
                width,
                height,
            } = crop;
            (
                "crop".to_owned(),
                format!("{width} × {height} at {left}, {top}"),
            )
        });
        let flip = self.view(row).and(self.text(FLIP, row));
        let flip = flip.map(|flip| {
            let word = if flip == "true" { "yes" } else { "no" };
            ("flipped".to_owned(), word.to_owned())
        });
        crop.into_iter().chain(flip).chain(values).collect()
    }
}
