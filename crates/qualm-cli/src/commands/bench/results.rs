//! The results file: JSON lines, one run each, added as soon as the run is finished.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use qualm::Spec;
use qualm::reports::BenchRow;
use serde::{Deserialize, Serialize};

/// How each line begins: tells a line that was cut off from a file of something else.
const HEAD: &[u8] = b"{\"suite\":\"";

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    suite: String,
    #[serde(flatten)]
    row: BenchRow,
}

/// What a results file holds of one suite.
#[derive(Debug)]
pub(super) struct Results {
    path: PathBuf,
    suite: String,
    rows: Vec<BenchRow>,
    /// Where an incomplete last line begins: the process that wrote it was ended.
    torn: Option<u64>,
}

impl Results {
    /// Reads the file, if there is one.
    ///
    /// # Errors
    /// When it is no results file: nothing may be added to it.
    pub(super) fn open(path: &Path, suite: &str) -> Result<Self> {
        let name = || path.display().to_string();
        if path.is_dir() {
            bail!("{}: is a folder; give a file name", name());
        }
        let bytes = match std::fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            read => read.with_context(name)?,
        };
        let end_of_lines = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        let (lines, rest) = bytes.split_at(end_of_lines);
        let mut results = Self {
            path: path.to_owned(),
            suite: suite.to_owned(),
            rows: Vec::new(),
            torn: (!rest.is_empty()).then_some(end_of_lines as u64),
        };
        let mut ours = rest.starts_with(HEAD) || HEAD.starts_with(rest);
        for line in lines.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice::<Line>(line) {
                Ok(line) if line.suite == suite => results.insert(line.row),
                line => ours &= line.is_ok(),
            }
        }
        if !ours {
            bail!(
                "{}: is no results file of `qualm bench`, and is not changed; \
                 choose another --output",
                name()
            );
        }
        Ok(results)
    }

    /// Whether the last line is incomplete; the next [`Results::put`] removes it.
    pub(super) fn is_torn(&self) -> bool {
        self.torn.is_some()
    }

    /// The row of a run on so many rows.
    pub(super) fn find(&self, run: &BenchRow) -> Option<&BenchRow> {
        let mut rows = self.rows.iter();
        rows.find(|row| same_run(row, run) && row.n == run.n)
    }

    /// Adds a row to the file. It counts in place of an earlier one of the same run.
    pub(super) fn put(&mut self, row: BenchRow) -> Result<()> {
        let line = Line {
            suite: self.suite.clone(),
            row,
        };
        let text = serde_json::to_string(&line)? + "\n";
        let mut write = || {
            let mut file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(&self.path)?;
            if let Some(end_of_lines) = self.torn.take() {
                file.set_len(end_of_lines)?;
            }
            file.write_all(text.as_bytes())?;
            file.flush()
        };
        write().with_context(|| format!("{}: cannot be written", self.path.display()))?;
        self.insert(line.row);
        Ok(())
    }

    fn insert(&mut self, row: BenchRow) {
        // A row without `n` only says that the set could not be read.
        self.rows
            .retain(|old| !(same_run(old, &row) && (old.n == row.n || old.n.is_none())));
        self.rows.push(row);
    }

    /// All rows, by set, detector as the library lists them, and seed.
    pub(super) fn sorted(&self) -> Vec<&BenchRow> {
        let mut rows: Vec<&BenchRow> = self.rows.iter().collect();
        rows.sort_by(|a, b| order(a).cmp(&order(b)));
        rows
    }
}

fn same_run(a: &BenchRow, b: &BenchRow) -> bool {
    (&a.dataset, &a.detector, a.seed) == (&b.dataset, &b.detector, b.seed)
}

fn order(row: &BenchRow) -> (&str, Option<u64>, usize, &str, u64) {
    let name = row.detector.split(':').next().unwrap_or_default();
    let place = Spec::DETECTORS.iter().position(|d| *d == name);
    (
        &row.dataset,
        row.n,
        place.unwrap_or(usize::MAX),
        &row.detector,
        row.seed,
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A run that went well, with round numbers.
    pub(in super::super) fn row(dataset: &str, detector: &str, seed: u64, auroc: f64) -> BenchRow {
        BenchRow {
            auroc: Some(auroc),
            auroc_unoriented: Some(auroc.max(1.0 - auroc)),
            aupr: Some(0.5),
            fit_seconds: Some(1.5),
            score_seconds: Some(0.25),
            peak_memory_bytes: Some(3 << 20),
            ..failed(dataset, detector, seed, BenchRow::OK)
        }
    }

    /// A run that went wrong.
    pub(in super::super) fn failed(
        dataset: &str,
        detector: &str,
        seed: u64,
        status: &str,
    ) -> BenchRow {
        BenchRow {
            dataset: dataset.to_owned(),
            detector: detector.to_owned(),
            seed,
            n: Some(1000),
            d: Some(8),
            n_outliers: Some(20),
            status: status.to_owned(),
            ..BenchRow::default()
        }
    }

    #[test]
    fn rows_come_back_and_a_run_has_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("r.jsonl");
        let mut results = Results::open(&path, "table2").expect("nothing there yet");
        let first = row("b", "sp", 0, 0.75);
        let unread = BenchRow {
            n: None,
            ..failed("a", "sp", 0, "cannot be read")
        };
        results.put(first.clone()).expect("written");
        results.put(unread.clone()).expect("written");
        results.put(row("b", "dum", 1, 0.5)).expect("written");
        let again = Results::open(&path, "table2").expect("ours");
        assert_eq!(again.rows, results.rows);
        let names = again.sorted().into_iter().map(|r| r.detector.as_str());
        assert_eq!(names.collect::<Vec<_>>(), ["sp", "dum", "sp"]);
        assert_eq!(again.find(&first), Some(&first));
        // Of another size it is another run; the row that could not be read is replaced.
        assert_eq!(
            again.find(&BenchRow {
                n: Some(5),
                ..first
            }),
            None
        );
        results.put(row("a", "sp", 0, 0.9)).expect("written");
        assert_eq!(results.find(&unread), None);
        assert_eq!(results.sorted().len(), 3);
        // Another suite's rows stay in the file and out of the way.
        let mut extra = Results::open(&path, "extra").expect("ours");
        assert!(extra.sorted().is_empty());
        extra.put(row("c", "sp", 0, 0.5)).expect("written");
        let again = Results::open(&path, "table2").expect("ours");
        assert_eq!(again.sorted(), results.sorted());
    }

    #[test]
    fn an_incomplete_last_line_is_not_used_and_makes_room() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("r.jsonl");
        let mut results = Results::open(&path, "extra").expect("nothing there yet");
        let (first, second) = (row("a", "sp", 0, 0.75), row("ü", "sp", 1, 0.1 + 0.2));
        results.put(first.clone()).expect("written");
        let start = std::fs::read(&path).expect("there").len();
        results.put(second.clone()).expect("written");
        let whole = std::fs::read(&path).expect("there");
        for end in start + 1..whole.len() {
            std::fs::write(&path, &whole[..end]).expect("written");
            let mut torn = Results::open(&path, "extra").expect("ours");
            assert!(torn.is_torn() && torn.rows == [first.clone()]);
            torn.put(second.clone()).expect("written");
            assert_eq!(std::fs::read(&path).expect("there"), whole);
            assert!(!torn.is_torn());
        }
        assert!(!Results::open(&path, "extra").expect("ours").is_torn());
    }

    #[test]
    fn another_file_is_not_changed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("r.jsonl");
        for bytes in [
            &b"no results"[..],
            b"PAR1\n",
            b"{\"a\":1}\n",
            b"{\"suite\":\"extra\"}\n",
        ] {
            std::fs::write(&path, bytes).expect("written");
            let message = Results::open(&path, "extra").expect_err("not ours");
            assert!(message.to_string().contains("no results file"), "{message}");
            assert_eq!(std::fs::read(&path).expect("there"), bytes);
        }
        assert!(Results::open(folder.path(), "extra").is_err());
    }
}
