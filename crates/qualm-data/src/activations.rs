//! What a classifier computed, from a file: features, logits and labels of the same items.

use std::path::Path;

use arrow_array::{Array, ArrayRef};
use arrow_schema::Field;
use qualm::error::Names;
use qualm::ood::{Activations, OodInput, OodInputs, Widths};
use qualm::{Features, Location, Matrix};

use crate::batches::Beside;
use crate::csv::TextOptions;
use crate::error::{Error, Result};
use crate::labels::{classes, labels};
use crate::open::open_tables;
use crate::origin::Origin;
use crate::role::Role;
use crate::table::{Chunk, Kind, Projection, Table};
use crate::text_vectors::{self, is_text};
use crate::type_words::TypeWords;
use crate::vector_column::{first_width, vector_values};

/// Which columns of a file hold what: `.npz` arrays, or columns of a Parquet or Arrow table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActivationColumns {
    /// Vectors of layers, in this order.
    pub features: Vec<String>,
    /// Logits.
    pub logits: Option<String>,
    /// Classes, to fit: whole numbers, below 0 for known outliers.
    pub classes: Option<String>,
    /// Classes that are read if there is a column of numbers of this name.
    pub classes_if_present: Option<String>,
    /// Which items are outliers, to evaluate: 0 or 1.
    pub label: Option<String>,
    /// Columns to carry through to the scores.
    pub ids: Vec<String>,
    /// Columns to carry through where the input has them.
    pub ids_if_present: Vec<String>,
}

/// An opened input of activations.
///
/// ```no_run
/// use qualm_data::{ActivationColumns, ActivationSource};
///
/// let columns = ActivationColumns {
///     features: vec!["features".to_owned()],
///     logits: Some("logits".to_owned()),
///     ..ActivationColumns::default()
/// };
/// let source = ActivationSource::open("test.npz".as_ref(), &columns)?;
/// let batch = source.read_all()?;
/// println!("{} items", batch.activations().n_rows());
/// # Ok::<(), qualm_data::Error>(())
/// ```
#[derive(Debug)]
pub struct ActivationSource {
    table: Box<dyn Table>,
    /// The features of each layer, then the logits: each by name and width.
    vectors: Vec<Features>,
    n_layers: usize,
    classes: Option<String>,
    label: Option<String>,
    id_fields: Vec<Field>,
    /// The first chunk, read ahead to learn the widths.
    first: Option<Chunk>,
}

/// Some items of an input.
#[derive(Debug, Clone)]
pub struct ActivationBatch {
    /// The features of each layer, `(n, d)` each.
    pub features: Vec<Matrix>,
    /// The logits, `(n, c)`.
    pub logits: Option<Matrix>,
    /// The classes, `(n,)`.
    pub classes: Option<Vec<i64>>,
    /// Where a label was asked for, `(n,)`: true for an outlier.
    pub labels: Option<Vec<bool>>,
    /// The id columns, `(n,)` each.
    pub ids: Vec<ArrayRef>,
    /// Where the items are in the input.
    pub origin: Origin,
}

impl ActivationBatch {
    /// The items as detectors take them.
    #[must_use]
    pub fn activations(&self) -> Activations<'_> {
        let layers = self.features.iter().map(Matrix::rows).collect();
        let mut activations = Activations::of_layers(layers);
        if let Some(logits) = &self.logits {
            activations = activations.with_logits(logits.rows());
        }
        match &self.classes {
            Some(classes) => activations.with_labels(classes),
            None => activations,
        }
    }
}

impl ActivationSource {
    /// Opens an input.
    ///
    /// # Errors
    /// What is known before the rows are read: a file that is missing or damaged, columns that
    /// are missing or of the wrong type, arrays of different numbers of rows.
    pub fn open(path: &Path, columns: &ActivationColumns) -> Result<Self> {
        let at = Location::file(path);
        let mut table = open_tables(&[path.to_owned()], &TextOptions::default())?.0;
        let asked = Asked::find(table.as_mut(), columns, &at)?;
        table.project(&asked.projection())?;
        let Some(mut first) = table.next_filled()? else {
            return Err(qualm::Error::Empty { at }.into());
        };
        let names = asked.vectors.iter().map(|(_, name)| name.clone());
        let names: Vec<String> = names.collect();
        take_apart(&mut first, &names)?;
        let mut vectors = Vec::with_capacity(names.len());
        for (array, name) in first.columns.iter().zip(names) {
            let width = first_width(Some(array), &first.origin, &name)?;
            if width == 0 {
                return Err(Error::NoValues {
                    at: at.column(name),
                });
            }
            let name = Some(name);
            vectors.push(Features::Vector { name, width });
        }
        let columns_of = |place: &usize| table.columns().get(*place).cloned();
        let ids = asked.ids.iter().filter_map(columns_of);
        let id_types = first.columns.iter().rev().take(asked.ids.len()).rev();
        let id_fields = ids
            .zip(id_types)
            .map(|(column, array)| Field::new(column.name, array.data_type().clone(), true));
        Ok(Self {
            id_fields: id_fields.collect(),
            vectors,
            n_layers: columns.features.len(),
            classes: asked.classes.map(|(_, name)| name),
            label: asked.label.map(|(_, name)| name),
            table,
            first: Some(first),
        })
    }

    /// The arrays that it gives, as a detector names them.
    #[must_use]
    pub fn inputs(&self) -> OodInputs {
        let inputs = self.vectors.iter().map(|vector| OodInput {
            name: match vector {
                Features::Vector { name, .. } => name.clone().unwrap_or_default(),
                Features::Columns(_) | Features::Prepared(_) => String::new(),
            },
            width: vector.width(),
        });
        let mut features: Vec<OodInput> = inputs.collect();
        let logits = features.split_off(self.n_layers.min(features.len()));
        OodInputs {
            features,
            logits: logits.into_iter().next(),
        }
    }

    /// Refuses arrays of other widths than a detector was fitted to.
    ///
    /// # Errors
    /// [`qualm::Error::Width`] naming the array.
    pub fn check_widths(&self, expected: &Widths) -> Result<()> {
        let expected = expected.features.iter().chain(&expected.logits);
        match self
            .vectors
            .iter()
            .zip(expected)
            .find(|(v, w)| v.width() != **w)
        {
            Some((vector, expected)) => {
                let name = match vector {
                    Features::Vector { name, .. } => name.as_deref().unwrap_or_default(),
                    Features::Columns(_) | Features::Prepared(_) => "",
                };
                let file = self.first.as_ref().map(|chunk| chunk.origin.at(0));
                let at = Location {
                    row: None,
                    ..file.unwrap_or_default()
                };
                Err(qualm::Error::Width {
                    at: at.column(name),
                    found: vector.width(),
                    expected: *expected,
                }
                .into())
            }
            None => Ok(()),
        }
    }

    /// Name and type of each id column.
    #[must_use]
    pub fn id_fields(&self) -> Vec<Field> {
        self.id_fields.clone()
    }

    /// The number of items, where the format declares it.
    #[must_use]
    pub fn n_rows_hint(&self) -> Option<u64> {
        self.table.n_rows()
    }

    /// The next items, or `None` at the end.
    ///
    /// # Errors
    /// The first value that is missing, NaN, infinite or too large for float32, a vector of another
    /// width, a class that is not a whole number: with file, row and column.
    pub fn next_batch(&mut self) -> Result<Option<ActivationBatch>> {
        let Some(chunk) = self.next_chunk()? else {
            return Ok(None);
        };
        let Chunk {
            origin, columns, ..
        } = chunk;
        let mut columns = columns.into_iter();
        let mut matrices = Vec::with_capacity(self.vectors.len());
        for vector in &self.vectors {
            let values = vector_values(columns.next().as_ref(), vector, &origin)?;
            matrices.push(Matrix::checked(values, vector.width()));
        }
        let mut next = |name: &Option<String>| {
            let name = name.as_deref()?;
            columns.next().map(|array| (array, name.to_owned()))
        };
        let classes = next(&self.classes).map(|(array, name)| classes(&array, &origin, &name));
        let labels = next(&self.label).map(|(array, name)| labels(&array, &origin, &name, None));
        let logits = matrices.split_off(self.n_layers.min(matrices.len()));
        Ok(Some(ActivationBatch {
            features: matrices,
            logits: logits.into_iter().next(),
            classes: classes.transpose()?,
            labels: labels.transpose()?,
            ids: columns.collect(),
            origin,
        }))
    }

    /// The next chunk that holds a row, with vectors that are written as text taken apart.
    fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let Some(mut chunk) = self.table.next_filled()? else {
            return Ok(None);
        };
        let names: Vec<String> = self.inputs_in_order().map(str::to_owned).collect();
        take_apart(&mut chunk, &names)?;
        Ok(Some(chunk))
    }

    /// The names of the vector columns, in the order of the projection.
    fn inputs_in_order(&self) -> impl Iterator<Item = &str> {
        self.vectors.iter().filter_map(|vector| match vector {
            Features::Vector { name, .. } => name.as_deref(),
            Features::Columns(_) | Features::Prepared(_) => None,
        })
    }

    /// All items at once.
    ///
    /// # Errors
    /// Those of [`ActivationSource::next_batch`].
    pub fn read_all(mut self) -> Result<ActivationBatch> {
        let mut values: Vec<Vec<f32>> = vec![Vec::new(); self.vectors.len()];
        let (mut all_classes, mut beside) = (None::<Vec<i64>>, Beside::default());
        while let Some(batch) = self.next_batch()? {
            let n_rows = batch.activations().n_rows();
            let matrices = batch.features.into_iter().chain(batch.logits);
            for (all, matrix) in values.iter_mut().zip(matrices) {
                all.extend_from_slice(matrix.rows().as_slice());
            }
            if let Some(classes) = batch.classes {
                all_classes.get_or_insert_default().extend(classes);
            }
            beside.append(n_rows, batch.ids, batch.labels, batch.origin);
        }
        let matrices = values.into_iter().zip(&self.vectors);
        let matrices =
            matrices.map(|(values, vector)| Matrix::checked(values.into(), vector.width()));
        let mut features: Vec<Matrix> = matrices.collect();
        let logits = features.split_off(self.n_layers.min(features.len()));
        let (ids, labels, origin) = beside.parts()?;
        Ok(ActivationBatch {
            features,
            logits: logits.into_iter().next(),
            classes: all_classes,
            labels,
            ids,
            origin,
        })
    }
}

/// Makes lists of vectors that are written as text.
fn take_apart(chunk: &mut Chunk, names: &[String]) -> Result<()> {
    for (array, name) in chunk.columns.iter_mut().zip(names) {
        *array = text_vectors::read(array, &chunk.origin, name)?;
    }
    Ok(())
}

/// The places of the columns that were asked for, with their names.
#[derive(Debug)]
struct Asked {
    vectors: Vec<(usize, String)>,
    classes: Option<(usize, String)>,
    label: Option<(usize, String)>,
    ids: Vec<usize>,
}

impl Asked {
    fn find(table: &mut dyn Table, columns: &ActivationColumns, at: &Location) -> Result<Self> {
        let of_layers = columns
            .features
            .iter()
            .map(|name| (name, Role::LayerFeatures));
        let of_logits = columns.logits.iter().map(|name| (name, Role::Logits));
        let vectors: Vec<(&String, Role)> = of_layers.chain(of_logits).collect();
        let mut vector_places = Vec::with_capacity(vectors.len());
        for (name, role) in vectors {
            vector_places.push((vector_place(table, name, role, at)?, name.clone()));
        }
        let table = &*table;
        let one = |name: &Option<String>, role| {
            let name = name.as_ref()?;
            Some(find(table, name, role, at).map(|place| (place, name.clone())))
        };
        let is_number = |name: &&String| {
            let mut columns = table.columns().iter();
            columns.any(|column| column.name == **name && column.kind == Kind::Number)
        };
        let classes = columns.classes.clone();
        let classes = classes.or(columns
            .classes_if_present
            .as_ref()
            .filter(is_number)
            .cloned());
        let ids = columns
            .ids
            .iter()
            .map(|name| find(table, name, Role::Id, at));
        let mut ids = ids.collect::<Result<Vec<_>>>()?;
        ids.extend(
            columns
                .ids_if_present
                .iter()
                .filter_map(|name| place(table, name)),
        );
        Ok(Self {
            vectors: vector_places,
            classes: one(&classes, Role::Classes).transpose()?,
            label: one(&columns.label, Role::Label).transpose()?,
            ids,
        })
    }

    fn projection(&self) -> Vec<Projection> {
        let vectors = self.vectors.iter().map(|(index, _)| (*index, false));
        let classes = self.classes.iter().map(|(index, _)| (*index, false));
        let label = self.label.iter().map(|(index, _)| (*index, true));
        let ids = self.ids.iter().map(|index| (*index, true));
        let all = vectors.chain(classes).chain(label).chain(ids);
        all.map(|(index, verbatim)| Projection { index, verbatim })
            .collect()
    }
}

fn place(table: &dyn Table, name: &str) -> Option<usize> {
    table
        .columns()
        .iter()
        .position(|column| column.name == name)
}

/// The place of a column.
fn find(table: &dyn Table, name: &str, role: Role, at: &Location) -> Result<usize> {
    place(table, name).ok_or_else(|| Error::NoSuchColumn {
        at: at.clone().column(name),
        role,
        known: Names(table.columns().iter().map(|c| c.name.clone()).collect()),
    })
}

/// The place of a column of vectors.
fn vector_place(table: &mut dyn Table, name: &str, role: Role, at: &Location) -> Result<usize> {
    let place = find(table, name, role, at)?;
    let text = |table: &dyn Table| {
        table
            .columns()
            .get(place)
            .is_some_and(|c| is_text(&c.data_type))
    };
    if text(table) {
        table.look_at(&[place])?;
    }
    match table.columns().get(place) {
        Some(column) if column.kind != Kind::Vector => Err(Error::ColumnType {
            at: at.clone().column(name),
            role,
            found: match &column.remark {
                Some(remark) => remark.clone().into(),
                None => TypeWords(&column.data_type).to_string().into(),
            },
            expected: "one vector a row: an array of two dimensions, or a column of lists",
        }),
        _ => Ok(place),
    }
}
