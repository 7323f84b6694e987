//! Images to embeddings: the table, the fit of it, views, interruptions, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt32Type};
use arrow_array::{Array, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::common::images::{bmp, folder_of_images, npy};
use crate::common::{Folder, refused};

const ENCODER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../qualm-vision/tests/golden/weights/resnet8.pth"
);
const ONNX: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../qualm-vision/tests/golden/onnx/f32_nchw_free.onnx"
);

fn embed<'a>(images: &'a str, output: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["embed", images, "--encoder", ENCODER, "-o", output];
    if !more.contains(&"--preprocessing") {
        args.extend(["--preprocessing", "akamaster"]);
    }
    args.extend(more);
    args
}

/// An entry of the metadata of a file.
fn entry(path: &Path, key: &str) -> serde_json::Value {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    // For readers that know nothing of Arrow, it also stands by itself.
    let entries = reader
        .metadata()
        .file_metadata()
        .key_value_metadata()
        .unwrap();
    let alone = entries.iter().find(|e| e.key == key).unwrap();
    assert_eq!(
        alone.value.as_deref(),
        Some(reader.schema().metadata()[key].as_str())
    );
    serde_json::from_str(&reader.schema().metadata()[key]).unwrap()
}

/// All rows of a file.
fn read(path: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap());
    let reader = reader.unwrap().with_batch_size(1 << 20).build().unwrap();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    assert_eq!(batches.len(), 1);
    batches[0].clone()
}

/// The values of all vectors.
fn vectors(rows: &RecordBatch) -> Vec<u32> {
    let vectors = rows["embedding"].as_fixed_size_list();
    assert_eq!(vectors.null_count(), 0);
    let values = vectors.values().as_primitive::<Float32Type>();
    values.values().iter().map(|v| v.to_bits()).collect()
}

fn text(rows: &RecordBatch, column: &str) -> Vec<String> {
    let values = rows[column].as_string::<i32>();
    values.iter().map(|v| v.unwrap().to_owned()).collect()
}

fn names(rows: &RecordBatch) -> Vec<String> {
    let fields = rows.schema_ref().fields().iter();
    fields.map(|f| f.name().clone()).collect()
}

#[test]
fn a_folder_becomes_a_table_that_fit_takes_as_it_is() {
    let folder = folder_of_images(30);
    let ran = folder.run(&embed("images", "e.parquet", &["--json"])).ok();
    let report = ran.json();
    assert_eq!(report["n_images"], 60);
    assert_eq!(report["n_rows"], 60);
    assert_eq!(report["n_rejected"], 0);
    assert_eq!(report["views"], serde_json::Value::Null);
    assert_eq!(report["encoder"]["name"], "resnet8.pth");
    assert!(
        ran.stderr.contains("preprocessing from akamaster"),
        "{ran:?}"
    );
    let rows = read(&folder.path("e.parquet"));
    assert_eq!(names(&rows), ["path", "label", "embedding"]);
    assert_eq!(rows.num_rows(), 60);
    assert_eq!(text(&rows, "path")[0], "cats/0.bmp");
    assert_eq!(text(&rows, "label")[59], "dogs");
    assert_eq!(vectors(&rows).len(), 60 * 64);
    let encoder = entry(&folder.path("e.parquet"), "qualm.encoder");
    let keys = &encoder["preprocessing"];
    assert_eq!(
        (&keys["size"], &keys["mean"][0]),
        (&32.into(), &0.485.into())
    );
    assert_eq!(
        (&encoder["id"], &encoder["width"]),
        (&"path".into(), &64.into())
    );

    folder.fit("e.parquet", "m.qualm", &[]).ok();
    let info = folder.run(&["info", "m.qualm", "--json"]).ok().json();
    assert_eq!(info["n_features"], 64);
    assert_eq!(info["provenance"]["encoder"], report["encoder"]);
    assert_eq!(folder.names(), ["e.parquet", "images", "m.qualm"]);
}

#[test]
fn vectors_do_not_depend_on_batches_threads_or_neighbours() {
    let folder = Folder::new();
    folder.write("i.npy", npy(37, 20));
    let run = |name: &str, more: &[&str]| {
        folder.run(&embed("i.npy", name, more)).ok();
        read(&folder.path(name))
    };
    let rows = run("a.parquet", &[]);
    assert_eq!(names(&rows), ["id", "embedding"]);
    assert_eq!(text(&rows, "id")[36], "36");
    let other = run("b.parquet", &["--batch", "5", "--threads", "1"]);
    assert_eq!(vectors(&rows), vectors(&other));
    let arrow = folder.run(&embed("i.npy", "c.arrow", &[])).ok();
    assert!(
        arrow.stdout.contains("embedded 37 images to c.arrow"),
        "{arrow:?}"
    );
}

#[test]
fn views_are_rows_with_their_crops() {
    let folder = folder_of_images(3);
    let run = |name: &str, more: &[&str]| {
        let more = [&["--views", "4"], more].concat();
        folder.run(&embed("images", name, &more)).ok();
        read(&folder.path(name))
    };
    let rows = run("v.parquet", &[]);
    assert_eq!(
        names(&rows),
        [
            "path",
            "label",
            "view",
            "crop_left",
            "crop_top",
            "crop_width",
            "crop_height",
            "flip",
            "embedding"
        ]
    );
    assert_eq!(rows.num_rows(), 24);
    let column = |name: &str| rows[name].as_primitive::<UInt32Type>().values().to_vec();
    assert_eq!(column("view")[..5], [0, 1, 2, 3, 0]);
    assert_eq!(text(&rows, "path")[3], text(&rows, "path")[0]);
    let inside = |edge: &str, side: &str| {
        let pairs = column(edge).into_iter().zip(column(side));
        pairs
            .into_iter()
            .all(|(edge, side)| side > 0 && edge + side <= 8)
    };
    assert!(inside("crop_left", "crop_width") && inside("crop_top", "crop_height"));
    assert_eq!(
        vectors(&rows),
        vectors(&run("w.parquet", &["--batch", "1"]))
    );
    assert_ne!(vectors(&rows), vectors(&run("x.parquet", &["--seed", "1"])));
    // Crops of everything, and no other change: as the images themselves.
    let keys = [
        "crop_area=[1,1]",
        "crop_aspect=[1,1]",
        "flip=0",
        "jitter=0",
        "grey=0",
    ];
    let keys: Vec<&str> = keys.iter().flat_map(|key| ["--view-set", key]).collect();
    let whole = run("y.parquet", &keys);
    assert_eq!(
        whole["crop_width"].as_primitive::<UInt32Type>().values()[..],
        [8; 24]
    );
}

#[test]
fn a_run_that_stopped_goes_on_to_the_same_vectors() {
    let folder = folder_of_images(20);
    let run = |output: &str, more: &[&str]| folder.run(&embed("images", output, more));
    run("whole.parquet", &[]).ok();
    folder.write("images/dogs/7.bmp", "no picture");
    let ran = run("e.parquet", &["--batch", "8"]);
    assert_eq!(ran.code, Some(2));
    for word in ["32 images are kept in e.parquet.parts", "--resume", "7.bmp"] {
        assert!(ran.stderr.contains(word), "{ran:?}");
    }
    assert!(!folder.path("e.parquet").exists());

    // Other rows are another run.
    for more in [
        &["--preprocessing", "cifar"][..],
        &["--views", "2"],
        &["--on-error", "skip"],
    ] {
        let ran = run("e.parquet", &[more, &["--resume"]].concat());
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains("left by a run with another"), "{ran:?}");
    }
    folder.write("images/dogs/7.bmp", bmp(15));
    let name = folder.path("images/cats/0.bmp");
    std::fs::rename(&name, folder.path("images/cats/00.bmp")).unwrap();
    let ran = run("e.parquet", &["--resume"]);
    assert!(ran.stderr.contains("the images have changed"), "{ran:?}");
    std::fs::rename(folder.path("images/cats/00.bmp"), &name).unwrap();

    let ran = run("e.parquet", &["--resume", "--json"]).ok();
    assert!(ran.stderr.contains("going on after 32 images"), "{ran:?}");
    assert_eq!(
        (&ran.json()["n_resumed"], &ran.json()["n_images"]),
        (&32.into(), &40.into())
    );
    let (whole, resumed) = ("whole.parquet", "e.parquet");
    let [whole, resumed] = [whole, resumed].map(|name| read(&folder.path(name)));
    assert_eq!(vectors(&whole), vectors(&resumed));
    assert_eq!(text(&whole, "path"), text(&resumed, "path"));
    assert_eq!(folder.names(), ["e.parquet", "images", "whole.parquet"]);
}

#[test]
fn broken_images_are_skipped_only_when_asked_and_always_listed() {
    let folder = folder_of_images(4);
    folder.write("images/cats/1.bmp", "no picture");
    folder.write("images/dogs/9.png", "");
    let args = embed("images", "e.parquet", &["--on-error", "skip", "--json"]);
    let ran = folder.run(&args).ok();
    let report = ran.json();
    assert_eq!(
        (&report["n_images"], &report["n_rejected"]),
        (&7.into(), &2.into())
    );
    assert_eq!(report["rejects"], "e.rejects.csv");
    assert!(
        ran.stderr
            .contains("2 images could not be read and are left out"),
        "{ran:?}"
    );
    let rejects = folder.text("e.rejects.csv");
    assert!(rejects.starts_with("path,reason\n"), "{rejects}");
    assert!(
        rejects.contains("cats/1.bmp") && rejects.contains("dogs/9.png"),
        "{rejects}"
    );
    assert_eq!(read(&folder.path("e.parquet")).num_rows(), 7);
}

#[test]
fn wrong_input_is_refused_before_any_work() {
    let folder = folder_of_images(2);
    folder.write("empty/readme.txt", "nothing");
    let encoder =
        |path: &'static str| vec!["embed", "images", "--encoder", path, "-o", "o.parquet"];
    refused(
        &folder,
        &embed("images", "out.csv", &[]),
        &["out.csv", "'embedding'", ".parquet"],
    );
    refused(&folder, &embed("images", "e.npy", &[]), &["e.npy"]);
    refused(&folder, &embed("absent", "o.parquet", &[]), &["absent"]);
    refused(
        &folder,
        &embed("empty", "o.parquet", &[]),
        &["empty", "no image"],
    );
    refused(
        &folder,
        &embed("images", "no/o.parquet", &[]),
        &["no/o.parquet", "folder"],
    );
    refused(
        &folder,
        &embed("images", "o.parquet", &["--views", "0"]),
        &["--views"],
    );
    refused(&folder, &encoder("absent.onnx"), &["absent.onnx"]);
    refused(
        &folder,
        &encoder(ENCODER),
        &["not known", "clip", "resnet8.toml"],
    );
    let more = ["--views", "2", "--view-set", "hue=2"];
    refused(&folder, &embed("images", "o.parquet", &more), &["hue = 2"]);
    let more = ["--preprocessing", "nothing"];
    refused(
        &folder,
        &embed("images", "o.parquet", &more),
        &["'nothing'", "siglip2"],
    );
}

/// Without an onnxruntime anywhere, the places are named.
#[test]
fn a_missing_onnxruntime_is_explained() {
    let folder = folder_of_images(1);
    let args = ["encoder", "check", ONNX, "--preprocessing", "cifar"];
    let ran = folder
        .command(&args)
        .env("QUALM_ORT_DYLIB_PATH", "/no/such.so")
        .output();
    let stderr = String::from_utf8(ran.unwrap().stderr).unwrap();
    for word in [
        "/no/such.so",
        "QUALM_ORT_DYLIB_PATH",
        "pip install onnxruntime",
    ] {
        assert!(stderr.contains(word), "{stderr}");
    }
    let mut command = folder.command(&args);
    for variable in [
        "QUALM_ORT_DYLIB_PATH",
        "ORT_DYLIB_PATH",
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
    ] {
        command.env_remove(variable);
    }
    let output = command.env("PATH", folder.root()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    // The system may have one.
    if output.status.code() == Some(2) {
        for word in [
            "no path was given",
            "QUALM_ORT_DYLIB_PATH is not set",
            "ORT_DYLIB_PATH is not set",
            "no python3 to ask",
            "the system has no",
            "pip install onnxruntime",
        ] {
            assert!(stderr.contains(word), "{stderr}");
        }
    }
}

#[test]
fn an_encoder_is_described() {
    let folder = Folder::new();
    let args = ["encoder", "check", ENCODER, "--preprocessing", "akamaster"];
    let ran = folder.run(&args).ok();
    for word in ["resnet8", "sha256", "filter", "0.485", "the same bits"] {
        assert!(ran.stdout.contains(word), "{ran:?}");
    }
    let report = folder.run(&[&args[..], &["--json"]].concat()).ok().json();
    assert_eq!(report["architecture"], "resnet8");
    assert_eq!(report["vector"].as_array().unwrap().len(), 64);
    assert_eq!(report["preprocessing"]["layout"], "nhwc");
    let text = std::fs::read_to_string(PathBuf::from(ENCODER).with_file_name("../weights.json"));
    let golden: serde_json::Value = serde_json::from_str(&text.unwrap()).unwrap();
    let pairs = report["vector"].as_array().unwrap().iter();
    for (found, expected) in pairs.zip(golden["features"].as_array().unwrap()) {
        let error = found.as_f64().unwrap() - expected.as_f64().unwrap();
        assert!(error.abs() < 1e-5, "{found}, expected {expected}");
    }
}

#[test]
fn images_are_scored_by_the_encoder_that_the_model_names() {
    let folder = folder_of_images(30);
    folder.run(&embed("images", "e.parquet", &[])).ok();
    folder.run(&["fit", "e.parquet", "-o", "m.qualm"]).ok();
    let rows = folder.run(&["score", "m.qualm", "e.parquet"]).ok().stdout;

    // The encoder is not beside the model yet.
    let missing = folder.run(&["score", "m.qualm", "images"]);
    assert_eq!(missing.code, Some(2));
    let says = ["these are images", "resnet8.pth", "--encoder FILE"];
    assert!(
        says.iter().all(|word| missing.stderr.contains(word)),
        "{missing:?}"
    );
    let given = ["score", "m.qualm", "images", "--encoder", ENCODER];
    assert_eq!(folder.run(&given).ok().stdout, rows);

    std::fs::copy(ENCODER, folder.path("resnet8.pth")).unwrap();
    let scored = folder
        .run(&["score", "m.qualm", "images", "-o", "s.csv"])
        .ok();
    assert!(scored.stdout.contains("scored 60 rows"), "{scored:?}");
    assert_eq!(folder.text("s.csv"), rows);

    // Prepared in another way they would be other rows.
    let other = ["--preprocessing", "cifar", "-o", "out.csv"];
    let args = [&["score", "m.qualm", "images"][..], &other].concat();
    refused(
        &folder,
        &args,
        &["resnet8.pth", "weights and preprocessing"],
    );
    let args = [
        "score", "m.qualm", "images", "--label", "label", "-o", "out.csv",
    ];
    refused(&folder, &args, &["--label", "no columns"]);
    folder.write("images/cats/7.bmp", "no picture");
    refused(
        &folder,
        &["score", "m.qualm", "images", "-o", "out.csv"],
        &["cats/7.bmp"],
    );
}

#[test]
fn views_are_fitted_as_views() {
    let folder = folder_of_images(30);
    folder
        .run(&embed("images", "v.parquet", &["--views", "3"]))
        .ok();
    let fitted = folder.run(&["fit", "v.parquet", "-o", "m.qualm"]).ok();
    let note = "180 rows are views of 60 items, by column 'path'";
    assert!(fitted.stderr.contains(note), "{}", fitted.stderr);
}
