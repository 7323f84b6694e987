//! Columns of tables to features, by the recipe of a model.

mod learn;
mod raw;
mod tally;

use arrow_array::ArrayRef;
use qualm::error::Names;
use qualm::{Category, Content, Location, Missing, Recipe, RecipeColumn, Unknown};

use crate::error::{Error, Result, quoted};
use crate::origin::Origin;
pub(crate) use learn::{Learned, Lesson, learn};
use raw::{Raw, numbers_of_na};
pub(crate) use tally::Tally;

/// How a column is read that a recipe makes features of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// As numbers.
    Number,
    /// As dates.
    Date,
    /// As categories: text as it stands in the file.
    Category,
}

impl Reading {
    pub(crate) fn is_number(self) -> bool {
        self == Self::Number
    }

    /// How a column of a recipe is read.
    pub(crate) fn of(column: &RecipeColumn) -> Self {
        match column.content() {
            Content::Number { .. } => Self::Number,
            Content::Date { .. } => Self::Date,
            Content::Category(_) => Self::Category,
        }
    }
}

/// The features of some rows.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Row after row, finite, within the range of float32.
    pub(crate) values: Vec<f64>,
    /// The rows that are left, where some are left out.
    pub(crate) kept: Option<Vec<usize>>,
    /// What was done to the values.
    pub(crate) tally: Tally,
}

/// Makes features of columns.
#[derive(Debug)]
pub(crate) struct Preparer {
    recipe: Recipe,
    /// For each column of the recipe its place among the columns that are read.
    places: Vec<usize>,
    /// Numbers that stand for a missing value.
    na_numbers: Vec<f64>,
}

/// The first thing that is wrong, in the order of the rows, then of the columns.
#[derive(Default)]
struct First(Option<((usize, usize), Error)>);

impl First {
    fn add(&mut self, row: usize, column: usize, error: impl FnOnce() -> Error) {
        let is_first = |(before, _): &(_, Error)| (row, column) < *before;
        if self.0.as_ref().is_none_or(is_first) {
            self.0 = Some(((row, column), error()));
        }
    }
}

impl Preparer {
    /// For columns that are read in the order of these places.
    pub(crate) fn new(recipe: Recipe, places: Vec<usize>) -> Self {
        Self {
            na_numbers: numbers_of_na(recipe.na()),
            recipe,
            places,
        }
    }

    pub(crate) fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The features of some rows.
    ///
    /// # Errors
    /// The first value that the recipe refuses.
    pub(crate) fn prepare(
        &self,
        columns: &[ArrayRef],
        n_rows: usize,
        origin: &Origin,
    ) -> Result<Prepared> {
        let d = self.recipe.names().len();
        let mut out = Out {
            values: vec![0.0; n_rows * d],
            d,
            dropped: vec![false; n_rows],
            first: First::default(),
            tally: Tally::new(self.recipe.columns().len()),
        };
        let mut offset = 0;
        for (k, (column, place)) in self.recipe.columns().iter().zip(&self.places).enumerate() {
            if let Some(array) = columns.get(*place) {
                let reading = Reading::of(column);
                let (na, numbers) = (self.recipe.na(), &self.na_numbers);
                let raw = Raw::read(array, reading, na, numbers, origin, column.name())?;
                match raw {
                    Raw::Numbers(numbers) => self.numbers(&numbers, k, offset, origin, &mut out),
                    Raw::Texts(texts) => self.texts(&texts, k, offset, origin, &mut out),
                }
            }
            offset += column.width();
        }
        if let Some((_, error)) = out.first.0 {
            return Err(error);
        }
        Ok(out.finish())
    }

    /// What happens to a missing value; false for one that has a typical one put in its place.
    fn is_missing(&self, row: usize, k: usize, origin: &Origin, out: &mut Out) -> bool {
        match self.recipe.missing() {
            Missing::Fail => {
                let name = self.name(k);
                out.first.add(row, k, || Error::Missing {
                    at: origin.at(row).column(name),
                });
            }
            Missing::Drop => {
                if let Some(dropped) = out.dropped.get_mut(row) {
                    *dropped = true;
                }
                out.tally.missing(k);
            }
            Missing::Median => {
                out.tally.missing(k);
                return false;
            }
        }
        true
    }

    fn name(&self, k: usize) -> &str {
        self.recipe.columns().get(k).map_or("", RecipeColumn::name)
    }

    fn numbers(&self, values: &[f64], k: usize, offset: usize, origin: &Origin, out: &mut Out) {
        let typical = match self.recipe.columns().get(k).map(RecipeColumn::content) {
            Some(Content::Number { median } | Content::Date { median }) => *median,
            _ => return,
        };
        for (row, value) in values.iter().copied().enumerate() {
            let value = if value.is_nan() {
                if self.is_missing(row, k, origin, out) {
                    continue;
                }
                typical
            } else {
                value
            };
            if !(value as f32).is_finite() {
                let at = || origin.at(row).column(self.name(k));
                out.first.add(row, k, || {
                    if value.is_finite() {
                        Error::TooLarge { at: at(), value }
                    } else {
                        qualm::Error::NotFinite { at: at(), value }.into()
                    }
                });
                continue;
            }
            if let Some(cell) = out.values.get_mut(row * out.d + offset) {
                *cell = value;
            }
        }
    }

    fn texts(
        &self,
        texts: &[Option<String>],
        k: usize,
        offset: usize,
        origin: &Origin,
        out: &mut Out,
    ) {
        let Some(Content::Category(vocabulary)) =
            self.recipe.columns().get(k).map(RecipeColumn::content)
        else {
            return;
        };
        let width = vocabulary.width();
        for (row, text) in texts.iter().enumerate() {
            let category = match text {
                Some(text) => vocabulary.find(text),
                None if self.is_missing(row, k, origin, out) => continue,
                None => vocabulary.commonest(),
            };
            let at = || origin.at(row).column(self.name(k));
            match (category, text) {
                (Category::Unknown, Some(text)) if self.recipe.unknown() == Unknown::Fail => {
                    out.first.add(row, k, || Error::UnknownCategory {
                        at: at(),
                        found: quoted(text).into(),
                        known: Names(vocabulary.values().to_vec()),
                    });
                    continue;
                }
                (Category::Unknown, Some(text)) => out.tally.unknown(k, text, at),
                _ => {}
            }
            let start = row * out.d + offset;
            if let Some(cells) = out.values.get_mut(start..start + width) {
                vocabulary.encode(category, cells);
            }
        }
    }

    /// How many values are missing in each column of a chunk.
    pub(crate) fn count_missing(&self, columns: &[ArrayRef], origin: &Origin) -> Vec<u64> {
        let count = |(column, place): (&RecipeColumn, &usize)| {
            let array = columns.get(*place)?;
            let (na, numbers) = (self.recipe.na(), &self.na_numbers);
            let raw = Raw::read(
                array,
                Reading::of(column),
                na,
                numbers,
                origin,
                column.name(),
            );
            Some(match raw.ok()? {
                Raw::Numbers(values) => values.iter().filter(|v| v.is_nan()).count(),
                Raw::Texts(texts) => texts.iter().filter(|text| text.is_none()).count(),
            } as u64)
        };
        let columns = self.recipe.columns().iter().zip(&self.places);
        columns.map(|column| count(column).unwrap_or(0)).collect()
    }

    /// What was done to the values of some rows, by the names of the columns.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.recipe.columns().iter().map(RecipeColumn::name)
    }
}

/// Features on their way.
struct Out {
    values: Vec<f64>,
    /// Their number in a row.
    d: usize,
    dropped: Vec<bool>,
    first: First,
    tally: Tally,
}

impl Out {
    fn finish(mut self) -> Prepared {
        if !self.dropped.contains(&true) {
            return Prepared {
                values: self.values,
                kept: None,
                tally: self.tally,
            };
        }
        let mut values = Vec::with_capacity(self.values.len());
        let mut kept = Vec::new();
        let rows = self.values.chunks_exact(self.d.max(1)).enumerate();
        for ((row, features), dropped) in rows.zip(&self.dropped) {
            if !dropped {
                values.extend_from_slice(features);
                kept.push(row);
            }
        }
        self.tally.left_out(self.dropped.len() - kept.len());
        Prepared {
            values,
            kept: Some(kept),
            tally: self.tally,
        }
    }
}

/// The place of the input in messages about a whole column.
pub(crate) fn column_at(at: &Location, name: &str) -> Location {
    at.clone().column(name)
}
