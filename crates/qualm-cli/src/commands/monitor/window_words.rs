//! What windows say, for a reader.

use std::fmt::Write;

use qualm::reports::MonitorReport;

use crate::output;

/// A line for each window, of many those with an alarm.
pub(super) fn windows(report: &MonitorReport) -> String {
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
        let beside = [&window.from_time, &window.stream];
        let beside = beside.into_iter().flatten().map(|text| format!("  {text}"));
        let _ = writeln!(
            text,
            "{:<6} {:>8} to {:<8} {:>9} {:>10} {:>7.2} {:>7.3}{}{}",
            window.window,
            window.first_row,
            window.last_row,
            p_value(difference.log10_p),
            p_value(window.p_corrected.log10()),
            difference.cohens_d,
            difference.auroc,
            beside.collect::<String>(),
            if window.is_drift { "  ALARM" } else { "" }
        );
    }
    if many {
        let n = report.windows.iter().filter(|w| w.is_drift).count();
        let _ = writeln!(
            text,
            "{n} of {} windows with an alarm{}",
            report.windows.len(),
            if n > MOST {
                ", of which the first are shown"
            } else {
                ""
            }
        );
    }
    text
}

/// A p-value by its logarithm, also below the smallest float64.
fn p_value(log10: f64) -> String {
    if log10 > -4.0 {
        format!("{:.4}", 10f64.powf(log10))
    } else if log10.is_finite() {
        format!("1e{:.0}", log10.floor())
    } else {
        "<1e-308".to_owned()
    }
}
