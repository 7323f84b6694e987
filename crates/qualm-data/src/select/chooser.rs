//! The columns that a selection and a model ask for, found in a table.

use std::collections::{HashMap, HashSet};

use qualm::error::Names;
use qualm::{Location, Recipe, RecipeColumn};

use super::{Inputs, Keep, Selection, is_free};
use crate::column_notes::{Unused, WhyUnused};
use crate::error::{Error, Result};
use crate::prepare::{Reading, column_at};
use crate::role::Role;
use crate::table::{Column, Kind, Table};
use crate::text_vectors::is_text;
use crate::type_words::TypeWords;

/// Chooses among the columns of a table.
pub(super) struct Chooser<'a> {
    pub(super) table: &'a dyn Table,
    pub(super) selection: &'a Selection,
    pub(super) at: &'a Location,
    /// The place of each column by its name.
    pub(super) places: HashMap<&'a str, usize>,
}

impl Chooser<'_> {
    fn columns(&self) -> &[Column] {
        self.table.columns()
    }

    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    fn known(&self) -> Names {
        // The one array of an .npy file has no name.
        let names = self.columns().iter().map(|c| c.name.clone());
        Names(names.filter(|name| !name.is_empty()).collect())
    }

    pub(super) fn find(&self, name: &str, role: Role) -> Result<usize> {
        self.place(name).ok_or_else(|| Error::NoSuchColumn {
            at: self.at.clone().column(name),
            role,
            known: self.known(),
        })
    }

    /// The places of the columns that are carried through beside the ids.
    pub(super) fn kept(&self) -> Result<Vec<usize>> {
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
            (Some(first), Kind::Number) => Error::NotANumber {
                at: match first.line {
                    Some(line) => at.at_row(first.row).at_line(line),
                    None => at.at_row(first.row),
                },
                found: first.found.clone(),
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
    pub(super) fn for_recipe(&self, recipe: &Recipe) -> Result<Inputs> {
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

    pub(super) fn at_fit(&self) -> Result<Inputs> {
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
    pub(super) fn for_columns(&self, names: &[String]) -> Result<Inputs> {
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
    pub(super) fn for_vector(&self, name: Option<&str>, width: usize) -> Result<Inputs> {
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
    pub(super) fn unused(&self, inputs: &Inputs) -> Vec<Unused> {
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
                (_, Some(first)) if encodes && c.holds_dates => Some(WhyUnused::Dates {
                    found: first.found.clone(),
                }),
                (Some(remark), _) => Some(WhyUnused::Type(remark.clone())),
                (None, Some(first)) => Some(WhyUnused::Text {
                    found: first.found.clone(),
                    row: first.row,
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
