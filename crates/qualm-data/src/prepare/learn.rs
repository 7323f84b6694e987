//! Learns a recipe from the rows that a model is fitted to.

use std::collections::HashMap;

use qualm::{Content, Encoding, Location, Missing, Recipe, RecipeColumn, Treatment};

use super::raw::{Raw, numbers_of_na};
use super::{Reading, column_at};
use crate::column_notes::{ColumnNote, Counts, Unused, WhyUnused};
use crate::error::{Error, Result};
use crate::table::Chunk;

/// Fewer rows than this do not show that texts are no categories.
const DISTINCT_ROWS: usize = 20;

/// A column that is learned from.
pub(crate) struct Learned<'a> {
    pub(crate) name: &'a str,
    pub(crate) reading: Reading,
    /// Whether it was asked for by name.
    pub(crate) chosen: bool,
}

/// What was learned.
pub(crate) struct Lesson {
    pub(crate) recipe: Recipe,
    /// For each column of the recipe its place among those that are learned from.
    pub(crate) places: Vec<usize>,
    /// Columns of text that hold no categories.
    pub(crate) unused: Vec<Unused>,
    /// What a user should know of the features.
    pub(crate) notes: Vec<ColumnNote>,
}

/// Learns the recipe of columns; `chunks` hold all rows, with the columns first, in their order.
///
/// # Errors
/// [`Error::NothingThere`] for a column without values, [`Error::NothingLeft`] where no row is left,
/// and those of single values.
pub(crate) fn learn(
    columns: &[Learned<'_>],
    chunks: &[Chunk],
    treatment: &Treatment,
    at: &Location,
) -> Result<Lesson> {
    let na_numbers = numbers_of_na(&treatment.na);
    let mut raws = Vec::with_capacity(columns.len());
    for (k, column) in columns.iter().enumerate() {
        raws.push(whole(column, k, chunks, treatment, &na_numbers)?);
    }
    let mut unused = Vec::new();
    let mut places: Vec<usize> = (0..columns.len()).collect();
    places.retain(|&k| match (columns.get(k), raws.get(k)) {
        (Some(column), Some(Raw::Texts(texts))) if !column.chosen => {
            let why = no_categories(texts);
            let is_used = why.is_none();
            unused.extend(why.map(|why| Unused {
                name: column.name.to_owned(),
                why,
            }));
            is_used
        }
        _ => true,
    });
    if treatment.missing == Missing::Drop {
        drop_rows(&places, &mut raws, at)?;
    }
    let (mut learned, mut notes) = (Vec::with_capacity(places.len()), Vec::new());
    let (mut encoded, mut cut) = (Counts::default(), Counts::default());
    for &k in &places {
        let (Some(column), Some(raw)) = (columns.get(k), raws.get_mut(k)) else {
            continue;
        };
        let (made, n_values) = make(
            column,
            std::mem::replace(raw, Raw::Texts(Vec::new())),
            treatment,
        );
        let made = made.ok_or_else(|| Error::NothingThere {
            at: column_at(at, column.name),
        })?;
        if let Content::Category(vocabulary) = made.content() {
            let counts = if vocabulary.is_cut() {
                &mut cut
            } else {
                &mut encoded
            };
            counts.0.push((column.name.to_owned(), n_values));
        }
        learned.push(made);
    }
    if !encoded.0.is_empty() {
        notes.push(ColumnNote::Encoded { columns: encoded });
    }
    if !cut.0.is_empty() {
        let kept = treatment.categories_kept(treatment.encode.unwrap_or(Encoding::OneHot));
        notes.push(ColumnNote::Cut { columns: cut, kept });
    }
    Ok(Lesson {
        recipe: Recipe::new(learned, treatment),
        places,
        unused,
        notes,
    })
}

/// All values of a column.
fn whole(
    column: &Learned<'_>,
    k: usize,
    chunks: &[Chunk],
    treatment: &Treatment,
    na_numbers: &[f64],
) -> Result<Raw> {
    let (mut numbers, mut texts) = (Vec::new(), Vec::new());
    for chunk in chunks {
        let Some(array) = chunk.columns.get(k) else {
            continue;
        };
        let (na, origin) = (&treatment.na, &chunk.origin);
        match Raw::read(array, column.reading, na, na_numbers, origin, column.name)? {
            Raw::Numbers(more) => numbers.extend(more),
            Raw::Texts(more) => texts.extend(more),
        }
    }
    Ok(match column.reading {
        Reading::Category => Raw::Texts(texts),
        Reading::Number | Reading::Date => Raw::Numbers(numbers),
    })
}

/// Why texts are no categories: nearly every row has another.
fn no_categories(texts: &[Option<String>]) -> Option<WhyUnused> {
    let filled = texts.iter().flatten();
    let n_rows = filled.clone().count();
    let n_values = filled.collect::<std::collections::HashSet<_>>().len();
    (n_rows >= DISTINCT_ROWS && 2 * n_values > n_rows)
        .then_some(WhyUnused::Distinct { n_values, n_rows })
}

/// Takes the rows out of columns in which a value of one of them is missing.
fn drop_rows(places: &[usize], raws: &mut [Raw], at: &Location) -> Result<()> {
    let n_rows = raws.first().map_or(0, |raw| match raw {
        Raw::Numbers(values) => values.len(),
        Raw::Texts(texts) => texts.len(),
    });
    let mut kept = vec![true; n_rows];
    for raw in places.iter().filter_map(|&k| raws.get(k)) {
        match raw {
            Raw::Numbers(values) => {
                for (kept, value) in kept.iter_mut().zip(values) {
                    *kept &= !value.is_nan();
                }
            }
            Raw::Texts(texts) => {
                for (kept, text) in kept.iter_mut().zip(texts) {
                    *kept &= text.is_some();
                }
            }
        }
    }
    if !kept.contains(&true) {
        return Err(Error::NothingLeft {
            at: at.clone(),
            n_rows,
        });
    }
    for raw in raws {
        let mut rows = kept.iter();
        let mut is_kept = || rows.next().copied().unwrap_or(true);
        match raw {
            Raw::Numbers(values) => values.retain(|_| is_kept()),
            Raw::Texts(texts) => texts.retain(|_| is_kept()),
        }
    }
    Ok(())
}

/// The column of the recipe, and the number of its categories.
fn make(column: &Learned<'_>, raw: Raw, treatment: &Treatment) -> (Option<RecipeColumn>, u64) {
    match raw {
        Raw::Numbers(mut values) => {
            values.retain(|value| !value.is_nan());
            let of = match column.reading {
                Reading::Date => RecipeColumn::of_dates,
                _ => RecipeColumn::of_numbers,
            };
            (of(column.name, &mut values), 0)
        }
        Raw::Texts(texts) => {
            let mut counts = HashMap::new();
            for text in texts.into_iter().flatten() {
                *counts.entry(text).or_insert(0) += 1;
            }
            let n_values = counts.len() as u64;
            let encoding = treatment.encode.unwrap_or(Encoding::OneHot);
            let made = RecipeColumn::of_categories(column.name, counts, encoding, treatment);
            (made, n_values)
        }
    }
}
