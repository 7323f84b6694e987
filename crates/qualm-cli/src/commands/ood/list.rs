//! `qualm ood list`.

use std::fmt::Write;

use anyhow::Result;
use qualm::ood::Network;
use qualm::reports::OodListReport;

use crate::output::Output;

pub(super) fn run(output: Output) -> Result<()> {
    let report = OodListReport::new();
    output.result(&report, || text(&report))
}

/// A paragraph for each detector.
fn text(report: &OodListReport) -> String {
    let mut text = String::new();
    for detector in &report.detectors {
        let keys = detector.keys.iter();
        let keys: Vec<String> = keys.map(|(key, value)| format!("{key}={value}")).collect();
        let keys = match detector.name.as_str() {
            // All of them, which qualm fit and docs/presets.md describe.
            "dum" | "dum_circ" => "those of the detector dum of qualm fit".to_owned(),
            _ if keys.is_empty() => "none".to_owned(),
            _ => keys.join(" "),
        };
        let network = match detector.needs.network {
            Network::None => "",
            _ => "; only of images, with --classifier",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:<14} {}\n{:15}needs {}{network}\n{:15}keys  {keys}",
            detector.name, detector.summary, "", detector.needs, ""
        );
    }
    text
}
