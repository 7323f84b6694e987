//! Plots of a report, for a terminal.

use qualm::monitor::Guarantee;
use qualm::reports::{MonitorReport, MonitorWindow};

use crate::plot::{Plot, Trace};

/// The evidence over the rows of this run.
pub(super) fn evidence(report: &MonitorReport, trace: &Trace) -> String {
    let mut streams = report.sequential.iter().chain(&report.streams);
    let level = match streams.next().map(|stream| stream.guarantee) {
        Some(guarantee @ Guarantee::Ever { .. }) if report.streams.is_empty() => {
            Some((guarantee.threshold().log10(), "alarm"))
        }
        Some(guarantee @ Guarantee::RunLength { .. }) => {
            Some((guarantee.threshold().log10(), "alarm"))
        }
        // Of several streams the threshold depends on the evidence of the others.
        _ => None,
    };
    let plot = Plot {
        title: if report.streams.is_empty() {
            "\nevidence, decimal logarithm"
        } else {
            "\nevidence of the stream with most of it, decimal logarithm"
        },
        ends: [
            "first row of this run".to_owned(),
            format!("row {}", trace.n()),
        ],
        level,
    };
    plot.draw(trace.values())
}

/// The effects of the windows of the stream with the largest one.
pub(super) fn windows(report: &MonitorReport, min_effect: f64) -> String {
    let effect = |window: &MonitorWindow| window.difference.cohens_d;
    let order = report.windows.iter();
    let Some(worst) = order.max_by(|a, b| effect(a).abs().total_cmp(&effect(b).abs())) else {
        return String::new();
    };
    let same = report
        .windows
        .iter()
        .filter(|window| window.stream == worst.stream);
    let (first, last) = (
        same.clone().next().unwrap_or(worst),
        same.clone().next_back().unwrap_or(worst),
    );
    let end = |window: &MonitorWindow| match &window.from_time {
        Some(time) => time.clone(),
        None => format!("row {}", window.first_row),
    };
    let of_stream = worst
        .stream
        .as_ref()
        .map(|name| format!(" of stream {name}"));
    let plot = Plot {
        title: &format!("\nCohen's d of windows{}", of_stream.unwrap_or_default()),
        ends: [end(first), end(last)],
        level: Some((min_effect.copysign(effect(worst)), "--min-effect")),
    };
    plot.draw(&same.map(effect).collect::<Vec<_>>())
}
