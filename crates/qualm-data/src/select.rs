//! Which columns mean what.
//!
//! At fit time the user's [`Selection`] and the types of the columns decide; at score
//! time the [`Features`] that the model was fitted on do, and the selection only adds
//! ids and a label.

use arrow_array::ArrayRef;
use qualm::error::Names;
use qualm::{Features, Location};

use crate::error::{Error, Result};
use crate::role::Role;
use crate::table::{Column, Kind, Projection, Table};

/// What the user asked for. The default asks for nothing: all numeric columns, or the
/// only vector column, are the features.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// The columns to use as features, in this order.
    pub columns: Vec<String>,
    /// Columns to leave out of the features.
    pub exclude: Vec<String>,
    /// The column that says which rows are outliers: never a feature.
    pub label: Option<String>,
    /// Whether the label is to be read, into [`crate::Batch::labels`]. Otherwise it is only
    /// kept out of the features, and may hold anything.
    pub read_label: bool,
    /// Columns to carry through to the output: never features.
    pub ids: Vec<String>,
    /// Columns to carry through where the input has them: the ids that a model was fitted
    /// with, which a new input may lack.
    pub ids_if_present: Vec<String>,
    /// The vector column to use as the features.
    pub vector: Option<String>,
}

/// Where the features come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Inputs {
    /// These numeric columns, by place in the table.
    Columns(Vec<usize>),
    /// This vector column.
    Vector(usize),
}

/// The roles of the columns of one table.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) inputs: Inputs,
    pub(crate) label: Option<usize>,
    pub(crate) ids: Vec<usize>,
    pub(crate) skipped: Vec<String>,
}

impl Plan {
    /// The columns to read, in the order that [`Plan::by_role`] takes apart.
    pub(crate) fn projection(&self) -> Vec<Projection> {
        let column = |verbatim| move |&index: &usize| Projection { index, verbatim };
        let features = match &self.inputs {
            Inputs::Columns(places) => places.as_slice(),
            Inputs::Vector(place) => std::slice::from_ref(place),
        };
        let mut columns: Vec<Projection> = features.iter().map(column(false)).collect();
        columns.extend(self.label.iter().map(column(true)));
        columns.extend(self.ids.iter().map(column(true)));
        columns
    }

    /// Columns that were read by [`Plan::projection`], by their roles.
    pub(crate) fn by_role<'a>(&self, columns: &'a [ArrayRef]) -> ByRole<'a> {
        let n_features = match &self.inputs {
            Inputs::Columns(places) => places.len(),
            Inputs::Vector(_) => 1,
        };
        let (features, rest) = columns.split_at(n_features.min(columns.len()));
        let (label, ids) = rest.split_at(usize::from(self.label.is_some()).min(rest.len()));
        ByRole {
            features,
            label: label.first(),
            ids,
        }
    }
}

/// The columns of a chunk by role.
pub(crate) struct ByRole<'a> {
    /// The numeric columns, or the one vector column.
    pub(crate) features: &'a [ArrayRef],
    pub(crate) label: Option<&'a ArrayRef>,
    pub(crate) ids: &'a [ArrayRef],
}

/// Decides the roles of a table's columns.
pub(crate) fn plan(
    table: &dyn Table,
    selection: &Selection,
    expected: Option<&Features>,
    at: &Location,
) -> Result<Plan> {
    check_conflicts(selection, expected)?;
    let chooser = Chooser {
        table,
        selection,
        at,
    };
    for name in &selection.exclude {
        chooser.find(name, Role::Excluded)?;
    }
    let label = match &selection.label {
        Some(name) => Some(chooser.find(name, Role::Label)?),
        None => None,
    };
    let ids = selection
        .ids
        .iter()
        .map(|name| chooser.find(name, Role::Id));
    let mut ids = ids.collect::<Result<Vec<_>>>()?;
    let columns = table.columns();
    for name in &selection.ids_if_present {
        ids.extend(columns.iter().position(|c| c.name == *name));
    }
    let inputs = match expected {
        None => chooser.at_fit()?,
        Some(Features::Columns(names)) => chooser.for_columns(names)?,
        Some(Features::Vector { name, width }) => chooser.for_vector(name.as_deref(), *width)?,
    };
    let skipped = match expected {
        None => chooser.skipped(&inputs),
        Some(_) => Vec::new(),
    };
    Ok(Plan {
        inputs,
        label,
        ids,
        skipped,
    })
}

/// Refuses a column in two roles that exclude each other.
fn check_conflicts(selection: &Selection, expected: Option<&Features>) -> Result<()> {
    let conflict = |column: &str, first, second| {
        Err(Error::Conflict {
            column: column.to_owned(),
            first,
            second,
        })
    };
    let twice = |column: &str, role| {
        Err(Error::NamedTwice {
            column: column.to_owned(),
            role,
        })
    };
    if let (Some(vector), Some(column)) = (&selection.vector, selection.columns.first())
        && (selection.columns.len() > 1 || vector != column)
    {
        return Err(Error::VectorAndColumns {
            column: column.clone(),
            vector: vector.clone(),
        });
    }
    let mut features: Vec<(&String, Role)> = Vec::new();
    for name in &selection.columns {
        if features.iter().any(|(other, _)| *other == name) {
            return twice(name, Role::Feature);
        }
        features.push((name, Role::Feature));
    }
    features.extend(selection.vector.iter().map(|name| (name, Role::Vector)));
    match expected {
        Some(Features::Columns(names)) => {
            if let Some(other) = selection.columns.iter().find(|n| !names.contains(n)) {
                return Err(Error::NotInModel {
                    column: other.clone(),
                });
            }
            features.extend(names.iter().map(|name| (name, Role::ModelFeature)));
        }
        Some(Features::Vector {
            name: Some(name), ..
        }) => features.push((name, Role::ModelFeature)),
        _ => {}
    }
    // Each would stand twice in the output.
    for (i, id) in selection.ids.iter().enumerate() {
        if selection.ids.iter().take(i).any(|other| other == id) {
            return twice(id, Role::Id);
        }
        if selection.read_label && selection.label.as_ref() == Some(id) {
            return conflict(id, Role::Label, Role::Id);
        }
    }
    let others = (selection.exclude.iter().map(|name| (name, Role::Excluded)))
        .chain(selection.label.iter().map(|name| (name, Role::Label)))
        .chain(selection.ids.iter().map(|name| (name, Role::Id)));
    for (name, second) in others {
        if let Some((_, first)) = features.iter().find(|(feature, _)| *feature == name) {
            return conflict(name, *first, second);
        }
    }
    Ok(())
}

struct Chooser<'a> {
    table: &'a dyn Table,
    selection: &'a Selection,
    at: &'a Location,
}

impl Chooser<'_> {
    fn columns(&self) -> &[Column] {
        self.table.columns()
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.columns().iter().position(|c| c.name == name)
    }

    fn known(&self) -> Names {
        // The one array of an .npy file has no name.
        let names = self.columns().iter().map(|c| c.name.clone());
        Names(names.filter(|name| !name.is_empty()).collect())
    }

    fn find(&self, name: &str, role: Role) -> Result<usize> {
        self.place(name).ok_or_else(|| Error::NoSuchColumn {
            at: self.at.clone().column(name),
            role,
            known: self.known(),
        })
    }

    fn kind(&self, place: usize) -> Kind {
        self.columns().get(place).map_or(Kind::Other, |c| c.kind)
    }

    /// The places of the columns of a kind that have no other role.
    fn free(&self, kind: Kind) -> Vec<usize> {
        let selection = self.selection;
        let columns = self.columns().iter().enumerate();
        columns
            .filter(|(_, c)| c.kind == kind)
            .filter(|(_, c)| {
                selection.label.as_ref() != Some(&c.name)
                    && !selection.ids.contains(&c.name)
                    && !selection.ids_if_present.contains(&c.name)
                    && !selection.exclude.contains(&c.name)
            })
            .map(|(place, _)| place)
            .collect()
    }

    fn named(&self, places: &[usize]) -> Names {
        let name = |&place: &usize| self.columns().get(place).map(|c| c.name.clone());
        Names(places.iter().filter_map(name).collect())
    }

    /// The place, if the column there holds numbers or vectors as its role needs; the reason
    /// why not, otherwise.
    fn of_kind(&self, place: usize, kind: Kind, role: Role) -> Result<usize> {
        let Some(column) = self.columns().get(place) else {
            return Ok(place);
        };
        if column.kind == kind {
            return Ok(place);
        }
        let at = self.at.clone().column(&column.name);
        Err(match (&column.not_a_number, kind) {
            (Some((row, found)), Kind::Number) => Error::NotANumber {
                at: at.at_row(*row),
                found: found.clone(),
            },
            _ => Error::ColumnType {
                at,
                role,
                found: column.data_type.to_string(),
                expected: match kind {
                    Kind::Vector => "a list of numbers in each row",
                    _ => "numbers, one a row",
                },
            },
        })
    }

    /// The vector column of this name, if it was asked for.
    fn chosen_vector(&self) -> Result<Option<Inputs>> {
        let Some(name) = &self.selection.vector else {
            return Ok(None);
        };
        let place = self.find(name, Role::Vector)?;
        let place = self.of_kind(place, Kind::Vector, Role::Vector)?;
        Ok(Some(Inputs::Vector(place)))
    }

    /// Numeric columns, each checked.
    fn numbers(&self, places: impl IntoIterator<Item = usize>, role: Role) -> Result<Inputs> {
        let places = places.into_iter();
        let places = places.map(|place| self.of_kind(place, Kind::Number, role));
        Ok(Inputs::Columns(places.collect::<Result<_>>()?))
    }

    fn at_fit(&self) -> Result<Inputs> {
        if let Some(vector) = self.chosen_vector()? {
            return Ok(vector);
        }
        if !self.selection.columns.is_empty() {
            let named = self.selection.columns.iter();
            let places = named
                .map(|name| self.find(name, Role::Feature))
                .collect::<Result<Vec<_>>>()?;
            if let [only] = places[..]
                && self.kind(only) == Kind::Vector
            {
                return Ok(Inputs::Vector(only));
            }
            return self.numbers(places, Role::Feature);
        }
        if let Some(vector) = self.only_vector()? {
            return Ok(Inputs::Vector(vector));
        }
        let numbers = self.free(Kind::Number);
        if numbers.is_empty() {
            return Err(Error::NoNumericColumn {
                at: self.at.clone(),
                found: self.known(),
            });
        }
        Ok(Inputs::Columns(numbers))
    }

    /// The vector column, if there is one; an error if it is not clear which.
    fn only_vector(&self) -> Result<Option<usize>> {
        let vectors = self.free(Kind::Vector);
        match vectors[..] {
            [] => Ok(None),
            [only] => Ok(Some(only)),
            _ => match self.table.default_vector() {
                Some(default) if vectors.contains(&default) => Ok(Some(default)),
                _ => Err(Error::SeveralVectors {
                    at: self.at.clone(),
                    names: self.named(&vectors),
                }),
            },
        }
    }

    /// For a model of columns: by name, or by position in a vector of the same width.
    fn for_columns(&self, names: &[String]) -> Result<Inputs> {
        if let Some(vector) = self.chosen_vector()? {
            return Ok(vector);
        }
        let missing: Vec<String> = names
            .iter()
            .filter(|name| self.place(name).is_none())
            .cloned()
            .collect();
        if missing.len() == names.len()
            && let Some(vector) = self.only_vector()?
        {
            return Ok(Inputs::Vector(vector));
        }
        if !missing.is_empty() {
            return Err(Error::MissingColumns {
                at: self.at.clone(),
                missing: Names(missing),
                known: self.known(),
            });
        }
        let places = names.iter().filter_map(|name| self.place(name));
        self.numbers(places, Role::ModelFeature)
    }

    /// For a model of vectors: by name, else the only vector, else as many numeric columns
    /// as the vector is wide, by position.
    fn for_vector(&self, name: Option<&str>, width: usize) -> Result<Inputs> {
        if self.selection.vector.is_some() || !self.selection.columns.is_empty() {
            return self.checked_width(self.at_fit()?, width);
        }
        if let Some(place) = name.and_then(|name| self.place(name))
            && self.kind(place) == Kind::Vector
        {
            return Ok(Inputs::Vector(place));
        }
        if let Some(vector) = self.only_vector()? {
            return Ok(Inputs::Vector(vector));
        }
        let numbers = self.free(Kind::Number);
        if numbers.is_empty() {
            return Err(Error::NoVector {
                at: self.at.clone(),
                name: name.map(str::to_owned),
                width,
                known: self.known(),
            });
        }
        self.checked_width(Inputs::Columns(numbers), width)
    }

    fn checked_width(&self, inputs: Inputs, expected: usize) -> Result<Inputs> {
        match &inputs {
            Inputs::Columns(places) if places.len() != expected => Err(qualm::Error::Width {
                at: self.at.clone(),
                found: places.len(),
                expected,
            }
            .into()),
            _ => Ok(inputs),
        }
    }

    /// The columns without a role: not numeric, or beside the chosen vector. Where the
    /// user named the columns, the others are left out on purpose.
    fn skipped(&self, inputs: &Inputs) -> Vec<String> {
        if !self.selection.columns.is_empty() || self.selection.vector.is_some() {
            return Vec::new();
        }
        let mut places = self.free(Kind::Other);
        places.extend(self.free(Kind::Vector));
        if let Inputs::Vector(chosen) = inputs {
            places.extend(self.free(Kind::Number));
            places.retain(|place| place != chosen);
        }
        places.sort_unstable();
        self.named(&places).0
    }
}
