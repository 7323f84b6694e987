//! `qualm ood` on images: a classifier with a rotation head is trained, detectors are fitted to its
//! images, and score others.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly")]

use crate::common::images::bars;
use crate::common::{Folder, column, files, refused, table};

/// Images of two classes, others without a class, and a classifier with a rotation head.
fn folder() -> Folder {
    let folder = Folder::new();
    for i in 0..24 {
        for (class, name) in ["columns", "rows"].iter().enumerate() {
            folder.write(&format!("images/{name}/{i:03}.bmp"), bars(class, i, 2));
        }
        folder.write(&format!("new/{i:03}.bmp"), bars(i % 2, i, 1));
    }
    let args = [
        "train",
        "images",
        "--method",
        "rotation",
        "--network",
        "resnet8",
        "--epochs",
        "2",
        "--batch",
        "8",
        "-o",
        "net.safetensors",
    ];
    folder.run(&args).ok();
    folder
}

fn fit<'a>(detector: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let args = [
        "ood",
        "fit",
        "images",
        "--classifier",
        "net.safetensors",
        "-o",
        "d.qualm",
        "--detector",
        detector,
    ];
    [&args[..], more].concat()
}

#[test]
fn detectors_of_images_are_fitted_and_score() {
    let folder = folder();
    for (detector, more, inputs) in [
        ("odin", &[][..], "logits (2)"),
        (
            "gram",
            &[],
            "stage_1 (160), stage_2 (320), stage_3 (640), logits (2)",
        ),
        ("rotation", &[], "rotations (16), logits (2)"),
        (
            "residual_flow",
            &["--set", "epochs=1"],
            "stage_1 (16), stage_2 (32), stage_3 (64)",
        ),
        (
            "mahalanobis",
            &["--features", "stage_1,features", "--set", "epsilon=0.01"],
            "stage_1 (16), features (64)",
        ),
        ("knn", &["--set", "k=5"], "features (64)"),
    ] {
        let ran = folder.run(&fit(detector, more)).ok();
        let words = format!("{detector} on 48 rows of {inputs} in");
        assert!(ran.stdout.contains(&words), "{}", ran.stdout);
        // The classifier is found beside the detector.
        let score = ["ood", "score", "d.qualm", "new", "-o", "s.csv", "--json"];
        let report = folder.run(&score).ok().json();
        assert_eq!(report["n"], 24, "{detector}");
        let scores = folder.text("s.csv");
        assert_eq!(table(&scores).0, ["path", "score", "p_value", "outlier"]);
        assert_eq!(table(&scores).1[3][0], "003.bmp");
        let outliers: f64 = column(&scores, "outlier").iter().sum();
        assert_eq!(report["n_outliers"].as_f64(), Some(outliers), "{detector}");
    }
    let list = folder.run(&["ood", "list"]).ok().stdout;
    for words in [
        "needs logits, gradients by the input; only of images, with --classifier",
        "needs Gram matrices of one or several layers, logits, labels",
        "needs a rotation head, logits",
    ] {
        assert!(list.contains(words), "{list}");
    }
}

#[test]
fn features_of_images_are_their_embeddings() {
    let folder = folder();
    let embed = [
        "embed",
        "new",
        "--encoder",
        "net.safetensors",
        "-o",
        "e.parquet",
    ];
    folder.run(&embed).ok();
    let fit = |input: &str, more: &[&str]| {
        let args = [
            "ood",
            "fit",
            input,
            "-o",
            "d.qualm",
            "--detector",
            "knn",
            "--set",
            "k=5",
        ];
        folder.run(&[&args[..], more].concat()).ok();
        let args = ["ood", "score", "d.qualm", input, "--quiet"];
        column(&folder.run(&args).ok().stdout, "score")
    };
    let of_rows = fit("e.parquet", &["--features", "embedding"]);
    let of_images = fit("new", &["--classifier", "net.safetensors"]);
    assert_eq!((of_rows.len(), of_rows), (24, of_images));
}

#[test]
fn what_does_not_go_together_is_refused() {
    let folder = folder();
    files::activations(&folder.path("train.npz"), 60, 1, 0.0);
    for detector in ["odin", "gram", "rotation"] {
        let args = [
            "ood",
            "fit",
            "train.npz",
            "-o",
            "x.qualm",
            "--detector",
            detector,
        ];
        refused(
            &folder,
            &args,
            &["needs the network itself", "--classifier FILE"],
        );
    }
    let args = [
        "ood",
        "fit",
        "images",
        "--classifier",
        "e.onnx",
        "-o",
        "x.qualm",
        "--detector",
        "msp",
    ];
    refused(&folder, &args, &["e.onnx"]);
    refused(
        &folder,
        &fit("knn", &["--features", "stage_9"]),
        &["no layer 'stage_9'", "stage_3, features"],
    );
    refused(&folder, &fit("knn", &["--logits", "l"]), &["--logits"]);
    refused(
        &folder,
        &[&["ood", "fit", "new"], &fit("rmds", &[])[3..]].concat(),
        &["000.bmp has no class"],
    );

    folder.run(&fit("odin", &[])).ok();
    refused(
        &folder,
        &["ood", "score", "d.qualm", "train.npz"],
        &["needs the network itself"],
    );
    let args = ["ood", "score", "d.qualm", "new", "--label", "y"];
    refused(&folder, &args, &["--label"]);
}

#[test]
fn another_classifier_or_none_is_refused() {
    let folder = folder();
    files::activations(&folder.path("train.npz"), 60, 1, 0.0);
    folder.run(&fit("odin", &[])).ok();
    let args = [
        "train",
        "images",
        "--method",
        "supervised",
        "--network",
        "resnet8",
        "--epochs",
        "1",
        "--batch",
        "8",
        "-o",
        "other.safetensors",
    ];
    folder.run(&args).ok();
    let args = [
        "ood",
        "score",
        "d.qualm",
        "new",
        "--classifier",
        "other.safetensors",
    ];
    refused(&folder, &args, &["other.safetensors", "and this one is"]);
    let args = [
        "ood",
        "fit",
        "images",
        "--classifier",
        "other.safetensors",
        "-o",
        "x.qualm",
        "--detector",
        "rotation",
    ];
    refused(&folder, &args, &["other.safetensors", "no rotation head"]);
    std::fs::remove_file(folder.path("net.safetensors")).unwrap();
    refused(
        &folder,
        &["ood", "score", "d.qualm", "new"],
        &["net.safetensors", "--classifier FILE"],
    );
    // A detector of arrays knows no classifier.
    let args = [
        "ood",
        "fit",
        "train.npz",
        "-o",
        "k.qualm",
        "--detector",
        "knn",
    ];
    folder.run(&args).ok();
    let args = [
        "ood",
        "score",
        "k.qualm",
        "new",
        "--classifier",
        "other.safetensors",
    ];
    refused(&folder, &args, &["fitted to arrays"]);
}
