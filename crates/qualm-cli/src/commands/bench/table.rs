//! The results as Markdown, in the layout of the paper's Table 2: a row for each set, a
//! column for each detector.

use std::fmt::Write;

use qualm::stats::Spread;

use super::paper::{Printed, printed};
use super::results::{Row, TIMEOUT};
use crate::args::Suite;
use crate::output::count;

/// A cell without anything to show.
const NOTHING: &str = "–";

/// A set by its name and its number of rows.
type OfSize<'a> = (&'a str, Option<u64>);

/// Results by set and detector.
struct Grid<'a> {
    /// In the order they come.
    sets: Vec<OfSize<'a>>,
    detectors: Vec<&'a str>,
    rows: &'a [&'a Row],
}

/// The runs of one set and detector.
struct Cell<'a>(Vec<&'a Row>);

impl<'a> Grid<'a> {
    fn new(rows: &'a [&'a Row]) -> Self {
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
        Self {
            sets,
            detectors,
            rows,
        }
    }

    fn cell(&self, set: OfSize<'_>, detector: &str) -> Cell<'a> {
        let of_cell = |row: &&&Row| (row.dataset.as_str(), row.n) == set;
        let rows = self.rows.iter().filter(of_cell).copied();
        Cell(rows.filter(|row| row.detector == detector).collect())
    }

    fn cells(&self, set: OfSize<'_>) -> Vec<Cell<'a>> {
        let detectors = self.detectors.iter();
        detectors.map(|detector| self.cell(set, detector)).collect()
    }

    /// What a set is: its rows, columns and outliers.
    fn shape(&self, set: OfSize<'_>) -> String {
        let mut rows = self.rows.iter();
        let known = |row: &&&Row| (row.dataset.as_str(), row.n) == set && row.d.is_some();
        let row = rows.find(known);
        let shown = |n: Option<u64>| n.map_or_else(|| NOTHING.to_owned(), |n| count(n as usize));
        match row {
            Some(row) => format!(
                "{} x {}, {}",
                shown(row.n),
                shown(row.d),
                shown(row.n_outliers)
            ),
            None => shown(set.1),
        }
    }

    /// The sets that every detector finished, every run of it, with the mean AUROC of each
    /// detector in points.
    fn finished(&self) -> Vec<(&'a str, Vec<f64>)> {
        let means = |&set: &OfSize<'a>| {
            let cells = self.cells(set);
            let whole = |cell: &Cell<'_>| {
                let means = points(&cell.0, |row| row.auroc)?.mean;
                cell.0.iter().all(|row| row.is_ok()).then_some(means)
            };
            let means: Option<Vec<f64>> = cells.iter().map(whole).collect();
            Some((set.0, means?))
        };
        self.sets.iter().filter_map(means).collect()
    }

    /// A table with a column for each detector, filled by `show`.
    fn table(
        &self,
        show: impl Fn(&str, &str, &Cell<'a>) -> String,
        last: Vec<Vec<String>>,
    ) -> Table {
        let mut head = vec!["set".to_owned(), "n x d, outliers".to_owned()];
        head.extend(self.detectors.iter().map(|&d| d.to_owned()));
        let mut lines = vec![head];
        for &set in &self.sets {
            let mut line = vec![set.0.to_owned(), self.shape(set)];
            let cells = self.detectors.iter().zip(self.cells(set));
            line.extend(cells.map(|(detector, cell)| show(set.0, detector, &cell)));
            lines.push(line);
        }
        lines.extend(last);
        Table(lines)
    }
}

impl Cell<'_> {
    /// Mean and spread of a fraction, in points; or why there is none.
    fn points(&self, of: impl Fn(&Row) -> Option<f64>) -> String {
        let good: Vec<&Row> = self.0.iter().copied().filter(|row| row.is_ok()).collect();
        let Some(spread) = points(&good, of) else {
            return self.failure().to_owned();
        };
        let mut text = format!("{:.1}", spread.mean);
        if let Some(sd) = spread.sd {
            let _ = write!(text, " ± {sd:.1}");
        }
        if good.len() < self.0.len() {
            let _ = write!(text, " [{} of {}]", good.len(), self.0.len());
        }
        text
    }

    /// Seconds to fit, seconds to score, mebibytes.
    fn cost(&self) -> String {
        let mean = |of: fn(&Row) -> Option<f64>| {
            let values: Vec<f64> = self.0.iter().filter_map(|row| of(row)).collect();
            Spread::from_values(&values).map(|spread| spread.mean)
        };
        let Some(fit) = mean(|row| row.fit_seconds) else {
            return self.failure().to_owned();
        };
        let shown = |value: Option<f64>| value.map_or_else(|| NOTHING.to_owned(), digits);
        let memory = mean(|row| row.peak_memory_bytes.map(|bytes| bytes as f64));
        format!(
            "{} / {} / {}",
            digits(fit),
            shown(mean(|row| row.score_seconds)),
            memory.map_or_else(
                || NOTHING.to_owned(),
                |b| format!("{:.0}", b / (1 << 20) as f64)
            )
        )
    }

    /// What stands where nothing was measured.
    fn failure(&self) -> &'static str {
        match self.0.first() {
            None => NOTHING,
            Some(_) if self.0.iter().any(|row| row.status == TIMEOUT) => "t/o",
            Some(_) => "failed",
        }
    }
}

/// Mean and spread in points; nothing without a value.
fn points(rows: &[&Row], of: impl Fn(&Row) -> Option<f64>) -> Option<Spread> {
    let values: Vec<f64> = rows.iter().filter_map(|row| of(row)).collect();
    let values: Vec<f64> = values.iter().map(|value| 100.0 * value).collect();
    Spread::from_values(&values)
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

/// Lines of cells; the first is the head.
struct Table(Vec<Vec<String>>);

impl Table {
    /// As Markdown, padded so that it also reads well as it stands.
    fn markdown(&self) -> String {
        let width = |j: usize| {
            let cells = self.0.iter().filter_map(|line| line.get(j));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.0.first().map_or(0, Vec::len)).map(width).collect();
        let mut out = String::new();
        for (i, line) in self.0.iter().enumerate() {
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
}

/// Mean AUROC and mean rank over the sets that all detectors finished.
fn summary(finished: &[(&str, Vec<f64>)]) -> Vec<Vec<String>> {
    let Some((_, first)) = finished.first() else {
        return Vec::new();
    };
    let over = |values: &dyn Fn(&[f64], usize) -> f64, j| {
        let sum: f64 = finished.iter().map(|(_, means)| values(means, j)).sum();
        sum / finished.len() as f64
    };
    let line = |name: &str, values: &dyn Fn(&[f64], usize) -> f64| {
        let mut line = vec![format!("**{name}**"), of_sets(finished.len())];
        line.extend((0..first.len()).map(|j| format!("{:.1}", over(values, j))));
        line
    };
    vec![
        line("mean", &|means, j| {
            means.get(j).copied().unwrap_or(f64::NAN)
        }),
        line("mean rank", &rank),
    ]
}

fn of_sets(n: usize) -> String {
    format!("{n} {}", if n == 1 { "set" } else { "sets" })
}

/// The rank of a value, 1 for the largest; equal values share the mean of their ranks.
fn rank(values: &[f64], j: usize) -> f64 {
    let own = values.get(j).copied().unwrap_or(f64::NAN);
    let above = values.iter().filter(|v| **v > own).count();
    let equal = values.iter().filter(|v| v.total_cmp(&own).is_eq()).count();
    above as f64 + f64::midpoint(equal as f64, 1.0)
}

/// Means of our unoriented and the paper's numbers over the sets where both have one in
/// every cell.
fn beside(grid: &Grid<'_>) -> Vec<Vec<String>> {
    let number = |set: &str, detector: &str| match printed(set, detector) {
        Some(Printed::Auroc(points)) => Some(points),
        _ => None,
    };
    let finished = grid.finished();
    let shared = |set: &&OfSize<'_>| {
        finished.iter().any(|(name, _)| *name == set.0)
            && grid.detectors.iter().all(|d| number(set.0, d).is_some())
    };
    let shared: Vec<_> = grid.sets.iter().filter(shared).copied().collect();
    if shared.is_empty() {
        return Vec::new();
    }
    let mut line = vec!["**mean**".to_owned(), of_sets(shared.len())];
    for detector in &grid.detectors {
        let mean = |of: &dyn Fn(OfSize<'_>) -> Option<f64>| {
            let sum: f64 = shared.iter().filter_map(|&set| of(set)).sum();
            sum / shared.len() as f64
        };
        let ours = mean(&|set| {
            let cell = grid.cell(set, detector);
            points(&cell.0, |row| row.auroc_unoriented).map(|spread| spread.mean)
        });
        let theirs = mean(&|set| number(set.0, detector));
        line.push(format!("{ours:.1} ({theirs:.1})"));
    }
    vec![line]
}

/// The runs that failed, those of one reason together.
fn failures(rows: &[&Row]) -> String {
    let mut reasons: Vec<(&str, &str, &str, Vec<String>)> = Vec::new();
    for row in rows.iter().filter(|row| !row.is_ok()) {
        let key = (
            row.dataset.as_str(),
            row.detector.as_str(),
            row.status.as_str(),
        );
        let seed = row.seed.to_string();
        match reasons.iter_mut().find(|(a, b, c, _)| (*a, *b, *c) == key) {
            Some((.., seeds)) => seeds.push(seed),
            None => reasons.push((key.0, key.1, key.2, vec![seed])),
        }
    }
    let mut out = String::new();
    for (set, detector, status, seeds) in reasons {
        let word = if seeds.len() == 1 { "seed" } else { "seeds" };
        let seeds = seeds.join(", ");
        let _ = writeln!(out, "- {set}, {detector}, {word} {seeds}: {status}");
    }
    out
}

/// All of a suite's results: honest AUROC, the unoriented one beside the paper's, the cost,
/// and what failed.
pub(super) fn markdown(suite: Suite, rows: &[&Row]) -> String {
    let grid = Grid::new(rows);
    let mut out = String::from(
        "AUROC in points, mean ± standard deviation over seeds. Higher score = stranger, whatever the \
         labels would like.\n\n",
    );
    let honest = grid.table(
        |_, _, cell| cell.points(|row| row.auroc),
        summary(&grid.finished()),
    );
    out += &honest.markdown();

    let unoriented = |cell: &Cell<'_>| cell.points(|row| row.auroc_unoriented);
    out += "\nUnoriented: max(AUROC, 1 - AUROC), which needs labels to choose the direction";
    if suite == Suite::Table2 {
        out +=
            "; in parentheses the\npaper's number for the set of that name and the detector.\n\n";
        let show = |set: &str, detector: &str, cell: &Cell<'_>| {
            let paper = match printed(set, detector) {
                Some(Printed::Auroc(points)) => format!("{points:.1}"),
                Some(Printed::TimedOut) => "t/o".to_owned(),
                None => NOTHING.to_owned(),
            };
            format!("{} ({paper})", unoriented(cell))
        };
        out += &grid.table(show, beside(&grid)).markdown();
    } else {
        out += ".\n\n";
        let table = grid.table(|_, _, cell| unoriented(cell), Vec::new());
        out += &table.markdown();
    }

    out += "\nSeconds to fit / seconds to score the same rows / MiB of memory at the peak, means over seeds.\n\n";
    out += &grid.table(|_, _, cell| cell.cost(), Vec::new()).markdown();

    let failures = failures(rows);
    if !failures.is_empty() {
        out += "\nRuns that did not finish:\n\n";
        out += &failures;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::{failed, row};
    use super::*;

    fn lines(rows: &[Row], suite: Suite) -> Vec<String> {
        let rows: Vec<&Row> = rows.iter().collect();
        let text = markdown(suite, &rows);
        let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        text.lines().map(squeezed).collect()
    }

    #[test]
    fn cells_means_ranks_and_the_papers_numbers() {
        // Wdbc: dum 80 ± 14.1, sp 30; a tie in ranks on pima. Kdd1999 was not finished.
        let rows = [
            row("kdd1999", "dum", 0, 0.9),
            failed(row("kdd1999", "lof", 0, 0.0), TIMEOUT),
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
        let unread = Row {
            n: None,
            d: None,
            n_outliers: None,
            ..failed(row("a", "sp", 0, 0.0), "a.csv: empty")
        };
        let rows = [
            unread.clone(),
            Row { seed: 1, ..unread },
            row("b", "sp", 0, 0.5),
            failed(row("b", "sp", 1, 0.0), "killed by signal 9"),
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
        let rows: Vec<&Row> = rows.iter().collect();
        let text = markdown(Suite::Extra, &rows);
        let mut table = text.lines().skip_while(|line| !line.starts_with('|'));
        let width = table.next().map(|line| line.chars().count());
        let rest = table.take_while(|line| line.starts_with('|'));
        assert!(rest.into_iter().all(|l| Some(l.chars().count()) == width));
    }
}
