//! What a recipe did to the values of an input: counted, so that it can be said.

use qualm::{Location, Missing};

use super::Preparer;
use crate::column_notes::{ColumnNote, Counts};

/// What was done to some rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// Missing values in each column of the recipe.
    missing: Vec<u64>,
    n_left_out: u64,
    /// For each column the rows of unknown categories, and the first of these.
    unknown: Vec<Option<(u64, String, Location)>>,
}

impl Tally {
    pub(super) fn new(n_columns: usize) -> Self {
        Self {
            missing: vec![0; n_columns],
            n_left_out: 0,
            unknown: vec![None; n_columns],
        }
    }

    pub(super) fn missing(&mut self, k: usize) {
        if let Some(n) = self.missing.get_mut(k) {
            *n += 1;
        }
    }

    pub(super) fn left_out(&mut self, n_rows: usize) {
        self.n_left_out += n_rows as u64;
    }

    pub(super) fn unknown(&mut self, k: usize, text: &str, at: impl FnOnce() -> Location) {
        match self.unknown.get_mut(k) {
            Some(Some((n, _, _))) => *n += 1,
            Some(first) => *first = Some((1, text.to_owned(), at())),
            None => {}
        }
    }

    /// Adds what was done to later rows.
    pub(crate) fn add(&mut self, later: Self) {
        if self.missing.len() < later.missing.len() {
            *self = Self::new(later.missing.len());
        }
        self.n_left_out += later.n_left_out;
        for (n, more) in self.missing.iter_mut().zip(later.missing) {
            *n += more;
        }
        for (seen, more) in self.unknown.iter_mut().zip(later.unknown) {
            match (seen, more) {
                (Some((n, _, _)), Some((more, _, _))) => *n += more,
                (seen @ None, more) => *seen = more,
                _ => {}
            }
        }
    }

    /// What a user should know of it.
    pub(crate) fn notes(&self, preparer: &Preparer) -> Vec<ColumnNote> {
        let named = preparer.names().map(str::to_owned);
        let missing = named
            .zip(self.missing.iter().copied())
            .filter(|(_, n)| *n > 0);
        let columns = Counts(missing.collect());
        let mut notes = Vec::new();
        if !columns.0.is_empty() {
            notes.push(match preparer.recipe().missing() {
                Missing::Drop => ColumnNote::LeftOut {
                    n_rows: self.n_left_out,
                    columns,
                },
                _ => ColumnNote::Filled { columns },
            });
        }
        let unknown = preparer.names().zip(&self.unknown);
        notes.extend(unknown.filter_map(|(name, unknown)| {
            let (n_rows, found, at) = unknown.as_ref()?;
            Some(ColumnNote::Unknown {
                column: name.to_owned(),
                n_rows: *n_rows,
                found: found.clone(),
                at: at.clone(),
            })
        }));
        notes
    }
}
