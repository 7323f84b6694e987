//! Which columns mean what.
//!
//! At fit time the user's [`Selection`] and the types of the columns decide; at score
//! time the [`Features`] that the model was fitted on do, and the selection only adds
//! ids and a label.

mod chooser;

use std::collections::{HashMap, HashSet};

use arrow_array::ArrayRef;
use qualm::{Features, Location, Treatment};

use self::chooser::Chooser;
use crate::column_notes::Unused;
use crate::error::{Error, Result};
use crate::prepare::Reading;
use crate::role::Role;
use crate::table::{Column, Kind, Projection, Table};
use crate::text_format::TextFormat;
use crate::text_vectors::is_text;

/// What the user asked for. The default asks for nothing: all numeric columns, or the
/// only vector column, are the features.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
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
    /// The label that stands for an outlier, all others for none [default: 1 or true; 0 or false for
    /// none].
    pub positive: Option<String>,
    /// Columns to carry through to the output: never features.
    pub ids: Vec<String>,
    /// Columns to carry through where the input has them: the ids that a model was fitted
    /// with, which a new input may lack.
    pub ids_if_present: Vec<String>,
    /// The column that says when each row is from, see [`crate::times()`]: read as an id is, after the
    /// others, and may be a feature of the model too.
    pub time: Option<String>,
    /// The column that says which of several streams each row is of; read as the time is.
    pub stream: Option<String>,
    /// The vector column to use as the features.
    pub vector: Option<String>,
    /// Whether CSV and tab-separated text begins with its first row: its columns are then
    /// called `column_1`, `column_2` and so on.
    pub no_header: bool,
    /// How numbers and fields are written in text.
    pub text: TextFormat,
    /// What is done about missing values, categories and dates when a model is fitted. For a model
    /// that was fitted, its [`Features`] say so.
    pub treatment: Treatment,
    /// Whether rows with something wrong are left out, see [`crate::Batches::rejects`].
    pub skip: bool,
    /// Whether rows are numbered, where there is no id: a first id column `row` (`row_number` where
    /// the input has such a column), from 1, as messages count them.
    pub row_numbers: bool,
    /// Which columns are carried through beside the ids, features among them.
    pub keep: Keep,
}

/// Columns of the input that are carried through to the output, also features.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Keep {
    /// None but the ids.
    #[default]
    Ids,
    /// Those of these names.
    Named(Vec<String>),
    /// All that hold one value a row.
    All,
}

impl Selection {
    /// The same, each name as the table has it: ` b` is `b` where no column is called ` b`.
    fn named_as_in(&self, columns: &HashMap<&str, usize>) -> Self {
        let named = |name: &String| match name.trim() {
            trimmed if !columns.contains_key(name.as_str()) && columns.contains_key(trimmed) => {
                trimmed.to_owned()
            }
            _ => name.clone(),
        };
        let all = |names: &[String]| names.iter().map(named).collect();
        Self {
            columns: all(&self.columns),
            exclude: all(&self.exclude),
            label: self.label.as_ref().map(named),
            ids: all(&self.ids),
            ids_if_present: all(&self.ids_if_present),
            time: self.time.as_ref().map(named),
            stream: self.stream.as_ref().map(named),
            vector: self.vector.as_ref().map(named),
            ..self.clone()
        }
    }
}

/// Where the features come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Inputs {
    /// These numeric columns, by place in the table.
    Columns(Vec<usize>),
    /// These columns, of which a recipe makes the features.
    Prepared(Vec<(usize, Reading)>),
    /// This vector column.
    Vector(usize),
}

/// The roles of the columns of one table.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) inputs: Inputs,
    pub(crate) label: Option<usize>,
    pub(crate) ids: Vec<usize>,
    /// How many of them name the row; the others are carried through.
    pub(crate) n_ids: usize,
    /// At fit time, the columns without a role.
    pub(crate) unused: Vec<Unused>,
}

impl Plan {
    /// The columns to read, in the order that [`Plan::by_role`] takes apart.
    pub(crate) fn projection(&self) -> Vec<Projection> {
        let column = |verbatim| move |&index: &usize| Projection { index, verbatim };
        let mut columns: Vec<Projection> = match &self.inputs {
            Inputs::Columns(places) => places.iter().map(column(false)).collect(),
            Inputs::Vector(place) => vec![column(false)(place)],
            Inputs::Prepared(columns) => columns
                .iter()
                .map(|(index, reading)| column(*reading != Reading::Number)(index))
                .collect(),
        };
        columns.extend(self.label.iter().map(column(true)));
        columns.extend(self.ids.iter().map(column(true)));
        columns
    }

    /// Columns that were read by [`Plan::projection`], by their roles.
    pub(crate) fn by_role<'a>(&self, columns: &'a [ArrayRef]) -> ByRole<'a> {
        let n_features = match &self.inputs {
            Inputs::Columns(places) => places.len(),
            Inputs::Prepared(columns) => columns.len(),
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
    let named = table.columns().iter().enumerate();
    let places: HashMap<&str, usize> = named.map(|(i, c)| (c.name.as_str(), i)).collect();
    let selection = &selection.named_as_in(&places);
    check_conflicts(selection, expected)?;
    let chooser = Chooser {
        table,
        selection,
        at,
        places,
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
    let present = selection.ids_if_present.iter();
    for place in present.filter_map(|name| chooser.place(name)) {
        if !ids.contains(&place) {
            ids.push(place);
        }
    }
    let beside = [
        (&selection.time, Role::Time),
        (&selection.stream, Role::Stream),
    ];
    for (name, role) in beside {
        let place = name.as_ref().map(|name| chooser.find(name, role));
        if let Some(place) = place.transpose()?
            && !ids.contains(&place)
        {
            ids.push(place);
        }
    }
    let n_ids = ids.len();
    for place in chooser.kept()? {
        if !ids.contains(&place) && (label != Some(place) || !selection.read_label) {
            ids.push(place);
        }
    }
    let inputs = match expected {
        None => chooser.at_fit()?,
        Some(Features::Columns(names)) => chooser.for_columns(names)?,
        Some(Features::Prepared(recipe)) => chooser.for_recipe(recipe)?,
        Some(Features::Vector { name, width }) => chooser.for_vector(name.as_deref(), *width)?,
    };
    let unused = match expected {
        None => chooser.unused(&inputs),
        Some(_) => Vec::new(),
    };
    Ok(Plan {
        inputs,
        label,
        ids,
        n_ids,
        unused,
    })
}

/// The columns of text whose values have to be looked at, because they may be vectors or
/// because a note will quote them.
pub(crate) fn text_in_question(
    columns: &[Column],
    selection: &Selection,
    expected: Option<&Features>,
) -> Vec<usize> {
    let named: Vec<&String> = selection.columns.iter().chain(&selection.vector).collect();
    let in_question = |c: &Column| match expected {
        Some(Features::Columns(_) | Features::Prepared(_)) => named.contains(&&c.name),
        _ => named.is_empty() || named.contains(&&c.name),
    };
    let columns = columns.iter().enumerate();
    columns
        .filter(|(_, c)| c.kind == Kind::Other && c.not_a_number.is_none())
        .filter(|(_, c)| is_text(&c.data_type) && in_question(c) && is_free(selection, &c.name))
        .map(|(place, _)| place)
        .collect()
}

/// Whether a column has no other role than that of a feature.
fn is_free(selection: &Selection, name: &String) -> bool {
    selection.label.as_ref() != Some(name)
        && !selection.ids.contains(name)
        && !selection.ids_if_present.contains(name)
        && selection.time.as_ref() != Some(name)
        && selection.stream.as_ref() != Some(name)
        && !selection.exclude.contains(name)
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
    // By name, in a map: there may be a hundred thousand.
    let mut features: HashMap<&String, Role> = HashMap::new();
    for name in &selection.columns {
        if features.insert(name, Role::Feature).is_some() {
            return twice(name, Role::Feature);
        }
    }
    if let Some(name) = &selection.vector {
        features.entry(name).or_insert(Role::Vector);
    }
    let of_model = match expected {
        Some(features @ (Features::Columns(_) | Features::Prepared(_))) => features.columns(),
        _ => Vec::new(),
    };
    match expected {
        Some(Features::Columns(_) | Features::Prepared(_)) => {
            let names = &of_model;
            let known: HashSet<&String> = names.iter().collect();
            if let Some(other) = selection.columns.iter().find(|n| !known.contains(n)) {
                return Err(Error::NotInModel {
                    column: other.clone(),
                });
            }
            for name in names {
                features.entry(name).or_insert(Role::ModelFeature);
            }
        }
        Some(Features::Vector {
            name: Some(name), ..
        }) => drop(features.entry(name).or_insert(Role::ModelFeature)),
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
        if let Some(first) = features.get(name) {
            return conflict(name, *first, second);
        }
    }
    Ok(())
}
