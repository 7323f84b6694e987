//! `qualm bench corruption`: what it measures, keeps and refuses, on small made-up images.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::fs::File;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt8Type, UInt64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::common::images::npy;
use crate::common::{Folder, refused};

const ENCODER: &str = "pixel-statistics";

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("train.npy", npy(120, 12));
    folder.write("test.npy", npy(90, 12));
    folder
}

fn bench<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec![
        "bench",
        "corruption",
        "--images",
        "test.npy",
        "-o",
        "r.parquet",
    ];
    if !more.contains(&"--encoder") {
        args.extend(["--encoder", ENCODER]);
    }
    args.extend(more);
    args
}

fn results(report: &Value) -> &Vec<Value> {
    report["results"].as_array().unwrap()
}

#[test]
fn blurred_images_are_noticed_and_clean_ones_are_not() {
    let folder = folder();
    let args = bench(&[
        "--train",
        "train.npy",
        "--kind",
        "gaussian_blur,contrast",
        "--severity",
        "1,5",
        "--detectors",
        "dum,knn+space=robust",
        "--json",
    ]);
    let report = folder.run(&args).ok().json();
    assert_eq!(report["suite"], "corruption");
    assert_eq!(
        (&report["n_fitted"], &report["seed"]),
        (&120.into(), &0.into())
    );
    // Clean images once, each corruption by both severities and in all, for each detector.
    let rows = results(&report);
    assert_eq!(rows.len(), 2 + 2 * 3 * 2);
    let find = |corruption: &str, severity: Value| {
        let found = rows.iter().find(|row| {
            (&row["corruption"], &row["severity"], &row["detector"])
                == (&corruption.into(), &severity, &"dum".into())
        });
        found.unwrap()
    };
    let none = find("none", Value::Null);
    assert_eq!((&none["n_reference"], &none["n"]), (&45.into(), &45.into()));
    let auroc = |row: &Value| row["auroc"].as_f64().unwrap();
    assert!((auroc(none) - 0.5).abs() < 0.2 && none["p"].as_f64().unwrap() > 0.001);
    let blurred = find("gaussian_blur", 5.into());
    assert!(auroc(blurred) > 0.95, "{blurred}");
    assert!(blurred["auroc_ci_low"].as_f64() <= blurred["auroc"].as_f64());
    assert!(blurred["log10_p"].as_f64().unwrap() < -3.0);
    assert!(blurred["cohens_d"].as_f64().unwrap() > 1.0);
    let mild = find("gaussian_blur", 1.into());
    let all = find("gaussian_blur", Value::Null);
    let mean = f64::midpoint(auroc(mild), auroc(blurred));
    assert!((auroc(all) - mean).abs() < 1e-12);

    // The file holds the same rows, and the table is there.
    let file = File::open(folder.path("r.parquet")).unwrap();
    let mut batches = ParquetRecordBatchReaderBuilder::try_new(file)
        .unwrap()
        .build()
        .unwrap();
    let batch = batches.next().unwrap().unwrap();
    assert_eq!(batch.num_rows(), rows.len());
    let severities = batch["severity"].as_primitive::<UInt8Type>();
    assert_eq!(severities.null_count(), 2 + 2 * 2);
    assert_eq!(batch["n"].as_primitive::<UInt64Type>().value(0), 45);
    let first = batch["auroc"].as_primitive::<Float64Type>().value(0);
    assert!((first - auroc(&rows[0])).abs() < 1e-15);
    let table = folder.text("r.md");
    for word in [
        "CIFAR10-C",
        "| gaussian_blur",
        "severity 5",
        "knn+space=robust",
    ] {
        assert!(table.contains(word), "{word}: {table}");
    }
    // Nothing else is left behind.
    let mut names = folder.names();
    names.sort();
    assert_eq!(names, ["r.md", "r.parquet", "test.npy", "train.npy"]);
}

#[test]
fn one_seed_gives_one_answer_at_any_number_of_threads() {
    let folder = folder();
    let of = |more: &[&str]| {
        let args = bench(&[&["--kind", "noise", "--detectors", "dum", "--json"], more].concat());
        folder.run(&args).ok().json()
    };
    let one = of(&["--threads", "1"]);
    assert_eq!(results(&one), results(&of(&["--threads", "3"])));
    assert_ne!(results(&one), results(&of(&["--seed", "1"])));
    // Without --train one half is fitted and the rest is split.
    assert_eq!(one["n_fitted"], 45);
    assert_eq!(results(&one)[0]["n_reference"], 22);
    assert_eq!(results(&of(&["--limit-images", "80"]))[0]["n"], 20);
}

#[test]
fn a_model_scores_as_it_was_fitted() {
    let folder = folder();
    let embed = [
        "embed",
        "train.npy",
        "--encoder",
        ENCODER,
        "-o",
        "e.parquet",
    ];
    folder.run(&embed).ok();
    folder
        .run(&["fit", "e.parquet", "--clean", "-o", "m.qualm"])
        .ok();
    let kind = ["--kind", "contrast", "--json"];
    let fitted = folder
        .run(&bench(&[&kind[..], &["--model", "m.qualm"]].concat()))
        .ok()
        .json();
    assert_eq!(fitted["n_fitted"], Value::Null);
    let more = ["--train", "train.npy", "--detectors", "dum"];
    let anew = folder.run(&bench(&[&kind[..], &more].concat())).ok().json();
    assert_eq!(results(&fitted).len(), results(&anew).len());
    for (a, b) in results(&fitted).iter().zip(results(&anew)) {
        let difference = a["auroc"].as_f64().unwrap() - b["auroc"].as_f64().unwrap();
        assert!(difference.abs() < 0.02, "{a} {b}");
    }
    // The statistics also stand beside the columns of a network, and the model remembers them.
    let both = [
        "embed",
        "train.npy",
        "--encoder",
        RESNET,
        "--statistics",
        "-o",
        "b.parquet",
    ];
    let both = [&both[..], &["--preprocessing", "akamaster", "--json"]].concat();
    let report = folder.run(&both).ok().json();
    let width = report["encoder"]["width"].as_u64().unwrap();
    folder.run(&["fit", "b.parquet", "-o", "b.qualm"]).ok();
    let args = [
        "score",
        "b.qualm",
        "test.npy",
        "--encoder",
        RESNET,
        "-o",
        "s.csv",
    ];
    folder.run(&args).ok();
    assert_eq!(folder.text("s.csv").lines().count(), 91);
    let plain = [
        "embed",
        "train.npy",
        "--encoder",
        RESNET,
        "-o",
        "p.parquet",
        "--json",
    ];
    let plain = [&plain[..], &["--preprocessing", "akamaster"]].concat();
    let plain = folder.run(&plain).ok().json();
    assert_eq!(plain["encoder"]["width"].as_u64().unwrap() + 61, width);
}

const RESNET: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../qualm-vision/tests/golden/weights/resnet8.pth"
);

#[test]
fn an_interrupted_bench_goes_on_with_the_same_settings_only() {
    let folder = folder();
    let args = bench(&["--kind", "contrast,fog", "--detectors", "dum", "--json"]);
    let whole = folder.run(&args).ok().json();
    // What an interruption after the first corruption leaves.
    let unfinished = folder.path("r.parquet.unfinished.json");
    let fingerprint = |kind: &str| {
        let place = folder.root().canonicalize().unwrap().join("test.npy");
        serde_json::json!([
            ["images", place],
            ["number of images", "90"],
            ["train", "none"],
            ["encoder", whole["encoder"]["digest"]],
            ["detectors", "dum"],
            ["model", "none"],
            ["kind", kind],
            ["severity", "1-5"],
            ["params", "auto"],
            ["limit-images", "none"],
            ["seed", "0"],
        ])
    };
    let rows: Vec<Value> = results(&whole)[..=6].to_vec();
    let state = |kind| serde_json::json!({"run": fingerprint(kind), "rows": rows}).to_string();
    std::fs::write(&unfinished, state("contrast,fog")).unwrap();
    let ran = folder.run(&args).ok();
    assert!(
        ran.stderr.contains("going on after 1 corruption"),
        "{}",
        ran.stderr
    );
    assert_eq!(results(&ran.json()), results(&whole));
    assert!(!unfinished.exists());

    std::fs::write(&unfinished, state("weather")).unwrap();
    refused(
        &folder,
        &args,
        &["another kind: weather", "remove the file"],
    );
    std::fs::write(&unfinished, "{").unwrap();
    refused(&folder, &args, &["cannot go on from it"]);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let folder = folder();
    folder.write("few.npy", npy(30, 12));
    folder.write("small.npy", npy(90, 6));
    for (more, words) in [
        (&["--kind", "fogg"][..], &["fogg", "fog"][..]),
        (&["--severity", "6"], &["--severity", "from 1 to 5"]),
        (
            &["--detectors", "magic"],
            &["--detectors magic", "unknown detector"],
        ),
        (&["--detectors", "knn,knn"], &["twice"]),
        (&["--detectors", "knn+k"], &["KEY=VALUE"]),
        (&["--model", "no.qualm"], &["no.qualm"]),
        (&["--train", "no.npy"], &["no.npy"]),
        (&["--train", "few.npy", "--limit-images", "5"], &["too few"]),
        (&["--encoder", "no.onnx"], &["no.onnx"]),
        (&["--params", "huge"], &["--params", "huge"]),
    ] {
        refused(&folder, &bench(more), words);
    }
    let args = [
        "bench",
        "corruption",
        "--images",
        "small.npy",
        "--encoder",
        ENCODER,
    ];
    refused(
        &folder,
        &[&args[..], &["-o", "r.parquet"]].concat(),
        &["6 x 6"],
    );
    refused(
        &folder,
        &[&args[..], &["-o", "r.json"]].concat(),
        &["r.json"],
    );
    refused(
        &folder,
        &[&args[..], &["-o", "small.npy"]].concat(),
        &["small.npy"],
    );
}
