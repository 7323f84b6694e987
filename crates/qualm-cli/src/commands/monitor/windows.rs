//! Window tests.

use std::fmt::Write;

use anyhow::{Context, Result, bail};
use qualm::Fitted;
use qualm::monitor::{ColumnMoments, Difference, WindowTest, benjamini_hochberg, holm};
use qualm::reports::{MonitorColumn, MonitorReport, MonitorWindow, REPORT_VERSION};
use qualm_data::Batch;

use super::input::{Reference, Stream};
use super::strangest::Strangest;
use crate::args::{Correction, Monitor, TestName};
use crate::output::{self, Output};

/// Columns that are shown.
const SHOWN: usize = 10;

/// A window while its rows come.
struct Window {
    first_row: u64,
    scores: Vec<f64>,
    columns: ColumnMoments,
    strangest: Strangest,
}

/// A window that was compared.
struct Compared {
    first_row: u64,
    last_row: u64,
    difference: Difference,
    /// Of windows that may raise an alarm.
    details: Option<(ColumnMoments, Strangest)>,
}

pub(super) fn run(
    args: &Monitor,
    fitted: &Fitted,
    reference: &Reference,
    current: Stream,
    output: Output,
) -> Result<MonitorReport> {
    let test = match args.test {
        TestName::Welch => WindowTest::Welch,
        TestName::MannWhitney => WindowTest::MannWhitney,
        TestName::Ks => WindowTest::KolmogorovSmirnov,
    };
    let fields = current.id_fields.clone();
    let n_cols = fitted.n_features();
    let new = |first_row| Window {
        first_row,
        scores: Vec::new(),
        columns: ColumnMoments::new(n_cols),
        strangest: Strangest::default(),
    };
    let mut window = new(1);
    let mut compared = Vec::new();
    let mut n = 0;
    let size = args.window.unwrap_or(usize::MAX);
    let compare = |window: Window| -> Result<Compared> {
        let last_row = window.first_row + window.scores.len() as u64 - 1;
        let difference = test.compare(&reference.scores, &window.scores);
        let difference = difference.with_context(|| {
            format!(
                "rows {} to {last_row} of {}",
                window.first_row,
                args.current.display()
            )
        })?;
        // Corrections only raise p-values.
        let may_alarm = difference.is_alarm(difference.p, args.alpha, args.min_effect);
        Ok(Compared {
            first_row: window.first_row,
            last_row,
            difference,
            details: may_alarm.then_some((window.columns, window.strangest)),
        })
    };
    current.run(fitted, "monitor", output, |batch: Batch, scores| {
        let mut from = 0;
        while from < scores.len() {
            let to = scores
                .len()
                .min(from + size.saturating_sub(window.scores.len()));
            let part = scores.get(from..to).unwrap_or_default();
            for (place, &score) in (from..).zip(part) {
                n += 1;
                window.strangest.take(&batch, place, n, score);
            }
            window.scores.extend_from_slice(part);
            if let Some(rows) = batch.rows.rows().slice(from..to) {
                window.columns.add(rows);
            }
            if window.scores.len() == size {
                compared.push(compare(std::mem::replace(&mut window, new(n + 1)))?);
            }
            from = to;
        }
        Ok(())
    })?;
    let rest = window.scores.len();
    if compared.is_empty() {
        if rest == 0 {
            bail!("{}: no rows to compare", args.current.display());
        }
        compared.push(compare(window)?);
    } else if rest > 0 {
        output.warn(format!(
            "the last {} are no whole window and are not tested",
            output::rows(rest as u64)
        ));
    }
    Ok(report(args, fitted, reference, &fields, compared, n))
}

fn report(
    args: &Monitor,
    fitted: &Fitted,
    reference: &Reference,
    fields: &[arrow_schema::Field],
    compared: Vec<Compared>,
    n: u64,
) -> MonitorReport {
    let p: Vec<f64> = compared.iter().map(|window| window.difference.p).collect();
    let corrected = match args.correct {
        Correction::Holm => holm(&p),
        Correction::Bh => benjamini_hochberg(&p),
        Correction::None => p,
    };
    let mut windows = Vec::new();
    let mut worst: Option<(f64, (ColumnMoments, Strangest))> = None;
    for ((number, window), p_corrected) in (1..).zip(compared).zip(&corrected) {
        let difference = window.difference;
        let is_drift = difference.is_alarm(*p_corrected, args.alpha, args.min_effect);
        let size = difference.cohens_d.abs();
        if let Some(details) = window.details.filter(|_| is_drift)
            && worst.as_ref().is_none_or(|(other, _)| size > *other)
        {
            worst = Some((size, details));
        }
        windows.push(MonitorWindow {
            window: number,
            first_row: window.first_row,
            last_row: window.last_row,
            difference,
            p_corrected: *p_corrected,
            is_drift,
        });
    }
    let (columns, strangest) = worst.map_or((Vec::new(), Vec::new()), |(_, (columns, rows))| {
        (
            moved(fitted, reference, &columns),
            rows.rows(fields, fitted),
        )
    });
    let effects = windows.iter().map(|w| w.difference.cohens_d.abs());
    MonitorReport {
        report_version: REPORT_VERSION,
        model: args.model.display().to_string(),
        input: args.current.display().to_string(),
        reference: args
            .reference
            .as_ref()
            .map(|path| path.display().to_string()),
        is_drift: windows.iter().any(|window| window.is_drift),
        p_val: Some(corrected.iter().copied().fold(1.0, f64::min)),
        threshold: args.alpha,
        distance: effects.fold(0.0, f64::max),
        n_reference: reference.scores.len() as u64,
        n,
        windows,
        sequential: None,
        columns,
        strangest,
    }
}

/// The columns of a window that moved most, where the reference's are known.
pub(super) fn moved(
    fitted: &Fitted,
    reference: &Reference,
    window: &ColumnMoments,
) -> Vec<MonitorColumn> {
    let Some(columns) = &reference.columns else {
        return Vec::new();
    };
    let shifts = columns.shifts(window).into_iter().take(SHOWN);
    let named = shifts.map(|shift| MonitorColumn {
        column: fitted.features().name(shift.column),
        reference_mean: shift.reference_mean,
        mean: shift.mean,
        cohens_d: shift.cohens_d,
        p: shift.p,
    });
    named.collect()
}

/// A line for each window, of many those with an alarm.
pub(super) fn words(report: &MonitorReport) -> String {
    const MOST: usize = 20;
    let mut text = format!(
        "{} beside {} of the reference: {}\n",
        output::rows(report.n),
        output::counted(report.n_reference, "score"),
        if report.is_drift { "ALARM" } else { "no alarm" }
    );
    text += "window        rows                p  corrected       d   AUROC\n";
    let many = report.windows.len() > MOST;
    let shown = report.windows.iter().filter(|w| !many || w.is_drift);
    for window in shown.take(MOST) {
        let difference = &window.difference;
        let _ = writeln!(
            text,
            "{:<6} {:>8} to {:<8} {:>9} {:>10} {:>7.2} {:>7.3}{}",
            window.window,
            window.first_row,
            window.last_row,
            p_value(difference.log10_p),
            p_value(window.p_corrected.log10()),
            difference.cohens_d,
            difference.auroc,
            if window.is_drift { "  ALARM" } else { "" }
        );
    }
    if many {
        let n = report.windows.iter().filter(|w| w.is_drift).count();
        let _ = writeln!(
            text,
            "{n} of {} windows with an alarm",
            report.windows.len()
        );
    }
    text
}

/// A p-value by its logarithm, also below the smallest float64.
pub(super) fn p_value(log10: f64) -> String {
    if log10 > -4.0 {
        format!("{:.4}", 10f64.powf(log10))
    } else if log10.is_finite() {
        format!("1e{:.0}", log10.floor())
    } else {
        "<1e-308".to_owned()
    }
}
