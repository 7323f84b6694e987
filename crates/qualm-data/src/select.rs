//! Which columns mean what.
//!
//! At fit time the user's [`Selection`] and the types of the columns decide; at score
//! time the [`Features`] that the model was fitted on do, and the selection only adds
//! ids and a label.

use std::collections::{HashMap, HashSet};

use arrow_array::ArrayRef;
use qualm::error::Names;
use qualm::{Features, Location, Recipe, RecipeColumn, Treatment};

use crate::column_notes::{Unused, WhyUnused};
use crate::error::{Error, Result};
use crate::prepare::{Reading, column_at};
use crate::role::Role;
use crate::table::{Column, Kind, Projection, Table};
use crate::text_format::TextFormat;
use crate::text_vectors::is_text;
use crate::type_words::TypeWords;

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
    ids.extend(present.filter_map(|name| chooser.place(name)));
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

struct Chooser<'a> {
    table: &'a dyn Table,
    selection: &'a Selection,
    at: &'a Location,
    /// The place of each column by its name.
    places: HashMap<&'a str, usize>,
}

impl Chooser<'_> {
    fn columns(&self) -> &[Column] {
        self.table.columns()
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
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

    /// The places of the columns that are carried through beside the ids.
    fn kept(&self) -> Result<Vec<usize>> {
        match &self.selection.keep {
            Keep::Ids => Ok(Vec::new()),
            Keep::Named(names) => names.iter().map(|n| self.find(n, Role::Kept)).collect(),
            Keep::All => {
                let columns = self.columns().iter().enumerate();
                let plain = columns.filter(|(_, c)| c.kind != Kind::Vector && c.is_usual());
                Ok(plain.map(|(place, _)| place).collect())
            }
        }
    }

    fn kind(&self, place: usize) -> Kind {
        self.columns().get(place).map_or(Kind::Other, |c| c.kind)
    }

    /// The places of the columns of a kind that have no other role.
    fn free(&self, kind: Kind) -> Vec<usize> {
        let columns = self.columns().iter().enumerate();
        columns
            .filter(|(_, c)| c.kind == kind && c.is_usual() && is_free(self.selection, &c.name))
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
                found: TypeWords(&column.data_type).to_string().into(),
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

    /// How a recipe reads a column, if it does.
    fn reading(&self, column: &Column, by_name: bool) -> Option<Reading> {
        let treatment = &self.selection.treatment;
        if column.kind == Kind::Number {
            Some(Reading::Number)
        } else if treatment.dates && column.is_date() {
            Some(Reading::Date)
        } else if treatment.encode.is_some()
            && column.kind == Kind::Other
            && is_text(&column.data_type)
            && (by_name || !column.holds_dates)
        {
            Some(Reading::Category)
        } else {
            None
        }
    }

    /// The columns of the recipe that is to be learned.
    fn to_learn(&self) -> Result<Inputs> {
        let mut read = Vec::new();
        for name in &self.selection.columns {
            let place = self.find(name, Role::Feature)?;
            let reading = self
                .columns()
                .get(place)
                .and_then(|c| self.reading(c, true));
            match reading {
                Some(reading) => read.push((place, reading)),
                None => read.push((
                    self.of_kind(place, Kind::Number, Role::Feature)?,
                    Reading::Number,
                )),
            }
        }
        if self.selection.columns.is_empty() {
            let columns = self.columns().iter().enumerate();
            let free = columns.filter(|(_, c)| c.is_usual() && is_free(self.selection, &c.name));
            read.extend(free.filter_map(|(place, c)| Some((place, self.reading(c, false)?))));
        }
        if read.is_empty() {
            return Err(self.no_numbers());
        }
        Ok(Inputs::Prepared(read))
    }

    /// The columns of a recipe, by name.
    fn for_recipe(&self, recipe: &Recipe) -> Result<Inputs> {
        self.check_present(recipe.columns().iter().map(RecipeColumn::name))?;
        let mut read = Vec::new();
        for column in recipe.columns() {
            let place = self.find(column.name(), Role::ModelFeature)?;
            let reading = Reading::of(column);
            read.push(match reading {
                Reading::Number => (
                    self.of_kind(place, Kind::Number, Role::ModelFeature)?,
                    reading,
                ),
                Reading::Date | Reading::Category => (place, reading),
            });
        }
        Ok(Inputs::Prepared(read))
    }

    /// Refuses an input that lacks a feature of the model.
    fn check_present<'b>(&self, names: impl Iterator<Item = &'b str>) -> Result<()> {
        let missing = names.filter(|name| self.place(name).is_none());
        let missing: Vec<String> = missing.map(str::to_owned).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::MissingColumns {
            at: self.at.clone(),
            missing: Names(missing),
            known: self.known().into(),
        })
    }

    /// Refuses a treatment of columns where the input is vectors.
    fn check_treatment(&self, inputs: &Inputs) -> Result<()> {
        let Inputs::Vector(place) = inputs else {
            return Ok(());
        };
        if self.selection.treatment.is_plain() {
            return Ok(());
        }
        let name = self.columns().get(*place).map_or("", |c| c.name.as_str());
        Err(Error::VectorsUntreated {
            at: column_at(self.at, name),
        })
    }

    fn no_numbers(&self) -> Error {
        let aside = (self.columns().iter()).filter(|c| !is_free(self.selection, &c.name));
        Error::NoNumericColumn {
            at: self.at.clone(),
            unused: self.unused(&Inputs::Columns(Vec::new())),
            set_aside: Names(aside.map(|c| c.name.clone()).collect()).into(),
        }
    }

    fn at_fit(&self) -> Result<Inputs> {
        let inputs = self.choose()?;
        self.check_treatment(&inputs)?;
        if self.selection.treatment.is_plain() {
            return Ok(inputs);
        }
        self.to_learn()
    }

    fn choose(&self) -> Result<Inputs> {
        if let Some(vector) = self.chosen_vector()? {
            return Ok(vector);
        }
        let is_plain = self.selection.treatment.is_plain();
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
            if !is_plain {
                return Ok(Inputs::Columns(places));
            }
            return self.numbers(places, Role::Feature);
        }
        if let Some(vector) = self.only_vector()? {
            return Ok(Inputs::Vector(vector));
        }
        let numbers = self.free(Kind::Number);
        if is_plain && numbers.is_empty() {
            return Err(self.no_numbers());
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
        self.check_present(names.iter().map(String::as_str))?;
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
                name: name.map(Into::into),
                width,
                known: self.known().into(),
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

    /// The columns without a role, and why. Where the user named the columns, the others are left
    /// out on purpose.
    fn unused(&self, inputs: &Inputs) -> Vec<Unused> {
        if !self.selection.columns.is_empty() || self.selection.vector.is_some() {
            return Vec::new();
        }
        let vectors = match inputs {
            Inputs::Vector(chosen) => self.columns().get(*chosen).map(|c| c.name.clone()),
            Inputs::Columns(_) | Inputs::Prepared(_) => None,
        };
        let prepared: HashSet<&str> = match inputs {
            Inputs::Prepared(read) => {
                let columns = read
                    .iter()
                    .filter_map(|(place, _)| self.columns().get(*place));
                columns.map(|c| c.name.as_str()).collect()
            }
            _ => HashSet::new(),
        };
        let encodes = self.selection.treatment.encode.is_some();
        let why = |c: &Column| {
            if prepared.contains(c.name.as_str()) {
                return None;
            }
            if c.is_index {
                return Some(WhyUnused::Index);
            }
            if let Some(vectors) = &vectors {
                return (c.name != *vectors).then(|| WhyUnused::BesideVectors(vectors.clone()));
            }
            match (&c.remark, &c.not_a_number) {
                _ if c.kind != Kind::Other => None,
                (_, Some((_, found))) if encodes && c.holds_dates => Some(WhyUnused::Dates {
                    found: found.clone(),
                }),
                (Some(remark), _) => Some(WhyUnused::Type(remark.clone())),
                (None, Some((row, found))) => Some(WhyUnused::Text {
                    found: found.clone(),
                    row: *row,
                }),
                (None, None) => Some(WhyUnused::Type(TypeWords(&c.data_type).to_string())),
            }
        };
        let free = self
            .columns()
            .iter()
            .filter(|c| c.inside.is_none() && is_free(self.selection, &c.name));
        free.filter_map(|c| {
            let (name, why) = (c.name.clone(), why(c)?);
            Some(Unused { name, why })
        })
        .collect()
    }
}
