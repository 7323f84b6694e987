//! The results as Markdown, in the layout of the paper's Table 2: a row for each set, a
//! column for each detector.

use std::fmt::Write;

use indicatif::HumanCount;
use qualm::reports::BenchRow;
use qualm::stats::Spread;

use super::paper::printed;
use crate::args::Suite;

/// A cell without anything to show.
pub(super) const NOTHING: &str = "–";

/// Results by set and detector.
struct Grid<'a> {
    /// In the order they come.
    detectors: Vec<&'a str>,
    sets: Vec<Set<'a>>,
}

/// The runs on one set, of one number of rows.
struct Set<'a> {
    name: &'a str,
    n: Option<u64>,
    /// One for each detector.
    cells: Vec<Cell<'a>>,
}

/// The runs of one set and detector.
struct Cell<'a>(Vec<&'a BenchRow>);

impl<'a> Grid<'a> {
    fn new(rows: &[&'a BenchRow]) -> Self {
        let (mut sets, mut detectors) = (Vec::new(), Vec::new());
        for row in rows {
            let (set, detector) = ((row.dataset.as_str(), row.n), row.detector.as_str());
            if !sets.contains(&set) {
                sets.push(set);
            }
            if !detectors.contains(&detector) {
                detectors.push(detector);
            }
        }
        let cell = |(name, n): (&str, Option<u64>), detector: &str| {
            let rows = rows.iter().copied();
            let of_set = rows.filter(|row| row.dataset == name && row.n == n);
            Cell(of_set.filter(|row| row.detector == detector).collect())
        };
        let set = |(name, n)| Set {
            name,
            n,
            cells: detectors.iter().map(|d| cell((name, n), d)).collect(),
        };
        Self {
            sets: sets.into_iter().map(set).collect(),
            detectors,
        }
    }

    /// The table of all sets, each cell filled by `show`, and then the lines of `last`.
    fn markdown(
        &self,
        show: impl Fn(&Set<'a>, &str, &Cell<'a>) -> String,
        last: Vec<Vec<String>>,
    ) -> String {
        let mut head = vec!["set".to_owned(), "n x d, outliers".to_owned()];
        head.extend(self.detectors.iter().map(|&d| d.to_owned()));
        let mut lines = vec![head];
        for set in &self.sets {
            let mut line = vec![set.name.to_owned(), set.shape()];
            let cells = self.detectors.iter().zip(&set.cells);
            line.extend(cells.map(|(detector, cell)| show(set, detector, cell)));
            lines.push(line);
        }
        lines.extend(last);
        markdown_table(&lines)
    }

    /// Mean AUROC and mean rank of each detector over the sets that all detectors finished.
    fn summary(&self) -> Vec<Vec<String>> {
        let finished = self.sets.iter();
        let finished: Vec<Vec<f64>> = finished.filter_map(|set| set.means(|r| r.auroc)).collect();
        let ranks: Vec<Vec<f64>> = finished.iter().map(|means| ranks(means)).collect();
        if finished.is_empty() {
            return Vec::new();
        }
        let line = |name: &str, values: &[Vec<f64>]| {
            let means = columns(values).into_iter().map(|mean| format!("{mean:.1}"));
            let head = [format!("**{name}**"), of_sets(values.len())];
            head.into_iter().chain(means).collect()
        };
        vec![line("mean", &finished), line("mean rank", &ranks)]
    }

    /// Means of our unoriented and the paper's numbers over the sets where both have one in
    /// every cell.
    fn beside_the_paper(&self) -> Vec<Vec<String>> {
        let pair = |set: &Set<'_>| {
            set.means(|row| row.auroc)?;
            let of_paper = |d: &&str| printed(set.name, d)?.parse::<f64>().ok();
            let theirs = self.detectors.iter().map(of_paper).collect::<Option<_>>()?;
            Some((set.means(|row| row.auroc_unoriented)?, theirs))
        };
        let (ours, theirs): (Vec<_>, Vec<Vec<f64>>) = self.sets.iter().filter_map(pair).unzip();
        if ours.is_empty() {
            return Vec::new();
        }
        let pairs = columns(&ours).into_iter().zip(columns(&theirs));
        let pairs = pairs.map(|(ours, theirs)| format!("{ours:.1} ({theirs:.1})"));
        let head = ["**mean**".to_owned(), of_sets(ours.len())];
        vec![head.into_iter().chain(pairs).collect()]
    }
}

impl Set<'_> {
    /// Its rows, columns and outliers.
    fn shape(&self) -> String {
        let shown = |n: Option<u64>| n.map_or(NOTHING.to_owned(), |n| HumanCount(n).to_string());
        let mut rows = self.cells.iter().flat_map(|cell| &cell.0);
        match rows.find(|row| row.d.is_some()) {
            Some(row) => format!(
                "{} x {}, {}",
                shown(row.n),
                shown(row.d),
                shown(row.n_outliers)
            ),
            None => shown(self.n),
        }
    }

    /// The mean of a fraction for each detector, in points, where every run was finished.
    fn means(&self, of: impl Fn(&BenchRow) -> Option<f64>) -> Option<Vec<f64>> {
        let means = self.cells.iter().map(|cell| {
            let whole = cell.0.iter().all(|row| row.is_ok());
            cell.spread(&of).filter(|_| whole).map(|spread| spread.mean)
        });
        means.collect()
    }
}

impl Cell<'_> {
    /// Mean and spread of a fraction over the finished runs, in points.
    fn spread(&self, of: impl Fn(&BenchRow) -> Option<f64>) -> Option<Spread> {
        let values = self.0.iter().filter_map(|row| of(row));
        Spread::from_values(&values.map(|value| 100.0 * value).collect::<Vec<_>>())
    }

    /// The same in words; or why there is none.
    fn points(&self, of: impl Fn(&BenchRow) -> Option<f64>) -> String {
        let Some(spread) = self.spread(of) else {
            return self.failure().to_owned();
        };
        let mut text = format!("{:.1}", spread.mean);
        if let Some(sd) = spread.sd {
            let _ = write!(text, " ± {sd:.1}");
        }
        let n_good = self.0.iter().filter(|row| row.is_ok()).count();
        if n_good < self.0.len() {
            let _ = write!(text, " [{n_good} of {}]", self.0.len());
        }
        text
    }

    /// Seconds to fit, seconds to score, mebibytes.
    fn cost(&self) -> String {
        let mean = |of: fn(&BenchRow) -> Option<f64>| {
            let values: Vec<f64> = self.0.iter().filter_map(|row| of(row)).collect();
            Spread::from_values(&values).map(|spread| spread.mean)
        };
        let Some(fit) = mean(|row| row.fit_seconds) else {
            return self.failure().to_owned();
        };
        let score = mean(|row| row.score_seconds).map(digits);
        let memory = mean(|row| row.peak_memory_bytes.map(|bytes| bytes as f64));
        let memory = memory.map(|bytes| format!("{:.0}", bytes / (1 << 20) as f64));
        let [score, memory] = [score, memory].map(|text| text.unwrap_or(NOTHING.to_owned()));
        format!("{} / {score} / {memory}", digits(fit))
    }

    /// What stands where nothing was measured.
    fn failure(&self) -> &'static str {
        let timed_out = |row: &&BenchRow| row.status == BenchRow::TIMEOUT;
        match self.0.first() {
            None => NOTHING,
            Some(_) if self.0.iter().any(timed_out) => "t/o",
            Some(_) => "failed",
        }
    }
}

/// Seconds with the digits that matter.
fn digits(seconds: f64) -> String {
    match seconds {
        s if s < 0.1 => format!("{s:.3}"),
        s if s < 10.0 => format!("{s:.2}"),
        s if s < 100.0 => format!("{s:.1}"),
        s => format!("{s:.0}"),
    }
}

fn of_sets(n: usize) -> String {
    format!("{n} {}", if n == 1 { "set" } else { "sets" })
}

/// The mean of each column of a table without gaps.
fn columns(lines: &[Vec<f64>]) -> Vec<f64> {
    let width = lines.first().map_or(0, Vec::len);
    let sum = |j| lines.iter().filter_map(|line| line.get(j)).sum::<f64>();
    (0..width).map(|j| sum(j) / lines.len() as f64).collect()
}

/// The rank of each value, 1 for the largest; equal values share the mean of their ranks.
fn ranks(values: &[f64]) -> Vec<f64> {
    let rank = |own: &f64| {
        let above = values.iter().filter(|v| *v > own).count();
        let equal = values.iter().filter(|v| v.total_cmp(own).is_eq()).count();
        above as f64 + f64::midpoint(equal as f64, 1.0)
    };
    values.iter().map(rank).collect()
}

/// Lines of cells, the first of which is the head, padded so that they also read well as
/// text.
pub(super) fn markdown_table(lines: &[Vec<String>]) -> String {
    let width = |j: usize| {
        let cells = lines.iter().filter_map(|line| line.get(j));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..lines.first().map_or(0, Vec::len)).map(width).collect();
    let mut out = String::new();
    for (i, line) in lines.iter().enumerate() {
        for (cell, &width) in line.iter().zip(&widths) {
            let _ = write!(out, "| {cell:<width$} ");
        }
        out.push_str("|\n");
        if i == 0 {
            for width in &widths {
                let _ = write!(out, "|{}", "-".repeat(width + 2));
            }
            out.push_str("|\n");
        }
    }
    out
}

/// The runs that failed, those of one set, detector and reason in one line.
fn failures(rows: &[&BenchRow]) -> String {
    let mut reasons: Vec<([&str; 3], Vec<String>)> = Vec::new();
    for row in rows.iter().filter(|row| !row.is_ok()) {
        let key = [&row.dataset, &row.detector, &row.status].map(String::as_str);
        let seed = row.seed.to_string();
        match reasons.iter_mut().find(|(other, _)| *other == key) {
            Some((_, seeds)) => seeds.push(seed),
            None => reasons.push((key, vec![seed])),
        }
    }
    let mut out = String::new();
    for ([set, detector, status], seeds) in reasons {
        let word = if seeds.len() == 1 { "seed" } else { "seeds" };
        let seeds = seeds.join(", ");
        let _ = writeln!(out, "- {set}, {detector}, {word} {seeds}: {status}");
    }
    out
}

/// All of a suite's results: AUROC, the unoriented one beside the paper's, the cost, and what
/// failed.
pub(super) fn markdown(suite: Suite, rows: &[&BenchRow]) -> String {
    let grid = Grid::new(rows);
    let mut out = String::from(
        "AUROC in points, mean ± standard deviation over seeds. Higher scores are more anomalous; \
         labels do not choose the direction.\n\n",
    );
    out += &grid.markdown(|_, _, cell| cell.points(|row| row.auroc), grid.summary());

    let unoriented = |cell: &Cell<'_>| cell.points(|row| row.auroc_unoriented);
    out += "\nUnoriented: max(AUROC, 1 - AUROC), which needs labels to choose the direction";
    if suite == Suite::Table2 {
        out +=
            "; in parentheses the\npaper's number for the set of that name and the detector.\n\n";
        let show = |set: &Set<'_>, detector: &str, cell: &Cell<'_>| {
            let paper = printed(set.name, detector).unwrap_or(NOTHING);
            format!("{} ({paper})", unoriented(cell))
        };
        out += &grid.markdown(show, grid.beside_the_paper());
    } else {
        out += ".\n\n";
        out += &grid.markdown(|_, _, cell| unoriented(cell), Vec::new());
    }

    out += "\nSeconds to fit / seconds to score the same rows / MiB of memory at the peak, means over seeds.\n\n";
    out += &grid.markdown(|_, _, cell| cell.cost(), Vec::new());

    let failures = failures(rows);
    if !failures.is_empty() {
        out += "\nRuns that did not finish:\n\n";
        out += &failures;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::results::Results;
    use super::super::results::tests::{failed, row};
    use super::*;
    use std::path::Path;

    fn lines(rows: &[BenchRow], suite: Suite) -> Vec<String> {
        let rows: Vec<&BenchRow> = rows.iter().collect();
        let text = markdown(suite, &rows);
        let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        text.lines().map(squeezed).collect()
    }

    #[test]
    fn cells_means_ranks_and_the_papers_numbers() {
        // Wdbc: dum 80 ± 14.1, sp 30; a tie in ranks on pima. Kdd1999 was not finished.
        let rows = [
            row("kdd1999", "dum", 0, 0.9),
            failed("kdd1999", "lof", 0, BenchRow::TIMEOUT),
            row("pima", "dum", 0, 0.6),
            row("pima", "dum", 1, 0.6),
            row("pima", "lof", 0, 0.6),
            row("wdbc", "dum", 0, 0.9),
            row("wdbc", "dum", 1, 0.7),
            row("wdbc", "lof", 0, 0.3),
        ];
        let lines = lines(&rows, Suite::Table2);
        for expected in [
            "| set | n x d, outliers | dum | lof |",
            "| kdd1999 | 1,000 x 8, 20 | 90.0 | t/o |",
            "| pima | 1,000 x 8, 20 | 60.0 ± 0.0 | 60.0 |",
            "| wdbc | 1,000 x 8, 20 | 80.0 ± 14.1 | 30.0 |",
            "| **mean** | 2 sets | 70.0 | 45.0 |",
            "| **mean rank** | 2 sets | 1.2 | 1.8 |",
            "| kdd1999 | 1,000 x 8, 20 | 90.0 (98.0) | t/o (t/o) |",
            "| wdbc | 1,000 x 8, 20 | 80.0 ± 14.1 (96.9) | 70.0 (53.7) |",
            "| **mean** | 2 sets | 70.0 (89.2) | 65.0 (56.9) |",
            "| wdbc | 1,000 x 8, 20 | 1.50 / 0.25 / 3 | 1.50 / 0.25 / 3 |",
            "| kdd1999 | 1,000 x 8, 20 | 1.50 / 0.25 / 3 | t/o |",
            "- kdd1999, lof, seed 0: timeout",
        ] {
            let found = lines.iter().any(|line| line == expected);
            assert!(found, "no {expected:?} in {lines:#?}");
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        let unread = BenchRow {
            n: None,
            d: None,
            n_outliers: None,
            ..failed("a", "sp", 0, "a.csv: empty")
        };
        let rows = [
            unread.clone(),
            BenchRow { seed: 1, ..unread },
            row("b", "sp", 0, 0.5),
            failed("b", "sp", 1, "killed by signal 9"),
            row("c", "dum", 0, 0.5),
        ];
        let lines = lines(&rows, Suite::Extra);
        for expected in [
            "| a | – | failed | – |",
            "| b | 1,000 x 8, 20 | 50.0 [1 of 2] | – |",
            "| c | 1,000 x 8, 20 | – | 50.0 |",
            "- a, sp, seeds 0, 1: a.csv: empty",
            "- b, sp, seed 1: killed by signal 9",
        ] {
            let found = lines.iter().any(|line| line == expected);
            assert!(found, "no {expected:?} in {lines:#?}");
        }
        assert!(!lines.iter().any(|line| line.contains("mean**")));
        assert!(!lines.iter().any(|line| line.contains("paper")));
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [row("a", "dum", 0, 0.5), row("a", "dum", 1, 0.25)];
        let rows: Vec<&BenchRow> = rows.iter().collect();
        let text = markdown(Suite::Extra, &rows);
        let mut table = text.lines().skip_while(|line| !line.starts_with('|'));
        let width = table.next().map(|line| line.chars().count());
        let rest = table.take_while(|line| line.starts_with('|'));
        assert!(rest.into_iter().all(|l| Some(l.chars().count()) == width));
    }

    #[test]
    fn the_committed_table_is_that_of_the_committed_results() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench/table2");
        let results = Results::open(&folder.join("results.jsonl"), "table2").expect("ours");
        let kept = std::fs::read_to_string(folder.join("results.md")).expect("there");
        assert_eq!(markdown(Suite::Table2, &results.sorted()), kept);
    }
}
