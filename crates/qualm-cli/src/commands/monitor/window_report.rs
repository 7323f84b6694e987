//! What windows say together: corrected for their number, as a report and in words.

use anyhow::Result;
use qualm::monitor::{benjamini_hochberg, holm};
use qualm::reports::{MonitorReport, MonitorWindow, REPORT_VERSION};
use qualm_data::time_text;

use super::stretch::Details;
use super::windows::{Compared, Windows};
use crate::args::Correction;

/// The report of windows that are all compared.
pub(super) fn report(found: &Windows<'_>) -> Result<MonitorReport> {
    let args = found.args;
    let p: Vec<f64> = found
        .compared
        .iter()
        .map(|window| window.difference.p)
        .collect();
    let corrected = match args.correct.unwrap_or(Correction::Holm) {
        Correction::Holm => holm(&p),
        Correction::Bh => benjamini_hochberg(&p),
        Correction::None => p,
    };
    let several = args.stream.is_some();
    let describe = |((number, window), p_corrected): ((u64, &Compared), &f64)| {
        let difference = window.difference;
        MonitorWindow {
            window: number,
            stream: several.then(|| found.names.name(window.stream).to_owned()),
            first_row: window.rows.0,
            last_row: window.rows.1,
            from_time: window.times.map(|(from, _)| time_text(from)),
            to_time: window.times.map(|(_, to)| time_text(to)),
            difference,
            p_corrected: *p_corrected,
            is_drift: difference.is_alarm(*p_corrected, args.alpha, args.min_effect),
        }
    };
    let windows = (1..).zip(&found.compared).zip(&corrected);
    let windows: Vec<MonitorWindow> = windows.map(describe).collect();
    let is_alarm = |place: usize| windows.get(place).is_some_and(|window| window.is_drift);
    let worst = found.candidates.worst(is_alarm);
    let details = worst.map(|worst| worst.details(&found.fields, found.fitted, found.reference));
    let Details {
        stretch,
        columns,
        strangest,
    } = details.transpose()?.unwrap_or_default();
    let effects = windows.iter().map(|w| w.difference.cohens_d.abs());
    let path = |path: &std::path::Path| path.display().to_string();
    Ok(MonitorReport {
        report_version: REPORT_VERSION,
        model: path(&args.model),
        input: path(&args.current),
        reference: args.reference.as_deref().map(path),
        is_drift: windows.iter().any(|window| window.is_drift),
        p_val: Some(corrected.iter().copied().fold(1.0, f64::min)),
        threshold: args.alpha,
        distance: effects.fold(0.0, f64::max),
        n_reference: found.reference.scores.len() as u64,
        n: found.n,
        windows,
        empty_windows: found.n_empty,
        untested_windows: found.n_untested,
        sequential: None,
        streams: Vec::new(),
        stretch,
        columns,
        strangest,
    })
}
