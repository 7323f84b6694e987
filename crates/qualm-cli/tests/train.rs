//! `qualm train`: an encoder out of images, measured, exported, interrupted and resumed; and what
//! is refused.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use crate::common::{Folder, Ran};

/// Keys of a training that takes a second or two.
const SMALL: [&str; 8] = [
    "--network",
    "resnet8",
    "--batch",
    "8",
    "--set",
    "projection_hidden=16",
    "--set",
    "projection_width=8",
];

/// A bitmap of 8 x 8 pixels, 24 bits each: bars of one direction, from somewhere on.
fn bars(class: usize, number: usize) -> Vec<u8> {
    let mut bytes = b"BM".to_vec();
    bytes.extend(
        [54 + 192u32, 0, 54, 40, 8, 8]
            .map(u32::to_le_bytes)
            .concat(),
    );
    bytes.extend([1, 0, 24, 0]);
    bytes.extend([0u32; 6].map(u32::to_le_bytes).concat());
    for place in 0..64 {
        let along = if class == 0 { place % 8 } else { place / 8 };
        let on = (along + number) % 4 < 2;
        let light = 40 + (number * 37 % 90) as u8;
        bytes.extend([if on { 255 - light } else { light }; 3]);
    }
    bytes
}

/// A folder `images` of two classes.
fn folder(n: usize) -> Folder {
    let folder = Folder::new();
    for i in 0..n {
        for (class, name) in ["columns", "rows"].iter().enumerate() {
            folder.write(&format!("images/{name}/{i:03}.bmp"), bars(class, i));
        }
    }
    folder
}

fn train(folder: &Folder, more: &[&str]) -> Ran {
    let mut args = vec!["train", "images", "-o", "e.safetensors"];
    args.extend(SMALL);
    args.extend(more);
    folder.run(&args)
}

#[test]
fn an_encoder_is_trained_measured_and_exported() {
    let folder = folder(20);
    let more = [
        "--epochs",
        "3",
        "--eval-labels",
        "--set",
        "knn_every=2",
        "--export",
        "e.onnx",
    ];
    let ran = train(&folder, &[more.as_slice(), &["--json"]].concat()).ok();
    let report = ran.json();
    assert_eq!(folder.names(), ["e.onnx", "e.safetensors", "images"]);
    // A tenth is held out.
    assert_eq!((&report["n"], &report["n_eval"]), (&36.into(), &4.into()));
    assert_eq!(
        (&report["n_classes"], &report["width"]),
        (&2.into(), &64.into())
    );
    assert_eq!(
        (&report["epochs_done"], &report["epochs"]),
        (&3.into(), &3.into())
    );
    let curve = report["curve"].as_array().unwrap();
    assert!(
        curve
            .iter()
            .all(|epoch| epoch["loss"].is_number() && epoch["output_std"].is_number())
    );
    let measured: Vec<bool> = curve
        .iter()
        .map(|e| e["knn_accuracy"].is_number())
        .collect();
    assert_eq!(measured, [false, true, true]);
    assert_eq!(report["spec"]["temperature"], 0.5);
    assert_eq!(report["spec"]["image_size"], 8);
    assert!(ran.stderr.contains("epoch 2 of 3") && ran.stderr.contains("kNN accuracy"));
    assert!(
        ran.stderr
            .contains("36 images are no whole number of batches of 8")
    );
    // The same again, to the byte, on one thread; as text.
    let first = (folder.read("e.safetensors"), folder.read("e.onnx"));
    let ran = train(&folder, &[more.as_slice(), &["--threads", "1"]].concat()).ok();
    assert!((folder.read("e.safetensors"), folder.read("e.onnx")) == first);
    assert!(
        ran.stdout
            .contains("qualm embed IMAGES --encoder e.safetensors")
    );
    // It embeds, and what it embeds is fitted.
    folder
        .run(&[
            "embed",
            "images",
            "--encoder",
            "e.safetensors",
            "-o",
            "e.parquet",
        ])
        .ok();
    folder
        .run(&["fit", "e.parquet", "--detector", "knn", "-o", "m.qualm"])
        .ok();
}

#[test]
fn a_training_stops_when_the_time_is_up_and_goes_on() {
    let folder = folder(12);
    let keys = ["--epochs", "3", "--method", "moco"];
    train(&folder, &keys).ok();
    let whole = folder.read("e.safetensors");
    let some = [keys.as_slice(), &["--max-minutes", "0.0001"]].concat();
    let ran = train(&folder, &some).ok();
    assert!(
        ran.stderr.contains("epoch 1 of 3") && ran.stderr.contains("--resume"),
        "{ran:?}"
    );
    assert!(folder.read("e.safetensors") != whole);
    assert_eq!(
        folder.names(),
        ["e.safetensors", "e.safetensors.checkpoint", "images"]
    );
    // Other settings are another training.
    let other = [keys.as_slice(), &["--resume", "--set", "temperature=0.3"]].concat();
    let ran = train(&folder, &other);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("another specification"), "{ran:?}");
    train(&folder, &[keys.as_slice(), &["--resume"]].concat()).ok();
    assert!(folder.read("e.safetensors") == whole);
    assert_eq!(folder.names(), ["e.safetensors", "images"]);
}

#[test]
fn labels_are_learned_from_the_sub_folders() {
    let folder = folder(16);
    let args = [
        "train",
        "images",
        "-o",
        "c.safetensors",
        "--method",
        "supervised",
        "--network",
        "resnet8",
        "--batch",
        "8",
        "--epochs",
        "6",
        "--eval",
        "images",
        "--json",
    ];
    let report = folder.run(&args).ok().json();
    let last = report["curve"].as_array().unwrap().last().unwrap().clone();
    assert!(last["accuracy"].as_f64().unwrap() > 0.8, "{last}");
    assert_eq!(report["n_eval"], 32);
}

#[test]
fn what_cannot_be_trained_is_refused_before_any_work() {
    let folder = folder(4);
    folder.write("flat/a.bmp", bars(0, 0));
    folder.write("flat/b.bmp", bars(1, 0));
    folder.write("one/a.bmp", bars(0, 0));
    folder.write("broken/a.bmp", b"no image");
    folder.write("broken/b.bmp", bars(0, 0));
    folder.write("broken/c.bmp", bars(1, 1));
    std::fs::create_dir(folder.path("empty")).unwrap();
    folder.write("e.toml", "temperature = 0.2\nnonsense = 1\n");
    let cases: [(&[&str], &[&str]); 12] = [
        (
            &["flat", "--method", "supervised"],
            &["flat", "learns labels"],
        ),
        (&["flat", "--eval-labels"], &["flat", "label"]),
        (&["one"], &["one", "at least 2 images"]),
        (&["empty"], &["empty"]),
        (&["nowhere"], &["nowhere"]),
        (&["broken"], &["a.bmp"]),
        (&["images", "--batch", "1"], &["batch_size = 1"]),
        (
            &["images", "--set", "bank_size=9"],
            &["bank_size = 9", "simclr has no such key"],
        ),
        (&["images", "--config", "e.toml"], &["nonsense"]),
        (&["images", "--network", "vgg"], &["vgg", "resnet18-cifar"]),
        (
            &["images", "--export", "out.qualm"],
            &["out.qualm", "--export"],
        ),
        (
            &["images", "--method", "supervised", "--eval", "flat"],
            &["flat", "label"],
        ),
    ];
    for (more, words) in cases {
        let mut args = vec!["train", "-o", "out.qualm", "--epochs", "1", "--set"];
        args.push("learning_rate=0.1");
        args.extend(more);
        crate::common::refused(&folder, &args, words);
    }
    // Left out when asked for, and it is said.
    let ran = folder.run(&[
        "train",
        "broken",
        "-o",
        "e.safetensors",
        "--epochs",
        "1",
        "--on-error",
        "skip",
        "--network",
        "resnet8",
    ]);
    assert!(ran.ok().stderr.contains("left out"));
}
