//! `qualm bench ood`: what it measures, keeps and refuses, on small made-up images.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly")]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use qualm_vision::Image;
use qualm_vision::write::ImageFormat;
use serde_json::Value;

use crate::common::images::{bars, npy, pixels};
use crate::common::{Folder, refused};

const NETWORK: [&str; 6] = ["--network", "resnet8", "--epochs", "2", "--batch", "8"];

/// Bars of two classes to fit and to test, thinner bars, noise, and a classifier with a rotation
/// head.
fn folder() -> Folder {
    let folder = Folder::new();
    for (class, name) in ["columns", "rows"].iter().enumerate() {
        for i in 0..64 {
            let part = if i < 40 { "train" } else { "test" };
            folder.write(&format!("{part}/{name}/{i:03}.bmp"), bars(class, i, 2));
        }
    }
    for i in 0..24 {
        folder.write(&format!("thin/{i:03}.bmp"), bars(i % 2, i, 1));
    }
    folder.write("noise.npy", npy(30, 8));
    train(&folder, "rotation", "turns.safetensors");
    folder
}

fn train(folder: &Folder, method: &str, file: &str) {
    let args = ["train", "train", "--method", method, "-o", file];
    folder.run(&[&args[..], &NETWORK].concat()).ok();
}

fn bench<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["bench", "ood"];
    for (flag, value) in [
        ("--in", "bars=test"),
        ("--out", "near:thin=thin,far:noise=noise.npy"),
        ("--train", "train"),
        ("-o", "r.parquet"),
    ] {
        if !more.contains(&flag) {
            args.extend([flag, value]);
        }
    }
    args.extend(more);
    args
}

fn results(report: &Value) -> &Vec<Value> {
    report["results"].as_array().unwrap()
}

/// The rows of a network, or of all.
fn of<'a>(report: &'a Value, key: &str, value: &str) -> Vec<&'a Value> {
    let rows = results(report).iter();
    rows.filter(|row| row[key] == value).collect()
}

fn number(row: &Value, key: &str) -> f64 {
    row[key].as_f64().unwrap_or_else(|| panic!("{key}: {row}"))
}

#[test]
fn all_detectors_over_all_networks() {
    let folder = folder();
    train(&folder, "supervised", "plain.safetensors");
    let args = bench(&[
        "--classifier",
        "turns.safetensors,plain.safetensors",
        "--encoder",
        "pixel-statistics",
        "--in",
        "CIFAR-10=test",
        "--json",
    ]);
    let ran = folder.run(&args).ok();
    let report = ran.json();
    assert_eq!(
        (&report["suite"], &report["side"]),
        (&"ood".into(), &8.into())
    );
    assert_eq!(of(&report, "network", "turns.safetensors").len(), 14 * 2);
    // No rotation head.
    assert_eq!(of(&report, "network", "plain.safetensors").len(), 13 * 2);
    assert_eq!(of(&report, "network", "pixel-statistics").len(), 3 * 2);
    assert_eq!(results(&report).len(), 30 * 2);
    for row in results(&report) {
        for measure in ["auroc", "fpr95", "aupr_in", "aupr_out"] {
            let value = number(row, measure);
            let low = number(row, &format!("{measure}_ci_low"));
            let high = number(row, &format!("{measure}_ci_high"));
            assert!((0.0..=1.0).contains(&value) && low <= high, "{row}");
        }
        let learns = !["msp", "odin", "energy", "gen", "rotation"]
            .contains(&row["detector"].as_str().unwrap());
        let fitted = if learns { 80.into() } else { Value::Null };
        assert_eq!(
            (&row["n_fitted"], &row["n_in"]),
            (&fitted, &48.into()),
            "{row}"
        );
        let group = if row["out"] == "thin" { "near" } else { "far" };
        assert_eq!(row["group"], group);
    }
    let accuracy = of(&report, "network", "turns.safetensors");
    assert!(accuracy.iter().all(|row| number(row, "accuracy") > 0.4));
    // Noise is nothing like bars to statistics of pixels.
    let noise = of(&report, "network", "pixel-statistics");
    let noise = noise
        .into_iter()
        .filter(|row| row["out"] == "noise" && row["detector"] != "knn");
    let noise: Vec<f64> = noise.map(|row| number(row, "auroc")).collect();
    assert!(
        noise.len() == 2 && noise.iter().all(|auroc| *auroc > 0.95),
        "{noise:?}"
    );

    check_means(&report);
    check_files(&folder, &report);
    assert_eq!(
        folder.names(),
        [
            "noise.npy",
            "plain.safetensors",
            "r.md",
            "r.parquet",
            "test",
            "thin",
            "train",
            "turns.safetensors"
        ]
    );
}

fn check_means(report: &Value) {
    // A mean is over networks, with one value for each; that of all sets over sets before.
    let means = report["means"].as_array().unwrap();
    let mean = |detector: &str, out: &str, network: Value| {
        let found = means.iter().find(|mean| {
            (&mean["detector"], &mean["out"], &mean["network"])
                == (&detector.into(), &out.into(), &network)
        });
        found.unwrap_or_else(|| panic!("{detector} {out}"))
    };
    let knn = of(report, "detector", "knn");
    let knn: Vec<_> = knn
        .into_iter()
        .filter(|row| row["kind"] == "classifier")
        .collect();
    let auroc: Vec<f64> = knn.iter().map(|row| number(row, "auroc")).collect();
    let both = mean("knn", "thin", Value::Null);
    assert!((number(both, "auroc") - f64::midpoint(auroc[0], auroc[2])).abs() < 1e-12);
    let sd = (auroc[0] - auroc[2]).abs() / 2f64.sqrt();
    assert!((number(both, "auroc_sd") - sd).abs() < 1e-12);
    assert_eq!(mean("knn", "near", Value::Null)["auroc"], both["auroc"]);
    let all = mean("knn", "all", Value::Null);
    assert!((number(all, "auroc") - auroc.iter().sum::<f64>() / 4.0).abs() < 1e-12);
    assert_eq!(all["n_networks"], 2);
    let one = mean("dum", "far", "pixel-statistics".into());
    assert_eq!(
        (&one["n_networks"], &one["auroc_sd"]),
        (&1.into(), &Value::Null)
    );
}

fn check_files(folder: &Folder, report: &Value) {
    // The file holds the same rows, and the table is there.
    let file = File::open(folder.path("r.parquet")).unwrap();
    let batches = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let batch = batches.build().unwrap().next().unwrap().unwrap();
    assert_eq!(batch.num_rows(), 60);
    assert_eq!(batch["n_out"].as_primitive::<UInt64Type>().value(1), 30);
    assert_eq!(
        batch["n_fitted"].as_primitive::<UInt64Type>().null_count(),
        2 * 9
    );
    let aupr = batch["aupr_in"].as_primitive::<Float64Type>().value(5);
    let expected = number(&results(report)[5], "aupr_in");
    assert!((aupr - expected).abs() < 1e-15);
    let table = folder.text("r.md");
    let squeezed = table.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "| In-dist | Out-of-dist | Baseline | ODIN | Mahalanobis | Res-Flow | Gram | Rotation Pred. | DUM on \
         features | DUM (Circ) on features | DUM on pixel-statistics |",
        // The paper's numbers, its own beside the encoder's.
        "| CIFAR-10 (paper) | SVHN (paper) | 89.8 | 96.6 | 99.2 | 98.9 | 99.5 | 93.8 | – | – | 98.5 | 83.5 |",
        "| FPR at 95 % TPR | thin | noise | near | far | all |",
        "| AUPR in |",
        "| mahalanobis+normalise=true |",
        "| dum_circ on pixel-statistics |",
        "thin (24 images, near), noise (30 images, far)",
    ] {
        assert!(squeezed.contains(words), "{words}\n{table}");
    }
}

/// The same pictures, one file each.
fn write_as(folder: &Folder, name: &str, format: ImageFormat, images: &[Image]) {
    for (i, image) in images.iter().enumerate() {
        let file = format!("{name}/{i:03}.{}", format.extension());
        folder.write(&file, format.encode(image).unwrap());
    }
}

/// Pictures of random pixels.
fn pictures(n: usize, side: u32, seed: u64) -> Vec<Image> {
    let side_ = side as usize;
    let all = pixels(n, side_, seed);
    let each = all.chunks_exact(3 * side_ * side_);
    let image = |pixels: &[u8]| Image::new(side, side, pixels.to_vec()).unwrap();
    each.map(image).collect()
}

#[test]
fn no_detector_wins_by_the_format_of_files() {
    let folder = folder();
    let images: Vec<Image> = (0..24u8)
        .map(|i| {
            let colour = |at: usize| (usize::from(i) * 9 + at * 5 % 97) as u8;
            Image::new(8, 8, (0..192).map(colour).collect()).unwrap()
        })
        .collect();
    write_as(&folder, "png", ImageFormat::Png, &images);
    write_as(&folder, "webp", ImageFormat::Webp, &images);
    let args = bench(&[
        "--in",
        "png",
        "--out",
        "webp",
        "--classifier",
        "turns.safetensors",
        "--encoder",
        "pixel-statistics",
        "--json",
    ]);
    let ran = folder.run(&args).ok();
    let report = ran.json();
    assert_eq!(results(&report).len(), 14 + 3);
    for row in results(&report) {
        assert_eq!(row["auroc"], 0.5, "{row}");
    }
    assert!(
        ran.stderr
            .contains("24 images of 'webp' are also in distribution"),
        "{}",
        ran.stderr
    );
}

#[test]
fn one_format_with_loss_covers_another_and_one_size_all_others() {
    let folder = Folder::new();
    let images = pictures(60, 16, 2);
    write_as(&folder, "train", ImageFormat::Png, &pictures(90, 16, 3));
    write_as(&folder, "png", ImageFormat::Png, &images);
    write_as(&folder, "jpeg", ImageFormat::Jpeg(40), &images);
    // Every pixel four times.
    let double = |image: &Image| {
        let rows = (0..32).flat_map(|y| (0..32).flat_map(move |x| image.pixel(x / 2, y / 2)));
        Image::new(32, 32, rows.collect()).unwrap()
    };
    let large: Vec<Image> = images.iter().map(double).collect();
    write_as(&folder, "large", ImageFormat::Png, &large);
    let auroc = |out: &str, more: &[&str]| {
        let args = ["--in", "png", "--out", out, "--encoder", "pixel-statistics"];
        let args = [&args[..], &["--detectors", "knn", "--json"], more].concat();
        number(&results(&folder.run(&bench(&args)).ok().json())[0], "auroc")
    };
    // What was lost once shows in pixels, unless as much is lost everywhere.
    assert!(auroc("jpeg", &[]) > 0.9);
    let covered = auroc("jpeg", &["--reencode", "jpeg:40"]);
    assert!((covered - 0.5).abs() < 0.1, "{covered}");
    // Images of twice the size are brought to that of the others.
    let size = auroc("large", &["--size", "4"]);
    assert!((size - 0.5).abs() < 0.15, "{size}");
}

#[test]
fn a_killed_bench_goes_on_to_the_same_bytes() {
    let folder = folder();
    // Whose fits come after the first rows: time to be killed.
    let net = folder.read("turns.safetensors");
    folder.write("twin.safetensors", net);
    let args = bench(&[
        "--classifier",
        "turns.safetensors,twin.safetensors",
        "--detectors",
        "msp,odin,knn+k=5,dum+hidden=8+epochs=1+min_steps=400+max_steps=400",
    ]);
    folder.run(&args).ok();
    let whole = (folder.read("r.parquet"), folder.text("r.md"));
    // At any number of threads, too.
    folder.run(&[&args[..], &["--threads", "1"]].concat()).ok();
    assert_eq!(folder.read("r.parquet"), whole.0);
    for name in ["r.parquet", "r.md"] {
        std::fs::remove_file(folder.path(name)).unwrap();
    }

    let mut child = folder
        .command(&args)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(told.any(|line| {
        line.unwrap()
            .contains("bench: turns.safetensors, thin: AUROC")
    }));
    // The rows are kept just after they are told; those of the next set come later.
    while !folder.path("r.parquet.unfinished.json").exists() {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let unfinished = folder.text("r.parquet.unfinished.json");
    assert!(!folder.path("r.parquet").exists());

    let other = [&args[..], &["--limit-images", "30"]].concat();
    let refused = folder.run(&other);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused
            .stderr
            .contains("another limit-images: none in place of 30"),
        "{}",
        refused.stderr
    );
    assert_eq!(folder.text("r.parquet.unfinished.json"), unfinished);

    let ran = folder.run(&args).ok();
    assert!(ran.stderr.contains("going on after"), "{}", ran.stderr);
    assert_eq!((folder.read("r.parquet"), folder.text("r.md")), whole);
    assert!(!folder.path("r.parquet.unfinished.json").exists());
}

#[test]
fn fitted_images_are_no_test_images() {
    let folder = folder();
    // Two fitted images in another format, under another name.
    for (i, class) in [(3, 0), (5, 1)] {
        let bitmap = bars(class, i, 2);
        // Bitmaps begin at the bottom, with blue; these are grey.
        let rows: Vec<&[u8]> = bitmap[54..].chunks_exact(24).rev().collect();
        let image = Image::new(8, 8, rows.concat()).unwrap();
        folder.write(
            &format!("thin/twin-{i}.png"),
            ImageFormat::Png.encode(&image).unwrap(),
        );
    }
    let more = ["--classifier", "turns.safetensors", "--detectors", "msp"];
    refused(
        &folder,
        &bench(&more),
        &[
            "2 images of the set 'thin' are also among the fitted ones",
            "twin-3.png (there columns/003.bmp)",
            "--drop-overlap",
        ],
    );
    let drop = [&more[..], &["--drop-overlap", "--json"]].concat();
    let ran = folder.run(&bench(&drop)).ok();
    assert!(
        ran.stderr.contains("2 images of 'thin' left out"),
        "{}",
        ran.stderr
    );
    let report = ran.json();
    assert_eq!(results(&report)[0]["n_out"], 24);
    assert_eq!(report["outside"][0]["n_dropped"], 2);
    // Images in distribution are held apart, too.
    let args = [&more[..], &["--in", "train"]].concat();
    refused(
        &folder,
        &bench(&args),
        &["80 images of the set 'train'", "and 77 more"],
    );
}

#[test]
fn detectors_have_layers_and_networks_preprocessings() {
    let folder = folder();
    folder.write("keys.toml", "preprocessing = 'cifar'\nsize = 8\n");
    let args = bench(&[
        "--classifier",
        "turns.safetensors",
        "--encoder",
        "turns.safetensors",
        "--preprocessing",
        "turns.safetensors=keys.toml",
        "--detectors",
        "mahalanobis@stage_1:features+epsilon=0.01,knn@stage_2+k=3,knn+k=3,rotation",
        "--limit-images",
        "30",
        "--json",
    ]);
    let twice = [&args[..], &["--rotation", "turns.safetensors"]].concat();
    refused(&folder, &twice, &["turns.safetensors: given twice"]);
    let report = folder.run(&args).ok().json();
    let on_encoder = of(&report, "kind", "encoder");
    let names: Vec<_> = on_encoder.iter().map(|row| &row["detector"]).collect();
    assert_eq!(names, ["knn+k=3", "knn+k=3"]);
    // The embeddings are the features.
    let knn = of(&report, "detector", "knn+k=3");
    assert_eq!(knn[0]["auroc"], knn[2]["auroc"]);
    let row = of(
        &report,
        "detector",
        "mahalanobis@stage_1:features+epsilon=0.01",
    )[0];
    assert_eq!((&row["n_fitted"], &row["n_in"]), (&30.into(), &30.into()));
    assert_eq!(results(&report).len(), (4 + 1) * 2);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let folder = folder();
    train(&folder, "supervised", "plain.safetensors");
    folder.write("few.npy", npy(9, 8));
    let net = ["--classifier", "turns.safetensors"];
    let with = |more: &[&'static str]| bench(&[&net[..], more].concat());
    for (more, words) in [
        (
            &["--detectors", "magic"][..],
            &["--detectors magic", "unknown detector"][..],
        ),
        (&["--detectors", "knn,knn"], &["twice"]),
        (&["--detectors", "knn@stage_9"], &["no layer 'stage_9'"]),
        (&["--detectors", "msp@stage_1"], &["sees no features"]),
        (
            &["--detectors", "msp", "--encoder", "pixel-statistics"],
            &["features alone"],
        ),
        (
            &["--out", "a=thin,a=noise.npy"],
            &["two sets are called 'a'"],
        ),
        (&["--out", "all=thin"], &["another name"]),
        (&["--out", "no.npy"], &["no.npy"]),
        (&["--out", "few.npy"], &["few.npy: 9 images", "at least 20"]),
        (&["--train", "no"], &["no"]),
        (
            &[
                "--train",
                "noise.npy",
                "--out",
                "thin",
                "--detectors",
                "rmds",
            ],
            &["noise.npy", "has no class"],
        ),
        (&["--limit-images", "5"], &["5 images to be used"]),
        (&["--reencode", "gif"], &["--reencode", "gif"]),
        (
            &["--preprocessing", "other.pth=cifar"],
            &["none of the networks"],
        ),
        (
            &["--rotation", "plain.safetensors"],
            &["plain.safetensors", "no rotation head"],
        ),
        (&["-o", "r.json"], &["r.json"]),
        (&["-o", "noise.npy"], &["noise.npy"]),
        (&["--encoder", "no.onnx"], &["no.onnx"]),
    ] {
        refused(&folder, &with(more), words);
    }
    refused(&folder, &bench(&[]), &["no network"]);
    let plain = [
        "--classifier",
        "plain.safetensors",
        "--detectors",
        "rotation",
    ];
    refused(
        &folder,
        &bench(&plain),
        &["none of the detectors runs over it"],
    );
    // A network without logits is no classifier.
    let args = [
        "train",
        "train",
        "--method",
        "simclr",
        "-o",
        "simclr.safetensors",
    ];
    folder.run(&[&args[..], &NETWORK].concat()).ok();
    let args = ["--classifier", "simclr.safetensors", "--detectors", "msp"];
    refused(
        &folder,
        &bench(&args),
        &["simclr.safetensors", "no classifier"],
    );
    // A class of one image has no spread.
    for i in 1..40 {
        std::fs::remove_file(folder.path(&format!("train/rows/{i:03}.bmp"))).unwrap();
    }
    let args = with(&["--detectors", "mahalanobis"]);
    refused(&folder, &args, &["mahalanobis", "class 'rows'"]);
}
