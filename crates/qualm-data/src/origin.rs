//! Where rows are in the input, so that a message can name file and row.

use std::path::Path;
use std::sync::Arc;

use qualm::{Error, Location};

/// Where the rows of a batch are in the input: a file and a row for each.
///
/// A batch that is read from a folder of parts names the part and the row in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Rows that follow each other in one file; sorted by `start`, never empty.
    runs: Vec<Run>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    /// Its first row, counted from 0 in the batch.
    start: usize,
    /// `None` for rows that came from memory.
    file: Option<Arc<Path>>,
    /// The same row, counted from 0 in the file.
    first_row: usize,
    /// By how much the number of a line of the file is above that of its row, where that is not what
    /// it would be if each row had a line of its own.
    line_shift: Option<usize>,
}

impl Origin {
    /// Rows of a file, of which the first is row `first_row` (from 0) of the file.
    #[must_use]
    pub fn file(file: impl Into<Arc<Path>>, first_row: usize) -> Self {
        Self::run(Some(file.into()), first_row)
    }

    /// The same of a text file, of which the row stands in `line` (from 1), below `header` lines of
    /// header.
    pub(crate) fn line(
        file: impl Into<Arc<Path>>,
        first_row: usize,
        line: usize,
        header: usize,
    ) -> Self {
        let mut origin = Self::file(file, first_row);
        let shift = line
            .checked_sub(first_row + 1)
            .filter(|shift| *shift != header);
        for run in &mut origin.runs {
            run.line_shift = shift;
        }
        origin
    }

    /// Rows that came from memory or a stream, the first being row `first_row` (from 0).
    #[must_use]
    pub fn memory(first_row: usize) -> Self {
        Self::run(None, first_row)
    }

    fn run(file: Option<Arc<Path>>, first_row: usize) -> Self {
        Self {
            runs: vec![Run {
                start: 0,
                file,
                first_row,
                line_shift: None,
            }],
        }
    }

    /// The place of a row (from 0 in the batch).
    #[must_use]
    pub fn at(&self, row: usize) -> Location {
        let before = self.runs.partition_point(|run| run.start <= row);
        let shift = self
            .runs
            .get(before.saturating_sub(1))
            .and_then(|run| run.line_shift);
        let (file, row) = self.find(row);
        let at = file.map(Location::file);
        let at = at.unwrap_or_default().at_row(row + 1);
        match shift {
            Some(shift) => at.at_line(row + 1 + shift),
            None => at,
        }
    }

    /// The file of a row of the batch and the row's number in it, from 0.
    fn find(&self, row: usize) -> (Option<&Arc<Path>>, usize) {
        let before = self.runs.partition_point(|run| run.start <= row);
        match self.runs.get(before.saturating_sub(1)) {
            Some(run) => (run.file.as_ref(), run.first_row + (row - run.start)),
            None => (None, row),
        }
    }

    /// An error about a score, which counts the rows given, with the row's place in the input.
    #[must_use]
    pub fn locate(&self, error: Error) -> Error {
        match error {
            Error::ScoreNotFinite { at, score } => Error::ScoreNotFinite {
                at: self.at(at.row.map_or(0, |row| row.saturating_sub(1))),
                score,
            },
            other => other,
        }
    }

    /// Adds the rows of another batch, which begin at row `start` of this one.
    pub(crate) fn append(&mut self, start: usize, other: &Self) {
        for run in &other.runs {
            let start = start + run.start;
            let follows = self.runs.last().is_some_and(|last| {
                last.file == run.file
                    && last.line_shift == run.line_shift
                    && last.first_row + (start - last.start) == run.first_row
            });
            if !follows {
                self.runs.push(Run {
                    start,
                    ..run.clone()
                });
            }
        }
    }

    /// The origin of some rows that follow each other.
    pub(crate) fn slice(&self, start: usize, n_rows: usize) -> Self {
        let end = start + n_rows;
        let first = self.runs.partition_point(|run| run.start <= start);
        let runs = self.runs.iter().skip(first.saturating_sub(1));
        let runs = runs.take_while(|run| run.start < end.max(start + 1));
        let runs = runs.map(|run| Run {
            start: run.start.saturating_sub(start),
            first_row: run.first_row + start.saturating_sub(run.start),
            file: run.file.clone(),
            line_shift: run.line_shift,
        });
        Self {
            runs: runs.collect(),
        }
    }

    /// The origin of some of the rows, ascending and at least one.
    pub(crate) fn pick(&self, rows: &[usize]) -> Self {
        let one = |row: usize| {
            let before = self.runs.partition_point(|run| run.start <= row);
            let shift = self
                .runs
                .get(before.saturating_sub(1))
                .and_then(|run| run.line_shift);
            let (file, first_row) = self.find(row);
            let mut origin = Self::run(file.cloned(), first_row);
            for run in &mut origin.runs {
                run.line_shift = shift;
            }
            origin
        };
        let mut origin = one(rows.first().copied().unwrap_or(0));
        for (start, row) in rows.iter().enumerate().skip(1) {
            origin.append(start, &one(*row));
        }
        origin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> Origin {
        let mut origin = Origin::file(Path::new("a.parquet"), 8);
        origin.append(2, &Origin::file(Path::new("a.parquet"), 10));
        origin.append(5, &Origin::file(Path::new("b.parquet"), 0));
        origin
    }

    #[test]
    fn rows_are_counted_in_their_own_file() {
        let origin = parts();
        assert_eq!(origin.runs.len(), 2, "rows that follow are one run");
        let at = |row| origin.at(row).to_string();
        assert_eq!(at(0), "a.parquet, row 9");
        assert_eq!(at(4), "a.parquet, row 13");
        assert_eq!(at(5), "b.parquet, row 1");
        assert_eq!(at(7), "b.parquet, row 3");
        assert_eq!(Origin::memory(7).at(2).to_string(), "input, row 10");
    }

    #[test]
    fn picked_rows_keep_their_places() {
        let origin = parts().pick(&[1, 3, 4, 6]);
        let at = |row| origin.at(row).to_string();
        assert_eq!(at(0), "a.parquet, row 10");
        assert_eq!(at(1), "a.parquet, row 12");
        assert_eq!(at(2), "a.parquet, row 13");
        assert_eq!(at(3), "b.parquet, row 2");
    }

    #[test]
    fn slices_keep_their_places() {
        for start in 0..8 {
            for n_rows in 1..=8 - start {
                let slice = parts().slice(start, n_rows);
                for row in 0..n_rows {
                    assert_eq!(slice.at(row), parts().at(start + row));
                }
            }
        }
    }

    #[test]
    fn a_score_is_named_by_its_place() {
        let at = Location::row(6);
        let error = parts().locate(Error::ScoreNotFinite {
            at,
            score: f64::INFINITY,
        });
        assert!(
            error.to_string().starts_with("b.parquet, row 1: "),
            "{error}"
        );
    }
}
