//! The results as Markdown: the layout of the paper's Table 3 first, then all of it.

use std::fmt::Write;

use indicatif::HumanCount;
use qualm::reports::{
    OodBenchMean, OodBenchReport, OodBenchRow, OodBenchSet, OodGroup, OodNetworkKind,
};

use super::super::table::{NOTHING, markdown_table};
use super::asked::Wanted;
use super::paper::{Paper, PaperSet};

/// The paper's supervised columns: what it calls each, and the detector.
const SUPERVISED: [(&str, &str); 6] = [
    ("Baseline", "msp"),
    ("ODIN", "odin"),
    ("Mahalanobis", "mahalanobis"),
    ("Res-Flow", "residual_flow"),
    ("Gram", "gram"),
    ("Rotation Pred.", "rotation"),
];
/// The paper's own.
const OWN: [(&str, &str); 2] = [("DUM", "dum"), ("DUM (Circ)", "dum_circ")];

/// A measure: its title, and where it stands.
type Measure = (&'static str, fn(&OodBenchMean) -> (f64, Option<f64>));

const MEASURES: [Measure; 4] = [
    ("AUROC", |mean| (mean.auroc, mean.auroc_sd)),
    ("FPR at 95 % TPR", |mean| (mean.fpr95, mean.fpr95_sd)),
    ("AUPR in", |mean| (mean.aupr_in, mean.aupr_in_sd)),
    ("AUPR out", |mean| (mean.aupr_out, mean.aupr_out_sd)),
];

/// All tables.
pub(super) fn markdown(report: &OodBenchReport, wanted: &[Wanted]) -> String {
    let mut out = words(report);
    out += &as_the_paper(report);
    for measure in MEASURES {
        out += &by_detector(report, measure);
    }
    out += &by_network(report, wanted);
    out
}

fn words(report: &OodBenchReport) -> String {
    let count = |n: u64| HumanCount(n).to_string();
    let mut out = format!(
        "In distribution: {} images of {} ({}). Detectors fitted to {} images of {}; seed {}.\n\
         Every image: {} x {} pixels, written again as {}.\n",
        count(report.inside.n),
        report.inside.name,
        report.inside.images,
        count(report.train.n),
        report.train.images,
        report.seed,
        report.side,
        report.side,
        report.reencode,
    );
    let sets = report.outside.iter().map(|set| {
        let group = set
            .group
            .map_or(String::new(), |g| format!(", {}", g.name()));
        let dropped = match set.n_dropped {
            0 => String::new(),
            n => format!(", {} left out that were fitted", count(n)),
        };
        format!("{} ({} images{group}{dropped})", set.name, count(set.n))
    });
    let _ = writeln!(
        out,
        "Out of distribution: {}.",
        sets.collect::<Vec<_>>().join(", ")
    );
    let networks = report.networks.iter().map(|net| {
        let mut rows = report.results.iter().map(|row| &row.cell);
        let accuracy = rows.find_map(|cell| {
            let own = (cell.kind, &cell.network) == (net.kind, &net.name);
            cell.accuracy.filter(|_| own)
        });
        let accuracy = accuracy.map(|share| format!(", accuracy {:.1} %", 100.0 * share));
        let accuracy = accuracy.unwrap_or_default();
        format!("{} ({}{accuracy})", net.name, net.kind.name())
    });
    let _ = writeln!(
        out,
        "Networks: {}.",
        networks.collect::<Vec<_>>().join(", ")
    );
    out + "All in points. Images out of distribution are the positive class of AUROC, FPR and AUPR out, \
           those in distribution of AUPR in. Over several classifiers: mean ± standard deviation.\n\n"
}

/// The mean of a detector on a set.
fn find<'a>(
    report: &'a OodBenchReport,
    (kind, network): (OodNetworkKind, Option<&str>),
    detector: &str,
    out: &str,
) -> Option<&'a OodBenchMean> {
    report.means.iter().find(|mean| {
        (mean.kind, mean.network.as_deref()) == (kind, network)
            && (mean.detector.as_str(), mean.out.as_str()) == (detector, out)
    })
}

fn points((value, sd): (f64, Option<f64>)) -> String {
    match sd {
        Some(sd) => format!("{:.1} ± {:.1}", 100.0 * value, 100.0 * sd),
        None => format!("{:.1}", 100.0 * value),
    }
}

/// The classifiers, and each encoder.
fn subjects(report: &OodBenchReport) -> Vec<(OodNetworkKind, Option<&str>)> {
    let kinds = report.networks.iter().map(|net| match net.kind {
        OodNetworkKind::Classifier => (net.kind, None),
        OodNetworkKind::Encoder => (net.kind, Some(net.name.as_str())),
    });
    let mut subjects: Vec<_> = kinds.collect();
    subjects.dedup();
    subjects
}

/// AUROC in the columns of the paper, its own numbers beneath each set of the same name and at the
/// end.
fn as_the_paper(report: &OodBenchReport) -> String {
    let paper = Paper::of(&report.inside.name);
    let subjects = subjects(report);
    let encoders = subjects
        .iter()
        .any(|(kind, _)| *kind == OodNetworkKind::Encoder);
    // Title, subject, detector, and whether the paper's number stands beside it: its own are of
    // contrastive embeddings.
    let mut columns = Vec::new();
    for subject in subjects {
        let is_classifier = subject.0 == OodNetworkKind::Classifier;
        if is_classifier {
            columns.extend(SUPERVISED.map(|(title, name)| (title.to_owned(), subject, name, true)));
        }
        let on = subject.1.unwrap_or("features");
        let beside = !is_classifier || !encoders;
        columns
            .extend(OWN.map(|(title, name)| (format!("{title} on {on}"), subject, name, beside)));
    }
    let any = |name: &str| report.results.iter().any(|row| row.cell.detector == name);
    columns.retain(|(_, _, name, _)| any(name));
    if columns.is_empty() {
        return String::new();
    }
    let mut head = vec!["In-dist".to_owned(), "Out-of-dist".to_owned()];
    head.extend(columns.iter().map(|(title, ..)| title.clone()));
    let mut lines = vec![head];
    let printed = |paper: Paper, set: PaperSet| {
        let mut line = vec![
            format!("{} (paper)", paper.title()),
            format!("{} (paper)", set.title),
        ];
        line.extend(columns.iter().map(|(_, _, name, beside)| {
            let cell = paper.printed(set, name).filter(|_| *beside);
            cell.unwrap_or(NOTHING).to_owned()
        }));
        line
    };
    let mut shown = Vec::new();
    for set in &report.outside {
        let mut line = vec![report.inside.name.clone(), set.name.clone()];
        line.extend(columns.iter().map(|(_, subject, name, _)| {
            let mean = find(report, *subject, name, &set.name);
            mean.map_or(NOTHING.to_owned(), |mean| {
                points((mean.auroc, mean.auroc_sd))
            })
        }));
        lines.push(line);
        if let Some((paper, same)) = paper.and_then(|p| Some((p, p.same(&set.name)?))) {
            lines.push(printed(paper, same));
            shown.push(same);
        }
    }
    if let Some(paper) = paper {
        let rest = paper.outside().filter(|set| !shown.contains(set));
        lines.extend(rest.map(|set| printed(paper, set)));
    }
    format!(
        "AUROC as in the paper's Table 3:\n\n{}",
        markdown_table(&lines)
    )
}

/// A measure for each detector, over each set and the means.
fn by_detector(report: &OodBenchReport, (title, of): Measure) -> String {
    let outs = outs(report);
    let mut head = vec![title.to_owned()];
    head.extend(outs.iter().map(|out| (*out).to_owned()));
    let mut lines = vec![head];
    for subject in subjects(report) {
        let own = report.means.iter().filter(|mean| {
            (mean.kind, mean.network.as_deref()) == subject && mean.out == OodBenchReport::ALL
        });
        for detector in own.map(|mean| &mean.detector) {
            let mut line = vec![match subject.1 {
                Some(encoder) => format!("{detector} on {encoder}"),
                None => detector.clone(),
            }];
            line.extend(outs.iter().map(|out| {
                let mean = find(report, subject, detector, out);
                mean.map_or(NOTHING.to_owned(), |mean| points(of(mean)))
            }));
            lines.push(line);
        }
    }
    format!("\n{}", markdown_table(&lines))
}

/// The sets, and the means over some of them that differ from a set.
fn outs(report: &OodBenchReport) -> Vec<&str> {
    let sets = &report.outside;
    let mut outs: Vec<&str> = sets.iter().map(|set| set.name.as_str()).collect();
    for group in [OodGroup::Near, OodGroup::Far] {
        if sets
            .iter()
            .any(|set: &OodBenchSet| set.group == Some(group))
        {
            outs.push(group.name());
        }
    }
    if sets.len() > 1 {
        outs.push(OodBenchReport::ALL);
    }
    outs
}

/// AUROC with its interval for each network by itself.
fn by_network(report: &OodBenchReport, wanted: &[Wanted]) -> String {
    let mut head = vec!["network".to_owned(), "AUROC, 95 % interval".to_owned()];
    head.extend(report.outside.iter().map(|set| set.name.clone()));
    let mut lines = vec![head];
    for net in &report.networks {
        for wanted in wanted {
            let row = |set: &OodBenchSet| -> Option<&OodBenchRow> {
                report.results.iter().find(|row| {
                    let cell = &row.cell;
                    (cell.kind, &cell.network) == (net.kind, &net.name)
                        && (&cell.detector, &cell.out) == (&wanted.called, &set.name)
                })
            };
            let cells: Vec<Option<&OodBenchRow>> = report.outside.iter().map(row).collect();
            if cells.iter().all(Option::is_none) {
                continue;
            }
            let mut line = vec![net.name.clone(), wanted.called.clone()];
            line.extend(cells.into_iter().map(|row| {
                row.map_or(NOTHING.to_owned(), |row| {
                    let [auroc, low, high] =
                        [row.auroc, row.auroc_ci_low, row.auroc_ci_high].map(|v| 100.0 * v);
                    format!("{auroc:.1} ({low:.1} to {high:.1})")
                })
            }));
            lines.push(line);
        }
    }
    format!("\n{}", markdown_table(&lines))
}
