//! What a report and an alarm say, for a reader.

use std::fmt::Write;

use qualm::monitor::{Across, Guarantee};
use qualm::reports::{
    MonitorAlarm, MonitorColumn, MonitorReport, MonitorRow, MonitorStream, MonitorStretch,
};

use super::window_words::windows;
use crate::output;

/// The report for a reader.
pub(super) fn words(report: &MonitorReport, across: Across) -> String {
    let text = if report.windows.is_empty() {
        sequential(report, across)
    } else {
        windows(report)
    };
    text + &findings(report.stretch.as_ref(), &report.columns, &report.strangest)
}

/// What an alarm says of its rows, for a reader.
fn findings(
    stretch: Option<&MonitorStretch>,
    columns: &[MonitorColumn],
    strangest: &[MonitorRow],
) -> String {
    let mut text = String::new();
    if let Some(stretch) = stretch {
        let _ = writeln!(
            text,
            "\nin rows {} to {}",
            stretch.first_row, stretch.last_row
        );
    }
    if !columns.is_empty() {
        text += "columns that moved most\n";
        for column in columns {
            let _ = writeln!(
                text,
                "  {:<24} d {:>6.2}   mean {:.6} in the reference, {:.6} now   p {:.2e}",
                column.column, column.cohens_d, column.reference_mean, column.mean, column.p
            );
        }
    }
    if !strangest.is_empty() {
        text += "strangest rows\n";
        for row in strangest {
            let ids = row.id.iter().map(|(name, value)| match value.as_str() {
                Some(text) => format!("{name} {text}"),
                None => format!("{name} {value}"),
            });
            // The rest rounds to nothing.
            let shares = row.explanation.iter().filter(|part| part.share >= 0.005);
            let shares = shares.map(|part| format!("{} {:.0}%", part.feature, 100.0 * part.share));
            let _ = writeln!(
                text,
                "  row {:<10} score {:>10.4}   p-value {:.4}   {}",
                row.row,
                row.score,
                row.p_value,
                ids.chain(shares).collect::<Vec<_>>().join(", ")
            );
        }
    }
    text
}

/// The test in words.
fn sequential(report: &MonitorReport, across: Across) -> String {
    let streams = report.sequential.iter().chain(&report.streams);
    let Some(guarantee) = streams.clone().next().map(|stream| stream.guarantee) else {
        return String::new();
    };
    let promise = match guarantee {
        Guarantee::Ever { alpha } => format!(
            "the probability of a false alarm, ever, is at most {alpha}, if the order of rows tells nothing"
        ),
        Guarantee::RunLength { rows } => format!(
            "false alarms are {rows} rows apart or more on average, if the order of rows tells nothing"
        ),
    };
    let n_rows = streams.clone().map(|stream| stream.n_rows).sum();
    let verdict = match report
        .sequential
        .as_ref()
        .and_then(|stream| stream.alarms.last())
    {
        Some(row) if report.is_drift => format!("ALARM at row {row} of the stream"),
        _ if report.is_drift => "ALARM".to_owned(),
        _ => "no alarm".to_owned(),
    };
    let mut text = format!(
        "{} beside {} of the reference, {} of the stream in all: {verdict}\n",
        output::rows(report.n),
        output::counted(report.n_reference, "score"),
        output::rows(n_rows),
    );
    match &report.sequential {
        Some(stream) => {
            let _ = writeln!(
                text,
                "evidence 1e{:.1} now, highest 1e{:.1}; {promise}",
                stream.log10_evidence, report.distance
            );
        }
        None => text += &several(&report.streams, guarantee, across),
    }
    text
}

/// A line for each of several streams, of many those with most evidence.
fn several(streams: &[MonitorStream], guarantee: Guarantee, across: Across) -> String {
    const MOST: usize = 20;
    let mut order: Vec<&MonitorStream> = streams.iter().collect();
    order.sort_by(|a, b| b.log10_evidence.total_cmp(&a.log10_evidence));
    let mut text = format!("{:<24} {:>12} {:>10}\n", "stream", "rows", "evidence");
    for stream in order.iter().take(MOST) {
        let alarm = stream.alarms.last();
        let _ = writeln!(
            text,
            "{:<24} {:>12} {:>10}{}",
            stream.stream.as_deref().unwrap_or_default(),
            stream.n_rows,
            format!("1e{:.1}", stream.log10_evidence),
            alarm
                .map(|row| format!("  ALARM at row {row}"))
                .unwrap_or_default()
        );
    }
    if streams.len() > MOST {
        let _ = writeln!(
            text,
            "and {} with less",
            output::counted((streams.len() - MOST) as u64, "stream")
        );
    }
    let promise = match guarantee {
        Guarantee::Ever { alpha } if across == Across::Each => format!(
            "the probability of a false alarm of a stream, ever, is at most {alpha}, if the order of its rows \
             tells nothing"
        ),
        Guarantee::Ever { alpha } => format!(
            "of the alarms a share of at most {alpha} is false on average, if the order of rows tells nothing"
        ),
        Guarantee::RunLength { rows } => format!(
            "false alarms of a stream are {rows} of its rows apart or more on average, if their order tells \
             nothing"
        ),
    };
    text + &promise + "\n"
}

/// An alarm for a reader.
pub(super) fn alarm(alarm: &MonitorAlarm) -> String {
    let of_stream = alarm
        .stream
        .as_ref()
        .map(|name| format!(" {name}"))
        .unwrap_or_default();
    format!(
        "ALARM at row {} of the stream{of_stream}: evidence 1e{:.1}, changed from about row {} on\n{}",
        alarm.row,
        alarm.distance,
        alarm.changed_from,
        findings(alarm.stretch.as_ref(), &alarm.columns, &alarm.strangest)
    )
}
