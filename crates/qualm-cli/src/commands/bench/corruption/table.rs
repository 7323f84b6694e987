//! The results as Markdown, in the layout of the paper's Table 1: a row for each corruption, a
//! p-value and an AUROC for each detector.

use std::fmt::Write;
use std::path::Path;

use indicatif::HumanCount;
use qualm::reports::{CorruptionReport, CorruptionRow};

use super::super::table::{NOTHING, markdown_table};
use super::paper::Paper;

/// What was measured, in words.
pub(super) struct Head<'a> {
    pub(super) encoder: &'a str,
    pub(super) images: &'a Path,
    pub(super) n_fitted: Option<u64>,
    pub(super) seed: u64,
    pub(super) parameters: &'a str,
}

/// The table over all severities with the paper's numbers, and one by severity for each detector.
pub(super) fn markdown(
    head: &Head<'_>,
    rows: &[CorruptionRow],
    detectors: &[String],
    paper: Option<Paper>,
) -> String {
    let mut names: Vec<&str> = rows.iter().map(|row| row.corruption.as_str()).collect();
    names.dedup();
    let mut out = head.words(rows);
    out += &all_severities(rows, &names, detectors, paper);
    if let Some(paper) = paper {
        out += &beside(rows, &names, detectors, paper);
    }
    for detector in detectors {
        out += &by_severity(rows, &names, detector);
    }
    out
}

impl Head<'_> {
    fn words(&self, rows: &[CorruptionRow]) -> String {
        let counts = rows.first().map_or((0, 0), |row| (row.n_reference, row.n));
        let fitted = self
            .n_fitted
            .map(|n| format!(" fitted to {} clean images,", HumanCount(n)));
        format!(
            "Rows of {} for images of {};{} {} clean images as reference, {} others damaged; \
             parameters {}, seed {}.\n\
             P is of Welch's test of the mean score beside the reference; AUROC in points, with its \
             95 % interval. 'none' is the images before they are damaged.\n\n",
            self.encoder,
            self.images.display(),
            fitted.unwrap_or_default(),
            HumanCount(counts.0),
            HumanCount(counts.1),
            self.parameters,
            self.seed,
        )
    }
}

/// A row of some severity, or of all together.
fn find<'a>(
    rows: &'a [CorruptionRow],
    corruption: &str,
    severity: Option<u8>,
    detector: &str,
) -> Option<&'a CorruptionRow> {
    rows.iter().find(|row| {
        (row.corruption.as_str(), row.severity, row.detector.as_str())
            == (corruption, severity, detector)
    })
}

fn all_severities(
    rows: &[CorruptionRow],
    names: &[&str],
    detectors: &[String],
    paper: Option<Paper>,
) -> String {
    let mut head = vec!["corruption".to_owned()];
    if let Some(paper) = paper {
        head.push(format!("P ({})", paper.name));
        head.push("AUROC (paper)".to_owned());
    }
    for detector in detectors {
        head.push(format!("P {detector}"));
        head.push(format!("AUROC {detector}"));
    }
    let mut lines = vec![head];
    for name in names {
        let mut line = vec![(*name).to_owned()];
        if let Some(paper) = paper {
            let cell = paper.printed(name);
            line.push(cell.map_or(NOTHING.to_owned(), |(p, _)| p.to_owned()));
            line.push(cell.map_or(NOTHING.to_owned(), |(_, auroc)| format!("{auroc:.1}")));
        }
        for detector in detectors {
            let row = find(rows, name, None, detector);
            line.push(
                row.and_then(|row| row.log10_p)
                    .map_or(NOTHING.to_owned(), p_value),
            );
            line.push(row.map_or(NOTHING.to_owned(), |row| {
                let [auroc, low, high] =
                    [row.auroc, row.auroc_ci_low, row.auroc_ci_high].map(|v| 100.0 * v);
                format!("{auroc:.1} ({low:.1} to {high:.1})")
            }));
        }
        lines.push(line);
    }
    markdown_table(&lines)
}

/// On how many corruptions each detector is at or above the paper's AUROC.
fn beside(rows: &[CorruptionRow], names: &[&str], detectors: &[String], paper: Paper) -> String {
    let mut out = String::new();
    for detector in detectors {
        let pairs = names.iter().filter(|name| **name != CorruptionReport::NONE);
        let pairs = pairs.filter_map(|name| {
            let (_, theirs) = paper.printed(name)?;
            let ours = 100.0 * find(rows, name, None, detector)?.auroc;
            Some((*name, ours, theirs))
        });
        let pairs: Vec<_> = pairs.collect();
        let below = pairs.iter().filter(|(_, ours, theirs)| ours < theirs);
        let below: Vec<String> = below
            .map(|(name, ours, theirs)| format!("{name} ({ours:.1}, paper {theirs:.1})"))
            .collect();
        let n = pairs.len() - below.len();
        let _ = writeln!(
            out,
            "\n{detector}: at or above the paper's AUROC on {n} of {} corruptions{}{}.",
            pairs.len(),
            if below.is_empty() { "" } else { "; below on " },
            below.join(", ")
        );
    }
    out
}

fn by_severity(rows: &[CorruptionRow], names: &[&str], detector: &str) -> String {
    let mut severities: Vec<u8> = rows.iter().filter_map(|row| row.severity).collect();
    severities.sort_unstable();
    severities.dedup();
    let mut head = vec![format!("AUROC {detector}")];
    head.extend(severities.iter().map(|s| format!("severity {s}")));
    head.push("Cohen's d".to_owned());
    let mut lines = vec![head];
    for name in names.iter().filter(|name| **name != CorruptionReport::NONE) {
        let mut line = vec![(*name).to_owned()];
        for &severity in &severities {
            let row = find(rows, name, Some(severity), detector);
            let cell = row.map(|row| format!("{:.1}", 100.0 * row.auroc));
            line.push(cell.unwrap_or(NOTHING.to_owned()));
        }
        let d = find(rows, name, None, detector).and_then(|row| row.cohens_d);
        line.push(d.map_or(NOTHING.to_owned(), |d| format!("{d:.2}")));
        lines.push(line);
    }
    format!("\n{}", markdown_table(&lines))
}

/// A p-value by its logarithm, as the paper writes them: `0.53`, `6e-267`; never 0.
fn p_value(log10: f64) -> String {
    if log10 >= -2.0 {
        return format!("{:.2}", 10f64.powf(log10));
    }
    let exponent = log10.floor();
    let digit = 10f64.powf(log10 - exponent).round();
    // 9.7 is 10.
    let (digit, exponent) = if digit < 10.0 {
        (digit, exponent)
    } else {
        (1.0, exponent + 1.0)
    };
    format!("{digit}e{exponent}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::PaperTable;

    fn row(corruption: &str, severity: Option<u8>, auroc: f64) -> CorruptionRow {
        CorruptionRow {
            corruption: corruption.to_owned(),
            severity,
            detector: "dum".to_owned(),
            n_reference: 1000,
            n: 1001,
            t: Some(3.0),
            degrees: Some(100.0),
            p: Some(0.0),
            log10_p: Some(-400.2),
            cohens_d: Some(0.5),
            auroc,
            auroc_ci_low: auroc - 0.02,
            auroc_ci_high: auroc + 0.02,
        }
    }

    #[test]
    fn p_values_as_the_paper_writes_them() {
        for (log10, expected) in [
            (-0.27, "0.54"),
            (-1.9, "0.01"),
            (-266.2, "6e-267"),
            (-4000.0, "1e-4000"),
            (-5.0 + 0.99, "1e-4"),
            (0.0, "1.00"),
        ] {
            assert_eq!(p_value(log10), expected);
        }
    }

    #[test]
    fn the_tables_hold_what_was_measured() {
        let rows = [
            row("none", None, 0.505),
            row("fog", None, 0.70),
            row("fog", Some(1), 0.60),
            row("fog", Some(5), 0.80),
            row("sparkles", None, 0.6),
        ];
        let head = Head {
            encoder: "net.safetensors",
            images: Path::new("test.parquet"),
            n_fitted: Some(2000),
            seed: 3,
            parameters: "auto",
        };
        let detectors = ["dum".to_owned()];
        let paper = Paper::chosen(Some(PaperTable::Cifar10), 32);
        let text = markdown(&head, &rows, &detectors, paper);
        let squeezed = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for expected in [
            "fitted to 2,000 clean images, 1,000 clean images as reference, 1,001 others damaged",
            "| none | 0.53 | 50.2 | 6e-401 | 50.5 (48.5 to 52.5) |",
            "| fog | 0.0 | 64.2 | 6e-401 | 70.0 (68.0 to 72.0) |",
            "| sparkles | – | – | 6e-401 | 60.0 (58.0 to 62.0) |",
            "dum: at or above the paper's AUROC on 1 of 1 corruptions.",
            "| AUROC dum | severity 1 | severity 5 | Cohen's d |",
            "| fog | 60.0 | 80.0 | 0.50 |",
        ] {
            assert!(squeezed.contains(expected), "{expected}\n{text}");
        }
        assert!(!markdown(&head, &rows, &detectors, None).contains("paper"));
    }
}
