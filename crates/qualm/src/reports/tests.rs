//! Every report has the keys that the contract names, in their order.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;
use crate::stats::Metrics;
use crate::{Features, Fitted, Matrix, Spec};

/// Sixty rows on a line and one beside it.
fn rows() -> Matrix {
    let mut data: Vec<f32> = (0..60).flat_map(|i| [i as f32, 2.0 * i as f32]).collect();
    data.extend([30.0, -200.0]);
    Matrix::new(data, 2).unwrap()
}

fn fitted() -> Fitted {
    let spec = Spec::preset("sp", "default").unwrap();
    let fitted = spec.fit(rows().rows(), 0, &mut ()).unwrap();
    let names = ["a", "b"].map(str::to_owned).to_vec();
    fitted.with_features(Features::Columns(names)).unwrap()
}

fn labels() -> Vec<bool> {
    (0..61).map(|i| i == 60).collect()
}

fn metrics() -> Metrics {
    Metrics::compute(fitted().fitted_scores().unwrap(), &labels()).unwrap()
}

/// Writes a report, reads it back and checks its fields, in the order they are written.
#[track_caller]
fn check<R: Serialize + DeserializeOwned + PartialEq + Debug>(report: &R, fields: &str) {
    let text = serde_json::to_string_pretty(report).unwrap();
    assert_eq!(&serde_json::from_str::<R>(&text).unwrap(), report);
    // The fields of the report itself are those indented once.
    let of_line = |line: &str| Some(line.strip_prefix("  \"")?.split_once('"')?.0.to_owned());
    let found: Vec<String> = text.lines().filter_map(of_line).collect();
    assert_eq!(found.join(" "), fields);
}

#[test]
fn fit() {
    let report = FitReport::new(&fitted(), "default", 0.5).unwrap();
    assert_eq!((report.n, report.d, report.n_reference), (61, 2, 61));
    check(
        &report,
        "report_version detector preset n d n_reference threshold fit_seconds warnings spec",
    );
    let report = FitReport {
        model: Some("m.qualm".to_owned()),
        scores: Some("s.csv".to_owned()),
        model_bytes: Some(2000),
        half_agreement: Some(0.9),
        ..report
    };
    check(
        &report,
        "report_version model scores detector preset n d n_reference threshold fit_seconds \
         model_bytes half_agreement warnings spec",
    );
}

#[test]
fn score() {
    let report = ScoreReport::new(&fitted(), 1000, 50, 0.25).unwrap();
    assert_eq!(report.rows_per_second, 4000.0);
    assert!(report.threshold.is_finite());
    let report = ScoreReport {
        model: Some("m.qualm".to_owned()),
        input: Some("new.csv".to_owned()),
        output: Some("s.csv".to_owned()),
        ..report
    };
    check(
        &report,
        "report_version model input output n n_outliers threshold score_seconds rows_per_second",
    );
    // No time at all is no division by zero.
    let none = ScoreReport::new(&fitted(), 1, 0, 0.0).unwrap();
    assert!(none.rows_per_second.is_finite());
}

#[test]
fn eval() {
    check(
        &EvalReport::new(metrics()),
        "report_version n n_outliers auroc auroc_ci_low auroc_ci_high aupr fpr95 \
         precision_at_n auroc_unoriented",
    );
}

#[test]
fn info() {
    let report = InfoReport {
        model: Some("m.qualm".to_owned()),
        model_bytes: Some(2000),
        ..InfoReport::new(&fitted()).unwrap()
    };
    // The diagnostics have their own place.
    assert!(report.diagnostics.is_some() && report.provenance.diagnostics.is_none());
    let scores = &report.reference_scores;
    assert!(scores.min <= scores.median && scores.median <= scores.p95);
    assert!(scores.p95 <= scores.max && scores.n == 61);
    check(
        &report,
        "report_version model model_bytes n_features features roles spec threshold \
         threshold_rule reference_scores diagnostics provenance",
    );
    // A document of a time without a version, when the rule was called `cut`.
    let old = serde_json::to_string(&report).unwrap();
    let old = old.replace("\"threshold_rule\"", "\"cut\"");
    let old = old.replace("\"report_version\":1,", "");
    let read: InfoReport = serde_json::from_str(&old).unwrap();
    assert_eq!((read.report_version, read.n_features), (0, 2));
    assert_eq!(read.threshold_rule, report.threshold_rule);
}

#[test]
fn bench() {
    let rows = rows();
    let shape = BenchRow::of_rows(rows.rows(), &labels());
    assert_eq!(
        (shape.n, shape.d, shape.n_outliers),
        (Some(61), Some(2), Some(1))
    );
    let row = BenchRow {
        dataset: "line".to_owned(),
        detector: "sp:paper".to_owned(),
        seed: 3,
        peak_memory_bytes: None,
        ..shape.clone().measured(&metrics(), 0.5, 0.25)
    };
    assert!(row.is_ok() && !shape.is_ok());
    assert_eq!(row.auroc, Some(metrics().auroc));
    check(
        &row,
        "dataset detector seed n d n_outliers auroc auroc_unoriented aupr fit_seconds \
         score_seconds peak_memory_bytes status",
    );
    check(
        &BenchReport::new("extra", vec![row, shape]),
        "report_version suite results",
    );
}

#[test]
fn corrupt() {
    let report = CorruptReport {
        report_version: REPORT_VERSION,
        input: "images".to_owned(),
        output: "damaged.parquet".to_owned(),
        sheet: Some("look.html".to_owned()),
        corruptions: vec!["fog".to_owned()],
        severities: vec![3],
        parameters: "auto".to_owned(),
        format: "png".to_owned(),
        n_images: 2,
        n_damaged: 2,
        n_resumed: 0,
        n_rejected: 1,
        rejects: Some("r.csv".to_owned()),
        corrupt_seconds: 1.0,
        damaged_per_second: 2.0,
    };
    check(
        &report,
        "report_version input output sheet corruptions severities parameters format n_images \
         n_damaged n_resumed n_rejected rejects corrupt_seconds damaged_per_second",
    );
}

#[test]
fn corruption() {
    let shift = crate::stats::Shift::of(&[1.0, 2.0, 3.0], &[&[2.0, 4.0]]).unwrap();
    let row = CorruptionRow::new("fog", Some(3), "dum", [3, 2], &shift);
    assert_eq!(row.auroc, shift.auroc);
    check(
        &row,
        "corruption severity detector n_reference n t degrees p log10_p cohens_d auroc \
         auroc_ci_low auroc_ci_high",
    );
    let report = CorruptionReport {
        report_version: REPORT_VERSION,
        suite: CorruptionReport::SUITE.to_owned(),
        images: "test.parquet".to_owned(),
        train: None,
        output: "r.parquet".to_owned(),
        table: "r.md".to_owned(),
        encoder: encoder(),
        n_fitted: None,
        seed: 0,
        parameters: "auto".to_owned(),
        results: vec![row],
    };
    check(
        &report,
        "report_version suite images train output table encoder n_fitted seed parameters \
         results",
    );
}

#[test]
fn ood_bench() {
    let cell = OodBenchCell {
        network: "net.safetensors".to_owned(),
        kind: OodNetworkKind::Classifier,
        detector: "knn".to_owned(),
        out: "digits".to_owned(),
        group: Some(OodGroup::Far),
        accuracy: Some(0.9),
        n_fitted: Some(9),
        n_in: 3,
        n_out: 2,
    };
    let found = crate::stats::Separation::of(&[1.0, 2.0, 3.0], &[2.5, 4.0], 0).unwrap();
    let row = OodBenchRow::new(cell, &found);
    assert_eq!(row.auroc, 5.0 / 6.0);
    check(
        &row,
        "network kind detector out group accuracy n_fitted n_in n_out auroc auroc_ci_low \
         auroc_ci_high fpr95 fpr95_ci_low fpr95_ci_high aupr_in aupr_in_ci_low aupr_in_ci_high \
         aupr_out aupr_out_ci_low aupr_out_ci_high",
    );
    // Two networks: the first has two sets, which count as one.
    let other = OodBenchRow {
        auroc: 0.5,
        ..row.clone()
    };
    let third = OodBenchRow {
        auroc: 0.0,
        ..row.clone()
    };
    let rows = [vec![&row, &other], vec![&third]];
    let kind = OodNetworkKind::Classifier;
    let mean = OodBenchMean::of(kind, None, "knn", OodBenchReport::ALL, &rows).unwrap();
    assert!((mean.auroc - 1.0 / 3.0).abs() < 1e-15 && mean.n_networks == 2);
    assert!((mean.auroc_sd.unwrap() - 2f64.sqrt() / 3.0).abs() < 1e-15);
    assert_eq!(OodBenchMean::of(kind, None, "knn", "all", &[]), None);
    check(
        &mean,
        "kind network detector out n_networks auroc auroc_sd fpr95 fpr95_sd aupr_in aupr_in_sd \
         aupr_out aupr_out_sd",
    );
    let set = OodBenchSet {
        name: "digits".to_owned(),
        images: "digits.parquet".to_owned(),
        group: Some(OodGroup::Far),
        n: 2,
        n_dropped: 0,
    };
    let report = OodBenchReport {
        report_version: REPORT_VERSION,
        suite: OodBenchReport::SUITE.to_owned(),
        inside: set.clone(),
        outside: vec![set.clone()],
        train: set,
        side: 32,
        reencode: "png".to_owned(),
        output: "r.parquet".to_owned(),
        table: "r.md".to_owned(),
        networks: vec![OodBenchNetwork {
            name: "net.safetensors".to_owned(),
            kind: OodNetworkKind::Encoder,
            encoder: encoder(),
        }],
        seed: 0,
        results: vec![row],
        means: vec![mean],
    };
    check(
        &report,
        "report_version suite inside outside train side reencode output table networks seed \
         results means",
    );
}

#[test]
fn monitor() {
    let test = crate::monitor::WindowTest::Welch;
    let difference = test.compare(&[1.0, 2.0, 3.0], &[2.0, 4.0]).unwrap();
    let window = MonitorWindow {
        window: 1,
        stream: Some("north".to_owned()),
        first_row: 1,
        last_row: 2,
        from_time: Some("2026-03-01T00:00:00Z".to_owned()),
        to_time: Some("2026-03-02T00:00:00Z".to_owned()),
        difference,
        p_corrected: difference.p,
        is_drift: false,
    };
    check(
        &window,
        "window stream first_row last_row from_time to_time test n_reference n statistic degrees p log10_p cohens_d \
         auroc auroc_ci p_corrected is_drift",
    );
    let stream = MonitorStream {
        stream: Some("north".to_owned()),
        guarantee: crate::monitor::Guarantee::Ever { alpha: 0.05 },
        n_rows: 2,
        n_alarms: 0,
        alarms: Vec::new(),
        log10_evidence: 0.0,
        evidence: Some(MonitorEvidence {
            first_row: 1,
            rows_each: 1,
            log10_highest: vec![0.25, 0.0],
        }),
        state: Some("watch.state".to_owned()),
    };
    check(
        &stream,
        "stream guarantee n_rows n_alarms alarms log10_evidence evidence state",
    );
    let stretch = MonitorStretch {
        first_row: 1,
        last_row: 2,
        n: 2,
        first_time: None,
        last_time: None,
    };
    let report = MonitorReport {
        report_version: REPORT_VERSION,
        model: "m.qualm".to_owned(),
        input: "today.csv".to_owned(),
        reference: None,
        is_drift: false,
        p_val: Some(difference.p),
        threshold: 0.05,
        distance: 0.5,
        n_reference: 3,
        n: 2,
        windows: vec![window],
        empty_windows: 1,
        untested_windows: 2,
        sequential: Some(stream.clone()),
        streams: vec![stream],
        stretch: Some(stretch.clone()),
        columns: Vec::new(),
        strangest: Vec::new(),
    };
    check(
        &report,
        "report_version model input reference is_drift p_val threshold distance n_reference n \
         windows empty_windows untested_windows sequential streams stretch columns strangest",
    );
    let alarm = MonitorAlarm {
        report_version: REPORT_VERSION,
        model: "m.qualm".to_owned(),
        input: "today.csv".to_owned(),
        reference: None,
        is_drift: true,
        p_val: Some(0.01),
        threshold: 0.05,
        distance: 2.0,
        stream: Some("north".to_owned()),
        row: 300,
        changed_from: 270,
        stretch: Some(stretch),
        columns: Vec::new(),
        strangest: vec![MonitorRow {
            row: 290,
            id: serde_json::Map::new(),
            score: 3.0,
            p_value: 0.01,
            explanation: vec![MonitorShare {
                feature: "a".to_owned(),
                share: 0.7,
            }],
        }],
    };
    check(
        &alarm,
        "report_version model input reference is_drift p_val threshold distance stream row \
         changed_from stretch columns strangest",
    );
}

#[test]
fn ood() {
    let rows = rows();
    let sample = crate::ood::Activations::of_features(rows.rows());
    let spec = crate::ood::OodSpec::new("knn").unwrap();
    let fitted = spec.fit(&sample, 0, &mut ()).unwrap();
    let report = OodFitReport {
        model: Some("m.qualm".to_owned()),
        model_bytes: Some(2000),
        ..OodFitReport::new(&fitted, 0.5).unwrap()
    };
    assert_eq!((report.n, report.inputs.features[0].width), (61, 2));
    check(
        &report,
        "report_version model detector n inputs n_reference threshold fit_seconds model_bytes \
         warnings spec",
    );
    check(&OodListReport::new(), "report_version detectors");
    let report = OodInfoReport {
        model: Some("m.qualm".to_owned()),
        model_bytes: Some(2000),
        ..OodInfoReport::new(&fitted).unwrap()
    };
    assert_eq!(report.reference_scores.n, 61);
    check(
        &report,
        "report_version model model_bytes inputs roles spec threshold threshold_rule \
         reference_scores provenance",
    );
}

fn encoder() -> crate::EncoderIdentity {
    crate::EncoderIdentity {
        name: "e.onnx".to_owned(),
        digest: "0123".to_owned(),
        width: 2,
        preprocessing: None,
    }
}

#[test]
fn embed() {
    let encoder = encoder();
    let report = EmbedReport::new(encoder.clone(), 100, 40, 2.0);
    assert_eq!(report.images_per_second, 30.0);
    let report = EmbedReport {
        rejects: Some("r.csv".to_owned()),
        ..report
    };
    check(
        &report,
        "report_version input output encoder n_images n_rows views n_resumed n_rejected \
         rejects embed_seconds images_per_second",
    );
    let report = EncoderReport {
        report_version: REPORT_VERSION,
        file: "e.onnx".to_owned(),
        encoder,
        architecture: "onnx".to_owned(),
        runtime: "onnxruntime".to_owned(),
        inputs: vec!["image".to_owned()],
        outputs: vec!["vector".to_owned()],
        output: "vector".to_owned(),
        preprocessing: serde_json::json!({"size": 32}),
        preprocessing_from: "encoder.toml".to_owned(),
        same_bits: true,
        norm: 5.0,
        vector: vec![3.0, 4.0],
    };
    check(
        &report,
        "report_version file name digest width architecture runtime inputs outputs output \
         preprocessing preprocessing_from same_bits norm vector",
    );
}

#[test]
fn train() {
    let epoch = TrainEpoch {
        epoch: 1,
        loss: 4.5,
        output_std: 0.9,
        knn_accuracy: Some(0.5),
        accuracy: None,
    };
    let report = TrainReport {
        report_version: REPORT_VERSION,
        encoder: Some("e.safetensors".to_owned()),
        export: Some("e.onnx".to_owned()),
        encoder_bytes: Some(2000),
        method: "simclr".to_owned(),
        network: "resnet20".to_owned(),
        n: 100,
        n_eval: 10,
        n_classes: 2,
        width: 64,
        epochs: 2,
        epochs_done: 1,
        train_seconds: 0.5,
        curve: vec![epoch],
        collapsed: false,
        spec: serde_json::json!({"temperature": 0.5}),
    };
    check(
        &report,
        "report_version encoder export encoder_bytes method network n n_eval n_classes width \
         epochs epochs_done train_seconds curve collapsed spec",
    );
}

#[test]
fn demo() {
    let (rows, fitted) = (rows(), fitted());
    let scores = fitted.score(rows.rows()).unwrap();
    let report = DemoReport::new(&fitted, "default", rows.rows(), &scores, &labels()).unwrap();
    let first = &report.least_certain[0];
    assert_eq!((first.row, first.malignant), (61, true));
    assert_eq!(first.because_of.len(), 2);
    assert!(report.most_certain[0].score <= report.most_certain[1].score);
    check(
        &report,
        "report_version preset n d fit_seconds score_seconds threshold metrics \
         least_certain most_certain",
    );
}
