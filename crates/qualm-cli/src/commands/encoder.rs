//! `qualm encoder check`.

use std::fmt::Write;

use anyhow::Result;
use qualm::reports::{EncoderReport, REPORT_VERSION};
use qualm_vision::encoder::{self, Encoder, EncoderOptions};

use crate::args::{EncoderArgs, EncoderCheck};
use crate::output::Output;

/// Values of the vector that are printed.
const SHOWN: usize = 5;

/// What the flags say of an encoder.
pub(crate) fn options(args: &EncoderArgs) -> EncoderOptions {
    EncoderOptions {
        preprocessing: args.preprocessing.clone(),
        onnxruntime: args.onnxruntime.clone(),
        recorded: None,
        statistics: args.statistics,
    }
}

pub(crate) fn check(args: &EncoderCheck, output: Output) -> Result<()> {
    let opened = encoder::open(&args.file, &options(&args.options))?;
    let check = encoder::check(&opened)?;
    let described = opened.describe();
    let squares = check.vector.iter().map(|v| f64::from(*v).powi(2));
    let report = EncoderReport {
        report_version: REPORT_VERSION,
        file: args.file.display().to_string(),
        encoder: opened.identity().clone(),
        architecture: described.architecture,
        runtime: described.runtime,
        inputs: described.inputs,
        outputs: described.outputs,
        output: described.output,
        // By way of text, in which float32 has no more digits than it was given.
        preprocessing: serde_json::from_str(&serde_json::to_string(opened.preprocessing())?)?,
        preprocessing_from: opened.preprocessing_origin().to_owned(),
        same_bits: check.same_bits,
        norm: squares.sum::<f64>().sqrt(),
        vector: check.vector,
    };
    output.result(&report, || text(&report))
}

fn text(report: &EncoderReport) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{name:<20} {value}");
    };
    line("encoder", &report.file);
    line("architecture", &report.architecture);
    line("runtime", &report.runtime);
    for input in &report.inputs {
        line("input", input);
    }
    for output in &report.outputs {
        line("output", output);
    }
    if report.outputs.len() > 1 {
        line("output taken", &report.output);
    }
    line("width", &report.encoder.width.to_string());
    line("sha256", &report.encoder.digest);
    line("preprocessing from", &report.preprocessing_from);
    for (key, value) in report.preprocessing.as_object().into_iter().flatten() {
        line(&format!("  {key}"), &value.to_string());
    }
    let same = if report.same_bits {
        "the same bits alone and among other images"
    } else {
        "other bits alone than among other images: the runtime rounds differently there"
    };
    line("test picture", same);
    line("  norm", &format!("{:.6}", report.norm));
    let first = report.vector.iter().take(SHOWN);
    let first: Vec<String> = first.map(|v| format!("{v:.6}")).collect();
    let more = if report.vector.len() > SHOWN {
        " ..."
    } else {
        ""
    };
    line("  vector", &format!("{}{more}", first.join(" ")));
    out
}
